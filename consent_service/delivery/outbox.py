"""The outbox: messages that left the transaction of a use case and are delivered by the relay, at least once.

A message holds ids only and is level-triggered: what it needs is read when it runs, so duplicates and delays converge.
Nobody is told anything from here: `relaying` delivers. Must not know SMTP, HTTP, or a use case.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack

from sqlalchemy import ColumnElement, Connection, bindparam, case, func, insert, literal, select, update

from consent_service.ids import new_id
from consent_service.models.delivery import outbox_message
from consent_service.sql.prepared import Prepared

CARRIED_FOR = timedelta(minutes=10)
SKEW = timedelta(minutes=2)  # so far the clocks of two machines may be apart
LONGEST_PAUSE = timedelta(days=2)  # none between two tries is longer, nor any that the other side asks for
ALONE = "alone"  # a message that no bulk import may carry any more
MAIL = "mail"
ACTIVECAMPAIGN = "activecampaign"
ACCESS = "access"  # what ActiveCampaign holds about somebody: many calls, which no withdrawal should wait behind
LANES = (MAIL, ACTIVECAMPAIGN, ACCESS)
# What a message is: those that a use case leaves, which must not know a channel.
CONFIRMATION, ALREADY, WELCOME = "confirmation", "already", "welcome"
UNSUBSCRIBE_LINK, MY_DATA_LINK = "unsubscribe_link", "my_data_link"
LIST_DATA, CONTACT_DATA = "list_data", "contact_data"  # all that is held of somebody who has no page of their own
ADDRESS_ASKED, ADDRESS_CHANGED = "address_asked", "address_changed"
# Nobody is written to: it takes the way of a mail, so that a stranger cannot tell by the log, the queue or the time.
NO_ANSWER, NO_LINK = UNSENT = "no_answer", "no_link"
SYNC = "sync"
DUE_NOW = "lanes with something due now"


@dataclass(frozen=True)
class Message:
    """A claimed message. `attempts` counts this try; `key` stays the same over all tries.

    `counted_at` says since when it counts against what the whole service may send.
    """

    id: int
    key: str
    lane: str
    kind: str
    subscriber_id: str | None
    confirmation_id: str | None
    departure_id: str | None
    bulk_id: str | None
    import_row_id: int | None
    contact_message_id: str | None
    contact_id: str | None
    staff_id: str | None
    created_at: datetime
    counted_at: datetime | None
    attempts: int


@dataclass(frozen=True)
class Delivered:
    """The other side took it; `answer` is what it said, `contact_id` its own id for the person.

    `link_field` is the id of the field there that has the person's own link now.
    """

    answer: str = ""
    contact_id: str | None = None
    link_field: str | None = None


@dataclass(frozen=True)
class Retry:
    """Not now. `after` is the other side's own wish; `peer_down` says nothing else would get through either."""

    reason: str
    after: timedelta | None = None
    peer_down: bool = False


@dataclass(frozen=True)
class Rejected:
    """Never as it is: the message becomes a dead letter that staff see."""

    reason: str


@dataclass(frozen=True)
class Hold:
    """The message may not leave before a time, through no fault of its own; `reason` is None when nobody is at fault.

    `bulk_id` names what carries it meanwhile; it is delivered by itself when the time comes and it still waits.
    """

    until: datetime
    reason: str | None
    bulk_id: str | None = None


@dataclass(frozen=True)
class Nothing:
    """The state the message was about has passed; there is nothing left to deliver."""


Outcome = Delivered | Retry | Rejected | Hold | Nothing


def ending(outcome: Outcome) -> str:
    """Return the word for how a try ended, the same for every kind of Delivered that channels have."""
    return "delivered" if isinstance(outcome, Delivered) else type(outcome).__name__.lower()


def undone() -> Any:
    """Whether a message is neither done nor dead."""
    return outbox_message.c.done_at.is_(None) & outbox_message.c.dead_at.is_(None)


def _undone_of_few() -> Any:
    """What `undone` asks, put so that SQLite looks among one person's few messages and not among all of a lane."""
    return func.coalesce(outbox_message.c.done_at, outbox_message.c.dead_at).is_(None)


