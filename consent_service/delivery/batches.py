"""Many messages delivered together when enough wait: claimed and loaded at once, each settled by its own outcome.

Every message keeps its lease, its tries and its place behind the person's earlier ones, so that a crash or a lost lease
means here what it means for one. Which of them may go together is the channel's to say. Must not know SMTP, HTTP, or a
use case.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import structlog
from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, or_, select

from consent_service.delivery import outbox, relaying
from consent_service.delivery.outbox import Hold, Message, Outcome, Retry
from consent_service.delivery.relaying import MESSAGE_COLUMNS, Attempt, Channel, Relay
from consent_service.log import failure
from consent_service.models.delivery import outbox_message
from consent_service.sql.prepared import Prepared

LEAST, MOST = 20, 250
TRIES = 3  # where they fail together that often, each is tried by itself
LOOKED_AT = 1000  # due messages, among which those are found that may go together

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class BatchChannel(Channel):
    """A channel that also delivers many messages together.

    `may_join` is the condition under which a message may. `load_all(connection, messages, now)` returns the parcels of
    those that still may, by message id; `deliver_all(parcels)` an outcome for each, in their order;
    `handed(connection, outcomes, now)` is told these when they are settled.
    """

    may_join: ColumnElement[bool]
    load_all: Callable[[Connection, Sequence[Message], datetime], dict[int, Any]]
    deliver_all: Callable[[Sequence[Any]], list[Outcome]]
    handed: Callable[[Connection, Sequence[Outcome], datetime], None]

    @cached_property
    def due(self) -> Prepared:
        """What is due and may go together; a lane that is busy asks for it after every turn."""
        columns = outbox_message.c
        now: BindParameter[datetime] = bindparam("now")
        due = (columns.lane == self.lane, outbox.undone(), columns.due_at <= now)
        first_due = select(columns.id).where(*due).order_by(columns.due_at, columns.id).limit(LOOKED_AT)
        return Prepared(
            select(*MESSAGE_COLUMNS)
            .where(columns.id.in_(first_due.scalar_subquery()), outbox.undone())
            .where(or_(columns.claimed_until.is_(None), columns.claimed_until <= now))
            .where(columns.bulk_id.is_(None), columns.attempts < TRIES, self.may_join, outbox.is_first())
            .order_by(columns.due_at, columns.id)
            .limit(MOST)
            .with_for_update(skip_locked=True, of=outbox_message)
        )


def relay_batch(relay: Relay, channel: BatchChannel) -> Outcome | None:
    """Deliver many due messages together and say how it went; None when too few wait that may go so."""
    with relay.transaction(lasting=False) as connection:  # a power cut may undo it, which does no harm
        messages = _claim(connection, relay, channel)
    if not messages:
        return None
    ids = {message.id for message in messages}
    relay.in_flight.update(ids)
    try:
        outcomes = _finish(relay, channel, _attempt(relay, channel, messages))
    finally:
        relay.in_flight.difference_update(ids)
    for one in outcomes:
        relay.tally.count(channel.lane, outbox.ending(one))
    outcome = next((one for one in outcomes if isinstance(one, Retry)), outcomes[0])
    told = {"lane": channel.lane, "messages": len(messages), "reason": getattr(outcome, "reason", None)}
    log.info("outbox batch", outcome=type(outcome).__name__.lower(), **told)
    return outcome


def _claim(connection: Connection, relay: Relay, channel: BatchChannel) -> list[Message]:
    due = [relaying.read(row) for row in channel.due.rows(connection, {"now": relay.now()})]
    return relaying.take(connection, relay, due) if len(due) >= LEAST else []


def _attempt(relay: Relay, channel: BatchChannel, messages: Sequence[Message]) -> list[Attempt]:
    parcels: dict[int, Any] = {}
    try:
        with relay.transaction() as connection:
            parcels = channel.load_all(connection, messages, relay.now())
        outcomes = dict(zip(parcels, channel.deliver_all(list(parcels.values())), strict=True))
    except Exception as error:  # as for one: the reason stays visible and the lane goes on
        log.error("batch failed unexpectedly", lane=channel.lane, **failure(error))
        outcomes = {message.id: Retry(f"unexpected {type(error).__name__}") for message in messages}
    changed = Hold(relay.now(), "changed before it could leave")
    return [Attempt(one, parcels.get(one.id), outcomes.get(one.id, changed)) for one in messages]


def _finish(relay: Relay, channel: BatchChannel, attempts: Sequence[Attempt]) -> list[Outcome]:
    outcomes = [attempt.outcome for attempt in attempts]
    try:  # a power cut may undo it, as with a message that goes alone
        with relay.transaction(lasting=False) as connection:
            for attempt in _waiting_alike(relay, attempts):
                relaying.conclude(connection, relay, channel, attempt)
            channel.handed(connection, outcomes, relay.now())
    except Exception as error:  # handed over but not noted: it counts as a try
        log.error("batch not recorded", lane=channel.lane, **failure(error))
        outcomes = [Retry(f"delivered, but not recorded: {type(error).__name__}")] * len(attempts)
        with relay.transaction(lasting=False) as connection:
            for attempt, outcome in zip(attempts, outcomes, strict=True):
                relaying.settle(connection, relay, attempt.message, outcome)
    return outcomes


def _waiting_alike(relay: Relay, attempts: Sequence[Attempt]) -> list[Attempt]:
    """Let messages that failed together be due together, so that they can go together again."""
    pause = relaying.pause(min(one.message.attempts for one in attempts), relay.jitter())
    return [
        replace(one, outcome=replace(one.outcome, after=pause))
        if isinstance(one.outcome, Retry) and one.outcome.after is None
        else one
        for one in attempts
    ]
