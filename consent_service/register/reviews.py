"""The yearly look at customers who have been passive for ten years: who goes, what the law still keeps, and the report.

Nobody goes but by it: a person has seen the list first. Restricted customers (GDPR article 18) are shown and left
alone, and so is whoever is kept for another year with a reason. Must not commit or read a clock.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select

from consent_service.database import insert_or_replace
from consent_service.models.customers import customer
from consent_service.models.reviews import kept_customer, retention_review
from consent_service.register import customer_erasure, customer_imports, held
from consent_service.register.held import Staying
from consent_service.register.keeping import years_after

YEARS = 10
MOST_LISTED = 200  # so many are looked at, and go, at a time
AHEAD = timedelta(days=30)


@dataclass(frozen=True)
class Listed:
    """A customer ten years passive, with `until_on` and `reason` if kept; and the documents the law still keeps."""

    customer: Row[Any]
    documents: Sequence[Staying]


@dataclass(frozen=True)
class Review:
    """Who goes, who is kept for another year, and who is restricted; `is_whole` when nobody more is to go."""

    going: Sequence[Listed]
    kept: Sequence[Listed]
    restricted: Sequence[Listed]
    is_whole: bool

    @property
    def fingerprint(self) -> str:
        """The same as long as the same customers go, and the same documents stay."""
        told = [(one.customer.id, [row.id for row in one.documents]) for one in self.going]
        return sha256(repr(told).encode()).hexdigest()


@dataclass(frozen=True)
class Standing:
    """How many are to go, how many are within a month, who else is listed, and whether this year has had its review."""

    due: int
    coming: int
    left_alone: int
    is_reviewed: bool

    @property
    def is_wanted(self) -> bool:
        """Whether the list has to be read: somebody is to go, or this year nobody has looked at the rest."""
        return self.due > 0 or (self.left_alone > 0 and not self.is_reviewed)


def standing(connection: Connection, now: datetime, today: date) -> Standing:
    """Return how the review stands."""
    due, later = _count(connection, _is_going(now, today)), _count(connection, _is_going(now + AHEAD, today))
    left_alone = _count(connection, _is_listed(now) & ~_is_going(now, today))
    this_year = select(retention_review.c.id).where(retention_review.c.year == today.year).limit(1)
    return Standing(due, later - due, left_alone, connection.execute(this_year).first() is not None)


def look(connection: Connection, now: datetime, today: date, *, locks: bool = False) -> Review:
    """Return the list; whoever `locks` it may end it without anybody on it changing meanwhile."""
    if locks:
        customer_imports.lock_all(connection)  # first, as whoever takes an import over does
    going = _some(connection, _is_going(now, today), MOST_LISTED + 1, locks=locks)
    kept = _some(connection, _is_listed(now) & _is_kept(today) & customer.c.restricted_at.is_(None), MOST_LISTED)
    restricted = _some(connection, _is_listed(now) & customer.c.restricted_at.is_not(None), MOST_LISTED)
    ids = [row.id for rows in (going, kept, restricted) for row in rows]
    documents = held.staying(connection, today, *ids)

    def listed(rows: Sequence[Row[Any]]) -> list[Listed]:
        return [Listed(row, [one for one in documents if one.customer_id == row.id]) for row in rows]

    return Review(listed(going[:MOST_LISTED]), listed(kept), listed(restricted), is_whole=len(going) <= MOST_LISTED)


def carry_out(connection: Connection, now: datetime, today: date, review: Review, staff_name: str) -> str:
    """Erase those of a list who go, and keep a report; returns its id. The list has been locked by who looked."""
    emptied = sum(bool(customer_erasure.erase(connection, now, one.customer.id, today)) for one in review.going)
    report = {
        "id": str(uuid.uuid4()),
        "year": today.year,
        "done_at": now,
        "done_by": staff_name,
        "erased": len(review.going) - emptied,
        "emptied": emptied,
        "kept": len(review.kept),
        "restricted": len(review.restricted),
    }
    connection.execute(insert(retention_review).values(report))
    return str(report["id"])


def keep(connection: Connection, now: datetime, today: date, customer_id: str, reason: str, staff_name: str) -> bool:
    """Keep a customer for another year from today; False when they are not on the list."""
    if find(connection, now, customer_id) is None:
        return False
    until_on = years_after(today, 1).isoformat()
    values = {"customer_id": customer_id, "until_on": until_on, "reason": reason, "kept_at": now, "kept_by": staff_name}
    insert_or_replace(connection, kept_customer, ["customer_id"], values)
    return True


def find(connection: Connection, now: datetime, customer_id: str) -> Row[Any] | None:
    """Return a customer who is ten years passive and not restricted, or None."""
    is_free = _is_listed(now) & customer.c.restricted_at.is_(None)
    return next(iter(_some(connection, is_free & (customer.c.id == customer_id), 1)), None)


def reports(connection: Connection) -> Sequence[Row[Any]]:
    """Return what earlier reviews came to, the newest first."""
    return connection.execute(select(retention_review).order_by(retention_review.c.done_at.desc())).all()


def _is_listed(now: datetime) -> ColumnElement[bool]:
    since = datetime.combine(years_after(now.date(), -YEARS), now.timetz())
    is_passive = (customer.c.status == "passive") & (customer.c.passive_since <= since)
    return is_passive & customer.c.erased_at.is_(None)


def _is_kept(today: date) -> ColumnElement[bool]:
    mine = (kept_customer.c.customer_id == customer.c.id, kept_customer.c.until_on >= today.isoformat())
    return select(kept_customer.c.customer_id).where(*mine).correlate(customer).exists()


def _is_going(now: datetime, today: date) -> ColumnElement[bool]:
    return _is_listed(now) & customer.c.restricted_at.is_(None) & ~_is_kept(today)


def _count(connection: Connection, which: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(customer).where(which)).scalar_one()


def _some(connection: Connection, which: ColumnElement[bool], limit: int, *, locks: bool = False) -> Sequence[Row[Any]]:
    joined = select(customer, kept_customer.c.until_on, kept_customer.c.reason).join_from(
        customer, kept_customer, isouter=True
    )
    found = joined.where(which).order_by(customer.c.passive_since, customer.c.id).limit(limit)
    return connection.execute(found.with_for_update(of=customer) if locks else found).all()
