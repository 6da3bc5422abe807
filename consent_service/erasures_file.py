"""The file of erasures beside the database: what has to be erased again after an older database is restored.

One line an erasure, only ever added to, on the disk before it counts. Holds random ids, rules, times, and the hash of
an address whose owner objected; no personal data that could be read. Must not know the database.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from consent_service.erasure import Note


@dataclass(frozen=True)
class ErasuresFile:
    """The erasures kept in one file."""

    path: Path

    def append(self, notes: Sequence[Note]) -> None:
        """Add erasures; they are on the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        lines = "".join(f"{json.dumps(_line(note))}\n" for note in notes)
        with open(self.path, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            # A line that a crash cut short must not swallow the next one.
            file.write(f"\n{lines}".encode() if not is_new else lines.encode())
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            _sync_folder(self.path.parent)

    def read(self) -> Iterator[Note]:
        """Yield what is kept, the oldest first; a line that a crash cut short never counted."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for line in file:
                if (note := _note(line)) is not None:
                    yield note


def _line(note: Note) -> dict[str, str | None]:
    return {
        "subscriber": note.subscriber_id,
        "rule": note.rule,
        "erased_at": note.erased_at.isoformat(),
        "address_hash": note.address_hash,
    }


def _note(line: bytes) -> Note | None:
    try:
        said = json.loads(line)
        return Note(said["subscriber"], said["rule"], datetime.fromisoformat(said["erased_at"]), said["address_hash"])
    except (ValueError, KeyError, TypeError):
        return None


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
