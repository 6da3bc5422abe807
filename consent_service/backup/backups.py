"""Backups: one snapshot of the database and of the files beside it, encrypted, and opened again before it counts.

Says nothing of which database it came from, so another kind can take it in. Never holds a key of the service. Must not
put anything back.
"""

import glob
import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, select

from consent_service import rotation, schema
from consent_service import service as services
from consent_service.backup import backup_file, encrypted_file
from consent_service.backup.backup_file import FILE, TABLE, BackupRefused, Contents, Header, Reader, Row, Section, Step
from consent_service.backup.encrypted_file import Keys
from consent_service.backup.notes_file import NOTES, NotesFile
from consent_service.ledger import checkpoint, merkle
from consent_service.ledger.anchors import ANCHORS
from consent_service.ledger.merkle import Frontier
from consent_service.line_file import Line, LineFile, sync
from consent_service.service import Service
from consent_service.watch import pulses

EVENTS, CHECKPOINTS = "consent_event", "checkpoint"
DRAFTS = ".consent-*.age*.part"  # of backups that are made in a folder
DRAFT_LASTS = timedelta(hours=12)  # since it was last written to: no check takes so long
FILES_AT_ONCE = {"document_file": 1}  # of the other tables, hundreds of rows fit into memory


@dataclass
class Facts:
    """What a backup holds, learnt by reading it through.

    `size` and `root` are those of the log as its events tell, `note` is the newest checkpoint's, `origins` are the
    names of all logs that signed one, `data_keys` a key of each data key in use, by whose it is; `root_before` is
    the log's root when it had `size_before` events.
    """

    header: Header
    contents: Contents
    size_before: int = 0
    root_before: bytes = merkle.EMPTY
    is_whole: bool = True
    note: bytes | None = None
    origins: set[str] = field(default_factory=set)
    data_keys: dict[bytes, tuple[bytes, str]] = field(default_factory=dict)
    tree: Frontier = field(default_factory=Frontier)

    @property
    def size(self) -> int:
        """How many events are sealed."""
        return self.tree.size

    @property
    def root(self) -> bytes:
        """The root of the log."""
        return self.tree.root()

    @property
    def events(self) -> int:
        """How many events there are, sealed or not."""
        return self.contents.rows.get(EVENTS, 0)

    @property
    def log_holds(self) -> bool:
        """Whether the events lead to the newest checkpoint."""
        if self.note is None:
            return self.is_whole and self.size == 0
        said = checkpoint.parse(self.note)
        return self.is_whole and (said.size, said.root) == (self.size, self.root)


Learn = Callable[[Facts, dict[str, Any]], None]


def count(connection: Connection) -> int:
    """Return how many rows a backup has to write."""
    counted = [select(func.count()).select_from(table) for table in schema.tables(connection)]
    return sum(connection.execute(one).scalar_one() for one in counted)


def make(service: Service, path: Path, keys: Keys, step: Step) -> Facts:
    """Write a backup to a new file, open it again, and return what is in it; raises BackupRefused and OSError.

    A file is no backup before it has its name. `step` is told how many rows were written, then read.
    """
    if path.exists():
        raise BackupRefused(f"{path} is there already; name a new file, or a folder.")
    # Two that begin in the same second, as by a timer and by cron, have the same name, but not the same draft.
    keys, draft = keys.with_one_to_check(), path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    _clear(path)
    try:
        written = _write(service, draft, keys, step)
        found = check(draft, keys, step)
        if found.contents.end != written.end:
            raise BackupRefused(f"{path}: what can be read is not what was written. Is the disk sound?")
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    sync(path.parent)
    if found.log_holds:
        with service.transaction() as connection:
            pulses.beat(connection, pulses.BACKUP, found.header.made_at)
    return found


