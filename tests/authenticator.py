"""What somebody shows who they are with: an app with the code of the moment (RFC 6238), a device with a passkey."""

import base64
import hmac
import json
import os
import re
import struct
from hashlib import sha256

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url

from consent_service import service as services


class App:
    """Reads the key off the page for setting it up."""

    def __init__(self, page):
        [typed] = re.findall(r"<code>([A-Z2-7 ]{32,})</code>", page.html)
        self._key = base64.b32decode(typed.replace(" ", ""))

    def code(self, steps: int = 0) -> str:
        """The code of now, or of some half minutes earlier or later."""
        moment = struct.pack(">Q", int(services.now().timestamp()) // 30 + steps)
        digest = hmac.digest(self._key, moment, "sha1")
        start = digest[-1] & 15
        return f"{(int.from_bytes(digest[start : start + 4]) & 0x7FFFFFFF) % 10**6:06}"


class Device:
    """A phone that keeps one passkey, knows its owner and counts nothing, as those do whose passkeys are copied."""

    def __init__(self, origin: str, host: str):
        self._origin, self._host = origin, sha256(host.encode()).digest()
        self._key, self._id = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)

    def make(self, asked: str) -> str:
        """The answer to a page that asks for a new passkey."""
        point = self._key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)}
        about = self._host + b"\x45" + bytes(4 + 16) + struct.pack(">H", len(self._id)) + self._id
        told = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": about + cbor2.dumps(public)})
        return self._answer({"attestationObject": told, "clientDataJSON": self._said("webauthn.create", asked)})

    def show(self, asked: str) -> str:
        """The answer to a page that asks for a passkey."""
        about, said = self._host + b"\x05" + bytes(4), self._said("webauthn.get", asked)
        signature = self._key.sign(about + sha256(said).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer({"authenticatorData": about, "clientDataJSON": said, "signature": signature})

    def _said(self, kind: str, asked: str) -> bytes:
        return json.dumps({"type": kind, "challenge": json.loads(asked)["challenge"], "origin": self._origin}).encode()

    def _answer(self, parts: dict[str, bytes]) -> str:
        mine = bytes_to_base64url(self._id)
        told = {name: bytes_to_base64url(part) for name, part in parts.items()}
        return json.dumps({"id": mine, "rawId": mine, "type": "public-key", "response": told})
