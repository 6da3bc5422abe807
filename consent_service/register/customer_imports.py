"""Imports of customers out of a spreadsheet, as staff see them: sent, its columns named, looked through, taken or not.

The reading and checking of many rows is done by the relay (`import_steps`), and so is taking them into the register,
all at once (`import_batches`). Until then nothing of an import is in the register. Must not commit or read a clock.
"""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, func, insert, or_, select, update

from consent_service.database import insert_or_replace, one_at_a_time
from consent_service.language import mark
from consent_service.models.customer_imports import (
    customer_arrival,
    customer_import,
    customer_import_file,
    customer_import_row,
    customer_mapping,
)
from consent_service.models.customers import customer
from consent_service.paging import Found, page_of
from consent_service.register import customer_columns
from consent_service.register.customer_columns import headers_hash, proposal
from consent_service.register.import_traces import Traces

READING, REFUSED, COLUMNS, CHECKING = "reading", "refused", "columns", "checking"
CHECKED, APPLYING, APPLIED, UNDOING, UNDONE = "checked", "applying", "applied", "undoing", "undone"
STATES = {
    READING: mark("The file is being read"),
    REFUSED: mark("The file could not be used"),
    COLUMNS: mark("Waits for you: what are the columns?"),
    CHECKING: mark("The rows are being checked"),
    CHECKED: mark("Waits for you: is this right?"),
    APPLYING: mark("The customers are being added"),
    APPLIED: mark("Done"),
    UNDOING: mark("Being undone"),
    UNDONE: mark("Undone"),
}
WORKING = (READING, CHECKING, APPLYING, UNDOING)
UNFINISHED = (READING, REFUSED, COLUMNS, CHECKING, CHECKED, APPLYING)
NEW, KNOWN, PARTLY, UNUSABLE = "new", "known", "partly", "unusable"
ROWS = {
    NEW: mark("New customers"),
    KNOWN: mark("Look like somebody who is there"),
    PARTLY: mark("Something could not be read"),
    UNUSABLE: mark("Cannot be added"),
}
ADD, COMPLETE, LEAVE = "add", "complete", "leave"
CHOICES = {
    KNOWN: {
        LEAVE: mark("Leave out"),
        COMPLETE: mark("Fill in what is empty of the one who is there"),
        ADD: mark("Add anyway"),
    },
    PARTLY: {LEAVE: mark("Leave out"), ADD: mark("Add, and put what could not be read into the notes")},
}
ADDED, COMPLETED, LEFT, STAYED = "added", "completed", "left", "stayed"
FORGOTTEN_AFTER, UNDOABLE_FOR = timedelta(days=7), timedelta(days=30)
_UNCHECKED = dict.fromkeys(("details", "problems", "given_number", "state", "match_id", "match_by", "choice"))
BLANK = "[]"  # the cells of a row that has been emptied and keeps its place, so that headings stay where they are
ERASED_MEANWHILE = mark(
    "Somebody was erased from the register before the file had been read, and may stand in it. "
    "Take them out of the file and send it again."
)
HEADINGS = 5  # so many rows under the headings are shown as examples
_EMPTIED = (
    update(customer_import_row)
    .where(
        customer_import_row.c.import_id == bindparam("its_import"),
        customer_import_row.c.position == bindparam("its_position"),
    )
    .values(_UNCHECKED | {"cells": BLANK, "customer_id": None, "outcome": None, "filled": None})
)


class ChoiceRefused(Exception):
    """What was chosen is not possible for this row or at this stage."""


@dataclass(frozen=True)
class Sheet:
    """A sheet of the file: its name, how many rows hold anything, which row has the headings, how many are known."""

    name: str
    rows: int
    header: int
    recognised: int


@dataclass(frozen=True)
class Table:
    """A sheet as its columns are named: the headings, a few rows below, and what each column seems to be."""

    headers: Sequence[str]
    examples: Sequence[Sequence[str]]
    columns: Sequence[str]


