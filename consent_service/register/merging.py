"""Two customers who are one: what belongs to either belongs to the kept one, and the other's number leads there.

The other is gone, key and all; only their number and id are remembered, so that an erasure of the kept one reaches
them in an older backup too. Must not commit or read a clock.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from consent_service.ledger import vault
from consent_service.ledger.evidence import Occasion
from consent_service.models.customer_imports import customer_import_row
from consent_service.models.customers import (
    customer,
    customer_document,
    document_file,
    former_number,
    publication_permission,
)
from consent_service.models.requests import data_request
from consent_service.models.reviews import kept_customer
from consent_service.register import customer_imports, customers
from consent_service.register.customers import Details
from consent_service.register.documents import context_of

# Whatever refers to a customer and goes over to the one they are merged into; the key does not, it dies.
BELONGINGS = (customer_document, publication_permission, former_number, data_request)
IMPORTED = (customer_import_row.c.match_id, customer_import_row.c.customer_id)  # whom a row looks like, or became
NOTES = (kept_customer,)  # of which a customer has one: that of the kept one stands


@dataclass(frozen=True)
class Merging:
    """Who is kept and who goes, both as they were seen, and what is true of the kept one from now on."""

    kept_id: str
    gone_id: str
    seen: frozenset[tuple[str, datetime]]  # id and `changed_at` of both
    details: Details


def merge(connection: Connection, occasion: Occasion, merging: Merging, staff_name: str) -> bool:
    """Merge two customers; False, and nothing done, when one has changed, was erased or is restricted.

    Raises VaultRefused when the key of a file that goes over cannot be used.
    """
    pair = _locked(connection, merging)
    if pair is None:
        return False
    kept, gone = pair
    _seal_files_anew(connection, occasion, kept.id, gone.id)
    for table in BELONGINGS:
        connection.execute(update(table).where(table.c.customer_id == gone.id).values(customer_id=kept.id))
    for column in IMPORTED:
        connection.execute(update(column.table).where(column == gone.id).values({column: kept.id}))
    for table in NOTES:
        has_one = select(table.c.customer_id).where(table.c.customer_id == kept.id).exists()
        connection.execute(update(table).where(table.c.customer_id == gone.id, ~has_one).values(customer_id=kept.id))
    connection.execute(delete(customer).where(customer.c.id == gone.id))
    led = {"number": gone.number, "former_id": gone.id, "customer_id": kept.id}
    connection.execute(insert(former_number).values(led | {"merged_at": occasion.now, "merged_by": staff_name}))
    if "active" in (kept.status, gone.status):
        customers.make_active(connection, occasion, kept.id)
    elif gone.passive_since > kept.passive_since:  # the ten years count from when there was nothing more with either
        mine = customer.c.id == kept.id
        connection.execute(update(customer).where(mine).values(passive_since=gone.passive_since))
    return customers.change(connection, occasion, kept.id, merging.details)


def former_numbers(connection: Connection, customer_id: str) -> list[int]:
    """Return the numbers a customer had before others were merged into them."""
    mine = select(former_number.c.number).where(former_number.c.customer_id == customer_id)
    return list(connection.execute(mine.order_by(former_number.c.number)).scalars())


def merged_into(connection: Connection, former_id: str) -> str | None:
    """Return the id of the customer somebody with an id that is gone was merged into, or None."""
    mine = select(former_number.c.customer_id).where(former_number.c.former_id == former_id)
    return connection.execute(mine).scalar_one_or_none()


def _locked(connection: Connection, merging: Merging) -> tuple[Row[Any], Row[Any]] | None:
    """The one who is kept and the one who goes, whom nobody changes meanwhile; None when somebody has."""
    customer_imports.lock_all(connection)  # first, as whoever takes an import over does
    ids = sorted({merging.kept_id, merging.gone_id})
    both = select(customer).where(customer.c.id.in_(ids), customer.c.erased_at.is_(None))
    rows = connection.execute(both.order_by(customer.c.id).with_for_update()).all()
    is_as_seen = len(rows) == 2 and {(row.id, row.changed_at) for row in rows} == merging.seen
    if not is_as_seen or any(row.restricted_at for row in rows):
        return None
    first, second = rows
    return (first, second) if first.id == merging.kept_id else (second, first)


def _seal_files_anew(connection: Connection, occasion: Occasion, kept_id: str, gone_id: str) -> None:
    mine = select(document_file.c.document_id).join(customer_document).where(customer_document.c.customer_id == gone_id)
    ids = connection.execute(mine.order_by(document_file.c.document_id)).scalars().all()
    if not ids:
        return
    old = customers.known_key(connection, occasion.vault, gone_id)
    new = customers.key_of(connection, occasion.vault, kept_id)
    for document_id in ids:  # one at a time: they may be large
        this, context = document_file.c.document_id == document_id, context_of(document_id)
        sealed = connection.execute(select(document_file.c.sealed).where(this)).scalar_one()
        anew = vault.encrypt(new, vault.decrypt(old, sealed, context), context)
        connection.execute(update(document_file).where(this).values(sealed=anew))