# Built once: what is done for every message pays for building a statement as much as for executing it.
_ENQUEUE = Prepared(insert(outbox_message))
_NOTE_COUNTED = Prepared(update(outbox_message).where(outbox_message.c.id == bindparam("message")))
_WAKE = Prepared(
    update(outbox_message)
    .where(outbox_message.c.lane == bindparam("in_lane"), outbox_message.c.subscriber_id == bindparam("person"))
    .where(_undone_of_few(), outbox_message.c.due_at > bindparam("now"))
)


class About(TypedDict, total=False):
    """Whom or what a message is about, by the ids of their rows."""

    subscriber_id: str
    confirmation_id: str | None
    departure_id: str
    bulk_id: str
    import_row_id: int
    contact_message_id: str
    contact_id: str | None
    staff_id: str | None  # None of a letter that goes to nobody


_NOBODY = dict.fromkeys(About.__annotations__)


def enqueue(
    connection: Connection,
    lane: str,
    kind: str,
    now: datetime,
    *,
    not_before: datetime | None = None,
    **about: Unpack[About],
) -> str:
    """Add a message to the outbox, and wake the person's earlier ones in this lane that wait for another try.

    Returns the key under which it is known as long as it is there.
    """
    if subscriber_id := about.get("subscriber_id"):
        _wake(connection, lane, subscriber_id, now)
    key = new_id(now)
    values = {"key": key, "lane": lane, "kind": kind, "created_at": now, "due_at": not_before or now}
    _ENQUEUE.write(connection, _NOBODY | about | values)
    if not_before is None:
        connection.info.setdefault(DUE_NOW, set()).add(lane)
    return key


def enqueue_departures(
    connection: Connection, lane: str, kind: str, now: datetime, due_at: Mapping[str, datetime]
) -> None:
    """Add a message about each of these departures, due at a time of its own, in this order."""
    alike = {"lane": lane, "kind": kind, "created_at": now}
    rows = [alike | {"key": new_id(now), "departure_id": one, "due_at": at} for one, at in due_at.items()]
    connection.execute(insert(outbox_message), rows)


def enqueue_once(connection: Connection, lane: str, kind: str, now: datetime, subscriber_id: str) -> None:
    """Add a message about a locked person, unless one of its kind waits that no relay has begun: that one will do.

    One that a relay has begun, or that a bulk import carries, may have read the person before this change. The earlier
    ones are woken either way.
    """
    alike = (outbox_message.c.lane == lane, outbox_message.c.kind == kind, outbox_message.c.claimed_by.is_(None))
    mine = (outbox_message.c.subscriber_id == subscriber_id, undone(), ~is_carried())
    waits = select(outbox_message.c.id).where(*alike, *mine)
    if connection.execute(waits.limit(1)).first() is None:
        enqueue(connection, lane, kind, now, subscriber_id=subscriber_id)
    else:
        _wake(connection, lane, subscriber_id, now)


def due_at_once(connection: Connection) -> set[str]:
    """Return a set to which each lane is added that gets something due at once in this transaction."""
    lanes = connection.info[DUE_NOW] = set[str]()
    return lanes


def note_counted(connection: Connection, message: Message, now: datetime) -> None:
    """Note that a message counts against what the whole service may send, so that it is not counted again."""
    _NOTE_COUNTED.write(connection, {"message": message.id, "counted_at": now})


def hasten(connection: Connection, lane: str, now: datetime) -> None:
    """Make every message of a lane due that was tried in vain: its other side is back."""
    connection.execute(
        update(outbox_message)
        .where(outbox_message.c.lane == lane, undone(), outbox_message.c.due_at > now, ~is_carried())
        .where(outbox_message.c.attempts > 0)  # what nobody has tried waits for a time of its own
        .values(due_at=now)
    )


