"""What an ActiveCampaign account tells others by itself: its webhooks, and how they are sent.

Like the real ones they are not signed and never sent again; they may get lost, come twice or in another order, each by
a switch. A webhook that is answered with 410 is switched off for good, and stays listed.
"""

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

import requests

from .port import LOOPBACK

By = Literal["public", "admin", "api", "system"]
EVENTS = (
    "subscribe", "unsubscribe", "bounce", "update", "contact_tag_added", "contact_tag_removed", "subscriber_note",
    "forward", "open", "share", "sent", "click", "reply", "list_add", "sms_sent", "sms_reply", "sms_unsub",
)  # fmt: skip
SOURCES = ("public", "admin", "api", "system")
OF_STATUS = {1: "subscribe", 2: "unsubscribe", 3: "bounce"}
GONE = 410


@dataclass
class Webhook:
    """One webhook; `listid` "0" means every list."""

    id: str
    name: str = ""
    url: str = ""
    events: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    listid: str = "0"
    is_off: bool = False


@dataclass(frozen=True)
class Told:
    """One delivery: where it went, what it said, and the status that came back; None when nobody answered."""

    url: str
    fields: dict[str, str]
    status: int | None


class Webhooks:
    """The webhooks of one account and the thread that sends them, which runs only while there is something to send.

    `loses` and `doubles` say how deliveries go wrong; while `holds` is set they wait for `release`, which may turn
    their order round. `allows_loopback` lets an address be plain http on this machine, which the real one refuses.
    """

    def __init__(self) -> None:
        self.known: dict[str, Webhook] = {}
        self.allows_loopback = False
        self.loses = self.doubles = self.holds = False
        self.public_list_key = "list[0][id]"
        self._last_id = 0
        self._changed = threading.Condition()
        self._waiting: list[tuple[Webhook, dict[str, str]]] = []
        self._outgoing: list[tuple[Webhook, dict[str, str]]] = []
        self._is_sending = False
        self._told: list[Told] = []

    @property
    def told(self) -> list[Told]:
        """Every delivery so far, oldest first."""
        with self._changed:
            return list(self._told)

    def register(self, url: str, *, events: list[str], sources: list[str], listid: str = "0") -> Webhook:
        """Somebody adds a webhook there by hand."""
        return self.put(Webhook("", "by hand", url, events, sources, listid))

    def put(self, hook: Webhook) -> Webhook:
        """Keep a new webhook under an id of its own."""
        self._last_id += 1
        hook.id = str(self._last_id)
        self.known[hook.id] = hook
        return hook

    def accepts(self, url: object) -> bool:
        """Whether this may be a webhook's address: https on its usual port."""
        parts = urlsplit(url if isinstance(url, str) else "")
        if self.allows_loopback and parts.scheme == "http" and parts.hostname == LOOPBACK:
            return True
        return parts.scheme == "https" and bool(parts.hostname) and parts.port in (None, 443)

    def tell(self, kind: str, by: By, list_id: int, fields: dict[str, str], at: datetime) -> None:
        """Send an event to every webhook that wants it; `list_id` 0 is an event of no list."""
        told = self._common(kind, by, list_id, at) | fields
        wanted = [hook for hook in self.known.values() if self._wants(hook, kind, by, list_id)]
        if self.loses or not wanted:
            return
        with self._changed:
            self._waiting += [(hook, told) for hook in wanted for _ in range(2 if self.doubles else 1)]
        if not self.holds:
            self.release()

    def release(self, *, newest_first: bool = False) -> None:
        """Send what waits."""
        with self._changed:
            self._outgoing += reversed(self._waiting) if newest_first else self._waiting
            self._waiting = []
            if self._outgoing and not self._is_sending:
                self._is_sending = True
                threading.Thread(target=self._send, name="webhooks").start()

    def wait_sent(self, timeout: float = 10) -> None:
        """Return when everything under way has been answered, or fail."""
        with self._changed:
            assert self._changed.wait_for(lambda: not self._is_sending, timeout), f"not sent within {timeout} s"

    def _send(self) -> None:
        while (going := self._next()) is not None:
            hook, fields = going
            status = None if hook.is_off else _post(hook.url, fields)
            hook.is_off = hook.is_off or status == GONE
            with self._changed:
                self._told.append(Told(hook.url, fields, status))

    def _next(self) -> tuple[Webhook, dict[str, str]] | None:
        with self._changed:
            if self._outgoing:
                return self._outgoing.pop(0)
            self._is_sending = False
            self._changed.notify_all()
            return None

    def _common(self, kind: str, by: By, list_id: int, at: datetime) -> dict[str, str]:
        """The list has another key when the person unsubscribed by themselves."""
        key = self.public_list_key if (kind, by) == ("unsubscribe", "public") else "list"
        when = at.isoformat(timespec="seconds")
        return {"type": kind, "date_time": when, "initiated_from": by, "initiated_by": by, key: str(list_id)}

    @staticmethod
    def _wants(hook: Webhook, kind: str, by: By, list_id: int) -> bool:
        on_its_list = hook.listid == "0" or list_id in (0, int(hook.listid))
        return kind in hook.events and by in hook.sources and on_its_list and not hook.is_off


def _post(url: str, fields: dict[str, str]) -> int | None:
    try:
        return requests.post(url, data=fields, timeout=5, allow_redirects=False).status_code
    except requests.RequestException:
        return None
