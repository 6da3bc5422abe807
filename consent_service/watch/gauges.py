"""What can be measured of the service in its database, as numbers with a name: how much waits, and since when.

Everything here is a number, a lane, a kind, a rule or an outcome, never anything of a person. Each question costs no
more than what waits now, on an index; none counts what has been. Changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from consent_service import retention
from consent_service.comparison import drift, runs
from consent_service.delivery import outbox, tally
from consent_service.delivery.lanes import LaneState, lane_states, served
from consent_service.delivery.letters import LIMIT_REACHED
from consent_service.ledger import sealer
from consent_service.models.delivery import outbox_message
from consent_service.watch import connection_state, pulses

Values = dict[tuple[str, ...], float]


@dataclass(frozen=True)
class Gauge:
    """One number, or one for each combination of labels; a number without labels stands under `()`.

    Its name says the unit. What is a `total` only grows; a time is in seconds since 1970 (`_timestamp_seconds`).
    """

    name: str
    says: str
    values: Values
    labels: tuple[str, ...] = ()

    @property
    def is_total(self) -> bool:
        """Whether it only grows."""
        return self.name.endswith("_total")


def measure(connection: Connection, now: datetime, *, forwards: bool) -> Iterator[Gauge]:
    """Yield every number there is; one whose time has not come yet has no value."""
    lanes = lane_states(connection)
    yield from _outbox(connection, now, served(lanes, forwards=forwards))
    yield from _log(connection, now)
    yield from _comparison(connection, lanes, forwards=forwards)
    yield from _purge(connection, now)
    made_at = pulses.last(connection, pulses.BACKUP)
    yield Gauge("consent_backup_timestamp_seconds", "Of when the last good backup is.", _at(made_at))


def _outbox(connection: Connection, now: datetime, lanes: list[LaneState]) -> Iterator[Gauge]:
    columns = outbox_message.c
    held = func.count().filter(columns.last_error == LIMIT_REACHED)
    waiting = select(columns.lane, columns.kind, func.count().label("number"), held.label("held"))
    there = (columns.lane.in_(outbox.LANES), outbox.undone())  # named, so that the index of what waits is used
    rows = connection.execute(waiting.where(*there).group_by(columns.lane, columns.kind)).all()
    yield Gauge(
        "consent_outbox_messages",
        "Messages still to be delivered.",
        {(row.lane, row.kind): row.number for row in rows},
        ("lane", "kind"),
    )
    yield Gauge(
        "consent_outbox_held",
        "Confirmation mails that wait because the whole service has sent as many as it may.",
        {(): sum(row.held for row in rows)},
    )
    yield Gauge(
        "consent_outbox_oldest_due_seconds",
        "For how long the first message that could leave has been due; 0 when none is.",
        {(lane.lane,): _seconds(now - lane.due_at) if lane.due_at else 0 for lane in lanes},
        ("lane",),
    )
    yield Gauge(
        "consent_outbox_dead_letters",
        "Messages that could not be delivered and wait for somebody to look.",
        {(lane.lane,): lane.dead for lane in lanes},
        ("lane",),
    )
    yield Gauge(
        "consent_deliveries_total",
        "Tries to deliver a message, by how they ended, of all relays together.",
        tally.read(connection),
        ("lane", "outcome"),
    )


def _log(connection: Connection, now: datetime) -> Iterator[Gauge]:
    newest, waits_since = sealer.newest(connection), sealer.oldest_waiting_at(connection)
    yield Gauge("consent_log_events", "Events sealed into the log.", {(): newest.size if newest else 0})
    yield Gauge(
        "consent_log_checkpoint_timestamp_seconds",
        "When the log was last sealed.",
        _at(newest.signed_at if newest else None),
    )
    yield Gauge(
        "consent_log_oldest_unsealed_seconds",
        "For how long the first event that waits for its seal has waited; 0 when none does.",
        {(): _seconds(now - waits_since) if waits_since else 0},
    )


def _comparison(connection: Connection, lanes: list[LaneState], *, forwards: bool) -> Iterator[Gauge]:
    state = connection_state.state(connection, lanes, forwards=forwards)
    newest = runs.newest_finished(connection)
    summary = drift.summary(connection, newest.id) if newest else drift.Summary({}, {})
    yield Gauge(
        "consent_comparison_timestamp_seconds",
        "When a comparison with the list at ActiveCampaign last came to its end.",
        _at(newest.ended_at if newest else None),
    )
    for name, says, found in (
        ("findings", "What the newest finished comparison found.", summary.found),
        ("repaired", "How much of that it put right.", summary.repaired),
    ):
        values: Values = {(kind,): found.get(kind, 0) for kind in drift.KINDS} if newest else {}
        yield Gauge(f"consent_comparison_{name}", says, values, ("kind",))
    yield Gauge(
        "consent_comparison_held_back",
        "Findings that are left alone until somebody has looked.",
        {(): sum(state.held_back.values())},
    )
    given_up = state.run is not None and state.run.phase == runs.GIVEN_UP
    yield Gauge("consent_comparison_given_up", "1 when the newest comparison was given up.", {(): int(given_up)})


def _purge(connection: Connection, now: datetime) -> Iterator[Gauge]:
    yield Gauge("consent_purge_timestamp_seconds", "When a purge was done last.", _at(retention.purged_at(connection)))
    late = {rule.key: retention.lateness(connection, rule, now) for rule in retention.RULES}
    yield Gauge(
        "consent_purge_oldest_due_seconds",
        "For how long the oldest thing has been due to be erased, by the rule; 0 when nothing is.",
        {(key,): _seconds(lateness) for key, lateness in late.items() if lateness is not None},
        ("rule",),
    )
    yield Gauge(
        "consent_people_overdue",
        "People who stopped 360 days ago and are still here.",
        {(): retention.overdue(connection, now)},
    )


def _seconds(span: timedelta) -> float:
    return max(0.0, span.total_seconds())


def _at(moment: datetime | None) -> Values:
    return {(): moment.timestamp()} if moment else {}
