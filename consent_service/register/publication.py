"""Permissions to publish something about a customer: what, where and until when, and taken back at a press.

Nothing is published without one. What has been published somewhere is taken down there by a person; the pages say
what that is. Must not commit or read a clock.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from consent_service.database import insert_if_absent
from consent_service.language import mark
from consent_service.ledger.evidence import Occasion
from consent_service.models.customers import customer, publication_permission
from consent_service.paging import Found, page_of
from consent_service.register import documents
from consent_service.register.documents import Filing

VALID, ENDING, ENDED, WITHDRAWN = "valid", "ending", "ended", "withdrawn"
STATES = {VALID: mark("In force"), ENDING: mark("Ends soon"), ENDED: mark("Over"), WITHDRAWN: mark("Taken back")}
SOON = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Permitted:
    """What may be published and where, since when, and until which day or for as long as it is not taken back."""

    what: str
    places: str
    given_on: date
    until_on: date | None


def record(connection: Connection, occasion: Occasion, filing: Filing, permitted: Permitted) -> None:
    """Note a permission a customer has given; again under the same id changes nothing.

    Raises CustomerClosed.
    """
    documents.lock_customer(connection, filing.customer_id)
    values = {
        "id": filing.id,
        "customer_id": filing.customer_id,
        "what": permitted.what,
        "places": permitted.places,
        "given_on": permitted.given_on.isoformat(),
        "until_on": permitted.until_on.isoformat() if permitted.until_on else None,
        "recorded_at": occasion.now,
        "recorded_by": filing.staff_name,
    }
    insert_if_absent(connection, publication_permission, values)


def withdraw(connection: Connection, permission_id: str, today: date) -> None:
    """Note that a permission was taken back; the first time counts."""
    open_one = (publication_permission.c.id == permission_id, publication_permission.c.withdrawn_on.is_(None))
    connection.execute(update(publication_permission).where(*open_one).values(withdrawn_on=today.isoformat()))


def find(connection: Connection, permission_id: str) -> Row[Any] | None:
    """Return one permission, or None."""
    mine = publication_permission.c.id == permission_id
    return connection.execute(select(publication_permission).where(mine)).one_or_none()


def of_customer(connection: Connection, customer_id: str, today: date) -> list[tuple[Row[Any], str]]:
    """Return every permission of a customer, each with which of `STATES` it is in, the newest first."""
    mine = select(publication_permission).where(publication_permission.c.customer_id == customer_id)
    newest = (publication_permission.c.given_on.desc(), publication_permission.c.recorded_at.desc())
    return [(row, state_of(row, today)) for row in connection.execute(mine.order_by(*newest))]


def listed(connection: Connection, state: str | None, today: date, page: int) -> Found:
    """Return a page of permissions with their customers, those in force first and the next to end before others.

    Leaves out customers whose data is restricted: nothing of them is used (GDPR article 18).
    """
    joined = publication_permission.join(customer)
    wanted = [customer.c.restricted_at.is_(None), *([_stands(today)[state]] if state else [])]
    counted = select(func.count()).select_from(joined).where(*wanted)
    names = (customer.c.number, customer.c.company_name, customer.c.first_name, customer.c.last_name)
    until, is_over = publication_permission.c.until_on, ~_stands(today)[VALID]
    order = (is_over, publication_permission.c.withdrawn_on.is_not(None), until.is_(None), until, customer.c.number)
    rows = select(publication_permission, *names).select_from(joined).where(*wanted)
    return page_of(connection, counted, rows.order_by(*order, publication_permission.c.id), page)


def state_of(row: Row[Any], today: date) -> str:
    """Return which of `STATES` a permission is in."""
    if row.withdrawn_on:
        return WITHDRAWN
    if row.until_on is None or row.until_on > (today + SOON).isoformat():
        return VALID
    return ENDING if row.until_on >= today.isoformat() else ENDED


def _stands(today: date) -> dict[str, Any]:
    until, is_open = publication_permission.c.until_on, publication_permission.c.withdrawn_on.is_(None)
    now, soon = today.isoformat(), (today + SOON).isoformat()
    return {
        VALID: is_open & (until.is_(None) | (until >= now)),
        ENDING: is_open & (until >= now) & (until <= soon),
        ENDED: is_open & (until < now),
        WITHDRAWN: ~is_open,
    }
