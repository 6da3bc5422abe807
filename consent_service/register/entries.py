"""What staff type of a customer, read into the one form it is kept in: phone, business id, post code, invoice address.

Each reader returns the kept form or raises `EntryRefused` with the sentence that says what to do. Knows no database.
"""

import re

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat
from stdnum import iban
from stdnum.exceptions import InvalidChecksum, ValidationError
from stdnum.fi import ytunnus

from consent_service.language import mark
from consent_service.people import NameRefused, plain_lines, read_name

HOME = "FI"
HOME_CODE = 358
LONGEST_TYPED = 60  # nothing that is read here is longer, however it is spaced
OVT = re.compile(r"0037([0-9]{8})[0-9A-Z]{0,5}")
EINVOICE = re.compile(r"[0-9A-Z:._-]{6,35}")
POSTAL_CODE = re.compile(r"[0-9]{5}")
FOREIGN_POSTAL_CODE = re.compile(r"[0-9A-Z][0-9A-Z -]{0,18}")
BUSINESS_ID = re.compile(r"[0-9]{6,7}-?[0-9]")

NO_PHONE = mark(
    "Write the number with its area or mobile code, for example 040 123 4567, or from abroad +46 70 123 4567."
)
NO_POSTAL_CODE = mark("A Finnish post code has five digits, for example 40100.")
NO_FOREIGN_POSTAL_CODE = mark("Write the post code in letters and digits, or leave it out.")
ODD_BUSINESS_ID = mark("A business id has seven digits, a hyphen and a check digit, for example 3299471-6.")
WRONG_CHECK_DIGIT = mark(
    "The digits do not fit together: the last one of a business id is worked out from the others. "
    "One of them has been mistyped."
)
NO_EINVOICE = mark(
    "Write the e-invoice address without spaces, as the customer gave it, for example 003732994716 or a bank account "
    "number."
)
WRONG_OVT = mark(
    "After 0037 stands the business id without its hyphen, for example 003732994716. Its digits do not fit together."
)
NO_LINE = mark("Write it in one line, without special characters, and shorter.")
TOO_LONG = mark("This is too long. Shorten it.")
WRONG_IBAN = mark("The digits of this account number do not fit together. One of them has been mistyped.")


class EntryRefused(Exception):
    """What was typed cannot be kept; the one argument is a message id that says what to do."""

    @property
    def message(self) -> str:
        """The message id."""
        return str(self.args[0])


def read_phone(text: str) -> str:
    """Return a phone number as E.164 has it; without a country code it is a Finnish one. Raises EntryRefused."""
    if len(text) > LONGEST_TYPED:
        raise EntryRefused(NO_PHONE)
    try:
        number = phonenumbers.parse(text, HOME)
    except NumberParseException:
        raise EntryRefused(NO_PHONE) from None
    if number.extension or not phonenumbers.is_possible_number(number):
        raise EntryRefused(NO_PHONE)
    if number.country_code == HOME_CODE and not phonenumbers.is_valid_number(number):
        raise EntryRefused(NO_PHONE)
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def shown_phone(phone: str) -> str:
    """Return a kept phone number as people here write it: 040 123 4567, and one from abroad with its country code."""
    try:
        number = phonenumbers.parse(phone, HOME)
    except NumberParseException:
        return phone
    if number.country_code != HOME_CODE:
        return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
    area, _, rest = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL).partition(" ")
    return " ".join(filter(None, (area, *_grouped(rest.replace(" ", "")))))


def read_business_id(text: str) -> str:
    """Return a Finnish business id as `1234567-8`; raises EntryRefused with the rule that was broken."""
    typed = re.sub(r"\s", "", text[:LONGEST_TYPED]).upper().removeprefix("FI")
    if not BUSINESS_ID.fullmatch(typed):
        raise EntryRefused(ODD_BUSINESS_ID)
    try:
        return ytunnus.format(ytunnus.validate(typed.replace("-", "").zfill(8)))  # the oldest have six digits
    except InvalidChecksum:
        raise EntryRefused(WRONG_CHECK_DIGIT) from None
    except ValidationError:
        raise EntryRefused(ODD_BUSINESS_ID) from None


def read_postal_code(text: str, country: str | None) -> str:
    """Return a post code, of five digits in Finland; raises EntryRefused."""
    typed = " ".join(text[:LONGEST_TYPED].upper().split())
    if country in (None, HOME):
        typed = typed.replace(" ", "").removeprefix("FI-")
        if not (POSTAL_CODE.fullmatch(typed) and typed.isascii()):
            raise EntryRefused(NO_POSTAL_CODE)
    elif not FOREIGN_POSTAL_CODE.fullmatch(typed):
        raise EntryRefused(NO_FOREIGN_POSTAL_CODE)
    return typed


def read_einvoice_address(text: str) -> str:
    """Return an e-invoice address: one of Finland (0037…), an account number, or one of elsewhere.

    Raises EntryRefused.
    """
    typed = re.sub(r"\s", "", text[: 2 * LONGEST_TYPED]).upper()
    if not EINVOICE.fullmatch(typed):
        raise EntryRefused(NO_EINVOICE)
    if typed.startswith("0037"):
        found = OVT.fullmatch(typed)
        if found is None or not ytunnus.is_valid(found[1]):
            raise EntryRefused(WRONG_OVT)
    elif re.match(r"FI[0-9]{2}", typed) and not iban.is_valid(typed):
        raise EntryRefused(WRONG_IBAN)
    return typed


def read_line(text: str, longest: int) -> str:
    """Return one plain line of at most so many characters; raises EntryRefused."""
    try:
        return read_name(" ".join(text.split()), longest)
    except NameRefused:
        raise EntryRefused(NO_LINE) from None


def read_text(text: str, longest: int) -> str:
    """Return lines of text, what nobody sees made blank; raises EntryRefused when there is too much."""
    lines = plain_lines(text)
    if len(lines) > longest:
        raise EntryRefused(TOO_LONG)
    return lines


def _grouped(digits: str) -> tuple[str, str]:
    """Two groups that can be read out: 123 4567, 123 456, 12 345; up to four digits stay together."""
    first = len(digits) // 2 if len(digits) > 4 else 0
    return digits[:first], digits[first:]
