"""Erasing a customer (GDPR article 17): all but the documents that the law keeps, and those when their time is up.

While a document stays, so do the customer's number and key, and nothing else. Each erasure is noted, so that no
backup brings the customer back. Must not commit or read a clock.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from consent_service.database import insert_or_replace
from consent_service.models import erasure
from consent_service.models_customers import customer, customer_document, publication_permission
from consent_service.register import customer_imports

RULE = "customer"
KEPT = ("id", "number", "kind", "source", "language", "status", "passive_since", "created_at", "created_by")


def erase(connection: Connection, now: datetime, customer_id: str, today: date) -> Sequence[Row[Any]]:
    """Erase a customer and return the documents that have to stay, each with `keep_until`; again does no harm."""
    if connection.execute(select(customer.c.id).where(customer.c.id == customer_id).with_for_update()).first() is None:
        return []
    customer_imports.forget_customer(connection, customer_id)
    connection.execute(delete(publication_permission).where(publication_permission.c.customer_id == customer_id))
    mine = customer_document.c.customer_id == customer_id
    kept = mine & (customer_document.c.keep_until >= today.isoformat())
    stays = connection.execute(select(customer_document).where(kept).order_by(customer_document.c.keep_until)).all()
    connection.execute(delete(customer_document).where(mine, customer_document.c.id.not_in([row.id for row in stays])))
    _empty(connection, now, customer_id) if stays else _end(connection, customer_id)
    note = {"subscriber_id": customer_id, "rule": RULE, "erased_at": now}
    insert_or_replace(connection, erasure, ["subscriber_id"], note)
    return stays


def end_without_documents(connection: Connection, customer_ids: Sequence[str]) -> None:
    """Delete what is left of erased customers whose last document is gone."""
    for customer_id in customer_ids:
        left = select(customer_document.c.id).where(customer_document.c.customer_id == customer_id)
        if connection.execute(left).first() is None:
            connection.execute(delete(customer).where(customer.c.id == customer_id, customer.c.erased_at.is_not(None)))


def _empty(connection: Connection, now: datetime, customer_id: str) -> None:
    emptied: dict[str, Any] = {
        column.name: None for column in customer.c if column.nullable and column.name not in KEPT
    }
    emptied |= {"search_text": "", "erased_at": now, "changed_at": now}
    connection.execute(update(customer).where(customer.c.id == customer_id).values(**emptied))


def _end(connection: Connection, customer_id: str) -> None:
    connection.execute(delete(customer).where(customer.c.id == customer_id))
