"""What an ActiveCampaign account holds about one contact: the sub-resources, the activity feed, e-mails and tags.

Plausible rows as documented; the feed is empty until the contact itself has been read. Whether answers tell a total,
hear an offset or hear a filter is not written anywhere, so these are switches, and so is what each part answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .activecampaign_account import Account, Contact
from .activecampaign_shapes import Answer, field_objects, no_subscriber

if TYPE_CHECKING:
    from .activecampaign_answers import Asked

AT = "2026-10-05T08:00:00-05:00"
LINKS = {"contact": "https://account.api.example/api/3/x/1/contact"}
PAGE, LONGEST_PAGE = 20, 100
SINGLE = {"contactData": "contactDatum", "plusAppend": "plusAppend", "organization": "organization"}
TAGS = {"3": "lounas-tilaaja", "4": "webinaari"}


def _row(contact: Contact, number: str, **told: Any) -> dict[str, Any]:
    return {"contact": contact.id} | told | {"links": LINKS, "id": number}


def _tagged(contact: Contact) -> list[dict[str, Any]]:
    return [_row(contact, f"9{tag}", tag=tag, cdate=AT) for tag in TAGS]


def _bounced(contact: Contact) -> list[dict[str, Any]]:
    told = {"tstamp": AT, "email": contact.email, "campaign": "7", "message": "12", "code": "5.2.2", "error": "full"}
    return [told | {"source": "smtp", "id": "1"}]


def _placed(contact: Contact) -> list[dict[str, Any]]:
    return [_row(contact, "5", ip4="2130706433", tstamp=AT, campaignid="7", geoAddress="2")]


def _data(contact: Contact) -> dict[str, Any]:
    return _row(contact, "1", geoIp4="3232235777", geoCity="Jyväskylä", geoCountry2="FI", ga_first_visit=None)


def _sent(contact: Contact) -> list[dict[str, Any]]:
    told = {"subscriberid": contact.id, "subject": "Lokakuun kirje", "tstamp": AT, "campaignid": "7"}
    return [told | {"id": str(number)} for number in range(3)]


DEFAULTS: dict[str, Callable[[Contact], Any]] = {
    "fieldValues": field_objects,
    "contactTags": _tagged,
    "contactAutomations": lambda contact: [_row(contact, "3", automation="2", status="1", adddate=AT)],
    "automationEntryCounts": lambda contact: [{"id": "2", "name": "Tervetuloa", "contactEntryCount": "1"}],
    "bounceLogs": _bounced,
    "contactData": _data,
    "geoIps": _placed,
    "notes": lambda contact: [{"relid": contact.id, "reltype": "Subscriber", "note": "Soitti 5.10.", "id": "8"}],
    "plusAppend": lambda contact: None,
    "organization": lambda contact: None,
    "emailActivities": _sent,
}


def held_part(account: Account, asked: Asked) -> Answer:
    """Return one sub-resource of a contact."""
    contact = account.by_id(asked.number)
    if contact is None:
        return no_subscriber(asked.number)
    return _answer(account, asked, contact, asked.path.rpartition("/")[2])


def activities(account: Account, asked: Asked) -> Answer:
    """Return the activity feed: of the contact asked for, or of everybody when the filter is not heard."""
    return _filtered(account, asked, "activities", "contact")


def email_activities(account: Account, asked: Asked) -> Answer:
    """Return the e-mails of a contact, or of everybody when the filter is not heard."""
    return _filtered(account, asked, "emailActivities", "filters[subscriberid]")


def has_read(account: Account, contact: Contact) -> None:
    """The contact itself was read, which brings its feed up to date."""
    rows = [_row(contact, str(number), reference_type="Log", tstamp=AT) for number in range(2)]
    account.held.rows.setdefault((contact.id, "activities"), rows)


def _filtered(account: Account, asked: Asked, name: str, parameter: str) -> Answer:
    hears = account.held.hears_filter
    contact = account.by_id(asked.query.get(parameter)) if hears else next(iter(account.visible()), None)
    return _answer(account, asked, contact, name) if contact else Answer(200, {name: []})


def _answer(account: Account, asked: Asked, contact: Contact, name: str) -> Answer:
    trouble = account.held.troubles.get(name)
    if trouble is not None:
        return Answer(trouble, {name: "…"} if trouble == 200 else {"message": "No"})
    rows = account.held.rows.get((contact.id, name))
    if rows is None:
        rows = DEFAULTS[name](contact) if name in DEFAULTS else []
    if name in SINGLE:
        return Answer(200, {SINGLE[name]: rows, "contacts": [{"email": "somebody.else@example.com"}]})
    start, size = (_number(asked, "offset", 0) if account.held.hears_offset else 0), _number(asked, "limit", PAGE)
    total = {"meta": {"total": str(len(rows))}} if account.held.tells_total else {}
    return Answer(200, {name: rows[start : start + min(size, LONGEST_PAGE)]} | total)


def _number(asked: Asked, name: str, default: int) -> int:
    given = asked.query.get(name, "")
    return int(given) if re.fullmatch(r"\d+", given) else default
