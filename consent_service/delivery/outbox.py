"""The outbox: messages that left the transaction of a use case and are delivered by the relay, at least once.

A message holds ids only and is level-triggered: what it needs is read when it runs, so duplicates and delays converge.
Claim (commit), load, deliver with no transaction open, settle (commit). A lease that a killed relay leaves behind runs
out; a relay that lost its lease settles nothing. Must not know SMTP, HTTP, or a use case.
"""

import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Row, and_, func, insert, or_, select, update

from consent_service.delivery.tally import Tally
from consent_service.models import outbox_message

CARRIED_FOR = timedelta(minutes=10)
LEASE = timedelta(seconds=10)
TRIES = 12
ALONE = "alone"  # a message that no bulk import may carry any more
FIRST_PAUSE_S = 120

MAIL = "mail"
ACTIVECAMPAIGN = "activecampaign"
ACCESS = "access"  # what ActiveCampaign holds about somebody: many calls, which no withdrawal should wait behind
LANES = (MAIL, ACTIVECAMPAIGN, ACCESS)

MESSAGE_COLUMNS = (
    "id", "key", "lane", "kind", "subscriber_id", "confirmation_id", "departure_id",
    "bulk_id", "import_row_id", "contact_id", "created_at",
)  # fmt: skip

log = structlog.get_logger()


@dataclass(frozen=True)
class Message:
    """A claimed message. `attempts` counts this try; `key` stays the same over all tries."""

    id: int
    key: str
    lane: str
    kind: str
    subscriber_id: str | None
    confirmation_id: str | None
    departure_id: str | None
    bulk_id: str | None
    import_row_id: int | None
    contact_id: str | None
    created_at: datetime
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
    """The message may not leave before a time, through no fault of its own.

    `bulk_id` names what carries it meanwhile; it is delivered by itself when the time comes and it still waits.
    """

    until: datetime
    reason: str
    bulk_id: str | None = None


@dataclass(frozen=True)
class Nothing:
    """The state the message was about has passed; there is nothing left to deliver."""


Outcome = Delivered | Retry | Rejected | Hold | Nothing


@dataclass(frozen=True)
class Attempt:
    """One try: a claimed message, what was loaded for it, and how it went."""

    message: Message
    parcel: Any
    outcome: Outcome


@dataclass(frozen=True)
class Channel:
    """How the messages of one lane are delivered.

    `load(connection, message, now)` returns a parcel, Hold or Nothing; `deliver(parcel)` talks to the other side;
    `record(connection, message, parcel, delivered, now)` keeps what it answered; `close()` ends the connection to it.
    `mend(connection, message, parcel, now)` is called instead when the lease ran out or the message was deleted during
    a delivery whose late effect could undo a newer one.
    """

    lane: str
    load: Callable[[Connection, Message, datetime], Any]
    deliver: Callable[[Any], Outcome]
    record: Callable[[Connection, Message, Any, Delivered, datetime], None]
    close: Callable[[], None]
    mend: Callable[[Connection, Message, Any, datetime], None] | None = None


@dataclass(frozen=True)
class Relay:
    """One worker of the outbox: its name, where transactions come from, the clock, the jitter (0 to 1), its tally.

    `in_flight` holds the ids of the messages it is delivering right now, whose leases `extend_leases` keeps alive.
    """

    name: str
    transaction: Callable[[], AbstractContextManager[Connection]]
    now: Callable[[], datetime]
    jitter: Callable[[], float]
    in_flight: set[int] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)


def enqueue(
    connection: Connection,
    lane: str,
    kind: str,
    now: datetime,
    *,
    subscriber_id: str | None = None,
    confirmation_id: str | None = None,
    departure_id: str | None = None,
    bulk_id: str | None = None,
    import_row_id: int | None = None,
    contact_id: str | None = None,
    not_before: datetime | None = None,
) -> None:
    """Add a message to the outbox, and wake the person's earlier ones in this lane that wait for another try."""
    if subscriber_id is not None:
        connection.execute(update(outbox_message).where(*_waiting(lane, subscriber_id, now)).values(due_at=now))
    connection.execute(
        insert(outbox_message).values(
            key=secrets.token_hex(16),
            lane=lane,
            kind=kind,
            subscriber_id=subscriber_id,
            confirmation_id=confirmation_id,
            departure_id=departure_id,
            bulk_id=bulk_id,
            import_row_id=import_row_id,
            contact_id=contact_id,
            created_at=now,
            due_at=not_before or now,
        )
    )


