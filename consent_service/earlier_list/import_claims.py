"""What a row of an earlier list says of one person, and how far their permission is claimed to be provable.

A grade is a claim of whoever brings the list over, never a fact this service has seen: the evidence says so. A row that
is not whole is refused with its reason; nothing is guessed. Asks no database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from consent_service import people
from consent_service.earlier_list.import_file import EMAIL, Line
from consent_service.people import Address, AddressRefused, NameRefused

DOUBLE_OPT_IN, PAPER_FORM, CUSTOMER, UNKNOWN = "double-opt-in", "paper-form", "customer", "unknown"
GRADES = {
    DOUBLE_OPT_IN: ("double opt-in", "kaksivaiheinen", "kaksivaiheinen vahvistus", "dubbel bekräftelse"),
    PAPER_FORM: ("paper form", "paperilomake", "pappersblankett"),
    CUSTOMER: ("asiakas", "asiakkuus", "asiakassuhde", "kund", "kundrelation"),
    UNKNOWN: ("tuntematon", "ei tiedossa", "okänd"),
}
LANGUAGES = {
    "fi": ("suomi", "finnish", "finska"),
    "sv": ("ruotsi", "swedish", "svenska"),
    "en": ("englanti", "english", "engelska"),
}
LONGEST_FORM_NUMBER = 40
DAYS = ("%Y-%m-%d", "%d.%m.%Y")


class RowRefused(Exception):
    """The row cannot be taken; `reason` is a key of `imports.REASONS`."""

    def __init__(self, reason: str):
        self.reason = reason


@dataclass(frozen=True)
class Claim:
    """What is claimed of a permission: its grade, the day it is from, and the number of the paper form."""

    grade: str
    day: date | None = None
    form_number: str = ""


@dataclass(frozen=True)
class Candidate:
    """Somebody on an earlier list; a name may be missing there. `contact_id` is theirs at ActiveCampaign, if known."""

    number: str
    address: Address
    first_name: str
    last_name: str
    language: str
    claim: Claim
    contact_id: str | None = None


def read(line: Line, otherwise: Claim, language_code: str, today: date) -> Candidate:
    """Return whom a row is about; what it leaves open is taken from the whole batch. Raises RowRefused."""
    if line.is_broken:
        raise RowRefused("broken")
    return Candidate(
        line.number,
        _address(line.cells.get(EMAIL, "")),
        _name(line.cells.get("first_name", "")),
        _name(line.cells.get("last_name", "")),
        _word(line.cells.get("language", ""), LANGUAGES, "bad_language") or language_code,
        _claim(line, otherwise, today),
        line.cells.get("contact_id"),
    )


def read_day(text: str) -> date | None:
    """Return the day in a text such as 2.1.2024 or 2024-01-02, with or without a time; None when there is none."""
    for form in DAYS:
        try:
            return datetime.strptime(text.replace("T", " ").partition(" ")[0], form).date()  # noqa: DTZ007 - a day only
        except ValueError:
            continue
    return None


def check(claim: Claim, today: date) -> Claim:
    """Return a claim that says all its grade asks for; raises RowRefused."""
    if claim.day is not None and claim.day > today:
        raise RowRefused("bad_day")
    if claim.day is None and claim.grade in (DOUBLE_OPT_IN, PAPER_FORM):
        raise RowRefused("no_day")
    if len(claim.form_number) > LONGEST_FORM_NUMBER or not claim.form_number.isprintable():
        raise RowRefused("bad_form_number")
    if not claim.form_number and claim.grade == PAPER_FORM:
        raise RowRefused("no_form_number")
    return claim


def _claim(line: Line, otherwise: Claim, today: date) -> Claim:
    said, form_number = line.cells.get("day", ""), line.cells.get("form_number", "")
    day = read_day(said) if said else otherwise.day
    if said and day is None:
        raise RowRefused("bad_day")
    grade = _word(line.cells.get("grade", ""), GRADES, "bad_grade") or otherwise.grade
    return check(Claim(grade, day, form_number or otherwise.form_number), today)


def _address(text: str) -> Address:
    try:
        return people.read_address(text)
    except AddressRefused:
        raise RowRefused("bad_address") from None


def _name(text: str) -> str:
    try:
        return people.read_name(text) if text.strip() else ""
    except NameRefused:
        raise RowRefused("bad_name") from None


def _word(text: str, known: Mapping[str, Sequence[str]], reason: str) -> str | None:
    """Which of some words a cell means; None for an empty one."""
    said = text.strip().casefold()
    if not said:
        return None
    for word, others in known.items():
        if said == word or said in others:
            return word
    raise RowRefused(reason)
