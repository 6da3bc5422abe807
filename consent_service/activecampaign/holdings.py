"""What an ActiveCampaign account holds about one contact, read part by part (GDPR article 15).

A part that cannot be read is named with the reason, and the rest still comes. What is read is somebody else's text:
cut to a size, freed of what no file could hold, and never believed to be about the person unless it says so. Must not
query the database, change anything there, or log what it reads.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any
from urllib.parse import quote

from consent_service.activecampaign.calls import PAGE, Calls, Ended, by_address, is_of, part
from consent_service.activecampaign.pacing import CallBudget
from consent_service.delivery.outbox import Delivered, Hold, Outcome, Retry
from consent_service.language import mark

TRIES = 3  # an account answers 403 or 5xx now and then for no reason that lasts
MOST_SILENT = 2  # when more parts than these get no answer, it is the line and not the parts
MOST_PAGES, MOST_TAGS = 20, 30
LARGEST_WHOLE = 4 * 1024 * 1024
DEEPEST = 8
UNAVAILABLE, UNREADABLE, REFUSED, SILENT, UNSURE = "unavailable", "unreadable", "refused", "silent", "unsure"
REASONS = {
    UNAVAILABLE: mark("not available in our account"),
    UNREADABLE: mark("the answer could not be read"),
    REFUSED: mark("ActiveCampaign did not hand it out"),
    SILENT: mark("ActiveCampaign did not answer in time"),
    UNSURE: mark("it could not be told whether it is about this person"),
}


@dataclass(frozen=True)
class Part:
    """One call's worth: its name there, what people call it, the key of its answer, and its path if not the usual.

    With `by_filter` the whole account's rows come back when the filter is ignored, so each row has to name the contact.
    """

    name: str
    title: str
    key: str = ""
    path: str = ""
    by_filter: bool = False

    def page(self, contact_id: str, number: int) -> str:
        """Return the path of a page, from 0."""
        path = self.path.format(id=contact_id) or f"contacts/{contact_id}/{self.name}"
        return f"{path}{'&' if '?' in path else '?'}limit={PAGE}&offset={number * PAGE}"


CONTACT = Part("contact", mark("Contact details"))
PARTS = (
    Part("contactLists", mark("Mailing lists")),
    Part("fieldValues", mark("Fields of the company's own")),
    Part("contactTags", mark("Tags")),
    Part("contactAutomations", mark("Automations")),
    Part("automationEntryCounts", mark("How often automations were entered")),
    Part("contactGoals", mark("Goals reached in automations")),
    Part("scoreValues", mark("Scores")),
    Part("bounceLogs", mark("Messages that came back")),
    Part("trackingLogs", mark("Visits to the web site")),
    Part("contactLogs", mark("Log entries")),
    Part("contactData", mark("Place, device and social media"), key="contactDatum"),
    Part("geoIps", mark("Places by network address")),
    Part("notes", mark("Notes")),
    Part("plusAppend", mark("Details added from elsewhere")),
    Part("organization", mark("Organisation")),
    Part("accountContacts", mark("Customer accounts")),
    Part("contactDeals", mark("Parts in deals")),
    Part("deals", mark("Deals")),
    Part("activities", mark("Activity feed"), path="activities?contact={id}&orders[tstamp]=DESC", by_filter=True),
    Part("emailActivities", mark("E-mails"), path="emailActivities?filters[subscriberid]={id}", by_filter=True),
)
TITLES = {one.name: one.title for one in (CONTACT, *PARTS)}
# What the ids in a part stand for: the part, the key of the id, the call, and where its answer has the word.
WORDS = (
    ("contactLists", "list", f"lists?limit={PAGE}", "lists", "name"),
    ("fieldValues", "field", f"fields?limit={PAGE}", "fields", "title"),
)


@dataclass(frozen=True)
class Fetch:
    """Whom to read: the id the contact had last, and the person's addresses, the one of now first."""

    contact_id: str | None
    emails: tuple[str, ...]


@dataclass(frozen=True)
class Holdings:
    """What was read: rows by part, the reason by missing part, parts that go on, and words for ids.

    Without a `contact_id` the account has no contact with the person's address.
    """

    contact_id: str | None = None
    parts: Mapping[str, Any] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    cut: tuple[str, ...] = ()
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Fetched(Delivered):
    """The answer to a Fetch."""

    found: Holdings = Holdings()


class Missing(Exception):
    """A part could not be read; `reason` is one of REASONS, `ended` the call's own end if it had one."""

    def __init__(self, reason: str, ended: Ended | None = None):
        self.reason, self.ended = reason, ended


