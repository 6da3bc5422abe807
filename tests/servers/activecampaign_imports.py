"""The imports an ActiveCampaign account has queued, and how they go there.

An import is done when it has been asked about `looks` times, or when a test lands it; which one comes first is the
test's choice. Who unsubscribed from a list, or bounced, is not subscribed again by an import.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .activecampaign_account import Account, Contact

SUBSCRIBED, NEVER_AGAIN = 1, (2, 3)


@dataclass
class Import:
    """One queued call, and what became of it."""

    contacts: list[dict[str, Any]]
    looks: int
    is_done: bool = False
    success: list[str] = field(default_factory=list)
    failure: list[str] = field(default_factory=list)


@dataclass
class Imports:
    """The queue of an account, and how imports go there."""

    looks: int = 0
    is_stuck: bool = False
    names_the_bad: bool = True
    counts_from: int = 0
    loses_answers: bool = False
    a_minute: int | None = None
    unavailable: bool = False
    failing: set[str] = field(default_factory=set)
    excluded: set[str] = field(default_factory=set)
    lying: set[str] = field(default_factory=set)
    queue: dict[str, Import] = field(default_factory=dict)
    admitted: deque[float] = field(default_factory=deque)

    def is_full(self) -> bool:
        """Whether as many calls came within a minute as may; counts this one if not."""
        now = time.time()
        while self.admitted and self.admitted[0] <= now - 60:
            self.admitted.popleft()
        if self.a_minute is not None and len(self.admitted) >= self.a_minute:
            return True
        self.admitted.append(now)
        return False


def land(account: "Account", queued: Import) -> None:
    """Carry out an import, once."""
    if queued.is_done:
        return
    queued.is_done = True
    for one in queued.contacts:
        email = one["email"].lower()
        if email in account.imports.failing:
            queued.failure.append(one["email"])
        elif email not in account.imports.excluded:
            queued.success.append(_take(account, one).id)


def _take(account: "Account", one: dict[str, Any]) -> "Contact":
    contact = account.find(one["email"]) or account.put(one["email"])
    contact.first_name = one.get("first_name", contact.first_name)
    contact.last_name = one.get("last_name", contact.last_name)
    sent = {str(each["id"]): str(each["value"]) for each in one.get("fields") or []}
    contact.fields |= {number: value for number, value in sent.items() if number in account.fields}
    for each in one.get("subscribe") or []:
        number = int(each["listid"])
        if contact.lists.get(number) not in NEVER_AGAIN and contact.email.lower() not in account.imports.lying:
            account.put_status(contact, number, SUBSCRIBED, by=None)
    return contact
