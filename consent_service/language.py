"""Finnish, Swedish and English: catalogues, dates and the choice between them.

Web pages and mails speak through the same `Language`, so a sentence exists once. The message ids are the English
texts; `locales/fi.po` and `locales/sv.po` hold the others and are read as they are, with no compiled copy to forget.
Imports nothing of ours and no Flask.
"""

import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale, negotiate_locale
from babel.dates import format_date, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_percent
from babel.support import NullTranslations, Translations

CODES = ("fi", "sv", "en")
DEFAULT = "fi"
HELSINKI = ZoneInfo("Europe/Helsinki")
LOCALES = Path(__file__).with_name("locales")
_NO_COUNTRIES = {"AC", "CP", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"}
_LAST_LETTERS = str.maketrans({"å": "{", "ä": "|", "ö": "}"})  # as they stand after z in Finnish and Swedish
_CLOCK = {"fi": "klo %H.%M", "sv": "kl. %H.%M", "en": "at %H:%M"}


@dataclass(frozen=True)
class Language:
    """One language: `say("Save")`, `day(date)`, `moment(aware datetime)`."""

    code: str
    catalogue: NullTranslations

    def say(self, message: str, **values: object) -> str:
        """Return the sentence in this language with `%(name)s` filled in."""
        translated: str = self.catalogue.ugettext(message)
        return translated % values if values else translated

    def count(self, singular: str, plural: str, number: int) -> str:
        """Return the right plural with `%(number)s` filled in."""
        chosen: str = self.catalogue.ungettext(singular, plural, number)
        return chosen % {"number": self.number(number)}

    def number(self, number: int) -> str:
        """Return a whole number as it is written here: 12 300, in English 12,300."""
        return f"{number:,}" if self.code == "en" else f"{number:,}".replace(",", "\xa0")

    def share(self, part: float, whole: float) -> str:
        """Return a part as whole per cents: 82 %; 0 % of nothing."""
        return format_percent(part / whole if whole else 0, "#,##0\xa0%" if self.code != "en" else "#,##0%")

    def day(self, day: date) -> str:
        """Return a date as it is written here: 22.11.2026, 22 November 2026."""
        return _day(self.code, day)

    def moment(self, at: datetime) -> str:
        """Return an aware datetime in Helsinki time: 22.11.2026 klo 12.00."""
        local = at.astimezone(HELSINKI)
        return f"{self.day(local.date())} {local.strftime(_CLOCK[self.code])}"

    def exact(self, at: datetime) -> str:
        """Return an aware datetime in Helsinki time with its seconds: 22.11.2026 klo 12.00.05."""
        separator = ":" if self.code == "en" else "."
        return f"{self.moment(at)}{separator}{at.astimezone(HELSINKI):%S}"

    def relative(self, at: datetime, now: datetime) -> str:
        """Return a moment as people speak of it, in Helsinki time: today at 12:00, yesterday at 09:05, 3 days ago."""
        local = at.astimezone(HELSINKI)
        days, clock = (local.date() - day_of(now)).days, local.strftime(_CLOCK[self.code])
        match days:
            case -1:
                return self.say("yesterday %(clock)s", clock=clock)
            case 0:
                return self.say("today %(clock)s", clock=clock)
            case 1:
                return self.say("tomorrow %(clock)s", clock=clock)
        apart, exactly = timedelta(days=days), 1  # six days are no week yet
        return format_timedelta(apart, "day", threshold=exactly, add_direction=True, locale=Locale(self.code))


def day_of(at: datetime) -> date:
    """Return the day of an aware moment as it is counted here, in Helsinki."""
    return at.astimezone(HELSINKI).date()


def mark(message: str) -> str:
    """Mark a message id that is translated where it is shown."""
    return message


LANGUAGES = {"fi": mark("Finnish"), "sv": mark("Swedish"), "en": mark("English")}


@cache
def language(code: str) -> Language:
    """Return the language of a code in `CODES`; raises KeyError for another."""
    if code not in CODES:
        raise KeyError(code)
    if code == "en":
        return Language(code, NullTranslations())
    with (LOCALES / f"{code}.po").open("rb") as source:
        catalogue = read_po(source, locale=code, domain="messages")
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Language(code, Translations(compiled))


def choose(asked: str | None, accepted: Sequence[str]) -> Language:
    """Return the language asked for by code, else the first accepted one (RFC 9110 section 12.5.4), else Finnish."""
    if asked in CODES:
        return language(asked)
    return language(_negotiate(tuple(tag.partition("-")[0].lower() for tag in accepted)))


@cache
def countries(code: str) -> dict[str, str]:
    """Return the countries of the world by their codes (ISO 3166), named in a language: Finland first, then by name."""
    names = {one: name for one, name in Locale(code).territories.items() if one.isalpha() and one not in _NO_COUNTRIES}
    order = sorted(names, key=lambda one: (one != "FI", _in_alphabet(code, names[one])))
    return {one: str(names[one]) for one in order}


def _in_alphabet(code: str, name: str) -> str:
    """A name to sort by: Å, Ä and Ö are letters of their own but in English; other accents do not count."""
    letters = name.lower() if code == "en" else name.lower().translate(_LAST_LETTERS)
    return "".join(one for one in unicodedata.normalize("NFD", letters) if not unicodedata.combining(one))


@lru_cache(maxsize=1024)
def _day(code: str, day: date) -> str:
    return str(format_date(day, "d MMMM y" if code == "en" else "d.M.y", locale=Locale(code)))


@lru_cache(maxsize=1024)
def _negotiate(accepted: tuple[str, ...]) -> str:
    return negotiate_locale(accepted, CODES) or DEFAULT
