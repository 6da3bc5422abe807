"""Keys of people: encrypt under a person's own key, wrap that key, and hash addresses so that nobody can read them.

Each person's key is random and lies in the database wrapped by a data key, which does not; destroying the wrapped
key destroys everything encrypted under it. Old data keys still unwrap. Must not know what it encrypts.
"""

import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE = 12
KEY_NAME = 8
MARK = 16  # hex digits that tell two addresses apart in a link that lives for an hour


class VaultRefused(Exception):
    """The bytes were changed, belong elsewhere, or their data key is not among the given ones."""


class Vault:
    """Wraps and opens people's keys with `data_keys` (32 bytes each, newest first)."""

    def __init__(self, data_keys: Sequence[bytes]):
        if not data_keys:
            raise ValueError("a vault needs at least one data key")
        self._newest = _name(data_keys[0])
        self._by_name = {_name(key): key for key in data_keys}
        self._address_keys = tuple(_derive(key, b"consent-service/address") for key in data_keys)
        self._erasure_keys = tuple(_derive(key, b"consent-service/erasure") for key in data_keys)

    def wrap(self, person_key: bytes, subscriber_id: str) -> bytes:
        """Return the person's key encrypted under the newest data key, bound to the subscriber."""
        sealed = encrypt(self._by_name[self._newest], person_key, subscriber_id.encode())
        return self._newest + sealed

    def unwrap(self, wrapped: bytes, subscriber_id: str) -> bytes:
        """Return the person's key; raises VaultRefused."""
        data_key = self._by_name.get(wrapped[:KEY_NAME])
        if data_key is None:
            raise VaultRefused("the data key of this person is not in CONSENT_DATA_KEYS")
        return decrypt(data_key, wrapped[KEY_NAME:], subscriber_id.encode())

    @property
    def newest(self) -> bytes:
        """What everything wrapped under the newest data key begins with; it does not tell the key."""
        return self._newest

    def rewrap(self, wrapped: bytes, subscriber_id: str) -> bytes:
        """Return the person's key wrapped under the newest data key; raises VaultRefused."""
        return self.wrap(self.unwrap(wrapped, subscriber_id), subscriber_id)

    def address_hash(self, email_key: str) -> str:
        """Return the keyed hash (HMAC-SHA-256, hex) of a normalised address under the newest key."""
        return self.address_hashes(email_key)[0]

    def address_hashes(self, email_key: str) -> tuple[str, ...]:
        """Return the keyed hashes under every key, newest first, to find what an older key hashed."""
        return tuple(hmac.digest(key, email_key.encode(), "sha256").hex() for key in self._address_keys)

    def address_mark(self, email_key: str) -> str:
        """Return the beginning of the keyed hash, to bind a short-lived link to an address without naming it."""
        return self.address_hash(email_key)[:MARK]

    def is_marked(self, email_key: str, mark: str) -> bool:
        """Whether a mark was made of this address, under any of the keys."""
        return any(hmac.compare_digest(known[:MARK], mark) for known in self.address_hashes(email_key))

    def erasure_mac(self, event_id: str, rule: str) -> str:
        """Return what shows that we emptied an event, and by which rule (HMAC-SHA-256, hex), under the newest key."""
        return _erasure_mac(self._erasure_keys[0], event_id, rule)

    def is_our_erasure(self, event_id: str, rule: str, mac: str) -> bool:
        """Whether this MAC shows that we emptied an event by a rule, under any of the keys."""
        return any(hmac.compare_digest(_erasure_mac(key, event_id, rule), mac) for key in self._erasure_keys)


def new_person_key() -> bytes:
    """Return a fresh random AES-256 key: random and not derived, so that deleting it is final."""
    return AESGCM.generate_key(256)


def encrypt(key: bytes, content: bytes, context: bytes) -> bytes:
    """Return nonce || AES-256-GCM ciphertext, bound to the context."""
    nonce = secrets.token_bytes(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, content, context)


def decrypt(key: bytes, sealed: bytes, context: bytes) -> bytes:
    """Return the content; raises VaultRefused when bytes, key or context are not the ones of `encrypt`."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], context)
    except (InvalidTag, ValueError) as error:
        raise VaultRefused("encrypted content does not open") from error


def _name(data_key: bytes) -> bytes:
    return sha256(b"consent-service/data-key-name" + data_key).digest()[:KEY_NAME]


def _erasure_mac(key: bytes, event_id: str, rule: str) -> str:
    return hmac.digest(key, f"{event_id} {rule}".encode(), "sha256").hex()


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=purpose).derive(key)
