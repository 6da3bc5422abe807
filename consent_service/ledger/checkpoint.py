"""Signed checkpoints of the log: C2SP tlog-checkpoint in a C2SP signed note, with Ed25519.

A checkpoint says "the log named so has that many leaves and that root"; whoever keeps one can show later that the
log was rewritten. Reads strictly: another spelling of the same note is no note of ours. Must not touch the database.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
MOST_SIGNATURES = 16
_NAME = r"[^\s+\x00-\x20]{1,200}"
_BODY = re.compile(rf"({_NAME})\n(0|[1-9]\d{{0,18}})\n([A-Za-z0-9+/]{{43}}=)\n", re.ASCII)
_SIGNATURE = re.compile(rf"— ({_NAME}) ([A-Za-z0-9+/=]+)\n", re.ASCII)
_KEY = re.compile(rf"({_NAME})\+([0-9a-f]{{8}})\+([A-Za-z0-9+/=]+)", re.ASCII)


class CheckpointRefused(Exception):
    """The note is malformed, or no signature on it is by the key asked for; the message says which."""


class KeyUnknown(CheckpointRefused):
    """The note may be good, but no signature on it is by the key asked for."""


@dataclass(frozen=True)
class Checkpoint:
    """What a log promises: its name (`origin`), its number of leaves and its root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    @property
    def body(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class Signer:
    """Signs the checkpoints of one log with an Ed25519 seed (32 bytes)."""

    def __init__(self, origin: str, seed: bytes):
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = Verifier(origin, self._key.public_key().public_bytes_raw())

    @classmethod
    def named_after_key(cls, seed: bytes) -> "Signer":
        """Return the signer of the log that has this key: a new key is a new log, a move to another address is not."""
        public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        return cls(f"consent-log/{sha256(public).hexdigest()[:16]}", seed)

    @property
    def origin(self) -> str:
        """The name of the log."""
        return self.verifier.origin

    def sign(self, size: int, root: bytes) -> bytes:
        """Return the signed note of a checkpoint, as it is published."""
        body = Checkpoint(self.origin, size, root).body
        return f"{body}\n{self.line(body)}".encode()

    def line(self, body: str) -> str:
        """Return the line by which this key signs a text (C2SP signed-note)."""
        signature = base64.b64encode(self.verifier.key_id + self._key.sign(body.encode())).decode()
        return f"— {self.origin} {signature}\n"


class Verifier:
    """Checks checkpoints of one log with its public key (32 bytes)."""

    def __init__(self, origin: str, public_key: bytes):
        self.origin = origin
        self.key_id = sha256(origin.encode() + b"\n" + ED25519 + public_key).digest()[:4]
        self._public_key = public_key

    @classmethod
    def read(cls, text: str) -> "Verifier":
        """Return the verifier of a published key, `name+key id+key`; raises CheckpointRefused."""
        found = _KEY.fullmatch(text.strip())
        content = decode(found[3]) if found else b""
        if found is None or content[:1] != ED25519 or len(content) != 33:
            raise CheckpointRefused("the key is written like name+0123abcd+AQ…, as /log/key shows it")
        verifier = cls(found[1], content[1:])
        if verifier.key_id.hex() != found[2]:
            raise CheckpointRefused("the key's id does not belong to its name and key")
        return verifier

    def __str__(self) -> str:
        """The key as it is published (C2SP signed-note)."""
        return f"{self.origin}+{self.key_id.hex()}+{base64.b64encode(ED25519 + self._public_key).decode()}"

    def check(self, note: bytes) -> Checkpoint:
        """Return the checkpoint in a signed note; raises CheckpointRefused."""
        checkpoint = parse(note)
        if checkpoint.origin != self.origin:
            raise KeyUnknown(f"the checkpoint is of the log {checkpoint.origin}, not of {self.origin}")
        self.check_line(checkpoint.body, note)
        return checkpoint

    def check_line(self, body: str, note: bytes) -> None:
        """Check that this key signed the text of a note; raises CheckpointRefused."""
        mine = [content[4:] for name, content in _signatures(note) if name == self.origin and self._made(content)]
        if not mine:
            raise KeyUnknown("no signature on the checkpoint is by this key")
        for signature in mine:
            try:
                Ed25519PublicKey.from_public_bytes(self._public_key).verify(signature, body.encode())
            except InvalidSignature:
                raise CheckpointRefused("the signature on the checkpoint is wrong") from None

    def _made(self, signature: bytes) -> bool:
        return signature[:4] == self.key_id


class Verifiers:
    """Checks checkpoints with every key a log has had; each key is a log of its own name."""

    def __init__(self, known: Sequence[Verifier]):
        self.known = tuple(known)  # newest first
        self._by_origin = {verifier.origin: verifier for verifier in known}

    def check(self, note: bytes) -> Checkpoint:
        """Return the checkpoint in a signed note; raises CheckpointRefused."""
        verifier = self._by_origin.get(parse(note).origin)
        if verifier is None:
            raise KeyUnknown("the checkpoint is signed with a key that is not known here")
        return verifier.check(note)

    def check_line(self, body: str, note: bytes) -> None:
        """Check that one of the keys signed the text of a note; raises CheckpointRefused."""
        for name, _ in _signatures(note):
            if verifier := self._by_origin.get(name):
                return verifier.check_line(body, note)
        raise KeyUnknown("no signature is by a key that is known here")


Checker = Verifier | Verifiers


def parse(note: bytes) -> Checkpoint:
    """Return what a note says, whoever signed it; raises CheckpointRefused."""
    body, _, _ = _text(note).partition("\n\n")
    found = _BODY.fullmatch(body + "\n")
    if found is None:
        raise CheckpointRefused("this is no checkpoint: it has a name, a size and a root, a line each")
    return Checkpoint(found[1], int(found[2]), decode(found[3]))


def decode(text: str) -> bytes:
    """Return what canonical base64 stands for; raises CheckpointRefused for any other spelling."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if base64.b64encode(content).decode() != text:
        raise CheckpointRefused("base64 is written in another way than it should")
    return content


def _signatures(note: bytes) -> list[tuple[str, bytes]]:
    _, _, lines = _text(note).partition("\n\n")
    found = list(_SIGNATURE.finditer(lines))
    if "".join(match[0] for match in found) != lines or len(found) > MOST_SIGNATURES:
        raise CheckpointRefused("the signatures of the checkpoint cannot be read")
    return [(match[1], decode(match[2])) for match in found]


def _text(note: bytes) -> str:
    try:
        return note.decode()
    except UnicodeDecodeError:
        raise CheckpointRefused("this is no text") from None
