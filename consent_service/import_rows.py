"""People on an earlier list whose permission nobody can prove: they wait here until they are asked, and not for long.

Their row is all there is of them. It goes when they are asked, when they come by themselves, when the batch is undone,
and when its time is up. Must not ask anybody.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, Row, delete, func, select, update

from consent_service.database import insert_if_absent
from consent_service.models import import_row


def keep(connection: Connection, batch_id: str, person: Mapping[str, str], now: datetime) -> bool:
    """Keep somebody until they are asked; False when they wait already."""
    return insert_if_absent(connection, import_row, {**person, "batch_id": batch_id, "created_at": now})


def waits(connection: Connection, email_key: str) -> bool:
    """Whether somebody with this address waits to be asked."""
    return connection.execute(select(import_row.c.id).where(import_row.c.email_key == email_key)).first() is not None


def find(connection: Connection, email_key: str) -> Row[tuple[object, ...]] | None:
    """Return what is kept of somebody who waits, or None."""
    return connection.execute(select(import_row).where(import_row.c.email_key == email_key)).one_or_none()


def forget(connection: Connection, email_key: str) -> None:
    """Forget somebody who waits: they came by themselves, declined, or are erased."""
    connection.execute(delete(import_row).where(import_row.c.email_key == email_key))


def forget_batch(connection: Connection, batch_id: str) -> int:
    """Forget all of a batch who wait, and return how many they were."""
    return connection.execute(delete(import_row).where(import_row.c.batch_id == batch_id)).rowcount


def invite(connection: Connection, batch_id: str, now: datetime) -> int:
    """Let all of a batch who wait be asked, a few at a time; returns how many are newly let."""
    mine = (import_row.c.batch_id == batch_id, import_row.c.invited_at.is_(None))
    return connection.execute(update(import_row).where(*mine).values(invited_at=now)).rowcount


def take_invited(connection: Connection) -> Row[tuple[object, ...]] | None:
    """Take the next one to be asked out of those who wait; None when nobody is to be."""
    invited = select(import_row).where(import_row.c.invited_at.is_not(None)).order_by(import_row.c.id).limit(1)
    person = connection.execute(invited.with_for_update(skip_locked=True)).one_or_none()
    if person is not None:
        forget(connection, person.email_key)
    return person


def waiting(connection: Connection) -> dict[str, tuple[int, int]]:
    """Return how many of each batch wait, and how many of them may be asked."""
    counted = select(import_row.c.batch_id, func.count(), func.count(import_row.c.invited_at))
    rows = connection.execute(counted.group_by(import_row.c.batch_id)).all()
    return {row[0]: (row[1], row[2]) for row in rows}
