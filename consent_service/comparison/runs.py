"""Runs of the comparison with the list at ActiveCampaign: one at a time, claimed, resumed and ended.

Whoever goes on with a run claims it for a minute and keeps it from call to call; one that nobody is at goes on where it
stopped. Must not know what a run finds, nor talk to the network.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, or_, select, update

from consent_service.activecampaign import strangers
from consent_service.database import insert_if_absent
from consent_service.models.comparison import reconcile_run

LIST, PEOPLE, DELETED, SETTLE, DONE, GIVEN_UP = "list", "people", "deleted", "settle", "done", "given up"
STOPPED = "stopped by hand"
LEASE = timedelta(minutes=1)
LONGEST_RUN = timedelta(days=1)


class RunLost(Exception):
    """Another process has taken the run over."""


def begin(connection: Connection, now: datetime, *, applies: bool, by_hand: bool) -> bool:
    """Make a new run, which without `applies` only reports; False when one is under way.

    An unfinished one of the same kind that nobody is at stays the one to go on with.
    """
    run = connection.execute(select(reconcile_run).where(reconcile_run.c.is_open)).one_or_none()
    if run is not None and run.claimed_until is not None and run.claimed_until > now:
        return False
    is_same = run is not None and (run.applies, run.by_hand) == (applies, by_hand)
    if run is not None and is_same and run.started_at > now - LONGEST_RUN:
        advance(connection, run, trouble=None)
        return True
    if run is not None:
        give_up(connection, run, now, "another comparison was begun")
    strangers.forget_settled(connection)
    values = {"started_at": now, "applies": applies, "by_hand": by_hand, "phase": LIST, "cursor": "", "is_open": True}
    return insert_if_absent(connection, reconcile_run, values)


def waits(connection: Connection, now: datetime) -> bool:
    """Whether there is a run that is not at its end, and that nobody is at or has stopped by hand."""
    return connection.execute(select(reconcile_run.c.id).where(*_free(now))).first() is not None


def claim(connection: Connection, name: str, now: datetime) -> Row[Any] | None:
    """Take the run that waits, None when there is none."""
    return _take(connection, _free(now), name, now)


def keep(connection: Connection, run_id: int, name: str, now: datetime) -> Row[Any]:
    """Keep a run for another minute and return how far it is; raises RunLost when somebody else has it."""
    mine = (reconcile_run.c.id == run_id, reconcile_run.c.claimed_by == name, reconcile_run.c.is_open)
    run = _take(connection, mine, name, now)
    if run is None:
        raise RunLost
    return run


def let_go(connection: Connection, run_id: int, name: str, trouble: str | None) -> None:
    """Leave a run to whoever goes on with it, and say what kept it from its end."""
    mine = (reconcile_run.c.id == run_id, reconcile_run.c.claimed_by == name)
    free = {"claimed_by": None, "claimed_until": None, "trouble": trouble}
    connection.execute(update(reconcile_run).where(*mine).values(free))


def give_up(connection: Connection, run: Row[Any], now: datetime, trouble: str) -> None:
    """End a run that is not to be believed, or that another one replaces."""
    end(connection, run, GIVEN_UP, now, trouble)


def is_busy(connection: Connection, now: datetime) -> bool:
    """Whether somebody is at a run."""
    busy = select(reconcile_run.c.id).where(reconcile_run.c.is_open, reconcile_run.c.claimed_until > now)
    return connection.execute(busy).first() is not None


def find(connection: Connection, run_id: int) -> Row[Any]:
    """Return a run."""
    return connection.execute(select(reconcile_run).where(reconcile_run.c.id == run_id)).one()


def newest(connection: Connection, limit: int) -> Sequence[Row[Any]]:
    """Return the newest runs."""
    return connection.execute(select(reconcile_run).order_by(reconcile_run.c.id.desc()).limit(limit)).all()


def newest_finished(connection: Connection) -> Row[Any] | None:
    """Return the newest run that came to its end."""
    done = select(reconcile_run).where(reconcile_run.c.phase == DONE)
    return connection.execute(done.order_by(reconcile_run.c.id.desc()).limit(1)).one_or_none()


def _free(now: datetime) -> tuple[Any, ...]:
    is_left = or_(reconcile_run.c.claimed_until.is_(None), reconcile_run.c.claimed_until <= now)
    return (reconcile_run.c.is_open, is_left, reconcile_run.c.trouble.is_distinct_from(STOPPED))


def _take(connection: Connection, which: tuple[Any, ...], name: str, now: datetime) -> Row[Any] | None:
    taken = update(reconcile_run).where(*which).values(claimed_by=name, claimed_until=now + LEASE)
    return connection.execute(taken.returning(*reconcile_run.c)).one_or_none()


def end(connection: Connection, run: Row[Any], phase: str, now: datetime, trouble: str | None) -> None:
    """End a run that nobody goes on with, and say what kept it from its end, if anything did."""
    free = {"claimed_by": None, "claimed_until": None, "is_open": None}
    advance(connection, run, phase=phase, ended_at=now, trouble=trouble, **free)


def advance(connection: Connection, run: Row[Any], **values: object) -> None:
    """Note how far a run is."""
    connection.execute(update(reconcile_run).where(reconcile_run.c.id == run.id).values(**values))
