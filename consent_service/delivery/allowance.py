"""How often something may happen: exact sliding windows, a row a key, for addresses and for the whole service.

Keys are hashed or plain words, never addresses. The row of an address is written at every ask, also a refused one,
so that the answer takes as long either way. Must not know what is allowed or refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import limits
from sqlalchemy import Connection, delete, select, update

from consent_service.database import insert_if_absent
from consent_service.models import allowance


@dataclass(frozen=True)
class Window:
    """At most `amount` times within any `span`."""

    amount: int
    span: timedelta


def windows(text: str) -> tuple[Window, ...]:
    """Read a limit string such as `3/24 hours;6/30 days`; `off` gives no window."""
    if text == "off":
        return ()
    return tuple(Window(item.amount, timedelta(seconds=item.get_expiry())) for item in limits.parse_many(text))


def spend(connection: Connection, key: str, allowed: Sequence[Window], now: datetime) -> datetime:
    """Return the first time another one is allowed; when that is now, it is counted."""
    insert_if_absent(connection, allowance, {"key": key, "times": [], "asked_at": now})
    times = _times(connection, key, now)
    at = _first_free(allowed, times, now)
    longest = max((window.span for window in allowed), default=timedelta(0))
    kept = [time.timestamp() for time in [*times, *([now] if at <= now else [])] if time > now - longest]
    connection.execute(update(allowance).where(allowance.c.key == key).values(times=kept, asked_at=now))
    return at


def free_at(connection: Connection, key: str, allowed: Sequence[Window], now: datetime) -> datetime:
    """Return the first time another one is allowed, without counting it."""
    return _first_free(allowed, _times(connection, key, now), now)


def clear(connection: Connection, keys: Sequence[str]) -> None:
    """Start anew for these keys."""
    connection.execute(delete(allowance).where(allowance.c.key.in_(keys)))


def _times(connection: Connection, key: str, now: datetime) -> list[datetime]:
    seconds = connection.execute(
        select(allowance.c.times).where(allowance.c.key == key).with_for_update()
    ).scalar_one_or_none()
    return [datetime.fromtimestamp(second, now.tzinfo) for second in seconds or []]


def _first_free(allowed: Sequence[Window], times: list[datetime], now: datetime) -> datetime:
    ends = [times[-window.amount] + window.span for window in allowed if len(times) >= window.amount]
    return max([now, *ends])
