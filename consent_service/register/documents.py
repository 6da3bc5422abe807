"""Documents of customers: filed, changed, opened and removed, and ended when nothing keeps them any longer.

A document is a file, encrypted under a key of its customer's, or a paper in a binder. How long it is kept stands in
`keeping`. Nothing is changed of a customer whose data is restricted (GDPR article 18). Must not commit or read a clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from consent_service.database import insert_if_absent
from consent_service.erasure_notes import note_erased
from consent_service.language import mark
from consent_service.ledger import vault
from consent_service.ledger.evidence import Occasion
from consent_service.ledger.vault import Vault
from consent_service.models.customers import customer, customer_document, document_file
from consent_service.register import customer_erasure as erasing
from consent_service.register import customers, keeping, shredding
from consent_service.register.keeping import CONSENT_FORM, KINDS, OTHER, WHY

RULE = "document"  # why one was erased by itself
GOES_ON = mark("The contract still goes on. Note the day it ended; it is kept for ten years after that.")
IS_RESTRICTED = mark("The data of this customer is restricted. Nothing is changed or removed until that is lifted.")


class CustomerClosed(Exception):
    """Nothing may be changed of this customer: they are erased, or their data is restricted."""


class DocumentKept(Exception):
    """The document must not go yet."""


class KeptLonger(Exception):
    """The document would be kept for less than it is, and whoever wants that may not decide it."""


@dataclass(frozen=True, kw_only=True)
class Described:
    """What is noted of a document; where it lies in a binder if it is a paper."""

    kind: str
    kept_as: str
    dated_on: date
    title: str | None = None
    financial_year_end: date | None = None
    ended_on: date | None = None
    destroy_by: date | None = None
    binder: str | None = None
    page: str | None = None


@dataclass(frozen=True)
class File:
    """A file as it was handed in: a name and a type that were looked at, and the bytes."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Filing:
    """Whose document or permission is filed, under which id, and by whom."""

    customer_id: str
    id: str
    staff_name: str


@dataclass(frozen=True)
class Kept:
    """Why a document must stay, as a message id, and the last day it has to; None while that is not known."""

    why: str
    until: str | None


def add(
    connection: Connection, occasion: Occasion, filing: Filing, described: Described, file: File | None = None
) -> None:
    """File a document; a second time under the same id changes nothing.

    Raises CustomerClosed, and VaultRefused when the customer's key cannot be used.
    """
    lock_customer(connection, filing.customer_id)
    whose = {"id": filing.id, "customer_id": filing.customer_id, "added_by": filing.staff_name}
    values = _values(described) | whose | {"added_at": occasion.now}
    if file:
        values |= {"file_name": file.name, "media_type": file.media_type, "size": len(file.content)}
    if insert_if_absent(connection, customer_document, values) and file:
        key = customers.key_of(connection, occasion.vault, filing.customer_id)
        sealed = vault.encrypt(key, file.content, context_of(filing.id))
        connection.execute(insert(document_file).values(document_id=filing.id, sealed=sealed))


def change(
    connection: Connection, row: Row[Any], described: Described, today: date, *, may_shorten: bool
) -> str | None:
    """Note something else of a document and return the class it had, None when it is gone.

    Raises CustomerClosed, and KeptLonger when it would have to stay for less than now and that `may_shorten` not.
    """
    lock_customer(connection, row.customer_id)
    before = find(connection, row.customer_id, row.id)
    if before is None:
        return None
    mine = customer_document.c.id == row.id
    connection.execute(update(customer_document).where(mine).values(_values(described)))
    if not may_shorten and _is_shorter(before, find(connection, row.customer_id, row.id), today):
        raise KeptLonger
    return str(before.retention_class)


def find(connection: Connection, customer_id: str, document_id: str) -> Row[Any] | None:
    """Return one document of a customer, or None."""
    mine = (customer_document.c.customer_id == customer_id, customer_document.c.id == document_id)
    return connection.execute(select(customer_document).where(*mine)).one_or_none()


def of_customer(connection: Connection, customer_id: str) -> Sequence[Row[Any]]:
    """Return every document of a customer, the newest first."""
    mine = select(customer_document).where(customer_document.c.customer_id == customer_id)
    order = (customer_document.c.dated_on.desc(), customer_document.c.added_at.desc(), customer_document.c.id)
    return connection.execute(mine.order_by(*order)).all()


def content(connection: Connection, keys: Vault, row: Row[Any]) -> bytes:
    """Return the bytes of a document's file; raises VaultRefused."""
    sealed = select(document_file.c.sealed).where(document_file.c.document_id == row.id)
    key = customers.known_key(connection, keys, row.customer_id)
    return vault.decrypt(key, connection.execute(sealed).scalar_one(), context_of(row.id))


