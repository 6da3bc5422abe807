"""Links and form tokens: what was signed for one purpose opens for that purpose only, for as long as it should."""

import base64
import hmac
from datetime import UTC, datetime, timedelta
from hashlib import sha1, sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_service.tokens import FormTokenExpired, MyDataLink, MyDataLinkExpired, ShownForm, TokenRefused, Tokens

OLD, NEW, OTHER = (
    "an old key of the service 1234567890",
    "a new key of the service 1234567890",
    "somebody else's key " * 2,
)
START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
STATEMENT = sha256(b"the text").hexdigest()
MARK = "0123456789abcdef"


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tokens(clock):
    return Tokens([NEW, OLD], clock)


READERS = {
    "confirm": (Tokens.for_confirmation, Tokens.read_confirmation),
    "unsubscribe": (Tokens.for_unsubscribing, Tokens.read_unsubscribing),
}


@pytest.mark.parametrize("purpose", READERS)
def test_a_link_gives_back_its_id_and_looks_the_same_each_time(tokens, purpose):
    make, read = READERS[purpose]
    assert read(tokens, make(tokens, "an id")) == "an id"
    assert make(tokens, "an id") == make(tokens, "an id")
    assert make(tokens, "an id") != make(tokens, "another id")


def test_a_link_fits_into_an_address_unescaped_and_holds_no_more_than_the_id(tokens):
    token = tokens.for_unsubscribing("3f2c1d7e-8a4b-4c55-9d7e-1f2a3b4c5d6e")
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    assert len(token) < 120
    content = token.partition(".")[0]
    assert base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)) == b'"3f2c1d7e-8a4b-4c55-9d7e-1f2a3b4c5d6e"'


def test_the_signature_is_hmac_sha256_under_a_key_made_for_the_purpose(tokens):
    content, _, signature = tokens.for_confirmation("abc").rpartition(".")
    key = sha256(b"consent-service/confirm" + b"signer" + NEW.encode()).digest()
    expected = hmac.new(key, content.encode(), sha256).digest()
    assert base64.urlsafe_b64decode(signature + "=") == expected
    assert hmac.new(key, content.encode(), sha1).digest() != expected


def test_no_token_opens_for_another_purpose(tokens):
    made = [
        tokens.for_confirmation("id"),
        tokens.for_unsubscribing("id"),
        tokens.for_form(STATEMENT, "fi"),
        tokens.for_my_data("id", MARK),
        tokens.for_waiting(),
    ]
    readers = [
        tokens.read_confirmation,
        tokens.read_unsubscribing,
        tokens.read_form,
        tokens.read_my_data,
        tokens.read_waiting,
    ]
    for number, token in enumerate(made):
        for other, read in enumerate(readers):
            if number != other:
                with pytest.raises(TokenRefused):
                    read(token)


def test_any_character_changed_cut_or_added_is_refused(tokens):
    token = tokens.for_confirmation("0123456789abcdef" * 2)
    for place in range(len(token)):
        for wrong in (token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :], token[:place]):
            if place == len(token) - 1 and wrong[:-1] == token[:-1]:
                continue  # the last two bits of base64 carry nothing
            with pytest.raises(TokenRefused):
                tokens.read_confirmation(wrong)
    for wrong in (token + ".", token + "A", "." + token, token.swapcase(), token + " "):
        with pytest.raises(TokenRefused):
            tokens.read_confirmation(wrong)


