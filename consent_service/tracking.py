"""The permission to follow what a subscriber reads: given and taken back on their own page, apart from the newsletter.

It is a consent of its own (GDPR article 7): never a condition of the newsletter, and gone when the newsletter is. Given
together with a subscription it comes from `subscriptions`. Must not import web or a channel.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from consent_service import asks
from consent_service.delivery import outbox
from consent_service.ledger import evidence, seal
from consent_service.ledger.evidence import Occasion
from consent_service.ledger.seal import Payload
from consent_service.models.newsletter import refusal, subscriber
from consent_service.notices.statements import TRACKING, ShownText

ALLOWED, WITHDRAWN = "tracking_allowed", "tracking_withdrawn"


def allow(connection: Connection, occasion: Occasion, subscriber_id: str, shown: ShownText) -> bool:
    """Take a subscriber's own yes to the text shown; False when they are no subscriber and nothing changed."""
    person = asks.lock_person(connection, subscriber_id)
    if person is None or person.status != "active":
        return False
    if person.tracking_since is None:
        texts = {TRACKING: evidence.keep_text(connection, occasion, shown)}
        given = evidence.append(connection, occasion, person.id, {"kind": ALLOWED, "texts": {**texts}})
        _change(connection, occasion, person, tracking_since=given.at, tracking_event_id=given.id)
    return True


def withdraw(connection: Connection, occasion: Occasion, subscriber_id: str) -> None:
    """Take the permission back at once (GDPR article 7(3)); the newsletter goes on."""
    person = asks.lock_person(connection, subscriber_id)
    if person is None or person.tracking_since is None:
        return
    said = _withdraw(connection, occasion, person, {"kind": WITHDRAWN})
    connection.execute(insert(refusal).values(subscriber_id=person.id, said_at=said, kind=TRACKING))


def repeat(connection: Connection, occasion: Occasion, subscriber_id: str, said_at: datetime) -> bool:
    """Take back again what an older database forgot that somebody took back; False when there was nothing to do."""
    person = asks.lock_person(connection, subscriber_id)
    if person is None or person.tracking_since is None or person.tracking_since > said_at:
        return False
    _withdraw(connection, occasion, person, {"kind": WITHDRAWN, "since": seal.timestamp(said_at)})
    return True


def since(connection: Connection, subscriber_ids: Sequence[str]) -> dict[str, datetime]:
    """Return since when whoever permits it has done so; others are left out."""
    mine = (subscriber.c.id.in_(subscriber_ids), subscriber.c.tracking_since.is_not(None))
    rows = connection.execute(select(subscriber.c.id, subscriber.c.tracking_since).where(*mine)).all()
    return {row.id: row.tracking_since for row in rows}


def _withdraw(connection: Connection, occasion: Occasion, person: Row[Any], core: Payload) -> datetime:
    said = evidence.append(connection, occasion, person.id, core)
    _change(connection, occasion, person, tracking_since=None, tracking_event_id=None)
    return said.at


def _change(connection: Connection, occasion: Occasion, person: Row[Any], **values: object) -> None:
    asks.change_person(connection, person.id, **values)
    outbox.enqueue_once(connection, outbox.ACTIVECAMPAIGN, outbox.SYNC, occasion.now, person.id)
