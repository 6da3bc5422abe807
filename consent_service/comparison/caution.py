"""How many may be taken off at once by a comparison, and when a person has to look first.

A wrong list number, an emptied list or subscribers nobody has brought over yet look like drift, and what is done about
it cannot be undone. Must not change anybody.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from consent_service.models.comparison import reconcile_run
from consent_service.models.earlier_list import import_batch
from consent_service.models.newsletter import subscriber
from consent_service.watch import pulses

NOBODY = 3
RESTORED = "restored"  # when a backup was put back
FEW, SHARE = 20, 20  # more than twenty people and a twentieth of the list at once is likelier a slip than people's will


def decide(connection: Connection, run: Row[Any], strangers: int, missing: int) -> dict[str, bool]:
    """Decide what a run may do, before it does the first of it: each one that it settles changes the numbers."""
    return {
        "takes_off": run.applies and _may_take_off(connection, run, strangers),
        "believes_gone": run.applies and _may_believe_gone(connection, run, missing),
    }


def is_other_list(connection: Connection, run: Row[Any], list_id: int) -> bool:
    """Whether the run before was about another list: then the first night only reports."""
    done = select(reconcile_run.c.list_id).where(reconcile_run.c.phase == "done", reconcile_run.c.id < run.id)
    before = connection.execute(done.order_by(reconcile_run.c.id.desc()).limit(1)).scalar_one_or_none()
    return before is not None and before != list_id


def remember(connection: Connection, run: Row[Any], now: datetime) -> None:
    """Note that a person has applied a comparison by hand; outlives the run, which is purged."""
    if run.by_hand and run.applies:
        pulses.beat(connection, _by_hand(run), now)


def _may_take_off(connection: Connection, run: Row[Any], number: int) -> bool:
    """Whether so many strangers may be taken off the list there.

    They are only reported by the first run after an import and, where nobody was ever imported, until a person has
    applied a comparison by hand: they may be subscribers nobody has brought over yet. The same holds after a backup
    was put back, until a person has applied one since: they may have joined after it was made.
    """
    return _was_reported(connection, run) and (run.by_hand or _are_few(connection, run, number))


def _may_believe_gone(connection: Connection, run: Row[Any], number: int) -> bool:
    """Whether so many people may become passive here because they are gone from the list there.

    Where nobody at all was seen on it, the list is likelier emptied than left.
    """
    is_empty = number >= NOBODY and not _saw_anybody(connection, run)
    return run.by_hand or (not is_empty and _are_few(connection, run, number))


def _was_reported(connection: Connection, run: Row[Any]) -> bool:
    batch = import_batch.c
    imported_at = select(func.max(func.coalesce(batch.undone_at, batch.finished_at, batch.started_at)))
    since = connection.execute(imported_at).scalar_one_or_none()
    looked_at, restored_at = pulses.last(connection, _by_hand(run)), pulses.last(connection, RESTORED)
    if restored_at is not None and (looked_at is None or looked_at < restored_at):
        return False
    if since is None:
        return looked_at is not None
    done = (reconcile_run.c.id < run.id, reconcile_run.c.phase == "done", reconcile_run.c.list_id == run.list_id)
    earlier = select(reconcile_run.c.id).where(*done, reconcile_run.c.started_at > since)
    return connection.execute(earlier.limit(1)).first() is not None


def _saw_anybody(connection: Connection, run: Row[Any]) -> bool:
    seen = select(subscriber.c.id).where(subscriber.c.seen_in_run == run.id)
    return connection.execute(seen.limit(1)).first() is not None


def _are_few(connection: Connection, run: Row[Any], number: int) -> bool:
    active = connection.execute(select(func.count()).where(subscriber.c.status == "active")).scalar_one()
    return bool(number <= max(FEW, max(active, run.contacts) // SHARE))


def _by_hand(run: Row[Any]) -> str:
    return f"by-hand {run.list_id}"
