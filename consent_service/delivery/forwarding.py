"""Between the tables and ActiveCampaign: what a contact has to look like there, and the id it has there.

Nobody who never confirmed is ever named there. Somebody who left is taken off the list even if they were never
forwarded from here, since the company may have known them before. Must not talk to the network.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from consent_service.delivery import departures, moves, outbox
from consent_service.delivery.activecampaign import ContactState, Leaving
from consent_service.delivery.outbox import Delivered, Hold, Message, Nothing
from consent_service.ledger.vault import Vault
from consent_service.models import subscriber

LOOK_AGAIN = timedelta(minutes=1)
SEARCH_SETTLES = timedelta(minutes=10)  # how soon a search there finds a new contact is written nowhere


def load(
    keys: Vault, connection: Connection, message: Message, now: datetime
) -> ContactState | Leaving | Hold | Nothing:
    """Return the state of the message's person as it is now, or Nothing when they are not to be known there."""
    if message.kind == departures.DELETE:
        return _leaving(connection, message, now)
    person = connection.execute(
        select(subscriber).where(subscriber.c.id == message.subscriber_id).with_for_update()
    ).one_or_none()
    if person is None or person.active_since is None:
        return Nothing()
    if departures.is_awaited(connection, person.email_key):
        return Hold(now + LOOK_AGAIN, "an earlier contact with this address has to be deleted there first")
    was_forwarded = person.forwarded_at is not None
    if person.status == "active" and not was_forwarded:
        connection.execute(update(subscriber).where(subscriber.c.id == person.id).values(forwarded_at=now))
    return ContactState(
        person.email,
        person.first_name,
        person.last_name,
        person.status == "active",
        person.contact_id,
        was_forwarded,
        moves.unheard_address(connection, keys, person),
    )


def record(
    connection: Connection, message: Message, sent: ContactState | Leaving, answer: Delivered, now: datetime
) -> None:
    """Keep the id the contact has there, or that it is gone; who took over its address need not wait any longer."""
    if isinstance(sent, Leaving):
        departures.deleted_there(connection, str(message.departure_id), answer.answer, now)
        _sync_owner(connection, sent.email, now)
        return
    connection.execute(
        update(subscriber).where(subscriber.c.id == message.subscriber_id).values(contact_id=answer.contact_id)
    )


def mend(connection: Connection, message: Message, sent: ContactState | Leaving, now: datetime) -> None:
    """Make up for a call that may take effect late: bring whoever has the address in line, or delete the contact."""
    person = connection.execute(select(subscriber).where(subscriber.c.id == message.subscriber_id)).one_or_none()
    if person is not None:
        outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, "sync", now, subscriber_id=person.id)
    has_address = person is not None and person.email_key == sent.email.lower()
    if not has_address and not _sync_owner(connection, sent.email, now) and isinstance(sent, ContactState):
        departures.delete_by_address(connection, str(message.subscriber_id), sent.email, now)


def _leaving(connection: Connection, message: Message, now: datetime) -> Leaving | Nothing:
    departing = departures.find(connection, message.departure_id)
    if departing is None:
        return Nothing()
    is_settled = now - departing.created_at >= SEARCH_SETTLES
    return Leaving(departing.email, departing.contact_id, is_settled)


def _sync_owner(connection: Connection, email: str, now: datetime) -> bool:
    owner = connection.execute(select(subscriber).where(subscriber.c.email_key == email.lower())).one_or_none()
    if owner is None or owner.active_since is None:
        return False
    outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, "sync", now, subscriber_id=owner.id)
    return True
