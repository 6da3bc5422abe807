"""Checkpoints kept outside the database: an append-only file, so that a rewritten log is seen.

One JSON line each. The file may lie on another disk or belong to another user, as long as the relay can append to
it. Must not touch the database.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from consent_service.ledger import checkpoint, seal
from consent_service.ledger.checkpoint import Checkpoint

LONGEST_LINE = 4096


@dataclass(frozen=True)
class Anchor:
    """A checkpoint as it was kept: its signed note and when it was signed."""

    note: bytes
    signed_at: datetime

    @property
    def checkpoint(self) -> Checkpoint:
        """What the note says."""
        return checkpoint.parse(self.note)


class Anchors:
    """The file of anchors."""

    def __init__(self, path: Path):
        self.path = path

    def newest(self) -> Anchor | None:
        """Return the last complete line, or None; raises CheckpointRefused when it cannot be read."""
        if not self.path.exists():
            return None
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - 2 * LONGEST_LINE))
            lines = file.read().split(b"\n")[:-1]  # what follows the last line break was cut off by a crash
        return _read(lines[-1]) if lines else None

    def all(self) -> Iterator[Anchor]:
        """Yield every anchor, oldest first; raises CheckpointRefused at a line that cannot be read."""
        if self.path.exists():
            with self.path.open("rb") as file:
                yield from (_read(line) for line in file if line.endswith(b"\n"))

    def append(self, anchor: Anchor) -> None:
        """Keep an anchor, on the disk when this returns; what a crash left of a line is ended first."""
        line = json.dumps({"at": seal.timestamp(anchor.signed_at), "checkpoint": anchor.note.decode()})
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            if file.tell() and not self._ends_whole(file.fileno(), file.tell()):
                file.truncate(self._last_break())
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _ends_whole(self, number: int, size: int) -> bool:
        return os.pread(number, 1, size - 1) == b"\n"

    def _last_break(self) -> int:
        return self.path.read_bytes().rfind(b"\n") + 1


def _read(line: bytes) -> Anchor:
    try:
        found = json.loads(line)
        return Anchor(str(found["checkpoint"]).encode(), datetime.fromisoformat(found["at"]))
    except (KeyError, TypeError, ValueError) as error:
        raise checkpoint.CheckpointRefused("a line of the file of anchors cannot be read") from error
