"""Between the tables and ActiveCampaign: what a contact has to look like there, and the id it has there.

Nobody who never confirmed is ever named there. Somebody who left is taken off the list even if they were never
forwarded from here, since the company may have known them before. Must not talk to the network.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, or_, select, update

from consent_service import address_changes
from consent_service.activecampaign import departures, strangers
from consent_service.activecampaign.contacts import (
    NOT_THERE,
    SUBSCRIBED,
    Basis,
    ContactState,
    Leaving,
    Look,
    Membership,
    Parcel,
    Seen,
    Stranger,
    Tagging,
)
from consent_service.activecampaign.own_link import OwnLinks
from consent_service.delivery import outbox
from consent_service.delivery.outbox import Delivered, Hold, Message, Nothing
from consent_service.ledger.vault import Vault
from consent_service.models.ledger import shown_text
from consent_service.models.newsletter import confirmation, subscriber
from consent_service.notices import statements
from consent_service.people import key_of
from consent_service.sql.prepared import Prepared
from consent_service.watch import pulses

LOOK, WEBHOOK = "look", "webhook"
LOOK_AGAIN = timedelta(minutes=1)
SEARCH_SETTLES = timedelta(minutes=10)  # how soon a search there finds a new contact is written nowhere

# Built once: what is done for every subscriber pays for building a statement as much as for executing it.
_LOCK_PERSON = Prepared(
    select(
        subscriber,
        departures.is_awaited_of(subscriber.c.email_key).label("awaits_deletion"),
        strangers.is_awaited_of(subscriber.c.email_key).label("awaits_taking_off"),
    )
    .where(subscriber.c.id == bindparam("person"))
    .with_for_update(of=subscriber)
)
_LEARN = Prepared(update(subscriber).where(subscriber.c.id == bindparam("person")))
_LEAVE_TO = Prepared(
    update(subscriber)
    .where(subscriber.c.contact_id == bindparam("contact"), subscriber.c.id != bindparam("person"))
    .values(contact_id=None)
)
_AGREED = Prepared(
    select(confirmation.c.used_at, shown_text.c.kind)
    .join(shown_text, confirmation.c.statement_sha256 == shown_text.c.sha256)
    .where(confirmation.c.used_event_id == bindparam("basis"))
)


def load(
    keys: Vault, links: OwnLinks, connection: Connection, message: Message, now: datetime
) -> Parcel | Hold | Nothing:
    """Return the state of the message's person as it is now, or Nothing when they are not to be known there."""
    if message.kind == departures.DELETE:
        return _leaving(connection, message, now)
    if message.kind == strangers.TAKE_OFF:
        return strangers.load(connection, message)
    person = _LOCK_PERSON.row(connection, {"person": message.subscriber_id})
    if person is None or person.active_since is None:
        return Nothing()
    if person.awaits_deletion:
        return Hold(now + LOOK_AGAIN, "an earlier contact with this address has to be deleted there first")
    if person.awaits_taking_off:
        return Hold(now + LOOK_AGAIN, "a contact with this address is being taken off the list there")
    state = state_of(keys, connection, person)
    if message.kind == LOOK:
        return Look(state)
    begun = {} if person.forwarded_at or not state.is_active else {"forwarded_at": now}
    if person.tracking_since and not person.tagged_at:
        begun["tagged_at"] = now
    if begun:
        _LEARN.write(connection, {"person": person.id, **begun})
    return replace(state, own_link=links.of(person.id, person.language)) if state.is_active else state


def state_of(keys: Vault, connection: Connection, person: Row[Any]) -> ContactState:
    """Return what a person's contact has to look like now."""
    is_known_there = person.contact_id is not None or person.forwarded_at is not None
    return ContactState(
        person.email,
        person.first_name,
        person.last_name,
        person.status == "active",
        person.contact_id,
        person.forwarded_at is not None,
        address_changes.unheard_address(connection, keys, person) if is_known_there else None,
        _basis(keys, connection, person),
        tagging=_tagging(person),
    )


