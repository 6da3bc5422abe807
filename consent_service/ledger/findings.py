"""What an audit reads with and what it has found; shared by the two halves of the audit.

Must not check anything itself.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from consent_service.ledger.vault import Vault

BATCH = 1000


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be: its kind, what it says, and the event, place and checkpoint if known.

    Places are counted from 1, as everywhere that people read them.
    """

    kind: str
    says: str
    event: str | None = None
    place: int | None = None
    checkpoint: int | None = None

    def __str__(self) -> str:
        """The finding in one line."""
        where = [f"event {self.event}"] if self.event else []
        where += [f"place {self.place}"] if self.place is not None else []
        where += [f"sealed by checkpoint {self.checkpoint}"] if self.checkpoint else []
        return f"{self.kind}: {self.says}" + (f" ({', '.join(where)})" if where else "")


@dataclass(frozen=True)
class Mark:
    """A checkpoint the log is held against: its size, its root and when it was signed."""

    size: int
    root: bytes
    signed_at: datetime


@dataclass
class Audit:
    """One audit: what it reads with, the checkpoints it holds the log against, and what it has found so far.

    `end` is the size of the newest checkpoint in the database, `texts` the hashes of all texts that are kept.
    """

    connection: Connection
    keys: Vault
    now: datetime
    step: Callable[[int], None]
    marks: list[Mark] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    end: int = 0
    texts: set[str] = field(default_factory=set)

    def find(self, kind: str, says: str, event: str | None = None, index: int | None = None) -> None:
        """Note something that is wrong, with its place, from its index in the log, and the first checkpoint over it."""
        place = None if index is None else index + 1
        over = next((mark.size for mark in self.marks if place is not None and mark.size >= place), None)
        self.findings.append(Finding(kind, says, event, place, over))

    def stream(self, rows: Any) -> Iterator[Row[Any]]:
        """Yield the rows of a query, some at a time, and tell how many were read."""
        with self.connection.execute(rows, execution_options={"yield_per": BATCH}) as result:
            for batch in result.partitions():
                self.step(len(batch))
                yield from batch


@dataclass(frozen=True)
class Leaf:
    """What a row's leaf says, as far as it can be read; empty strings where it cannot."""

    id: str = ""
    at: str = ""
    core: str = ""
    tech: str = ""


def leaf_of(row: Row[Any]) -> Leaf:
    """Return what the leaf of an event says; whatever is wrong with its form shows in its hash."""
    try:
        leaf = json.loads(row.leaf)
        core, tech = leaf["c"]
        return Leaf(str(leaf["id"]), str(leaf["t"]), str(core), str(tech))
    except (KeyError, TypeError, ValueError):
        return Leaf()
