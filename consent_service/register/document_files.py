"""Files as they are handed in: what they really are, told by their bytes, and a name that can do no harm.

Opens nothing but the list of contents of a package, so that no file can make it do much. Imports nothing of ours.
"""

import re
import unicodedata
import zipfile
import zlib
from io import BytesIO

LARGEST_FILE = 10 * 1024 * 1024
LONGEST_NAME = 150
NAMELESS = "document"
PDF, PNG, JPEG = "application/pdf", "image/png", "image/jpeg"
_OFFICE, _OPEN = "application/vnd.openxmlformats-officedocument", "application/vnd.oasis.opendocument"
DOCX, XLSX = f"{_OFFICE}.wordprocessingml.document", f"{_OFFICE}.spreadsheetml.sheet"
ODT, ODS = f"{_OPEN}.text", f"{_OPEN}.spreadsheet"
ENDINGS = {
    PDF: (".pdf",),
    PNG: (".png",),
    JPEG: (".jpg", ".jpeg"),
    DOCX: (".docx",),
    XLSX: (".xlsx",),
    ODT: (".odt",),
    ODS: (".ods",),
}
_BEGINS = {b"%PDF-": PDF, b"\x89PNG\r\n\x1a\n": PNG, b"\xff\xd8\xff": JPEG}
_HOLDS = {"word/document.xml": DOCX, "xl/workbook.xml": XLSX}
# What opening and reading a package raises when it is none, only begins like one, or is packed in an unknown way.
BROKEN_PACKAGE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError, ValueError)
_NOT_IN_NAMES = re.compile(r'[<>:"|?*%;=]')  # some systems refuse these, others read more into them


class FileRefused(Exception):
    """The bytes are none of the kinds of files that are taken."""


def read_type(content: bytes) -> str:
    """Return what a file is, told by its bytes; raises FileRefused. What holds macros is refused too."""
    for begin, media_type in _BEGINS.items():
        if content.startswith(begin):
            return media_type
    if content.startswith(b"PK\x03\x04"):
        return _package_type(content)
    raise FileRefused


def read_name(name: str, media_type: str) -> str:
    """Return a file's name without its path and whatever no name needs, with the ending of what the file is."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    shown = "".join(one for one in last if unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
    plain = " ".join(_NOT_IN_NAMES.sub("_", shown).split()).strip(" .")
    stem, dot, ending = plain.rpartition(".")
    known = f"{dot}{ending}".lower()
    if not dot or known not in ENDINGS[media_type]:
        stem, known = plain, ENDINGS[media_type][0]
    return (stem.strip(" .")[:LONGEST_NAME].strip(" .") or NAMELESS) + known


def _package_type(content: bytes) -> str:
    try:
        with zipfile.ZipFile(BytesIO(content)) as package:
            names = set(package.namelist())
            found = _open_type(package) or next((_HOLDS[name] for name in _HOLDS if name in names), None)
    except BROKEN_PACKAGE as error:
        raise FileRefused from error
    has_macros = any(name.rpartition("/")[2].lower() == "vbaproject.bin" for name in names)
    if found is None or has_macros or (found in (DOCX, XLSX) and "[Content_Types].xml" not in names):
        raise FileRefused
    return found


def _open_type(package: zipfile.ZipFile) -> str | None:
    """What a package says of itself in its first entry, stored as it is (OpenDocument 1.3, part 2, section 3.3)."""
    first = package.infolist()[0] if package.infolist() else None
    if first is None or first.filename != "mimetype" or first.file_size > len(ODS) + 10:
        return None
    if first.compress_type != zipfile.ZIP_STORED or first.compress_size != first.file_size:
        return None  # it may hold any amount more than it says
    said = package.read(first).decode("ascii", "replace").strip()
    return said if said in (ODT, ODS) else None
