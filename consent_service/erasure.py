"""Erasing a person (GDPR article 17): what is destroyed, what is left, and who else has to be told.

Destroys the openings of the person's events, their key, their messages and their row; the leaves of the sealed log
stay, empty, and are listed by a sealed event that names no person. Must not commit, read a clock or talk to anybody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from consent_service import address_changes, asks, contact_messages
from consent_service.activecampaign import departures, strangers
from consent_service.database import insert_if_absent, insert_or_replace
from consent_service.delivery import suppression
from consent_service.earlier_list import import_rows
from consent_service.erasure_notes import note_erased
from consent_service.ledger import erased_list, evidence
from consent_service.ledger.checkpoint import Signer
from consent_service.ledger.evidence import Occasion
from consent_service.models.activecampaign import deleted_contact
from consent_service.models.earlier_list import import_batch
from consent_service.models.ledger import consent_event, erased_leaf
from consent_service.models.newsletter import confirmation, erasure, subscriber
from consent_service.models.watch import daily_run
from consent_service.rights import request_rows

BATCH = 1000
FIRST_LIST = "first list"


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
    return erase_all(connection, occasion, [subscriber_id], rule, tell=tell).get(subscriber_id)


def erase_all(
    connection: Connection, occasion: Occasion, subscriber_ids: Sequence[str], rule: str, *, tell: bool
) -> dict[str, Held]:
    """Erase people as `erase` does, each step once for all of them; returns who is held, and stays."""
    people = asks.lock_people(connection, subscriber_ids)
    _erase(connection, occasion, [person for person in people if person.hold_reason is None], rule, tell=tell)
    return {
        person.id: Held(person.hold_reason, person.held_since) for person in people if person.hold_reason is not None
    }


def delete_there(connection: Connection, occasion: Occasion, erased_id: str, person: Row[Any]) -> None:
    """Have the contact of somebody erased deleted who was no subscriber, but is known at ActiveCampaign."""
    strangers.forget_known(connection, occasion.vault.address_hashes(person.email_key), [person.contact_id])
    departures.delete_contact(connection, erased_id, person.email, person.contact_id, occasion.now)
    insert_or_replace(connection, deleted_contact, ["subscriber_id"], _known_again(occasion, erased_id, person))


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
    people = asks.lock_people(connection, [subscriber_id])
    _erase(connection, occasion, people, rule, tell=False)
    return bool(people)


def empty_leaves(connection: Connection, occasion: Occasion, which: ColumnElement[bool], rule: str) -> None:
    """Destroy what events say, whoever they are about; a sealed event will list their leaves, and why."""
    emptied = {"core_sealed": None, "tech_sealed": None, "core_plain": None, "subscriber_id": None}
    emptying = update(consent_event).where(which).values(emptied).returning(consent_event.c.id)
    event_ids = connection.execute(emptying).scalars().all()
    if event_ids:
        rows = [
            {"event_id": one, "rule": rule, "erased_at": occasion.now, "mac": occasion.vault.erasure_mac(one, rule)}
            for one in event_ids
        ]
        connection.execute(insert(erased_leaf), rows)


def record_leaves(connection: Connection, occasion: Occasion, signer: Signer) -> int:
    """Append the sealed event that lists emptied leaves and why, and return how many rows it took; no person is named.

    The first list is made although nothing was emptied, once there is a log: before it alone the audit believes those
    that nobody signed.
    """
    # What was emptied before lists were signed comes first, in lists of its own.
    rows = _unlisted(connection, erased_leaf.c.mac.is_(None)) or _unlisted(connection)
    is_signed = all(row.mac is not None for row in rows)
    is_first = is_signed and _is_first(connection, occasion)
    if not rows and not is_first:
        return 0
    leaves = [{"id": row.event_id, "rule": row.rule} for row in rows if row.mac is None or _is_ours(occasion, row)]
    payload = erased_list.write(signer, leaves) if is_signed else erased_list.unsigned(leaves)
    evidence.append_plain(connection, occasion, payload)
    connection.execute(delete(erased_leaf).where(erased_leaf.c.event_id.in_([row.event_id for row in rows])))
    return len(rows)


def _unlisted(connection: Connection, *which: ColumnElement[bool]) -> Sequence[Row[Any]]:
    found = select(erased_leaf).where(*which).order_by(erased_leaf.c.event_id).limit(BATCH)
    return connection.execute(found.with_for_update(skip_locked=True)).all()


def _is_first(connection: Connection, occasion: Occasion) -> bool:
    """Whether no list was signed yet; true once, and not before there is a log."""
    if connection.execute(select(consent_event.c.id).limit(1)).first() is None:
        return False
    first = {"name": FIRST_LIST, "done_on": occasion.now.date().isoformat()}
    return insert_if_absent(connection, daily_run, first)


def _is_ours(occasion: Occasion, row: Row[Any]) -> bool:
    """Whether the row of an emptied leaf was written by us; for another one the audit misses what was there."""
    return occasion.vault.is_our_erasure(row.event_id, row.rule, row.mac)


def _erase(connection: Connection, occasion: Occasion, people: Sequence[Row[Any]], rule: str, *, tell: bool) -> None:
    if not people:
        return
    ids, email_keys = [person.id for person in people], [person.email_key for person in people]
    if rule == IMPORT_UNDONE:
        _take_off(connection, occasion, people)
    else:
        hashes = [one for email_key in email_keys for one in occasion.vault.address_hashes(email_key)]
        strangers.forget_known(connection, hashes, [person.contact_id for person in people if person.contact_id])
    _tell(connection, occasion, people, rule, tell=tell)
    objected = _objected(connection, occasion, people)
    empty_leaves(connection, occasion, consent_event.c.subscriber_id.in_(ids), rule)
    import_rows.forget_all(connection, email_keys, occasion.now)
    if rule == BY_PERSON:  # what somebody wrote to us does not end because their subscription does
        contact_messages.forget(connection, occasion.now, email_keys)
    known_by = email_keys if rule == BY_PERSON else []
    request_rows.forget_people(connection, occasion.now, subscriber_ids=ids, email_keys=known_by)
    connection.execute(delete(subscriber).where(subscriber.c.id.in_(ids)))  # takes their keys, asks and messages along
    note_erased(connection, ids, rule, occasion.now, objected)


def _tell(connection: Connection, occasion: Occasion, people: Sequence[Row[Any]], rule: str, *, tell: bool) -> None:
    """Have the contacts of people deleted at ActiveCampaign who are there or may be; with `tell`, tell everybody."""
    came = _came_from_there(connection, people) if rule == BY_PERSON and occasion.forwards else frozenset()
    may_be = [person for person in people if person.id in came or _may_be_there(occasion, person)]
    there = [] if rule == IMPORT_UNDONE else may_be
    ids, whom = [person.id for person in there], people if tell else there
    departures.start(connection, whom, occasion.now, told_there=ids, waits=occasion.forwards, told=tell)
    if there:
        for subscriber_id in address_changes.who_moved(connection, ids):
            for former in address_changes.former_addresses(connection, occasion.vault, subscriber_id):
                departures.delete_by_address(connection, subscriber_id, former, occasion.now, going=ids)
        _know_again(connection, occasion, there)


def _may_be_there(occasion: Occasion, person: Row[Any]) -> bool:
    is_known = person.forwarded_at is not None or person.contact_id is not None
    return is_known or (person.active_since is not None and occasion.forwards)


def _came_from_there(connection: Connection, people: Sequence[Row[Any]]) -> frozenset[str]:
    """Who was asked because they were on the list there before us: not ours to delete, unless they want it."""
    came = select(confirmation.c.subscriber_id).join(import_batch).where(import_batch.c.source == "activecampaign")
    mine = came.where(confirmation.c.subscriber_id.in_([person.id for person in people]))
    return frozenset(connection.execute(mine).scalars())


def _know_again(connection: Connection, occasion: Occasion, people: Sequence[Row[Any]]) -> None:
    """Keep how contacts are known again for as long as an administrator there can restore them."""
    rows = [_known_again(occasion, person.id, person) for person in people]
    insert_or_replace(connection, deleted_contact, ["subscriber_id"], *rows)


def _known_again(occasion: Occasion, erased_id: str, person: Row[Any]) -> dict[str, Any]:
    return {
        "subscriber_id": erased_id,
        "address_hash": occasion.vault.address_hash(person.email_key),
        "contact_id": person.contact_id,
        "erased_at": occasion.now,
    }


def _objected(connection: Connection, occasion: Occasion, people: Sequence[Row[Any]]) -> dict[str, str]:
    """The hash of the address of each of them who objected to marketing."""
    hashes = {person.id: occasion.vault.address_hashes(person.email_key) for person in people}
    objected = suppression.objected(connection, [one for theirs in hashes.values() for one in theirs])
    return {subscriber_id: theirs[0] for subscriber_id, theirs in hashes.items() if not objected.isdisjoint(theirs)}


def _take_off(connection: Connection, occasion: Occasion, people: Sequence[Row[Any]]) -> None:
    """Have those taken off the list at ActiveCampaign whom this service put there, having them from a file."""
    theirs = select(confirmation.c.subscriber_id).join(import_batch).where(import_batch.c.source == "file")
    from_file = theirs.where(confirmation.c.subscriber_id.in_([person.id for person in people]))
    brought = set(connection.execute(from_file).scalars())
    for person in people:
        if person.id in brought and person.contact_id is not None:
            strangers.note(connection, person.contact_id, person.email_key, occasion.now)
            strangers.take_off_unasked(connection, occasion.vault, person.contact_id, occasion.now)
