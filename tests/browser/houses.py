"""Households in different conditions, each opened once for a test process and then only looked at."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Self

from sqlalchemy import insert

from consent_service import service as services
from consent_service.models import subscriber
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


def _with_one_update_waiting(house: Household) -> None:
    _with_staff(house)
    Visitor(house).becomes_active()


CONDITIONS: dict[str, tuple[Callable[[Household], None], dict[str, object]]] = {
    "empty": (_with_staff, {}),
    "town": (_with_staff, {}),
    "busy": (_with_many_people, {}),
    "strict": (_with_a_full_allowance, {"limit_ip": "2/hour", "limit_global": "1/hour"}),
    "unconnected": (_with_one_update_waiting, NO_ACTIVECAMPAIGN),
}
