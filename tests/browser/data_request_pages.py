"""The states of the staff pages for requests about data, as in places.py."""

from datetime import timedelta

from consent_service import service as services
from consent_service.people import read_address
from consent_service.rights import data_requests as requests
from consent_service.rights.data_requests import Closing, Told
from tests.asker import add_asker, today
from tests.browser.guest import LONG_EMAIL, LONG_FIRST, LONG_LAST, NUMBERS, Guest
from tests.browser.houses import STAFF
from tests.browser.places import Place, place
from tests.register import add_paper

DATA_REQUESTS: list[Place] = []
WISH = "Poistakaa kaikki tietoni.\n\n" + "pitkäsanayhdistelmävailla" * 12


def _asked(guest: Guest, kind: str, *, is_known: bool = True, is_sure: bool = False, is_late: bool = False) -> str:
    """Where staff find a request that was just taken."""
    house, email = guest.house, LONG_EMAIL.format(next(NUMBERS))
    number = None
    if is_known:
        aino = add_asker(house, email, first_name=LONG_FIRST, last_name=LONG_LAST)
        add_paper(house, aino.id, id=aino.id, title="Lasku 2026-1042, valmennuspäivät Jyväskylässä ja Tampereella")
        number = aino.number
    told = Told(
        kind=kind,
        channel="phone",
        received_on=today() - timedelta(days=35 if is_late else 0),
        language=guest.code,
        name=f"{LONG_FIRST} {LONG_LAST}",
        address=read_address(email),
        phone="+358 40 123 4567",
        customer_number=number,
        wish=WISH,
    )
    with house.service.transaction() as connection:
        taken = requests.take(connection, house.occasion("staff:1", "console"), told, "Heidi")
        if is_sure:
            requests.verify(connection, services.now(), taken, "known", "Soitin takaisin.", "Heidi")
    return f"/staff/data-requests/{taken}"


def _carried_out(guest: Guest, kind: str) -> str:
    path = _asked(guest, kind, is_sure=True)
    number, house = int(path.rpartition("/")[2]), guest.house
    with house.service.transaction() as connection:
        requests.carry_out(connection, house.occasion("staff:1", "console"), number, today(), "Heidi")
        for place_ in ("spreadsheet", "binder", "mailbox", "accounting"):
            try:
                requests.tick(connection, services.now(), number, place_, "kaksi riviä poistettu", "Heidi")
            except requests.RequestRefused:
                continue
    return path


def _staff(guest: Guest, path: str) -> Guest:
    return guest.let_in(STAFF).open(path)


@place(DATA_REQUESTS, "empty", repeats=True)
def data_requests_empty(guest: Guest) -> None:
    _staff(guest, "/staff/data-requests")


@place(DATA_REQUESTS, "town")
def data_requests_some(guest: Guest) -> None:
    _asked(guest, "erase", is_late=True)
    _asked(guest, "access", is_known=False)
    _staff(guest, "/staff/data-requests")


@place(DATA_REQUESTS, "town", repeats=True)
def data_requests_none_found(guest: Guest) -> None:
    _staff(guest, "/staff/data-requests?q=zzz")


@place(DATA_REQUESTS, "town", repeats=True)
def data_request_add(guest: Guest) -> None:
    _staff(guest, "/staff/data-requests/add")


@place(DATA_REQUESTS, "town", is_wrong=True)
def data_request_add_wrong(guest: Guest) -> None:
    _staff(guest, "/staff/data-requests/add").press("Add the request")


@place(DATA_REQUESTS, "town")
def data_request_new(guest: Guest) -> None:
    _staff(guest, _asked(guest, "erase"))


@place(DATA_REQUESTS, "town")
def data_request_sure(guest: Guest) -> None:
    _staff(guest, _asked(guest, "access", is_sure=True))


@place(DATA_REQUESTS, "town")
def data_request_closed(guest: Guest) -> None:
    path = _carried_out(guest, "erase")
    with guest.house.service.transaction() as connection:
        number, closing = int(path.rpartition("/")[2]), Closing("part", "law", "Kiitos yhteistyöstä!")
        requests.close(connection, guest.house.occasion("staff:1", "console"), number, closing, today(), "Heidi")
    _staff(guest, path)


@place(DATA_REQUESTS, "town")
def data_request_letter(guest: Guest) -> None:
    data_request_closed(guest)
    guest.open(f"{guest.tab.url.partition('?')[0].removeprefix(guest.house.url)}/letters/answer")


@place(DATA_REQUESTS, "town", is_wrong=True)
def data_request_identity_wrong(guest: Guest) -> None:
    _staff(guest, f"{_asked(guest, 'erase')}/identity").press("Note it")


@place(DATA_REQUESTS, "town", is_wrong=True)
def data_request_customer_wrong(guest: Guest) -> None:
    _staff(guest, f"{_asked(guest, 'erase', is_known=False)}/customer").press("Note it")


@place(DATA_REQUESTS, "town")
def data_request_extension(guest: Guest) -> None:
    _staff(guest, f"{_asked(guest, 'access')}/extension")


@place(DATA_REQUESTS, "town", is_wrong=True)
def data_request_carry_out_wrong(guest: Guest) -> None:
    _staff(guest, f"{_asked(guest, 'erase', is_sure=True)}/carry-out").press("Erase for good")


@place(DATA_REQUESTS, "town")
def data_request_task(guest: Guest) -> None:
    _staff(guest, f"{_asked(guest, 'erase', is_sure=True)}/tasks/spreadsheet")


@place(DATA_REQUESTS, "town", is_wrong=True)
def data_request_close_wrong(guest: Guest) -> None:
    _staff(guest, f"{_carried_out(guest, 'erase')}/close").press("Close and answer")
