"""One worker of the outbox: claims what is due, delivers it, settles how it went.

Claim (commit), load, deliver with no transaction open, settle (commit). A lease that a killed relay leaves behind runs
out; a relay that lost its lease settles nothing. Must not know SMTP, HTTP, or a use case.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

import structlog
from sqlalchemy import Connection, Row, bindparam, case, or_, select, update

from consent_service import database
from consent_service.delivery.outbox import (
    Delivered,
    Hold,
    Message,
    Nothing,
    Outcome,
    Rejected,
    Retry,
    ending,
    has_news,
    is_first,
    undone,
)
from consent_service.delivery.tally import Tally
from consent_service.log import failure
from consent_service.models.delivery import outbox_message
from consent_service.models.newsletter import subscriber
from consent_service.sql.prepared import Prepared, PreparedList

LEASE = timedelta(seconds=10)
TRIES = 12
FIRST_PAUSE_S = 120
FRESH_FOR = timedelta(seconds=2)  # what was read for a message may be so old when it leaves
MESSAGE_COLUMNS = [outbox_message.c[one.name] for one in fields(Message)]

log = structlog.get_logger()

# Built once: what is done for every message pays for building a statement as much as for executing it.
_DUE = (  # a CTE, so that it is read once and no more are taken than it holds
    select(outbox_message.c.id)
    .where(outbox_message.c.lane == bindparam("in_lane"), undone(), outbox_message.c.due_at <= bindparam("now"))
    .where(or_(outbox_message.c.claimed_until.is_(None), outbox_message.c.claimed_until <= bindparam("now")))
    .where(is_first())
    .order_by(outbox_message.c.due_at, outbox_message.c.id)
    .limit(bindparam("at_most"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_MINE = {
    "claimed_by": bindparam("by"),
    "claimed_until": bindparam("until"),
    "attempts": outbox_message.c.attempts + 1,
}
_CLAIM = Prepared(
    update(outbox_message)
    .where(outbox_message.c.id.in_(select(_DUE.c.id)))
    .values(**_MINE)
    .returning(*MESSAGE_COLUMNS, outbox_message.c.due_at)
)
_TAKE = PreparedList(lambda ids: update(outbox_message).where(outbox_message.c.id.in_(ids)).values(**_MINE))
_HELD = (  # passes over what is locked: a turn settles in another order, and the two could wait for each other
    select(outbox_message.c.id)
    .where(outbox_message.c.id.in_(bindparam("ids", expanding=True)), outbox_message.c.claimed_by == bindparam("relay"))
    .order_by(outbox_message.c.id)
    .with_for_update(skip_locked=True)
)
_EXTEND = update(outbox_message).where(outbox_message.c.id.in_(_HELD))
_PEOPLE = PreparedList(
    lambda ids: select(subscriber.c.id).where(subscriber.c.id.in_(ids)).order_by(subscriber.c.id).with_for_update()
)
_STILL_MINE = (
    update(outbox_message)
    .where(outbox_message.c.id == bindparam("message"), outbox_message.c.claimed_by == bindparam("relay"))
    .where(outbox_message.c.attempts == bindparam("tries"), undone())
    .where(outbox_message.c.key == bindparam("named"))  # SQLite gives an id out again once its row is gone
)
_SETTLE = Prepared(_STILL_MINE)
_AT, _LATER = (bindparam(name, type_=outbox_message.c.due_at.type) for name in ("now", "later"))
_PUT_OFF = Prepared(_STILL_MINE.values(due_at=case((has_news(_AT), _AT), else_=_LATER)))


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
    `at_once` messages are taken in one turn at most. What `load` notes has to outlive a power cut if `load_lasts`.
    `mend(connection, message, parcel, now)` is called instead when the lease ran out or the message was deleted during
    a delivery whose late effect could undo a newer one.
    """

    lane: str
    load: Callable[[Connection, Message, datetime], Any]
    deliver: Callable[[Any], Outcome]
    record: Callable[[Connection, Message, Any, Delivered, datetime], None]
    close: Callable[[], None]
    mend: Callable[[Connection, Message, Any, datetime], None] | None = None
    at_once: int = 1
    load_lasts: bool = True


