"""Signed checkpoints: a published vector, our own, and notes that are no checkpoints of this log."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from consent_service.ledger import checkpoint
from consent_service.ledger.checkpoint import Checkpoint, CheckpointRefused, Signer, Verifier

SEED = bytes(range(32))
SIGNER = Signer("tilaus.example/consent-log", SEED)
NOTE = SIGNER.sign(7, b"\x11" * 32)

# The note and key with which golang.org/x/mod/sumdb/note, where signed notes come from, is documented.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_BODY = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="


def test_a_published_key_and_signature_are_understood():
    verifier = Verifier.read(GO_KEY)
    assert str(verifier) == GO_KEY
    signature = base64.b64decode(GO_SIGNATURE)
    assert signature[:4] == verifier.key_id
    public_key = Ed25519PublicKey.from_public_bytes(base64.b64decode(GO_KEY.split("+")[2])[1:])
    public_key.verify(signature[4:], GO_BODY.encode())


def test_a_note_has_the_lines_of_the_standard():
    origin, size, root, empty, signature, end = NOTE.decode().split("\n")
    assert (origin, size, empty, end) == ("tilaus.example/consent-log", "7", "", "")
    assert base64.b64decode(root) == b"\x11" * 32
    assert signature.startswith(f"— {origin} ")
    assert len(base64.b64decode(signature.split(" ")[2])) == 4 + 64


def test_a_note_is_read_back():
    assert SIGNER.verifier.check(NOTE) == Checkpoint("tilaus.example/consent-log", 7, b"\x11" * 32)
    assert Verifier.read(str(SIGNER.verifier)).check(NOTE) == checkpoint.parse(NOTE)


def test_the_same_seed_signs_the_same():
    assert Signer("tilaus.example/consent-log", SEED).sign(7, b"\x11" * 32) == NOTE


def test_any_byte_of_a_note_changed_is_refused():
    for place in range(len(NOTE)):
        for bit in (0, 5):
            changed = NOTE[:place] + bytes([NOTE[place] ^ (1 << bit)]) + NOTE[place + 1 :]
            with pytest.raises(CheckpointRefused):
                SIGNER.verifier.check(changed)


@pytest.mark.parametrize("cut", range(0, len(NOTE), 7))
def test_a_cut_note_is_refused(cut):
    with pytest.raises(CheckpointRefused):
        SIGNER.verifier.check(NOTE[:cut])


def test_signatures_of_others_beside_ours_are_ignored():
    other = Signer("witness.example", b"w" * 32).sign(7, b"\x11" * 32).decode().split("\n")[-2]
    both = NOTE + f"{other}\n".encode()
    assert SIGNER.verifier.check(both).size == 7


@pytest.mark.parametrize(
    "note",
    [
        Signer("tilaus.example/consent-log", b"o" * 32).sign(7, b"\x11" * 32),
        Signer("another.example/consent-log", SEED).sign(7, b"\x11" * 32),
        NOTE.replace(b"\n7\n", b"\n07\n"),
        NOTE.replace(b"\n7\n", b"\n-7\n"),
        NOTE.replace(b"\n7\n", b"\n7\nextension\n"),
        NOTE + b"\n",
        NOTE + NOTE,
        b"",
        b"\xff\xfe",
    ],
)
def test_what_is_no_checkpoint_of_this_log_is_refused(note):
    with pytest.raises(CheckpointRefused):
        SIGNER.verifier.check(note)


@pytest.mark.parametrize(
    "key",
    ["", "name", "name+00000000+AA==", str(SIGNER.verifier).replace("+", "+0", 1), f"x{SIGNER.verifier}", "a b+0+c"],
)
def test_what_is_no_key_is_refused(key):
    with pytest.raises(CheckpointRefused):
        Verifier.read(key)
