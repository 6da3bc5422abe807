"""Between the tables and the bulk import: who may go along in one, and who is in line at ActiveCampaign after it.

May go along: who is active here and was never taken over there. Everybody else needs what only single calls do. Must
not talk to the network.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, select, update

from consent_service import address_changes
from consent_service.activecampaign import departures, forwarding, strangers
from consent_service.activecampaign.bulk import FIRST_LOOK
from consent_service.activecampaign.contacts import BulkLook, Carried, ContactState
from consent_service.activecampaign.forwarding import Left
from consent_service.activecampaign.own_link import OwnLinks
from consent_service.delivery import outbox
from consent_service.delivery.outbox import Delivered, Hold, Message, Outcome
from consent_service.ledger.vault import Vault
from consent_service.models.delivery import outbox_message
from consent_service.models.newsletter import subscriber

BULK = "bulk"


def may_join() -> ColumnElement[bool]:
    """Whether a message is an update of somebody who may go along."""
    theirs = select(subscriber.c.id).where(subscriber.c.id == outbox_message.c.subscriber_id, *_never_taken_over())
    joins: ColumnElement[bool] = (outbox_message.c.kind == outbox.SYNC) & theirs.exists()
    return joins


def load_all(
    links: OwnLinks, connection: Connection, messages: Sequence[Message], now: datetime
) -> dict[int, ContactState]:
    """Return what the contacts have to look like, by message; those left out who may not go along any more."""
    mine = subscriber.c.id.in_([message.subscriber_id for message in messages])
    # Not asked as a condition: SQLite would rather look at all who are active than at these few.
    may_join = and_(*_never_taken_over()).label("may_join")
    found = select(subscriber, may_join).where(mine).order_by(subscriber.c.id).with_for_update(of=subscriber)
    people = [person for person in connection.execute(found) if person.may_join]
    first = (subscriber.c.id.in_([person.id for person in people]), subscriber.c.forwarded_at.is_(None))
    connection.execute(update(subscriber).where(*first).values(forwarded_at=now))
    states = {person.id: _state(links, person) for person in people}
    return {one.id: states[one.subscriber_id] for one in messages if one.subscriber_id in states}


def handed(connection: Connection, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Have it looked up soon how the imports went that carry messages now."""
    carriers = {one.bulk_id for one in outcomes if isinstance(one, Hold) and one.bulk_id}
    for bulk_id in sorted(carriers - {outbox.ALONE}):
        outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, BULK, now, bulk_id=bulk_id, not_before=now + FIRST_LOOK)


def load(keys: Vault, links: OwnLinks, connection: Connection, message: Message, now: datetime) -> Any:
    """Return the import to look at, or what `forwarding.load` does."""
    if message.kind == BULK:
        return BulkLook(str(message.bulk_id), now - message.created_at)
    parcel = forwarding.load(keys, links, connection, message, now)
    is_moved = isinstance(parcel, ContactState) and parcel.is_active and parcel.former_email is not None
    if is_moved and _is_under_way(connection, message, now):  # it would make a second contact, of the former address
        return Hold(now + forwarding.LOOK_AGAIN, "ActiveCampaign has not finished the import")
    return parcel


def record(left: Left, connection: Connection, message: Message, sent: Any, answer: Delivered, now: datetime) -> None:
    """Note who is in line there after an import, and let the others it carried go alone; or `forwarding.record`."""
    if not isinstance(answer, Carried):
        forwarding.record(left, connection, message, sent, answer, now)
        return
    # People first and in the order of their ids, as every change of one locks them before their messages.
    there = subscriber.c.email_key.in_(list(answer.contacts))
    people = connection.execute(select(subscriber).where(there).order_by(subscriber.c.id).with_for_update()).all()
    active = [person.id for person in people if person.status == "active"]
    done = _settle(connection, str(message.bulk_id), active, now)
    ids = {person.id: answer.contacts[person.email_key] for person in people if person.id in done}
    _take_over(connection, ids, answer.link_mark)
    for person in people:  # whom the import brought there too late
        if person.status != "active" and person.active_since is not None:
            outbox.enqueue_once(connection, outbox.ACTIVECAMPAIGN, outbox.SYNC, now, person.id)


def mend(keys: Vault, connection: Connection, message: Message, sent: Any, now: datetime) -> None:
    """Do as `forwarding.mend`; a look at an import changes nothing there, and whoever took it over looks again."""
    if not isinstance(sent, BulkLook):
        forwarding.mend(keys, connection, message, sent, now)


def _is_under_way(connection: Connection, message: Message, now: datetime) -> bool:
    """Whether a bulk import carries the message that was sent a moment ago and has not been seen to arrive."""
    columns = outbox_message.c
    looked_at = (columns.bulk_id == message.bulk_id, columns.kind == BULK, outbox.undone())
    recent = select(columns.id).where(*looked_at, columns.created_at > now - outbox.CARRIED_FOR)
    return message.bulk_id is not None and connection.execute(recent.limit(1)).first() is not None


def _never_taken_over() -> tuple[Any, ...]:
    return (
        subscriber.c.status == "active",
        subscriber.c.contact_id.is_(None),
        subscriber.c.forwarded_event_id.is_(None),
        subscriber.c.tracking_since.is_(None),  # their tag is put on by single calls
        subscriber.c.tagged_at.is_(None),
        ~address_changes.is_unheard_of(subscriber.c.id),
        ~departures.is_awaited_of(subscriber.c.email_key),
        ~strangers.is_awaited_of(subscriber.c.email_key),
    )


def _state(links: OwnLinks, person: Any) -> ContactState:
    names, link = (person.email, person.first_name, person.last_name), links.of(person.id, person.language)
    return ContactState(*names, is_active=True, contact_id=None, was_forwarded=True, own_link=link)


def _settle(connection: Connection, bulk_id: str, people: Sequence[str], now: datetime) -> set[str]:
    """End the messages of people an import carried all the way, free the others, and return whose were ended."""
    columns = outbox_message.c
    carried = (columns.bulk_id == bulk_id, columns.subscriber_id.is_not(None), outbox.undone())
    mine = update(outbox_message).where(*carried, columns.claimed_by.is_(None))
    arrived = mine.where(columns.subscriber_id.in_(people)).values(done_at=now, last_error=None)
    done = connection.execute(arrived.returning(columns.subscriber_id)).scalars().all()
    connection.execute(mine.values(due_at=now, bulk_id=outbox.ALONE))
    return {str(one) for one in done}


def _take_over(connection: Connection, contacts: dict[str, str], link_mark: str | None) -> None:
    taken = update(subscriber).where(subscriber.c.id == bindparam("person"))
    learnt = {"forwarded_event_id": subscriber.c.basis_event_id, "forwarded_link": link_mark}
    values = taken.values(learnt | {"contact_id": bindparam("contact")})
    if contacts:
        connection.execute(values, [{"person": person, "contact": there} for person, there in contacts.items()])
    for person, there in contacts.items():
        forwarding.leave_to(connection, person, there)
