"""The file of notes beside the database: what has to be repeated after an older database is restored.

Holds random ids, kinds, rules, times, and the hash of an address whose owner objected; no personal data that could be
read. Must not know the database.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from consent_service.backup import repeating
from consent_service.backup.repeating import Note
from consent_service.line_file import Line, LineFile, LineUnreadable

NOTES = "notes.jsonl"


class NotesFile:
    """The notes of erasures, withdrawals and objections, in one file."""

    def __init__(self, path: Path):
        self.path = path
        self._lines = LineFile(path)

    def append(self, notes: Sequence[Note]) -> None:
        """Add notes; they are on the disk when this returns."""
        self._lines.append([_line(note) for note in notes])

    def read(self) -> Iterator[Note]:
        """Yield what is kept, the oldest first; raises LineUnreadable: a line skipped would leave somebody here."""
        return map(self._note, self._lines.read())

    def forget(self, now: datetime) -> None:
        """Take out whom notes were about whose time is up; objections stay. Raises LineUnreadable."""
        if any(repeating.left_of(note, now) != note for note in self.read()):
            self._lines.rewrite(lambda lines: [_line(note) for note in self._left(lines, now)])

    def _left(self, lines: Sequence[Line], now: datetime) -> Iterator[Note]:
        for line in lines:
            if (note := repeating.left_of(self._note(line), now)) is not None:
                yield note

    def _note(self, line: Line) -> Note:
        try:
            at = datetime.fromisoformat(line["at"])
            return Note(line["subscriber"], line["rule"], at, line["address_hash"], line["kind"])
        except (KeyError, TypeError, ValueError) as error:
            raise LineUnreadable(f"{self.path}: a line is no note; bring the file back from a copy") from error


def _line(note: Note) -> Line:
    return {
        "kind": note.kind,
        "subscriber": note.subscriber_id,
        "rule": note.rule,
        "at": note.at.isoformat(),
        "address_hash": note.address_hash,
    }
