"""Whether cells of a spreadsheet speak of a customer: by address, phone number, business id or name, in any column.

For erasing, when nobody may have said yet what the columns are: rather a row too many goes than one that stays and
comes into the register later. Knows no file and no database.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from consent_service.people import AddressRefused, comparable, key_of, read_address
from consent_service.register.entries import HOME_CODE

RUN, NO_DIGITS = re.compile(r"[^\s<>()\[\],;:\"']+"), re.compile("[^0-9]+")


def addresses(text: str) -> Iterator[str]:
    """Yield what may be addresses in a text, each letter looked at once: an @ and something on both sides of it."""
    return (run for run in RUN.findall(text) if "@" in run[1:-1])


class Traces:
    """What a customer is known by, looked for in rows."""

    def __init__(self, person: Mapping[str, Any]):
        self._key = person["email_key"] or ""
        self._before = self._key[: self._key.rfind("@") + 1]
        phone, business_id = (NO_DIGITS.sub("", person[name] or "") for name in ("phone", "business_id"))
        self._digits = [one for one in (phone.removeprefix(str(HOME_CODE)), business_id.lstrip("0")) if one]
        names = ("company_name", "first_name", "last_name", "city")
        self._company, self._first, self._last, self._city = (comparable(person[name] or "") for name in names)

    def are_in(self, cells: Sequence[str]) -> bool:
        """Whether any of it stands in a row."""
        return any(map(self._is_contact, cells)) or self._is_named([comparable(cell) for cell in cells])

    def _is_contact(self, cell: str) -> bool:
        # Reading an address that is not ASCII is slow, so only a cell with the part before the @ is looked at closely.
        may_be = self._before and self._before in key_of(cell)
        if may_be and any(_key(one) == self._key for one in addresses(cell)):
            return True
        digits = NO_DIGITS.sub("", cell) if self._digits else ""  # however they are spaced, and after any 0, 00 or +358
        return any(one in digits for one in self._digits)

    def _is_named(self, cells: Sequence[str]) -> bool:
        if self._company and self._company in cells:
            return True
        if not self._last:
            return False
        if not self._first:  # a family name alone is many people's
            is_from_there = bool(self._city) and any(self._city in cell for cell in cells)
            return not self._company and is_from_there and self._last in cells
        whole = (f"{self._first} {self._last}", f"{self._last} {self._first}", f"{self._last}, {self._first}")
        return (self._first in cells and self._last in cells) or any(one in cells for one in whole)


def _key(address: str) -> str:
    if address.isascii():
        return key_of(address.strip("."))
    try:
        return read_address(address.strip(".")).key
    except AddressRefused:
        return key_of(address)