@settings(derandomize=True, deadline=None)
@given(st.text(st.characters(), max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_whatever_stands_in_a_link_is_refused_and_nothing_worse(text):
    tokens = Tokens([NEW])
    for read in (tokens.read_confirmation, tokens.read_unsubscribing, tokens.read_form, tokens.read_my_data):
        with pytest.raises(TokenRefused):
            read(text)


@pytest.mark.parametrize("text", ["\ud800", "\udfff.\ud800", "\x00", "ä.ö", ".", "..", "." * 10_000, "eyJ" * 10_000])
def test_odd_texts_are_refused_too(tokens, text):
    for read in (tokens.read_confirmation, tokens.read_unsubscribing, tokens.read_form, tokens.read_my_data):
        with pytest.raises(TokenRefused):
            read(text)


def test_links_outlive_a_key_rotation_and_new_ones_are_signed_by_the_newest(tokens):
    before = Tokens([OLD]).for_unsubscribing("id")
    assert tokens.read_unsubscribing(before) == "id"
    after = tokens.for_unsubscribing("id")
    assert after == Tokens([NEW]).for_unsubscribing("id") != before
    for stranger in (Tokens([OTHER]).for_unsubscribing("id"),):
        with pytest.raises(TokenRefused):
            tokens.read_unsubscribing(stranger)
    with pytest.raises(TokenRefused):
        Tokens([OLD]).read_unsubscribing(after)


def test_an_unsubscribe_link_never_expires(tokens, clock):
    token = tokens.for_unsubscribing("id")
    clock.now += timedelta(days=365 * 40)
    assert tokens.read_unsubscribing(token) == "id"


def test_a_form_proves_its_text_language_and_time_for_a_day(tokens, clock):
    token = tokens.for_form(STATEMENT, "sv")
    clock.now += timedelta(hours=24)
    assert tokens.read_form(token) == ShownForm(STATEMENT, "sv", START)
    clock.now += timedelta(milliseconds=1)
    with pytest.raises(FormTokenExpired):
        tokens.read_form(token)


@pytest.mark.parametrize("tracking", [None, STATEMENT])
@pytest.mark.parametrize("site", [None, "www.keinuma.example"])
def test_a_form_proves_its_second_text_and_its_site_each_without_the_other(tokens, tracking, site):
    token = tokens.for_form(STATEMENT, "fi", tracking, site)
    assert tokens.read_form(token) == ShownForm(STATEMENT, "fi", START, tracking, site)


def test_a_form_from_a_clock_a_little_ahead_is_taken_and_one_from_tomorrow_is_not(tokens, clock):
    token = tokens.for_form(STATEMENT, "fi")
    clock.now -= timedelta(minutes=5)
    assert tokens.read_form(token).shown_at == START
    clock.now -= timedelta(milliseconds=1)
    with pytest.raises(TokenRefused):
        tokens.read_form(token)


def test_two_forms_shown_at_once_are_alike_and_later_ones_are_not(tokens, clock):
    token = tokens.for_form(STATEMENT, "fi")
    assert tokens.for_form(STATEMENT, "fi") == token
    clock.now += timedelta(milliseconds=1)
    assert tokens.for_form(STATEMENT, "fi") != token


def test_a_link_to_the_own_page_works_for_an_hour_and_then_still_says_whose_it_was(tokens, clock):
    token, link = tokens.for_my_data("an id", MARK), MyDataLink("an id", MARK, START + timedelta(hours=1))
    clock.now += timedelta(hours=1)
    assert tokens.read_my_data(token) == link
    clock.now += timedelta(milliseconds=1)
    with pytest.raises(MyDataLinkExpired) as expired:
        tokens.read_my_data(token)
    assert expired.value.link == link
    assert "an id" not in str(expired.value), "what is logged of it names nobody"


def test_a_link_to_the_own_page_from_tomorrow_is_refused(tokens, clock):
    token = tokens.for_my_data("an id", MARK)
    clock.now -= timedelta(minutes=6)
    with pytest.raises(TokenRefused):
        tokens.read_my_data(token)


@pytest.mark.parametrize("content", [["an id"], "an id", ["an id", MARK, "soon"], ["an id", MARK, 10**20], {}, None])
def test_what_a_key_of_ours_signed_in_another_form_is_refused(tokens, content):
    with pytest.raises(TokenRefused):
        tokens.read_my_data(tokens._my_data.dumps(content))
