"""Spreadsheets that somebody sends: the rows of an .xlsx or a CSV, and what of a cell could harm whoever opens it.

What comes in is held small before it is opened: so many bytes inside, rows and columns, no links to other files. What
its parts really hold is counted before a library opens them whole.
Formulas are read as the value they had when the file was saved. Asks no database.
"""

import csv
import io
import re
import unicodedata
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, partial
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.parsers import expat

from openpyxl.reader.excel import ExcelReader, _find_workbook_part
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS

from consent_service.language import mark
from consent_service.register.document_files import BROKEN_PACKAGE

LARGEST_FILE = 10 * 1024 * 1024
LARGEST_INSIDE, MOST_WORDS = 100 * 1024 * 1024, 50 * 1024 * 1024
MOST_PARTS, MOST_SHEETS = 1000, 50
MOST_ROWS, MOST_COLUMNS, LONGEST_CELL, MOST_TEXT = 50_000, 100, 5000, 50_000_000
LAST_ROW, MOST_PLACES = 1_048_576, 200_000_000
PIECE, MOST_TAGS, MOST_TAGS_IN_ROW = 64 * 1024, 1_000_000, 50_000
LONGEST_TAG, MOST_NAMES = 1024 * 1024, 10_000
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the two a spreadsheet knows; others unpack without measure
SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ZIP, OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
# Parts that are read row by row, with the name of a row and how many there may be; every other one is read whole.
_ROW_BY_ROW = {
    re.compile(r"(?i)xl/worksheets/[^/]+\.xml"): ("row", LAST_ROW),
    re.compile(r"(?i)xl/pivotCache/[^/]+\.xml"): ("r", LAST_ROW),
    re.compile(r"(?i)xl/sharedStrings\.xml"): ("si", MOST_ROWS * MOST_COLUMNS),
}
_RISKY = re.compile(r"'*[=+\-@\t\r]")  # a spreadsheet may take text that begins so for a formula

UNREADABLE = mark("The file cannot be read as a spreadsheet. Open it in Excel, save it as .xlsx and try again.")
OLD = mark(
    "This is an Excel file of the old kind (.xls), or one with a password. Open it in Excel, choose Save as and "
    "“Excel Workbook (.xlsx)”, without a password, and send the new file."
)
LINKED = mark(
    "The file takes values from other files. In Excel, choose Data, Edit Links and Break Link, "
    "save the file and send it again."
)
TOO_LARGE = mark("The file is too large: 10 MB at most. Split it into several files.")
TOO_MUCH_INSIDE = mark(
    "There is far more in the file than in a customer list. Copy the list into a new file and send it."
)
TOO_MANY_ROWS = mark("The file has more than 50,000 rows. Split it into several files.")
TOO_MANY_COLUMNS = mark("A row has more than 100 columns. Remove the ones that are not needed.")
EMPTY = mark("The file is empty.")


class FileRefused(Exception):
    """The file as a whole cannot be used; the one argument is a message id that says what to do."""

    @property
    def message(self) -> str:
        """The message id."""
        return str(self.args[0])


@dataclass(frozen=True)
class Line:
    """A row that holds anything: the number and name of its sheet, its own number there from 1, and its cells."""

    sheet: int
    sheet_name: str
    number: int
    cells: Sequence[str]


def check(content: bytes) -> None:
    """Raise FileRefused for what cannot be a customer list, without opening what is inside."""
    if not content:
        raise FileRefused(EMPTY)
    if len(content) > LARGEST_FILE:
        raise FileRefused(TOO_LARGE)
    if content.startswith(OLD_EXCEL):
        raise FileRefused(OLD)
    if content.startswith(ZIP):
        _check_inside(content)
    else:
        _decoded(content)


