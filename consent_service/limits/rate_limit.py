"""How often somebody may do something within some time: counted in Redis for all processes, or by each for itself.

Exact: of everybody the times of what was allowed are kept, at most as many as a limit allows, and only as long as they
count. So a count takes the same time whoever else is known. Redis is waited for half a second at most; when it is away
each process counts alone, and asks again by itself. Must not know who somebody is.
"""

import math
import threading
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import limits
import structlog
from limits import RateLimitItem
from limits.errors import StorageError
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter
from redis import ConnectionError as LineEnded
from redis import RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

TIMEOUT_S = 0.25  # to connect, and again for an answer
ASK_AGAIN_S = 5

log = structlog.get_logger()


class RateLimit:
    """One limit, like `5/10 minutes;20/day`, or `off`; `store_url` is Redis' address, empty to count alone."""

    def __init__(self, store_url: str, limit: str, ask_again_s: float = ASK_AGAIN_S):
        items = [] if limit == "off" else limits.parse_many(limit)
        self._alone = _Alone(items)
        self._shared = _Shared(store_url, items) if store_url else None
        self._ask_again_s, self._ask_again_at = ask_again_s, 0.0
        self._turn = threading.Lock()
        self._is_away = False

    @property
    def is_away(self) -> bool:
        """Whether Redis did not answer when it was asked last, so that this process counts alone."""
        return self._is_away

    def wait(self, act: str, who: str) -> int | None:
        """Return how many seconds somebody has to wait (RFC 6585 section 4), None when they need not."""
        return self._by_either(lambda store: store.wait(act, who))

    def take(self, act: str, who: str) -> int | None:
        """Count one and return None, or return how many seconds to wait; what is refused is not counted."""
        return self._by_either(lambda store: store.take(act, who))

    def give_back(self, act: str, who: str) -> None:
        """Count one less: the newest, since which one it was makes a moment's difference."""
        self._by_either(lambda store: store.give_back(act, who))

    def _by_either(self, ask: Callable[["_Shared | _Alone"], int | None]) -> int | None:
        if self._shared is not None and self._may_ask():
            try:
                found = ask(self._shared)
            except StorageError:
                self._note(is_away=True)
            else:
                self._note(is_away=False)
                return found
        return ask(self._alone)

    def _may_ask(self) -> bool:
        """While Redis is away one request in a while finds out whether it is back; the others do not wait for it."""
        if not self._is_away:
            return True
        with self._turn:
            is_time = time.monotonic() >= self._ask_again_at
            if is_time:
                self._ask_again_at = time.monotonic() + self._ask_again_s
        return is_time

    def _note(self, *, is_away: bool) -> None:
        if is_away == self._is_away:
            return
        with self._turn:
            has_changed, self._is_away = is_away != self._is_away, is_away
            self._ask_again_at = time.monotonic() + self._ask_again_s
        if has_changed and is_away:
            log.error("the store of rate limits is away; this process counts alone")
        elif has_changed:
            log.info("the store of rate limits is back")


def so_many_times(limit: str, times: int) -> str:
    """Return a limit that allows so many times as much in the same time; `off` stays off."""
    if limit == "off":
        return limit
    spans = [(item.amount * times, int(item.get_expiry())) for item in limits.parse_many(limit)]
    return ";".join(f"{amount}/{seconds} seconds" for amount, seconds in spans)


def answers(store_url: str) -> bool:
    """Whether Redis answers at this address."""
    return bool(_store(store_url).check())


def _store(url: str) -> Any:
    # A line that Redis has closed meanwhile is opened again at once; the client's own patience would be many seconds.
    retry = Retry(NoBackoff(), 1, (LineEnded,))
    waits: dict[str, Any] = {"socket_connect_timeout": TIMEOUT_S, "socket_timeout": TIMEOUT_S, "retry": retry}
    return storage_from_string(url, wrap_exceptions=True, **waits)


class _Shared:
    """Counts in Redis, where one process's count is every process's."""

    def __init__(self, url: str, items: Sequence[RateLimitItem]):
        self._items, self._store = items, _store(url)
        self._limiter = MovingWindowRateLimiter(self._store)

    def wait(self, act: str, who: str) -> int | None:
        return self._longest([item for item in self._items if not self._limiter.test(item, act, who)], act, who)

    def take(self, act: str, who: str) -> int | None:
        wait = self.wait(act, who)
        taken: list[RateLimitItem] = []
        for item in self._items if wait is None else ():
            if not self._limiter.hit(item, act, who):  # another process was first since then
                self._give_back(taken, act, who)
                return self._longest([item], act, who)
            taken.append(item)
        return wait

    def give_back(self, act: str, who: str) -> None:
        self._give_back(self._items, act, who)

    def _give_back(self, items: Sequence[RateLimitItem], act: str, who: str) -> None:
        try:
            for item in items:
                self._store.get_connection().lpop(self._store.prefixed_key(item.key_for(act, who)))
        except RedisError as error:  # the storage's own questions say so themselves
            raise StorageError(error) from error

    def _longest(self, full: Sequence[RateLimitItem], act: str, who: str) -> int | None:
        ends = [self._limiter.get_window_stats(item, act, who).reset_time for item in full]
        return max(1, math.ceil(max(ends) - time.time())) if ends else None


class _Alone:
    """Counts in this process, whose threads go one by one."""

    def __init__(self, items: Sequence[RateLimitItem]):
        self._windows = [_Window(item.amount, item.get_expiry()) for item in items]
        self._turn = threading.Lock()

    def wait(self, act: str, who: str) -> int | None:
        with self._turn:
            return self._longest((act, who))

    def take(self, act: str, who: str) -> int | None:
        with self._turn:
            wait = self._longest((act, who))
            if wait is None:
                for window in self._windows:
                    window.count((act, who), time.time())
        return wait

    def give_back(self, act: str, who: str) -> None:
        with self._turn:
            for window in self._windows:
                window.give_back((act, who))

    def _longest(self, key: tuple[str, str]) -> int | None:
        left_s = max((window.left_s(key, time.time()) for window in self._windows), default=0)
        return math.ceil(left_s) if left_s > 0 else None


class _Window:
    """What was allowed within a span of seconds, by key; whoever was counted last stands last."""

    def __init__(self, amount: int, span_s: int):
        self._amount, self._span_s = amount, span_s
        self._times: OrderedDict[tuple[str, str], list[float]] = OrderedDict()

    def left_s(self, key: tuple[str, str], now: float) -> float:
        """How long until one more is allowed; not above 0 when it is already."""
        times = self._times.get(key, [])
        return times[0] + self._span_s - now if len(times) >= self._amount else 0

    def count(self, key: tuple[str, str], now: float) -> None:
        """Count one, and forget all that does not count any more, and whose last one does not."""
        times = self._times.setdefault(key, [])
        times.append(now)
        del times[: max(len(times) - self._amount, bisect_right(times, now - self._span_s))]
        self._times.move_to_end(key)
        while (first := next(iter(self._times))) and self._times[first][-1] <= now - self._span_s:
            del self._times[first]

    def give_back(self, key: tuple[str, str]) -> None:
        """Forget the newest one of somebody."""
        if times := self._times.get(key):
            times.pop()
            if not times:
                del self._times[key]
