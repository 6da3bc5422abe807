"""What a request says about its sender, and how often one network may ask.

Addresses of networks are hashed before they are counted and shortened before they are kept as evidence. Nothing here
is believed that a stranger can set: forwarded headers count only as far as the configured proxies (see the factory).
"""

import ipaddress
from datetime import date

from flask import current_app, g, request

from consent_service import service as services
from consent_service.config import Settings
from consent_service.language import HELSINKI
from consent_service.ledger.evidence import Occasion
from consent_service.ledger.seal import Payload
from consent_service.limits.rate_limit import RateLimit, so_many_times
from consent_service.service import Service

LONGEST_USER_AGENT = 200
OWN_LIMITS = {"cookie-choices": 12}  # acts a network may do so many times more: an office shares one address


def limits(settings: Settings) -> dict[str, RateLimit]:
    """How often one network may do an act of `OWN_LIMITS`, and under "" any other."""
    times = OWN_LIMITS | {"": 1}
    return {act: RateLimit(settings.redis_url, so_many_times(settings.limit_ip, more)) for act, more in times.items()}


def service() -> Service:
    """The service behind this request."""
    found: Service = current_app.extensions["consent-service"]
    return found


def take_try(act: str) -> int | None:
    """Count an act of this request's network; the seconds to wait instead, when there were too many of them."""
    return _limit(act).take(act, _network_code())


def has_to_wait(act: str) -> int | None:
    """The seconds this request's network has to wait before an act, None when it need not; counts nothing."""
    return _limit(act).wait(act, _network_code())


def is_counting_alone() -> bool:
    """Whether this process counts networks for itself, because Redis did not answer it."""
    return _limit().is_away


def occasion(actor: str, door: str) -> Occasion:
    """The occasion of this request, with what the evidence may say of the sender's device."""
    current = service()
    return Occasion(services.now(), actor, door, current.vault, _tech(current.settings), forwards=current.forwards)


def today() -> date:
    """The day it is in Finland."""
    return services.now().astimezone(HELSINKI).date()


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


def _limit(act: str = "") -> RateLimit:
    limits: dict[str, RateLimit] = current_app.extensions["network-limits"]
    return limits.get(act, limits[""])


def _network_code() -> str:
    if "network" not in g:
        g.network = service().vault.address_hash(f"network:{network(request.remote_addr)}")
    return str(g.network)


def _read(address: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address itself: an IPv4 one may come wrapped into IPv6, and some proxies add the port."""
    text = (address or "").strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
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
