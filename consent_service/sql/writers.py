"""Whose turn it is to write to a database that has room for one writer: a queue over all threads and processes.

SQLite lets a writer who finds another one at work sleep, up to 100 ms at a time, and wakes nobody. Here the next thread
goes on at once, and the next process within a millisecond or so. A process has to stand next in line before it has its
turn, so that nobody who has just had one is ahead of those who wait. It is only a queue: who waits too long goes on to
the database and hears from there. Must not know what is written.

The locks of a file are a process's, not a thread's (fcntl(2)): its threads queue on one lock before, one for each file.
"""

import contextlib
import fcntl
import os
import threading
import time
from functools import cache

NEXT, NOW = 0, 1  # the bytes of the file that are locked: to stand next in line, and to have the turn
SHORTEST_LOOK_S = 0.0003
LONGEST_LOOK_S = {NEXT: 0.001, NOW: 0.0005}


class _Queue:
    """Where a process queues for one file: its threads at a lock, and the first of them at the file beside it."""

    def __init__(self, path: str):
        self.first = threading.Lock()
        self._path = path
        self._descriptor: int | None = None

    def stand(self, until: float) -> None:
        """Wait at the file for the turn, until it has come or as long as that."""
        descriptor = self._opened()
        if descriptor is None or _at_once(descriptor):
            return
        if _lock(descriptor, NEXT, until):
            _lock(descriptor, NOW, until)
            fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, NEXT)  # also without a turn: it stands in nobody's way

    def leave(self) -> None:
        """Let the next process have the turn; a killed one has left by that."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, NOW)

    def _opened(self) -> int | None:
        if self._descriptor is not None and os.fstat(self._descriptor).st_nlink:
            return self._descriptor
        with contextlib.suppress(OSError):  # a full disk or a folder that nobody may write to: the database will say so
            if self._descriptor is not None:  # somebody took the file away; the others queue at a new one
                os.close(self._descriptor)
                self._descriptor = None
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._descriptor


QUEUES: dict[str, _Queue] = {}  # by file; kept, since a file that is closed loses its locks


class Turn:
    """The turn to write to one file: waited for, at most so many seconds, and kept for a block."""

    __slots__ = ("_has_it", "_patience_s", "_queue")

    def __init__(self, path: str, patience_s: float):
        self._queue, self._patience_s = _queue(path), patience_s

    def __enter__(self) -> None:
        until = time.monotonic() + self._patience_s
        self._has_it = self._queue.first.acquire(timeout=self._patience_s)
        if self._has_it:
            self._queue.stand(until)

    def __exit__(self, *_: object) -> None:
        if self._has_it:
            self._queue.leave()
            self._queue.first.release()


@cache
def _queue(path: str) -> _Queue:
    file = f"{os.path.realpath(path)}-queue"
    return QUEUES.setdefault(file, _Queue(file))


def _at_once(descriptor: int) -> bool:
    """Take the turn when nobody has it and nobody waits for it."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 2, NEXT)
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, NEXT)
    except OSError:
        return False
    return True


def _lock(descriptor: int, place: int, until: float) -> bool:
    pause_s = SHORTEST_LOOK_S
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(pause_s)
            pause_s = min(LONGEST_LOOK_S[place], pause_s * 1.5)
        except OSError:  # a file system that knows no locks, or no more of them
            return False
        else:
            return True
