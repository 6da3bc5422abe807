"""A folder in which several web processes of one service count their requests together.

It lies in memory where it can: the files are written by mapping them, and on a full disk that kills the process.
Each process that has counted leaves a small file there, also one that died, since its requests count on. The folder
ends with the service; one that a killed service left behind is removed by the next.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from consent_service import config

MEMORY = Path("/dev/shm")  # noqa: S108 - nobody else can open what is made in it
LOCK = "lock"  # is held for as long as any process of the service lives


def place(var: Path) -> Path:
    """Return where a service with this `var/` keeps such folders: in memory, or within it where there is none."""
    in_memory = MEMORY / f"consent-service-{sha256(str(var.resolve()).encode()).hexdigest()[:16]}"
    try:
        in_memory.mkdir(mode=0o700, exist_ok=True)
        is_mine = in_memory.stat().st_uid == os.geteuid() and not in_memory.is_symlink()
    except OSError:
        is_mine = False
    return in_memory if is_mine else var / "metrics"


@contextmanager
def shared(parent: Path) -> Iterator[None]:
    """While the block lasts, applications made in this process and those it forks count together."""
    with _own_folder(parent) as folder:
        maker = os.getpid()
        config.count_requests_in(folder)
        try:
            yield
        finally:
            if os.getpid() == maker:  # a worker that ends comes by here too
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _own_folder(parent: Path) -> Iterator[Path]:
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (parent / LOCK).open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # or one that starts now would take this folder for one left behind
        for left in parent.iterdir():
            _remove_if_left(left)
        folder = Path(tempfile.mkdtemp(dir=parent))
        lock = (folder / LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    with lock:
        yield folder


def _remove_if_left(folder: Path) -> None:
    try:
        with (folder / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return  # somebody counts there, or has only begun to