def take(connection: Connection, now: datetime, file_name: str, content: bytes, staff_name: str) -> str:
    """Keep a file to be read, and return the import's id; the same file again leads to what is not finished yet."""
    one_at_a_time(connection, "take a file of customers")
    digest = sha256(content).hexdigest()
    same = select(customer_import.c.id).where(customer_import.c.digest == digest)
    waiting = same.where(customer_import.c.state.in_([READING, COLUMNS, CHECKING, CHECKED, APPLYING]))
    known: str | None = connection.execute(waiting.order_by(customer_import.c.created_at.desc())).scalars().first()
    if known:
        return known
    import_id = str(uuid.uuid4())
    values = {"id": import_id, "file_name": file_name, "digest": digest, "state": READING, "created_at": now}
    counted = {"created_by": staff_name, "waiting_since": now, "done": 0, "total": 0, "tries": 0}
    connection.execute(insert(customer_import).values(values | counted))
    connection.execute(insert(customer_import_file).values(import_id=import_id, content=content))
    return import_id


def find(connection: Connection, import_id: str) -> Row[Any] | None:
    """Return one import, or None."""
    return connection.execute(select(customer_import).where(customer_import.c.id == import_id)).one_or_none()


def search(connection: Connection, page: int) -> Found:
    """Return a page of imports, the newest first."""
    counted = select(func.count()).select_from(customer_import)
    listed = select(customer_import).order_by(customer_import.c.created_at.desc(), customer_import.c.id)
    return page_of(connection, counted, listed, page)


def sheets(found: Row[Any]) -> list[Sheet]:
    """Return the sheets of an import whose file has been read."""
    return [Sheet(**one) for one in json.loads(found.sheets or "[]")]


def likeliest(found: Row[Any]) -> int:
    """Return the sheet that was chosen, or the likeliest one: whose headings say most, then the first."""
    if found.sheet is not None:
        chosen: int = found.sheet
        return chosen
    told = sheets(found)
    return max(range(len(told)), key=lambda one: (told[one].recognised, -one))


def meanings(found: Row[Any]) -> dict[int, str]:
    """Return what the columns that are taken are, as message ids."""
    columns = json.loads(found.columns or "[]")
    return {at: customer_columns.MEANINGS[one] for at, one in enumerate(columns) if one}


def called(row: Row[Any]) -> str:
    """Return what a row's customer, or a customer, is called; nothing when nobody knows any more."""
    values = row._mapping
    known = json.loads(values["details"] or "{}") if "details" in values else values
    name = " ".join(filter(None, (known.get("first_name"), known.get("last_name"))))
    return ", ".join(filter(None, (known.get("company_name"), name)))


def table(connection: Connection, found: Row[Any], sheet: int, header: int) -> Table:
    """Return a sheet's headings and what its columns are: as chosen for these headings before, or as they are called.

    Raises ChoiceRefused when there is no such row.
    """
    mine = (customer_import_row.c.import_id == found.id, customer_import_row.c.sheet == sheet)
    below = select(customer_import_row.c.number, customer_import_row.c.cells).where(*mine)
    rows = connection.execute(
        below.where(customer_import_row.c.number >= header).order_by(customer_import_row.c.position).limit(HEADINGS + 1)
    ).all()
    if not rows or rows[0].number != header or rows[0].cells is None:
        raise ChoiceRefused
    cells = [json.loads(row.cells or "[]") for row in rows]
    width = max(map(len, cells))
    first, *examples = [[*row, *[""] * (width - len(row))] for row in cells]
    return Table(first, examples, _columns(connection, found, (sheet, header), first))


def set_columns(
    connection: Connection, now: datetime, import_id: str, chosen: tuple[int, int], columns: Sequence[str], source: str
) -> None:
    """Note what the columns of a sheet are, for this import and for the next file with these headings; check the rows.

    `chosen` is the sheet and the row with the headings. Raises ChoiceRefused.
    """
    found = _in_state(connection, import_id, (COLUMNS, CHECKED))
    headers = table(connection, found, *chosen).headers
    kept = {"headers_hash": headers_hash(headers), "columns": json.dumps(list(columns)), "changed_at": now}
    insert_or_replace(connection, customer_mapping, ["headers_hash"], kept)
    values = {"sheet": chosen[0], "header": chosen[1], "columns": json.dumps(list(columns)), "source": source}
    mine = (customer_import_row.c.import_id == import_id, customer_import_row.c.state.is_not(None))
    connection.execute(update(customer_import_row).where(*mine).values(_UNCHECKED))
    _wait(connection, now, import_id, CHECKING, **values)


