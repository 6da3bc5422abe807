"""Receipts: what one proves, that any change to it is found, and that it outlives the person's erasure here."""

import base64
import json

import pytest
import rfc8785

from consent_service.language import language
from consent_service.ledger import merkle, proof, receipt, seal, sealer
from consent_service.ledger.checkpoint import Signer
from consent_service.ledger.proof import ReceiptRefused
from tests.actors import Visitor


@pytest.fixture(scope="module")
def sealed(standing_house):
    """A household with some events sealed in two goes, and the receipt of a confirmation in the middle."""
    people = [Visitor(standing_house, f"p{number}@example.com").becomes_active() for number in range(3)]
    standing_house.service.seal()
    Visitor(standing_house, "late@example.com").subscribe()
    standing_house.service.seal()
    return standing_house, receipt_of(standing_house, people[1].email)


def receipt_of(house, email):
    with house.service.reading() as connection:
        return receipt.compose(connection, house.service.vault, house.person(email).basis_event_id)


def refused(file, verifier):
    with pytest.raises(ReceiptRefused) as error:
        proof.check(file, verifier)
    return str(error.value)


def rewritten(file, change):
    """The receipt with its opening changed by somebody who knows the format."""
    lines = file.decode().split("\n")
    extra = json.loads(base64.b64decode(lines[1].removeprefix("extra ")))
    change(extra)
    lines[1] = f"extra {base64.b64encode(rfc8785.dumps(extra)).decode()}"
    return "\n".join(lines).encode()


def test_a_receipt_says_who_agreed_to_which_words_and_when(sealed):
    house, file = sealed
    found = proof.check(file, house.service.signer.verifier)
    person = house.person("p1@example.com")
    assert (found.id, found.at) == (person.basis_event_id, person.active_since)
    assert found.payload["kind"] == "confirmed"
    assert found.payload["email"] == "p1@example.com"
    consent = house.service.consent_text(language("fi")).shown
    assert found.texts[consent.sha256] == consent.content.decode()
    assert found.checkpoint.size > found.index >= 0


def test_before_the_seal_there_is_no_receipt(sqlite_house):
    aino = Visitor(sqlite_house).becomes_active()
    assert receipt_of(sqlite_house, aino.email) is None
    sqlite_house.service.seal()
    assert receipt_of(sqlite_house, aino.email) is not None


def test_any_byte_changed_is_found(sealed):
    house, file = sealed
    verifier = house.service.signer.verifier
    for place in range(len(file)):
        changed = file[:place] + bytes([file[place] ^ (1 << place % 7)]) + file[place + 1 :]
        refused(changed, verifier)


def test_any_byte_taken_away_or_doubled_is_found(sealed):
    house, file = sealed
    for place in range(0, len(file), 3):
        refused(file[:place] + file[place + 1 :], house.service.signer.verifier)
        refused(file[:place] + file[place : place + 1] + file[place:], house.service.signer.verifier)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda extra: extra["core"]["payload"].update(email="other@example.com"), "not what the log took in"),
        (lambda extra: extra["core"]["payload"].update(door="form"), "not what the log took in"),
        (lambda extra: extra["core"].update(blind="00" * 32), "not what the log took in"),
        (lambda extra: extra["core"].update(blind="AA" * 32), "not as it was made"),
        (lambda extra: extra["texts"].clear(), "not those the event names"),
        (lambda extra: extra["texts"].update({"0" * 64: "more"}), "not those the event names"),
        (lambda extra: extra["texts"].update(dict.fromkeys(extra["texts"], "Yes to everything")), "not the one"),
        (lambda extra: extra.update(v=2), "version"),
        (lambda extra: extra.update(v=True), "version"),
        (lambda extra: extra.update(texts=[["0" * 64, "x"]]), "not as it was made"),
        (lambda extra: extra.update(texts={"0" * 64: 5}), "not as it was made"),
        (lambda extra: extra["core"].update(blind=extra["core"]["blind"] + "00"), "not as it was made"),
        (lambda extra: extra["core"].update(payload=[]), "not as it was made"),
        (lambda extra: extra.update(more="x"), "version"),
        (lambda extra: extra.update(leaf=extra["leaf"].replace('"v":1', '"v":2')), "leads to"),
        (lambda extra: extra.update(leaf=[]), "not as it was made"),
        (lambda extra: extra.pop("core"), "version"),
    ],
)
def test_a_forger_who_knows_the_format_fails(sealed, change, told):
    house, file = sealed
    assert told in refused(rewritten(file, change), house.service.signer.verifier)


def test_another_place_another_log_and_another_key_are_refused(sealed):
    house, file = sealed
    found = proof.check(file, house.service.signer.verifier)
    for index in (found.index + 1, found.index - 1, found.checkpoint.size, 10**17):
        refused(
            file.replace(f"index {found.index}\n".encode(), f"index {index}\n".encode()), house.service.signer.verifier
        )
    assert "by this key" in refused(file, Signer(house.service.signer.origin, b"o" * 32).verifier)
    assert "is of the log" in refused(file, Signer("another.example", house.settings.log_key[0]).verifier)


def test_a_receipt_with_the_path_of_another_size_is_refused(sealed):
    house, file = sealed
    house.service.seal()
    Visitor(house, "later@example.com").subscribe()
    house.service.seal()
    head, _ = file.decode().split("\n\n", 1)
    with house.service.reading() as connection:
        note = sealer.newest(connection).note.decode()
    refused(f"{head}\n\n{note}".encode(), house.service.signer.verifier)


@pytest.mark.parametrize("file", [b"", b"\xff\xfe", b"c2sp.org/tlog-proof@v1\n", b"x" * (2**20 + 1), b"<html></html>"])
def test_what_is_no_receipt_is_refused(sqlite_house, file):
    refused(file, sqlite_house.service.signer.verifier)


@pytest.mark.parametrize(
    "leaf",
    [
        {"v": 1, "id": "0", "t": "x", "c": []},
        {"v": 1, "id": "0", "t": "x", "c": "ab"},
        {"v": 1, "id": 5, "t": "x", "c": ["a", "b"]},
        {"v": 1, "id": "0", "t": None, "c": ["a", "b"]},
        {"v": True, "id": "0", "t": "x", "c": ["a", "b"]},
    ],
)
def test_a_signed_leaf_of_another_form_is_refused_and_stops_nothing(leaf):
    signer, content = Signer.named_after_key(b"k" * 32), rfc8785.dumps(leaf)
    opened = proof.Opened(content, seal.Opening({"texts": {"a": []}, "at": None}, bytes(32)), {})
    refused(proof.write(opened, 0, [], signer.sign(1, merkle.leaf_hash(content))), signer.verifier)


def test_deep_json_in_the_opening_is_refused(sealed):
    house, file = sealed
    lines = file.decode().split("\n")
    lines[1] = f"extra {base64.b64encode(b'[' * 100_000).decode()}"
    assert "canonical" in refused("\n".join(lines).encode(), house.service.signer.verifier)
