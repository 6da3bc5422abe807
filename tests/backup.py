"""A backup of a house's SQLite file, taken while it runs, and put back as an operator does."""

import shutil
import sqlite3
from pathlib import Path


def backup(folder: Path) -> None:
    """Copy the database as an operator does while it runs."""
    with sqlite3.connect(folder / "consent.db") as source, sqlite3.connect(folder / "backup.db") as target:
        source.backup(target)
    source.close()
    target.close()


def restore(folder: Path) -> None:
    """Put the copy back; nothing may have the database open."""
    for leftover in folder.glob("consent.db*"):
        leftover.unlink()
    shutil.copy(folder / "backup.db", folder / "consent.db")
