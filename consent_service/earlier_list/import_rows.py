"""People on an earlier list whose permission nobody can prove: they wait here until they are asked, and not for long.

Their row is all there is of them. It goes when they are asked, when they come by themselves, when the batch is undone,
and when its time is up. A note is kept of whoever was asked, came or wanted to be gone, so that they do not wait again
once an older database comes back. Must not ask anybody.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, func, select, update

from consent_service.database import insert_if_absent
from consent_service.erasure_notes import note_erased
from consent_service.models.delivery import outbox_message
from consent_service.models.earlier_list import import_row
from consent_service.sql.prepared import Prepared

RULE = "import_row"  # how long they wait, and why one does no more
_WAITS = Prepared(select(import_row.c.id).where(import_row.c.email_key == bindparam("email_key")))


def keep(connection: Connection, batch_id: str, person: Mapping[str, str | None], now: datetime) -> bool:
    """Keep somebody until they are asked; False when they wait already."""
    return insert_if_absent(connection, import_row, {**person, "batch_id": batch_id, "created_at": now})


def waits(connection: Connection, email_key: str) -> bool:
    """Whether somebody with this address waits to be asked."""
    return _WAITS.row(connection, {"email_key": email_key}) is not None


def find(connection: Connection, email_key: str) -> Row[Any] | None:
    """Return what is kept of somebody who waits, or None."""
    return connection.execute(select(import_row).where(import_row.c.email_key == email_key)).one_or_none()


def forget(connection: Connection, email_key: str, now: datetime) -> None:
    """Forget somebody, if they wait, and note it: they came by themselves, or want to be erased."""
    if waits(connection, email_key):
        forget_all(connection, [email_key], now)


def forget_all(connection: Connection, email_keys: Collection[str], now: datetime) -> None:
    """Forget all with these addresses who wait, and note each."""
    gone = _end(connection, import_row.c.email_key.in_(email_keys))
    note_erased(connection, (name(one.batch_id, one.id) for one in gone), RULE, now)


def forget_again(connection: Connection, note: str) -> bool:
    """Forget the one whose note is under this name, after an older database came back; False when there is none."""
    batch_id, _, number = note.partition(":")
    return number.isdecimal() and bool(
        _end(connection, (import_row.c.batch_id == batch_id) & (import_row.c.id == int(number)))
    )


def forget_overdue(connection: Connection, ids: Sequence[int]) -> None:
    """Forget those whose time is up."""
    _end(connection, import_row.c.id.in_(ids))


def forget_batch(connection: Connection, batch_id: str) -> int:
    """Forget all of a batch who wait, and return how many they were."""
    return len(_end(connection, import_row.c.batch_id == batch_id))


def invite(connection: Connection, batch_id: str, now: datetime) -> int:
    """Let all of a batch who wait be asked, a few at a time; returns how many are newly let."""
    mine = (import_row.c.batch_id == batch_id, import_row.c.invited_at.is_(None))
    return connection.execute(update(import_row).where(*mine).values(invited_at=now)).rowcount


def call_back(connection: Connection) -> int:
    """Let nobody be asked until their batch is invited anew; returns how many would have been."""
    invited = update(import_row).where(import_row.c.invited_at.is_not(None))
    return connection.execute(invited.values(invited_at=None)).rowcount


def next_invited(connection: Connection) -> Row[Any] | None:
    """Return the next one to be asked out of those who wait; None when nobody is to be."""
    invited = select(import_row).where(import_row.c.invited_at.is_not(None)).order_by(import_row.c.invited_at)
    return connection.execute(invited.limit(1)).one_or_none()


def take_invited(connection: Connection, row_id: int, now: datetime) -> Row[Any] | None:
    """Take somebody out of those who wait; None when they need not be asked any more."""
    mine = (import_row.c.id == row_id, import_row.c.invited_at.is_not(None))
    person = connection.execute(select(import_row).where(*mine).with_for_update()).one_or_none()
    if person is not None:
        forget(connection, person.email_key, now)
    return person


def waiting(connection: Connection) -> dict[str, tuple[int, int]]:
    """Return how many of each batch wait, and how many of them may be asked."""
    counted = select(import_row.c.batch_id, func.count(), func.count(import_row.c.invited_at))
    rows = connection.execute(counted.group_by(import_row.c.batch_id)).all()
    return {row[0]: (row[1], row[2]) for row in rows}


def name(batch_id: str, row_id: int) -> str:
    """Return what a row is called in a note: it says nothing of whose it was."""
    return f"{batch_id}:{row_id}"


def _end(connection: Connection, which: ColumnElement[bool]) -> Sequence[Row[Any, Any]]:
    """Delete rows with the messages that are about them, which do not outlive them.

    The rows are locked first, as whoever is to be asked is: the other way round two of them could wait for each other.
    """
    ids = select(import_row.c.id).where(which)
    if not connection.execute(ids.order_by(import_row.c.id).with_for_update()).all():
        return []
    connection.execute(delete(outbox_message).where(outbox_message.c.import_row_id.in_(ids)))
    return connection.execute(delete(import_row).where(which).returning(import_row.c.batch_id, import_row.c.id)).all()