def kept(row: Row[Any], today: date) -> Kept | None:
    """Return why a document must stay, None when nothing keeps it; of a restricted customer nothing goes anyway."""
    if row.keep_until is not None and row.keep_until >= today.isoformat():
        return Kept(WHY[row.retention_class], row.keep_until)
    if row.ended_on is None and keeping.is_contract(row.kind, row.retention_class):
        return Kept(GOES_ON, None)
    return None


def _is_shorter(before: Row[Any], after: Any, today: date) -> bool:
    """Whether less keeps a document than before; that a contract has ended makes nothing shorter."""
    was, now = kept(before, today), kept(after, today)
    if was is None:
        return False
    if was.until is None:
        return now is None or after.retention_class != before.retention_class
    return now is None or now.until is None or now.until < was.until


def remove(connection: Connection, occasion: Occasion, row: Row[Any], today: date) -> None:
    """Remove a document for good and note it, so that no backup brings it back; a paper is still to be shredded.

    Raises CustomerClosed and DocumentKept. Of an erased customer, all that is left goes with the last document.
    """
    lock_even_erased(connection, row.customer_id)
    current = find(connection, row.customer_id, row.id)  # it may have been noted otherwise since the row was read
    if current is None:
        return
    if kept(current, today):
        raise DocumentKept
    _end(connection, [row.id], today)
    note_erased(connection, [row.id], RULE, occasion.now)


def erase_again(connection: Connection, document_id: str, today: date) -> bool:
    """Remove one that came back with an older database; False when there is none."""
    return bool(_end(connection, [document_id], today))


def has_run_out(retention_class: str, today: date) -> ColumnElement[bool]:
    """Whether no law keeps a document of a class any longer, as a condition; nothing restricted ever has."""
    return (
        (customer_document.c.retention_class == retention_class)
        & (customer_document.c.keep_until < today.isoformat())
        & _is_free()
    )


def is_unwanted(today: date) -> ColumnElement[bool]:
    """Whether the day has come that was chosen for the file of a consent form, as a condition."""
    return (
        (customer_document.c.destroy_by <= today.isoformat())
        & (customer_document.c.retention_class == OTHER)
        & customer_document.c.file_name.is_not(None)
        & _is_free()
    )


def end_overdue(connection: Connection, ids: Sequence[str], today: date) -> None:
    """End documents whose time is up; what is left of an erased customer goes with the last one."""
    _end(connection, ids, today)


def lock_customer(connection: Connection, customer_id: str) -> None:
    """Let nobody else change a customer meanwhile; raises CustomerClosed when they are erased, restricted or gone."""
    row = lock_even_erased(connection, customer_id)
    if row.erased_at is not None:
        raise CustomerClosed


def lock_even_erased(connection: Connection, customer_id: str) -> Row[Any]:
    """Return a customer whom nobody else changes meanwhile, even one that is erased.

    Raises CustomerClosed when they are restricted or gone.
    """
    mine = select(customer).where(customer.c.id == customer_id).with_for_update()
    row: Row[Any] | None = connection.execute(mine).one_or_none()
    if row is None or row.restricted_at is not None:
        raise CustomerClosed
    return row


def context_of(document_id: str) -> bytes:
    """Return what the file of a document is sealed with, so that it opens nowhere else."""
    return b"document/" + document_id.encode()


def _end(connection: Connection, ids: Sequence[str], today: date) -> Sequence[Row[Any]]:
    mine = customer_document.c.id.in_(ids)
    rows = connection.execute(select(customer_document).where(mine)).all()
    shredding.leave(connection, rows, today)
    connection.execute(delete(customer_document).where(mine))
    erasing.end_without_documents(connection, sorted({row.customer_id for row in rows}))
    return rows


def _is_free() -> ColumnElement[bool]:
    # Asked of each document's own customer: as an anti-join, PostgreSQL may read all customers through.
    whose = select(customer.c.restricted_at).where(customer.c.id == customer_document.c.customer_id)
    return whose.scalar_subquery().is_(None)


def _values(described: Described) -> dict[str, Any]:
    kind, year_end, ended_on = KINDS[described.kind], described.financial_year_end, described.ended_on
    kept_until = keeping.keep_until(described.kind, described.kept_as, year_end, ended_on)
    return {
        "kind": described.kind,
        "title": described.title,
        "dated_on": described.dated_on.isoformat(),
        "financial_year_end": _day(year_end if kind.has_year else None),
        "ended_on": _day(ended_on if kind.can_end else None),
        "retention_class": described.kept_as,
        "keep_until": _day(kept_until),
        "destroy_by": _day(described.destroy_by if described.kind == CONSENT_FORM else None),
        "binder": described.binder,
        "page": described.page if described.binder else None,
    }


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
