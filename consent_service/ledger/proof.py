"""A receipt: one consent event with everything needed to check it, as a C2SP tlog-proof file.

The file holds the leaf, the opened payload, the words shown, the path to the root and the signed checkpoint. It is
checked with the log's public key alone. Its `extra` line proves nothing by itself, so all in it is computed again.
Must not touch the database.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import rfc8785

from consent_service.ledger import checkpoint, merkle, seal
from consent_service.ledger.checkpoint import Checker, Checkpoint, CheckpointRefused
from consent_service.ledger.merkle import ProofFails
from consent_service.ledger.seal import Opening, Payload

HEADER = "c2sp.org/tlog-proof@v1"
VERSION = 1
LARGEST = 1024 * 1024
_LINES = r"extra ([A-Za-z0-9+/=]+)\nindex (0|[1-9]\d{0,18})\n((?:[A-Za-z0-9+/]{43}=\n){0,64})\n(.+)"
_FILE = re.compile(f"{re.escape(HEADER)}\n{_LINES}", re.ASCII | re.DOTALL)
_LEAF_KEYS = {"v", "id", "t", "c"}


class ReceiptRefused(Exception):
    """The file proves nothing: it was changed, cut, or is of another log; the message says what does not fit."""


@dataclass(frozen=True)
class Opened:
    """What a receipt opens: the leaf as it stands in the log, the payload with its blind, the texts by SHA-256."""

    leaf: bytes
    core: Opening
    texts: Mapping[str, str]


@dataclass(frozen=True)
class Receipt:
    """What a good receipt proves: which event, at which place in which log, what it says and which words it names."""

    id: str
    at: datetime
    index: int
    payload: Payload
    texts: Mapping[str, str]
    checkpoint: Checkpoint


def write(opened: Opened, index: int, path: Sequence[bytes], note: bytes) -> bytes:
    """Return the receipt file of an event at a place in the log, with the path to the root of a signed checkpoint."""
    extra: Payload = {
        "v": VERSION,
        "leaf": opened.leaf.decode(),
        "core": {"blind": opened.core.blind.hex(), "payload": opened.core.payload},
        "texts": {**opened.texts},
    }
    hashes = "".join(f"{base64.b64encode(part).decode()}\n" for part in path)
    encoded = base64.b64encode(rfc8785.dumps(extra)).decode()
    return f"{HEADER}\nextra {encoded}\nindex {index}\n{hashes}\n".encode() + note


def check(file: bytes, verifier: Checker) -> Receipt:
    """Return what a receipt file proves; raises ReceiptRefused when any byte of it is not as it was made."""
    found = _FILE.fullmatch(_text(file))
    if found is None:
        raise ReceiptRefused("this is no receipt, or a part of it is missing")
    try:
        signed = verifier.check(found[4].encode())
        path = [checkpoint.decode(line) for line in found[3].splitlines()]
        opened = _read_extra(checkpoint.decode(found[1]))
        merkle.check_inclusion(merkle.leaf_hash(opened.leaf), int(found[2]), signed.size, path, signed.root)
    except (CheckpointRefused, ProofFails) as error:
        raise ReceiptRefused(str(error)) from error
    leaf = _read_leaf(opened.leaf)
    _check_opening(leaf, opened)
    at = datetime.fromisoformat(leaf["t"])
    return Receipt(leaf["id"], at, int(found[2]), opened.core.payload, opened.texts, signed)


def _read_extra(content: bytes) -> Opened:
    extra = _canonical(content, "the receipt's opening")
    try:
        if extra.keys() != {"v", "leaf", "core", "texts"} or not _is_version(extra["v"]):
            raise ReceiptRefused("the receipt's opening is of a version this program does not know")
        core = extra["core"]
        opening = Opening(core["payload"], bytes.fromhex(core["blind"]))
        if core.keys() != {"blind", "payload"} or opening.blind.hex() != core["blind"]:
            raise ReceiptRefused("the receipt's opening is not as it was made")
        if len(opening.blind) != seal.BLIND or not isinstance(opening.payload, dict):
            raise ReceiptRefused("the receipt's opening is not as it was made")
        texts = {name: text.encode().decode() for name, text in extra["texts"].items()}
        return Opened(extra["leaf"].encode(), opening, texts)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ReceiptRefused("the receipt's opening is not as it was made") from error


def _read_leaf(content: bytes) -> dict[str, Any]:
    leaf = _canonical(content, "the leaf")
    if leaf.keys() != _LEAF_KEYS or not _is_version(leaf["v"]):
        raise ReceiptRefused("the leaf is of a version this program does not know")
    if not isinstance(leaf["c"], list) or [type(one) for one in (*leaf["c"], leaf["id"], leaf["t"])] != [str] * 4:
        raise ReceiptRefused("the leaf is not as it was made")
    return leaf


def _check_opening(leaf: dict[str, Any], opened: Opened) -> None:
    payload = opened.core.payload
    if seal.base64url(seal.commitment("core", opened.core)) != leaf["c"][0]:
        raise ReceiptRefused("what the receipt says is not what the log took in")
    if payload.get("at") != leaf["t"]:
        raise ReceiptRefused("the time in the payload is another one than in the leaf")
    named = payload.get("texts") or {}
    if not isinstance(named, dict) or {str(name) for name in named.values()} != opened.texts.keys():
        raise ReceiptRefused("the texts in the receipt are not those the event names")
    for name, text in opened.texts.items():
        if sha256(text.encode()).hexdigest() != name:
            raise ReceiptRefused("a text in the receipt is not the one that was shown")


def _is_version(found: object) -> bool:
    return found == VERSION and type(found) is int  # true is 1 to Python


def _canonical(content: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
        is_canonical = isinstance(found, dict) and rfc8785.dumps(found) == content
    except (ValueError, RecursionError):
        is_canonical = False
    if not is_canonical:
        raise ReceiptRefused(f"{what} is not canonical JSON")
    return dict(found)


def _text(file: bytes) -> str:
    if len(file) > LARGEST:
        raise ReceiptRefused("this is too long for a receipt")
    try:
        return file.decode()
    except UnicodeDecodeError:
        raise ReceiptRefused("this is no text") from None
