"""How the service has done in a week and how it stands now, for the mail its owner gets and for a look at any time.

Numbers and the names of what is wrong, the gravest first; the letter has the words. Nothing in it is about anybody.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, func, select

from consent_service import breaches, retention
from consent_service.comparison import drift, runs
from consent_service.delivery import outbox
from consent_service.delivery.lanes import LaneState, lane_states, served
from consent_service.delivery.letters import LIMIT_REACHED
from consent_service.language import day_of
from consent_service.ledger import sealer
from consent_service.models.delivery import outbox_message
from consent_service.register import reviews
from consent_service.rights import request_rows
from consent_service.watch import connection_state, pulses, weeks
from consent_service.watch.weeks import Week

UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True)
class Digest:
    """The week, which share is usually left unconfirmed, and what is wrong: its name and how many times.

    `found` and `repaired` are of the newest finished comparison; a time that is None has not been yet.
    """

    week: Week
    usually: float
    faults: dict[str, int]
    waiting: int
    forwards: bool
    compared_at: datetime | None
    found: int
    repaired: int
    events: int
    sealed_at: datetime | None
    purged_at: datetime | None
    backed_up_at: datetime | None


def look(connection: Connection, week: Week, now: datetime, *, forwards: bool) -> Digest:
    """Return the digest of a week, and of now."""
    lanes, newest = lane_states(connection), sealer.newest(connection)
    run = runs.newest_finished(connection)
    summary = drift.summary(connection, run.id) if run else drift.Summary({}, {})
    usually = weeks.usual(weeks.newest(connection, week.first))
    unusual = {UNCONFIRMED: week.unconfirmed if weeks.is_unusual(week, usually) else 0}
    return Digest(
        week=week,
        usually=usually,
        faults=_only_some(unusual) | faults(connection, lanes, now, forwards=forwards),
        waiting=sum(lane.undone for lane in lanes),
        forwards=forwards,
        compared_at=run.ended_at if run else None,
        found=sum(summary.found.values()),
        repaired=sum(summary.repaired.values()),
        events=newest.size if newest else 0,
        sealed_at=newest.signed_at if newest else None,
        purged_at=retention.purged_at(connection),
        backed_up_at=pulses.last(connection, pulses.BACKUP),
    )


def finished(connection: Connection, now: datetime, *, forwards: bool) -> Digest | None:
    """Return the digest of the week that ended last and was kept, None before the first."""
    last = next(iter(weeks.newest(connection, now.date() + weeks.SPAN)), None)
    return look(connection, last, now, forwards=forwards) if last else None


def running(connection: Connection, today: date, now: datetime, *, forwards: bool) -> Digest:
    """Return the digest of the seven days that end with today."""
    week = weeks.count(connection, today - weeks.SPAN + timedelta(days=1))
    return look(connection, week, now, forwards=forwards)


def faults(connection: Connection, lanes: list[LaneState], now: datetime, *, forwards: bool) -> dict[str, int]:
    """Return what needs somebody now, by its name, and how many times: for the letter and for the first page."""
    standing = _service(connection, lanes, now, forwards=forwards) | _owner(connection, now)
    first = {"breach": breaches.open_count(connection)}
    return _only_some(first | standing)


def _only_some(found: dict[str, int]) -> dict[str, int]:
    return {name: int(number) for name, number in found.items() if number}


def _owner(connection: Connection, now: datetime) -> dict[str, int]:
    """What only the owner can do."""
    today = day_of(now)
    requests, review = request_rows.alarms(connection, today), reviews.standing(connection, now, today)
    waiting = (review.due or review.left_alone) if review.is_wanted else 0
    return {"requests-late": requests.late, "requests-soon": requests.soon, "review": waiting}


def _service(connection: Connection, lanes: list[LaneState], now: datetime, *, forwards: bool) -> dict[str, int]:
    there = connection_state.state(connection, lanes, forwards=forwards)
    of_comparisons = there.faults(now)
    backed_up_at = pulses.last(connection, pulses.BACKUP)
    return {
        "dead": sum(lane.dead for lane in lanes),
        "overdue": retention.overdue(connection, now),
        "late": any(lane.is_late(now) for lane in served(lanes, forwards=forwards)),
        "unsealed": sealer.is_late(connection, now),
        "purge": retention.is_purge_late(connection, now),
        "comparison-given-up": connection_state.GIVEN_UP in of_comparisons,
        "comparison-overdue": connection_state.OVERDUE in of_comparisons,
        "comparison-held-back": sum(there.held_back.values()) if forwards else 0,
        "backup": backed_up_at is not None and now - backed_up_at > pulses.LONGEST_BACKUP_GAP,
        "held": _held(connection),
    }


def _held(connection: Connection) -> int:
    """How many confirmations wait because the whole service has sent as many as it may."""
    waiting = (outbox_message.c.lane == outbox.MAIL, outbox.undone(), outbox_message.c.last_error == LIMIT_REACHED)
    return connection.execute(select(func.count()).select_from(outbox_message).where(*waiting)).scalar_one()
