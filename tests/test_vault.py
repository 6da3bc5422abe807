"""Keys of people: what is encrypted opens whole and unchanged, for the right person, under a key we still have."""

import hmac
from base64 import b64encode
from hashlib import sha256

import pytest

from consent_service.ledger import vault
from consent_service.ledger.vault import Vault, VaultRefused

OLD, NEW, LOST = b"o" * 32, b"n" * 32, b"l" * 32
AINO, EERO = "3f2c1d7e-8a4b-4c55-9d7e-1f2a3b4c5d6e", "7b1d2e3f-0000-4000-8000-000000000000"


@pytest.fixture
def keeper():
    return Vault([NEW, OLD])


def flipped(content: bytes):
    """The content with each byte changed in turn."""
    for place in range(len(content)):
        yield content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def test_a_persons_key_comes_back_as_it_was(keeper):
    key = vault.new_person_key()
    assert keeper.unwrap(keeper.wrap(key, AINO), AINO) == key
    assert len(key) == 32


def test_keys_and_ciphertexts_are_never_alike(keeper):
    keys = {vault.new_person_key() for _ in range(50)}
    assert len(keys) == 50
    key = keys.pop()
    assert len({keeper.wrap(key, AINO) for _ in range(50)}) == 50
    assert len({vault.encrypt(key, b"same", b"same") for _ in range(50)}) == 50


def test_a_wrapped_key_hides_the_key_and_names_its_data_key_only_by_a_hash(keeper):
    key = vault.new_person_key()
    wrapped = keeper.wrap(key, AINO)
    assert key not in wrapped
    assert NEW not in wrapped
    assert wrapped[:8] == sha256(b"consent-service/data-key-name" + NEW).digest()[:8]
    assert len(wrapped) == 8 + 12 + 32 + 16


def test_any_byte_changed_or_missing_is_noticed(keeper):
    key = vault.new_person_key()
    wrapped, sealed = keeper.wrap(key, AINO), vault.encrypt(key, b"content", b"event/core/1")
    for wrong in (*flipped(wrapped), *(wrapped[:length] for length in range(len(wrapped))), wrapped + b"\0"):
        with pytest.raises(VaultRefused):
            keeper.unwrap(wrong, AINO)
    for wrong in (*flipped(sealed), *(sealed[:length] for length in range(len(sealed))), sealed + b"\0"):
        with pytest.raises(VaultRefused):
            vault.decrypt(key, wrong, b"event/core/1")


def test_nothing_opens_in_another_place(keeper):
    key = vault.new_person_key()
    with pytest.raises(VaultRefused):
        keeper.unwrap(keeper.wrap(key, AINO), EERO)
    sealed = vault.encrypt(key, b"content", b"event/core/1")
    for context in (b"event/tech/1", b"event/core/2", b"other/core/1", b""):
        with pytest.raises(VaultRefused):
            vault.decrypt(key, sealed, context)
    for wrong in (*flipped(key), b"", b"short", key + key):
        with pytest.raises(VaultRefused):
            vault.decrypt(wrong, sealed, b"event/core/1")


@pytest.mark.parametrize("content", [b"", b"x", b"\0" * 100_000])
def test_content_of_any_size_comes_back(content):
    key = vault.new_person_key()
    sealed = vault.encrypt(key, content, b"here")
    assert vault.decrypt(key, sealed, b"here") == content
    assert len(sealed) == len(content) + 28


def test_old_data_keys_still_open_and_the_newest_closes(keeper):
    key = vault.new_person_key()
    assert keeper.unwrap(Vault([OLD]).wrap(key, AINO), AINO) == key
    wrapped = keeper.wrap(key, AINO)
    assert Vault([NEW]).unwrap(wrapped, AINO) == key
    for others in ([OLD], [LOST]):
        with pytest.raises(VaultRefused, match="CONSENT_DATA_KEYS"):
            Vault(others).unwrap(wrapped, AINO)


def test_a_vault_without_a_key_is_not_built():
    with pytest.raises(ValueError):
        Vault([])


def test_an_address_hash_is_hmac_under_a_key_derived_by_hkdf(keeper):
    def by_hand(data_key):  # RFC 5869 with an empty salt and one block
        extracted = hmac.new(bytes(32), data_key, sha256).digest()
        derived = hmac.new(extracted, b"consent-service/address" + b"\x01", sha256).digest()
        return hmac.new(derived, b"aino@example.com", sha256).hexdigest()

    assert keeper.address_hash("aino@example.com") == by_hand(NEW)
    assert keeper.address_hashes("aino@example.com") == (by_hand(NEW), by_hand(OLD))


def test_an_address_hash_tells_nothing_without_the_key_and_finds_what_an_older_key_hashed(keeper):
    found = keeper.address_hash("aino@example.com")
    assert found not in {
        sha256(b"aino@example.com").hexdigest(),
        hmac.new(NEW, b"aino@example.com", sha256).hexdigest(),
    }
    assert Vault([OLD]).address_hash("aino@example.com") in keeper.address_hashes("aino@example.com")
    assert keeper.address_hash("aino@example.com") != keeper.address_hash("eero@example.com")
    assert Vault([LOST]).address_hash("aino@example.com") not in keeper.address_hashes("aino@example.com")


def test_a_refusal_shows_no_secret(keeper):
    key = vault.new_person_key()
    wrapped = Vault([LOST]).wrap(key, AINO)
    with pytest.raises(VaultRefused) as refused:
        keeper.unwrap(wrapped, AINO)
    told = repr(refused.value)
    assert not [secret for secret in (NEW, LOST, key) if b64encode(secret).decode() in told or repr(secret) in told]
