"""What a form costs while unusually many are sent: some work of a computer, or half a minute's wait.

The work is ALTCHA's proof of work, version 2, made and checked here and asked of nobody else's server. Of each kind as
many forms cost nothing as half of what the service may send in its first window. Forms are counted, whatever becomes of
them: what was sent would tell whether an address is known. Either proof counts once: a used one is remembered for
longer than it holds. Must not know what a form asks.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256

import altcha
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection, select

from consent_service.database import insert_if_absent
from consent_service.limits.allowance import Window
from consent_service.limits.rate_limit import RateLimit
from consent_service.models.limits import spent_proof
from consent_service.tokens import TokenRefused, Tokens, Waiting

SUBSCRIBE, CONTACT = "subscribe", "contact"  # the kinds of forms, whichever door they come through
ALGORITHM, ROUNDS = "PBKDF2/SHA-256", 3000
FEWEST_TRIES, MOST_TRIES = 200, 600  # half a second on a desk, a few on an old phone
WAIT = timedelta(seconds=30)
LIFETIME = timedelta(minutes=10)
REMEMBERED = timedelta(days=1)  # longer than it holds: nobody's clock has to be exact


def free_forms(allowed: Sequence[Window]) -> str:
    """Return how many forms cost nothing, as a limit is written, by how much the whole service may send."""
    if not allowed:
        return "off"
    return f"{allowed[0].amount // 2 + 1}/{int(allowed[0].span.total_seconds())} seconds"


def spend(connection: Connection, proof: str, now: datetime, form: str) -> bool:
    """Use a proof up, by the name that `ProofOfWork.read` gives it; False when it was used before, on another form.

    What a passkey has signed is used up in the same way, by a name of its own.

    `form` is the same for what is pressed twice, and for nothing else.
    """
    spent_on = sha256(form.encode()).hexdigest()
    if insert_if_absent(connection, spent_proof, {"proof": proof, "spent_on": spent_on, "spent_at": now}):
        return True
    before = select(spent_proof.c.spent_on).where(spent_proof.c.proof == proof)
    return connection.execute(before).scalar_one_or_none() == spent_on


class ProofOfWork:
    """Says when a proof is needed; makes and checks them, with keys of their own of `secret_keys` (newest first)."""

    def __init__(self, secret_keys: Sequence[str], tokens: Tokens, free: RateLimit):
        self._keys = [_derive(key) for key in secret_keys]
        self._tokens = tokens
        self._free = free

    def count_form(self, *kinds: str) -> bool:
        """Count a form, as each of the kinds it is, and return whether it has to cost something."""
        waits = [self._free.take(kind, "everybody") for kind in kinds]
        return any(wait is not None for wait in waits)

    def is_due(self, kind: str) -> bool:
        """Whether the next form of a kind would have to cost something; counts nothing."""
        return self._free.wait(kind, "everybody") is not None

    def task(self, now: datetime) -> dict[str, object]:
        """Return a task as ALTCHA writes it, which takes a while to solve and none to check."""
        tries = FEWEST_TRIES + secrets.randbelow(MOST_TRIES - FEWEST_TRIES)
        made = altcha.create_challenge(
            ALGORITHM, ROUNDS, counter=tries, expires_at=now + LIFETIME, hmac_secret=self._keys[0]
        )
        return dict(made.to_dict())

    def read(self, proof: str, now: datetime) -> str | None:
        """Return the name of a solved task, or of a token that was waited for; None for anything else."""
        waiting = self._waiting(proof)
        if waiting is not None:
            return waiting.id if WAIT <= now - waiting.since <= LIFETIME else None
        if not any(altcha.verify_solution(proof, key).verified for key in self._keys):
            return None
        return altcha.Payload.from_base64(proof).challenge.signature  # all else of it can be written in other ways

    def is_early(self, proof: str, now: datetime) -> bool:
        """Whether this token has still to be waited for."""
        waiting = self._waiting(proof)
        return waiting is not None and now - waiting.since < WAIT

    def _waiting(self, proof: str) -> Waiting | None:
        try:
            return self._tokens.read_waiting(proof)
        except TokenRefused:
            return None


def _derive(secret: str) -> bytes:
    name = b"consent-service/effort"  # as it was called at first: another name would be another key
    return HKDF(SHA256(), length=32, salt=None, info=name).derive(secret.encode())
