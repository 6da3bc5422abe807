"""A person's name, address, phone number and lines of text as they typed them, and the forms to match and to limit by.

The spelling a person chose is kept for sending; matching uses a normal form (trimmed, NFC, lower case, the domain as
an IDNA A-label). Dots and plus tags are folded for limits only, never for identity. Imports nothing of ours.
"""

import re
import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

LONGEST_NAME = 100
LONGEST_ADDRESS = 320
# Joiners that some scripts and emoji need, and the letters by which a flag says whose it is.
INVISIBLE_MARKS = {"\u200c", "\u200d", *map(chr, range(0xE0020, 0xE0080))}
PHONE = re.compile(r"(?=.*[0-9])[0-9 ()+-]{1,30}")
# Word processors put odd breaks into what is copied from them; no page or mail could show them.
_PLAIN = str.maketrans(
    {chr(code): " " for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"} | {"\u2028": "\n"}
)
BLANK_LETTERS = set("\u115f\u1160\u2800\u3164\uffa0\U0001d159")  # letters and symbols to Unicode, nothing to the eye


class AddressRefused(Exception):
    """The text is not one e-mail address that can be written to."""


class NameRefused(Exception):
    """The text shows nothing, is longer than 100 characters, or holds control characters."""


class PhoneRefused(Exception):
    """The text holds no digit, something else than digits, blanks and + - ( ), or over 30 of them."""


@dataclass(frozen=True)
class Address:
    """`email` to send to, `key` to match by, `folded` to limit by."""

    email: str
    key: str
    folded: str


def read_address(text: str) -> Address:
    """Return the one address in a text; raises AddressRefused (RFC 5321 lengths; ASCII local part)."""
    if len(text) > LONGEST_ADDRESS:  # before anything looks at it: normalising is slow for what nobody is called
        raise AddressRefused
    try:
        found = validate_email(
            unicodedata.normalize("NFC", text.strip()),
            check_deliverability=False,
            allow_smtputf8=False,
            strict=True,
            test_environment=True,
        )
    except (EmailNotValidError, UnicodeError) as error:
        raise AddressRefused from error
    email = f"{found.local_part}@{found.ascii_domain.lower()}"
    return stored_address(email, key_of(email))


def key_of(email: str) -> str:
    """Return the form an address is matched by."""
    return email.lower()


def stored_address(email: str, key: str) -> Address:
    """Return all forms of an address that was read before; whatever the rules are now, it stays the person's."""
    local, _, domain = key.rpartition("@")
    return Address(email, key, f"{local.partition('+')[0].replace('.', '')}@{domain}")


def read_name(text: str, longest: int = LONGEST_NAME) -> str:
    """Return a name of at most so many characters, trimmed and in NFC; raises NameRefused."""
    if len(text) > 4 * longest:
        raise NameRefused
    name = unicodedata.normalize("NFC", text).strip()
    if not 0 < len(name) <= longest or any(map(_is_refused, name)):
        raise NameRefused
    if not any(map(_is_seen, name)):
        raise NameRefused
    return name


def comparable(text: str) -> str:
    """Return text as it is compared: in NFC, without case, blanks made single."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def is_same_name(typed: str | None, meant: str) -> bool:
    """Whether a name was typed that is meant, however its case, its blanks and its dots above letters were typed."""
    return comparable(typed or "") == comparable(meant)


def read_phone(text: str) -> str:
    """Return a phone number as it was typed, blanks made single; raises PhoneRefused."""
    phone = " ".join(text.split())
    if not PHONE.fullmatch(phone):
        raise PhoneRefused
    return phone


def plain_lines(text: str) -> str:
    """Return what was typed, trimmed, its lines kept and what nobody sees made blank."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_PLAIN).strip()


def _is_seen(character: str) -> bool:
    """Whether a character shows something by itself; marks only change the letter they stand on."""
    return unicodedata.category(character)[0] not in "CMZ" and character not in BLANK_LETTERS


def _is_refused(character: str) -> bool:
    if character in INVISIBLE_MARKS:
        return False
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp", "Co")
