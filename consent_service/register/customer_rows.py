"""One row of a spreadsheet as a customer: what each cell says, and what cannot be read of it and why.

Excel takes zeros off the front of numbers and makes dates of what looks like one; the former is put right, the latter
is told. What cannot be read is lost only if staff say so: it can stand in the notes. Knows no file and no database.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from consent_service.language import CODES, countries, language, mark
from consent_service.people import AddressRefused, NameRefused, read_address, read_name
from consent_service.register import entries
from consent_service.register.customer_columns import ADDRESS, KIND, NAME, NAME_REVERSED, NUMBER
from consent_service.register.customers import COMPANY, COMPANY_ONLY, CONSUMER, KINDS, SOURCES, Details
from consent_service.register.entries import EntryRefused

LARGEST_NUMBER = 9_999_999  # numbers go on behind the largest, and have to stay short enough to be typed
LONGEST_NOTES, LONGEST_SOURCE_NOTE, LONGEST_PLACE = 4000, 200, 400
# As an .xlsx holds them, and as Excel writes them into a CSV in Finnish and in Swedish.
EXCEL_ERRORS = {
    "#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#SPILL!", "#CALC!",
    "#TYHJÄ!", "#JAKO/0!", "#ARVO!", "#VIITTAUS!", "#NIMI?", "#LUKU!", "#PUUTTUU!",
    "#SKÄRNING!", "#DIVISION/0!", "#VÄRDEFEL!", "#REFERENS!", "#NAMN?", "#OGILTIGT!", "#SAKNAS!",
}  # fmt: skip
A_DATE = re.compile(r"\d{4}-\d\d-\d\d")
WHOLE_ADDRESS = re.compile(r"(?P<street>.*?)[,;\s]+(?P<postal_code>(?:FI-)?\d{5})[,\s]+(?P<city>[^,;]+)")
MAY_BE_DATES = ("notes", "source_note", "billing_reference")

SHOWS_AN_ERROR = mark("The cell shows an Excel error. Write the value in its place.")
BECAME_A_DATE = mark("Excel has made a date of this. Write it as text.")
NO_NAME = mark("The row has neither a last name nor a company.")
ODD_NAME = mark("A name has at most 100 characters and no odd ones.")
ODD_ADDRESS = mark("This is no e-mail address in the form name@example.com.")
ODD_NUMBER = mark("A customer number is a whole number from 1 to 9,999,999.")
ODD_COUNTRY = mark("No country is known by this name or code.")
ODD_LANGUAGE = mark("The service writes in Finnish, Swedish and English only.")
ODD_KIND = mark("A customer is a consumer or a company.")
ONLY_A_COMPANY = mark("Only a company has this. Is the customer one?")
TOO_MUCH = mark("What cannot be read would not fit into the notes.")

_SPOKEN = {
    "fi": "fi suomi finska finnish fin",
    "sv": "sv se ruotsi svenska swedish swe",
    "en": "en englanti engelska english eng",
}
_KINDS = {
    CONSUMER: "kuluttaja kuluttaja-asiakas henkilö yksityinen yksityishenkilö konsument privatperson consumer person",
    COMPANY: "yritys yritysasiakas yhtiö organisaatio yhdistys företag company business",
}
_SOURCES = {
    "meeting": "tapaaminen kokous messut möte meeting",
    "contract": "sopimus asiakassopimus avtal contract",
    "text_message": "tekstiviesti sms textmeddelande text message",
    "email": "sähköposti s-posti e-post email e-mail",
    "phone": "puhelin puhelu soitto telefon samtal phone call",
    "social_media": "some facebook instagram linkedin messenger whatsapp",
    "contact_form": "lomake yhteydenottolomake formulär kontaktformulär form",
    "other": "muu annat other",
}


@dataclass(frozen=True)
class Problem:
    """Why something of a row cannot be taken: a message id, and which column from 0 it stands in, if one alone."""

    column: int | None
    reason: str


@dataclass(frozen=True)
class Reading:
    """A row as a customer, None when it can be none; the number it gives; and what of it could not be read."""

    details: Details | None
    number: int | None
    problems: Sequence[Problem]


@dataclass(frozen=True)
class Meaning:
    """What the columns of a sheet are, their headings, and what holds where a row does not say it."""

    columns: Sequence[str]
    headers: Sequence[str]
    source: str
    source_note: str


def read(cells: Sequence[str], meaning: Meaning) -> Reading:
    """Return what a row says of a customer; what cannot be read of it is added to the notes."""
    given = {
        name: (place, cell) for place, (name, cell) in enumerate(zip(meaning.columns, cells, strict=False)) if name
    }
    read_values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name in sorted(given, key=_READERS_IN_ORDER.index):
        place, cell = given[name]
        try:
            read_values |= _read_cell(name, cell, read_values) if cell.strip() else {}
        except _REFUSED as refused:
            problems.append(Problem(place, _reason(refused)))
    number = read_values.pop(NUMBER, None)
    _settle(read_values, meaning)
    problems += [Problem(given[name][0], ONLY_A_COMPANY) for name in _unasked(read_values)]
    problems.sort(key=lambda one: one.column or 0)
    if not (read_values.get("last_name") or read_values.get("company_name")):
        return Reading(None, None, [*problems, Problem(None, NO_NAME)])
    unread = [f"{meaning.headers[one.column]}: {cells[one.column]}" for one in problems if one.column is not None]
    notes = "\n".join([read_values.get("notes") or "", *unread]).strip()
    if len(notes) > LONGEST_NOTES:
        return Reading(None, None, [*problems, Problem(None, TOO_MUCH)])
    return Reading(Details(**read_values | {"notes": notes or None}), number, problems)


def _read_cell(name: str, cell: str, so_far: Mapping[str, Any]) -> dict[str, Any]:
    if cell in EXCEL_ERRORS:
        raise EntryRefused(SHOWS_AN_ERROR)
    if A_DATE.match(cell) and name not in MAY_BE_DATES:
        raise EntryRefused(BECAME_A_DATE)
    return _READERS[name](cell.strip(), so_far)


def _settle(values: dict[str, Any], meaning: Meaning) -> None:
    """Put in what follows from the rest: the kind, whose the one name is, and what holds for all rows."""
    is_company = bool(values.get("company_name") or values.get("business_id"))
    values.setdefault("kind", COMPANY if is_company else CONSUMER)
    whole = values.pop(NAME, None)
    if whole and values["kind"] == COMPANY and not values.get("company_name"):
        values["company_name"] = whole[2]
    elif whole and not values.get("last_name"):
        values["first_name"], values["last_name"] = values.get("first_name") or whole[0], whole[1]
    values.setdefault("language", "fi")
    if "source" not in values:
        values["source"] = meaning.source
        values.setdefault("source_note", meaning.source_note)


def _unasked(values: dict[str, Any]) -> list[str]:
    """Take out what is not kept of somebody of this kind, as the form does, and return what it was."""
    names = [name for name in COMPANY_ONLY if values["kind"] != COMPANY and values.get(name)]
    for name in names:
        del values[name]
    return names


def _reason(refused: Exception) -> str:
    if isinstance(refused, EntryRefused):
        return refused.message
    return ODD_ADDRESS if isinstance(refused, AddressRefused) else ODD_NAME


def _line(name: str, longest: int) -> "_Reader":
    return lambda cell, _: {name: entries.read_line(cell, longest)}


def _name(name: str) -> "_Reader":
    return lambda cell, _: {name: read_name(" ".join(cell.split()))}


def _whole_name(first_first: bool) -> "_Reader":
    def read_whole(cell: str, so_far: Mapping[str, Any]) -> dict[str, Any]:
        whole = " ".join(cell.split())
        before, comma, after = (part.strip() for part in whole.partition(","))
        if not comma:
            before, _, after = whole.rpartition(" ")[::-1] if first_first else whole.partition(" ")
        first, last = after or None, before or after
        return {NAME: (read_name(first) if first and before else None, read_name(last), read_name(whole))}

    return read_whole


def _read_number(cell: str, _: Mapping[str, Any]) -> dict[str, Any]:
    if not re.fullmatch(r"[0-9]{1,9}", cell) or not 0 < int(cell) <= LARGEST_NUMBER:
        raise EntryRefused(ODD_NUMBER)
    return {NUMBER: int(cell)}


def _read_phone(cell: str, _: Mapping[str, Any]) -> dict[str, Any]:
    """Excel drops the zeros and the plus before a number, and then 358 is the country."""
    text = re.sub(r"(?i)^tel:| ?\(0\) ?", " ", " ".join(cell.split())).strip()
    try:
        return {"phone": entries.read_phone(text)}
    except EntryRefused:
        if not text.startswith("358"):
            raise
        return {"phone": entries.read_phone(f"+{text}")}


def _read_email(cell: str, _: Mapping[str, Any]) -> dict[str, Any]:
    return {"address": read_address(cell.removeprefix("mailto:"))}


def _read_billing_email(cell: str, _: Mapping[str, Any]) -> dict[str, Any]:
    return {"billing_email": read_address(cell.removeprefix("mailto:")).email}


def _read_postal_code(cell: str, so_far: Mapping[str, Any]) -> dict[str, Any]:
    country = so_far.get("country")
    is_cut = country in (None, entries.HOME) and re.fullmatch(r"[0-9]{3,4}", cell)
    return {"postal_code": entries.read_postal_code(cell.zfill(5) if is_cut else cell, country)}


def _read_whole_address(cell: str, so_far: Mapping[str, Any]) -> dict[str, Any]:
    whole = " ".join(cell.split())
    found = WHOLE_ADDRESS.fullmatch(whole) if len(whole) <= LONGEST_PLACE else None
    if found is None:
        return {"street": so_far.get("street") or entries.read_line(whole, 200)}
    parts = {
        "street": entries.read_line(found["street"], 200),
        "postal_code": entries.read_postal_code(found["postal_code"], so_far.get("country")),
        "city": entries.read_line(found["city"], 100),
    }
    return {name: so_far.get(name) or value for name, value in parts.items() if value or so_far.get(name)}


def _read_country(cell: str, _: Mapping[str, Any]) -> dict[str, Any]:
    code = _countries().get(cell.casefold())
    if code is None:
        raise EntryRefused(ODD_COUNTRY)
    return {"country": code}


def _read_language(cell: str, _: Mapping[str, Any]) -> dict[str, Any]:
    return {"language": _chosen(_words(_SPOKEN), cell, ODD_LANGUAGE)}


def _read_kind(cell: str, _: Mapping[str, Any]) -> dict[str, Any]:
    return {KIND: _chosen(_words(_KINDS) | _said(KINDS), cell, ODD_KIND)}


def _read_source(cell: str, so_far: Mapping[str, Any]) -> dict[str, Any]:
    """Whatever is none of the known ones is `other`, and stands beside it."""
    known = (_words(_SOURCES) | _said(SOURCES)).get(cell.casefold())
    if known:
        return {"source": known}
    note = entries.read_line(cell, LONGEST_SOURCE_NOTE)
    return {"source": "other"} | ({} if so_far.get("source_note") else {"source_note": note})


def _chosen(known: Mapping[str, str], cell: str, message: str) -> str:
    found = known.get(cell.casefold())
    if found is None:
        raise EntryRefused(message)
    return found


def _words(named: Mapping[str, str]) -> dict[str, str]:
    return {word: key for key, words in named.items() for word in words.split()}


def _said(labels: Mapping[str, str]) -> dict[str, str]:
    return {language(code).say(label).casefold(): key for key, label in labels.items() for code in CODES}


@cache
def _countries() -> dict[str, str]:
    known: dict[str, str] = {}
    for code in CODES:
        named = countries(code)
        known |= {name.casefold(): key for key, name in named.items()} | {key.casefold(): key for key in named}
    return known


_Reader = Callable[[str, Mapping[str, Any]], dict[str, Any]]
_REFUSED = (EntryRefused, NameRefused, AddressRefused)
_READERS: dict[str, _Reader] = {  # in this order: what a later one asks has been read
    NUMBER: _read_number,
    KIND: _read_kind,
    "country": _read_country,
    "company_name": _line("company_name", 200),
    "business_id": lambda cell, _: {"business_id": entries.read_business_id(cell)},
    "first_name": _name("first_name"),
    "last_name": _name("last_name"),
    NAME: _whole_name(first_first=True),
    NAME_REVERSED: _whole_name(first_first=False),
    "phone": _read_phone,
    "email": _read_email,
    "street": _line("street", 200),
    "postal_code": _read_postal_code,
    "city": _line("city", 100),
    ADDRESS: _read_whole_address,
    "billing_email": _read_billing_email,
    "billing_address": _line("billing_address", 300),
    "billing_reference": _line("billing_reference", 100),
    "einvoice_address": lambda cell, _: {"einvoice_address": entries.read_einvoice_address(cell)},
    "einvoice_operator": _line("einvoice_operator", 35),
    "source_note": _line("source_note", LONGEST_SOURCE_NOTE),
    "source": _read_source,
    "language": _read_language,
    "notes": lambda cell, _: {"notes": entries.read_text(cell, LONGEST_NOTES) or None},
}
_READERS_IN_ORDER = list(_READERS)
