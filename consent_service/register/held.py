"""Everything the register holds of one customer, gathered once for every way of handing it over. Changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from consent_service.models_customers import customer, customer_document, publication_permission

INNER = ("id", "email_key", "search_text")  # our own ways of finding the customer: they say nothing more
GIVEN = (
    "kind",
    "company_name",
    "business_id",
    "first_name",
    "last_name",
    "phone",
    "email",
    "street",
    "postal_code",
    "city",
    "country",
    "billing_email",
    "billing_address",
    "billing_reference",
    "einvoice_address",
    "einvoice_operator",
    "language",
)
DOCUMENT = ("kind", "title", "dated_on", "ended_on", "keep_until", "binder", "page", "file_name", "added_at")
PERMISSION = ("what", "places", "given_on", "until_on", "withdrawn_on")


@dataclass(frozen=True)
class HeldCustomer:
    """A customer's details, documents without their content, and what may be published about them, as plain values."""

    details: dict[str, Any]
    documents: tuple[dict[str, Any], ...]
    permissions: tuple[dict[str, Any], ...]

    @property
    def given(self) -> dict[str, Any]:
        """The details that come from the customer (GDPR article 20(1))."""
        return {name: self.details[name] for name in GIVEN}


def gather(connection: Connection, customer_id: str) -> HeldCustomer | None:
    """Return everything the register holds of a customer (GDPR article 15), or None."""
    known = connection.execute(select(customer).where(customer.c.id == customer_id)).one_or_none()
    if known is None:
        return None
    details = {name: value for name, value in known._mapping.items() if name not in INNER}
    documents = select(customer_document).where(customer_document.c.customer_id == customer_id)
    permissions = select(publication_permission).where(publication_permission.c.customer_id == customer_id)
    return HeldCustomer(
        details,
        _told(connection.execute(documents.order_by(customer_document.c.dated_on)).all(), DOCUMENT),
        _told(connection.execute(permissions.order_by(publication_permission.c.given_on)).all(), PERMISSION),
    )


def _told(rows: Sequence[Row[Any]], names: Sequence[str]) -> tuple[dict[str, Any], ...]:
    return tuple({name: getattr(row, name) for name in names} for row in rows)
