"""What a request says about its sender, and how often one network may ask.

Addresses of networks are hashed before they are counted and shortened before they are kept as evidence. Nothing here
is believed that a stranger can set: forwarded headers count only as far as the configured proxies (see the factory).
"""

import ipaddress
import math
import threading
import time

import limits
import structlog
from flask import current_app, request
from limits.errors import StorageError
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import MovingWindowRateLimiter

from consent_service import service as services
from consent_service.config import Settings
from consent_service.ledger.evidence import Occasion
from consent_service.ledger.seal import Payload
from consent_service.service import Service

LONGEST_USER_AGENT = 200

log = structlog.get_logger()


class RateLimit:
    """How often somebody may do something, counted in the shared store; without the store each process counts alone."""

    def __init__(self, store_url: str, limit: str):
        self._limits = [] if limit == "off" else limits.parse_many(limit)
        self._shared = MovingWindowRateLimiter(storage_from_string(store_url or "memory://", wrap_exceptions=True))
        self._alone = MovingWindowRateLimiter(MemoryStorage())
        self._turn = threading.Lock()

    def wait(self, act: str, who: str) -> int | None:
        """Return how many seconds somebody has to wait (RFC 6585 section 4), None when they need not."""
        try:
            return self._wait(self._shared, act, who)
        except StorageError:
            log.error("the store of rate limits is away; this process counts alone")
            return self._wait(self._alone, act, who)

    def take(self, act: str, who: str) -> int | None:
        """Count one and return None, or return how many seconds to wait; threads of this process go one by one."""
        with self._turn:
            wait = self.wait(act, who)
            if wait is None:
                self.count(act, who)
        return wait

    def count(self, act: str, who: str) -> None:
        """Count one."""
        try:
            self._count(self._shared, act, who)
        except StorageError:
            self._count(self._alone, act, who)

    def _count(self, limiter: MovingWindowRateLimiter, act: str, who: str) -> None:
        for item in self._limits:
            limiter.hit(item, act, who)

    def _wait(self, limiter: MovingWindowRateLimiter, act: str, who: str) -> int | None:
        full = [item for item in self._limits if not limiter.test(item, act, who)]
        ends = [limiter.get_window_stats(item, act, who).reset_time for item in full]
        return max(1, math.ceil(max(ends) - time.time())) if ends else None


def service() -> Service:
    """The service behind this request."""
    found: Service = current_app.extensions["consent-service"]
    return found


def too_often(act: str) -> int | None:
    """Count an act of this request's network; the seconds to wait instead, when there were too many."""
    limit: RateLimit = current_app.extensions["network-limit"]
    who = service().vault.address_hash(f"network:{network(request.remote_addr)}")
    return limit.take(act, who)


def occasion(actor: str, door: str) -> Occasion:
    """The occasion of this request, with what the evidence may say of the sender's device."""
    current = service()
    return Occasion(services.now(), actor, door, current.vault, _tech(current.settings), current.forwards)


def network(address: str | None) -> str:
    """The network counted together: an IPv4 address, or the /64 an IPv6 address lies in."""
    found = _read(address)
    if found is None:
        return "unknown"
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


def evidence_ip(address: str | None, mode: str) -> str | None:
    """The sender's address as evidence keeps it: `full`, `truncated` to /24 or /48, or not at all (`none`)."""
    found = _read(address)
    if found is None or mode == "none":
        return None
    if mode == "full":
        return str(found)
    return str(ipaddress.ip_network((found, 24 if found.version == 4 else 48), strict=False))


def _read(address: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address itself: an IPv4 one may come wrapped into IPv6, and some proxies add the port."""
    text = (address or "").strip()
    if text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _tech(settings: Settings) -> Payload:
    agent = (request.user_agent.string or "")[:LONGEST_USER_AGENT]
    found: Payload = {"ip": evidence_ip(request.remote_addr, settings.evidence_ip), "user_agent": agent or None}
    return {name: value for name, value in found.items() if value is not None}
