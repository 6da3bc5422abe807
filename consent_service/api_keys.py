"""The keys by which the company's other programs show what they may do: made, found, disabled.

A key is random and shown once; only a hash of it is kept, so whoever reads the database can use none. What a program
may do stands in the key's scopes. Must not know what a program asks for.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, or_, select, update

from consent_service.database import insert_if_absent
from consent_service.language import mark
from consent_service.models.api import api_key

SUBSCRIBE, WITHDRAW, READ = "subscribe", "withdraw", "read"
SCOPES = {
    SUBSCRIBE: mark("Start subscriptions: the person gets a message and confirms it themselves"),
    WITHDRAW: mark("End subscriptions, at the wish of the person"),
    READ: mark("Read whether somebody subscribes, one address at a time"),
}
WRITTEN = re.compile(r"csk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")  # a prefix that programs looking for leaks can know
NOBODYS = bytes(32)


@dataclass(frozen=True)
class ApiKey:
    """A key that is in force: its id and name for the evidence, and what it permits."""

    id: str
    name: str
    scopes: frozenset[str]
    last_used_on: str | None


def new_id() -> str:
    """Return the id of a key to be made."""
    return secrets.token_hex(8)


def make(
    connection: Connection, key_id: str, name: str, scopes: frozenset[str], made_by: str, now: datetime
) -> str | None:
    """Make a key and return it as its program has to send it; None when this id has been used, as by a second press.

    `name` and `scopes` must have been checked; nobody can be told the key again.
    """
    secret = secrets.token_urlsafe(32)
    values = {
        "id": key_id,
        "name": name,
        "secret_hash": _hash(secret),
        "scopes": " ".join(scope for scope in SCOPES if scope in scopes),
        "made_by": made_by,
        "made_at": now,
    }
    return f"csk_{key_id}_{secret}" if insert_if_absent(connection, api_key, values) else None


def find(connection: Connection, written: str) -> ApiKey | None:
    """Return the key in force that a program sent, or None, whatever is wrong with it.

    Found by its id and compared as a whole, so that the time it takes says nothing about the secret.
    """
    parts = WRITTEN.fullmatch(written)
    key_id, secret = parts.groups() if parts else ("", "")
    row = connection.execute(select(api_key).where(api_key.c.id == key_id)).one_or_none()
    is_right = hmac.compare_digest(_hash(secret), row.secret_hash if row else NOBODYS)
    if row is None or row.disabled_at is not None or not is_right:
        return None
    return ApiKey(row.id, row.name, frozenset(row.scopes.split()), row.last_used_on)


def note_use(connection: Connection, key: ApiKey, now: datetime) -> None:
    """Note the day a key was used; days in UTC."""
    today = now.date().isoformat()
    is_older = or_(api_key.c.last_used_on.is_(None), api_key.c.last_used_on < today)
    connection.execute(update(api_key).where(api_key.c.id == key.id, is_older).values(last_used_on=today))


def known(connection: Connection) -> list[Row[Any]]:
    """Return every key there has been, those in force first, the newest first."""
    newest = select(api_key).order_by(api_key.c.disabled_at.is_not(None), api_key.c.made_at.desc(), api_key.c.id)
    return list(connection.execute(newest).all())


def named(connection: Connection, key_id: str) -> Row[Any] | None:
    """Return the row of one key."""
    return connection.execute(select(api_key).where(api_key.c.id == key_id)).one_or_none()


def disable(connection: Connection, key_id: str, by: str, now: datetime) -> bool:
    """Let a key permit nothing any more, from now on and for good; False when it does not already."""
    mine = (api_key.c.id == key_id, api_key.c.disabled_at.is_(None))
    return connection.execute(update(api_key).where(*mine).values(disabled_by=by, disabled_at=now)).rowcount == 1


def _hash(secret: str) -> bytes:
    """As random as the secret is, it needs no slow hash: nobody can try them all."""
    return sha256(secret.encode()).digest()