def look_at(connection: Connection, contact_id: str, email: str, now: datetime) -> None:
    """Have a contact looked at that something there said has changed; one that nobody here has is left alone."""
    pulses.beat(connection, WEBHOOK, now)
    told = or_(subscriber.c.contact_id == contact_id, subscriber.c.email_key == key_of(email))
    known = select(subscriber.c.id).where(told, subscriber.c.active_since.is_not(None))
    for person_id in connection.execute(known).scalars().all():
        outbox.enqueue_once(connection, outbox.ACTIVECAMPAIGN, LOOK, now, person_id)


def last_hint_at(connection: Connection) -> datetime | None:
    """Return when ActiveCampaign was last heard of by webhook."""
    return pulses.last(connection, WEBHOOK)


Left = Callable[[Connection, str, Membership, datetime], None]


def record(
    left: Left,
    connection: Connection,
    message: Message,
    sent: Parcel,
    answer: Delivered,
    now: datetime,
) -> None:
    """Keep the id the contact has there, or that it is gone; who took over its address need not wait any longer.

    `left(connection, subscriber_id, membership, now)` is told of somebody who left there and confirmed nothing since.
    """
    if isinstance(sent, Leaving):
        departures.deleted_there(connection, str(message.departure_id), answer, now)
        _sync_owner(connection, sent.email, now)
        return
    if isinstance(sent, Stranger):  # nobody's here; the next comparison tells whether it worked
        if answer.answer != NOT_THERE:
            strangers.note_taken_off(connection, sent.contact_id, now)
        strangers.forget(connection, sent.contact_id)
        return
    state = sent.contact if isinstance(sent, Look) else sent
    learnt: dict[str, object] = {"contact_id": answer.contact_id}
    if isinstance(answer, Seen):
        _read_there(left, connection, str(message.subscriber_id), state, answer.membership, now)
    elif state.basis and state.is_active and not isinstance(sent, Look):
        learnt["forwarded_event_id"] = state.basis.event_id
        if state.basis.taken_off_at:  # from now on, whoever is off the list there has left it
            strangers.forget_known(connection, (), [answer.contact_id] if answer.contact_id else ())
    if state.own_link and answer.link_field:
        learnt["forwarded_link"] = state.own_link.mark(answer.link_field)
    if not isinstance(sent, Look):
        learnt |= _tag_learnt(state, answer)
    _LEARN.write(connection, {"person": message.subscriber_id, **learnt})
    if answer.contact_id and answer.contact_id != state.contact_id:
        leave_to(connection, str(message.subscriber_id), answer.contact_id)


def leave_to(connection: Connection, subscriber_id: str, contact_id: str) -> None:
    """Let nobody else have a contact any more that was found by this person's address."""
    _LEAVE_TO.write(connection, {"person": subscriber_id, "contact": contact_id})


def mend(keys: Vault, connection: Connection, message: Message, sent: Parcel, now: datetime) -> None:
    """Make up for a call that may take effect late: bring whoever has the address in line, or delete the contact."""
    if isinstance(sent, Look):  # whoever took it over looks again
        return
    if isinstance(sent, Stranger):
        _put_back(keys, connection, sent, now)
        return
    person = connection.execute(select(subscriber).where(subscriber.c.id == message.subscriber_id)).one_or_none()
    if person is not None:
        if isinstance(sent, ContactState) and sent.tagging:  # a late call may put the tag on or take it off
            tag = {"tagged_at": now, "tagged_event_id": None}
            connection.execute(update(subscriber).where(subscriber.c.id == person.id).values(**tag))
        if isinstance(sent, ContactState) and not sent.is_active and person.status == "active":
            _note_taken_off(keys, connection, person, now)
        outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, outbox.SYNC, now, subscriber_id=person.id)
    has_address = person is not None and person.email_key == key_of(sent.email)
    if not has_address and not _sync_owner(connection, sent.email, now) and isinstance(sent, ContactState):
        departures.delete_by_address(connection, str(message.subscriber_id), sent.email, now)


