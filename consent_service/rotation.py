"""Changing keys while the service runs: people's keys wrapped anew, and until when an old key is still needed.

What was hashed under an old data key cannot be hashed anew without the address, so that key stays until its last hash
has had its time. Must not commit, read a clock, or hold a key but the vault's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, Select, Table, bindparam, delete, func, select, union_all, update

from consent_service import retention
from consent_service.database import insert_if_absent
from consent_service.ledger.vault import Vault
from consent_service.models.activecampaign import deleted_contact, taken_off
from consent_service.models.customers import customer_key
from consent_service.models.ledger import subject_key
from consent_service.models.limits import allowance
from consent_service.models.newsletter import suppression
from consent_service.models.watch import pulse

PROCESSES = ("web", "relay")
HASHED = (
    (allowance.c.asked_at, retention.BY_KEY["allowance"]),
    (deleted_contact.c.erased_at, retention.BY_KEY["deleted_contact"]),
    (taken_off.c.undone_at, retention.BY_KEY["taken_off"]),
)
OWNERS = (subject_key.c.subscriber_id, customer_key.c.customer_id)  # the one whose key it is, in each table of keys
_REWRAP = [
    update(owner.table)
    .where(owner == bindparam("owner"), owner.table.c.wrapped == bindparam("old"))
    .values(wrapped=bindparam("new"))
    for owner in OWNERS
]


@dataclass(frozen=True)
class Hashes:
    """What was hashed before the newest data key came: when the last of what ends does; objections, which do not."""

    until: datetime | None
    objections: int


def note_use(connection: Connection, keys: Vault, process: str, now: datetime) -> None:
    """Note since when a process which serves or sends, `web` or `relay`, has had the newest data key.

    Of another key nothing stays noted: whoever goes back to that one begins anew.
    """
    others = pulse.c.name.startswith(f"{process} ") & (pulse.c.name != _name(keys, process))
    connection.execute(delete(pulse).where(others))
    insert_if_absent(connection, pulse, {"name": _name(keys, process), "at": now})


def in_use_since(connection: Connection, keys: Vault) -> datetime | None:
    """Return since when both kinds of processes have had the newest data key; None while one of them has not."""
    names = [_name(keys, process) for process in PROCESSES]
    found = connection.execute(select(pulse.c.at).where(pulse.c.name.in_(names))).scalars().all()
    return max(found) if len(found) == len(PROCESSES) else None


def people(connection: Connection) -> int:
    """Return how many people have a key, subscribers and customers."""
    return sum(connection.execute(select(func.count()).select_from(owner.table)).scalar_one() for owner in OWNERS)


def waiting(connection: Connection, keys: Vault) -> int:
    """Return how many people's keys are wrapped under an old data key."""
    return sum(connection.execute(_old(owner.table, keys)).scalar_one() for owner in OWNERS)


def read_slice(connection: Connection, after: str, limit: int) -> Sequence[Row[str, bytes]]:
    """Return the next people behind an id, `owner` and `wrapped` of each."""
    later = [select(owner.label("owner"), owner.table.c.wrapped).where(owner > after) for owner in OWNERS]
    return connection.execute(union_all(*later).order_by("owner").limit(limit)).all()


def rewrap(connection: Connection, keys: Vault, rows: Sequence[Row[str, bytes]]) -> None:
    """Wrap keys under the newest data key; whoever was erased meanwhile stays erased. Raises VaultRefused."""
    anew = [
        {"owner": row.owner, "old": row.wrapped, "new": keys.rewrap(row.wrapped, row.owner)}
        for row in sorted(rows, key=lambda row: row.owner)
    ]
    for statement in _REWRAP:
        connection.execute(statement, anew)


def hashed_before(connection: Connection, since: datetime) -> Hashes:
    """Return what is still kept of what was hashed before the newest data key came into use."""
    declined = select(func.max(suppression.c.until)).where(suppression.c.created_at < since)
    ends = [connection.execute(declined).scalar_one()]
    for column, rule in HASHED:
        last = connection.execute(select(func.max(column)).where(column < since)).scalar_one()
        ends.append(last + rule.after if last and rule.after else None)
    objected = (suppression.c.reason == "objected", suppression.c.created_at < since)
    objections = connection.execute(select(func.count()).select_from(suppression).where(*objected)).scalar_one()
    return Hashes(max((end for end in ends if end), default=None), objections)


def _name(keys: Vault, process: str) -> str:
    return f"{process} {keys.newest.hex()[:12]}"


def _old(table: Table, keys: Vault) -> Select[int]:
    is_old = func.substr(table.c.wrapped, 1, len(keys.newest)) != keys.newest
    return select(func.count()).select_from(table).where(is_old)
