"""What a week brought: how many asked for the newsletter, how many of them confirmed, how many stopped.

A finished week is kept as three numbers, since who did not confirm is erased after two weeks and could not be counted
again, and so is how many subscribers there are when the next one begins. By them a later week is told to be unusual.
Must not know anybody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from consent_service.database import insert_if_absent
from consent_service.language import HELSINKI
from consent_service.models.newsletter import confirmation, subscriber
from consent_service.models.watch import headcount, week

SPAN, MIDNIGHT = timedelta(days=7), time(0, tzinfo=HELSINKI)
COMPARED = 8  # weeks
ASKED_THEMSELVES = ("form", "link", "staff", "api")  # whom an import has asked are many at once and confirm less often
FEWEST = 20  # so many have to be unconfirmed, or to have asked in the weeks before, for a share to say anything
# The unconfirmed share that is usual while nobody knows better, the highest that counts as usual, and how much more of
# it is too much.
EXPECTED, HIGHEST, MORE = 0.4, 0.5, 0.2


@dataclass(frozen=True)
class Week:
    """Seven days from the first on: how many asked, how many of them have confirmed, and how many stopped."""

    first: date
    asked: int
    confirmed: int
    stopped: int

    @property
    def last(self) -> date:
        """Its last day."""
        return self.first + SPAN - timedelta(days=1)

    @property
    def unconfirmed(self) -> int:
        """How many have not confirmed."""
        return self.asked - self.confirmed


@dataclass(frozen=True)
class Point:
    """A week, and how many subscribers there were when it was over: counted then, or reckoned from the week after it.

    Who came over from an earlier list, and who was erased, is not in what is reckoned.
    """

    week: Week
    active: int
    is_counted: bool


def count(connection: Connection, since: date) -> Week:
    """Return what the seven days from a day on have brought so far."""
    begins, ends = (datetime.combine(day, MIDNIGHT) for day in (since, since + SPAN))
    within = (subscriber.c.asked_at >= begins, subscriber.c.asked_at < ends)
    themselves = (confirmation.c.source.in_(ASKED_THEMSELVES), confirmation.c.asked_at >= begins)
    asks = select(subscriber.c.id, func.max(confirmation.c.used_at).label("used_at"))
    joined = asks.join(confirmation, confirmation.c.subscriber_id == subscriber.c.id).where(*within, *themselves)
    people = joined.group_by(subscriber.c.id).subquery()
    row: Any = connection.execute(select(func.count(), func.count(people.c.used_at)).select_from(people)).one()
    left = (subscriber.c.passive_since >= begins, subscriber.c.passive_since < ends)
    stopped = select(func.count()).select_from(subscriber).where(subscriber.c.status == "passive", *left)
    return Week(since, row[0], row[1], connection.execute(stopped).scalar_one())


def keep(connection: Connection, finished: Week) -> None:
    """Keep a finished week, and how many subscribers there are after it; kept once, it stays as it is."""
    values = {"asked": finished.asked, "confirmed": finished.confirmed, "stopped": finished.stopped}
    insert_if_absent(connection, week, {"monday": finished.first.isoformat(), **values})
    counted = {"monday": (finished.first + SPAN).isoformat(), "active": _active(connection)}
    insert_if_absent(connection, headcount, counted)


def newest(connection: Connection, before: date) -> list[Week]:
    """Return the last finished weeks that began before a day, the newest first."""
    kept = select(week).where(week.c.monday < before.isoformat()).order_by(week.c.monday.desc()).limit(COMPARED)
    rows = connection.execute(kept).all()
    return [Week(date.fromisoformat(row.monday), row.asked, row.confirmed, row.stopped) for row in rows]


def course(connection: Connection, number: int) -> list[Point]:
    """Return the last finished weeks, the oldest first; the running one would look like a fall."""
    counted = {row.monday: row.active for row in connection.execute(select(headcount))}
    points: list[Point] = []
    for row in connection.execute(select(week).order_by(week.c.monday.desc()).limit(number)):
        one = Week(date.fromisoformat(row.monday), row.asked, row.confirmed, row.stopped)
        known = counted.get((one.first + SPAN).isoformat())
        active = known if known is not None else _before(points[-1]) if points else _active(connection)
        points.append(Point(one, active, is_counted=known is not None))
    return points[::-1]


def _before(later: Point) -> int:
    return max(0, later.active - later.week.confirmed + later.week.stopped)


def usual(earlier: Sequence[Week]) -> float:
    """Return which share is usually left unconfirmed, as far as the weeks before can tell; a bad month sets no rule."""
    asked = sum(one.asked for one in earlier)
    share = sum(one.unconfirmed for one in earlier) / asked if asked >= FEWEST else EXPECTED
    return min(share, HIGHEST)


def is_unusual(one: Week, usually: float) -> bool:
    """Whether so many did not confirm that a robot may sign people up, or the mails do not arrive."""
    return one.unconfirmed >= FEWEST and one.unconfirmed / one.asked >= usually + MORE


def _active(connection: Connection) -> int:
    active = select(func.count()).select_from(subscriber).where(subscriber.c.status == "active")
    return connection.execute(active).scalar_one()
