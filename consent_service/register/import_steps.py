"""What the relay does of an import before staff look through it: keeps the rows of the file, and checks them.

Each piece is a transaction of its door's, and belongs to whoever holds the claim: a relay that was away for too long
finds it taken and stops; another begins anew. Must not commit or read a clock.
"""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, or_, select, update

from consent_service.language import mark
from consent_service.models.customer_imports import customer_import, customer_import_file, customer_import_row
from consent_service.register import customer_columns
from consent_service.register.customer_columns import LOOKED_FOR_HEADER
from consent_service.register.customer_file import Line, letter
from consent_service.register.customer_imports import (
    ADD,
    APPLIED,
    APPLYING,
    BLANK,
    CHECKED,
    COLUMNS,
    KNOWN,
    LEAVE,
    NEW,
    PARTLY,
    REFUSED,
    UNDOING,
    UNUSABLE,
    WORKING,
    Sheet,
)
from consent_service.register.customer_matching import NUMBER, Known
from consent_service.register.customer_rows import Meaning, Problem, read
from consent_service.register.customers import values_of

_FREE = {"claimed_by": None, "claimed_until": None}
LEASE = timedelta(minutes=1)
TRIES = 3
# What an import is given up as, when it is not the file that is of no use; what is not erased now goes with its time.
_BEFORE = {APPLYING: CHECKED, UNDOING: APPLIED, APPLIED: APPLIED}
STUMBLED = mark("Something went wrong while the file was read. Save it in Excel once more, or as CSV, and try again.")
TAKEN_NUMBER = mark("This number is another customer's already; a new one is given.")
_CHECKED_ROW = (
    update(customer_import_row)
    .where(
        customer_import_row.c.import_id == bindparam("its_import"),
        customer_import_row.c.position == bindparam("its_position"),
        customer_import_row.c.cells != BLANK,  # emptied since it was looked at
    )
    .values(
        {
            name: bindparam(name)
            for name in (
                "details",
                "problems",
                "given_number",
                "state",
                "customer_id",
                "match_id",
                "match_by",
                "choice",
            )
        }
    )
)


class ClaimLost(Exception):
    """Somebody else works on the import, or nobody has to any more."""


@dataclass
class Tally:
    """What was seen of each sheet while its rows came: for choosing the sheet, and the row with its headings."""

    sheets: dict[int, Sheet] = field(default_factory=dict)
    total: int = 0

    def add(self, line: Line) -> None:
        """Note a row."""
        self.total += 1
        known = self.sheets.get(line.sheet)
        score = customer_columns.recognised(line.cells) if known is None or known.rows < LOOKED_FOR_HEADER else 0
        if known is None or score > known.recognised:
            known = Sheet(line.sheet_name, known.rows if known else 0, line.number, score)
        self.sheets[line.sheet] = Sheet(known.name, known.rows + 1, known.header, known.recognised)


def waiting(connection: Connection, now: datetime) -> bool:
    """Whether there is an import to work on."""
    return connection.execute(select(customer_import.c.id).where(_is_free(now)).limit(1)).first() is not None


def claim(connection: Connection, now: datetime, relay: str) -> Row[Any] | None:
    """Take on the oldest import there is to work on, and return it; None when there is none.

    One that has been taken on too often in vain is given up: it may be what the relay dies of. What had been done
    before stays; how often it was tried then tells staff of the trouble.
    """
    oldest = select(customer_import).where(_is_free(now)).order_by(customer_import.c.created_at).limit(1)
    found = connection.execute(oldest.with_for_update(skip_locked=True)).one_or_none()
    if found is None:
        return None
    mine = update(customer_import).where(customer_import.c.id == found.id)
    if found.tries >= TRIES:
        given_up: dict[str, Any] = {"state": _BEFORE.get(found.state, REFUSED)} | _FREE
        given_up |= {"reason": STUMBLED} if found.state not in _BEFORE else {}
        given_up |= {"settled_at": now} if found.state == APPLIED else {}
        connection.execute(mine.values(given_up))
        return None
    connection.execute(mine.values(claimed_by=relay, claimed_until=now + LEASE, tries=found.tries + 1))
    return found


def renew(connection: Connection, now: datetime, import_id: str, relay: str, done: int) -> None:
    """Hold an import for longer and note how far its work is; raises ClaimLost."""
    _note(connection, import_id, relay, {"claimed_until": now + LEASE, "done": done})


def end(connection: Connection, import_id: str, relay: str, state: str, **values: Any) -> None:
    """Note that an import has come a stage farther, and let go of it; raises ClaimLost."""
    _note(connection, import_id, relay, {"state": state, "tries": 0} | _FREE | values)


def content(connection: Connection, import_id: str) -> bytes:
    """Return the file of an import."""
    mine = select(customer_import_file.c.content).where(customer_import_file.c.import_id == import_id)
    found: bytes = connection.execute(mine).scalar_one()
    return found


def begin_reading(connection: Connection, now: datetime, import_id: str, relay: str) -> None:
    """Forget the rows of an earlier try."""
    renew(connection, now, import_id, relay, done=0)
    connection.execute(delete(customer_import_row).where(customer_import_row.c.import_id == import_id))


def keep_lines(
    connection: Connection, now: datetime, import_id: str, relay: str, kept: int, new: Sequence[Line]
) -> None:
    """Keep rows of the file behind as many that are kept already."""
    renew(connection, now, import_id, relay, done=kept + len(new))
    rows = [
        {"import_id": import_id, "position": position, "sheet": line.sheet, "number": line.number}
        | {"cells": json.dumps(line.cells, ensure_ascii=False)}
        for position, line in enumerate(new, kept)
    ]
    connection.execute(insert(customer_import_row), rows)


