"""Who may be the same customer as another: one who is about to be added, or who stands here twice already.

Addresses, phones and business ids are compared as they are kept; names without case, accents, legal forms and one
slip of the finger. Adds who is nobody of these, and changes nothing else.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from consent_service.database import one_at_a_time
from consent_service.language import mark
from consent_service.ledger.evidence import Occasion
from consent_service.models.customers import customer
from consent_service.register import customers
from consent_service.register.customers import Details

MOST_SHOWN = 6
SHORTEST_WITH_SLIP = 6  # in a shorter name another letter is another name
LEGAL_FORMS = {"oy", "oyj", "ab", "abp", "ky", "kb", "ay", "tmi", "osk", "ry", "rf", "ltd", "gmbh", "inc"}
SAME_BUSINESS_ID, SAME_EMAIL, SAME_PHONE = (
    mark("same business id"),
    mark("same e-mail address"),
    mark("same phone number"),
)
SAME_NAME_AND_CITY, SIMILAR_NAME = mark("same name and town"), mark("similar name")
ACCENTS, WORDS = re.compile("[\u0300-\u036f]"), re.compile(r"[^\W_]+")
MOST_FOLDED_AWAY = 8  # letters: a legal form, an "and", hyphens
_NAMED = (customer.c.id, customer.c.company_name, customer.c.first_name, customer.c.last_name, customer.c.city)
_PERSON = func.coalesce(customer.c.first_name, "") + " " + func.coalesce(customer.c.last_name, "")
_LENGTH = func.length(func.coalesce(customer.c.company_name, _PERSON))


@dataclass(frozen=True)
class Likeness:
    """A customer who may be the same, and why, the strongest reason first."""

    customer: Row[Any]
    reasons: Sequence[str]


def add_unless_known(
    connection: Connection, occasion: Occasion, details: Details, staff_name: str, ruled_out: Collection[str]
) -> str | list[Likeness]:
    """Take a customer into the register and return the id; else those who may be the same, and nothing is done.

    `ruled_out` are the numbers of customers of whom somebody has said that they are others.
    """
    one_at_a_time(connection, "add a customer")
    alike = similar(connection, details)
    if any(str(one.customer.number) not in ruled_out for one in alike):
        return alike
    return customers.add(connection, occasion, details, staff_name)


def similar(connection: Connection, details: Details, but: str | None = None) -> list[Likeness]:
    """Return the customers who may be the same as somebody with these details, the likeliest first."""
    reasons: dict[str, list[str]] = {}
    for customer_id, reason in (*_same_contact(connection, details), *_same_name(connection, details)):
        if customer_id != but:
            reasons.setdefault(customer_id, []).append(reason)
    found = {row.id: row for row in connection.execute(select(customer).where(customer.c.id.in_(list(reasons))))}
    return [Likeness(found[customer_id], why) for customer_id, why in reasons.items()][:MOST_SHOWN]


def folded(name: str) -> str:
    """Return a name as it is compared: letters and digits without case or accents, a company's without legal form."""
    bare = name if name.isascii() else ACCENTS.sub("", unicodedata.normalize("NFKD", name))
    words = WORDS.findall(bare.casefold())
    return " ".join(sorted(word for word in words if word not in LEGAL_FORMS) or words)


def is_within_a_slip(one: str, other: str) -> bool:
    """Whether two names are the same but for one letter added, left out, mistaken, or two of them swapped."""
    if one == other:
        return True
    if abs(len(one) - len(other)) > 1 or min(len(one), len(other)) < SHORTEST_WITH_SLIP:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    left, right = one[start:], other[start:]
    while left and right and left[-1] == right[-1]:
        left, right = left[:-1], right[:-1]
    return max(len(left), len(right)) <= 1 or (len(left) == 2 and left == right[::-1])


def _same_contact(connection: Connection, details: Details) -> Iterator[tuple[str, str]]:
    known = {
        "business_id": (details.business_id, SAME_BUSINESS_ID),
        "email_key": (details.address.key if details.address else None, SAME_EMAIL),
        "phone": (details.phone, SAME_PHONE),
    }
    wanted = {name: given for name, given in known.items() if given[0]}
    if not wanted:
        return
    any_of = or_(*(customer.c[name] == value for name, (value, _) in wanted.items()))
    rows = connection.execute(select(customer).where(any_of).order_by(customer.c.number)).all()
    for name, (value, reason) in wanted.items():
        yield from ((row.id, reason) for row in rows if getattr(row, name) == value)


def _same_name(connection: Connection, details: Details) -> list[tuple[str, str]]:
    mine, city = _name(details), folded(details.city or "")
    alike, length = [], len(mine)
    near = _LENGTH.between(length - 1, length + 1 + MOST_FOLDED_AWAY) | (len(_spelt(details)) == _LENGTH)
    for row in connection.execute(
        select(*_NAMED).where(near, customer.c.erased_at.is_(None)).order_by(customer.c.number)
    ):
        theirs = _name(row)
        if abs(len(theirs) - len(mine)) <= 1 and is_within_a_slip(mine, theirs):
            is_same = theirs == mine and city and folded(row.city or "") == city
            alike.append((row.id, SAME_NAME_AND_CITY if is_same else SIMILAR_NAME))
    return sorted(alike, key=lambda found: found[1] != SAME_NAME_AND_CITY)


def _name(one: Any) -> str:
    return folded(_spelt(one))


def _spelt(one: Any) -> str:
    return str(one.company_name or f"{one.first_name or ''} {one.last_name or ''}")
