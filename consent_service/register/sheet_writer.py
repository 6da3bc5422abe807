"""An .xlsx written as a stream, row by row: far faster than through a workbook's objects, in memory that stays flat.

Cells are text or whole numbers, never formulas: text is `inlineStr`, and what a spreadsheet could take for a formula
when somebody saves it as CSV gets an apostrophe (`customer_file.harmless`). Knows no customer.
"""

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO
from xml.sax.saxutils import escape, quoteattr

from consent_service.register.customer_file import harmless, letter

DECLARED = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
HEADING = ' s="1"'
LONGEST_NAME, LONGEST_TEXT, WIDTH = 31, 32_767, 22
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # what XML has no way to say
_UNNAMED = re.compile(r"[][:*?/\\]")
STYLES = (  # one for cells, one for headings
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/>'
    '</font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill '
    'patternType="gray125"/></fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/>'
    '</border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/><xf numFmtId="0" fontId="1" '
    'fillId="0" borderId="0" xfId="0" applyFont="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
)

Cell = str | int | None


class Book:
    """A workbook that is being written."""

    def __init__(self, package: zipfile.ZipFile):
        self._package = package
        self._names: list[str] = []

    def add_sheet(self, name: str, headers: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        """Write a sheet: a row of headings that stays in sight, and the rows under it."""
        self._names.append(_UNNAMED.sub(" ", name)[:LONGEST_NAME])
        with self._package.open(f"xl/worksheets/sheet{len(self._names)}.xml", "w", force_zip64=True) as part:
            part.write(
                f'{DECLARED}<worksheet xmlns="{MAIN}"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" '
                'topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
                f'<cols><col min="1" max="{max(1, len(headers))}" width="{WIDTH}" customWidth="1"/></cols>'
                f"<sheetData>{_row(1, headers, HEADING)}".encode()
            )
            for number, row in enumerate(rows, 2):
                part.write(_row(number, row).encode())
            part.write(b"</sheetData></worksheet>")

    def end(self) -> None:
        """Write what says how the parts belong together."""
        sheets = list(enumerate(self._names, 1))
        styles = len(sheets) + 1
        listed = "".join(f'<sheet name={quoteattr(name)} sheetId="{at}" r:id="rId{at}"/>' for at, name in sheets)
        parts = {
            "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATED}"><sheets>{listed}</sheets></workbook>',
            "xl/styles.xml": f'<styleSheet xmlns="{MAIN}">{STYLES}</styleSheet>',
            "xl/_rels/workbook.xml.rels": _related(
                [
                    *((at, "worksheet", f"worksheets/sheet{at}.xml") for at, _ in sheets),
                    (styles, "styles", "styles.xml"),
                ]
            ),
            "_rels/.rels": _related([(1, "officeDocument", "xl/workbook.xml")]),
            "[Content_Types].xml": _types([at for at, _ in sheets]),
        }
        for name, content in parts.items():
            self._package.writestr(name, DECLARED + content)


@contextmanager
def writing(target: IO[bytes]) -> Iterator[Book]:
    """Yield a workbook that is written into an open file, and is whole when the block ends."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as package:
        book = Book(package)
        yield book
        book.end()


def _row(number: int, cells: Sequence[Cell], style: str = "") -> str:
    return f'<row r="{number}">{"".join(_cell(at, number, cell, style) for at, cell in enumerate(cells))}</row>'


def _cell(at: int, number: int, cell: Cell, style: str) -> str:
    if cell is None or cell == "":
        return ""
    place = f'<c r="{letter(at)}{number}"{style}'
    if isinstance(cell, int):
        return f"{place}><v>{cell}</v></c>"
    text = escape(_UNWRITABLE.sub("", harmless(cell))[:LONGEST_TEXT])
    return f'{place} t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def _related(parts: Iterable[tuple[int, str, str]]) -> str:
    told = "".join(f'<Relationship Id="rId{at}" Type="{RELATED}/{kind}" Target="{to}"/>' for at, kind, to in parts)
    return f'<Relationships xmlns="{PACKAGE}/relationships">{told}</Relationships>'


def _types(sheets: Iterable[int]) -> str:
    kinds = {"/xl/workbook.xml": "sheet.main", "/xl/styles.xml": "styles"}
    kinds |= {f"/xl/worksheets/sheet{at}.xml": "worksheet" for at in sheets}
    told = "".join(f'<Override PartName="{name}" ContentType="{TYPES}.{kind}+xml"/>' for name, kind in kinds.items())
    return (
        f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{told}</Types>'
    )