def counts(connection: Connection, found: Row[Any]) -> dict[tuple[str, str | None], int]:
    """Return how many rows there are of each state and choice; once taken, of each outcome."""
    rows = customer_import_row.c
    became = rows.outcome if found.state in (APPLIED, UNDOING, UNDONE) else rows.choice
    listed = select(rows.state, became, func.count()).where(rows.import_id == found.id, rows.state.is_not(None))
    return {
        (state, chosen): number for state, chosen, number in connection.execute(listed.group_by(rows.state, became))
    }


def rows_of(connection: Connection, import_id: str, state: str, page: int) -> Found:
    """Return a page of the rows in a state, as they stand in the file."""
    mine = (customer_import_row.c.import_id == import_id, customer_import_row.c.state == state)
    counted = select(func.count()).select_from(customer_import_row).where(*mine)
    return page_of(connection, counted, select(customer_import_row).where(*mine).order_by("position"), page)


def look_alikes(connection: Connection, import_id: str, ids: Sequence[str]) -> Mapping[str, Row[Any]]:
    """Return by their ids whom rows look like: customers, or earlier rows that would become them."""
    found = connection.execute(select(customer).where(customer.c.id.in_(ids))).all()
    mine = (customer_import_row.c.import_id == import_id, customer_import_row.c.customer_id.in_(ids))
    earlier = connection.execute(select(customer_import_row).where(*mine)).all()
    return {row.customer_id: row for row in earlier} | {row.id: row for row in found}


def choose(connection: Connection, import_id: str, choices: Mapping[int, str]) -> None:
    """Note what is to become of rows, by their positions; raises ChoiceRefused."""
    _in_state(connection, import_id, (CHECKED,))
    for position, choice in choices.items():
        mine = (customer_import_row.c.import_id == import_id, customer_import_row.c.position == position)
        possible = or_(*(_may_be(state, choice) for state in CHOICES))
        if connection.execute(update(customer_import_row).where(*mine, possible).values(choice=choice)).rowcount != 1:
            raise ChoiceRefused


def choose_for_all(connection: Connection, import_id: str, state: str, choice: str) -> None:
    """Note what is to become of every row in a state; raises ChoiceRefused."""
    _in_state(connection, import_id, (CHECKED,))
    if choice not in CHOICES.get(state, {}):
        raise ChoiceRefused
    mine = (customer_import_row.c.import_id == import_id, customer_import_row.c.state == state)
    connection.execute(update(customer_import_row).where(*mine).values(choice=choice))


def apply(connection: Connection, now: datetime, import_id: str) -> None:
    """Have the chosen rows taken into the register; raises ChoiceRefused when there is nothing to be taken now."""
    _in_state(connection, import_id, (CHECKED,))
    _wait(connection, now, import_id, APPLYING)


def undo(connection: Connection, now: datetime, import_id: str) -> None:
    """Have taken out of the register again what the import brought into it; raises ChoiceRefused."""
    _in_state(connection, import_id, (APPLIED,))
    _wait(connection, now, import_id, UNDOING)


def cancel(connection: Connection, import_id: str) -> None:
    """Erase an import of which nothing has come into the register; raises ChoiceRefused."""
    _in_state(connection, import_id, (READING, REFUSED, COLUMNS, CHECKING, CHECKED))
    forget(connection, [import_id])


def forget(connection: Connection, import_ids: Sequence[str]) -> None:
    """Erase imports with all that is left of them."""
    connection.execute(delete(customer_import).where(customer_import.c.id.in_(import_ids)))


def forget_overdue(connection: Connection, now: datetime, import_ids: Sequence[str]) -> None:
    """Erase what is left of rows: the whole import if it is not finished, only what the rows said if it is."""
    mine = customer_import.c.id.in_(import_ids)
    connection.execute(delete(customer_import).where(mine, customer_import.c.state.in_(UNFINISHED)))
    empty = {"cells": None, "details": None, "problems": None}
    connection.execute(update(customer_import_row).where(customer_import_row.c.import_id.in_(import_ids)).values(empty))
    connection.execute(delete(customer_arrival).where(customer_arrival.c.import_id.in_(import_ids)))
    connection.execute(update(customer_import).where(mine).values(emptied_at=now))


