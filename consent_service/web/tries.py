"""How often somebody may try to get in: failures of one network and of one account, at every door of the staff alike.

The limit is the application's, so that a second step, a recovery and a log-in take from one allowance. A try is taken
before anything is looked at and given back if it was right, so that a burst has no more of them than one after another.
Networks and addresses are hashed before they are counted.
"""

from flask import current_app, request
from flask.typing import ResponseReturnValue

from consent_service.limits.rate_limit import RateLimit
from consent_service.people import AddressRefused, read_address
from consent_service.web.pages import too_many
from consent_service.web.visitor import network, service

LIMIT = "5/5 minutes;30/hour"  # of a network and of an account: failures, and what is being looked at


def take(typed: str, act: str = "login") -> ResponseReturnValue | None:
    """Take a try to open an account; return the page for whoever has to wait for one, None when they need not.

    `typed` is the address of the account, empty where none is named: then the network alone counts.
    """
    triers, taken = _triers(typed), []
    for who in triers:
        if (refused := _limit().take(act, who)) is not None:
            break
        taken.append(who)
    else:
        return None
    for who in taken:
        _limit().give_back(act, who)
    longest = max(refused, *(_limit().wait(act, who) or 0 for who in triers))
    return too_many(longest)


def give_back(typed: str, act: str = "login") -> None:
    """Give back a try that was right."""
    for who in _triers(typed):
        _limit().give_back(act, who)


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