@dataclass(frozen=True)
class Relay:
    """One worker of the outbox: its name, where transactions come from, clock, jitter (0 to 1), when to stop, tally.

    `in_flight` holds the ids of the messages it is delivering right now, whose leases `extend_leases` keeps alive.
    """

    name: str
    transaction: Callable[..., AbstractContextManager[Connection]]
    now: Callable[[], datetime]
    jitter: Callable[[], float]
    is_stopping: Callable[[], bool] = lambda: False
    in_flight: set[int] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)


def relay_some(relay: Relay, channel: Channel, at_most: int) -> list[Outcome]:
    """Deliver the next due messages of a lane one after another, and say how each went; none when nothing is due.

    They are claimed, loaded and settled together, for the price of one. Those whose turn has not come within two
    seconds, or when the other side is down or the relay is stopped, are handed back.
    """
    with relay.transaction(single=True) as connection:  # a power cut may undo it, which does no harm
        messages = _claim(connection, relay, channel.lane, at_most)
    ids = {message.id for message in messages}
    relay.in_flight.update(ids)
    try:
        outcomes = _finish(relay, channel, _attempt(relay, channel, messages)) if messages else []
    finally:
        relay.in_flight.difference_update(ids)
    for message, outcome in zip(messages, outcomes, strict=True):
        if not isinstance(outcome, Hold) or outcome.reason:  # nobody tried what was handed back
            relay.tally.count(message.lane, ending(outcome))
            _say(message, outcome)
    return outcomes


def extend_leases(relay: Relay) -> None:
    """Keep what a living relay is delivering for another lease; what is being settled needs none."""
    if ids := list(relay.in_flight):
        with relay.transaction(lasting=False) as connection:
            mine = {"ids": ids, "relay": relay.name, "claimed_until": relay.now() + LEASE}
            connection.execute(_EXTEND, mine)


def _claim(connection: Connection, relay: Relay, lane: str, at_most: int) -> list[Message]:
    now = relay.now()
    mine = {"in_lane": lane, "now": now, "at_most": at_most, "by": relay.name, "until": now + LEASE}
    rows = sorted(_CLAIM.rows(connection, mine), key=attrgetter("due_at", "id"))
    for row in rows:
        if row.attempts > TRIES:  # whoever tried last never came back to say how it went; if this is lost, once more
            spent = {"dead_at": now, "claimed_by": None, "claimed_until": None, "last_error": "tried without an end"}
            buried = update(outbox_message).where(outbox_message.c.id == row.id)
            connection.execute(buried.values(attempts=TRIES, **spent))
    return [read(row) for row in rows if row.attempts <= TRIES]


def take(connection: Connection, relay: Relay, messages: Sequence[Message]) -> list[Message]:
    """Claim locked messages for a relay, as one more try of each."""
    _TAKE.run(connection, [one.id for one in messages], {"by": relay.name, "until": relay.now() + LEASE})
    return [replace(one, attempts=one.attempts + 1) for one in messages]


def read(row: Row[Any]) -> Message:
    """Return the message in a row that begins with `MESSAGE_COLUMNS`."""
    columns: tuple[Any, ...] = tuple(row)
    return Message(*columns[: len(MESSAGE_COLUMNS)])


def _attempt(relay: Relay, channel: Channel, messages: Sequence[Message]) -> list[Attempt]:
    loaded, began, attempts = _load(relay, channel, messages), relay.now(), list[Attempt]()
    is_over = False
    for message in messages:
        parcel = loaded[message.id]
        if isinstance(parcel, (Hold, Nothing, Retry)):
            outcome: Outcome = parcel
        elif is_over:
            outcome = Hold(relay.now(), None)
        else:
            outcome = _deliver(channel, message, parcel)
            is_down = isinstance(outcome, Retry) and outcome.peer_down
            is_over = is_down or relay.is_stopping() or relay.now() - began > FRESH_FOR
        attempts.append(Attempt(message, parcel, outcome))
    return attempts


def _load(relay: Relay, channel: Channel, messages: Sequence[Message]) -> dict[int, Any]:
    """Return what is to be delivered by message; people are locked in the order of their ids, as everywhere."""
    try:
        with relay.transaction(lasting=channel.load_lasts) as connection:
            return {one.id: channel.load(connection, one, relay.now()) for one in sorted(messages, key=_person)}
    except Exception as error:  # one poisonous message must not stop the lane; its reason stays visible
        if len(messages) > 1:
            return {one.id: _load(relay, channel, [one])[one.id] for one in messages}
        log.error("delivery failed unexpectedly", message=messages[0].id, **failure(error))
        return {messages[0].id: Retry(f"unexpected {type(error).__name__}")}


