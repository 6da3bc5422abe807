"""Reading what staff type of a customer: fixed cases, and properties over very many numbers."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.fi import ytunnus

from consent_service.register import entries
from consent_service.register.duplicates import folded, is_within_a_slip
from consent_service.register.entries import EntryRefused

WEIGHTS = (7, 9, 10, 5, 8, 4, 2)
FINNISH = st.tuples(
    st.sampled_from(["040", "041", "044", "045", "046", "050"]), st.from_regex("[1-9][0-9]{6}", fullmatch=True)
)
SPACES = st.lists(st.sampled_from(["", " ", "-", "  "]), min_size=10, max_size=10)
SEVEN = st.from_regex("[0-3][0-9]{6}", fullmatch=True)


def refused(read, *typed):
    with pytest.raises(EntryRefused) as refusal:
        read(*typed)
    return refusal.value.message


@given(FINNISH, SPACES, st.sampled_from(["", "+358", "00358", "+358(0)"]))
def test_a_finnish_mobile_number_is_one_however_it_is_typed(number, spaces, country):
    prefix, rest = number
    digits = (prefix[1:] if country else prefix) + rest
    typed = country + "".join(digit + space for digit, space in zip(digits, spaces, strict=False)).rstrip(" -")
    kept = entries.read_phone(typed)
    assert kept == f"+358{prefix[1:]}{rest}"
    assert entries.shown_phone(kept) == f"{prefix} {rest[:3]} {rest[3:]}"
    assert entries.read_phone(entries.shown_phone(kept)) == kept


@given(st.text(max_size=80) | st.text(alphabet="0123456789+-() ", max_size=30))
def test_reading_a_phone_keeps_a_number_or_refuses(typed):
    try:
        kept = entries.read_phone(typed)
    except EntryRefused:
        return
    assert kept.startswith("+") and kept[1:].isdigit() and kept.isascii() and len(kept) <= 16
    assert entries.read_phone(entries.shown_phone(kept)) == kept


@pytest.mark.parametrize(
    ("typed", "kept", "shown"),
    [
        ("014 123456", "+35814123456", "014 123 456"),
        ("(09) 123 4567", "+35891234567", "09 123 4567"),
        ("+46 70 123 45 67", "+46701234567", "+46 70 123 45 67"),
        ("020 7123 456", "+358207123456", "020 712 3456"),
    ],
)
def test_other_numbers(typed, kept, shown):
    assert (entries.read_phone(typed), entries.shown_phone(kept)) == (kept, shown)


def test_what_is_no_number_is_refused():
    for typed in ("112", "soita", "040", "+", "12345", "0401234567 p. 12", "0" * 61):
        assert refused(entries.read_phone, typed) == entries.NO_PHONE


@given(SEVEN, st.integers(0, 9), st.booleans())
def test_a_business_id_is_read_exactly_when_its_last_digit_follows_from_the_others(digits, last, has_hyphen):
    rest = sum(int(digit) * weight for digit, weight in zip(digits, WEIGHTS, strict=True)) % 11
    typed = f"{digits}{'-' if has_hyphen else ''}{last}"
    if rest != 1 and last == (11 - rest) % 11:
        assert entries.read_business_id(typed) == f"{digits}-{last}"
        assert ytunnus.is_valid(typed)
    else:
        assert refused(entries.read_business_id, typed) == entries.WRONG_CHECK_DIGIT


@given(st.text(max_size=20) | st.text(alphabet=string.digits + "-FI ", max_size=12))
def test_reading_a_business_id_keeps_one_or_says_which_rule_was_broken(typed):
    try:
        kept = entries.read_business_id(typed)
    except EntryRefused:
        assert refused(entries.read_business_id, typed) in (entries.ODD_BUSINESS_ID, entries.WRONG_CHECK_DIGIT)
        return
    assert entries.read_business_id(kept) == kept and ytunnus.format(ytunnus.validate(kept)) == kept


def test_post_codes_and_invoice_addresses():
    assert entries.read_postal_code(" 40 100 ", "FI") == entries.read_postal_code("FI-40100", None) == "40100"
    assert entries.read_postal_code("lv-1010", "LV") == "LV-1010"
    for typed, country in (("4010", "FI"), ("४०१००", "FI"), ("40100x", None), ("<b>", "SE"), ("", "SE")):
        refused(entries.read_postal_code, typed, country)
    for typed, kept in (
        ("0037 3299 4716", "003732994716"), ("003732994716ABC12", "003732994716ABC12"), ("te-123456", "TE-123456"),
        ("FI21 1234 5600 0007 85", "FI2112345600000785"), ("0216:003732994716", "0216:003732994716"),
    ):  # fmt: skip
        assert entries.read_einvoice_address(typed) == kept
    assert refused(entries.read_einvoice_address, "003732994715") == entries.WRONG_OVT
    assert refused(entries.read_einvoice_address, "0037329947") == entries.WRONG_OVT
    assert refused(entries.read_einvoice_address, "FI2112345600000786") == entries.WRONG_IBAN
    assert refused(entries.read_einvoice_address, "ä" * 10) == entries.NO_EINVOICE


def test_lines_and_texts():
    assert entries.read_line("  Kauppa\tkatu  1 ", 200) == "Kauppa katu 1"
    for typed in ("x" * 201, "a\x00b", "\u202e", " "):
        refused(entries.read_line, typed, 200)
    assert entries.read_text("a\r\nb\x00c\u2028d\r", 10) == "a\nb c\nd"
    refused(entries.read_text, "x" * 11, 10)


@given(st.text(alphabet="abcdeäö ", min_size=6, max_size=12), st.integers(0, 11), st.sampled_from("abcdeäö"))
def test_one_slip_of_the_finger_is_forgiven_and_both_ways(name, place, letter):
    place %= len(name)
    for other in (name[:place] + letter + name[place:], name[:place] + letter + name[place + 1 :]):
        assert is_within_a_slip(name, other) and is_within_a_slip(other, name)
    if place + 1 < len(name):
        swapped = name[:place] + name[place + 1] + name[place] + name[place + 2 :]
        assert is_within_a_slip(name, swapped)
    assert not is_within_a_slip(name, name + "xy")


def test_names_are_compared_without_case_accents_and_legal_forms():
    assert folded("Järvinen Aino") == folded("AINO JARVINEN") and folded("Valo & Varjo Oy") == folded("Varjo valo ab")
    assert folded("Oy") == "oy" and folded("") == ""
    assert not is_within_a_slip("aino", "eino")