def lock_all(connection: Connection) -> None:
    """Let nobody go on with any import until this transaction ends; to be called before customers are locked."""
    them = select(customer_import.c.id).where(customer_import.c.emptied_at.is_(None)).order_by(customer_import.c.id)
    connection.execute(them.with_for_update()).all()


def forget_customer(connection: Connection, person: Row[Any], ids: Sequence[str]) -> None:
    """Erase the rows a customer came out of, those that look like them by any of their ids, and those that name them.

    Whomever such a row was about to become does not arrive either. A file that nobody has read yet is given up.
    """
    _give_up_unread(connection)
    mine = (customer_import_row.c.customer_id.in_(ids), customer_import_row.c.match_id.in_(ids))
    deleted = delete(customer_import_row).where(or_(*mine)).returning(customer_import_row.c.customer_id)
    becoming = {*ids, *connection.execute(deleted).scalars()}
    if naming := list(_naming(connection, Traces(dict(person._mapping)))):
        becoming |= {row.customer_id for row in naming}
        connection.execute(_EMPTIED, [{"its_import": row.import_id, "its_position": row.position} for row in naming])
    arriving = delete(customer_arrival).where(customer_arrival.c.id == bindparam("its_id"))
    connection.execute(arriving, [{"its_id": one} for one in sorted(becoming - {None})])


def _naming(connection: Connection, traces: Traces) -> Iterator[Any]:
    """The rows that name somebody and of which nothing is in the register."""
    rows, is_unfinished = customer_import_row.c, customer_import.c.state.in_(UNFINISHED)
    unused = or_(rows.outcome.is_(None), rows.outcome == LEFT, is_unfinished)
    listed = select(rows.import_id, rows.position, rows.customer_id, rows.cells).join(customer_import)
    for row in connection.execute(listed.where(rows.cells.is_not(None), rows.cells != BLANK, unused)):
        if traces.are_in(json.loads(row.cells)):
            yield row


def _give_up_unread(connection: Connection) -> None:
    unread = select(customer_import.c.id).where(customer_import.c.state == READING)
    if ids := connection.execute(unread).scalars().all():
        for table in (customer_import_row, customer_import_file):
            connection.execute(delete(table).where(table.c.import_id.in_(ids)))
        given_up = {"state": REFUSED, "reason": ERASED_MEANWHILE, "claimed_by": None, "claimed_until": None}
        connection.execute(update(customer_import).where(customer_import.c.id.in_(ids)).values(given_up))


def _columns(connection: Connection, found: Row[Any], chosen: tuple[int, int], headers: Sequence[str]) -> list[str]:
    if found.columns and (found.sheet, found.header) == chosen:
        known = found.columns
    else:
        mine = customer_mapping.c.headers_hash == headers_hash(headers)
        known = connection.execute(select(customer_mapping.c.columns).where(mine)).scalar_one_or_none()
    columns = json.loads(known) if known else proposal(headers)
    columns = [one if one in customer_columns.MEANINGS else "" for one in columns]
    return [*columns, *[""] * (len(headers) - len(columns))][: len(headers)]


def _may_be(state: str, choice: str) -> ColumnElement[bool]:
    return (customer_import_row.c.state == state) & (choice in CHOICES[state])


def _in_state(connection: Connection, import_id: str, states: Sequence[str]) -> Row[Any]:
    mine = select(customer_import).where(customer_import.c.id == import_id, customer_import.c.state.in_(states))
    found = connection.execute(mine.with_for_update()).one_or_none()
    if found is None:
        raise ChoiceRefused
    return found


def _wait(connection: Connection, now: datetime, import_id: str, state: str, **values: Any) -> None:
    """Leave an import to the relay, whoever has worked on it before."""
    values |= {"state": state, "waiting_since": now, "done": 0, "tries": 0, "claimed_by": None, "claimed_until": None}
    connection.execute(update(customer_import).where(customer_import.c.id == import_id).values(**values))
