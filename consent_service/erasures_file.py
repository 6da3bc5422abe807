"""The file of erasures beside the database: what has to be erased again after an older database is restored.

Holds random ids, rules, times, and the hash of an address whose owner objected; no personal data that could be read.
Must not know the database.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from consent_service import restoration
from consent_service.line_file import Line, LineFile, LineUnreadable
from consent_service.restoration import Note


class ErasuresFile:
    """The erasures kept in one file."""

    def __init__(self, path: Path):
        self.path = path
        self._lines = LineFile(path)

    def append(self, notes: Sequence[Note]) -> None:
        """Add erasures; they are on the disk when this returns."""
        self._lines.append([_line(note) for note in notes])

    def read(self) -> Iterator[Note]:
        """Yield what is kept, the oldest first; raises LineUnreadable: a line skipped would leave somebody here."""
        return map(self._note, self._lines.read())

    def forget(self, oldest: datetime) -> None:
        """Take out whom older erasures were about; objections stay. Raises LineUnreadable."""
        if any(restoration.left_of(note, oldest) != note for note in self.read()):
            self._lines.rewrite(lambda lines: [_line(note) for note in self._left(lines, oldest)])

    def _left(self, lines: Sequence[Line], oldest: datetime) -> Iterator[Note]:
        for line in lines:
            if (note := restoration.left_of(self._note(line), oldest)) is not None:
                yield note

    def _note(self, line: Line) -> Note:
        try:
            erased_at = datetime.fromisoformat(line["erased_at"])
            return Note(line["subscriber"], line["rule"], erased_at, line["address_hash"])
        except (KeyError, TypeError, ValueError) as error:
            raise LineUnreadable(f"{self.path}: a line tells of no erasure; bring the file back from a copy") from error


def _line(note: Note) -> Line:
    return {
        "subscriber": note.subscriber_id,
        "rule": note.rule,
        "erased_at": note.erased_at.isoformat(),
        "address_hash": note.address_hash,
    }
