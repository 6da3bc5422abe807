"""Checkpoints kept outside the database: an append-only file, so that a rewritten log is seen.

The file may lie on another disk or belong to another user, as long as the relay can append to
it. Must not touch the database.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from consent_service.ledger import checkpoint, seal
from consent_service.ledger.checkpoint import Checkpoint
from consent_service.line_file import Line, LineFile, LineUnreadable

ANCHORS = "anchors.jsonl"


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
        self._lines = LineFile(path)

    def newest(self) -> Anchor | None:
        """Return the last complete line, or None; raises CheckpointRefused when it cannot be read."""
        try:
            line = self._lines.newest()
        except LineUnreadable as error:
            raise checkpoint.CheckpointRefused(str(error)) from error
        return _read(line) if line else None

    def all(self) -> Iterator[Anchor]:
        """Yield every anchor, oldest first; raises CheckpointRefused at a line that cannot be read."""
        try:
            yield from map(_read, self._lines.read())
        except LineUnreadable as error:
            raise checkpoint.CheckpointRefused(str(error)) from error

    def append(self, anchor: Anchor) -> None:
        """Keep an anchor, on the disk when this returns."""
        self._lines.append([{"at": seal.timestamp(anchor.signed_at), "checkpoint": anchor.note.decode()}])


def _read(found: Line) -> Anchor:
    try:
        return Anchor(str(found["checkpoint"]).encode(), datetime.fromisoformat(found["at"]))
    except (KeyError, TypeError, ValueError) as error:
        raise checkpoint.CheckpointRefused("a line of the file of anchors cannot be read") from error
