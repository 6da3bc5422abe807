"""Erasing a person (GDPR article 17): what is destroyed, what is left, and who else has to be told.

Destroys the openings of the person's events, their key, their messages and their row; the leaves of the sealed log
stay, empty, and are listed by a sealed event that names no person. Must not commit, read a clock or talk to anybody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from consent_service import asks
from consent_service.database import insert_if_absent
from consent_service.delivery import departures, moves, suppression
from consent_service.ledger import evidence
from consent_service.ledger.evidence import Occasion
from consent_service.models import consent_event, erased_leaf, erasure, subscriber

BATCH = 5000


BY_PERSON = "person"  # the rule of an erasure that nobody but the person asked for


@dataclass(frozen=True)
class Erased:
    """The person is gone; so many leaves of the log were emptied."""

    leaves: int


@dataclass(frozen=True)
class Held:
    """The person's data must be kept for now (GDPR article 17(3)(e)): why, and since when."""

    reason: str
    since: datetime


@dataclass(frozen=True)
class Unknown:
    """There is nobody with this id, or not any more."""


@dataclass(frozen=True)
class Note:
    """One erasure as it is kept outside the database; the hash of the address only when its owner objected."""

    subscriber_id: str
    rule: str
    erased_at: datetime
    address_hash: str | None


def erase(
    connection: Connection, occasion: Occasion, subscriber_id: str, rule: str, *, tell: bool
) -> Erased | Held | Unknown:
    """Erase a person (GDPR article 17) unless a legal hold forbids it; with `tell` they get a letter about it."""
    person = asks.lock_person(connection, subscriber_id)
    if person is None:
        return Unknown()
    if person.hold_reason is not None:
        return Held(person.hold_reason, person.held_since)
    return Erased(_erase(connection, occasion, person, rule, tell=tell))


def is_done(connection: Connection, subscriber_id: str) -> bool:
    """Whether a person with this id was erased, as long as that is remembered."""
    return (
        connection.execute(select(erasure.c.rule).where(erasure.c.subscriber_id == subscriber_id)).first() is not None
    )


def hold(connection: Connection, occasion: Occasion, subscriber_id: str, reason: str) -> None:
    """Keep a person from being erased, by purge or by wish, while a legal claim needs them (GDPR article 17(3)(e))."""
    person = asks.lock_person(connection, subscriber_id)
    if person is not None and person.hold_reason is None:
        held = evidence.append(connection, occasion, person.id, {"kind": "held", "reason": reason})
        asks.change_person(connection, person.id, hold_reason=reason, held_since=held.at)


def release(connection: Connection, occasion: Occasion, subscriber_id: str) -> None:
    """End a legal hold; what is overdue by then goes with the next purge."""
    person = asks.lock_person(connection, subscriber_id)
    if person is not None and person.hold_reason is not None:
        evidence.append(connection, occasion, person.id, {"kind": "released"})
        asks.change_person(connection, person.id, hold_reason=None, held_since=None)


def repeat(connection: Connection, occasion: Occasion, note: Note) -> bool:
    """Erase again whom an older database brought back, and keep their objection; False when there was nobody."""
    person = asks.lock_person(connection, note.subscriber_id)
    if person is not None:
        _erase(connection, occasion, person, note.rule, tell=False)
    if note.address_hash is not None:
        suppression.object_again(connection, note.address_hash, note.erased_at)
    record = {"rule": note.rule, "erased_at": note.erased_at, "address_hash": note.address_hash}
    insert_if_absent(connection, erasure, record | {"subscriber_id": note.subscriber_id})
    known = update(erasure).where(erasure.c.subscriber_id == note.subscriber_id)
    connection.execute(known.values(record | {"copied_at": occasion.now}))
    return person is not None


def record_leaves(connection: Connection, occasion: Occasion) -> int:
    """Append the sealed event that lists emptied leaves and why, and return how many it lists; no person is named."""
    rows = connection.execute(
        select(erased_leaf.c.event_id, erased_leaf.c.rule)
        .order_by(erased_leaf.c.event_id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    if rows:
        leaves = [{"id": row.event_id, "rule": row.rule} for row in rows]
        evidence.append_plain(connection, occasion, {"kind": "erased", "leaves": [*leaves]})
        connection.execute(delete(erased_leaf).where(erased_leaf.c.event_id.in_([row.event_id for row in rows])))
    return len(rows)


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


def unknown(connection: Connection, notes: Sequence[Note]) -> Sequence[Note]:
    """Return the erasures of which the database knows nothing: it is older than they are."""
    ids = [note.subscriber_id for note in notes]
    known = set(connection.execute(select(erasure.c.subscriber_id).where(erasure.c.subscriber_id.in_(ids))).scalars())
    return [note for note in notes if note.subscriber_id not in known]


def _erase(connection: Connection, occasion: Occasion, person: Row[Any], rule: str, *, tell: bool) -> int:
    surely_there = person.forwarded_at is not None or person.contact_id is not None
    told_there = surely_there or (person.active_since is not None and occasion.forwards)
    if told_there or tell:
        departures.start(connection, person, occasion.now, told_there=told_there, waits=occasion.forwards, told=tell)
    for former in moves.former_addresses(connection, occasion.vault, person.id) if told_there else ():
        departures.delete_by_address(connection, person.id, former, occasion.now)
    refused = suppression.find(connection, occasion.vault, person.email_key, occasion.now)
    is_objection = refused is not None and refused.reason == "objected"
    leaves = _empty_leaves(connection, occasion, person.id, rule)
    connection.execute(delete(subscriber).where(subscriber.c.id == person.id))  # takes its key, asks and messages along
    record = {
        "subscriber_id": person.id,
        "rule": rule,
        "erased_at": occasion.now,
        "address_hash": occasion.vault.address_hash(person.email_key) if is_objection else None,
    }
    connection.execute(insert(erasure).values(**record))
    return leaves


def _empty_leaves(connection: Connection, occasion: Occasion, subscriber_id: str, rule: str) -> int:
    mine = consent_event.c.subscriber_id == subscriber_id
    ids = connection.execute(select(consent_event.c.id).where(mine)).scalars().all()
    connection.execute(update(consent_event).where(mine).values(core_sealed=None, tech_sealed=None, subscriber_id=None))
    if ids:
        rows = [{"event_id": event_id, "rule": rule, "erased_at": occasion.now} for event_id in ids]
        connection.execute(insert(erased_leaf), rows)
    return len(ids)
