"""An import taken into the register, all of it at once, and taken out of it again, little by little.

What it adds and completes bears the same moment as `changed_at`; a customer who bears another one by the time it is
undone has been changed since, and stays. Must not commit or read a clock.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, delete, func, insert, literal, select, update

from consent_service.database import insert_if_absent
from consent_service.models.columns import metadata
from consent_service.models.customer_imports import ARRIVING, customer_arrival, customer_import_row
from consent_service.models.customers import customer, customer_number
from consent_service.models.requests import data_request
from consent_service.register.customer_imports import (
    ADD,
    ADDED,
    APPLIED,
    CHECKING,
    COMPLETE,
    COMPLETED,
    LEFT,
    STAYED,
    UNDONE,
)
from consent_service.register.customers import COMPANY, COMPANY_ONLY, FIRST_NUMBER, search_text
from consent_service.register.import_steps import end, renew

SLICE = 500
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
    """The customer numbers of whoever is added without one of their own."""

    following: int

    def of(self, given: int | None) -> int:
        """Return the number of the next new customer: the one that is given, or else the next."""
        self.following += given is None
        return self.following - 1 if given is None else given


def prepare(connection: Connection, found: Row[Any], relay: str, now: datetime) -> Numbers:
    """Reserve numbers for all that will be added, behind every number that is given; raises ClaimLost."""
    renew(connection, now, found.id, relay, 0)
    connection.execute(delete(customer_arrival).where(customer_arrival.c.import_id == found.id))
    tried = (customer_import_row.c.import_id == found.id, customer_import_row.c.outcome.is_not(None))
    connection.execute(update(customer_import_row).where(*tried).values(outcome=None))
    adding = (customer_import_row.c.import_id == found.id, customer_import_row.c.choice == ADD)
    given = customer_import_row.c.given_number
    rows, numbered, largest = connection.execute(
        select(func.count(), func.count(given), func.max(given)).where(*adding)
    ).one()
    insert_if_absent(connection, customer_number, {"id": 1, "next": FIRST_NUMBER})
    following = connection.execute(select(customer_number.c.next).with_for_update()).scalar_one()
    following = max(following, (largest or 0) + 1)
    connection.execute(update(customer_number).values(next=following + rows - numbered))
    return Numbers(following)


def chosen(connection: Connection, import_id: str, choice: str, after: int) -> Sequence[Row[Any]]:
    """Return the next rows for which staff chose this."""
    mine = (customer_import_row.c.import_id == import_id, customer_import_row.c.choice == choice)
    usable = (customer_import_row.c.details.is_not(None), customer_import_row.c.position > after)
    listed = select(customer_import_row).where(*mine, *usable).order_by(customer_import_row.c.position)
    return connection.execute(listed.limit(SLICE)).all()


def arrive(connection: Connection, now: datetime, relay: str, rows: Sequence[Row[Any]], numbers: Numbers) -> None:
    """Write down whom rows become that are still there, where nobody looks yet; raises ClaimLost."""
    renew(connection, now, rows[0].import_id, relay, rows[-1].position)
    positions = customer_import_row.c.position.in_([row.position for row in rows])
    these = (customer_import_row.c.import_id == rows[0].import_id, positions, customer_import_row.c.choice == ADD)
    noted = update(customer_import_row).where(*these).values(outcome=ADDED).returning(customer_import_row.c.position)
    there = set(connection.execute(noted).scalars())
    if arriving := [_arrival(row, numbers) for row in rows if row.position in there]:
        connection.execute(insert(customer_arrival), arriving)


def apply(connection: Connection, now: datetime, found: Row[Any], relay: str) -> bool:
    """Take an import into the register; False, and its rows are checked again, when others were added meanwhile.

    Raises ClaimLost.
    """
    if _has_grown(connection, found.checked_at):
        end(connection, found.id, relay, CHECKING, done=0)
        return False
    end(connection, found.id, relay, APPLIED, applied_at=now)
    mine = customer_arrival.c.import_id == found.id
    whole = {"status": "active", "created_at": now, "created_by": found.created_by, "changed_at": now}
    said = [literal(value, customer.c[name].type).label(name) for name, value in whole.items()]
    arrived = select(customer_arrival.c.id, *(customer_arrival.c[name] for name in ARRIVING), *said).where(mine)
    connection.execute(insert(customer).from_select(["id", *ARRIVING, *whole], arrived))
    after = -1
    while rows := chosen(connection, found.id, COMPLETE, after):
        _complete(connection, now, rows)
        after = rows[-1].position
    _note_outcomes(connection, found.id)
    return True


def settle(connection: Connection, now: datetime, found: Row[Any], relay: str) -> int:
    """Erase what the rows of some customers say who are in the register now; returns how many; raises ClaimLost."""
    renew(connection, now, found.id, relay, 0)
    there = (customer_import_row.c.outcome.in_([ADDED, COMPLETED]), customer_import_row.c.details.is_not(None))
    mine = select(customer_import_row.c.position).where(customer_import_row.c.import_id == found.id, *there)
    positions = connection.execute(mine.limit(SLICE)).scalars().all()
    these = (customer_import_row.c.import_id == found.id, customer_import_row.c.position.in_(positions))
    connection.execute(update(customer_import_row).where(*these).values(**EMPTY))
    arrived = select(customer_arrival.c.id).where(customer_arrival.c.import_id == found.id).limit(SLICE)
    ids = connection.execute(arrived).scalars().all()
    connection.execute(delete(customer_arrival).where(customer_arrival.c.id.in_(ids)))
    return max(len(positions), len(ids))


def end_settling(connection: Connection, now: datetime, found: Row[Any], relay: str) -> None:
    """Note that nothing is left to be erased; raises ClaimLost."""
    unused = (customer_import_row.c.import_id == found.id, customer_import_row.c.state.is_(None))
    connection.execute(delete(customer_import_row).where(*unused))
    end(connection, found.id, relay, APPLIED, settled_at=now)


def undo(connection: Connection, now: datetime, found: Row[Any], relay: str) -> int:
    """Take out some of what an import added, then empty some of what it filled in, and return how many rows it was.

    Customers changed since stay as they are. Raises ClaimLost.
    """
    renew(connection, now, found.id, relay, 0)
    mine = customer_import_row.c.import_id == found.id
    added = select(customer_import_row.c.position, customer_import_row.c.customer_id).where(mine, _has_become(ADDED))
    theirs: Sequence[str] = []
    if rows := connection.execute(added.limit(SLICE)).all():
        ids = [row.customer_id for row in rows]
        connection.execute(delete(customer).where(customer.c.id.in_(ids), *_is_as_left(found.applied_at)))
        these = mine & customer_import_row.c.position.in_([row.position for row in rows])
        _note_stayed(connection, these, customer_import_row.c.customer_id, ids)
        taken = len(rows)
    else:
        completed = select(customer_import_row.c.match_id).where(mine, _has_become(COMPLETED)).distinct().limit(SLICE)
        theirs = connection.execute(completed).scalars().all()
        these = mine & customer_import_row.c.match_id.in_(theirs) & _has_become(COMPLETED)
        filled = connection.execute(select(customer_import_row).where(these)).all()
        _empty_again(connection, now, found.applied_at, filled)
        taken = len(filled)
    connection.execute(delete(customer_import_row).where(these, _has_become(ADDED, COMPLETED)))
    return taken


def end_undoing(connection: Connection, now: datetime, found: Row[Any], relay: str) -> None:
    """Note that all is taken out that is to be, and keep only whose data stays; raises ClaimLost."""
    end(connection, found.id, relay, UNDONE, undone_at=now)
    gone = (customer_import_row.c.import_id == found.id, customer_import_row.c.outcome.is_distinct_from(STAYED))
    connection.execute(delete(customer_import_row).where(*gone))
    connection.execute(delete(customer_arrival).where(customer_arrival.c.import_id == found.id))


def stayed(connection: Connection, import_id: str, limit: int) -> Sequence[Row[Any]]:
    """Return customers whom undoing an import left as they were, because they had been changed since."""
    became = customer_import_row.c.filled.is_(None)  # else it completed somebody
    theirs = case((became, customer_import_row.c.customer_id), else_=customer_import_row.c.match_id)
    mine = select(theirs).where(customer_import_row.c.import_id == import_id, _has_become(STAYED))
    return connection.execute(select(customer).where(customer.c.id.in_(mine)).order_by("number").limit(limit)).all()


def _has_grown(connection: Connection, since: datetime) -> bool:
    newer = select(customer.c.id).where(customer.c.created_at > since).limit(1)
    return connection.execute(newer).first() is not None


def _arrival(row: Row[Any], numbers: Numbers) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(row.details)
    number = numbers.of(row.given_number)
    told = values | {"number": number, "search_text": search_text(values, number)}
    return {name: told[name] for name in ARRIVING} | {"id": row.customer_id, "import_id": row.import_id}


def _complete(connection: Connection, now: datetime, rows: Sequence[Row[Any]]) -> None:
    """Fill in what is empty of the customers that rows look like, each row after the one before it."""
    known = _usable(connection, [row.match_id for row in rows])
    filled: dict[int, Sequence[str]] = {}
    for row in rows:
        if (theirs := known.get(row.match_id)) is not None:
            values = json.loads(row.details)
            asked = [name for name in COMPLETED_FIELDS if theirs["kind"] == COMPANY or name not in COMPANY_ONLY]
            names = [name for name in asked if theirs[name] is None and values.get(name) is not None]
            theirs.update({name: values[name] for name in names})
            filled[row.position] = names
    changed = {row.match_id for row in rows if filled.get(row.position)}
    _write(connection, now, [known[customer_id] for customer_id in sorted(changed)])
    _note_filled(connection, rows[0].import_id, filled)


def _empty_again(connection: Connection, now: datetime, as_left: datetime, rows: Sequence[Row[Any]]) -> None:
    known = _usable(connection, [row.match_id for row in rows], as_left)
    for row in rows:
        if row.match_id in known:
            known[row.match_id].update(dict.fromkeys(json.loads(row.filled)))
    filled = {row.match_id for row in rows if json.loads(row.filled)}
    _write(connection, now, [known[customer_id] for customer_id in sorted(filled & known.keys())])
    if others := sorted(filled - known.keys()):
        these = (customer_import_row.c.import_id == rows[0].import_id) & _has_become(COMPLETED)
        _note_stayed(connection, these, customer_import_row.c.match_id, others)


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
    noted = update(customer_import_row).where(*mine).values(outcome=COMPLETED, filled=bindparam("filled"))
    rows = [{"its_position": position, "filled": json.dumps(names)} for position, names in filled.items()]
    if rows:
        connection.execute(noted, rows)


def _note_outcomes(connection: Connection, import_id: str) -> None:
    """What became of each row of which nothing has been noted."""
    mine = (customer_import_row.c.import_id == import_id, customer_import_row.c.outcome.is_(None))
    connection.execute(
        update(customer_import_row).where(*mine, customer_import_row.c.state.is_not(None)).values(outcome=LEFT)
    )


def _note_stayed(connection: Connection, which: Any, theirs: Any, ids: Sequence[str]) -> None:
    """Note rows whose customer, one of `ids`, is still there; nobody need be told of one who is erased meanwhile."""
    here = select(customer.c.id).where(customer.c.id.in_(ids), customer.c.erased_at.is_(None))
    which &= theirs.in_(connection.execute(here).scalars().all())  # read once for all rows, whatever is planned
    connection.execute(update(customer_import_row).where(which).values(outcome=STAYED, **EMPTY))


def _has_become(*outcomes: str) -> Any:
    return customer_import_row.c.outcome.in_(outcomes)


def _is_as_left(at: datetime) -> list[Any]:
    """Whether nobody has changed a customer since, or added anything that belongs to them."""
    keys = [key for table in metadata.tables.values() for key in table.foreign_keys if key.column is customer.c.id]
    added = [key.parent for key in keys if key.parent.table.name not in OF_ITS_OWN]
    added.append(data_request.c.customer_id)  # which has no key: a request outlives whom it is about
    untouched = [~select(column).where(column == customer.c.id).correlate(customer).exists() for column in added]
    return [customer.c.changed_at == at, customer.c.restricted_at.is_(None), *untouched]
