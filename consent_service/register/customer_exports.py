"""Customers out of the register as a spreadsheet, and the rows of an import that could not simply be taken.

Whose data is restricted is left out, and the file says how many were. What comes out goes in again as it was. Must not
commit or read a clock.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from sqlalchemy import Connection, Row, func, select

from consent_service.language import LANGUAGES, Language, mark
from consent_service.models.customer_imports import customer_import_row
from consent_service.models.customers import customer
from consent_service.register import customer_imports
from consent_service.register.customer_columns import COLUMNS, KIND
from consent_service.register.customer_file import letter
from consent_service.register.customer_imports import KNOWN, PARTLY, UNUSABLE
from consent_service.register.customer_matching import ALIKE
from consent_service.register.customers import KINDS, SOURCES, STATUSES, Search, wanted
from consent_service.register.sheet_writer import Book, writing

SLICE = 1000
KEPT_IN_MEMORY = 1024 * 1024


def counted(connection: Connection, asked: Search) -> tuple[int, int]:
    """Return how many customers of a search come along, and how many are left out because they are restricted."""
    free = func.count().filter(customer.c.restricted_at.is_(None))
    found = connection.execute(select(free, func.count()).where(*wanted(asked))).one()
    return found[0], found[1] - found[0]


def write(connection: Connection, asked: Search, language: Language, made: str) -> IO[bytes]:
    """Return a spreadsheet of a search, open at its beginning; `made` says when, for the sheet about the file."""
    taken, left_out = counted(connection, asked)
    headers = [*COLUMNS.values(), mark("Status")]
    about: list[tuple[str, str | int]] = [
        (language.say("Made"), made),
        (language.say("Searched for"), asked.words or language.say("All customers")),
        (language.say("Customers in this file"), taken),
        (language.say("Left out, because their data may not be used now"), left_out),
    ]

    def fill(book: Book) -> None:
        rows = (_row(row, language) for row in _customers(connection, asked))
        book.add_sheet(language.say("Customers"), [language.say(one) for one in headers], rows)
        book.add_sheet(language.say("About this file"), [language.say("About this file")], about)

    return _written(fill)


def write_problems(connection: Connection, found: Row[Any], language: Language) -> IO[bytes]:
    """Return a spreadsheet of the rows of an import that have a problem or look like somebody, at its beginning."""
    names = [sheet.name for sheet in customer_imports.sheets(found)]
    meanings = customer_imports.meanings(found)
    headers = [mark("Sheet"), mark("Row"), mark("Column"), mark("Reason"), mark("Cell content")]

    def fill(book: Book) -> None:
        rows = (told for row in _with_problems(connection, found.id) for told in _told(row, names, meanings, language))
        book.add_sheet(language.say("Rows to look at"), [language.say(one) for one in headers], rows)

    return _written(fill)


def reasons(row: Row[Any], meanings: Mapping[int, str], language: Language) -> list[tuple[str, str, str]]:
    """Return of each problem of a row its column, its reason and what stands there."""
    cells = json.loads(row.cells or "[]")
    told = []
    for column, reason in json.loads(row.problems or "[]"):
        at = "" if column is None else f"{letter(column)} ({language.say(meanings[column])})"
        told.append((at, language.say(reason), "" if column is None or column >= len(cells) else cells[column]))
    return told


def _told(
    row: Row[Any], names: Sequence[str], meanings: Mapping[int, str], language: Language
) -> Iterator[Sequence[str | int]]:
    for at, reason, cell in reasons(row, meanings, language):
        yield names[row.sheet], row.number, at, reason, cell
    if row.state == KNOWN:
        alike = language.say(ALIKE[row.match_by])
        yield names[row.sheet], row.number, "", alike[0].upper() + alike[1:], ""


def _customers(connection: Connection, asked: Search) -> Iterator[Row[Any]]:
    """By number, in slices, so that memory does not grow with the register."""
    listed = select(customer).where(*wanted(asked), customer.c.restricted_at.is_(None))
    after = -1
    while rows := connection.execute(
        listed.where(customer.c.number > after).order_by(customer.c.number).limit(SLICE)
    ).all():
        yield from rows
        after = rows[-1].number


def _with_problems(connection: Connection, import_id: str) -> Iterator[Row[Any]]:
    mine = (customer_import_row.c.import_id == import_id, customer_import_row.c.state.in_([KNOWN, PARTLY, UNUSABLE]))
    after = -1
    listed = select(customer_import_row).where(*mine).order_by(customer_import_row.c.position).limit(SLICE)
    while rows := connection.execute(listed.where(customer_import_row.c.position > after)).all():
        yield from rows
        after = rows[-1].position


def _row(row: Row[Any], language: Language) -> list[str | int | None]:
    values = row._mapping
    shown = [_SHOWN[name](values[name], language) if name in _SHOWN else values[name] for name in COLUMNS]
    return [*shown, language.say(STATUSES[row.status])]


def _phone(phone: str | None, _: Language) -> str | None:
    """As it is dialled here, without a plus: a spreadsheet would take that for a sum."""
    return re.sub(r"^\+", "00", re.sub(r"^\+358", "0", phone)) if phone else None


def _said(labels: dict[str, str]) -> Callable[[str | None, Language], str | None]:
    return lambda key, language: language.say(labels[key]) if key in labels else key


def _written(fill: Callable[[Book], None]) -> IO[bytes]:
    target = SpooledTemporaryFile(KEPT_IN_MEMORY)  # noqa: SIM115 it is closed by whoever sends it
    with writing(target) as book:
        fill(book)
    target.seek(0)
    return target


_SHOWN: dict[str, Callable[[Any, Language], Any]] = {
    KIND: _said(KINDS),
    "source": _said(SOURCES),
    "language": _said(LANGUAGES),
    "phone": _phone,
}
