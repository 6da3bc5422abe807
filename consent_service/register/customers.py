"""Customers: added, changed, found, and made passive or active again.

A customer is no subscriber: the newsletter follows a consent of its own, which only the person gives. What belongs to
a customer in the rest of the register stands in files beside this one. Must not commit, read a clock or send anything.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, or_, select, update

from consent_service.database import insert_if_absent
from consent_service.language import mark
from consent_service.ledger import vault
from consent_service.ledger.evidence import Occasion
from consent_service.ledger.vault import Vault, VaultRefused
from consent_service.models.customers import customer, customer_key, customer_number, former_number
from consent_service.paging import Found, page_of
from consent_service.people import Address, comparable

CONSUMER, COMPANY = "consumer", "company"
KINDS = {CONSUMER: mark("Consumer"), COMPANY: mark("Company")}
COMPANY_ONLY = (  # what is not known of a consumer
    "company_name", "business_id", "billing_email", "billing_address", "billing_reference", "einvoice_address",
    "einvoice_operator",
)  # fmt: skip
SOURCES = {
    "meeting": mark("Meeting"),
    "contract": mark("Contract"),
    "text_message": mark("Text message"),
    "email": mark("E-mail"),
    "phone": mark("Phone"),
    "social_media": mark("Social media message"),
    "contact_form": mark("Contact form"),
    "other": mark("Other"),
}
STATUSES = {"active": mark("Active"), "passive": mark("Passive")}
FIRST_NUMBER, LONGEST_NUMBER = 1001, 9
LONGEST_SEARCHED = 2000
_SEARCHED = ("company_name", "business_id", "first_name", "last_name", "email", "phone", "city", "street")


@dataclass(frozen=True, kw_only=True)
class Details:
    """What is known of a customer, each part already read: phone as E.164, business id as `1234567-8`."""

    kind: str
    source: str
    language: str
    company_name: str | None = None
    business_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    address: Address | None = None
    street: str | None = None
    postal_code: str | None = None
    city: str | None = None
    country: str | None = None
    billing_email: str | None = None
    billing_address: str | None = None
    billing_reference: str | None = None
    einvoice_address: str | None = None
    einvoice_operator: str | None = None
    source_note: str | None = None
    notes: str | None = None


@dataclass(frozen=True)
class Search:
    """What staff look for: words, a kind and a status or None for all, and the page from 1."""

    words: str
    kind: str | None = None
    status: str | None = None
    page: int = 1


def add(connection: Connection, occasion: Occasion, details: Details, staff_name: str) -> str:
    """Take a customer into the register under the next number, and return the id."""
    customer_id, number = str(uuid.uuid4()), next_number(connection)
    values = values_of(details, number) | {
        "id": customer_id,
        "number": number,
        "status": "active",
        "created_at": occasion.now,
        "created_by": staff_name,
        "changed_at": occasion.now,
    }
    connection.execute(insert(customer).values(values))
    return customer_id


def next_number(connection: Connection) -> int:
    """Take the next customer number; two at once get two."""
    insert_if_absent(connection, customer_number, {"id": 1, "next": FIRST_NUMBER})
    taken = update(customer_number).values(next=customer_number.c.next + 1).returning(customer_number.c.next)
    following: int = connection.execute(taken).scalar_one()
    return following - 1


def change(
    connection: Connection, occasion: Occasion, customer_id: str, details: Details, seen: datetime | None = None
) -> bool:
    """Write anew what is known of a customer; False, and nothing done, when they are restricted or erased.

    With `seen`, the `changed_at` of what was looked at, also when somebody else has changed them since.
    """
    number = select(customer.c.number).where(customer.c.id == customer_id)
    known = connection.execute(number).scalar_one_or_none()
    if known is None:
        return False
    values = values_of(details, known) | {"changed_at": occasion.now}
    wanted = [_is(customer_id), customer.c.restricted_at.is_(None)]
    wanted += [customer.c.changed_at == seen] if seen else []
    return connection.execute(update(customer).where(*wanted).values(values)).rowcount == 1


def find(connection: Connection, customer_id: str) -> Row[Any] | None:
    """Return one customer, or None; of an erased one nothing but the number is left."""
    return connection.execute(select(customer).where(customer.c.id == customer_id)).one_or_none()


def of_number(connection: Connection, number: str) -> Row[Any] | None:
    """Return the customer with a number as it was typed, or the one whom its owner was merged into; None for nobody."""
    if not (number.isascii() and number.isdigit() and len(number) <= LONGEST_NUMBER):
        return None
    led = select(former_number.c.customer_id).where(former_number.c.number == int(number))
    mine = or_(customer.c.number == int(number), customer.c.id.in_(led)) & customer.c.erased_at.is_(None)
    return connection.execute(select(customer).where(mine)).one_or_none()


def of_address(connection: Connection, email_key: str) -> Sequence[Row[Any]]:
    """Return the customers with an address, by number."""
    mine = select(customer).where(customer.c.email_key == email_key)
    return connection.execute(mine.order_by(customer.c.number)).all()


def search(connection: Connection, asked: Search) -> Found:
    """Return a page of the customers that have all the words, by name."""
    conditions = wanted(asked)
    counted = select(func.count()).select_from(customer).where(*conditions)
    name = func.coalesce(customer.c.company_name, customer.c.last_name)
    listed = select(customer.c.id).where(*conditions)
    listed = listed.order_by(func.lower(name), customer.c.first_name, customer.c.number)
    found = page_of(connection, counted, listed, asked.page)  # of ids: with their notes, thousands are slow to sort
    shown = customer.c.id.in_([row.id for row in found.rows])
    rows = {row.id: row for row in connection.execute(select(customer).where(shown))}
    return Found([rows[row.id] for row in found.rows], found.total, found.page)


def wanted(asked: Search) -> list[ColumnElement[bool]]:
    """Return what a customer who is looked for fulfils, as conditions."""
    conditions: list[ColumnElement[bool]] = [customer.c.erased_at.is_(None)]
    conditions += [_has(word) for word in comparable(asked.words).split()]
    return conditions + [customer.c[name] == value for name in ("kind", "status") if (value := getattr(asked, name))]


def make_passive(connection: Connection, occasion: Occasion, customer_id: str) -> None:
    """Note that there is nothing more between the customer and the company; the ten years begin."""
    values = {"status": "passive", "passive_since": occasion.now, "changed_at": occasion.now}
    usable = (_is(customer_id), customer.c.status == "active", customer.c.restricted_at.is_(None))
    connection.execute(update(customer).where(*usable).values(values))


def make_active(connection: Connection, occasion: Occasion, customer_id: str) -> None:
    """Note that there is something again."""
    values = {"status": "active", "passive_since": None, "changed_at": occasion.now}
    connection.execute(update(customer).where(_is(customer_id), customer.c.restricted_at.is_(None)).values(values))


def restrict(connection: Connection, occasion: Occasion, customer_id: str, reason: str) -> None:
    """Keep a customer's data and do nothing else with it until that is lifted (GDPR article 18)."""
    values = {"restricted_at": occasion.now, "restriction_reason": reason, "changed_at": occasion.now}
    open_ = (_is(customer_id), customer.c.restricted_at.is_(None))
    connection.execute(update(customer).where(*open_).values(values))


