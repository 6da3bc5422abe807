"""What the subscription form costs while unusually many are sent: some work of a computer, or half a minute's wait.

The work is ALTCHA's proof of work, version 2, made and checked here and asked of nobody else's server. Nobody is asked
while the service has sent no more than half of what it may in its first window. Either proof counts once: what was
used is remembered for longer than it would hold. Must not know a form.
"""

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import altcha
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection

from consent_service.delivery import allowance, caps
from consent_service.delivery.allowance import Window
from consent_service.delivery.letters import SERVICE
from consent_service.tokens import TokenRefused, Tokens, Waiting

ALGORITHM, ROUNDS = "PBKDF2/SHA-256", 3000
FEWEST_TRIES, MOST_TRIES = 200, 600  # half a second on a desk, a few on an old phone
WAIT = timedelta(seconds=30)
LIFETIME = timedelta(minutes=10)
LOOK_AGAIN = timedelta(seconds=1)


def many_are_sent(connection: Connection, allowed: Sequence[Window], now: datetime) -> bool:
    """Whether so many confirmations left lately that a form has to cost something."""
    most = [Window(window.amount // 2 + 1, window.span) for window in allowed[:1]]
    return caps.is_full(connection, SERVICE, most, now)


def spend(connection: Connection, proof: str, now: datetime) -> bool:
    """Use a proof up, by the name that `Effort.read` gives it; False when it was used before."""
    return allowance.spend(connection, f"proof:{proof}", [Window(1, LIFETIME)], now) <= now


class Effort:
    """Makes and checks proofs, with keys of their own made of `secret_keys` (newest first)."""

    def __init__(self, secret_keys: Sequence[str], tokens: Tokens):
        self._keys = [_derive(key) for key in secret_keys]
        self._tokens = tokens
        self._seen = (datetime.min.replace(tzinfo=UTC), False)

    def is_asked(self, now: datetime, look: Callable[[], bool]) -> bool:
        """Return what `look` finds, which is whether `many_are_sent`; it is asked once a second, not for each form."""
        seen_at, found = self._seen
        if not timedelta(0) <= now - seen_at < LOOK_AGAIN:
            found = look()
            self._seen = (now, found)
        return found

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
    return HKDF(SHA256(), length=32, salt=None, info=b"consent-service/effort").derive(secret.encode())
