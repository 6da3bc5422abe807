"""How ActiveCampaign fails: the rate limit, and faults a test orders for the next calls.

"before" means that the call had no effect, "after" that it had and only its answer went wrong.
"""

import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

Kind = Literal[
    "timeout", "reset", "cut", "500", "502", "503", "429", "403", "empty", "garbage", "truncated"
]  # fmt: skip
When = Literal["before", "after"]
EDGE_PAGE = b"<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"
SOME_ANSWER = {"contact": {"id": "1", "email": "somebody@example.com"}}


@dataclass(frozen=True)
class Reply:
    """What goes over the line; with a silent `ending` nothing does."""

    status: int | None
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    ending: Literal["answer", "timeout", "reset", "cut"] = "answer"

    def with_headers(self, headers: dict[str, str]) -> "Reply":
        """Return the same with more headers."""
        return replace(self, headers=self.headers | headers)


def json_reply(status: int, body: Any) -> Reply:
    """Return a reply in JSON."""
    return Reply(status, json.dumps(body).encode())


@dataclass(frozen=True)
class Fault:
    """One order: what goes wrong, in which call, before or after its effect."""

    kind: Kind
    call: str
    when: When

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind) or self.when not in get_args(When):
            raise ValueError(f"no such fault: {self.kind} {self.when}")

    def spoil(self, answer: Reply) -> Reply:
        """Return what goes out instead of this answer."""
        if self.kind in ("timeout", "reset", "cut"):
            return Reply(None, ending=self.kind)
        if self.kind == "truncated":
            return replace(answer, body=answer.body[: len(answer.body) // 2])
        return SPOILT[self.kind]


SPOILT = {
    "500": json_reply(500, {"message": "Something went wrong"}),
    "502": Reply(502, EDGE_PAGE, "text/html"),
    "503": Reply(503, EDGE_PAGE.replace(b"Bad gateway", b"Service unavailable"), "text/html"),
    "429": json_reply(429, {"message": "Too many requests"}),
    "403": json_reply(403, {"message": "Not allowed"}),
    "empty": Reply(200),
    "garbage": Reply(200, b"<html><body>Down for maintenance</body></html>", "text/html"),
}


class Faults:
    """The orders not yet carried out, first come, first served."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: list[Fault] = []

    def order(self, fault: Fault, times: int) -> None:
        """Let the next so many matching calls go wrong."""
        with self._lock:
            self._orders.extend([fault] * times)

    def take(self, call: str) -> Fault | None:
        """Return and use up the first order for this call."""
        with self._lock:
            found = next((one for one in self._orders if one.call in (call, "any")), None)
            if found is not None:
                self._orders.remove(found)
            return found

    @property
    def left(self) -> int:
        """How many orders wait."""
        with self._lock:
            return len(self._orders)

    def clear(self) -> None:
        """Forget all orders."""
        with self._lock:
            self._orders.clear()


class RateWindow:
    """A sliding window of one second; refused calls do not count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._admitted: deque[float] = deque()

    def admit(self, limit: int) -> int | None:
        """Admit a call and return how many more may come; None when there are too many."""
        now = time.monotonic()
        with self._lock:
            while self._admitted and self._admitted[0] <= now - 1:
                self._admitted.popleft()
            if len(self._admitted) >= limit:
                return None
            self._admitted.append(now)
            return limit - len(self._admitted)
