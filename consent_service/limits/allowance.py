"""How often an address may be asked, and what is to happen once only, in a day or at all: sliding windows, a row a key.

Keys are hashed or plain words, never addresses. The row of an address is written at every ask, also a refused one,
so that the answer takes as long either way. Must not know what is allowed or refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import limits
from sqlalchemy import Connection, bindparam, select, update

from consent_service.database import insert_if_absent
from consent_service.models.limits import allowance
from consent_service.sql.prepared import Prepared, PreparedList


@dataclass(frozen=True)
class Window:
    """At most `amount` times within any `span`."""

    amount: int
    span: timedelta


_SPENT = Prepared(select(allowance.c.times).where(allowance.c.key == bindparam("of")).with_for_update())
_SPENT_OF = PreparedList(
    lambda keys: (
        select(allowance.c.key, allowance.c.times)
        .where(allowance.c.key.in_(keys))
        .order_by(allowance.c.key)
        .with_for_update()
    )
)
_KEEP = Prepared(update(allowance).where(allowance.c.key == bindparam("of")))


def windows(text: str) -> tuple[Window, ...]:
    """Read a limit string such as `3/24 hours;6/30 days`; `off` gives no window."""
    if text == "off":
        return ()
    return tuple(Window(item.amount, timedelta(seconds=item.get_expiry())) for item in limits.parse_many(text))


def spend(connection: Connection, key: str, allowed: Sequence[Window], now: datetime, who: str = "") -> datetime:
    """Return the first time another one is allowed; when that is now, it is counted, in the name of `who`."""
    first = [(now.timestamp(), who)] if allowed else []
    if insert_if_absent(connection, allowance, {"key": key, "times": first, "asked_at": now}):
        return now
    spent = _spent(connection, key)
    at = _first_free(allowed, spent, now)
    longest = max((window.span for window in allowed), default=timedelta(0))
    counted = [*spent, (now.timestamp(), who)] if at <= now else spent
    kept = [entry for entry in counted if entry[0] > (now - longest).timestamp()]
    _KEEP.write(connection, {"of": key, "times": kept, "asked_at": now})
    return at


def lock(connection: Connection, key: str, now: datetime) -> None:
    """Lock what is counted under a key, without counting anything."""
    if not insert_if_absent(connection, allowance, {"key": key, "times": [], "asked_at": now}):
        _spent(connection, key)


def forgive(connection: Connection, keys: Sequence[str], who: str) -> None:
    """Forget what was counted in somebody's name; what others did under the same keys stays counted."""
    for row in _SPENT_OF.rows(connection, sorted(keys)):
        kept = [entry for entry in row.times if entry[1] != who]
        if kept != row.times:
            _KEEP.write(connection, {"of": row.key, "times": kept})


def _spent(connection: Connection, key: str) -> list[tuple[float, str]]:
    times = _SPENT.value(connection, {"of": key})
    return [(second, who) for second, who in times or []]


def _first_free(allowed: Sequence[Window], spent: list[tuple[float, str]], now: datetime) -> datetime:
    ends = [
        datetime.fromtimestamp(spent[-window.amount][0], now.tzinfo) + window.span
        for window in allowed
        if len(spent) >= window.amount
    ]
    return max([now, *ends])
