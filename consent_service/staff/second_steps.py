"""What opens an account besides the password: codes of an authenticator app (RFC 6238), recovery codes, passkeys.

The secret of an app is encrypted under a key derived from CONSENT_SECRET_KEYS and bound to its account: the newest
encrypts, each one opens, and a code that was taken encrypts anew. A recovery code is kept as a hash. Whatever opens
once is spent by one statement. Must not commit, read a clock or know WebAuthn.
"""

import hmac
import secrets
from base64 import b32encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import structlog
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from consent_service.ledger import vault
from consent_service.ledger.vault import VaultRefused
from consent_service.models.staff import passkey, recovery_code, staff

STEP_S, DIGITS = 30, 6
LATE = 1  # steps a clock may be wrong by, either way
SECRET, CODES, CODE_LENGTH = 20, 10, 16
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without the ones that are mistaken for another

log = structlog.get_logger()


def is_set_up(connection: Connection, account: Row[Any]) -> bool:
    """Whether a password alone does not open the account."""
    return account.app_sealed is not None or bool(passkeys(connection, account.id))


# The authenticator app


def new_secret() -> bytes:
    """Return the secret of an app that is being set up (RFC 4226 section 4: 160 bits)."""
    return secrets.token_bytes(SECRET)


def seal(keys: Sequence[str], secret: bytes, account_id: str) -> bytes:
    """Return an app's secret encrypted under the newest key, for one account."""
    return vault.encrypt(_key(keys[0]), secret, account_id.encode())


def unseal(keys: Sequence[str], sealed: bytes, account_id: str) -> bytes:
    """Return an app's secret; raises VaultRefused when it is another account's, or its key is gone."""
    for key in keys:
        try:
            return vault.decrypt(_key(key), sealed, account_id.encode())
        except VaultRefused:
            continue
    raise VaultRefused("the key of this app is not in CONSENT_SECRET_KEYS")


def written(secret: bytes) -> str:
    """Return a secret as it is typed into an app."""
    return b32encode(secret).decode()


def address(secret: bytes, email: str, company: str) -> str:
    """Return what the square code says to an app."""
    label = quote(f"{company}:{email}", safe="")
    return f"otpauth://totp/{label}?secret={written(secret)}&issuer={quote(company, safe='')}"


def step_of(secret: bytes, code: str, now: datetime) -> int | None:
    """Return the time step that a code is right for, None when it is wrong."""
    typed, current = "".join(code.split()).encode(), int(now.timestamp()) // STEP_S
    app = HOTP(secret, DIGITS, SHA1())  # noqa: S303 - RFC 6238's own, and what every app knows
    steps = range(current - LATE, current + LATE + 1)
    return next((step for step in steps if hmac.compare_digest(app.generate(step), typed)), None)


def set_app(connection: Connection, account_id: str, sealed: bytes, step: int) -> None:
    """Let an app open the account from the step after this one on."""
    connection.execute(update(staff).where(staff.c.id == account_id).values(app_sealed=sealed, app_step=step))


def remove_app(connection: Connection, account_id: str) -> None:
    """Let no app open the account any more."""
    connection.execute(update(staff).where(staff.c.id == account_id).values(app_sealed=None, app_step=None))
    _forget_codes_without_need(connection, account_id)


def take_app_code(connection: Connection, keys: Sequence[str], account: Row[Any], code: str, now: datetime) -> bool:
    """Whether a code of the app is right, and was not taken before (RFC 6238 section 5.2).

    While the key that the app's secret is kept under is missing from CONSENT_SECRET_KEYS, no code is; the log says why.
    """
    if account.app_sealed is None:
        return False
    try:
        secret = unseal(keys, account.app_sealed, account.id)
    except VaultRefused:
        log.warning("an app's secret cannot be opened", account=account.id)
        return False
    step = step_of(secret, code, now)
    if step is None:
        return False
    unspent = (staff.c.id == account.id, staff.c.app_step < step)
    values = {"app_step": step, "app_sealed": seal(keys, secret, account.id)}
    return connection.execute(update(staff).where(*unspent).values(values)).rowcount == 1


# Recovery codes


def new_codes(connection: Connection, account_id: str) -> list[str]:
    """Return ten codes that open the account once each instead of any earlier ones; they are readable here alone."""
    codes = ["".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH)) for _ in range(CODES)]
    connection.execute(delete(recovery_code).where(recovery_code.c.staff_id == account_id))
    rows = [{"staff_id": account_id, "code_hash": _hash(account_id, code)} for code in codes]
    connection.execute(insert(recovery_code), rows)
    return ["-".join(code[at : at + 4] for at in range(0, CODE_LENGTH, 4)) for code in codes]


def codes_left(connection: Connection, account_id: str) -> int:
    """Return how many recovery codes have not been used."""
    mine = recovery_code.c.staff_id == account_id
    return connection.execute(select(func.count()).select_from(recovery_code).where(mine)).scalar_one()


def take_recovery_code(connection: Connection, account_id: str, typed: str) -> bool:
    """Whether this is one of the account's recovery codes, which is used up by it."""
    code = "".join(typed.lower().replace("-", " ").split())
    mine = (recovery_code.c.staff_id == account_id, recovery_code.c.code_hash == _hash(account_id, code))
    return connection.execute(delete(recovery_code).where(*mine)).rowcount == 1


# Passkeys


def passkeys(connection: Connection, account_id: str) -> Sequence[Row[Any]]:
    """Return an account's passkeys, the oldest first."""
    mine = passkey.c.staff_id == account_id
    return connection.execute(select(passkey).where(mine).order_by(passkey.c.made_at)).all()


def find_passkey(connection: Connection, credential_id: bytes) -> Row[Any] | None:
    """Return the passkey with an id that its device gave it."""
    return connection.execute(select(passkey).where(passkey.c.credential_id == credential_id)).one_or_none()


def add_passkey(connection: Connection, account_id: str, name: str, made: Any, now: datetime) -> None:
    """Let a passkey open the account; `made` is what the device answered, verified."""
    values = {
        "id": str(uuid4()),
        "staff_id": account_id,
        "credential_id": made.credential_id,
        "public_key": made.credential_public_key,
        "sign_count": made.sign_count,
        "name": name,
        "made_at": now,
    }
    connection.execute(insert(passkey).values(**values))


def note_passkey_used(connection: Connection, passkey_id: str, sign_count: int, now: datetime) -> None:
    """Note how often the device says it has signed, so that a copy of it is noticed."""
    values = {"sign_count": sign_count, "last_used_at": now}
    connection.execute(update(passkey).where(passkey.c.id == passkey_id).values(values))


def remove_passkey(connection: Connection, account_id: str, passkey_id: str) -> None:
    """Let a passkey open nothing any more."""
    connection.execute(delete(passkey).where(passkey.c.id == passkey_id, passkey.c.staff_id == account_id))
    _forget_codes_without_need(connection, account_id)


def _forget_codes_without_need(connection: Connection, account_id: str) -> None:
    """Recovery codes stand in for a second step; without one there is nothing to recover."""
    account = connection.execute(select(staff).where(staff.c.id == account_id)).one()
    if not is_set_up(connection, account):
        connection.execute(delete(recovery_code).where(recovery_code.c.staff_id == account_id))


def _hash(account_id: str, code: str) -> bytes:
    return sha256(f"{account_id}/{code}".encode()).digest()  # 79 random bits need no slow hash


def _key(secret_key: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=b"consent-service/second-step").derive(secret_key.encode())
