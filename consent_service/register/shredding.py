"""Papers that somebody has to take out of a binder and shred, because their entry here is gone, and those shredded.

A row is named by the id the document had, and tells nobody's name. Must not commit or read a clock.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, select, update

from consent_service.database import insert_if_absent
from consent_service.models.customers import shredding


def leave(connection: Connection, documents: Sequence[Row[Any]], due_on: date) -> None:
    """Have the papers among documents that are about to go shredded, from a day on."""
    for row in documents:
        if row.binder is not None:
            place = {"kind": row.kind, "binder": row.binder, "page": row.page}
            insert_if_absent(connection, shredding, {"id": row.id, "due_on": due_on.isoformat()} | place)


def note(connection: Connection, paper_id: str, today: date, staff_name: str) -> bool:
    """Note that a paper is shredded, and by whom; who did it first stays named. False when there is none."""
    mine, waits = shredding.c.id == paper_id, shredding.c.destroyed_on.is_(None)
    done = {"destroyed_on": today.isoformat(), "destroyed_by": staff_name}
    connection.execute(update(shredding).where(mine, waits).values(done))
    return connection.execute(select(shredding.c.id).where(mine)).first() is not None


def waiting(connection: Connection) -> Sequence[Row[Any]]:
    """Return the papers that somebody has still to shred."""
    return connection.execute(select(shredding).where(shredding.c.destroyed_on.is_(None))).all()
