"""The test vectors in the documents: our checker and a second one, written from the documents alone, agree on them."""

import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from consent_service.ledger import proof
from consent_service.ledger.checkpoint import Verifier
from consent_service.ledger.proof import ReceiptRefused

VECTORS = Path(__file__).parents[1] / "docs" / "vectors"
KEY = (VECTORS / "key.txt").read_text("utf-8")
GOOD, BAD = sorted(VECTORS.glob("good-*.tlog-proof")), sorted(VECTORS.glob("bad-*.tlog-proof"))


def by_hand(file: bytes, key: str) -> dict:
    """A plain reading of the format: every step with nothing of ours; raises whatever goes wrong first."""
    name, key_id, public = key.strip().split("+", 2)
    head, body, signatures = file.decode().split("\n\n")
    assert "\r" not in head
    lines = head.split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    extra, index = base64.b64decode(lines[1].removeprefix("extra ")), int(lines[2].removeprefix("index "))
    assert lines[2] == f"index {index}"
    path = [base64.b64decode(line) for line in lines[3:]]
    origin, size, root = body.split("\n")
    assert origin == name
    assert signatures.endswith("\n")
    signed = [line.split(" ") for line in signatures.strip().split("\n")]
    [signature] = [base64.b64decode(content) for _, signer, content in signed if signer == name]
    assert signature[:4].hex() == key_id
    Ed25519PublicKey.from_public_bytes(base64.b64decode(public)[1:]).verify(signature[4:], f"{body}\n".encode())
    opened = json.loads(extra)
    assert rfc8785.dumps(opened) == extra
    assert (opened.keys(), opened["v"]) == ({"v", "leaf", "core", "texts"}, 1)
    assert opened["core"]["blind"] == opened["core"]["blind"].lower()
    leaf, payload = json.loads(opened["leaf"]), opened["core"]["payload"]
    assert rfc8785.dumps(leaf).decode() == opened["leaf"]
    message = b"consent-log/v1/core\x00" + rfc8785.dumps(payload)
    made = hmac.new(bytes.fromhex(opened["core"]["blind"]), message, hashlib.sha256).digest()
    assert base64.urlsafe_b64encode(made).rstrip(b"=").decode() == leaf["c"][0]
    assert payload["at"] == leaf["t"]
    assert {hashlib.sha256(text.encode()).hexdigest() for text in opened["texts"].values()} == set(opened["texts"])
    assert set(payload.get("texts", {}).values()) == set(opened["texts"])
    assert climb(
        hashlib.sha256(b"\x00" + opened["leaf"].encode()).digest(), index, int(size), path
    ) == base64.b64decode(root)
    return payload


def climb(found, index, size, path):
    """The recursive reading of RFC 9162 section 2.1.3.1, from the top down."""
    assert index < size
    if size == 1:
        assert path == []
        return found
    left = 1 << ((size - 1).bit_length() - 1)
    *below, sibling = path
    if index < left:
        return hashlib.sha256(b"\x01" + climb(found, index, left, below) + sibling).digest()
    return hashlib.sha256(b"\x01" + sibling + climb(found, index - left, size - left, below)).digest()


def test_there_are_vectors():
    assert len(GOOD) == 7
    assert len(BAD) == 23


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.stem)
def test_a_good_vector_verifies_both_ways(file):
    content = file.read_bytes()
    assert proof.check(content, Verifier.read(KEY)).payload == by_hand(content, KEY)


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_a_bad_vector_is_refused_both_ways(file):
    with pytest.raises(ReceiptRefused):
        proof.check(file.read_bytes(), Verifier.read(KEY))
    with pytest.raises((AssertionError, ValueError, InvalidSignature)):
        by_hand(file.read_bytes(), KEY)


def test_the_written_steps_are_those_of_the_vector():
    lines = (VECTORS / "steps.txt").read_text("utf-8").splitlines()
    steps = dict(line.split(": ", 1) for line in lines if ": " in line)
    content = (VECTORS / "good-confirmed-two-texts.tlog-proof").read_bytes()
    opened = json.loads(base64.b64decode(content.split(b"\n")[1].removeprefix(b"extra ")))
    message = b"consent-log/v1/core\x00" + rfc8785.dumps(opened["core"]["payload"])
    assert steps["payload (JCS)"].encode() == rfc8785.dumps(opened["core"]["payload"])
    assert steps["blind"] == opened["core"]["blind"]
    assert steps["HMAC input"] == message.hex()
    made = hmac.new(bytes.fromhex(steps["blind"]), message, hashlib.sha256).digest()
    assert steps["commitment"].startswith(made.hex())
    assert steps["leaf (JCS)"] == opened["leaf"]
    assert steps["leaf hash"] == hashlib.sha256(b"\x00" + opened["leaf"].encode()).hexdigest()
    assert content.split(b"\n\n")[1].split(b"\n")[2].decode() in steps["root of 7 leaves"]
    assert steps["root of 7 leaves"].startswith(steps["node 3"])
    assert bytes.fromhex(steps["signed bytes"]) == content.split(b"\n\n")[1] + b"\n"
    assert hashlib.sha256(bytes.fromhex(steps["key id input"])).hexdigest()[:8] == steps["key id"]
