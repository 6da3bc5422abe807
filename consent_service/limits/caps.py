"""How much the whole service may do in a while, counted so that it costs the same at 30 an hour and at a million.

A window is cut into sixty slots, and what happened is counted by slot, not noted one by one. A slot that a window has
not left yet counts whole: so never more than allowed, and free again a sixtieth of the window late at most. Must not
know what is counted.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, select, update

from consent_service.database import insert_if_absent
from consent_service.limits.allowance import Window
from consent_service.models.limits import allowance
from consent_service.sql.prepared import Prepared

SLOTS = 60
Counted = dict[str, int]  # by the number of the slot since 1970, as text, since it is kept as JSON

_COUNTED = Prepared(select(allowance.c.times).where(allowance.c.key == bindparam("cap")).with_for_update())
_COUNT = Prepared(update(allowance).where(allowance.c.key == bindparam("cap")))


def take(connection: Connection, cap: str, allowed: Sequence[Window], now: datetime) -> datetime:
    """Return the first time another one is allowed; when that is now, it is counted."""
    if not allowed:
        return now
    stored = _COUNTED.value(connection, {"cap": cap})
    if stored is None:
        insert_if_absent(connection, allowance, {"key": cap, "times": {}, "asked_at": now})
        stored = _COUNTED.value(connection, {"cap": cap})
    kept = {_name(window): _within(window, stored.get(_name(window), {}), now) for window in allowed}
    at = max(_free_at(window, kept[_name(window)], now) for window in allowed)
    if at <= now:
        for window in allowed:
            counted, slot = kept[_name(window)], str(_slot(window, now))
            counted[slot] = counted.get(slot, 0) + 1
        _COUNT.write(connection, {"cap": cap, "times": kept, "asked_at": now})
    return at


def free_at(connection: Connection, cap: str, allowed: Sequence[Window], now: datetime) -> datetime:
    """Return the first time another one is allowed, without counting it."""
    stored = _COUNTED.value(connection, {"cap": cap}) or {}
    ends = [_free_at(window, _within(window, stored.get(_name(window), {}), now), now) for window in allowed]
    return max([now, *ends])


def _free_at(window: Window, counted: Counted, now: datetime) -> datetime:
    left = sum(counted.values())
    for slot, number in sorted(counted.items(), key=lambda entry: int(entry[0])):
        if left < window.amount:
            break
        left -= number
        now = datetime.fromtimestamp((int(slot) + 1) * _width_s(window), UTC) + window.span
    return now


def _within(window: Window, counted: Counted, now: datetime) -> Counted:
    oldest = _slot(window, now) - SLOTS
    return {slot: number for slot, number in counted.items() if int(slot) >= oldest}


def _slot(window: Window, at: datetime) -> int:
    return int(at.timestamp() // _width_s(window))


def _width_s(window: Window) -> float:
    return window.span.total_seconds() / SLOTS


def _name(window: Window) -> str:
    return str(int(window.span.total_seconds()))
