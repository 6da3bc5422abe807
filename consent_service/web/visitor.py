"""What a request says about its sender, and how often one network may ask.

Addresses of networks are hashed before they are counted and shortened before they are kept as evidence. Nothing here
is believed that a stranger can set: forwarded headers count only as far as the configured proxies (see the factory).
"""

import ipaddress
import math
import time

import limits
from flask import current_app, request
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter

from consent_service import service as services
from consent_service.config import Settings
from consent_service.ledger.evidence import Occasion
from consent_service.ledger.seal import Payload
from consent_service.service import Service

LONGEST_USER_AGENT = 200


class NetworkLimit:
    """Counts in the shared store how often a network (IPv4 address or IPv6 /64) did something."""

    def __init__(self, store_url: str, limit: str):
        self._limiter = MovingWindowRateLimiter(storage_from_string(store_url or "memory://"))
        self._limits = [] if limit == "off" else limits.parse_many(limit)

    def hit(self, act: str, network: str) -> int | None:
        """Count one; return None when it is allowed, else the seconds until the next one is (RFC 6585 section 4)."""
        refused = [item for item in self._limits if not self._limiter.hit(item, act, network)]
        if not refused:
            return None
        ends = max(self._limiter.get_window_stats(item, act, network).reset_time for item in refused)
        return max(1, math.ceil(ends - time.time()))


def service() -> Service:
    """The service behind this request."""
    found: Service = current_app.extensions["consent-service"]
    return found


def too_often(act: str) -> int | None:
    """Count an act of this request's network; the seconds to wait when there were too many."""
    limit: NetworkLimit = current_app.extensions["network-limit"]
    return limit.hit(act, service().vault.address_hash(f"network:{network(request.remote_addr)}"))


def occasion(actor: str, door: str) -> Occasion:
    """The occasion of this request, with what the evidence may say of the sender's device."""
    return Occasion(services.now(), actor, door, service().vault, _tech(service().settings))


def network(address: str | None) -> str:
    """The network counted together: an IPv4 address, or the /64 an IPv6 address lies in."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


def evidence_ip(address: str | None, mode: str) -> str | None:
    """The sender's address as evidence keeps it: `full`, `truncated` to /24 or /48, or not at all (`none`)."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return None
    if mode == "none":
        return None
    if mode == "full":
        return str(found)
    return str(ipaddress.ip_network((found, 24 if found.version == 4 else 48), strict=False))


def _tech(settings: Settings) -> Payload:
    agent = (request.user_agent.string or "")[:LONGEST_USER_AGENT]
    found: Payload = {"ip": evidence_ip(request.remote_addr, settings.evidence_ip), "user_agent": agent or None}
    return {name: value for name, value in found.items() if value is not None}
