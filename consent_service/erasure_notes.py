"""What an erasure leaves: a note under the id of whom or what is gone, which says by which rule and when.

It shows that the erasure was done, and is kept outside the database too, so that no backup undoes it. Must not erase.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from consent_service.database import insert_or_replace
from consent_service.models.newsletter import erasure


def note_erased(
    connection: Connection, ids: Iterable[str], rule: str, now: datetime, objected: Mapping[str, str] = {}
) -> None:
    """Note the erasure of each by a rule, with the hash of the address of those in `objected`.

    What is known of an earlier erasure under the same id is forgotten: the id of a cookie choice is used again, and
    SQLite gives out the numbers of an earlier list's rows again.
    """
    anew = {"rule": rule, "erased_at": now, "there_at": None, "there_answer": None, "copied_at": None}
    notes = [anew | {"subscriber_id": one, "address_hash": objected.get(one)} for one in ids]
    if notes:
        insert_or_replace(connection, erasure, ["subscriber_id"], *notes)
