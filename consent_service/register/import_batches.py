"""An import taken into the register all at once, and taken out of it again: whoever looks sees all of it or nothing.

What it adds and completes bears the same moment as `changed_at`; a customer who bears another one by the time it is
undone has been changed since, and stays. Must not commit or read a clock.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, case, delete, func, insert, select, update

from consent_service.database import insert_if_absent
from consent_service.models import metadata
from consent_service.models_customers import customer, customer_number
from consent_service.models_imports import customer_import_row
from consent_service.register.customer_imports import (
    ADD,
    ADDED,
    APPLIED,
    CHECKING,
    COMPLETE,
    COMPLETED,
    LEAVE,
    LEFT,
    STAYED,
    UNDONE,
)
from consent_service.register.customers import FIRST_NUMBER, search_text
from consent_service.register.import_steps import end

AT_ONCE = 500
EMPTY = {"cells": None, "details": None, "problems": None}
# What is filled in of somebody who is there; their kind, number, language and source they have anyway.
COMPLETED_FIELDS = (
    "company_name", "business_id", "first_name", "last_name", "phone", "email", "email_key", "street", "postal_code",
    "city", "country", "billing_email", "billing_address", "billing_reference", "einvoice_address",
    "einvoice_operator", "notes",
)  # fmt: skip
OF_ITS_OWN = ("customer_key",)  # what may go with a customer whom nobody has touched


@dataclass
class Numbers:
    """Which customer number each new one gets: the one its row gives, if nobody has had it, or else the next."""

    taken: set[int]
    following: int

    def of(self, wanted: int | None) -> int:
        """Return the number of the next new customer."""
        if wanted is not None and wanted not in self.taken:
            self.taken.add(wanted)
            return wanted
        self.following += 1
        return self.following - 1


def apply(connection: Connection, now: datetime, found: Row[Any], relay: str) -> bool:
    """Take an import into the register; False, and its rows are checked again, when others were added meanwhile.

    Raises ClaimLost.
    """
    if _has_grown(connection, found.checked_at):
        end(connection, found.id, relay, CHECKING, done=0)
        return False
    end(connection, found.id, relay, APPLIED, applied_at=now)
    numbers = _numbers(connection, found.id)
    added = {"status": "active", "created_at": now, "created_by": found.created_by, "changed_at": now}
    for rows in _chosen(connection, found.id, ADD):
        connection.execute(insert(customer), [_customer(row, numbers) | added for row in rows])
    for rows in _chosen(connection, found.id, COMPLETE):
        _complete(connection, now, rows)
    connection.execute(update(customer_number).values(next=numbers.following))
    _note_outcomes(connection, found.id)
    return True


def undo(connection: Connection, now: datetime, found: Row[Any], relay: str) -> None:
    """Take out what an import added and empty what it filled in, but for customers changed since; raises ClaimLost."""
    end(connection, found.id, relay, UNDONE, undone_at=now)
    mine = select(customer_import_row.c.customer_id).where(_is(found.id, ADDED))
    connection.execute(delete(customer).where(customer.c.id.in_(mine), *_is_as_left(found.applied_at)))
    _note_stayed(connection, _is(found.id, ADDED), customer_import_row.c.customer_id)
    for rows in _slices(connection, _is(found.id, COMPLETED)):
        _empty_again(connection, now, found, rows)
    gone = (customer_import_row.c.import_id == found.id, customer_import_row.c.outcome.is_distinct_from(STAYED))
    connection.execute(delete(customer_import_row).where(*gone))


def stayed(connection: Connection, import_id: str, limit: int) -> Sequence[Row[Any]]:
    """Return customers whom undoing an import left as they were, because they had been changed since."""
    became = customer_import_row.c.filled.is_(None)  # else it completed somebody
    theirs = case((became, customer_import_row.c.customer_id), else_=customer_import_row.c.match_id)
    mine = select(theirs).where(_is(import_id, STAYED))
    return connection.execute(select(customer).where(customer.c.id.in_(mine)).order_by("number").limit(limit)).all()


def _has_grown(connection: Connection, since: datetime) -> bool:
    newer = select(customer.c.id).where(customer.c.created_at > since).limit(1)
    return connection.execute(newer).first() is not None


def _numbers(connection: Connection, import_id: str) -> Numbers:
    """The counter is locked first, so that nobody gets a number meanwhile; it goes on behind every number given."""
    insert_if_absent(connection, customer_number, {"id": 1, "next": FIRST_NUMBER})
    following = connection.execute(select(customer_number.c.next).with_for_update()).scalar_one()
    adding = (customer_import_row.c.import_id == import_id, customer_import_row.c.choice == ADD)
    given = connection.execute(select(func.max(customer_import_row.c.given_number)).where(*adding)).scalar_one()
    taken = set(connection.execute(select(customer.c.number)).scalars())
    return Numbers(taken, max(following, (given or 0) + 1))


def _chosen(connection: Connection, import_id: str, choice: str) -> Iterator[Sequence[Row[Any]]]:
    mine = (customer_import_row.c.import_id == import_id, customer_import_row.c.choice == choice)
    yield from _slices(connection, and_(*mine, customer_import_row.c.details.is_not(None)))


def _slices(connection: Connection, which: Any) -> Iterator[Sequence[Row[Any]]]:
    after = -1
    listed = select(customer_import_row).where(which).order_by(customer_import_row.c.position).limit(AT_ONCE)
    while rows := connection.execute(listed.where(customer_import_row.c.position > after)).all():
        yield rows
        after = rows[-1].position


def _customer(row: Row[Any], numbers: Numbers) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(row.details)
    number = numbers.of(row.given_number)
    return values | {"id": row.customer_id, "number": number, "search_text": search_text(values, number)}


def _complete(connection: Connection, now: datetime, rows: Sequence[Row[Any]]) -> None:
    """Fill in what is empty of the customers that rows look like, each row after the one before it."""
    known = _usable(connection, [row.match_id for row in rows])
    filled: dict[int, Sequence[str]] = {}
    for row in rows:
        if (theirs := known.get(row.match_id)) is not None:
            values = json.loads(row.details)
            names = [name for name in COMPLETED_FIELDS if theirs[name] is None and values.get(name) is not None]
            theirs.update({name: values[name] for name in names})
            filled[row.position] = names
    changed = {row.match_id for row in rows if filled.get(row.position)}
    _write(connection, now, [known[customer_id] for customer_id in sorted(changed)])
    _note_filled(connection, rows[0].import_id, filled)


def _empty_again(connection: Connection, now: datetime, found: Row[Any], rows: Sequence[Row[Any]]) -> None:
    known = _usable(connection, [row.match_id for row in rows], found.applied_at)
    for row in rows:
        if row.match_id in known:
            known[row.match_id].update(dict.fromkeys(json.loads(row.filled)))
    _write(connection, now, [known[customer_id] for customer_id in sorted(known)])
    others = [row.position for row in rows if row.match_id not in known and json.loads(row.filled)]
    mine = _is(found.id, COMPLETED) & customer_import_row.c.position.in_(others)
    _note_stayed(connection, mine, customer_import_row.c.match_id)


def _usable(connection: Connection, ids: Sequence[str], as_left: datetime | None = None) -> dict[str, dict[str, Any]]:
    """Customers by their ids as they are, and who stay so until the end: not erased, restricted, or changed since."""
    mine: list[Any] = [customer.c.id.in_(ids), customer.c.erased_at.is_(None), customer.c.restricted_at.is_(None)]
    mine += [customer.c.changed_at == as_left] if as_left else []
    found = connection.execute(select(customer).where(*mine).order_by(customer.c.id).with_for_update())
    return {row["id"]: dict(row) for row in found.mappings()}


def _write(connection: Connection, now: datetime, customers: Sequence[Mapping[str, Any]]) -> None:
    names = (*COMPLETED_FIELDS, "search_text", "changed_at")
    written = update(customer).where(customer.c.id == bindparam("its_id"))
    rows = [
        {name: one[name] for name in COMPLETED_FIELDS}
        | {"search_text": search_text(one, one["number"]), "changed_at": now, "its_id": one["id"]}
        for one in customers
    ]
    if rows:
        connection.execute(written.values({name: bindparam(name) for name in names}), rows)


def _note_filled(connection: Connection, import_id: str, filled: Mapping[int, Sequence[str]]) -> None:
    mine = (customer_import_row.c.import_id == import_id, customer_import_row.c.position == bindparam("its_position"))
    noted = update(customer_import_row).where(*mine).values(outcome=COMPLETED, filled=bindparam("filled"), **EMPTY)
    rows = [{"its_position": position, "filled": json.dumps(names)} for position, names in filled.items()]
    if rows:
        connection.execute(noted, rows)


def _note_outcomes(connection: Connection, import_id: str) -> None:
    """What became of each row; of those in the register nothing is kept here but whom they became."""
    mine = (customer_import_row.c.import_id == import_id, customer_import_row.c.outcome.is_(None))
    became = (customer_import_row.c.choice == ADD, customer_import_row.c.details.is_not(None))
    connection.execute(update(customer_import_row).where(*mine, *became).values(outcome=ADDED, **EMPTY))
    left = (customer_import_row.c.state.is_not(None), customer_import_row.c.outcome.is_(None))
    connection.execute(update(customer_import_row).where(mine[0], *left).values(outcome=LEFT, choice=LEAVE))
    connection.execute(delete(customer_import_row).where(mine[0], customer_import_row.c.state.is_(None)))


def _note_stayed(connection: Connection, which: Any, theirs: Any) -> None:
    """Note rows whose customer is still there; nobody need be told of one who is erased meanwhile."""
    here = theirs.in_(select(customer.c.id).where(customer.c.erased_at.is_(None)))
    connection.execute(update(customer_import_row).where(which, here).values(outcome=STAYED))


def _is(import_id: str, outcome: str) -> Any:
    return (customer_import_row.c.import_id == import_id) & (customer_import_row.c.outcome == outcome)


def _is_as_left(at: datetime) -> list[Any]:
    """Whether nobody has changed a customer since, or added anything that belongs to them."""
    keys = [key for table in metadata.tables.values() for key in table.foreign_keys if key.column is customer.c.id]
    added = [key.parent for key in keys if key.parent.table.name not in OF_ITS_OWN]
    untouched = [~select(column).where(column == customer.c.id).correlate(customer).exists() for column in added]
    return [customer.c.changed_at == at, customer.c.restricted_at.is_(None), *untouched]