def lines(content: bytes) -> Iterator[Line]:
    """Yield the rows of a file, sheet by sheet; raises FileRefused, perhaps when some have come already."""
    check(content)
    found = taken = 0
    for line in _from_xlsx(content) if content.startswith(ZIP) else _from_csv(content):
        found, taken = found + 1, taken + sum(map(len, line.cells))
        if found > MOST_ROWS:
            raise FileRefused(TOO_MANY_ROWS)
        if taken > MOST_TEXT:  # very many cells can point at one text
            raise FileRefused(TOO_MUCH_INSIDE)
        yield line
    if not found:
        raise FileRefused(EMPTY)


@cache
def letter(column: int) -> str:
    """Return what a spreadsheet calls a column, counted from 0."""
    name: str = get_column_letter(column + 1)
    return name


def harmless(text: str) -> str:
    """Return text as no spreadsheet takes it for a formula; `as_it_was` undoes it."""
    return f"'{text}" if _RISKY.match(text) else text


def as_it_was(text: str) -> str:
    """Return the text that `harmless` was given."""
    return text[1:] if text.startswith("'") and _RISKY.match(text) else text


def _check_inside(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            parts = opened.infolist()
            words = sum(part.file_size for part in parts if part.filename.lower().endswith("sharedstrings.xml"))
            if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > LARGEST_INSIDE or words > MOST_WORDS:
                raise FileRefused(TOO_MUCH_INSIDE)
            if any(part.compress_type not in PACKED for part in parts):
                raise FileRefused(UNREADABLE)
            if any("externallinks/" in part.filename.lower() for part in parts):
                raise FileRefused(LINKED)
            for part in parts:
                _check_part(opened, part)
    except BROKEN_PACKAGE as error:
        raise FileRefused(UNREADABLE) from error


def _check_part(opened: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """Refuse what defines words of its own: no spreadsheet does, and a small one can grow without end."""
    if part.filename.lower().endswith((".xml", ".rels")):
        with opened.open(part) as stream:
            beginning = stream.read(2048).replace(b"\0", b"").upper()
        if b"<!DOCTYPE" in beginning or b"<!ENTITY" in beginning:
            raise FileRefused(UNREADABLE)


def _rows_of(name: str) -> tuple[str, int]:
    """What a row of a part is called and how many there may be; "" when it is read whole."""
    return next((rows for pattern, rows in _ROW_BY_ROW.items() if pattern.fullmatch(name)), ("", 0))


class _Part:
    """What is in a part, counted while it comes piece by piece, by the parser that is to read it later.

    What a row holds is forgotten when it ends; all else stands in memory at once.
    """

    def __init__(self, name: str):
        row, self._most_rows = _rows_of(name)
        self._row = f"{SHEET_MAIN_NS}}}{row}"
        self._depth = self._row_depth = self._rows = self._in_row = self._outside = self._fed = 0
        self._names: dict[str, Any] = {}
        self._parser: expat.XMLParserType | None = expat.ParserCreate(None, "}", self._names)
        self._parser.StartDoctypeDeclHandler = self._define
        self._parser.StartElementHandler, self._parser.EndElementHandler = self._start, self._end

    def feed(self, piece: bytes) -> None:
        """Count what is in a piece; raises FileRefused."""
        if self._parser is None:
            return
        try:
            self._parser.Parse(piece)
        except expat.ExpatError:  # no XML, or broken: nobody reads beyond this
            self._parser = None
            return
        self._fed += len(piece)
        unfinished = self._fed - self._parser.CurrentByteIndex
        if unfinished > LONGEST_TAG or len(self._names) > MOST_NAMES:
            raise FileRefused(TOO_MUCH_INSIDE)

    def _define(self, *_given: object) -> None:
        """Refuse what defines words of its own: no spreadsheet does, and a small one can grow without end."""
        raise FileRefused(UNREADABLE)

    def _start(self, name: str, _attributes: object) -> None:
        self._depth += 1
        if self._row_depth:
            self._in_row += 1
        elif name == self._row:
            self._rows, self._in_row, self._row_depth = self._rows + 1, 0, self._depth
        else:
            self._outside += 1
        if self._in_row > MOST_TAGS_IN_ROW or self._outside > MOST_TAGS or self._rows > self._most_rows:
            raise FileRefused(TOO_MUCH_INSIDE)

    def _end(self, _name: str) -> None:
        if self._depth == self._row_depth:
            self._row_depth = 0
        self._depth -= 1


def _count_inside(content: bytes) -> None:
    """Refuse a package of which a part holds other than it says, or too much at once; unpacked piece by piece."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            for part in opened.infolist():
                told, part.file_size = part.file_size, part.file_size + 1  # no more than that is ever read
                found, counted = 0, _Part(part.filename)
                with opened.open(part) as stream:
                    for piece in iter(partial(stream.read, PIECE), b""):
                        found += len(piece)
                        counted.feed(piece)
                if found != told:
                    raise FileRefused(UNREADABLE)
    except BROKEN_PACKAGE as error:
        raise FileRefused(UNREADABLE) from error


class _Reader(ExcelReader):  # type: ignore[misc]
    """Reads no part as another one than its name says, since what it may hold goes by that."""

    def read_strings(self) -> None:
        if words := self.package.find(SHARED_STRINGS):
            self._expect(words.PartName[1:], "si")
        super().read_strings()

    def read_workbook(self) -> None:
        self._expect(_find_workbook_part(self.package).PartName[1:], "")
        super().read_workbook()

    def read_worksheets(self) -> None:
        for _, found in self.parser.find_sheets():
            self._expect(found.target, "" if "chartsheet" in found.Type else "row")
        super().read_worksheets()

    def _expect(self, name: str, row: str) -> None:
        if _rows_of(name)[0] not in ("", row):
            raise FileRefused(UNREADABLE)


def _from_xlsx(content: bytes) -> Iterator[Line]:
    _count_inside(content)
    broken = (zipfile.BadZipFile, InvalidFileException, ParseError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what else is in the file, which is not read
            reader = _Reader(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
            reader.read()
            for index, sheet in enumerate(reader.wb.worksheets[:MOST_SHEETS]):
                yield from _of_sheet(index, sheet)
            reader.wb.close()
    except (*broken, KeyError, IndexError, ValueError, TypeError, AttributeError, OSError, EOFError) as error:
        raise FileRefused(UNREADABLE) from error


def _of_sheet(index: int, sheet: Any) -> Iterator[Line]:
    sheet.reset_dimensions()  # some programs write wrong ones
    places = 0
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        places += 1 + len(row)
        if number > LAST_ROW or places > MOST_PLACES:  # empty ones that are only formatted, or not even that
            raise FileRefused(TOO_MUCH_INSIDE)
        filled = max((place for place, cell in enumerate(row, 1) if cell is not None), default=0)
        if filled > MOST_COLUMNS:  # what is only formatted does not count
            raise FileRefused(TOO_MANY_COLUMNS)
        cells = [_text(cell) for cell in row[:filled]]
        if any(cells):
            yield Line(index, str(sheet.title), number, cells)


def _from_csv(content: bytes) -> Iterator[Line]:
    text = _decoded(content)
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(";,\t", key=first.count)
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), 1):
            cells = [_text(cell) for cell in row]
            if len(cells) > MOST_COLUMNS:
                raise FileRefused(TOO_MANY_COLUMNS)
            if any(cells):
                yield Line(0, "CSV", number, cells)
    except csv.Error as error:
        raise FileRefused(UNREADABLE) from error


def _decoded(content: bytes) -> str:
    """The text, as UTF-8 or, as older Excel writes it, as Windows-1252."""
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text and not text.lstrip().startswith("<"):
            return text
    raise FileRefused(UNREADABLE)


def _text(cell: object) -> str:
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    text = "" if cell is None else str(cell)[: 2 * LONGEST_CELL].strip()[:LONGEST_CELL]
    return as_it_was(unicodedata.normalize("NFC", text)[:LONGEST_CELL])