def _deliver(channel: Channel, message: Message, parcel: Any) -> Outcome:
    try:
        return channel.deliver(parcel)
    except Exception as error:
        log.error("delivery failed unexpectedly", message=message.id, **failure(error))
        return Retry(f"unexpected {type(error).__name__}")


def _finish(relay: Relay, channel: Channel, attempts: Sequence[Attempt]) -> list[Outcome]:
    try:  # a power cut may undo it: then the same message goes out once more, as after any answer that is lost
        with relay.transaction(lasting=False) as connection:
            _lock_people(connection, attempts)
            for attempt in sorted(attempts, key=lambda one: _person(one.message)):
                conclude(connection, relay, channel, attempt)
    except Exception as error:  # delivered but not recorded: it counts as a try, or it would be sent for ever
        if len(attempts) > 1:
            return [outcome for one in attempts for outcome in _finish(relay, channel, [one])]
        log.error("delivery not recorded", message=attempts[0].message.id, **failure(error))
        outcome = Retry(f"delivered, but not recorded: {type(error).__name__}")
        with relay.transaction(lasting=False) as connection:
            settle(connection, relay, attempts[0].message, outcome)
        return [outcome]
    return [attempt.outcome for attempt in attempts]


def _lock_people(connection: Connection, attempts: Sequence[Attempt]) -> None:
    """Lock the people of some messages before the messages, and in the order of their ids, as everywhere."""
    ids = sorted({_person(attempt.message) for attempt in attempts} - {""})
    if ids and database.locks_rows(connection):
        _PEOPLE.write(connection, ids)


def conclude(connection: Connection, relay: Relay, channel: Channel, attempt: Attempt) -> None:
    """Settle a try and keep what was answered; or make up for one whose message is another relay's by now."""
    message, parcel, outcome = attempt.message, attempt.parcel, attempt.outcome
    if not settle(connection, relay, message, outcome):
        if channel.mend and parcel is not None and not isinstance(parcel, (Hold, Nothing, Retry)):
            channel.mend(connection, message, parcel, relay.now())
    elif isinstance(outcome, Delivered):
        channel.record(connection, message, parcel, outcome, relay.now())


def settle(connection: Connection, relay: Relay, message: Message, outcome: Outcome) -> bool:
    """Note how a try went; False when the message is not this relay's any more."""
    now = relay.now()
    free = {"claimed_by": None, "claimed_until": None}
    mine = {"message": message.id, "named": message.key, "relay": relay.name, "tries": message.attempts}
    values = free | _verdict(message, outcome, now, relay.jitter())
    if isinstance(outcome, Retry) and "due_at" in values:
        again = {"now": now, "later": values.pop("due_at")}
        return _PUT_OFF.run(connection, mine | values | again) == 1
    return _SETTLE.run(connection, mine | values) == 1


def _verdict(message: Message, outcome: Outcome, now: datetime, jitter: float) -> dict[str, Any]:
    match outcome:
        case Delivered() | Nothing():
            return {"done_at": now, "last_error": None}
        case Hold(until=until, reason=reason, bulk_id=bulk_id):
            told = {"last_error": reason, "bulk_id": bulk_id}  # what an earlier try said stays, if there is nothing new
            kept = {name: value for name, value in told.items() if value}
            return {"due_at": until, "attempts": message.attempts - 1} | kept
        case Rejected(reason=reason):
            return {"dead_at": now, "last_error": reason}
        case Retry(reason=reason) if message.attempts >= TRIES:
            return {"dead_at": now, "last_error": reason}
        case Retry(reason=reason, after=after):
            return {"due_at": now + (after or pause(message.attempts, jitter)), "last_error": reason}


def pause(attempts: int, jitter: float) -> timedelta:
    """Return how long to wait after so many tries: at least 60 s, at most 34 h, the upper half of it by chance."""
    return timedelta(seconds=FIRST_PAUSE_S * 2 ** (attempts - 1) * (0.5 + jitter / 2))


def _person(message: Message) -> str:
    return message.subscriber_id or ""


def _say(message: Message, outcome: Outcome) -> None:
    told = {"message": message.id, "attempts": message.attempts, "reason": getattr(outcome, "reason", None)}
    log.info("outbox message", lane=message.lane, kind=message.kind, outcome=type(outcome).__name__.lower(), **told)
