"""One budget of calls to ActiveCampaign for the whole account, shared by every relay through the database.

Five calls a second are allowed there for everybody together (its rate limit page); this service takes at most four.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, select, update

from consent_service.database import insert_if_absent
from consent_service.models import call_budget

GAP = timedelta(milliseconds=250)
NAME = "activecampaign"


@dataclass(frozen=True)
class CallBudget:
    """Takes turns through transactions of its own; `sleep(seconds)` is true when it was cut short, to stop."""

    transaction: Callable[[], AbstractContextManager[Connection]]
    now: Callable[[], datetime]
    sleep: Callable[[float], bool]

    def take_turn(self) -> bool:
        """Reserve the next call and wait until its time has come; False when the wait was cut short: do not call."""
        with self.transaction() as connection:
            now = self.now()
            at = max(_next_at(connection, now), now)
            _set_next(connection, at + GAP)
        return at <= now or not self.sleep((at - now).total_seconds())

    def rest(self, span: timedelta) -> None:
        """Let nobody call for a while, because the other side said so (RFC 9110 section 10.2.3)."""
        with self.transaction() as connection:
            until = self.now() + span
            _set_next(connection, max(_next_at(connection, until), until))


class Unpaced:
    """For a single call by hand, which need not wait for its turn nor for a database."""

    @staticmethod
    def now() -> datetime:
        """The time of now."""
        return datetime.now(UTC)

    def take_turn(self) -> bool:
        """Go ahead."""
        return True

    def rest(self, span: timedelta) -> None:
        """Nothing follows that could be held back."""


def _next_at(connection: Connection, first: datetime) -> datetime:
    insert_if_absent(connection, call_budget, {"name": NAME, "next_at": first})
    at: datetime = connection.execute(
        select(call_budget.c.next_at).where(call_budget.c.name == NAME).with_for_update()
    ).scalar_one()
    return at


def _set_next(connection: Connection, at: datetime) -> None:
    connection.execute(update(call_budget).where(call_budget.c.name == NAME).values(next_at=at))
