"""Requests that a program sends once more: carried out once, and answered as they were the first time.

As the IETF's draft on the `Idempotency-Key` header field has it. The answer is kept in the transaction of what it is
about; whoever is at a request holds it by a claim that runs out, so that a killed process does not keep it for ever.
Keys and bodies are hashed under the secret of the program's own key, which is not in the database.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, delete, select, update

from consent_service.database import insert_if_absent
from consent_service.models.api import api_answer

LIFETIME = timedelta(hours=24)
CLAIM = timedelta(minutes=1)


class OtherRequest(Exception):
    """The key stood on another request before."""


class UnderWay(Exception):
    """The same request is being carried out at this moment."""


@dataclass(frozen=True)
class Sent:
    """A request as it is known again: whose key, the hash of what stood in the header, and of everything it says."""

    api_key_id: str
    key_hash: str
    fingerprint: str


@dataclass(frozen=True)
class Answer:
    """A status and the bytes of a body; they must hold no personal data."""

    status: int
    body: bytes


def sent(api_key_id: str, secret: str, key: str, says: bytes) -> Sent:
    """Return how a request is known again, by what stood in the header and what it `says`."""
    return Sent(api_key_id, _hash(secret, b"key", key.encode()), _hash(secret, b"request", says))


def claim(connection: Connection, one: Sent, claimant: str, now: datetime) -> Answer | None:
    """Return what the request was answered before, or None: then the claimant carries it out.

    Raises OtherRequest or UnderWay.
    """
    connection.execute(delete(api_answer).where(*_is(one), api_answer.c.created_at <= now - LIFETIME))
    held = {"claimed_by": claimant, "claimed_until": now + CLAIM}
    values = {"api_key_id": one.api_key_id, "key_hash": one.key_hash, "fingerprint": one.fingerprint}
    if insert_if_absent(connection, api_answer, values | held | {"created_at": now}):
        return None
    row = connection.execute(select(api_answer).where(*_is(one)).with_for_update()).one_or_none()
    if row is None:  # let go of between the two
        raise UnderWay
    if row.fingerprint != one.fingerprint:
        raise OtherRequest
    if row.status is not None:
        return Answer(row.status, row.body)
    if row.claimed_until > now:
        raise UnderWay
    connection.execute(update(api_answer).where(*_is(one)).values(**held))
    return None


def keep(connection: Connection, one: Sent, claimant: str, answer: Answer) -> None:
    """Keep the answer, in the transaction of what it is about; raises UnderWay when another has taken over."""
    mine = update(api_answer).where(*_is(one), *_is_held_by(claimant))
    if connection.execute(mine.values(status=answer.status, body=answer.body)).rowcount != 1:
        raise UnderWay


def let_go(connection: Connection, one: Sent, claimant: str) -> None:
    """Forget a request that could not be carried out, so that the next try need not wait."""
    connection.execute(delete(api_answer).where(*_is(one), *_is_held_by(claimant)))


def _is(one: Sent) -> tuple[Any, ...]:
    return api_answer.c.api_key_id == one.api_key_id, api_answer.c.key_hash == one.key_hash


def _is_held_by(claimant: str) -> tuple[Any, ...]:
    return api_answer.c.claimed_by == claimant, api_answer.c.status.is_(None)


def _hash(secret: str, purpose: bytes, content: bytes) -> str:
    return hmac.new(secret.encode(), purpose + b"\0" + content, sha256).hexdigest()