def enqueue_once(connection: Connection, lane: str, kind: str, now: datetime, subscriber_id: str) -> None:
    """Add a message about a locked person, unless one of its kind waits that no relay has begun: it will tell the rest.

    One that a relay has begun, or that a bulk import carries, may have read the person before this change. The earlier
    ones are woken either way.
    """
    alike = (outbox_message.c.lane == lane, outbox_message.c.kind == kind, outbox_message.c.claimed_by.is_(None))
    mine = (outbox_message.c.subscriber_id == subscriber_id, undone(), ~is_carried())
    waits = select(outbox_message.c.id).where(*alike, *mine)
    if connection.execute(waits.limit(1)).first() is None:
        enqueue(connection, lane, kind, now, subscriber_id=subscriber_id)
    else:
        connection.execute(update(outbox_message).where(*_waiting(lane, subscriber_id, now)).values(due_at=now))


def relay_once(relay: Relay, channel: Channel) -> Outcome | None:
    """Deliver the next due message of a lane and say how it went; None when nothing is due."""
    with relay.transaction() as connection:
        message = _claim(connection, relay, channel.lane)
    if message is None:
        return None
    relay.in_flight.add(message.id)
    try:
        outcome = _finish(relay, channel, _attempt(relay, channel, message))
    finally:
        relay.in_flight.discard(message.id)
    relay.tally.count(message.lane, outcome)
    told = {"message": message.id, "attempts": message.attempts, "reason": getattr(outcome, "reason", None)}
    log.info("outbox message", lane=message.lane, kind=message.kind, outcome=type(outcome).__name__.lower(), **told)
    return outcome


def extend_leases(relay: Relay) -> None:
    """Keep what a living relay is delivering for another lease."""
    if ids := list(relay.in_flight):
        with relay.transaction() as connection:
            connection.execute(
                update(outbox_message)
                .where(outbox_message.c.id.in_(ids), outbox_message.c.claimed_by == relay.name)
                .values(claimed_until=relay.now() + LEASE)
            )


def hasten(connection: Connection, lane: str, now: datetime) -> None:
    """Make every message of a lane due that was tried in vain: its other side is back."""
    connection.execute(
        update(outbox_message)
        .where(outbox_message.c.lane == lane, undone(), outbox_message.c.due_at > now, ~is_carried())
        .where(outbox_message.c.attempts > 0)  # what nobody has tried waits for a time of its own
        .values(due_at=now)
    )


def busy_until(connection: Connection, lane: str, subscriber_id: str, now: datetime) -> datetime:
    """Return until when a delivery about a person may be under way in a lane, or may arrive that was handed over."""
    of_person = (outbox_message.c.lane == lane, outbox_message.c.subscriber_id == subscriber_id)
    until: datetime | None = connection.execute(
        select(func.max(outbox_message.c.claimed_until)).where(*of_person, undone())
    ).scalar_one()
    carried = select(outbox_message.c.id).where(*of_person, undone(), is_carried()).limit(1)
    latest = now + CARRIED_FOR if connection.execute(carried).first() else now
    return max(until or now, latest)


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
    return (
        connection.execute(
            update(outbox_message)
            .where(outbox_message.c.id == message_id, outbox_message.c.dead_at.is_not(None))
            .values(dead_at=None, attempts=0, due_at=now)
        ).rowcount
        == 1
    )


