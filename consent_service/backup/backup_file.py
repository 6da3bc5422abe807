"""What a backup says, line by line: the rows of every table as JSON, and files, for whichever database reads it next.

The first line says when it was made and of which form the tables are, the last one how much there was before it and
its SHA-256. Holds no key. Must not know a database.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, BinaryIO

VERSION = 1
BATCH = 500
LARGEST_BATCH = 4 * 1024 * 1024  # bytes, after which one ends however few its rows are
TABLE, FILE = "table", "file"

Row = Sequence[Any]
Step = Callable[[int], None]


class BackupRefused(Exception):
    """A backup cannot be made, believed or put back; the message says why, and what to do."""


@dataclass(frozen=True)
class Header:
    """When the database was as the backup says (aware UTC), and of which revision its tables are."""

    made_at: datetime
    revision: str


@dataclass(frozen=True)
class Section:
    """A table with its columns, or a file, of which each row holds one line."""

    kind: str
    name: str
    columns: tuple[str, ...] = ("line",)


@dataclass
class Contents:
    """How many rows there were in each section, and the SHA-256 over every line so far."""

    rows: dict[str, int] = field(default_factory=dict)
    digest: Any = field(default_factory=sha256)

    def take(self, line: bytes) -> bytes:
        """Count a line in and return it."""
        self.digest.update(line)
        return line

    @property
    def end(self) -> dict[str, Any]:
        """What the last line says."""
        return {"end": {"rows": self.rows, "sha256": self.digest.hexdigest()}}


def write(stream: BinaryIO, header: Header, sections: Iterable[tuple[Section, Iterable[Row]]], step: Step) -> Contents:
    """Write a backup and return what is in it; `step` is told how many rows were written."""
    contents = Contents()
    first = {"backup": VERSION, "made_at": header.made_at.isoformat(), "revision": header.revision}
    stream.write(contents.take(_line(first)))
    for section, rows in sections:
        stream.write(contents.take(_line({section.kind: section.name, "columns": section.columns})))
        contents.rows[section.name] = 0
        for row in rows:
            stream.write(contents.take(_line([_plain(value) for value in row])))
            contents.rows[section.name] += 1
            if contents.rows[section.name] % BATCH == 0:
                step(BATCH)
        step(contents.rows[section.name] % BATCH)
    stream.write(_line(contents.end))
    return contents


class Reader:
    """Reads a backup once through; raises BackupRefused when it is not what was written."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._batch_size = 0
        self.contents = Contents()
        first = self._next()
        if not isinstance(first, dict) or first.get("backup") != VERSION:
            raise BackupRefused("This is no backup of this service, or one of a newer version.")
        self.header = Header(datetime.fromisoformat(first["made_at"]), str(first["revision"]))

    def batches(self) -> Iterator[tuple[Section, list[Row]]]:
        """Yield every section with its rows, some at a time and at least once, and check what the end says of them."""
        section: Section | None = None
        batch: list[Row] = []
        while not isinstance(line := self._next(), dict) or "end" not in line:
            if isinstance(line, dict):
                if section:
                    yield section, batch
                section, batch = self._section(line), []
                continue
            if section is None or len(line) != len(section.columns):
                raise BackupRefused("The backup is damaged: a row fits no table.")
            batch.append([_read(value) for value in line])
            self.contents.rows[section.name] += 1
            if len(batch) == BATCH or self._batch_size > LARGEST_BATCH:
                yield section, batch
                batch, self._batch_size = [], 0
        if section:
            yield section, batch
        if line != self.contents.end or self._stream.readline():
            raise BackupRefused("The backup is damaged: it does not hold what its end says.")

    def _section(self, line: dict[str, Any]) -> Section:
        kind = TABLE if TABLE in line else FILE
        section = Section(kind, str(line[kind]), tuple(line["columns"]))
        self.contents.rows[section.name] = 0
        return section

    def _next(self) -> Any:
        line = self._stream.readline()
        self._batch_size += len(line)
        try:
            found = json.loads(line)
        except ValueError:
            raise BackupRefused("The backup is damaged: a line cannot be read, or its end is missing.") from None
        if not (isinstance(found, dict) and "end" in found):
            self.contents.take(line)
        return found


def _line(said: Any) -> bytes:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _plain(value: Any) -> Any:
    """A value of a column as JSON; what JSON has no word for is named, so that no database has to guess."""
    match value:
        case None | bool() | int() | str():
            return value
        case datetime():
            return {"time": (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()}
        case bytes():
            return {"bytes": base64.b64encode(value).decode()}
        case list() | dict():
            return {"json": value}
    raise TypeError(f"a backup cannot hold a {type(value).__name__}")


def _read(value: Any) -> Any:
    try:
        match value:
            case {"time": text}:
                return datetime.fromisoformat(text)
            case {"bytes": text}:
                return base64.b64decode(text, validate=True)
            case {"json": found}:
                return found
    except (TypeError, binascii.Error, ValueError):
        raise BackupRefused("The backup is damaged: a value cannot be read.") from None
    return value
