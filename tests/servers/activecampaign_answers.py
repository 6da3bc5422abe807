"""What ActiveCampaign does for each call of API v3, and which request is which call.

Every function takes the account, whose lock the caller holds, and the request; it acts and returns the answer.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .activecampaign_account import Account, Contact
from .activecampaign_bulk import bulk_import, info
from .activecampaign_held import activities, email_activities, has_read, held_part
from .activecampaign_search import search
from .activecampaign_setup import (
    fields,
    make_field,
    make_relation,
    make_webhook,
    one_webhook,
    unknown_fields,
    webhooks,
)
from .activecampaign_shapes import (
    Answer,
    contact_object,
    duplicate,
    echoed_fields,
    field_objects,
    invalid_email,
    list_object,
    membership_object,
    membership_objects,
    message,
    no_list,
    no_subscriber,
    refused,
    short_contact_object,
)
from .activecampaign_tags import contact_tags, create_tag, one_tag, search_tags, tag_contact, untag_contact

ROOT = "/api/3"
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
NAMES = {"firstName": "first_name", "lastName": "last_name", "phone": "phone"}


@dataclass(frozen=True)
class Asked:
    """One request, as it came."""

    method: str
    target: str
    raw: bytes = b""
    number: str = ""

    @property
    def path(self) -> str:
        """The path below the API's root."""
        return urlsplit(self.target).path.removeprefix(ROOT).strip("/")

    @property
    def query(self) -> dict[str, str]:
        """The decoded parameters; the last of several with one name counts, unless the name says that it is a list."""
        parsed = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        several = {name: ",".join(values) for name, values in parsed.items() if name.endswith("[]")}
        return {name: values[-1].strip() for name, values in parsed.items()} | several

    @property
    def body(self) -> Any:
        """The body as JSON, or None."""
        try:
            return json.loads(self.raw)
        except ValueError:
            return None

    def part(self, name: str) -> dict[str, Any]:
        """Return the object the body wraps under this name; empty when it is not there."""
        found = self.body.get(name) if isinstance(self.body, dict) else None
        return found if isinstance(found, dict) else {}


# Contacts


def sync(account: Account, asked: Asked) -> Answer:
    """Create or update by e-mail."""
    sent = asked.part("contact")
    if not _is_email(account, sent):
        return invalid_email()
    if refusal := unknown_fields(account, sent):
        return refusal
    known = account.find(sent["email"])
    contact = known or account.put(sent["email"])
    _overwrite(account, contact, sent)
    shape = contact_object(contact) if known else short_contact_object(contact)
    return Answer(200 if known else 201, {"fieldValues": echoed_fields(contact, sent), "contact": shape})


def create(account: Account, asked: Asked) -> Answer:
    """Create; a known address is refused."""
    sent = asked.part("contact")
    if not _is_email(account, sent):
        return invalid_email()
    return duplicate() if account.find(sent["email"]) else sync(account, asked)


def read(account: Account, asked: Asked) -> Answer:
    """Return a contact with its memberships and field values."""
    contact = account.by_id(asked.number)
    if contact is None:
        return no_subscriber(asked.number)
    has_read(account, contact)
    rest: dict[str, Any] = {name: [] for name in ("contactAutomations", "deals", "geoIps", "contactTags")}
    body = {
        "contact": contact_object(contact),
        "contactLists": membership_objects(contact),
        "fieldValues": field_objects(contact),
    }
    return Answer(200, body | rest)


def update(account: Account, asked: Asked) -> Answer:
    """Overwrite what was sent, the e-mail too."""
    contact, sent = account.by_id(asked.number), asked.part("contact")
    if contact is None:
        return no_subscriber(asked.number)
    if "email" in sent and not _is_email(account, sent):
        return invalid_email()
    if "email" in sent and account.find(sent["email"]) not in (None, contact):
        return duplicate()
    if refusal := unknown_fields(account, sent):
        return refusal
    if "email" in sent:
        account.rename(contact, sent["email"])
    _overwrite(account, contact, sent)
    return Answer(200, {"fieldValues": echoed_fields(contact, sent), "contact": contact_object(contact)})


def delete(account: Account, asked: Asked) -> Answer:
    """Delete a contact."""
    contact = account.by_id(asked.number)
    if contact is None:
        return message(404, f"No result found for contact with id {asked.number}")
    account.drop(contact)
    return Answer(200, {})


# Lists and the account


def contact_lists(account: Account, asked: Asked) -> Answer:
    """Put a contact on a list, or take it off."""
    sent = asked.part("contactList")
    if any(name not in sent for name in ("list", "contact", "status")):
        return refused("Missing attribute", "missing", "/data/attributes")
    contact = account.by_id(sent["contact"])
    if contact is None:
        return no_subscriber(sent["contact"])
    if str(sent["list"]) not in map(str, account.list_names):
        return no_list(sent["list"])
    if str(sent["status"]) not in ("0", "1", "2", "3"):
        return refused("Status is not valid.", "status_invalid", "/data/attributes/status")
    return _put_on_list(account, contact, sent)


def _put_on_list(account: Account, contact: Contact, sent: dict[str, Any]) -> Answer:
    number, status, source = int(sent["list"]), int(sent["status"]), int(sent.get("sourceid") or 0)
    is_new = number not in contact.lists
    holds = account.subscribe(contact, number, status, source)
    echo = {
        "contact": sent["contact"],
        "list": sent["list"],
        "status": str(holds) if isinstance(sent["status"], str) else holds,
        "sourceid": sent.get("sourceid", 0),
    }
    body = {"contacts": [contact_object(contact)], "contactList": membership_object(contact, number) | echo}
    return Answer(201 if is_new else 200, body)


