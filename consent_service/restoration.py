"""What an older database brings back: which erasures it has forgotten, and doing them again.

A note of each erasure is kept outside the database. Names nobody; the hash of an address is in it only when its
owner objected, and then it outlives the rest. Must not commit, read a clock or know where notes are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from consent_service import erasure as erasing
from consent_service.database import insert_if_absent
from consent_service.delivery import suppression
from consent_service.ledger.evidence import Occasion
from consent_service.models import erasure


@dataclass(frozen=True)
class Note:
    """One erasure as it is kept outside the database; when nobody is named any more, an objection is left of it."""

    subscriber_id: str | None
    rule: str
    erased_at: datetime
    address_hash: str | None


def uncopied(connection: Connection, limit: int) -> Sequence[Note]:
    """Return erasures that are not kept outside the database yet, the oldest first."""
    rows = connection.execute(
        select(erasure).where(erasure.c.copied_at.is_(None)).order_by(erasure.c.erased_at).limit(limit)
    ).all()
    return [Note(row.subscriber_id, row.rule, row.erased_at, row.address_hash) for row in rows]


def copied(connection: Connection, notes: Sequence[Note], now: datetime) -> None:
    """Note that these erasures are kept outside the database."""
    ids = [note.subscriber_id for note in notes]
    connection.execute(update(erasure).where(erasure.c.subscriber_id.in_(ids)).values(copied_at=now))


def forgotten(connection: Connection, notes: Sequence[Note]) -> Sequence[Note]:
    """Return the erasures and objections of which the database knows nothing: it is older than they are."""
    ids = [note.subscriber_id for note in notes if note.subscriber_id]
    known = set(connection.execute(select(erasure.c.subscriber_id).where(erasure.c.subscriber_id.in_(ids))).scalars())
    objected = suppression.objected(connection, [note.address_hash for note in notes if note.address_hash])

    def is_forgotten(note: Note) -> bool:
        objection_is = note.address_hash is not None and note.address_hash not in objected
        return objection_is or (note.subscriber_id is not None and note.subscriber_id not in known)

    return [note for note in notes if is_forgotten(note)]


def repeat(connection: Connection, occasion: Occasion, note: Note) -> bool:
    """Erase again whom an older database brought back, and keep their objection; False when there was nobody."""
    if note.address_hash is not None:
        suppression.object_again(connection, note.address_hash, note.erased_at)
    if note.subscriber_id is None:
        return False
    was_there = erasing.erase_whatever_holds(connection, occasion, note.subscriber_id, note.rule)
    record = {"rule": note.rule, "erased_at": note.erased_at, "address_hash": note.address_hash}
    insert_if_absent(connection, erasure, record | {"subscriber_id": note.subscriber_id})
    known = update(erasure).where(erasure.c.subscriber_id == note.subscriber_id)
    connection.execute(known.values(record | {"copied_at": occasion.now}))
    return was_there


def left_of(note: Note, oldest: datetime) -> Note | None:
    """Return what is left of a note when its time is up: its objection, which names nobody, or nothing."""
    if note.erased_at > oldest or note.subscriber_id is None:
        return note
    return Note(None, note.rule, note.erased_at, note.address_hash) if note.address_hash else None
