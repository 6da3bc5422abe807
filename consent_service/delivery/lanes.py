"""How the lanes of the outbox stand, for whoever watches them: what waits, since when, and what cannot be delivered.

Must not change anything.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from consent_service.delivery import outbox
from consent_service.models import outbox_message

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
    """Return the state of every lane."""
    columns = outbox_message.c
    rows = connection.execute(
        select(
            columns.lane,
            func.count().filter(outbox.undone()).label("undone"),
            func.count().filter(columns.dead_at.is_not(None)).label("dead"),
            func.min(columns.created_at).filter(outbox.undone()).label("oldest_at"),
            func.min(columns.due_at).filter(outbox.undone(), outbox.is_first()).label("due_at"),
        )
        .where(columns.done_at.is_(None))
        .group_by(columns.lane)
    ).all()
    found = {row.lane: LaneState(*row) for row in rows}
    return [found.get(lane, LaneState(lane)) for lane in outbox.LANES]