def lift(connection: Connection, occasion: Occasion, customer_id: str) -> None:
    """Let the data be used again."""
    values = {"restricted_at": None, "restriction_reason": None, "changed_at": occasion.now}
    connection.execute(update(customer).where(_is(customer_id)).values(values))


def key_of(connection: Connection, keys: Vault, customer_id: str) -> bytes:
    """Return the key under which a customer's files are encrypted, made when the first one needs it."""
    key = vault.new_person_key()
    values = {"customer_id": customer_id, "wrapped": keys.wrap(key, customer_id)}
    return key if insert_if_absent(connection, customer_key, values) else known_key(connection, keys, customer_id)


def known_key(connection: Connection, keys: Vault, customer_id: str) -> bytes:
    """Return the key under which a customer's files are encrypted; raises VaultRefused when it is gone."""
    mine = select(customer_key.c.wrapped).where(customer_key.c.customer_id == customer_id)
    wrapped = connection.execute(mine).scalar_one_or_none()
    if wrapped is None:
        raise VaultRefused("the key of this customer is gone")
    return keys.unwrap(wrapped, customer_id)


def name_of(row: Any) -> str:
    """Return what a customer is called: a company by its name, a person by both of theirs."""
    return str(row.company_name or " ".join(filter(None, (row.first_name, row.last_name))))


def search_text(values: Mapping[str, Any], number: int) -> str:
    """Return all that a customer is found by; a phone number by its Finnish form too."""
    parts = [str(number), *(str(values[name]) for name in _SEARCHED if values.get(name))]
    if phone := values.get("phone"):
        parts.append(re.sub(r"^\+358", "0", phone))
    return comparable("\n".join(parts))[:LONGEST_SEARCHED]  # some letters are more than one without case


def _has(word: str) -> ColumnElement[bool]:
    """Whether a customer has a word, or was merged with the one who had this number."""
    has_word = customer.c.search_text.contains(word, autoescape=True)
    if not (word.isascii() and word.isdigit() and len(word) <= LONGEST_NUMBER):
        return has_word
    led = select(former_number.c.customer_id).where(former_number.c.number == int(word))
    return or_(has_word, customer.c.id.in_(led))


def _is(customer_id: str) -> Any:
    return (customer.c.id == customer_id) & customer.c.erased_at.is_(None)


def values_of(details: Details, number: int) -> dict[str, Any]:
    """Return the columns of a customer that hold what is known of them."""
    values = asdict(details)
    address = values.pop("address")
    values |= {"email": address["email"] if address else None, "email_key": address["key"] if address else None}
    return values | {"search_text": search_text(values, number)}
