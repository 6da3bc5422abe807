"""The states of the pages about the staff's day and the owner's duties, found as in places.py."""

from sqlalchemy import select

from consent_service.models.breaches import breach
from consent_service.models.customers import customer
from tests.browser.guest import LONG_EMAIL, LONG_FIRST, LONG_LAST, NUMBERS, Guest
from tests.browser.houses import STAFF
from tests.browser.places import Place, place
from tests.register import add_somebody

DAY: list[Place] = []


def _open(guest: Guest, path: str) -> Guest:
    return guest.let_in(STAFF).open(f"/staff{path}")


def _one(guest: Guest, table, *which) -> str:
    with guest.house.service.reading() as connection:
        return connection.execute(select(table.c.id).where(*which).limit(1)).scalar_one()


@place(DAY, "old")
def overview_old(guest: Guest) -> None:
    _open(guest, "/").tab.locator(".charts summary").first.click()


@place(DAY, "empty", repeats=True)
def people(guest: Guest) -> None:
    _open(guest, "/people")


@place(DAY, "empty", is_wrong=True)
def people_nothing_typed(guest: Guest) -> None:
    _open(guest, "/people").press("Look up")


@place(DAY, "town")
def people_found(guest: Guest) -> None:
    person = guest.subscribed()
    email = LONG_EMAIL.format(next(NUMBERS))
    add_somebody(guest.house, LONG_LAST[:100], email=email, first_name=LONG_FIRST)
    _open(guest, "/people").write(words="a").press("Look up")
    guest.tab.get_by_text(person.email).first.wait_for()


@place(DAY, "empty")
def people_none_found(guest: Guest) -> None:
    _open(guest, "/people").write(words="zzz").press("Look up")


@place(DAY, "town", repeats=True)
def person(guest: Guest) -> None:
    somebody = guest.confirmed()
    somebody.write(guest.code)
    add_somebody(guest.house, LONG_LAST[:100], email=somebody.email, first_name=LONG_FIRST)
    guest.house.object(somebody.email)
    _open(guest, f"/people/subscribers/{guest.house.person(somebody.email).id}")


@place(DAY, "old", repeats=True)
def retention(guest: Guest) -> None:
    _open(guest, "/retention")


@place(DAY, "empty", repeats=True)
def retention_nobody(guest: Guest) -> None:
    _open(guest, "/retention")


@place(DAY, "old")
def retention_review(guest: Guest) -> None:
    _open(guest, "/retention/review")


@place(DAY, "empty")
def retention_review_done(guest: Guest) -> None:
    _open(guest, "/retention/review/erase").press("The review is done")


@place(DAY, "old", is_wrong=True)
def retention_erase_wrong(guest: Guest) -> None:
    _open(guest, "/retention/review/erase").press("Erase for good")


@place(DAY, "old", is_wrong=True)
def retention_keep_wrong(guest: Guest) -> None:
    gone = _one(guest, customer, customer.c.last_name == "Riitala")
    _open(guest, f"/retention/review/{gone}/keep").press("Keep for another year")


@place(DAY, "empty")
def records(guest: Guest) -> None:
    _open(guest, "/records")


@place(DAY, "empty", repeats=True)
def breaches_none(guest: Guest) -> None:
    _open(guest, "/breaches")


@place(DAY, "old", repeats=True)
def breaches_some(guest: Guest) -> None:
    _open(guest, "/breaches")


@place(DAY, "old")
def breach_open(guest: Guest) -> None:
    _open(guest, f"/breaches/{_one(guest, breach)}")


@place(DAY, "empty", is_wrong=True)
def breach_add_wrong(guest: Guest) -> None:
    _open(guest, "/breaches/add").write(day="").press("Save")


@place(DAY, "old", is_wrong=True)
def breach_tell_wrong(guest: Guest) -> None:
    _open(guest, f"/breaches/{_one(guest, breach)}/tell").press("Save")
