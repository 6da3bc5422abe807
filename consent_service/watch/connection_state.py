"""Whether the connection to ActiveCampaign works: what waits, what was given up, and how the comparisons went.

One rule for the staff pages and the doctor, so that they never disagree. Changes nothing and talks to nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select

from consent_service.comparison import drift, runs
from consent_service.comparison.drift import MISSING_THERE, STRANGER, Summary
from consent_service.delivery import outbox
from consent_service.delivery.lanes import LaneState
from consent_service.language import HELSINKI
from consent_service.models.comparison import drift as finding
from consent_service.models.comparison import reconcile_run
from consent_service.models.delivery import outbox_message
from consent_service.watch import pulses

LANES = (outbox.ACTIVECAMPAIGN, outbox.ACCESS)
NIGHT, NIGHTLY = time(3, tzinfo=HELSINKI), "reconcile"
LONGEST_GAP = timedelta(hours=26)  # a comparison every night, and two hours for it to come to its end
DEAD, LATE, GIVEN_UP, OVERDUE, HELD_BACK = "dead", "late", "given-up", "overdue", "held-back"


@dataclass(frozen=True)
class State:
    """How the connection stands: its lanes, the newest run, since when none was finished, who is held back."""

    forwards: bool
    lanes: Sequence[LaneState]
    run: Row[Any] | None
    compared_at: datetime | None
    held_back: dict[str, int]

    @property
    def undone(self) -> int:
        """How many messages wait."""
        return sum(lane.undone for lane in self.lanes)

    @property
    def dead(self) -> int:
        """How many messages were given up."""
        return sum(lane.dead for lane in self.lanes)

    @property
    def oldest_at(self) -> datetime | None:
        """When the oldest message that waits was written."""
        return min((lane.oldest_at for lane in self.lanes if lane.oldest_at), default=None)

    def faults(self, now: datetime) -> list[str]:
        """Return what somebody has to look at, the gravest first; nothing when it is not connected or all is well."""
        if not self.forwards:
            return []
        found = {
            DEAD: self.dead > 0,
            LATE: any(lane.is_late(now) for lane in self.lanes),
            GIVEN_UP: self.run is not None and self.run.phase == runs.GIVEN_UP,
            OVERDUE: self.compared_at is not None and now - self.compared_at > LONGEST_GAP,
            HELD_BACK: bool(self.held_back),
        }
        return [fault for fault, is_so in found.items() if is_so]


@dataclass(frozen=True)
class Compared:
    """A run, and what it found."""

    run: Row[Any]
    found: Summary


def state(connection: Connection, lanes: Sequence[LaneState], *, forwards: bool) -> State:
    """Return how the connection stands, given how all lanes do."""
    there = [lane for lane in lanes if lane.lane in LANES]
    newest = next(iter(runs.newest(connection, 1)), None)
    return State(forwards, there, newest, _compared_at(connection), _held_back(connection))


def last_taken_at(connection: Connection) -> datetime | None:
    """Return when ActiveCampaign last took something; what staff set aside it did not take."""
    lane = (outbox_message.c.lane.in_(LANES), outbox_message.c.last_error.is_(None))
    done = select(outbox_message.c.done_at).where(*lane, outbox_message.c.done_at.is_not(None))
    return connection.execute(done.order_by(outbox_message.c.done_at.desc()).limit(1)).scalar_one_or_none()


def history(connection: Connection, limit: int) -> list[Compared]:
    """Return the newest runs with what they found."""
    newest = runs.newest(connection, limit)
    counted = select(finding.c.run_id, finding.c.kind, func.count(), drift.repaired())
    theirs = counted.where(finding.c.run_id.in_([run.id for run in newest]))
    rows: Sequence[Any] = connection.execute(theirs.group_by(finding.c.run_id, finding.c.kind)).all()
    return [Compared(run, _summary(rows, run.id)) for run in newest]


def find(connection: Connection, run_id: int) -> Compared | None:
    """Return one run, None when there is none or its time is up."""
    run = connection.execute(select(reconcile_run).where(reconcile_run.c.id == run_id)).one_or_none()
    return Compared(run, drift.summary(connection, run.id)) if run else None


def left_alone(compared: Compared) -> dict[str, int]:
    """Return of which kinds a run found how many whom it held back, for somebody to look at first.

    It does so to all of a kind or to none; a single one not put right has changed meanwhile.
    """
    if not compared.run.applies or compared.run.phase != runs.DONE:
        return {}
    found, repaired = compared.found.found, compared.found.repaired
    return {kind: found[kind] for kind in (STRANGER, MISSING_THERE) if found.get(kind) and not repaired.get(kind)}


def _summary(rows: Sequence[Any], run_id: int) -> Summary:
    mine = [(kind, number, repaired) for owner, kind, number, repaired in rows if owner == run_id]
    return Summary({kind: number for kind, number, _ in mine}, {kind: repaired for kind, _, repaired in mine})


def _held_back(connection: Connection) -> dict[str, int]:
    """What the newest finished run has left alone; one that was only to report does not count: it puts nobody right."""
    which = (reconcile_run.c.applies, reconcile_run.c.phase == runs.DONE)
    newest = select(reconcile_run.c.id).where(*which).order_by(reconcile_run.c.id.desc()).limit(1)
    run_id = connection.execute(newest).scalar_one_or_none()
    compared = find(connection, run_id) if run_id is not None else None
    return left_alone(compared) if compared else {}


def _compared_at(connection: Connection) -> datetime | None:
    """When the last run was finished; before the first, when it was begun, or the night from which one is awaited."""
    ended = func.max(reconcile_run.c.ended_at).filter(reconcile_run.c.phase == runs.DONE)
    known: Any = connection.execute(select(ended.label("ended"), func.min(reconcile_run.c.started_at).label("begun")))
    row = known.one()
    return row.ended or row.begun or _first_night(connection)


def _first_night(connection: Connection) -> datetime | None:
    day = pulses.done_on(connection, NIGHTLY)
    return datetime.combine(date.fromisoformat(day), NIGHT) if day else None
