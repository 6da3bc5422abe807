"""Packages whose parts hold far more than they say: refused before anybody unpacks them."""

import io
import struct
import tracemalloc
import zipfile
import zlib

import pytest

from consent_service.register import customer_file, document_files
from tests import filing
from tests.sheets import AINO, HEADINGS, xlsx

MEGABYTE = 1024 * 1024
HELD, TOLD = 64 * MEGABYTE, 20


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
