"""An ActiveCampaign account with API v3 on loopback, which can be slow, refuse, fail in many ways, or be down.

It behaves as documented; where nobody knows how the real one behaves there is a switch. What an answer says and
what happened are two things, on purpose: a client must stay right when the answer to a call that took effect is lost.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from .activecampaign_account import Account, Contact
from .activecampaign_answers import CALLS, Asked, act, call_name
from .activecampaign_faults import SOME_ANSWER, SPOILT, Fault, Faults, Kind, RateWindow, Reply, When, json_reply
from .activecampaign_wire import Wire
from .port import LOOPBACK, LoopbackPort

__all__ = ["ActiveCampaign", "Call", "Contact"]

CallName = Literal[
    "sync", "create", "contactLists", "read", "search", "update", "delete", "lists", "account",
    "fields", "make_field", "fieldRels", "webhooks", "make_webhook", "change_webhook", "bulk", "info", "held", "tags",
    "createTag", "tagContact", "contactTags", "untagContact", "any",
]  # fmt: skip


@dataclass(frozen=True)
class Call:
    """One call as it came, when (monotonic clock, and the account's), and what was answered; None when nothing was."""

    method: str
    path: str
    body: Any
    at: float
    status: int | None
    name: str
    when: datetime

    @property
    def query(self) -> dict[str, str]:
        """The decoded parameters."""
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))


class ActiveCampaign(Account):
    """The server; use it with `with`. Every switch may be turned while it runs."""

    def __init__(self, *, token: str = "right-token", lists: Mapping[int, str] | None = None) -> None:
        super().__init__(lists)
        self.token = token
        self.rate_limit: int | None = 5
        self.retry_after_s: int | None = 1
        self.delay_s = 0.0
        self.hold_s = 30.0
        self._window, self._faults = RateWindow(), Faults()
        self._calls: list[Call] = []
        self._port: LoopbackPort | None = None
        self._wire: Wire | None = None
        self._lifecycle = threading.Lock()

    def __enter__(self) -> Self:
        self._port = LoopbackPort()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.webhooks.wait_sent()
        assert self._port is not None
        self._port.release()

    def start(self) -> None:
        """Listen, under the same number as before; nothing happens when it listens already."""
        assert self._port is not None, "use the server with `with`"
        with self._lifecycle:
            if self._wire is None:
                self._port.release()
                self._wire = Wire((LOOPBACK, self._port.number), self._turn)
                self._wire.start()

    def stop(self) -> None:
        """Drop every line and refuse new ones until `start`; the account stays as it is."""
        with self._lifecycle:
            if self._wire is not None and self._port is not None:
                self._wire.stop()
                self._wire = None
                self._port.hold()

    @property
    def url(self) -> str:
        """The account's base URL, without /api/3."""
        assert self._port is not None, "use the server with `with`"
        return f"http://{LOOPBACK}:{self._port.number}"

    @property
    def calls(self) -> list[Call]:
        """Every call so far, oldest first, the refused ones too."""
        with self.changed:
            return list(self._calls)

    def wait_for(self, predicate: Callable[[], object], timeout: float = 10) -> None:
        """Return as soon as this holds, or fail and tell what was called."""
        end = time.monotonic() + timeout
        while not predicate():
            if time.monotonic() >= end:
                told = [f"{call.method} {call.path} {call.status}" for call in self.calls]
                raise AssertionError(f"not within {timeout} s; calls: {'; '.join(told) or 'none'}")
            with self.changed:
                self.changed.wait(0.02)  # looks again by itself too: time alone can make it hold

    def fault(self, kind: Kind, call: CallName = "any", when: When = "before", times: int = 1) -> None:
        """Let the next so many of these calls go wrong; "after" means that they took effect."""
        if call != "any" and call not in CALLS:
            raise ValueError(f"no such call: {call}")
        self._faults.order(Fault(kind, call, when), times)

    @property
    def faults_left(self) -> int:
        """How many ordered faults no call has met yet."""
        return self._faults.left

    def clear_faults(self) -> None:
        """Forget the faults still to come."""
        self._faults.clear()

    # For the wire

    def _turn(self, asked: Asked, token: str | None) -> tuple[Reply, float]:
        """Act, record the call, and return what to send and how long to wait first."""
        at, when = time.monotonic(), self.clock()
        with self.changed:
            reply = self._limited(asked, token)
            call = Call(asked.method, asked.target, asked.body, at, reply.status, call_name(asked), when)
            self._calls.append(call)
            self.changed.notify_all()
        return reply, self.delay_s + (self.hold_s if reply.ending == "timeout" else 0)

    def _limited(self, asked: Asked, token: str | None) -> Reply:
        limit = self.rate_limit
        if limit is None:
            return self._faulty(asked, token)
        left = self._window.admit(limit)
        reply = self._faulty(asked, token) if left is not None else self._too_many()
        return reply.with_headers({"RateLimit-Limit": str(limit), "RateLimit-Remaining": str(left or 0)})

    def _faulty(self, asked: Asked, token: str | None) -> Reply:
        fault = self._faults.take(call_name(asked))
        if fault is None:
            return self._done(asked, token)
        answer = self._done(asked, token) if fault.when == "after" else json_reply(200, SOME_ANSWER)
        return self._too_many() if fault.kind == "429" else fault.spoil(answer)

    def _done(self, asked: Asked, token: str | None) -> Reply:
        if token != self.token:
            return SPOILT["403"]
        answer = act(self, asked)
        return json_reply(answer.status, answer.body)

    def _too_many(self) -> Reply:
        seconds = self.retry_after_s
        return SPOILT["429"].with_headers({} if seconds is None else {"Retry-After": str(seconds)})
