"""Packages that hold far more than they say, or more at once than fits in memory: refused before anybody opens them."""

import io
import struct
import tracemalloc
import unicodedata
import zipfile
import zlib

import pytest
from openpyxl.xml.constants import SHARED_STRINGS

from consent_service.register import customer_file, document_files
from tests import filing
from tests.sheets import AINO, HEADINGS, xlsx

MEGABYTE = 1024 * 1024
HELD, TOLD, DEFLATED = 16 * MEGABYTE, 20, zipfile.ZIP_DEFLATED


def lying(name, method):
    """A package whose one part says that it holds 20 bytes, and that these are whole."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as package:
        package.writestr(name, b" " * HELD)
    content = bytearray(packed.getvalue())
    central = content.find(b"PK\x01\x02")
    struct.pack_into("<II", content, central + 16, zlib.crc32(b" " * TOLD), struct.unpack_from("<I", content, 18)[0])
    struct.pack_into("<I", content, central + 24, TOLD)
    return bytes(content)


def refused_lightly(read, content, refusal):
    """Whether a file is refused, and how many bytes were in use at most meanwhile."""
    tracemalloc.start()
    try:
        with pytest.raises(refusal):
            read(content)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


METHODS = pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])


@METHODS
def test_a_document_is_not_unpacked_to_see_what_it_is(method):
    content = lying("mimetype", method)
    assert refused_lightly(document_files.read_type, content, document_files.FileRefused) < MEGABYTE


@METHODS
def test_a_list_whose_parts_hold_more_than_they_say_is_refused_unread(method):
    content = lying("[Content_Types].xml", method)
    read = lambda given: list(customer_file.lines(given))  # noqa: E731
    assert refused_lightly(read, content, customer_file.FileRefused) < MEGABYTE


def test_a_list_with_millions_of_elements_where_none_belong_is_refused_unread():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", b"<Types>" + b"<a/>" * customer_file.MOST_TAGS + b"</Types>")
    read = lambda given: list(customer_file.lines(given))  # noqa: E731
    assert refused_lightly(read, packed.getvalue(), customer_file.FileRefused) < MEGABYTE


def test_a_list_packed_as_no_spreadsheet_is_gets_a_clear_word_at_once():
    with pytest.raises(customer_file.FileRefused, match=customer_file.UNREADABLE[:20]):
        customer_file.check(lying("[Content_Types].xml", zipfile.ZIP_BZIP2))


def test_a_list_with_a_damaged_part_is_refused_calmly():
    content = bytearray(xlsx(HEADINGS, AINO))
    start = 30 + sum(struct.unpack_from("<HH", content, 26))
    content[start : start + 20] = b"\xff" * 20
    with pytest.raises(customer_file.FileRefused):
        customer_file.check(bytes(content))


def test_honest_packages_stay_what_they_are():
    assert document_files.read_type(filing.ODT) == document_files.ODT
    assert len(list(customer_file.lines(xlsx(HEADINGS, AINO)))) == 2


SHEET = "xl/worksheets/sheet1.xml"
ROWS = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
AFTER = "</sheetData></worksheet>"


def holding(sheet, name=SHEET):
    """A list with one part written anew."""
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(xlsx(HEADINGS, AINO))) as old, zipfile.ZipFile(content, "w", DEFLATED) as new:
        for part in dict.fromkeys([*old.namelist(), name]):
            new.writestr(part, sheet if part == name else old.read(part))
    return content.getvalue()


def refusal_of(content):
    with pytest.raises(customer_file.FileRefused) as refused:
        list(customer_file.lines(content))
    return refused.value.message


CELLS, A_FEW = "<c/>" * (customer_file.MOST_TAGS_IN_ROW + 1), "<c/>" * 1000
MANY_IN_ONE_ROW = {
    "plain": f"{ROWS}<row>{CELLS}</row>{AFTER}",
    "a comment between": f"{ROWS}<row>{f'{A_FEW}<!--<row>-->' * 51}</row>{AFTER}",
    "rows inside": f"{ROWS}<row>{f'{A_FEW}<row></row>' * 51}</row>{AFTER}",
    "rows of another vocabulary": f'{ROWS}<x xmlns="x">{f"<row>{A_FEW}</row>" * 1001}</x>{AFTER}',
    "no row": f"{ROWS}{A_FEW * 1001}{AFTER}",
    "rows that all have one number": ROWS + '<row r="1"/>' * (customer_file.LAST_ROW + 1) + AFTER,
    "UTF-16": f"{ROWS}<row>{CELLS}</row>{AFTER}".encode("utf-16"),
    "very many names": ROWS + "".join(f"<row><c{n}/></row>" for n in range(customer_file.MOST_NAMES + 1)) + AFTER,
    "a very long tag": f'{ROWS}<row><c r="{" " * customer_file.LONGEST_TAG * 2}"/></row>{AFTER}',
    "a very long comment": f"<!--{' <' * customer_file.LONGEST_TAG}-->{ROWS}{AFTER}",
}


@pytest.mark.parametrize("kind", MANY_IN_ONE_ROW)
def test_a_sheet_of_which_far_too_much_is_in_memory_at_once_is_refused(kind):
    assert refusal_of(holding(MANY_IN_ONE_ROW[kind])) == customer_file.TOO_MUCH_INSIDE


DEFINED = '<!DOCTYPE worksheet [<!ENTITY a "Laine">]>'
USED = f'{ROWS}<row r="1"><c t="inlineStr"><is><t>&a;</t></is></c></row>{AFTER}'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("before", [3000, customer_file.PIECE - 10, customer_file.PIECE // 2 - 10])
@pytest.mark.parametrize("name", [SHEET, "xl/comments.bin"])
def test_words_of_its_own_are_found_wherever_a_part_defines_them(encoding, before, name):
    sheet = f"<!--{'x' * before}-->{DEFINED}{USED}".encode(encoding)
    assert refusal_of(holding(sheet, name)) == customer_file.UNREADABLE


@pytest.mark.parametrize("prefix", ["", "x:"])
def test_a_large_list_is_read_whoever_wrote_it(prefix):
    text = "Laine " * customer_file.LONGEST_TAG
    long = f'<{prefix}c t="inlineStr"><{prefix}is><{prefix}t>{text}</{prefix}t></{prefix}is></{prefix}c>'
    formatted = f"<{prefix}row>{f'<{prefix}c/>' * 16_384}</{prefix}row>" * (customer_file.MOST_TAGS // 16_384 + 1)
    data = f"<{prefix}sheetData><{prefix}row>{long}</{prefix}row>{formatted}</{prefix}sheetData>"
    below = f"<{prefix}drawing/>" * (customer_file.MOST_TAGS_IN_ROW + 1)
    names = f'xmlns{":x" if prefix else ""}="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    [line] = customer_file.lines(holding(f"<{prefix}worksheet {names}>{data}{below}</{prefix}worksheet>"))
    assert line.cells == [text[: customer_file.LONGEST_CELL]]


def test_one_long_text_that_very_many_cells_point_at_is_refused():
    text = "a" * customer_file.LONGEST_CELL
    rows = customer_file.MOST_TEXT // len(text) // 100 + 1
    assert refusal_of(xlsx(*[[text] * 100] * rows)) == customer_file.TOO_MUCH_INSIDE


def test_cells_come_normalised_since_that_is_slow_and_they_are_compared_often():
    [line] = customer_file.lines("Ma\u0308kela\u0308;\u0958\u0323\u0301".encode())
    assert line.cells[0] == "Mäkelä" and all(unicodedata.is_normalized("NFC", cell) for cell in line.cells)
    [line] = customer_file.lines(("\u0958" * customer_file.LONGEST_CELL).encode())
    assert [len(cell) for cell in line.cells] == [customer_file.LONGEST_CELL]


def turned(part, old, new):
    """A list that names another part than it should in one of its tables of contents."""
    with zipfile.ZipFile(io.BytesIO(xlsx(HEADINGS, AINO))) as book:
        text = book.read(part).decode()
    assert old in text
    return holding(text.replace(old, new), part)


TYPES, RELATIONS = "[Content_Types].xml", "xl/_rels/workbook.xml.rels"
CHARTSHEET = 'relationships/chartsheet" Target="/xl/worksheets/sheet1.xml'
TURNED = {
    "workbook": (TYPES, "/xl/workbook.xml", f"/{SHEET}"),
    "words": (TYPES, "</Types>", f'<Override PartName="/{SHEET}" ContentType="{SHARED_STRINGS}"/></Types>'),
    "sheet": (RELATIONS, "/xl/worksheets/sheet1.xml", "/xl/sharedStrings.xml"),
    "chart": (RELATIONS, 'relationships/worksheet" Target="/xl/worksheets/sheet1.xml', CHARTSHEET),
}


@pytest.mark.parametrize("kind", TURNED)
def test_no_part_is_opened_as_another_than_its_name_says(kind):
    content = turned(*TURNED[kind])
    with pytest.raises(customer_file.FileRefused) as refused:
        list(customer_file.lines(content))
    assert refused.value.message == customer_file.UNREADABLE and refused.value.__cause__ is None, "before it was opened"
