"""Erasing a customer (GDPR article 17): all but the documents that the law keeps, and those when their time is up.

While a document stays, so do the customer's number and key, and nothing else. Each erasure is noted, so that no
backup brings the customer back. Must not commit or read a clock.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from consent_service.erasure_notes import note_erased
from consent_service.models.customers import customer, customer_document, former_number, publication_permission
from consent_service.models.reviews import kept_customer
from consent_service.register import customer_imports, held, shredding
from consent_service.register.held import Staying
from consent_service.rights import request_rows

RULE = "customer"
KEPT = ("id", "number", "kind", "source", "language", "status", "passive_since", "created_at", "created_by")


class CustomerRestricted(Exception):
    """The customer's data is only kept (GDPR article 18), so nothing was erased."""


def erase(connection: Connection, now: datetime, customer_id: str, today: date) -> Sequence[Staying]:
    """Erase a customer and return the documents that have to stay, each with `keep_until`; again does no harm.

    Raises CustomerRestricted, and has done nothing.
    """
    person = _locked(connection, customer_id)
    if person is None:
        return []
    if person.restricted_at is not None:
        raise CustomerRestricted
    return _erase(connection, now, person, today)


def _erase(connection: Connection, now: datetime, person: Row[Any], today: date) -> Sequence[Staying]:
    customer_id = person.id
    merged = select(former_number.c.former_id).where(former_number.c.customer_id == customer_id)
    gone = [customer_id, *connection.execute(merged).scalars()]  # an older backup has them as customers of their own
    customer_imports.forget_customer(connection, person, gone)
    connection.execute(delete(publication_permission).where(publication_permission.c.customer_id == customer_id))
    connection.execute(delete(kept_customer).where(kept_customer.c.customer_id == customer_id))
    request_rows.forget_people(connection, now, customer_ids=[customer_id])
    mine, stays = customer_document.c.customer_id == customer_id, held.staying(connection, today, customer_id)
    _end_contracts(connection, stays, today)
    goes = mine & customer_document.c.id.not_in([row.id for row in stays])
    shredding.leave(connection, connection.execute(select(customer_document).where(goes)).all(), today)
    connection.execute(delete(customer_document).where(goes))
    _empty(connection, now, customer_id) if stays else _end(connection, customer_id)
    note_erased(connection, gone, RULE, now)
    return stays


def erase_again(connection: Connection, now: datetime, customer_id: str, today: date) -> bool:
    """Erase one who came back with an older database, restricted there or not; False when there is none."""
    person = _locked(connection, customer_id)
    if person is None or person.erased_at is not None:
        return False
    _erase(connection, now, person, today)
    return True


def end_without_documents(connection: Connection, customer_ids: Sequence[str]) -> None:
    """Delete what is left of erased customers whose last document is gone."""
    for customer_id in customer_ids:
        left = select(customer_document.c.id).where(customer_document.c.customer_id == customer_id)
        if connection.execute(left).first() is None:
            connection.execute(delete(customer).where(customer.c.id == customer_id, customer.c.erased_at.is_not(None)))


def _end_contracts(connection: Connection, stays: Sequence[Staying], today: date) -> None:
    for one in stays:
        if one.goes_on:
            ended = {"ended_on": today.isoformat(), "keep_until": one.keep_until}
            connection.execute(update(customer_document).where(customer_document.c.id == one.id).values(ended))


def _empty(connection: Connection, now: datetime, customer_id: str) -> None:
    emptied: dict[str, Any] = {
        column.name: None for column in customer.c if column.nullable and column.name not in KEPT
    }
    emptied |= {"search_text": "", "erased_at": now, "changed_at": now}
    connection.execute(update(customer).where(customer.c.id == customer_id).values(**emptied))


def _end(connection: Connection, customer_id: str) -> None:
    connection.execute(delete(customer).where(customer.c.id == customer_id))


def _locked(connection: Connection, customer_id: str) -> Row[Any] | None:
    customer_imports.lock_all(connection)  # first, as whoever takes an import over does
    return connection.execute(select(customer).where(customer.c.id == customer_id).with_for_update()).one_or_none()
