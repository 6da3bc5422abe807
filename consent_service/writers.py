"""Whose turn it is to write to a database that has room for one writer: a queue over all threads and processes.

SQLite lets a writer who finds another one at work sleep, up to 100 ms at a time, and wakes nobody. Here the next thread
goes on at once, and the next process within a millisecond or so. A process has to stand next in line before it has its
turn, so that nobody who has just had one is ahead of those who wait. It is only a queue: who waits too long goes on to
the database and hears from there. Must not know what is written.

The locks of a file are a process's, not a thread's (fcntl(2)): its threads queue on one lock before, one for each file.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

NEXT, NOW = 0, 1  # the bytes of the file that are locked: to stand next in line, and to have the turn
FIRST: dict[str, threading.Lock] = {}  # by file
SHORTEST_LOOK_S = 0.0005
LONGEST_LOOK_S = {NEXT: 0.004, NOW: 0.001}


@contextmanager
def turn(path: str, patience_s: float) -> Iterator[None]:
    """Wait for the turn to write to the file at `path`, at most so many seconds, and keep it for the block."""
    until, first = time.monotonic() + patience_s, _first_of_process(path)
    if not first.acquire(timeout=patience_s):
        yield
        return
    try:
        with _held(f"{os.path.realpath(path)}-queue", until):
            yield
    finally:
        first.release()


def _first_of_process(path: str) -> threading.Lock:
    return FIRST.setdefault(os.path.realpath(path), threading.Lock())


@contextmanager
def _held(path: str, until: float) -> Iterator[None]:
    """Hold the turn for the block, if it came in time; the locks end with the descriptor, and with a killed process."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # a full disk or a folder that nobody may write to: the database will say so
        yield
        return
    try:
        if _lock(descriptor, NEXT, until):
            _lock(descriptor, NOW, until)
            fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, NEXT)  # also without a turn: it stands in nobody's way
        yield
    finally:
        os.close(descriptor)


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
