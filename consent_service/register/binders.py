"""What lies on paper: every binder's pages with the day each is to be shredded, those due first.

Joins documents that are papers with what is left of those whose entry is gone. Must not commit or read a clock.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, false, func, or_, select

from consent_service.ledger.evidence import Occasion
from consent_service.models.customers import customer, customer_document
from consent_service.models.customers import shredding as to_shred
from consent_service.paging import PAGE, Found, cut, page_of
from consent_service.register import documents, shredding
from consent_service.register.documents import DocumentKept

WHOSE = ("number", "company_name", "first_name", "last_name", "restricted_at")
Group = tuple[bool, str]  # whether its papers are due, and the binder


@dataclass(frozen=True)
class Paper:
    """A paper in its place, and the day it is to be shredded; None while nobody knows.

    `document` is its row with its customer's name, as long as there is one.
    """

    id: str
    kind: str
    binder: str
    page: str | None
    due_on: str | None
    is_due: bool
    document: Row[Any] | None = None


def papers(connection: Connection, today: date, binder: str | None, page: int) -> Found:
    """Return a page of the papers in one binder, or in all: those due first, then by binder and page."""
    left = [_left(row, today) for row in shredding.waiting(connection) if binder in (None, row.binder)]
    sizes = Counter((paper.is_due, paper.binder) for paper in left)
    sizes.update(_sizes(connection, today, binder))
    found = cut(range(sizes.total()), page)
    first = (found.page - 1) * PAGE
    shown, before = _shown(sizes, first)
    rows = [paper for paper in left if (paper.is_due, paper.binder) in shown]
    rows += [_filed(row) for row in connection.execute(_on_paper(today).where(_is_in(shown, today)))]
    return replace(found, rows=sorted(rows, key=_place)[first - before :][:PAGE])


def names(connection: Connection) -> list[str]:
    """Return the binders in which a paper lies."""
    filed = select(customer_document.c.binder).where(customer_document.c.binder.is_not(None))
    left = select(to_shred.c.binder).where(to_shred.c.destroyed_on.is_(None))
    return sorted(connection.execute(filed.union(left)).scalars(), key=_in_order)


def shredded(connection: Connection, page: int) -> Found:
    """Return a page of the papers that were shredded, the last ones first."""
    done = to_shred.c.destroyed_on.is_not(None)
    counted = select(func.count()).select_from(to_shred).where(done)
    listed = select(to_shred).where(done).order_by(to_shred.c.destroyed_on.desc(), to_shred.c.id)
    return page_of(connection, counted, listed, page)


def destroy(connection: Connection, occasion: Occasion, paper_id: str, staff_name: str, today: date) -> bool:
    """Note that somebody has shredded a paper; its document goes with it. False when there is no such paper.

    Raises CustomerClosed and DocumentKept.
    """
    this = _on_paper(today).where(customer_document.c.id == paper_id)
    row = connection.execute(this).one_or_none()
    if row is not None:
        documents.lock_even_erased(connection, row.customer_id)
        row = connection.execute(this).one_or_none()  # as it is now that nobody can note it otherwise
    if row is not None and not row.is_due:
        raise DocumentKept
    if row is not None:
        documents.remove(connection, occasion, row, today)
    return shredding.note(connection, paper_id, today, staff_name)


def _on_paper(today: date) -> Select[Any]:
    """Documents that are papers, with their customer's name, and whether each is to be shredded by now: `is_due`."""
    whose = (customer.c[name] for name in WHOSE)
    found = select(customer_document, *whose, _is_due(today).label("is_due")).join_from(customer_document, customer)
    return found.where(customer_document.c.binder.is_not(None))


def _sizes(connection: Connection, today: date, binder: str | None) -> dict[Group, int]:
    """How many papers with an entry lie in a binder or in each, due or not."""
    each = _on_paper(today).subquery()
    counted = select(each.c.is_due, each.c.binder, func.count()).group_by(each.c.is_due, each.c.binder)
    counted = counted if binder is None else counted.where(each.c.binder == binder)
    return {(is_due, name): number for is_due, name, number in connection.execute(counted)}


def _shown(sizes: Counter[Group], first: int) -> tuple[set[Group], int]:
    """What a page that begins with the `first` paper shows of, and how many papers stand before all of that."""
    shown, before, place = set(), 0, 0
    for group in sorted(sizes, key=lambda group: (not group[0], _in_order(group[1]))):
        if place + sizes[group] <= first:
            before += sizes[group]
        elif place < first + PAGE:
            shown.add(group)
        place += sizes[group]
    return shown, before


def _is_in(groups: set[Group], today: date) -> ColumnElement[bool]:
    """Whether a document belongs to one of these."""
    due = _is_due(today)
    each = ((customer_document.c.binder == binder) & (due if is_due else ~due) for is_due, binder in groups)
    return or_(false(), *each)


def _is_due(today: date) -> ColumnElement[bool]:
    """Whether a paper is to be shredded by now; whoever is restricted keeps theirs."""
    kept, other, now = customer_document.c.keep_until, customer_document.c.destroy_by, today.isoformat()
    return customer.c.restricted_at.is_(None) & func.coalesce(kept < now, other <= now, false())


def _left(row: Row[Any], today: date) -> Paper:
    return Paper(row.id, row.kind, row.binder, row.page, row.due_on, row.due_on <= today.isoformat())


def _filed(row: Row[Any]) -> Paper:
    due_on = row.destroy_by
    if row.keep_until:
        due_on = (date.fromisoformat(row.keep_until) + timedelta(days=1)).isoformat()
    return Paper(row.id, row.kind, row.binder, row.page, due_on, row.is_due, row)


def _place(paper: Paper) -> tuple[Any, ...]:
    return (not paper.is_due, _in_order(paper.binder), _in_order(paper.page))


def _in_order(text: str | None) -> list[tuple[int, str]]:
    """What sorts page 9 before page 14."""
    parts = re.split(r"([0-9]+)", (text or "").casefold())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
