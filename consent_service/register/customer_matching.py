"""Whether a row of a spreadsheet looks like a customer who is in the register, or like an earlier row.

The same business id, e-mail address or phone number, or the same name in the same town; or the same name under the
same number; a name is the same when it is by hand (`duplicates`). Two people may share any of these, so it is only ever
a hint. Asks the database once, at the beginning.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from consent_service.language import mark
from consent_service.models.customers import customer, former_number
from consent_service.register.duplicates import (
    SAME_BUSINESS_ID,
    SAME_EMAIL,
    SAME_NAME_AND_CITY,
    SAME_PHONE,
    folded,
)

BUSINESS_ID, EMAIL, PHONE, NAME, NUMBER = "business_id", "email", "phone", "name", "number"
ALIKE = {
    BUSINESS_ID: SAME_BUSINESS_ID,
    EMAIL: SAME_EMAIL,
    PHONE: SAME_PHONE,
    NAME: SAME_NAME_AND_CITY,
    NUMBER: mark("same number and name"),
}
_COMPARED = ("id", "number", "business_id", "email_key", "phone", "company_name", "first_name", "last_name", "city")


@dataclass(frozen=True)
class Match:
    """Whom a row looks like, and by what."""

    customer_id: str
    by: str


class Known:
    """Whoever is in the register, and whoever an earlier row would bring into it."""

    def __init__(self, connection: Connection):
        self._ids: dict[tuple[str, object], str] = {}
        self.numbers: set[int] = set()
        rows = select(*(customer.c[name] for name in _COMPARED)).order_by(customer.c.number)
        for row in connection.execute(rows.where(customer.c.erased_at.is_(None))).mappings():
            self.take(row["id"], dict(row), row["number"])
        led = select(former_number.c.number)  # of customers merged into others: each still leads to somebody
        self.numbers |= set(connection.execute(select(customer.c.number).union(led)).scalars())

    def match(self, values: Mapping[str, Any], number: int | None) -> Match | None:
        """Return whom these values look like, or None."""
        found = ((key[0], self._ids.get(key)) for key in _keys(values, number))
        return next((Match(customer_id, by) for by, customer_id in found if customer_id), None)

    def take(self, customer_id: str, values: Mapping[str, Any], number: int | None) -> None:
        """Hold later rows against this one too; who was known first stays the one that is named."""
        for key in _keys(values, number):
            self._ids.setdefault(key, customer_id)
        self.numbers |= {number} if number else set()


def _keys(values: Mapping[str, Any], number: int | None) -> Iterator[tuple[str, object]]:
    for by, column in ((BUSINESS_ID, "business_id"), (EMAIL, "email_key"), (PHONE, "phone")):
        if value := values.get(column):
            yield by, value
    person = f"{values.get('first_name') or ''} {values.get('last_name') or ''}"
    name = folded(values.get("company_name") or person)
    if name and (town := folded(values.get("city") or "")):
        yield NAME, (name, town)
    if name and number:
        yield NUMBER, (name, number)
