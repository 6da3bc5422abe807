"""Addresses that must not be written to, as keyed hashes with a reason; a row outlives the subscriber.

Checked at every intake. Must never store a readable address.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, select

from consent_service.database import insert_or_replace
from consent_service.ledger.vault import Vault
from consent_service.models.newsletter import suppression
from consent_service.sql.prepared import PreparedList

DECLINED_FOR = timedelta(days=365)
_FIND = PreparedList(
    lambda hashes: (
        select(suppression)
        .where(suppression.c.address_hash.in_(hashes))
        .where(suppression.c.until.is_(None) | (suppression.c.until > bindparam("now")))
        .order_by(suppression.c.until.is_(None).desc())
        .limit(1)
    )
)


@dataclass(frozen=True)
class Suppressed:
    """Why an address must not be written to (`declined` or `objected`), since when and until when (None: for good)."""

    reason: str
    created_at: datetime
    until: datetime | None


def decline(connection: Connection, keys: Vault, email_key: str, now: datetime) -> None:
    """Keep an address whose owner said "I did not ask" from being written to for a year; an objection stays."""
    known = find(connection, keys, email_key, now)
    if known is None or known.until is not None:
        _put(connection, keys, email_key, Suppressed("declined", now, now + DECLINED_FOR))


def object_for_good(connection: Connection, keys: Vault, email_key: str, now: datetime) -> None:
    """Keep an address whose owner objected to marketing from ever being written to again (GDPR article 21(3))."""
    _put(connection, keys, email_key, Suppressed("objected", now, None))


def object_again(connection: Connection, address_hash: str, at: datetime) -> None:
    """Keep an objection of which only the hash is left, after an older database came back."""
    _put_hash(connection, address_hash, Suppressed("objected", at, None))


def objected(connection: Connection, hashes: Sequence[str]) -> Set[str]:
    """Return those of some addresses' hashes whose owners have objected."""
    mine = select(suppression.c.address_hash).where(suppression.c.address_hash.in_(hashes))
    return set(connection.execute(mine.where(suppression.c.reason == "objected")).scalars())


def lift_declined(connection: Connection, keys: Vault, email_key: str) -> None:
    """Forget that the owner of an address declined; an objection stays."""
    connection.execute(
        delete(suppression).where(
            suppression.c.address_hash.in_(keys.address_hashes(email_key)), suppression.c.reason == "declined"
        )
    )


def find(connection: Connection, keys: Vault, email_key: str, now: datetime) -> Suppressed | None:
    """Return why an address must not be written to now, or None."""
    rows = _FIND.rows(connection, keys.address_hashes(email_key), {"now": now})
    return next((Suppressed(row.reason, row.created_at, row.until) for row in rows), None)


def _put(connection: Connection, keys: Vault, email_key: str, entry: Suppressed) -> None:
    _put_hash(connection, keys.address_hash(email_key), entry)


def _put_hash(connection: Connection, address_hash: str, entry: Suppressed) -> None:
    insert_or_replace(
        connection,
        suppression,
        ["address_hash"],
        {
            "address_hash": address_hash,
            "reason": entry.reason,
            "created_at": entry.created_at,
            "until": entry.until,
        },
    )
