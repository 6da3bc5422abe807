"""A list of existing subscribers as a file: the rows of a CSV or an XLSX, under the column names that people use.

Reads what stands there and judges nothing; whether an address or a day is one, `import_claims` says. Formulas are read
as the value they had when the file was saved. Asks no database.
"""

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

EMAIL = "email"
NAMES = {
    EMAIL: "email emailaddress mail sähköposti sähköpostiosoite epost epostadress",
    "first_name": "firstname etunimi förnamn",
    "last_name": "lastname surname sukunimi efternamn",
    "language": "language kieli språk",
    "grade": "grade evidence peruste todiste grund",
    "day": "date day päivä päiväys päivämäärä pvm datum",
    "form_number": "form formnumber lomake lomakenumero blankett blankettnummer",
}
FIELDS = {name: field for field, names in NAMES.items() for name in names.split()}
ZIP, OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
UNREADABLE = "The file cannot be read as a spreadsheet. Save it as .xlsx or as CSV (UTF-8) and try again."


class FileRefused(Exception):
    """The file as a whole cannot be used; the message says what to do about it."""


@dataclass(frozen=True)
class Line:
    """One row under its number in the spreadsheet; `is_broken` says that it has more cells than there are columns."""

    number: str
    cells: Mapping[str, str]
    is_broken: bool = False


@dataclass(frozen=True)
class Sheet:
    """The rows that hold anything, and the columns that say nothing to this service."""

    lines: Sequence[Line]
    ignored: Sequence[str]


def read(content: bytes) -> Sheet:
    """Return the rows of a file; raises FileRefused."""
    if content.startswith(OLD_EXCEL):
        raise FileRefused("This is an old or a protected Excel file. Save it as .xlsx without a password, or as CSV.")
    rows = _from_xlsx(content) if content.startswith(ZIP) else _from_csv(content)
    numbered = [(number, row) for number, row in enumerate(rows, 1) if any(row)]
    if not numbered:
        raise FileRefused("The file is empty.")
    (_, header), *rest = numbered
    fields = _fields(header)
    lines = [_line(number, row, fields) for number, row in rest]
    return Sheet(lines, [name for name, field in zip(header, fields, strict=True) if name and field is None])


def _fields(header: Sequence[str]) -> list[str | None]:
    fields = [FIELDS.get(re.sub(r"[\W_]+", "", name.casefold())) for name in header]
    if EMAIL not in fields:
        raise FileRefused('The first row names no column for the address. Call it "email" and try again.')
    if twice := [name for name, field in zip(header, fields, strict=True) if field and fields.count(field) > 1]:
        raise FileRefused(f"Two columns say the same: {', '.join(twice)}. Remove one and try again.")
    return fields


def _line(number: int, row: Sequence[str], fields: Sequence[str | None]) -> Line:
    cells = {field: cell for field, cell in zip(fields, row, strict=False) if field}
    return Line(str(number), cells, is_broken=any(row[len(fields) :]))


def _from_csv(content: bytes) -> list[list[str]]:
    text = _decoded(content)
    first = text.partition("\n")[0]
    separator = max(";,\t", key=first.count)
    try:
        read_rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        return [[cell.strip() for cell in row] for row in read_rows]
    except csv.Error as error:
        raise FileRefused(f"{UNREADABLE} ({error})") from error


def _decoded(content: bytes) -> str:
    """The text, as UTF-8 or, as older Excel writes it, as Windows-1252."""
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise FileRefused(UNREADABLE)


def _from_xlsx(content: bytes) -> list[list[str]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what else is in the file, which is not read
            return list(_first_sheet(content))
    except (zipfile.BadZipFile, InvalidFileException, ParseError, KeyError, IndexError, ValueError, OSError) as error:
        raise FileRefused(UNREADABLE) from error


def _first_sheet(content: bytes) -> Iterator[list[str]]:
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    try:
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # some programs write wrong ones
        rows: Iterable[Sequence[object]] = sheet.iter_rows(values_only=True)
        for row in rows:
            yield [_text(cell) for cell in row]
    finally:
        book.close()


def _text(cell: object) -> str:
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell).strip()
