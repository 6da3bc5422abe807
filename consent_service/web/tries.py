"""How often somebody may try to get in: failures of one network and of one account, at every door of the staff alike.

The limit is the application's, so that a second step, a recovery and a log-in take from one allowance. Networks and
addresses are hashed before they are counted.
"""

from flask import current_app, render_template, request
from flask.typing import ResponseReturnValue

from consent_service.people import AddressRefused, read_address
from consent_service.rate_limit import RateLimit
from consent_service.web.visitor import network, service

LIMIT = "5/5 minutes;30/hour"  # failures only, of a network and of an account


def too_many(typed: str, act: str = "login") -> ResponseReturnValue | None:
    """Return the page for whoever has to wait before trying to open an account, None when they need not.

    `typed` is the address of the account, empty where none is named: then the network alone counts.
    """
    waits = [wait for who in _triers(typed) if (wait := _limit().wait(act, who))]
    if not waits:
        return None
    minutes = -(-max(waits) // 60)
    return render_template("public/too_many.html", minutes=minutes), 429, {"Retry-After": str(max(waits))}


def count(typed: str, act: str = "login") -> None:
    """Count a try that failed."""
    for who in _triers(typed):
        _limit().count(act, who)


def _triers(typed: str) -> list[str]:
    sources = (network(request.remote_addr), *([_account(typed)] if typed.strip() else []))
    return [service().vault.address_hash(f"login:{source}") for source in sources]


def _account(typed: str) -> str:
    """The account meant, however it is spelt: the login itself reads wide letters and odd dots as the plain ones."""
    try:
        return read_address(typed).key
    except AddressRefused:
        return typed.strip().lower()


def _limit() -> RateLimit:
    found: RateLimit = current_app.extensions["login-limit"]
    return found
