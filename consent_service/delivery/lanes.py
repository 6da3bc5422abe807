"""How the lanes of the outbox stand, for whoever watches them: what waits, since when, and what cannot be delivered.

Must not change anything.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from consent_service.delivery import outbox
from consent_service.models.delivery import outbox_message

LONGEST_OVERDUE = timedelta(minutes=15)


@dataclass(frozen=True)
class LaneState:
    """How a lane stands: undone and dead messages, when the oldest undone one was written, and the first one due."""

    lane: str
    undone: int = 0
    dead: int = 0
    oldest_at: datetime | None = None
    due_at: datetime | None = None

    def is_late(self, now: datetime) -> bool:
        """Whether a message that could leave has been due for over 15 minutes: most likely no relay runs."""
        return self.due_at is not None and now - self.due_at > LONGEST_OVERDUE


def lane_states(connection: Connection) -> list[LaneState]:
    """Return the state of every lane; what was delivered is not looked at."""
    columns = outbox_message.c
    undone = select(columns.lane, func.count(), func.min(columns.id)).where(outbox.undone()).group_by(columns.lane)
    waiting = {lane: (number, first) for lane, number, first in connection.execute(undone)}
    dead = select(columns.lane, func.count()).where(columns.dead_at.is_not(None)).group_by(columns.lane)
    given_up: dict[str, int] = dict(connection.execute(dead).all())
    return [_state(connection, lane, *waiting.get(lane, (0, None)), given_up.get(lane, 0)) for lane in outbox.LANES]


def served(lanes: list[LaneState], *, forwards: bool) -> list[LaneState]:
    """Return the lanes that somebody delivers: mail, and those to ActiveCampaign only where it is configured."""
    return [lane for lane in lanes if lane.lane == outbox.MAIL or forwards]


def _state(connection: Connection, lane: str, undone: int, first: int | None, dead: int) -> LaneState:
    if first is None:
        return LaneState(lane, dead=dead)
    columns = outbox_message.c  # ids rise, so that the first one is the oldest
    oldest_at = connection.execute(select(columns.created_at).where(columns.id == first)).scalar_one()
    in_turn = select(columns.due_at).where(columns.lane == lane, outbox.undone(), outbox.is_first())
    due_at = connection.execute(in_turn.order_by(columns.due_at).limit(1)).scalar_one_or_none()
    return LaneState(lane, undone, dead, oldest_at, due_at)
