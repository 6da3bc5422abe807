"""What the account at ActiveCampaign has to have once: the field for people's own links, and the webhook.

Nothing there can be made twice safely, so everything is looked for first and a lost answer is answered by looking
again. Must not print or log the webhook's address: it holds a secret.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from consent_service.activecampaign import own_link
from consent_service.activecampaign.calls import Calls, pages, rows

HOOK_NAME = "Consent Service"
EVENTS = ("subscribe", "unsubscribe", "bounce", "update")
SOURCES = ("public", "admin", "system")  # never "api": those are this service's own calls


class SetupRefused(Exception):
    """The account cannot be set up as it is; the text says what to do there."""


@dataclass(frozen=True)
class Wanted:
    """What the account is to have: for which list, and a webhook that calls `hooks_at` with the secret at its end.

    Without a secret, or where `hooks_at` is not https on port 443, which ActiveCampaign wants, there is no webhook.
    """

    list_id: int
    hooks_at: str
    secret: str

    @property
    def hears(self) -> bool:
        """Whether there is to be a webhook."""
        place = urlsplit(self.hooks_at)
        return bool(self.secret) and place.scheme == "https" and place.port in (None, 443)

    def hook(self) -> dict[str, Any]:
        """Return the webhook as ActiveCampaign takes it."""
        url = self.hooks_at + self.secret
        how = {"name": HOOK_NAME, "url": url, "events": list(EVENTS), "sources": list(SOURCES)}
        return how | {"listid": self.list_id}


def missing(calls: Calls, wanted: Wanted) -> list[str]:
    """Return what the account lacks, each in a few words; raises Ended."""
    field, lacks = own_link.find_field(calls), []
    if field is None:
        lacks.append("the field for people's own unsubscribe links")
    elif not field.is_shown_for(wanted.list_id):
        lacks.append("the field for people's own unsubscribe links, shown for the list")
    if wanted.hears:
        ours = _ours(calls, wanted)
        if not ours:
            lacks.append("the webhook")
        elif len(ours) > 1 or not _is_right(ours[0], wanted):
            lacks.append("the webhook as it should be")
    return lacks


def set_up(calls: Calls, wanted: Wanted) -> Iterator[str]:
    """Make what is missing and put right what is wrong; yields what was done. Raises Ended and SetupRefused."""
    yield from _make_field(calls, wanted)
    if wanted.hears:
        yield from _make_webhook(calls, wanted)


def _make_field(calls: Calls, wanted: Wanted) -> Iterator[str]:
    field = own_link.find_field(calls)
    if field is None:
        shape = {"type": "text", "title": own_link.TITLE, "perstag": own_link.PERSTAG, "visible": 1}
        status, _ = calls.call("POST", "fields", {"field": shape}, is_taken=True)
        field = own_link.find_field(calls)
        if field is None and status == 422:
            raise SetupRefused(
                f'another field there is called "{own_link.TITLE}"; give it the personalization tag '
                f"{own_link.PERSTAG}, or another name"
            )
        if field is None:
            raise SetupRefused("the new field cannot be found there yet; wait a minute")
        yield f"made the field {own_link.TITLE}"
    if not field.is_shown_for(wanted.list_id):
        calls.call("POST", "fieldRels", {"fieldRel": {"field": field.id, "relid": int(own_link.EVERY_LIST)}})
        yield f"had the field {own_link.TITLE} shown"


def _make_webhook(calls: Calls, wanted: Wanted) -> Iterator[str]:
    ours = sorted(_ours(calls, wanted), key=lambda one: not _is_right(one, wanted))  # a right one is kept
    if not ours:
        calls.call("POST", "webhooks", {"webhook": wanted.hook()})
        yield "made the webhook"
    elif not _is_right(ours[0], wanted):
        calls.call("PUT", _place(ours[0]), {"webhook": wanted.hook()})
        yield "put the webhook right"
    for extra in ours[1:]:
        calls.call("DELETE", _place(extra))
        yield "deleted a second webhook to this service"


def _ours(calls: Calls, wanted: Wanted) -> list[dict[str, Any]]:
    """Every webhook to this service, also with the secret it had before."""
    everything = (one for page in pages(calls, "webhooks") for one in rows(page, "webhooks"))
    return [one for one in everything if isinstance(one, dict) and _is_ours(one, wanted)]


def _is_ours(one: dict[str, Any], wanted: Wanted) -> bool:
    has_id = re.fullmatch(r"[0-9]{1,20}", str(one.get("id")))
    return bool(has_id) and str(one.get("url")).startswith(wanted.hooks_at)


def _is_right(one: dict[str, Any], wanted: Wanted) -> bool:
    events, sources = one.get("events"), one.get("sources")
    if not isinstance(events, list) or not isinstance(sources, list):
        return False
    is_same = {*map(str, events)} == {*EVENTS} and {*map(str, sources)} == {*SOURCES}
    return (
        is_same and one.get("url") == wanted.hooks_at + wanted.secret and str(one.get("listid")) == str(wanted.list_id)
    )


def _place(one: dict[str, Any]) -> str:
    return f"webhooks/{quote(str(one['id']), safe='')}"
