"""A file of JSON lines that is only added to, for what must lie outside the database.

A line counts once it ends with a line break and is on the disk; what a crash left of the last one is cut off before
the next. Any other line that cannot be read is refused, never skipped. Must not know what the lines say.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

LONGEST_LINE = 4096

Line = Mapping[str, Any]


class LineUnreadable(Exception):
    """A line was damaged; the file has to be brought back from a copy before it can be relied on."""


@dataclass(frozen=True)
class LineFile:
    """One such file."""

    path: Path

    def append(self, lines: Sequence[Line]) -> None:
        """Add lines; they are on the disk when this returns. Several processes may do so at once."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_new = not self.path.exists()
        with self._locked() as file:
            size = file.seek(0, os.SEEK_END)
            if size and os.pread(file.fileno(), 1, size - 1) != b"\n":
                file.truncate(self.path.read_bytes().rfind(b"\n") + 1)
            _write(file, lines)
        if is_new:
            sync(self.path.parent)

    def read(self) -> Iterator[Line]:
        """Yield the lines, oldest first; raises LineUnreadable."""
        if self.path.exists():
            with self.path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if line.endswith(b"\n"):
                        yield self._parse(line, f"line {number}")

    def newest(self) -> Line | None:
        """Return the last line, or None; raises LineUnreadable."""
        if not self.path.exists():
            return None
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - 2 * LONGEST_LINE))
            lines = file.read().split(b"\n")[:-1]
        return self._parse(lines[-1], "the last line") if lines else None

    def rewrite(self, change: Callable[[Sequence[Line]], Sequence[Line]]) -> None:
        """Put other lines in the place of those there are; whoever adds one meanwhile waits. Raises LineUnreadable."""
        new = self.path.with_suffix(".new")
        with self._locked(), open(new, "wb", opener=private) as file:
            _write(file, change([*self.read()]))
            new.replace(self.path)
        sync(self.path.parent)

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        """The file, for one process at a time, even if another has just put a new one in its place."""
        while True:
            with open(self.path, "ab+", opener=private) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if self.path.exists() and os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                    yield file
                    return

    def _parse(self, line: bytes, which: str) -> Line:
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise LineUnreadable(f"{self.path}: {which} cannot be read; bring the file back from a copy")
        return found


def private(path: str, flags: int) -> int:
    """Open a file that only its owner reads; `open` takes this as its opener."""
    return os.open(path, flags, 0o600)


def sync(folder: Path) -> None:
    """Have the disk know the names in a folder before this returns."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _write(file: BinaryIO, lines: Sequence[Line]) -> None:
    file.write("".join(f"{json.dumps(line)}\n" for line in lines).encode())
    file.flush()
    os.fsync(file.fileno())
