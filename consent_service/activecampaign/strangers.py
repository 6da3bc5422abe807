"""Contacts active on the list at ActiveCampaign without permission here, until they have been taken off it.

Holds their address meanwhile, so that nobody who confirms at that moment is taken off by what was decided before.
Must not talk to anybody.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from consent_service.activecampaign.contacts import Stranger
from consent_service.database import insert_or_replace
from consent_service.delivery import outbox
from consent_service.delivery.outbox import Message, Nothing
from consent_service.ledger.vault import Vault
from consent_service.models.activecampaign import stranger, taken_off
from consent_service.models.delivery import outbox_message
from consent_service.models.newsletter import subscriber

TAKE_OFF = "take-off"


def note(connection: Connection, contact_id: str, email_key: str, now: datetime) -> None:
    """Keep whose contact may have to be taken off."""
    values = {"contact_id": contact_id, "email_key": email_key, "found_at": now}
    insert_or_replace(connection, stranger, ["contact_id"], values)


def take_off(connection: Connection, contact_id: str, now: datetime) -> None:
    """Have a noted contact taken off the list, unless that is under way."""
    if connection.execute(select(outbox_message.c.id).where(*_open(contact_id)).limit(1)).first() is None:
        outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, TAKE_OFF, now, contact_id=contact_id)


def take_off_unasked(connection: Connection, keys: Vault, contact_id: str, now: datetime) -> None:
    """Have a noted contact taken off without anybody's wish, and keep that it is not to be taken for leaving."""
    noted = select(stranger.c.email_key).where(stranger.c.contact_id == contact_id)
    email_key = connection.execute(noted).scalar_one_or_none()
    if email_key is not None:
        know_again(connection, keys.address_hash(email_key), contact_id, now)
    take_off(connection, contact_id, now)


def load(connection: Connection, message: Message) -> Stranger | Nothing:
    """Return the contact to be taken off, or Nothing when its owner has confirmed meanwhile."""
    noted = select(stranger.c.email_key).where(stranger.c.contact_id == message.contact_id)
    email_key = connection.execute(noted).scalar_one_or_none()
    theirs = (subscriber.c.email_key == email_key) | (subscriber.c.contact_id == message.contact_id)
    allowed = select(subscriber.c.id).where(subscriber.c.status == "active", theirs)
    if message.contact_id is None or email_key is None or connection.execute(allowed.limit(1)).first():
        return Nothing()
    return Stranger(message.contact_id)


def is_awaited(connection: Connection, email_key: str) -> bool:
    """Whether a contact with this address is about to be taken off the list; what was given up holds nobody up."""
    return bool(connection.execute(select(is_awaited_of(email_key))).scalar_one())


def is_awaited_of(email_key: Any) -> Any:
    """What `is_awaited` asks, as a condition, of an address or a column of them."""
    is_open = select(outbox_message.c.id).where(*_open(stranger.c.contact_id), outbox.undone()).exists()
    return select(stranger.c.contact_id).where(stranger.c.email_key == email_key, is_open).exists()


def forget(connection: Connection, contact_id: str) -> None:
    """Forget the address of a contact that has been taken off."""
    connection.execute(delete(stranger).where(stranger.c.contact_id == contact_id))


def forget_settled(connection: Connection) -> None:
    """Forget the addresses of those who do not wait any longer."""
    is_open = select(outbox_message.c.id).where(*_open(stranger.c.contact_id)).exists()
    connection.execute(delete(stranger).where(~is_open))


def know_again(connection: Connection, address_hash: str, contact_id: str, now: datetime) -> None:
    """Keep that a contact is about to be taken off by this service, so that it is not taken for leaving."""
    values = {"address_hash": address_hash, "contact_id": contact_id, "undone_at": now, "taken_off_at": None}
    insert_or_replace(connection, taken_off, ["address_hash"], values)


def note_taken_off(connection: Connection, contact_id: str | None, now: datetime) -> None:
    """Note that it was this service that took a contact off the list, where that is to be known again."""
    connection.execute(update(taken_off).where(taken_off.c.contact_id == contact_id).values(taken_off_at=now))


def known_again(connection: Connection, hashes: Collection[str]) -> Row[Any] | None:
    """Return what is kept of an address that this service was to take off, or None."""
    return connection.execute(select(taken_off).where(taken_off.c.address_hash.in_(hashes))).first()


def forget_known(connection: Connection, hashes: Collection[str], contact_ids: Collection[str]) -> None:
    """Forget that addresses or contacts were taken off: their people are erased, or on the list again."""
    theirs = taken_off.c.address_hash.in_(hashes) | taken_off.c.contact_id.in_(contact_ids)
    connection.execute(delete(taken_off).where(theirs))


def _open(contact_id: Any) -> tuple[Any, ...]:
    is_theirs = outbox_message.c.contact_id == contact_id
    return (is_theirs, outbox_message.c.kind == TAKE_OFF, outbox_message.c.done_at.is_(None))
