"""Households in different conditions, each opened once for a test process and then only looked at."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Self

from sqlalchemy import insert, select, update

from consent_service import service as services
from consent_service.comparison import runs
from consent_service.delivery import outbox
from consent_service.models.comparison import reconcile_run
from consent_service.models.newsletter import subscriber
from tests import crowd, half_a_year
from tests.actors import Staff, Visitor, fi
from tests.browser.guest import LONG_EMAIL, LONG_FIRST, LONG_LAST
from tests.household import NO_ACTIVECAMPAIGN, Household, household
from tests.servers.activecampaign import ActiveCampaign
from tests.servers.smtp import MailServer

STAFF = "heidi@keinuma.example"
STORY = "eero@example.com"  # somebody to whom everything has happened


class Houses:
    """`houses["empty"]`: a household, opened when it is first asked for."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._stack = ExitStack()
        self._open: dict[str, Household] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __getitem__(self, name: str) -> Household:
        if name not in self._open:
            furnish, given = CONDITIONS[name]
            mail, contacts = self._stack.enter_context(MailServer()), self._stack.enter_context(ActiveCampaign())
            contacts.rate_limit = None
            url = f"sqlite:///{self.folder}/{name}.db"
            house = self._stack.enter_context(household(self.folder, url, mail, contacts, **given))
            furnish(house)
            self._open[name] = house
        return self._open[name]


def _with_staff(house: Household) -> None:
    Staff(house, STAFF)


def _with_many_people(house: Household) -> None:
    """Fifty-five people, one with a very long name, one with a long story, and mails that wait or were refused."""
    heidi = Staff(house, STAFF)
    heidi.log_in()
    _add_people(house, 53)
    heidi.add(
        STORY, occasion="valmennuspäivä Jyväskylässä, aamukahvit ja pitkä keskustelu uutiskirjeestä ennen kotimatkaa"
    )
    eero = Visitor(house, STORY)
    house.deliver()
    eero.confirm()
    house.deliver()
    eero.leave().press(fi("Send the answer"), reason="too_many")
    house.deliver()
    hold = house.get(f"/staff/subscribers/{house.person(STORY).id}/hold?lang=fi", heidi.http)
    hold.press(fi("Keep the data"), reason="vaade maksamattomasta laskusta numero 2026-1042, käsittely kesken")
    refused = Visitor(house, LONG_EMAIL.format("refused"), LONG_FIRST, LONG_LAST)
    refused.subscribe()
    house.mail.answer_next("rcpt", 550, f"5.1.1 <{refused.email}>: Recipient address rejected: user unknown")
    house.deliver()
    waiting = Visitor(house, LONG_EMAIL.format("waiting"), LONG_FIRST, LONG_LAST)
    waiting.subscribe()
    house.mail.answer_next("rcpt", 451, "4.7.1 Greylisting in action, please come back later")
    house.deliver()
    Visitor(house, "jonottaja@example.com").subscribe()


def _add_people(house: Household, number: int) -> None:
    now = services.now() - timedelta(days=1)
    rows = [
        {
            "id": f"00000000-0000-4000-8000-{which:012}",
            "email": f"nimi.{which}@example.com",
            "email_key": f"nimi.{which}@example.com",
            "first_name": "Nimi",
            "last_name": f"Numero {which}",
            "language": "fi",
            "status": "pending",
            "asked_at": now - timedelta(minutes=which),
        }
        for which in range(number)
    ]
    with house.service.transaction() as connection:
        connection.execute(insert(subscriber), rows)


def _with_a_full_allowance(house: Household) -> None:
    """The next form from this network is refused, and so is the next log-in."""
    heidi = Staff(house, STAFF)
    for number in range(2):
        Visitor(house, f"aino.{number}@example.com").subscribe()
    house.deliver()
    for _ in range(6):
        heidi.log_in("a wrong password")


def _with_two_forms(house: Household) -> None:
    """The next one has to cost something."""
    for number in range(2):
        Visitor(house, f"aino.{number}@example.com").subscribe()
    house.deliver()


def _with_one_update_waiting(house: Household) -> None:
    _with_staff(house)
    Visitor(house).becomes_active()


def _with_drift(house: Household) -> None:
    """Something found of nearly every kind and left alone, an update given up, and a comparison to go on with."""
    _with_staff(house)
    emails = [f"aino.{number}@example.com" for number in range(4)] + [LONG_EMAIL.format("there")]
    crowd.become_active(house, emails)
    with house.service.transaction() as connection:
        mine = subscriber.c.email == emails[-1]
        long = {"first_name": LONG_FIRST, "last_name": LONG_LAST}
        connection.execute(update(subscriber).where(mine).values(long))
    house.contacts.set_status(emails[0], 2)
    house.contacts.set_status(emails[1], 3)
    house.contacts.remove(emails[2])
    house.contacts.set_status(emails[-1], 2)
    for number in range(12):
        house.contacts.add(f"vieras.{number}@example.com", status=1)
    house.compare(by_hand=False)
    _with_an_update_refused(house, emails[3])
    house.compare(applies=False)
    with house.service.transaction() as connection:
        runs.begin(connection, services.now(), applies=True, by_hand=True)


def _with_an_update_refused(house: Household, email: str) -> None:
    with house.service.transaction() as connection:
        mine = subscriber.c.email == email
        connection.execute(update(subscriber).where(mine).values(email='aino"@"example@example.com'))
        person = connection.execute(select(subscriber.c.id).where(subscriber.c.email_key == email)).scalar_one()
        outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, outbox.SYNC, services.now(), subscriber_id=person)
    crowd.forward(house)


def _with_much_to_do(house: Household) -> None:
    """Weeks behind it, customers ten years passive, and a breach that has to be reported."""
    _with_staff(house)
    half_a_year.furnish(house, LONG_FIRST, LONG_LAST)


def change_run(house: Household, *, is_claimed: bool, trouble: str | None) -> None:
    """Let the comparison that is open be under way, or left by whoever was at it."""
    until = services.now() + timedelta(days=1) if is_claimed else None
    with house.service.transaction() as connection:
        state = {"claimed_by": "another" if is_claimed else None, "claimed_until": until, "trouble": trouble}
        connection.execute(update(reconcile_run).where(reconcile_run.c.is_open).values(state | {"contacts": 12300}))


CONDITIONS: dict[str, tuple[Callable[[Household], None], dict[str, object]]] = {
    "empty": (_with_staff, {}),
    "town": (_with_staff, {}),
    "busy": (_with_many_people, {}),
    "strict": (_with_a_full_allowance, {"limit_ip": "2/hour", "limit_global": "2/hour"}),
    "crowded": (_with_two_forms, {"limit_global": "2/hour"}),
    "drifted": (_with_drift, {}),
    "old": (_with_much_to_do, {}),
    "unconnected": (_with_one_update_waiting, NO_ACTIVECAMPAIGN),
}
