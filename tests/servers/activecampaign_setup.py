"""What is prepared once in an ActiveCampaign account: custom fields, where they are shown, and webhooks.

Titles of fields are there once. A field is shown nowhere until it has a relation. Nothing here can be repeated
safely: a second POST makes a second webhook.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .activecampaign_account import Account, CustomField
from .activecampaign_shapes import Answer, message, refused
from .activecampaign_webhooks import EVENTS, SOURCES, Webhook

if TYPE_CHECKING:
    from .activecampaign_answers import Asked

TYPES = ("text", "textarea", "date", "datetime", "dropdown", "listbox", "radio", "checkbox", "hidden", "NULL")
PAGE, LONGEST_PAGE = 20, 100


def fields(account: Account, asked: Asked) -> Answer:
    """Return one page of fields with their relations."""
    wanted = "" if account.ignores_field_filters else asked.query.get("filters[perstag]", "")
    found = [one for one in account.fields.values() if wanted in ("", one.perstag)]
    shown, total = _page(found, asked.query)
    relations = [_relation(one, relid) for one in shown for relid in one.relids]
    return Answer(200, {"fieldOptions": [], "fieldRels": relations, "fields": [*map(_object, shown)]} | total)


def make_field(account: Account, asked: Asked) -> Answer:
    """Make a field, shown nowhere yet."""
    sent = asked.part("field")
    title, kind = str(sent.get("title") or ""), sent.get("type")
    if not title or kind not in TYPES:
        return refused("Missing attribute", "missing", "/data/attributes/title")
    if any(one.title.lower() == title.lower() for one in account.fields.values()):
        return refused("The title is taken.", "duplicate", "/data/attributes/title")
    perstag = str(sent.get("perstag") or title).upper().replace(" ", "_")
    made = account.put_field(title, perstag, str(kind), visible=str(int(sent.get("visible", 1))))
    return Answer(201, {"field": _object(made)})


def make_relation(account: Account, asked: Asked) -> Answer:
    """Show a field for a list, or with `relid` 0 for all."""
    sent = asked.part("fieldRel")
    made = account.fields.get(str(sent.get("field")))
    if made is None:
        return message(404, f"No Result found for Field with id {sent.get('field')}")
    made.relids.append(str(sent.get("relid", "")))
    return Answer(201, {"fieldRel": _relation(made, made.relids[-1])})


def unknown_fields(account: Account, sent: dict[str, Any]) -> Answer | None:
    """Return the refusal of field values that belong to no field, where they are refused."""
    unknown = [one for one in sent.get("fieldValues") or [] if str(one.get("field")) not in account.fields]
    if not unknown or account.unknown_field == "ignored":
        return None
    return refused("The field does not exist.", "related_missing", "/data/attributes/field")


def webhooks(account: Account, asked: Asked) -> Answer:
    """Return one page of webhooks."""
    shown, total = _page([*account.webhooks.known.values()], asked.query)
    return Answer(200, {"webhooks": [*map(_hook_object, shown)]} | total)


def make_webhook(account: Account, asked: Asked) -> Answer:
    """Make a webhook, another one each time."""
    hook = _read(Webhook(""), asked.part("webhook"))
    if trouble := _trouble(account, hook):
        return trouble
    return Answer(201, {"webhook": _hook_object(account.webhooks.put(hook))})


def one_webhook(account: Account, asked: Asked) -> Answer:
    """Return a webhook, change it or delete it."""
    known = account.webhooks.known
    hook = known.get(asked.number)
    if hook is None:
        return message(404, f"No Result found for Webhook with id {asked.number}")
    if asked.method == "DELETE":
        del known[hook.id]
        return Answer(200, {})
    if asked.method == "PUT":
        hook = _read(hook, asked.part("webhook"))
        if trouble := _trouble(account, hook):
            return trouble
        known[hook.id] = hook
    return Answer(200, {"webhook": _hook_object(hook)})


def _read(hook: Webhook, sent: dict[str, Any]) -> Webhook:
    names = ("name", "url", "events", "sources")
    changed = {name: sent[name] for name in names if name in sent}
    return replace(hook, **changed, listid=str(sent.get("listid", hook.listid)))


def _trouble(account: Account, hook: Webhook) -> Answer | None:
    if not account.webhooks.accepts(hook.url):
        return refused("The URL is not valid.", "url_invalid", "/data/attributes/url")
    if not hook.name or not hook.events or set(hook.events) - set(EVENTS):
        return refused("The events are not valid.", "events_invalid", "/data/attributes/events")
    if not hook.sources or set(hook.sources) - set(SOURCES):
        return refused("The sources are not valid.", "sources_invalid", "/data/attributes/sources")
    return None


def _page(found: list[Any], query: dict[str, str]) -> tuple[list[Any], dict[str, Any]]:
    start, size = int(query.get("offset") or 0), min(int(query.get("limit") or PAGE), LONGEST_PAGE)
    return found[start : start + size], {"meta": {"total": str(len(found))}}


def _object(one: CustomField) -> dict[str, Any]:
    kept = {"id": one.id, "title": one.title, "type": one.type, "perstag": one.perstag, "visible": one.visible}
    return kept | {"descript": None, "isrequired": "0", "defval": None, "ordernum": one.id, "links": {}}


def _relation(one: CustomField, relid: str) -> dict[str, Any]:
    return {"id": f"{one.id}{relid}", "field": one.id, "relid": relid, "dorder": "0"}


def _hook_object(hook: Webhook) -> dict[str, Any]:
    kept = {"id": hook.id, "name": hook.name, "url": hook.url, "events": hook.events, "sources": hook.sources}
    return kept | {"listid": hook.listid, "cdate": "2026-01-02T03:04:05-06:00", "links": {}}
