"""Who has no unsubscribe link of today at ActiveCampaign, and bringing it there without holding anybody else up.

Somebody lacks it who was forwarded before the field was made there, came over in an import, or has a link that was
signed with an earlier key. Must not talk to the network.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, select

from consent_service.delivery import outbox
from consent_service.models.delivery import outbox_message
from consent_service.models.newsletter import subscriber

PACE = timedelta(seconds=1)  # so that whoever leaves meanwhile need not wait for all of them


def lacking(connection: Connection, mark: str) -> int:
    """Return how many people there have no link of this mark, and wait for no update that would bring one."""
    return connection.execute(select(func.count()).select_from(subscriber).where(*_lacks(mark))).scalar_one()


def renew(connection: Connection, mark: str, after: str, first_at: datetime, now: datetime, most: int) -> Sequence[str]:
    """Have a link brought to so many people who have none of this mark, one by one; returns their ids, which rise.

    `after` is the id of the last one who got one: those before are not looked through again.
    """
    wanted = select(subscriber.c.id).where(subscriber.c.id > after, *_lacks(mark)).order_by(subscriber.c.id)
    people = connection.execute(wanted.limit(most).with_for_update()).scalars().all()
    for place, person_id in enumerate(people):
        at = first_at + place * PACE
        outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, outbox.SYNC, now, subscriber_id=person_id, not_before=at)
    return people


def _lacks(mark: str) -> tuple[ColumnElement[bool], ...]:
    updates = select(outbox_message.c.id).where(
        outbox_message.c.subscriber_id == subscriber.c.id, outbox_message.c.kind == outbox.SYNC, outbox.undone()
    )
    is_there = (subscriber.c.status == "active", subscriber.c.contact_id.is_not(None))
    return (*is_there, subscriber.c.forwarded_link.is_distinct_from(mark), ~updates.exists())
