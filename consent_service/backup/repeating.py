"""What an older database brings back: erasures, withdrawals and objections it has forgotten, and doing them again.

A note of each is kept outside the database. Names nobody; the hash of an address is in it only when its owner
objected, and then it outlives the rest. Must not commit, read a clock or know where notes are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, select, update

from consent_service import asks, contact_messages, cookie_choices, retention, subscriptions, tracking
from consent_service import erasure as erasing
from consent_service.database import insert_if_absent
from consent_service.delivery import suppression
from consent_service.earlier_list import import_rows
from consent_service.language import day_of
from consent_service.ledger.evidence import Occasion
from consent_service.models.newsletter import erasure, refusal
from consent_service.notices.statements import TRACKING
from consent_service.register import customer_erasure, documents

ERASED = "erased"
NEVER = datetime.min.replace(tzinfo=UTC)

# Found by the time too: more may have been said, or erased again, while the file was written.
_KEEP = (
    update(erasure)
    .where(erasure.c.subscriber_id == bindparam("whose"), erasure.c.erased_at == bindparam("moment"))
    .values(copied_at=bindparam("now"))
)
_DROP = delete(refusal).where(refusal.c.subscriber_id == bindparam("whose"), refusal.c.said_at == bindparam("moment"))


@dataclass(frozen=True)
class Note:
    """What is kept of an erasure and its rule, or of a refusal, which has none.

    What was erased may be a contact message, a cookie choice, a customer, a customer's document or a place on an
    earlier list too; then its id stands where a subscriber's would. Whoever objected without being a subscriber has an
    id that is nobody's.

    A refusal is `withdrawn`, `bounced`, `removed` or `objected`, or `tracking` when only that permission was taken
    back. When nobody is named any more, an objection is left of it.
    """

    subscriber_id: str | None
    rule: str | None
    at: datetime
    address_hash: str | None
    kind: str = ERASED


def uncopied(connection: Connection, limit: int) -> Sequence[Note]:
    """Return erasures, and as many refusals, that are not kept outside the database yet, the oldest first."""
    erased = select(erasure).where(erasure.c.copied_at.is_(None)).order_by(erasure.c.erased_at).limit(limit)
    refused = select(refusal).order_by(refusal.c.said_at, refusal.c.subscriber_id).limit(limit)
    return [
        *(
            Note(row.subscriber_id, None, row.said_at, row.address_hash, row.kind)
            for row in connection.execute(refused)
        ),
        *(Note(row.subscriber_id, row.rule, row.erased_at, row.address_hash) for row in connection.execute(erased)),
    ]


def copied(connection: Connection, notes: Sequence[Note], now: datetime) -> None:
    """Note that these are kept outside the database, all at once: a purge leaves very many, while others wait."""
    erased = [{"whose": note.subscriber_id, "moment": note.at, "now": now} for note in notes if note.kind == ERASED]
    refused = [{"whose": note.subscriber_id, "moment": note.at} for note in notes if note.kind != ERASED]
    if erased:
        connection.execute(_KEEP, erased)
    if refused:
        connection.execute(_DROP, refused)


def forgotten(connection: Connection, notes: Sequence[Note]) -> Sequence[Note]:
    """Return the notes of which the database knows nothing: it is older than they are."""
    ids = [note.subscriber_id for note in notes if note.subscriber_id]
    erased = select(erasure.c.subscriber_id, erasure.c.erased_at).where(erasure.c.subscriber_id.in_(ids))
    known = {row.subscriber_id: row.erased_at for row in connection.execute(erased)}
    objected = suppression.objected(connection, [note.address_hash for note in notes if note.address_hash])
    said_yes, tracked = asks.said_yes(connection, ids), tracking.since(connection, ids)

    def is_forgotten(note: Note) -> bool:
        if note.kind == TRACKING:
            return note.subscriber_id in tracked and tracked[note.subscriber_id] < note.at
        if note.kind != ERASED and note.subscriber_id in said_yes:
            return said_yes[note.subscriber_id] < note.at  # a newer yes is the last word
        # A cookie choice may be erased more than once under one id.
        is_gone = note.kind != ERASED or note.subscriber_id is None or known.get(note.subscriber_id, NEVER) >= note.at
        return not is_gone or (note.address_hash is not None and note.address_hash not in objected)

    return [note for note in notes if is_forgotten(note)]


def repeat(connection: Connection, occasion: Occasion, note: Note) -> bool:
    """Do again what a note tells of, before anything else is done; False when there was nobody whom it changes."""
    act = {ERASED: _erase_again, TRACKING: _untrack_again}.get(note.kind, _stop_again)
    was_there = note.subscriber_id is not None and act(connection, occasion, note.subscriber_id, note)
    if note.address_hash is not None:
        suppression.object_again(connection, note.address_hash, note.at)
    return was_there


def left_of(note: Note, now: datetime) -> Note | None:
    """Return what is left of a note when its time is up: its objection, which names nobody, or nothing.

    A withdrawal is remembered until the person is erased for it, which leaves a note of its own.
    """
    lasting = retention.BY_KEY["erasure" if note.kind == ERASED else "passive"].after or timedelta(0)
    if note.at > now - lasting or note.subscriber_id is None:
        return note
    return replace(note, subscriber_id=None) if note.address_hash else None


def _erase_again(connection: Connection, occasion: Occasion, subscriber_id: str, note: Note) -> bool:
    was_there = erasing.erase_whatever_holds(connection, occasion, subscriber_id, str(note.rule))
    was_there = contact_messages.erase_again(connection, subscriber_id) or was_there
    was_there = cookie_choices.erase(connection, occasion, subscriber_id, note.at) or was_there
    today = day_of(occasion.now)
    was_there = import_rows.forget_again(connection, subscriber_id) or was_there
    was_there = documents.erase_again(connection, subscriber_id, today) or was_there
    was_there = customer_erasure.erase_again(connection, occasion.now, subscriber_id, today) or was_there
    record = {"rule": note.rule, "erased_at": note.at, "address_hash": note.address_hash}
    insert_if_absent(connection, erasure, record | {"subscriber_id": subscriber_id})
    known = update(erasure).where(erasure.c.subscriber_id == subscriber_id)
    connection.execute(known.values(record | {"copied_at": occasion.now}))
    return was_there


def _untrack_again(connection: Connection, occasion: Occasion, subscriber_id: str, note: Note) -> bool:
    return tracking.repeat(connection, occasion, subscriber_id, note.at)


def _stop_again(connection: Connection, occasion: Occasion, subscriber_id: str, note: Note) -> bool:
    return subscriptions.repeat(connection, occasion, subscriber_id, note.kind, note.at)
