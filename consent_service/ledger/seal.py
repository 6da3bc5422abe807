"""Canonical bytes of a consent event: two blinded commitments and the leaf that names them.

A leaf holds no address, no person and no kind, so it can stay when the person is forgotten; whoever holds the
payload and its blind can show what the leaf stands for. Must not import models or database.
"""

import hmac
import json
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

import rfc8785

VERSION = 1
BLIND = 32
Compartment = Literal["core", "tech"]
Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
Payload = dict[str, Json]
# What our own payloads hold comes out of it as RFC 8785 wants it, in a third of the time that its library takes.
_PLAIN = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Opening:
    """A payload with the blind that ties it to its commitment."""

    payload: Payload
    blind: bytes

    @cached_property
    def canonical(self) -> bytes:
        """The payload as JSON in its one canonical form (RFC 8785)."""
        return _PLAIN.encode(self.payload).encode() if _is_plain(self.payload) else rfc8785.dumps(self.payload)


def _is_plain(value: object) -> bool:
    """Whether every name in a value is ASCII, which sorts the same however it is encoded, and every number small."""
    match value:
        case dict():
            return all(name.isascii() and _is_plain(inner) for name, inner in value.items())
        case list():
            return all(map(_is_plain, value))
        case None | str():
            return True
    return isinstance(value, int) and abs(value) < 2**53


def new_blind() -> bytes:
    """Return 32 random bytes: random and not derived, so that deleting them closes the commitment for good."""
    return secrets.token_bytes(BLIND)


def commitment(compartment: Compartment, opening: Opening) -> bytes:
    """Return HMAC-SHA-256(blind, domain || 0x00 || JCS(payload)); JCS is RFC 8785."""
    domain = f"consent-log/v{VERSION}/{compartment}".encode()
    return hmac.digest(opening.blind, domain + b"\x00" + opening.canonical, "sha256")


def leaf(event_id: str, at: datetime, core: bytes, tech: bytes) -> bytes:
    """Return the canonical leaf of an event: id (32 hex digits), aware time, both commitments (32 bytes each)."""
    # In the canonical form of RFC 8785, in which nothing of what stands here has to be escaped.
    named = f'"c":["{base64url(core)}","{base64url(tech)}"],"id":"{event_id}","t":"{timestamp(at)}","v":{VERSION}'
    return f"{{{named}}}".encode()


def timestamp(at: datetime) -> str:
    """Return an aware datetime as UTC text with microseconds, the one form used in leaves and payloads."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def base64url(content: bytes) -> str:
    """Return base64url without padding (RFC 4648 section 5), as commitments stand in a leaf."""
    return urlsafe_b64encode(content).rstrip(b"=").decode()
