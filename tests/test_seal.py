"""The canonical bytes of a consent event, against vectors worked out by hand from the rule and not by our own code."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from zoneinfo import ZoneInfo

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from consent_service.ledger import evidence, merkle, seal
from consent_service.ledger.seal import Opening
from consent_service.ledger.vault import VaultRefused
from consent_service.models.ledger import consent_event, subject_key
from tests.actors import Visitor

BLIND = bytes(range(32))
AT = datetime(2026, 11, 22, 10, 0, 0, 120, tzinfo=UTC)
EVENT = "00112233445566778899aabbccddeeff"
PAYLOAD = {"kind": "confirmed", "email": "aino@example.com", "first_name": "Äinö", "at": "2026-11-22T10:00:00.000120Z"}
# RFC 8785: keys sorted, no spaces, letters as they are.
CANONICAL = (
    '{"at":"2026-11-22T10:00:00.000120Z","email":"aino@example.com","first_name":"Äinö","kind":"confirmed"}'.encode()
)


def by_hand(domain: bytes, blind: bytes = BLIND, content: bytes = CANONICAL) -> bytes:
    return hmac.new(blind, domain + b"\x00" + content, sha256).digest()


def test_a_commitment_is_the_hmac_of_domain_and_canonical_payload():
    assert seal.commitment("core", Opening(PAYLOAD, BLIND)) == by_hand(b"consent-log/v1/core")
    assert seal.commitment("tech", Opening(PAYLOAD, BLIND)) == by_hand(b"consent-log/v1/tech")


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NAMES = st.text(st.characters(codec="ascii")) | TEXT
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)
)


@pytest.mark.parametrize("examples", [25, pytest.param(300, marks=pytest.mark.soak)])
def test_whatever_a_payload_holds_is_written_as_the_library_of_the_rule_writes_it(examples):
    @settings(max_examples=examples, deadline=None)
    @given(st.dictionaries(NAMES, VALUES))
    def is_written_the_same(payload):
        assert Opening(payload, BLIND).canonical == rfc8785.dumps(payload)

    is_written_the_same()


@pytest.mark.parametrize("value", ["\ud800", "Ain\udfffo", 2**53, -(2**53), float("inf")])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(ValueError, match=r"surrogates|exceeds|inf"):
        _ = Opening({"value": value}, BLIND).canonical


def test_a_fixed_vector_that_may_never_change():
    """Receipts of years ago must still open, so these hex digits are part of the format."""
    found = seal.commitment("core", Opening({"kind": "confirmed"}, bytes(32)))
    assert found == by_hand(b"consent-log/v1/core", bytes(32), b'{"kind":"confirmed"}')
    assert found.hex() == "120ca0d0101cee0735b2119ac48a776648441bc10b56a8c5c8583b16af3ceb87"
    leaf = seal.leaf(EVENT, AT, bytes(32), b"\xff" * 32)
    assert merkle.leaf_hash(leaf).hex() == "0cd0fafdd2ddf42776abefb0512b2f70b3d9e8fce3142157d753e47ea9129fdd"


def test_the_order_of_keys_does_not_matter():
    turned = dict(reversed(PAYLOAD.items()))
    assert seal.commitment("core", Opening(turned, BLIND)) == by_hand(b"consent-log/v1/core")


def test_a_leaf_is_canonical_json_of_version_id_time_and_both_commitments():
    core, tech = by_hand(b"consent-log/v1/core"), b"\xff" * 32
    text = [urlsafe_b64encode(content).decode().rstrip("=") for content in (core, tech)]
    expected = f'{{"c":["{text[0]}","{text[1]}"],"id":"{EVENT}","t":"2026-11-22T10:00:00.000120Z","v":1}}'.encode()
    leaf = seal.leaf(EVENT, AT, core, tech)
    assert leaf == expected
    assert urlsafe_b64decode(text[0] + "=") == core
    assert merkle.leaf_hash(leaf) == sha256(b"\x00" + expected).digest()


@pytest.mark.parametrize(
    "at",
    [
        AT,
        AT.astimezone(ZoneInfo("Europe/Helsinki")),
        AT.astimezone(timezone(timedelta(hours=-11, minutes=-30))),
    ],
)
def test_one_moment_has_one_writing(at):
    assert seal.timestamp(at) == "2026-11-22T10:00:00.000120Z"


def test_writings_sort_like_moments():
    moments = [AT + timedelta(microseconds=step) for step in (-121, -120, 0, 1, 999_880)]
    assert sorted(map(seal.timestamp, moments)) == list(map(seal.timestamp, moments))
    assert seal.timestamp(datetime(2026, 10, 25, 3, 30, fold=1, tzinfo=ZoneInfo("Europe/Helsinki"))) == (
        "2026-10-25T01:30:00.000000Z"
    )


def test_any_change_to_what_is_committed_changes_the_commitment():
    known = seal.commitment("core", Opening(PAYLOAD, BLIND))
    blinds = [BLIND[:place] + bytes([BLIND[place] ^ 1]) + BLIND[place + 1 :] for place in range(32)]
    payloads = [PAYLOAD | {name: str(value) + " "} for name, value in PAYLOAD.items()]
    payloads += [{name: value for name, value in PAYLOAD.items() if name != left} for left in PAYLOAD]
    payloads += [PAYLOAD | {"more": None}, PAYLOAD | {"email": None}]
    others = [seal.commitment("core", Opening(PAYLOAD, blind)) for blind in blinds]
    others += [seal.commitment("core", Opening(payload, BLIND)) for payload in payloads]
    others.append(seal.commitment("tech", Opening(PAYLOAD, BLIND)))
    assert known not in others
    assert len(set(others)) == len(others)


def test_any_byte_of_a_leaf_changes_its_hash():
    leaf = seal.leaf(EVENT, AT, by_hand(b"consent-log/v1/core"), bytes(32))
    hashes = {merkle.leaf_hash(leaf[:n] + bytes([leaf[n] ^ 1]) + leaf[n + 1 :]) for n in range(len(leaf))}
    assert len(hashes) == len(leaf)
    assert merkle.leaf_hash(leaf) not in hashes
    assert merkle.leaf_hash(leaf) != sha256(leaf).digest(), "a leaf can never pass for a node"


def test_numbers_text_and_booleans_are_not_taken_for_each_other():
    kinds = [{"v": value} for value in (1, "1", True, None, [1], {"1": 1}, "true", "null")]
    assert len({seal.commitment("core", Opening(payload, BLIND)) for payload in kinds}) == len(kinds)


def test_blinds_are_random():
    blinds = {seal.new_blind() for _ in range(100)}
    assert len(blinds) == 100
    assert {len(blind) for blind in blinds} == {32}


# As they lie in the database


@pytest.fixture
def aino(house):
    return Visitor(house).becomes_active()


def test_what_is_stored_opens_to_what_its_leaf_commits_to(house, aino):
    person = house.person(aino.email)
    with house.service.reading() as connection:
        rows = connection.execute(select(consent_event).order_by(consent_event.c.recorded_at)).all()
        wrapped = connection.execute(select(subject_key.c.wrapped)).scalar_one()
    key = house.service.vault.unwrap(wrapped, person.id)
    previous = None
    for row, event in zip(rows, house.story(aino.email), strict=True):
        core = evidence.opened(key, row.id, "core", row.core_sealed)
        committed = hmac.new(core.blind, b"consent-log/v1/core\x00" + rfc8785.dumps(event.core), sha256).digest()
        text = urlsafe_b64encode(committed).decode().rstrip("=")
        assert row.leaf.startswith(f'{{"c":["{text}","'.encode())
        assert row.leaf.endswith(f'],"id":"{row.id}","t":"{event.core["at"]}","v":1}}'.encode())
        assert row.leaf_hash == sha256(b"\x00" + row.leaf).digest()
        assert event.core["previous"] == previous
        previous = row.leaf_hash.hex()
        assert not [word for word in (b"aino", b"example", person.id.encode(), b"confirmed") if word in row.leaf]
        for sealed in (row.core_sealed, row.tech_sealed or b""):
            assert b"aino" not in sealed
            assert b"127.0.0" not in sealed


@pytest.mark.parametrize("compartment", ["core_sealed", "tech_sealed"])
def test_any_byte_changed_in_the_database_is_noticed_on_reading(house, aino, compartment):
    first = house.story(aino.email)[0].id
    column = consent_event.c[compartment]
    with house.service.reading() as connection:
        whole = connection.execute(select(column).where(consent_event.c.id == first)).scalar_one()
    for place in (0, 11, 12, len(whole) // 2, len(whole) - 17, len(whole) - 1):
        changed = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        with house.service.transaction() as connection:
            connection.execute(update(consent_event).where(consent_event.c.id == first).values({column: changed}))
        with pytest.raises(VaultRefused):
            house.story(aino.email)


def test_two_events_cannot_trade_their_contents(house, aino):
    first, second = (event.id for event in house.story(aino.email)[:2])
    with house.service.transaction() as connection:
        contents = dict(map(tuple, connection.execute(select(consent_event.c.id, consent_event.c.core_sealed))))
        for mine, other in ((first, second), (second, first)):
            swap = update(consent_event).where(consent_event.c.id == mine)
            connection.execute(swap.values(core_sealed=contents[other]))
    with pytest.raises(VaultRefused):
        house.story(aino.email)


def test_another_persons_key_opens_nothing(house, aino):
    eero = Visitor(house, "eero@example.com").becomes_active()
    with house.service.transaction() as connection:
        wrapped = connection.execute(
            select(subject_key.c.wrapped).where(subject_key.c.subscriber_id == house.person(eero.email).id)
        ).scalar_one()
        mine = subject_key.c.subscriber_id == house.person(aino.email).id
        connection.execute(update(subject_key).where(mine).values(wrapped=wrapped))
    with pytest.raises(VaultRefused):
        house.story(aino.email)