def _claim(connection: Connection, relay: Relay, lane: str) -> Message | None:
    now = relay.now()
    row = connection.execute(
        select(outbox_message)
        .where(outbox_message.c.lane == lane, undone(), outbox_message.c.due_at <= now)
        .where(or_(outbox_message.c.claimed_until.is_(None), outbox_message.c.claimed_until <= now))
        .where(is_first())
        .order_by(outbox_message.c.due_at, outbox_message.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if row is None:
        return None
    if row.attempts >= TRIES:  # whoever tried last never came back to say how it went
        spent = {"dead_at": now, "claimed_by": None, "claimed_until": None, "last_error": "tried without an end"}
        connection.execute(update(outbox_message).where(outbox_message.c.id == row.id).values(**spent))
        return None
    [message] = take(connection, relay, [row])
    return message


def take(connection: Connection, relay: Relay, rows: Sequence[Row[Any]]) -> list[Message]:
    """Claim locked messages for a relay, as one more try of each."""
    mine = {"claimed_by": relay.name, "claimed_until": relay.now() + LEASE, "attempts": outbox_message.c.attempts + 1}
    taken = outbox_message.c.id.in_([row.id for row in rows])
    connection.execute(update(outbox_message).where(taken).values(mine))
    columns = [({name: getattr(row, name) for name in MESSAGE_COLUMNS}, row.attempts + 1) for row in rows]
    return [Message(**same, attempts=attempts) for same, attempts in columns]


def _attempt(relay: Relay, channel: Channel, message: Message) -> Attempt:
    parcel = None
    try:
        with relay.transaction() as connection:
            parcel = channel.load(connection, message, relay.now())
        outcome = parcel if isinstance(parcel, (Hold, Nothing)) else channel.deliver(parcel)
    except Exception as error:  # one poisonous message must not stop the lane; its reason stays visible
        log.error("delivery failed unexpectedly", message=message.id, error=type(error).__name__)
        outcome = Retry(f"unexpected {type(error).__name__}")
    return Attempt(message, parcel, outcome)


def _finish(relay: Relay, channel: Channel, attempt: Attempt) -> Outcome:
    try:
        with relay.transaction() as connection:
            conclude(connection, relay, channel, attempt)
    except Exception as error:  # delivered but not recorded: it counts as a try, or it would be sent for ever
        log.error("delivery not recorded", message=attempt.message.id, error=type(error).__name__)
        outcome = Retry(f"delivered, but not recorded: {type(error).__name__}")
        with relay.transaction() as connection:
            settle(connection, relay, attempt.message, outcome)
        return outcome
    return attempt.outcome


def conclude(connection: Connection, relay: Relay, channel: Channel, attempt: Attempt) -> None:
    """Settle a try and keep what was answered; or make up for one whose message is another relay's by now."""
    message, parcel, outcome = attempt.message, attempt.parcel, attempt.outcome
    if not settle(connection, relay, message, outcome):
        if channel.mend and parcel is not None and not isinstance(parcel, (Hold, Nothing)):
            channel.mend(connection, message, parcel, relay.now())
    elif isinstance(outcome, Delivered):
        channel.record(connection, message, parcel, outcome, relay.now())


def settle(connection: Connection, relay: Relay, message: Message, outcome: Outcome) -> bool:
    """Note how a try went; False when the message is not this relay's any more."""
    now = relay.now()
    free = {"claimed_by": None, "claimed_until": None}
    mine = and_(
        outbox_message.c.id == message.id,
        outbox_message.c.claimed_by == relay.name,
        outbox_message.c.attempts == message.attempts,
        undone(),
    )
    values = free | _verdict(message, outcome, now, relay.jitter())
    return connection.execute(update(outbox_message).where(mine).values(**values)).rowcount == 1


def _verdict(message: Message, outcome: Outcome, now: datetime, jitter: float) -> dict[str, Any]:
    match outcome:
        case Delivered() | Nothing():
            return {"done_at": now, "last_error": None}
        case Hold(until=until, reason=reason, bulk_id=bulk_id):
            waits = {"due_at": until, "last_error": reason, "attempts": message.attempts - 1}
            return waits | ({"bulk_id": bulk_id} if bulk_id else {})
        case Rejected(reason=reason):
            return {"dead_at": now, "last_error": reason}
        case Retry(reason=reason) if message.attempts >= TRIES:
            return {"dead_at": now, "last_error": reason}
        case Retry(reason=reason, after=after):
            return {"due_at": now + (after or pause(message.attempts, jitter)), "last_error": reason}


def pause(attempts: int, jitter: float) -> timedelta:
    """Return how long to wait after so many tries: at least 60 s, at most 34 h, the upper half of it by chance."""
    return timedelta(seconds=FIRST_PAUSE_S * 2 ** (attempts - 1) * (0.5 + jitter / 2))


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


def is_carried() -> Any:
    """Whether something carries the message that tells later how it went; until then nothing has to be hurried."""
    return func.coalesce(outbox_message.c.bulk_id, ALONE) != ALONE


def undone() -> Any:
    """Whether a message is neither done nor dead."""
    return outbox_message.c.done_at.is_(None) & outbox_message.c.dead_at.is_(None)


def _waiting(lane: str, subscriber_id: str, now: datetime) -> tuple[Any, ...]:
    of_person = (outbox_message.c.lane == lane, outbox_message.c.subscriber_id == subscriber_id)
    return (*of_person, undone(), outbox_message.c.due_at > now)
