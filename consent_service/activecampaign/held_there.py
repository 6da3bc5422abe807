"""What ActiveCampaign holds about a person, fetched at their own request and kept for a few days (GDPR article 15).

Kept under the person's own key, so it goes when they do. Nobody is named there for it who never confirmed. Must not
talk to the network.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from consent_service import address_changes
from consent_service.activecampaign import departures
from consent_service.activecampaign.holdings import Fetch, Fetched, Holdings
from consent_service.database import insert_or_replace
from consent_service.delivery import outbox
from consent_service.delivery.outbox import Hold, Message, Nothing
from consent_service.ledger import evidence, vault
from consent_service.ledger.vault import Vault
from consent_service.models.activecampaign import held_there
from consent_service.models.delivery import outbox_message
from consent_service.models.newsletter import subscriber

FETCH = "fetch"
LOOK_AGAIN = timedelta(minutes=1)


@dataclass(frozen=True)
class HeldThere:
    """What was fetched and when, and how the newest request for it stands: `waiting`, `failed`, or None.

    `is_named` says that the person may be known there from here; who never confirmed is not.
    """

    is_named: bool = False
    request: str | None = None
    fetched_at: datetime | None = None
    holdings: Holdings | None = None

    def state(self, *, forwards: bool) -> str:
        """Return the word for what people are told about it now."""
        if not self.is_named:
            return "unnamed"
        if not forwards:
            return "unconnected"
        if self.request:
            return self.request
        if self.holdings is None:
            return "unasked"
        return "fetched" if self.holdings.contact_id else "unknown"


def ask(connection: Connection, subscriber_id: str, now: datetime) -> None:
    """Have fetched what ActiveCampaign holds about a person whose row is locked; once, however often they ask."""
    outbox.enqueue_once(connection, outbox.ACCESS, FETCH, now, subscriber_id)


def load(keys: Vault, connection: Connection, message: Message, now: datetime) -> Fetch | Hold | Nothing:
    """Return whom to read, or Nothing when the person is gone or never was to be known there."""
    mine = subscriber.c.id == message.subscriber_id
    person = connection.execute(select(subscriber).where(mine)).one_or_none()
    if person is None or person.active_since is None:
        return Nothing()
    if departures.is_awaited(connection, person.email_key):  # that contact was somebody else's until it is deleted
        return Hold(now + LOOK_AGAIN, "an earlier contact with this address has to be deleted there first")
    return Fetch(person.contact_id, (person.email, *address_changes.former_addresses(connection, keys, person.id)))


def record(
    keys: Vault, connection: Connection, message: Message, sent: Fetch, answer: outbox.Delivered, now: datetime
) -> None:
    """Keep what was read instead of what was read before."""
    subscriber_id = str(message.subscriber_id)
    found = answer.found if isinstance(answer, Fetched) else Holdings()
    key = evidence.known_key(connection, keys, subscriber_id)
    sealed = vault.encrypt(key, json.dumps(asdict(found)).encode(), _context(subscriber_id))
    kept = {"subscriber_id": subscriber_id, "fetched_at": now, "sealed": sealed}
    insert_or_replace(connection, held_there, ["subscriber_id"], kept)


def find(connection: Connection, keys: Vault, subscriber_id: str) -> HeldThere:
    """Return what was fetched about a known person and is still kept; raises VaultRefused when it was changed."""
    active_since = select(subscriber.c.active_since).where(subscriber.c.id == subscriber_id)
    row = connection.execute(select(held_there).where(held_there.c.subscriber_id == subscriber_id)).one_or_none()
    is_named = connection.execute(active_since).scalar_one() is not None
    if row is None:
        return HeldThere(is_named, _request(connection, subscriber_id))
    key = evidence.known_key(connection, keys, subscriber_id)
    found = json.loads(vault.decrypt(key, row.sealed, _context(subscriber_id)))
    holdings = Holdings(**(found | {"cut": tuple(found["cut"])}))
    return HeldThere(is_named, _request(connection, subscriber_id), row.fetched_at, holdings)


def _request(connection: Connection, subscriber_id: str) -> str | None:
    mine = (outbox_message.c.subscriber_id == subscriber_id, outbox_message.c.kind == FETCH)
    ends = select(outbox_message.c.done_at, outbox_message.c.dead_at).where(*mine)
    newest = connection.execute(ends.order_by(outbox_message.c.id.desc()).limit(1)).one_or_none()
    if newest is None or newest.done_at is not None:
        return None
    return "waiting" if newest.dead_at is None else "failed"


def _context(subscriber_id: str) -> bytes:
    return f"held-there/{subscriber_id}/1".encode()
