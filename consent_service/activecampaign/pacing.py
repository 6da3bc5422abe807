"""One budget of calls to ActiveCampaign for the whole account, shared by every relay through the database.

Five calls a second are allowed there for everybody together (its rate limit page); this service takes at most four.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, bindparam, select, update

from consent_service.database import insert_if_absent
from consent_service.models.activecampaign import call_budget
from consent_service.sql.prepared import Prepared

GAP = timedelta(milliseconds=250)
NAME = "activecampaign"
BULK = "activecampaign bulk"
FURTHEST = timedelta(days=2)  # no turn is farther away (`calls.LONGEST_WISH`), unless a clock was ahead
BULK_GAP = timedelta(milliseconds=600)  # a hundred a minute are allowed (reference of bulk-import-contacts)

_TAKE_IF_FREE = Prepared(
    update(call_budget).where(call_budget.c.name == bindparam("budget"), call_budget.c.next_at <= bindparam("now"))
)
_NEXT_AT = Prepared(select(call_budget.c.next_at).where(call_budget.c.name == bindparam("budget")).with_for_update())
_SET_NEXT = Prepared(update(call_budget).where(call_budget.c.name == bindparam("budget")))


@dataclass(frozen=True)
class CallBudget:
    """Takes turns through transactions of its own; `sleep(seconds)` is true when it was cut short, to stop."""

    transaction: Callable[..., AbstractContextManager[Connection]]
    now: Callable[[], datetime]
    sleep: Callable[[float], bool]
    name: str = NAME
    gap: timedelta = GAP

    def for_bulk(self) -> "CallBudget":
        """The budget of bulk imports, each of which takes its turn as a call too."""
        return replace(self, name=BULK, gap=BULK_GAP)

    def take_turn(self) -> bool:
        """Reserve the next call and wait until its time has come; False when the wait was cut short: do not call."""
        with self.transaction(single=True) as connection:
            now = self.now()
            free = {"budget": self.name, "now": now, "next_at": now + self.gap}
            if _TAKE_IF_FREE.run(connection, free):
                return True
        with self.transaction(lasting=False) as connection:
            at = max(self._next_at(connection, now), now)
            self._set_next(connection, at + self.gap)
        return at <= now or not self.sleep((at - now).total_seconds())

    def is_stopping(self) -> bool:
        """Whether a wait would be cut short now: begin no further call of many."""
        return self.sleep(0)

    def rest(self, span: timedelta) -> None:
        """Let nobody call for a while, because the other side said so (RFC 9110 section 10.2.3)."""
        with self.transaction(lasting=False) as connection:
            until = self.now() + span
            self._set_next(connection, max(self._next_at(connection, until), until))

    def _next_at(self, connection: Connection, first: datetime) -> datetime:
        at: datetime | None = _NEXT_AT.value(connection, {"budget": self.name})
        if at is None:
            insert_if_absent(connection, call_budget, {"name": self.name, "next_at": first})
            at = _NEXT_AT.value(connection, {"budget": self.name})
        return at if at <= first + FURTHEST else first

    def _set_next(self, connection: Connection, at: datetime) -> None:
        _SET_NEXT.write(connection, {"budget": self.name, "next_at": at})


class Unpaced:
    """For a few calls by hand, which need not wait for their turn nor for a database."""

    @staticmethod
    def now() -> datetime:
        """The time of now."""
        return datetime.now(UTC)

    def take_turn(self) -> bool:
        """Go ahead."""
        return True

    def rest(self, span: timedelta) -> None:
        """Nothing follows that could be held back."""