def recall(connection: Connection, now: datetime) -> int:
    """Make due what a clock that was ahead has written, put off or begun to try; returns how many it was.

    Passes over what somebody has locked: that is just being settled.
    """
    soon, message = now + SKEW, outbox_message.c
    is_written = (message.created_at > soon) & (message.due_at > soon)
    is_put_off = (message.attempts > 0) & (message.due_at > now + LONGEST_PAUSE)
    which = (message.lane.in_(LANES), undone(), is_written | is_put_off | (message.claimed_until > soon))
    found = select(message.id).where(*which).with_for_update(skip_locked=True)
    written_at = case((message.created_at > soon, literal(now, message.created_at.type)), else_=message.created_at)
    again = update(outbox_message).where(message.id.in_(found))
    return connection.execute(again.values(created_at=written_at, due_at=now, claimed_until=None)).rowcount


def busy_until(
    connection: Connection, lane: str, subscriber_ids: Sequence[str], now: datetime
) -> defaultdict[str, datetime]:
    """Return until when a delivery about each person may be under way in a lane, or may arrive that was handed over."""
    whose, carried = outbox_message.c.subscriber_id, func.count().filter(is_carried())
    asked = select(whose, func.max(outbox_message.c.claimed_until), carried).group_by(whose)
    waiting = asked.where(outbox_message.c.lane == lane, whose.in_(subscriber_ids), undone())
    until = defaultdict(lambda: now)
    for subscriber_id, claimed_until, is_under_way in connection.execute(waiting):
        until[subscriber_id] = max(claimed_until or now, now + CARRIED_FOR if is_under_way else now)
    return until


def waits(connection: Connection, lane: str, subscriber_id: str) -> bool:
    """Whether anything about a person is still to be delivered in a lane."""
    mine = (outbox_message.c.lane == lane, outbox_message.c.subscriber_id == subscriber_id, undone())
    return connection.execute(select(outbox_message.c.id).where(*mine).limit(1)).first() is not None


def set_aside(connection: Connection, message_id: int, now: datetime) -> bool:
    """Take a dead letter off the staff's list, its reason kept; False when it is not dead."""
    dead = (outbox_message.c.id == message_id, outbox_message.c.dead_at.is_not(None))
    return connection.execute(update(outbox_message).where(*dead).values(dead_at=None, done_at=now)).rowcount == 1


def retry_dead(connection: Connection, message_id: int, now: datetime) -> bool:
    """Put a dead letter back into the queue with all its tries; False when it is not dead."""
    dead = (outbox_message.c.id == message_id, outbox_message.c.dead_at.is_not(None))
    again = update(outbox_message).where(*dead).values(dead_at=None, attempts=0, due_at=now)
    return connection.execute(again).rowcount == 1


def is_first() -> Any:
    """Whether no earlier message of the same person waits in the lane."""
    earlier = outbox_message.alias("earlier")
    waiting = select(earlier.c.id).where(
        earlier.c.subscriber_id == outbox_message.c.subscriber_id,
        earlier.c.lane == outbox_message.c.lane,
        earlier.c.id < outbox_message.c.id,
        earlier.c.done_at.is_(None),
        earlier.c.dead_at.is_(None),
    )
    return ~waiting.exists()


def has_news(now: ColumnElement[datetime]) -> Any:
    """Whether a message of the same person came into the lane after this one was last due.

    It would have woken this one, had this one not been under way. Whoever has locked the person sees all that have
    come. One written by a clock ahead of this one does not count, or this one would be due at once after each try.
    """
    newer = outbox_message.alias("newer")
    coming = select(newer.c.id).where(
        newer.c.subscriber_id == outbox_message.c.subscriber_id,
        newer.c.lane == outbox_message.c.lane,
        newer.c.id > outbox_message.c.id,
        newer.c.created_at > outbox_message.c.due_at,
        newer.c.created_at <= now,
        func.coalesce(newer.c.done_at, newer.c.dead_at).is_(None),
    )
    return coming.exists()


def is_carried() -> Any:
    """Whether a bulk import carries the message; until it is known how that went, the message need not be hurried."""
    return func.coalesce(outbox_message.c.bulk_id, ALONE) != ALONE


def _wake(connection: Connection, lane: str, subscriber_id: str, now: datetime) -> None:
    _WAKE.write(connection, {"in_lane": lane, "person": subscriber_id, "now": now, "due_at": now})
