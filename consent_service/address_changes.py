"""A change of address that its old mailbox and ActiveCampaign still have to hear of: which address it replaced.

The old address stands in the person's encrypted evidence and nowhere else, so it goes when they do. Must not change
anything.
"""

from collections.abc import Collection, Set
from typing import Any

import structlog
from sqlalchemy import Connection, Row, bindparam, select

from consent_service.ledger import evidence
from consent_service.ledger.evidence import Event
from consent_service.ledger.vault import Vault, VaultRefused
from consent_service.models.delivery import outbox_message
from consent_service.models.newsletter import confirmation
from consent_service.sql.prepared import Prepared

READDRESS = "readdress"
MOVE = "my-data"  # the source of an ask that a person makes on their own page, to be written to at another address

log = structlog.get_logger()

_UNHEARD = Prepared(
    select(outbox_message.c.confirmation_id)
    .where(outbox_message.c.subscriber_id == bindparam("person"), outbox_message.c.kind == READDRESS)
    .where(outbox_message.c.done_at.is_(None))
    .order_by(outbox_message.c.id)
    .limit(1)
)


def find(connection: Connection, keys: Vault, subscriber_id: str, confirmation_id: str | None) -> Event | None:
    """Return the event by which a new address was confirmed, which also names the one it `replaces`."""
    told = evidence.story(connection, keys, subscriber_id)
    return next((event for event in told if _is_of(event, confirmation_id)), None)


def unheard_address(connection: Connection, keys: Vault, person: Row[Any]) -> str | None:
    """Return the address ActiveCampaign knows a person by while a change of it has not arrived there, else None."""
    # Whatever message comes first has to make the change: another one would make a second contact there.
    first = _UNHEARD.value(connection, {"person": person.id})
    event = find(connection, keys, person.id, first) if first else None
    return str(event.core["replaces"]) if event else None


def is_unheard_of(subscriber_id: Any) -> Any:
    """Whether a change of address waits that ActiveCampaign has not heard of, as a condition on a column of people."""
    moved = outbox_message.alias("moved")
    waiting = (moved.c.subscriber_id == subscriber_id, moved.c.kind == READDRESS, moved.c.done_at.is_(None))
    return select(moved.c.id).where(*waiting).exists()


def who_moved(connection: Connection, subscriber_ids: Collection[str]) -> Set[str]:
    """Return those of some people's ids who have changed their address."""
    moved = (confirmation.c.source == MOVE, confirmation.c.used_at.is_not(None))
    theirs = select(confirmation.c.subscriber_id).where(confirmation.c.subscriber_id.in_(subscriber_ids), *moved)
    return set(connection.execute(theirs).scalars())


def former_addresses(connection: Connection, keys: Vault, subscriber_id: str) -> list[str]:
    """Return the addresses a person had before, under which a contact may have been left behind.

    None if they cannot be read any more, which the log says: somebody has to look for the contacts by hand.
    """
    if not who_moved(connection, [subscriber_id]):
        return []
    try:
        told = list(evidence.story(connection, keys, subscriber_id))
    except VaultRefused:  # a lost key or a changed event must not keep anybody from being erased
        log.warning("former addresses cannot be read", subscriber=subscriber_id)
        return []
    return [str(event.core["replaces"]) for event in told if "replaces" in event.core]


def _is_of(event: Event, confirmation_id: str | None) -> bool:
    return "replaces" in event.core and event.core["confirmation"] == confirmation_id
