"""How GET /contacts chooses: filters, order and pages.

Filters that exist but are not played here answer 501, because ignoring them would make this server lie; those that
do not exist are ignored, as the real one does. So are empty ones: then everybody comes back.
"""

import re
from collections.abc import Callable
from typing import Any

from .activecampaign_account import Account, Contact
from .activecampaign_shapes import Answer, contact_object, message

NOT_PLAYED = re.compile(
    r"(phone|exclude|tagid|segmentid|formid|seriesid|waitid|filters\[(created|updated)_(before|after)\])"
)
PAGE, LONGEST_PAGE = 20, 100


def _has_status(contact: Contact, query: dict[str, str]) -> bool:
    """A status belongs to a membership; without `listid` any list will do."""
    wanted, on = int(query["status"]), query.get("listid")
    held = [status for number, status in contact.lists.items() if not on or number == int(on)]
    return wanted in held or wanted == -1


def _searchable(contact: Contact) -> str:
    return " ".join((contact.email, contact.first_name, contact.last_name, contact.phone)).lower()


FILTERS: dict[str, Callable[[Contact, dict[str, str]], bool]] = {
    "email": lambda contact, query: contact.email.lower() == query["email"].lower(),
    "email_like": lambda contact, query: query["email_like"].lower() in contact.email.lower(),
    "search": lambda contact, query: query["search"].lower() in _searchable(contact),
    "id_greater": lambda contact, query: int(contact.id) > int(query["id_greater"]),
    "id_less": lambda contact, query: int(contact.id) < int(query["id_less"]),
    "listid": lambda contact, query: int(query["listid"]) in contact.lists,
    "status": _has_status,
    "ids[]": lambda contact, query: contact.id in query["ids[]"].split(","),
}
ORDERS: dict[str, Callable[[Contact], Any]] = {
    "orders[id]": lambda contact: int(contact.id),
    "orders[email]": lambda contact: contact.email.lower(),
    "orders[cdate]": lambda contact: contact.created_at,
}


def search(account: Account, query: dict[str, str]) -> Answer:
    """Return one page of the contacts that pass every filter."""
    unplayed = [name for name in query if NOT_PLAYED.fullmatch(name)]
    if unplayed:
        return message(501, f"this test server does not play {unplayed[0]}")
    used = [name for name in FILTERS if query.get(name) and name not in account.ignored_filters]
    heeded = {name: value for name, value in query.items() if name not in account.ignored_filters}
    matches = [one for one in account.visible() if all(FILTERS[name](one, heeded) for name in used)]
    paging = {"limit", "offset", *ORDERS}
    if not used and query.keys() - paging and not account.empty_filter_returns_everybody:
        matches = []
    return _page(_ordered(matches, query), query)


def _page(matches: list[Contact], query: dict[str, str]) -> Answer:
    start, size = _number(query, "offset", 0), min(_number(query, "limit", PAGE), LONGEST_PAGE)
    shown = [contact_object(one) for one in matches[start : start + size]]
    meta = {"page_input": {"limit": size, "offset": start}, "total": str(len(matches))}
    return Answer(200, {"scoreValues": [], "contacts": shown, "meta": meta})


def _ordered(matches: list[Contact], query: dict[str, str]) -> list[Contact]:
    name = next((one for one in query if one in ORDERS), "orders[id]")
    return sorted(matches, key=ORDERS[name], reverse=query.get(name, "").upper() == "DESC")


def _number(query: dict[str, str], name: str, default: int) -> int:
    given = query.get(name, "")
    return int(given) if given.isdigit() else default