class Reader:
    """Reads what one account holds. Every call takes its turn in the shared budget; a wish to stop ends it at once."""

    def __init__(self, calls: Calls, budget: CallBudget):
        self._calls = calls
        self._budget = budget

    def close(self) -> None:
        """Close the connection kept open."""
        self._calls.close()

    def deliver(self, fetch: Fetch) -> Outcome:
        """Read everything about the person; returns Fetched, Retry, Rejected, or Hold when the relay stops."""
        try:
            return Fetched(found=self._read(fetch))
        except Ended as ended:
            return ended.outcome

    def _read(self, fetch: Fetch) -> Holdings:
        contact = self._contact(fetch)  # this call also brings the activity feed there up to date
        if contact is None:
            return Holdings()
        contact_id, parts, missing, cut = str(contact["id"]), {CONTACT.name: [_plain(contact)]}, {}, []
        for one in PARTS:
            try:
                parts[one.name], is_whole = self._part(one, contact_id, LARGEST_WHOLE - _size(parts))
            except Missing as missed:
                missing[one.name] = missed.reason
                if missed.ended and list(missing.values()).count(SILENT) > MOST_SILENT:
                    raise missed.ended from None
            else:
                cut += [] if is_whole else [one.name]
        return Holdings(contact_id, parts, missing, tuple(cut), self._words(parts))

    def _contact(self, fetch: Fetch) -> dict[str, Any] | None:
        """The contact by its id if it still has an address of theirs, else by the address of now."""
        if fetch.contact_id and (found := self._by_id(fetch.contact_id)) and is_of(found, *fetch.emails):
            return found
        email = fetch.emails[0]
        known = by_address(self._call(f"contacts?email={quote(email, safe='')}")[1], email)
        found = self._by_id(str(known["id"])) if known else None
        return found if found and is_of(found, email) else None

    def _by_id(self, contact_id: str) -> dict[str, Any] | None:
        status, body = self._call(f"contacts/{quote(contact_id, safe='')}")
        if status != 404 and not part(body, "contact"):
            raise Ended(Retry("ActiveCampaign's answer to a question about a contact cannot be read"))
        return part(body, "contact") or None

    def _part(self, one: Part, contact_id: str, room: int) -> tuple[list[Any], bool]:
        """The rows of a part, and whether these are all of them."""
        kept: list[Any] = []
        page: list[Any] = []
        for number in range(MOST_PAGES):
            body, last = self._ask(one.page(contact_id, number)), page
            page = _rows(body, one)
            if number and page == last:  # the offset was not heard: the same rows again
                return kept, (_total(body) or 0) <= len(kept)
            if one.by_filter and not all(_names(row, contact_id) for row in page):
                raise Missing(UNSURE)
            if _size(page) > room - _size(kept):
                return kept, False
            kept += page
            if _is_last(body, page, len(kept)):
                return kept, True
        return kept, False

    def _ask(self, path: str) -> dict[str, Any]:
        """The answer to a call for a part; raises Missing after some tries, Ended for what concerns every part."""
        missed = Missing(UNREADABLE)
        for _ in range(TRIES):
            try:
                status, body = self._call(path)
            except Ended as ended:
                missed = _missed(ended)
            else:
                if status == 404:
                    raise Missing(UNAVAILABLE)
                if isinstance(body, dict):
                    return body
                missed = Missing(UNREADABLE)
        raise missed

    def _call(self, path: str) -> tuple[int, Any]:
        if self._budget.is_stopping():
            raise Ended(Hold(self._budget.now(), "the relay was stopped before its turn to call"))
        return self._calls.call("GET", path)

    def _words(self, parts: Mapping[str, Any]) -> dict[str, dict[str, str]]:
        """What lists, fields and tags are called there; without their names the ids have to do."""
        found = {}
        for name, key, path, plural, word in WORDS:
            if parts.get(name):
                found[key] = {str(row.get("id")): str(row.get(word)) for row in self._optional(path, plural)}
        tags = {str(row.get("tag")) for row in parts.get("contactTags", ())}
        known = sorted(tag for tag in tags if re.fullmatch(r"[0-9]{1,20}", tag))[:MOST_TAGS]
        found["tag"] = {tag: str(row.get("tag")) for tag in known for row in self._optional(f"tags/{tag}", "tag")}
        return found

    def _optional(self, path: str, key: str) -> list[dict[str, Any]]:
        try:
            return _rows(self._ask(path), Part(key, ""))
        except Missing:
            return []


def _missed(ended: Ended) -> Missing:
    if isinstance(ended.outcome, Hold) or ended.status == 429:
        raise ended
    if ended.status is None:
        return Missing(SILENT, ended)
    return Missing(UNAVAILABLE if ended.status == 403 else REFUSED, ended)


def _rows(body: dict[str, Any], one: Part) -> list[dict[str, Any]]:
    """What an answer holds under the part's own key, and nothing it brings along: that may be about somebody else."""
    found = body.get(one.key or one.name, ...)
    if found is None or isinstance(found, dict):
        return [_plain(found)] if found else []
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise Missing(UNREADABLE)
    return [_plain(row) for row in found]


def _is_last(body: dict[str, Any], page: list[Any], seen: int) -> bool:
    """Whether no page follows; an answer need not say how many rows there are."""
    total = _total(body)
    return len(page) < PAGE if total is None else seen >= total or not page


def _total(body: dict[str, Any]) -> int | None:
    told = str(part(body, "meta").get("total"))
    return int(told) if re.fullmatch(r"[0-9]{1,9}", told) else None


def _names(row: dict[str, Any], contact_id: str) -> bool:
    """Whether a row says that it is about this contact and about nobody else."""
    named = {str(row[key]) for key in ("contact", "subscriber", "subscriberid") if row.get(key)}
    return named == {contact_id}


def _size(rows: object) -> int:
    return len(json.dumps(rows))


def _plain(value: Any, key: str = "", depth: int = 0) -> Any:
    """A value that every file can hold: no links to other calls, and network addresses as people write them."""
    match value:
        case dict() | list() if depth >= DEEPEST:
            return "…"
        case dict():
            return {_text(name): _plain(one, name, depth + 1) for name, one in value.items() if name != "links"}
        case list():
            return [_plain(one, key, depth + 1) for one in value]
        case float() if not math.isfinite(value):
            return str(value)
        case str() | int() if re.fullmatch(r"ip|.*ip4.*", key, re.IGNORECASE) and _is_address(value):
            return str(IPv4Address(int(value)))
        case str():
            return _text(value)
    return value


def _is_address(value: str | int) -> bool:
    """Whether this is an IPv4 address written as one number, as they are stored there."""
    return re.fullmatch(r"[1-9][0-9]{0,9}", str(value)) is not None and int(value) < 2**32


def _text(value: str) -> str:
    """Text without halves of characters, which JSON can name but no file can hold."""
    return value.encode("utf-8", "replace").decode()