def end_reading(connection: Connection, import_id: str, relay: str, seen: Tally) -> None:
    """Note what was seen; the file is of no use any more."""
    told = json.dumps([asdict(seen.sheets[one]) for one in sorted(seen.sheets)], ensure_ascii=False)
    end(connection, import_id, relay, COLUMNS, sheets=told, total=seen.total)
    connection.execute(delete(customer_import_file).where(customer_import_file.c.import_id == import_id))


def refuse(connection: Connection, import_id: str, relay: str, reason: str) -> None:
    """Note why a file cannot be used, and erase what was read of it."""
    end(connection, import_id, relay, REFUSED, reason=reason)
    _forget_rows(connection, import_id)


def meaning_of(connection: Connection, found: Row[Any]) -> Meaning:
    """Return what the columns of the chosen sheet are."""
    mine = (customer_import_row.c.import_id == found.id, customer_import_row.c.sheet == found.sheet)
    headings = select(customer_import_row.c.cells).where(*mine, customer_import_row.c.number == found.header)
    headers = json.loads(connection.execute(headings).scalar_one() or "[]")
    columns = json.loads(found.columns)
    headers = [*headers, *[""] * (len(columns) - len(headers))]
    return Meaning(columns, [one or letter(at) for at, one in enumerate(headers)], found.source, found.file_name)


def unchecked(connection: Connection, found: Row[Any], after: int, limit: int) -> Sequence[Row[Any]]:
    """Return the next rows of the chosen sheet under its headings."""
    mine = (customer_import_row.c.import_id == found.id, customer_import_row.c.sheet == found.sheet)
    below = select(customer_import_row).where(*mine, customer_import_row.c.number > found.header)
    return connection.execute(
        below.where(customer_import_row.c.position > after).order_by(customer_import_row.c.position).limit(limit)
    ).all()


def checked(rows: Sequence[Row[Any]], meaning: Meaning, known: Known) -> Iterator[dict[str, Any]]:
    """Yield what each row would be in the register, what is wrong with it, and whom it looks like."""
    for row in rows:
        cells = json.loads(row.cells or "[]")
        if any(cell for cell, name in zip(cells, meaning.columns, strict=False) if name):
            found = _check(cells, meaning, known, row.customer_id or str(uuid.uuid4()))
            is_as_before = (found["state"], found["match_id"]) == (row.state, row.match_id)
            choice = row.choice if is_as_before else found["choice"]  # what staff chose holds, unless it is outdated
            yield found | {"choice": choice, "its_import": row.import_id, "its_position": row.position}


def keep_checked(
    connection: Connection, now: datetime, import_id: str, relay: str, done: int, found: Sequence[Mapping[str, Any]]
) -> None:
    """Keep what was found out about rows."""
    renew(connection, now, import_id, relay, done=done)
    if found:
        connection.execute(_CHECKED_ROW, list(found))


def end_checking(connection: Connection, now: datetime, import_id: str, relay: str) -> None:
    """Let staff look through it; `now` is when the register was looked at."""
    end(connection, import_id, relay, CHECKED, checked_at=now)


def _check(cells: Sequence[str], meaning: Meaning, known: Known, customer_id: str) -> dict[str, Any]:
    reading = read(cells, meaning)
    row: dict[str, Any] = dict.fromkeys(("details", "given_number", "match_id", "match_by"))
    row["customer_id"] = customer_id
    problems = list(reading.problems)
    if reading.details is None:
        return row | {"state": UNUSABLE, "choice": LEAVE, "problems": _told(problems)}
    values, number = values_of(reading.details, 0), reading.number
    match = known.match(values, number)
    if match is None and number in known.numbers:
        column, number = meaning.columns.index(NUMBER), None
        problems.append(Problem(column, TAKEN_NUMBER))
    row["details"] = json.dumps(values | {"search_text": ""}, ensure_ascii=False)
    row["given_number"] = None if number in known.numbers else number
    row["problems"] = _told(problems)
    known.take(customer_id, values, number)
    if match:
        return row | {"state": KNOWN, "choice": LEAVE, "match_id": match.customer_id, "match_by": match.by}
    return row | ({"state": PARTLY, "choice": LEAVE} if problems else {"state": NEW, "choice": ADD})


def _note(connection: Connection, import_id: str, relay: str, values: Mapping[str, Any]) -> None:
    mine = (customer_import.c.id == import_id, customer_import.c.claimed_by == relay)
    if connection.execute(update(customer_import).where(*mine).values(**values)).rowcount != 1:
        raise ClaimLost


def _told(problems: Sequence[Problem]) -> str | None:
    return json.dumps([[one.column, one.reason] for one in problems], ensure_ascii=False) if problems else None


def _is_free(now: datetime) -> Any:
    is_unclaimed = or_(customer_import.c.claimed_until.is_(None), customer_import.c.claimed_until <= now)
    is_unsettled = (customer_import.c.state == APPLIED) & customer_import.c.settled_at.is_(None)
    return or_(customer_import.c.state.in_(WORKING), is_unsettled) & is_unclaimed


def _forget_rows(connection: Connection, import_id: str) -> None:
    for table in (customer_import_row, customer_import_file):
        connection.execute(delete(table).where(table.c.import_id == import_id))