def _put_back(keys: Vault, connection: Connection, sent: Stranger, now: datetime) -> None:
    """Put an owner back who has confirmed since, and whom the late call took off."""
    mine = (subscriber.c.contact_id == sent.contact_id, subscriber.c.status == "active")
    owner = connection.execute(select(subscriber).where(*mine)).one_or_none()
    if owner is not None:
        _note_taken_off(keys, connection, owner, now)
        outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, outbox.SYNC, now, subscriber_id=owner.id)


def _note_taken_off(keys: Vault, connection: Connection, person: Row[Any], now: datetime) -> None:
    """Note that a late call of ours took somebody off the list who is active, so that they are put back."""
    if person.contact_id is not None:
        strangers.know_again(connection, keys.address_hash(person.email_key), person.contact_id, now)
        strangers.note_taken_off(connection, person.contact_id, now)
    connection.execute(update(subscriber).where(subscriber.c.id == person.id).values(forwarded_event_id=None))


def _basis(keys: Vault, connection: Connection, person: Row[Any]) -> Basis | None:
    if person.basis_event_id is None:
        return None
    [agreed] = _AGREED.rows(connection, {"basis": person.basis_event_id})
    is_forwarded = person.forwarded_event_id == person.basis_event_id
    is_imported = agreed.kind == statements.IMPORT
    known = None
    if is_imported or (person.contact_id and not is_forwarded):  # nobody else was there to be taken off
        known = strangers.known_again(connection, keys.address_hashes(person.email_key))
    taken_off_at = known.taken_off_at if known else None
    return Basis(person.basis_event_id, agreed.used_at, is_forwarded, is_imported, taken_off_at)


def _tagging(person: Row[Any]) -> Tagging | None:
    if person.tracking_event_id is None and person.tagged_at is None:
        return None
    event_id = person.tracking_event_id
    return Tagging(event_id, event_id is not None and event_id == person.tagged_event_id)


def _tag_learnt(state: ContactState, answer: Delivered) -> dict[str, object]:
    wanted = state.wants_tag(answer)
    if state.tagging and wanted:
        return {"tagged_event_id": state.tagging.event_id}
    is_gone = wanted is False or answer.contact_id is None
    return {"tagged_at": None, "tagged_event_id": None} if is_gone else {}


def _read_there(
    left: Left, connection: Connection, subscriber_id: str, seen: ContactState, found: Membership, now: datetime
) -> None:
    """Take less permission from there, never more: who left there leaves here unless they have confirmed since."""
    mine = subscriber.c.id == subscriber_id
    person = connection.execute(select(subscriber).where(mine).with_for_update()).one_or_none()
    if person is None:
        return
    if found.status == SUBSCRIBED and person.status != "active":
        outbox.enqueue_once(connection, outbox.ACTIVECAMPAIGN, outbox.SYNC, now, subscriber_id)
    elif seen.basis and seen.basis.event_id == person.basis_event_id and seen.basis.is_outdated_by(found):
        left(connection, subscriber_id, found, now)


def _leaving(connection: Connection, message: Message, now: datetime) -> Leaving | Nothing:
    departing = departures.find(connection, message.departure_id)
    if departing is None:
        return Nothing()
    is_settled = now - departing.created_at >= SEARCH_SETTLES
    return Leaving(departing.email, departing.contact_id, is_settled)


def _sync_owner(connection: Connection, email: str, now: datetime) -> bool:
    owner = connection.execute(select(subscriber).where(subscriber.c.email_key == key_of(email))).one_or_none()
    if owner is None or owner.active_since is None:
        return False
    # The contact that was deleted may be the one they were put on the list with: they have to be put on it again.
    mine = update(subscriber).where(subscriber.c.id == owner.id)
    connection.execute(mine.values(forwarded_event_id=None))
    outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, outbox.SYNC, now, subscriber_id=owner.id)
    return True
