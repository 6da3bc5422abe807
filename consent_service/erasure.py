"""Erasing a person (GDPR article 17): what is destroyed, what is left, and who else has to be told.

Destroys the openings of the person's events, their key, their messages and their row; the leaves of the sealed log
stay, empty, and are listed by a sealed event that names no person. Must not commit, read a clock or talk to anybody.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from consent_service import asks, contact_messages, import_rows, request_rows
from consent_service.database import insert_or_replace
from consent_service.delivery import departures, moves, strangers, suppression
from consent_service.ledger import evidence
from consent_service.ledger.evidence import Occasion
from consent_service.models import confirmation, consent_event, erased_leaf, erasure, import_batch, subscriber
from consent_service.models_there import deleted_contact

BATCH = 1000


BY_PERSON = "person"  # the rule of an erasure that nobody but the person asked for
IMPORT_UNDONE = "import_undone"  # of somebody brought over from an earlier list by mistake: there before us, they stay


@dataclass(frozen=True)
class Held:
    """The person's data must be kept for now (GDPR article 17(3)(e)): why, and since when."""

    reason: str
    since: datetime


def erase(connection: Connection, occasion: Occasion, subscriber_id: str, rule: str, *, tell: bool) -> Held | None:
    """Erase a person (GDPR article 17) unless a legal hold forbids it; with `tell` they get a letter about it.

    Whoever is gone already is as good as erased.
    """
    person = asks.lock_person(connection, subscriber_id)
    if person is not None and person.hold_reason is not None:
        return Held(person.hold_reason, person.held_since)
    if person is not None:
        _erase(connection, occasion, person, rule, tell=tell)
    return None


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


def erase_whatever_holds(connection: Connection, occasion: Occasion, subscriber_id: str, rule: str) -> bool:
    """Erase again somebody who was erased before and came back with an old backup; False when there is nobody.

    A legal hold that came back with them does not count: it was lifted, or they could not have been erased.
    """
    person = asks.lock_person(connection, subscriber_id)
    if person is None:
        return False
    _erase(connection, occasion, person, rule, tell=False)
    return True


def empty_leaves(connection: Connection, occasion: Occasion, event_ids: Collection[str], rule: str) -> None:
    """Destroy what events say, whoever they are about; a sealed event will list their leaves, and why."""
    emptied = {"core_sealed": None, "tech_sealed": None, "core_plain": None, "subscriber_id": None}
    connection.execute(update(consent_event).where(consent_event.c.id.in_(event_ids)).values(emptied))
    rows = [{"event_id": event_id, "rule": rule, "erased_at": occasion.now} for event_id in event_ids]
    connection.execute(insert(erased_leaf), rows)


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


def _erase(connection: Connection, occasion: Occasion, person: Row[Any], rule: str, *, tell: bool) -> None:
    surely_there = person.forwarded_at is not None or person.contact_id is not None
    told_there = rule != IMPORT_UNDONE and (surely_there or (person.active_since is not None and occasion.forwards))
    if told_there or tell:
        departures.start(connection, person, occasion.now, told_there=told_there, waits=occasion.forwards, told=tell)
    if rule == IMPORT_UNDONE and person.contact_id is not None and _was_brought_there(connection, person):
        _take_off(connection, occasion, person)
    if rule != IMPORT_UNDONE:
        strangers.forget_known(connection, occasion.vault.address_hashes(person.email_key), person.contact_id)
    for former in moves.former_addresses(connection, occasion.vault, person.id) if told_there else ():
        departures.delete_by_address(connection, person.id, former, occasion.now)
    if told_there:
        _know_again(connection, occasion, person)
    refused = suppression.find(connection, occasion.vault, person.email_key, occasion.now)
    is_objection = refused is not None and refused.reason == "objected"
    _empty_leaves(connection, occasion, person.id, rule)
    import_rows.forget(connection, person.email_key)
    if rule == BY_PERSON:  # what somebody wrote to us does not end because their subscription does
        contact_messages.forget(connection, occasion.now, person.email_key)
    known_by = person.email_key if rule == BY_PERSON else None
    request_rows.forget_person(connection, occasion.now, subscriber_id=person.id, email_key=known_by)
    connection.execute(delete(subscriber).where(subscriber.c.id == person.id))  # takes its key, asks and messages along
    record = {
        "subscriber_id": person.id,
        "rule": rule,
        "erased_at": occasion.now,
        "address_hash": occasion.vault.address_hash(person.email_key) if is_objection else None,
    }
    connection.execute(insert(erasure).values(**record))


def _know_again(connection: Connection, occasion: Occasion, person: Row[Any]) -> None:
    """Keep how the contact is known again for as long as an administrator there can restore it."""
    address_hash = occasion.vault.address_hash(person.email_key)
    values = {"address_hash": address_hash, "contact_id": person.contact_id, "erased_at": occasion.now}
    insert_or_replace(connection, deleted_contact, ["subscriber_id"], values | {"subscriber_id": person.id})


def _take_off(connection: Connection, occasion: Occasion, person: Row[Any]) -> None:
    strangers.note(connection, person.contact_id, person.email_key, occasion.now)
    strangers.take_off_unasked(connection, occasion.vault, person.contact_id, occasion.now)


def _was_brought_there(connection: Connection, person: Row[Any]) -> bool:
    """Whether this service put somebody on the list at ActiveCampaign, having them from a file."""
    theirs = select(import_batch.c.source).join(confirmation).where(confirmation.c.subscriber_id == person.id)
    return "file" in connection.execute(theirs).scalars().all()


def _empty_leaves(connection: Connection, occasion: Occasion, subscriber_id: str, rule: str) -> None:
    mine = consent_event.c.subscriber_id == subscriber_id
    ids = connection.execute(select(consent_event.c.id).where(mine)).scalars().all()
    if ids:
        empty_leaves(connection, occasion, ids, rule)
