"""The JSON of ActiveCampaign's API v3, as documented.

Ids, totals and statuses are text when read. What a write returns of what it was sent keeps the type it was sent in,
and the field values of a write carry numbers.
"""

from dataclasses import dataclass
from typing import Any

from .activecampaign_account import SUBSCRIBED, UNSUBSCRIBED, Account, Contact

LINKS = "https://account.api.example/api/3"
EMAIL_POINTER = "/data/attributes/email"


@dataclass(frozen=True)
class Answer:
    """A status and what goes out as JSON."""

    status: int
    body: Any


def short_contact_object(contact: Contact) -> dict[str, Any]:
    """Return the contact as a write that made it shows it."""
    return {
        "email": contact.email,
        "phone": contact.phone,
        "firstName": contact.first_name,
        "lastName": contact.last_name,
        "email_empty": False,
        "cdate": contact.cdate,
        "udate": contact.cdate,
        "orgid": "",
        "orgname": "",
        "links": _links(contact),
        "id": contact.id,
    }


def contact_object(contact: Contact) -> dict[str, Any]:
    """Return the contact as every other call shows it; it tells no list status."""
    return short_contact_object(contact) | {
        "orgid": "0",
        "ip": "0",
        "ua": None,
        "hash": f"{int(contact.id):032x}",
        "bounced_hard": "0",
        "bounced_soft": "0",
        "bounced_date": None,
        "deleted": "0",
        "deleted_at": None,
        "anonymized": "0",
        "created_timestamp": _plain_date(contact),
        "updated_timestamp": _plain_date(contact),
        "scoreValues": [],
    }


def membership_objects(contact: Contact) -> list[dict[str, Any]]:
    """Return all memberships of a contact."""
    return [membership_object(contact, number) for number in contact.lists]


def membership_object(contact: Contact, number: int) -> dict[str, Any]:
    """Return one membership, everything as text."""
    status = contact.lists[number]
    return {
        "contact": contact.id,
        "list": str(number),
        "form": None,
        "seriesid": "0",
        "sdate": contact.cdate if status == SUBSCRIBED else None,
        "udate": contact.left_at.get(number) if status == UNSUBSCRIBED else None,
        "status": str(status),
        "responder": "1",
        "sync": "0",
        "unsubreason": "",
        "campaign": None,
        "message": None,
        "first_name": contact.first_name,
        "last_name": contact.last_name,
        "sourceid": str(contact.sources.get(number, 0)),
        "created_timestamp": _plain_date(contact),
        "updated_timestamp": _plain_date(contact),
        "id": f"{contact.id}{number:03}",
    }


def field_objects(contact: Contact) -> list[dict[str, Any]]:
    """Return the field values as read: text."""
    return [{"contact": contact.id, "field": name, "value": value} for name, value in contact.fields.items()]


def echoed_fields(contact: Contact, sent: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the field values as a write shows them: ids as numbers."""
    number = int(contact.id)
    return [
        {"contact": number, "field": int(one["field"]), "value": one["value"], "owner": number}
        for one in sent.get("fieldValues") or []
    ]


def list_object(account: Account, number: int) -> dict[str, Any]:
    """Return one list."""
    name = account.list_names[number]
    return {
        "stringid": name.lower().replace(" ", "-"),
        "userid": "1",
        "name": name,
        "cdate": "2026-01-02T03:04:05-06:00",
        "udate": None,
        "private": "0",
        "deletestamp": None,
        "subscriber_count": None,
        "links": {},
        "id": str(number),
    }


def message(status: int, text: str) -> Answer:
    """Return an error of the one-line kind."""
    return Answer(status, {"message": text})


def no_subscriber(number: object) -> Answer:
    """Return the answer for an unknown contact."""
    return message(404, f"No Result found for Subscriber with id {number}")


def no_list(number: object) -> Answer:
    """Return the answer for an unknown list."""
    return message(404, f"No Result found for _List with id {number}")


def refused(title: str, code: str, pointer: str, error: str = "") -> Answer:
    """Return an error of the validating kind."""
    shape: dict[str, Any] = {"title": title, "detail": "", "code": code, "source": {"pointer": pointer}}
    return Answer(422, {"errors": [shape | ({"error": error} if error else {})]})


def invalid_email() -> Answer:
    """Return the answer for something that is no e-mail address."""
    title = "Contact Email Address is not valid."
    return refused(title, "email_invalid", EMAIL_POINTER, "must_be_valid_email_address")


def duplicate() -> Answer:
    """Return the answer for an address another contact has."""
    return refused("Email address already exists in the system.", "duplicate", EMAIL_POINTER)


def _links(contact: Contact) -> dict[str, str]:
    parts = ("contactLists", "fieldValues", "contactTags", "bounceLogs")
    return {part: f"{LINKS}/contacts/{contact.id}/{part}" for part in parts}


def _plain_date(contact: Contact) -> str:
    return contact.cdate[:19].replace("T", " ")
