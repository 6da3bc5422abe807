"""What the register holds of a customer: everything, for every way of handing it over, and what outlives an erasure.

Changes nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from consent_service.models.customer_imports import customer_import_row
from consent_service.models.customers import customer, customer_document, former_number, publication_permission
from consent_service.models.reviews import kept_customer
from consent_service.register import keeping

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
DOCUMENT = (
    "kind",
    "title",
    "dated_on",
    "financial_year_end",
    "ended_on",
    "keep_until",
    "destroy_by",
    "binder",
    "page",
    "added_at",
)
KEPT = ("until_on", "reason", "kept_at", "kept_by")
FOLDER = "asiakirjat/"
PERMISSION = ("what", "places", "given_on", "until_on", "withdrawn_on")


@dataclass(frozen=True)
class HeldCustomer:
    """A customer's details, documents, and what may be published about them, as plain values.

    `kept` says until when and why somebody long passive is kept, `rows` what stands of them in a spreadsheet that was
    read in. `files` are the rows of those documents that are files, by the name that each has as the `file` of its
    document.
    """

    details: dict[str, Any]
    former_numbers: tuple[int, ...]
    kept: dict[str, Any] | None
    rows: tuple[dict[str, Any], ...]
    documents: tuple[dict[str, Any], ...]
    permissions: tuple[dict[str, Any], ...]
    files: dict[str, Row[Any]]

    @property
    def given(self) -> dict[str, Any]:
        """The details that come from the customer (GDPR article 20(1))."""
        return {name: self.details[name] for name in GIVEN}


@dataclass(frozen=True)
class Staying:
    """A document that outlives its customer, and its last day; `goes_on` if the erasure is what ends the contract."""

    id: str
    customer_id: str
    kind: str
    title: str | None
    retention_class: str
    dated_on: str
    keep_until: str
    goes_on: bool


def gather(connection: Connection, customer_id: str) -> HeldCustomer | None:
    """Return everything the register holds of a customer (GDPR article 15), or None."""
    known = connection.execute(select(customer).where(customer.c.id == customer_id)).one_or_none()
    if known is None:
        return None
    details = {name: value for name, value in known._mapping.items() if name not in INNER}
    documents = select(customer_document).where(customer_document.c.customer_id == customer_id)
    permissions = select(publication_permission).where(publication_permission.c.customer_id == customer_id)
    filed = connection.execute(documents.order_by(customer_document.c.dated_on, customer_document.c.id)).all()
    names = [f"{FOLDER}{count:03}-{row.file_name}" if row.file_name else None for count, row in enumerate(filed, 1)]
    told = _told(filed, DOCUMENT)
    former = select(former_number.c.number).where(former_number.c.customer_id == customer_id)
    kept = select(kept_customer).where(kept_customer.c.customer_id == customer_id)
    rows = select(customer_import_row).where(customer_import_row.c.customer_id == customer_id)
    return HeldCustomer(
        details,
        tuple(connection.execute(former.order_by(former_number.c.number)).scalars()),
        next(iter(_told(connection.execute(kept).all(), KEPT)), None),
        tuple({"row": row.number, "cells": json.loads(row.cells)} for row in connection.execute(rows) if row.cells),
        tuple(one | {"file": name} for one, name in zip(told, names, strict=True)),
        _told(connection.execute(permissions.order_by(publication_permission.c.given_on)).all(), PERMISSION),
        {name: row for name, row in zip(names, filed, strict=True) if name},
    )


def staying(connection: Connection, today: date, *customer_ids: str | None) -> list[Staying]:
    """Return the documents that stay if these customers are erased today, or were before, whose time is up first."""
    may_stay = or_(customer_document.c.keep_until >= today.isoformat(), customer_document.c.ended_on.is_(None))
    rows = select(customer_document).where(customer_document.c.customer_id.in_(customer_ids), may_stay)
    found = (_staying(row, today) for row in connection.execute(rows.order_by(customer_document.c.id)))
    return sorted((one for one in found if one), key=lambda one: one.keep_until)


def _staying(row: Row[Any], today: date) -> Staying | None:
    """A contract that nobody has noted the end of ends with its customer at the latest, and its years begin."""
    goes_on, until = row.ended_on is None and keeping.is_contract(row.kind, row.retention_class), row.keep_until
    if goes_on:
        year_end = date.fromisoformat(row.financial_year_end) if row.financial_year_end else None
        last = keeping.keep_until(row.kind, row.retention_class, year_end, today)
        until = last.isoformat() if last else None
    if until is None or until < today.isoformat():
        return None
    return Staying(
        row.id, row.customer_id, row.kind, row.title, row.retention_class, row.dated_on, until, goes_on=goes_on
    )


def _told(rows: Sequence[Row[Any]], names: Sequence[str]) -> tuple[dict[str, Any], ...]:
    return tuple({name: getattr(row, name) for name in names} for row in rows)