def check(path: Path, keys: Keys, step: Step, *, opened: Step = lambda count: None, size_before: int = 0) -> Facts:
    """Read a backup to its end and return what is in it; raises OSError, EncryptionRefused and BackupRefused.

    `step` is told how many rows were read, `opened` how many bytes.
    """
    with encrypted_file.reading(path, keys, opened) as stream:
        reader = Reader(stream)
        found = Facts(reader.header, reader.contents, size_before)
        learn: dict[str, Learn] = {EVENTS: _learn_event, CHECKPOINTS: _learn_checkpoint}
        learn |= {owner.table.name: partial(_learn_key, owner.name) for owner in rotation.OWNERS}
        for section, batch in reader.batches():
            if section.kind == FILE:
                read_lines(section, batch)
            for row in batch if section.name in learn else ():
                learn[section.name](found, dict(zip(section.columns, row, strict=True)))
            step(len(batch))
    return found


def read_lines(section: Section, batch: list[Row]) -> list[Line]:
    """Return the lines of a file in a backup; raises BackupRefused when one cannot be read."""
    try:
        lines = [json.loads(line) for [line] in batch]
    except (TypeError, ValueError):
        lines = [None]
    if not all(isinstance(line, dict) for line in lines):
        raise BackupRefused(f"A line of {section.name} in this backup cannot be read; take another backup.")
    return lines


def _clear(path: Path) -> None:
    """Remove what backups that were killed left behind, which nobody would delete in time."""
    for draft in (*path.parent.glob(DRAFTS), *path.parent.glob(f".{glob.escape(path.name)}.*.part")):
        with suppress(FileNotFoundError):  # it was just finished, and has its name now
            if services.now().timestamp() - draft.stat().st_mtime > DRAFT_LASTS.total_seconds():
                draft.unlink()


def _write(service: Service, draft: Path, keys: Keys, step: Step) -> Contents:
    anchored = sum(1 for _ in service.anchors.all())  # before the snapshot: what is kept outside was committed before
    for _ in NotesFile(service.folder / NOTES).read():
        pass  # what could not be relied on after a restore is refused now, while there may be a good copy
    with service.snapshot() as connection:
        if not schema.is_migrated(connection):
            raise BackupRefused("The form of the database is not this version's. Run: consent-service migrate")
        header = Header(services.now(), str(schema.revision(connection)))
        files = (_file(service.folder, ANCHORS, anchored), _file(service.folder, NOTES, None))
        sections = (*_tables(connection), *files)
        with encrypted_file.writing(draft, keys) as stream:
            return backup_file.write(stream, header, sections, step)


def _tables(connection: Connection) -> Iterator[tuple[Section, Iterable[Row]]]:
    for table in schema.tables(connection):
        yield Section(TABLE, table.name, tuple(table.c.keys())), _rows(connection, table)


def _rows(connection: Connection, table: Table) -> Iterator[Row]:
    in_order = select(table).order_by(table.c.log_index) if table.name == EVENTS else select(table)
    at_once = FILES_AT_ONCE.get(table.name, backup_file.BATCH)
    with connection.execute(in_order, execution_options={"yield_per": at_once}) as rows:
        yield from rows


def _file(folder: Path, name: str, at_most: int | None) -> tuple[Section, Iterable[Row]]:
    return Section(FILE, name), _lines(folder / name, at_most)


def _lines(path: Path, at_most: int | None) -> Iterator[Row]:
    """The first lines of a file that is added to meanwhile; one that is not whole is left out."""
    for line in islice(LineFile(path).read(), at_most):
        yield [json.dumps(line)]


def _learn_event(found: Facts, row: dict[str, Any]) -> None:
    if row["log_index"] is None:
        return
    found.is_whole = found.is_whole and row["log_index"] == found.tree.size
    found.tree.add(merkle.leaf_hash(row["leaf"]))
    if found.tree.size == found.size_before:
        found.root_before = found.tree.root()


def _learn_checkpoint(found: Facts, row: dict[str, Any]) -> None:
    found.origins.add(row["note"].partition(b"\n")[0].decode("utf-8", "replace"))
    if found.note is None or checkpoint.parse(found.note).size < row["size"]:
        found.note = row["note"]


def _learn_key(owner: str, found: Facts, row: dict[str, Any]) -> None:
    found.data_keys.setdefault(row["wrapped"][:8], (row["wrapped"], row[owner]))
