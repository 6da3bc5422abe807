"""Erasing a person (GDPR article 17): what is destroyed, what is left, and who else has to be told.

Destroys the openings of the person's events, their key, their messages and their row; the leaves of the sealed log
stay, empty, and are listed by a sealed event that names no person. Must not commit, read a clock or talk to anybody.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from consent_service.ledger.evidence import Occasion
from consent_service.models import consent_event, erased_leaf, erasure, subscriber


@dataclass(frozen=True)
class Erased:
    """The person is gone; so many leaves of the log were emptied."""

    leaves: int


@dataclass(frozen=True)
class Held:
    """The person's data must be kept for now (GDPR article 17(3)(e)): why, and since when."""

    reason: str
    since: datetime


@dataclass(frozen=True)
class Unknown:
    """There is nobody with this id, or not any more."""


def erase(
    connection: Connection, occasion: Occasion, subscriber_id: str, rule: str, *, tell: bool
) -> Erased | Held | Unknown:
    """Erase a person (GDPR article 17) unless a legal hold forbids it; with `tell` they get a letter about it."""
    person = connection.execute(
        select(subscriber).where(subscriber.c.id == subscriber_id).with_for_update()
    ).one_or_none()
    if person is None:
        return Unknown()
    if person.hold_reason is not None:
        return Held(person.hold_reason, person.held_since)
    leaves = _empty_leaves(connection, occasion, subscriber_id, rule)
    connection.execute(delete(subscriber).where(subscriber.c.id == subscriber_id))
    record = {"subscriber_id": subscriber_id, "rule": rule, "erased_at": occasion.now}
    connection.execute(insert(erasure).values(**record))
    return Erased(leaves)


def _empty_leaves(connection: Connection, occasion: Occasion, subscriber_id: str, rule: str) -> int:
    mine = consent_event.c.subscriber_id == subscriber_id
    ids = connection.execute(select(consent_event.c.id).where(mine)).scalars().all()
    connection.execute(update(consent_event).where(mine).values(core_sealed=None, tech_sealed=None, subscriber_id=None))
    if ids:
        rows = [{"event_id": event_id, "rule": rule, "erased_at": occasion.now} for event_id in ids]
        connection.execute(insert(erased_leaf), rows)
    return len(ids)