def memberships(account: Account, asked: Asked) -> Answer:
    """Return the list memberships of a contact: twenty, unless more are asked for."""
    contact, most = account.by_id(asked.number), int(asked.query.get("limit") or 20)
    return Answer(200, {"contactLists": membership_objects(contact)[:most]}) if contact else no_subscriber(asked.number)


def lists(account: Account, asked: Asked) -> Answer:
    """Return all lists."""
    shown = [list_object(account, number) for number in account.list_names]
    return Answer(200, {"lists": shown, "meta": {"total": str(len(shown))}})


def one_list(account: Account, asked: Asked) -> Answer:
    """Return one list."""
    known = int(asked.number) in account.list_names
    return Answer(200, {"list": list_object(account, int(asked.number))}) if known else no_list(asked.number)


def me(account: Account, asked: Asked) -> Answer:
    """Return the user the key belongs to."""
    user = {"username": "api", "firstName": "Api", "lastName": "User", "email": "api@example.com", "id": "1"}
    return Answer(200, {"user": user | {"phone": "", "signature": None, "links": {}}})


def root(account: Account, asked: Asked) -> Answer:
    """Say that the key is good."""
    return Answer(200, {})


# Which request is which call


def _search(account: Account, asked: Asked) -> Answer:
    return search(account, asked.query)


def _bulk_import(account: Account, asked: Asked) -> Answer:
    return bulk_import(account, asked.body, len(asked.raw))


def _info(account: Account, asked: Asked) -> Answer:
    return info(account, asked.query.get("batchId", ""))


@dataclass(frozen=True)
class Route:
    """A method and a path, the name a fault or a test calls it by, and what it does."""

    method: str
    path: re.Pattern[str]
    name: str
    act: Callable[[Account, Asked], Answer]


ROUTES = [
    Route(method, re.compile(path), name, act)
    for method, path, name, act in (
        ("POST", r"contact/sync", "sync", sync),
        ("POST", r"contacts", "create", create),
        ("GET", r"contacts", "search", _search),
        ("GET", r"contacts/(\d+)", "read", read),
        ("PUT", r"contacts/(\d+)", "update", update),
        ("DELETE", r"contacts/(\d+)", "delete", delete),
        ("GET", r"contacts/(\d+)/contactLists", "read", memberships),
        ("GET", r"contacts/(\d+)/contactTags", "contactTags", contact_tags),
        ("GET", r"contacts/(\d+)/\w+", "held", held_part),
        ("GET", r"activities", "held", activities),
        ("GET", r"emailActivities", "held", email_activities),
        ("POST", r"contactLists", "contactLists", contact_lists),
        ("POST", r"import/bulk_import", "bulk", _bulk_import),
        ("GET", r"import/info", "info", _info),
        ("GET", r"lists", "lists", lists),
        ("GET", r"lists/(\d+)", "lists", one_list),
        ("GET", r"fields", "fields", fields),
        ("POST", r"fields", "make_field", make_field),
        ("POST", r"fieldRels", "fieldRels", make_relation),
        ("GET", r"webhooks", "webhooks", webhooks),
        ("POST", r"webhooks", "make_webhook", make_webhook),
        ("GET", r"webhooks/(\d+)", "webhooks", one_webhook),
        ("PUT", r"webhooks/(\d+)", "change_webhook", one_webhook),
        ("DELETE", r"webhooks/(\d+)", "change_webhook", one_webhook),
        ("GET", r"users/me", "account", me),
        ("GET", r"tags", "tags", search_tags),
        ("GET", r"tags/(\d+)", "tags", one_tag),
        ("POST", r"tags", "createTag", create_tag),
        ("POST", r"contactTags", "tagContact", tag_contact),
        ("DELETE", r"contactTags/(\d+)", "untagContact", untag_contact),
        ("GET", r"", "account", root),
    )
]
CALLS = frozenset(route.name for route in ROUTES)


def call_name(asked: Asked) -> str:
    """Return the name of the call; "unknown" when there is no such call."""
    route = _route(asked)
    return route.name if route else "unknown"


def act(account: Account, asked: Asked) -> Answer:
    """Do what was asked; the caller holds the account's lock."""
    route = _route(asked)
    if route is None:
        return message(404, "No such call")
    if asked.method in ("POST", "PUT") and not isinstance(asked.body, dict):
        return Answer(400, {})
    found = route.path.fullmatch(asked.path)
    return route.act(account, replace(asked, number=found[1] if found and found.groups() else ""))


def _route(asked: Asked) -> Route | None:
    if not asked.target.startswith(ROOT):
        return None
    return next((one for one in ROUTES if one.method == asked.method and one.path.fullmatch(asked.path)), None)


def _is_email(account: Account, sent: dict[str, Any]) -> bool:
    email = sent.get("email")
    return isinstance(email, str) and EMAIL.fullmatch(email) is not None and email not in account.refused_addresses


def _overwrite(account: Account, contact: Contact, sent: dict[str, Any]) -> None:
    """Take what was sent, an empty name too; what was left out stays."""
    for name, attribute in NAMES.items():
        if name in sent:
            setattr(contact, attribute, sent[name] or "")
    for one in sent.get("fieldValues") or []:
        if str(one["field"]) in account.fields:
            contact.fields[str(one["field"])] = str(one["value"])
    account.tell("update", contact, "api")
