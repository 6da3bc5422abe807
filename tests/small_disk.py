"""A real disk of a few megabytes, which only root can mount, and what fills it."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

NO_DISK = "only root can mount a small disk: what happens on a full one was NOT tested"


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path | None]:
    """Mount one, of a size like `8m`, at a new folder; None when this user may not."""
    folder.mkdir()
    asked = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    if asked.returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Fill it to the last byte, and make room again at the end."""
    file = folder / "filler"
    number = os.open(file, os.O_CREAT | os.O_WRONLY)
    try:
        with contextlib.suppress(OSError):
            while True:
                os.write(number, bytes(4096))
        yield
    finally:
        os.close(number)
        file.unlink()
