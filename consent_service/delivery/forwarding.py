"""Between the tables and ActiveCampaign: what a contact has to look like there, and the id it has there.

Nobody who never confirmed is ever named there. Somebody who left is taken off the list even if they were never
forwarded from here, since the company may have known them before. Must not talk to the network.
"""

from datetime import datetime

from sqlalchemy import Connection, select, update

from consent_service.delivery import moves
from consent_service.delivery.activecampaign import ContactState
from consent_service.delivery.outbox import Delivered, Message, Nothing
from consent_service.ledger.vault import Vault
from consent_service.models import subscriber


def load(keys: Vault, connection: Connection, message: Message, now: datetime) -> ContactState | Nothing:
    """Return the state of the message's person as it is now, or Nothing when they are not to be known there."""
    person = connection.execute(
        select(subscriber).where(subscriber.c.id == message.subscriber_id).with_for_update()
    ).one_or_none()
    if person is None or person.active_since is None:
        return Nothing()
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


def record(connection: Connection, message: Message, sent: ContactState, answer: Delivered, now: datetime) -> None:
    """Keep the id the contact has there."""
    connection.execute(
        update(subscriber).where(subscriber.c.id == message.subscriber_id).values(contact_id=answer.contact_id)
    )
