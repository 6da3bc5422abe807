"""How often somebody may try to get in: failures of one network and of one account, at every door of the staff alike.

The limits are the application's, so that a second step and a log-in take from one allowance; whoever is logged in has
another, which no stranger can use up. An account allows more than a network does: nobody keeps its owner out from one
place. A try is taken before anything is looked at and given back if it was right, so that a burst has no more of them
than one after another. Networks and addresses are hashed before they are counted.
"""

from flask import current_app, request
from flask.typing import ResponseReturnValue

from consent_service.limits.rate_limit import RateLimit
from consent_service.people import AddressRefused, read_address
from consent_service.web.pages import too_many
from consent_service.web.visitor import network, service

OF_NETWORK, OF_ACCOUNT = "5/5 minutes;10/hour;30/day", "10/5 minutes;30/hour"  # failures, and what is looked at now
PROOF = "proof"  # the act of whoever is logged in


def limits(store_url: str) -> tuple[RateLimit, RateLimit]:
    """Return the limits of a network and of an account; `store_url` is Redis' address, empty to count alone."""
    return RateLimit(store_url, OF_NETWORK), RateLimit(store_url, OF_ACCOUNT)


def take(typed: str, act: str = "login") -> ResponseReturnValue | None:
    """Take a try to open an account; return the page for whoever has to wait for one, None when they need not.

    `typed` is the address of the account, empty where none is named: then the network alone counts.
    """
    triers, taken = _triers(typed), []
    for limit, who in triers:
        if (refused := limit.take(act, who)) is not None:
            break
        taken.append((limit, who))
    else:
        return None
    for limit, who in taken:
        limit.give_back(act, who)
    longest = max(refused, *(limit.wait(act, who) or 0 for limit, who in triers))
    return too_many(longest)


def give_back(typed: str, act: str = "login") -> None:
    """Give back a try that was right."""
    for limit, who in _triers(typed):
        limit.give_back(act, who)


def _triers(typed: str) -> list[tuple[RateLimit, str]]:
    of_network, of_account = current_app.extensions["login-limits"]
    triers = [(of_network, network(request.remote_addr)), *([(of_account, _account(typed))] if typed.strip() else [])]
    return [(limit, service().vault.address_hash(f"login:{source}")) for limit, source in triers]


def _account(typed: str) -> str:
    """The account meant, however it is spelt: the login itself reads wide letters and odd dots as the plain ones."""
    try:
        return read_address(typed).key
    except AddressRefused:
        return typed.strip().lower()
