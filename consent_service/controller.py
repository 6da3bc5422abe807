"""Who asks for consent (the controller of GDPR article 4(7)), as the controller file states it.

Holds what the file may say and checks its form; whether it says enough for the privacy statement is the doctor's
question. Reads no file: the logo comes as bytes.
"""

import re
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator
from stdnum.fi import ytunnus

from consent_service.language import CODES
from consent_service.look import colour
from consent_service.look import logo as logos
from consent_service.people import AddressRefused, read_address

ACCENT = "#0f5f5c"  # where the file names no colour
FINNISH_ID = re.compile(r"[0-9]{7}-[0-9]")  # a company of another country writes its own as it likes


def _every_language(value: dict[str, str]) -> dict[str, str]:
    missing = [code for code in CODES if not value.get(code)]
    if missing:
        raise ValueError(f"says nothing for {', '.join(missing)}")
    return value


def _every_language_or_none(value: dict[str, str]) -> dict[str, str]:
    return _every_language(value) if value else value


PerLanguage = Annotated[dict[Literal["fi", "sv", "en"], str], AfterValidator(_every_language)]
Optionally = Annotated[dict[Literal["fi", "sv", "en"], str], AfterValidator(_every_language_or_none)]


class Recipient(BaseModel):
    """Somebody outside the company who gets data (GDPR article 13(1)(e) and (f))."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    role: PerLanguage
    purpose: PerLanguage
    country: PerLanguage
    is_outside_eea: bool
    transfer_ground: Optionally = {}


class Cookie(BaseModel):
    """A tool of the company's web site that keeps something on the visitor's device, and what it is for.

    `names` are those of its cookies on the company's own site, where a star at the end stands for anything; `days` says
    how long the longest-lived stays, 0 until the browser is closed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    category: Literal["necessary", "statistics", "marketing"]
    provider: str = Field(min_length=1)
    names: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+\*?$")], ...] = ()
    days: int = Field(ge=0, le=3650)
    purpose: PerLanguage
    third_parties: Optionally = {}


class Controller(BaseModel):
    """The company, its statement's dates, who gets data, and the cookies of its web site.

    `purpose_version` rises when the purpose changes, `cookie_version` when that of a cookie does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    business_id: str
    street: str
    postal_code: str
    city: str
    contact_email: str
    phone: str = ""
    website: str
    accent: str = Field(default=ACCENT, pattern=r"^#[0-9a-fA-F]{6}$")
    logo: logos.Logo | None = None
    purpose_version: int = Field(default=1, ge=1)
    statement_first_published: date | None = None
    statement_changed: date | None = None
    financial_year_end: str = "12-31"
    backups_kept_days: int = Field(default=13, ge=1, le=366)
    possessive: PerLanguage
    country: PerLanguage
    recipient: tuple[Recipient, ...] = ()
    cookie_version: int = Field(default=1, ge=1)
    cookie: tuple[Cookie, ...] = ()

    @field_validator("business_id")
    @classmethod
    def _with_its_check_digit(cls, value: str) -> str:
        if FINNISH_ID.fullmatch(value) and not ytunnus.is_valid(value):
            raise ValueError(f"the last digit of {value} does not follow from the others; one of them is mistyped")
        return value

    @field_validator("contact_email")
    @classmethod
    def _one_address(cls, value: str) -> str:
        try:
            return read_address(value).email if value.strip() else ""
        except AddressRefused:
            raise ValueError("write one e-mail address, like heidi@keinuma.fi") from None

    @field_validator("accent")
    @classmethod
    def _white_can_be_read_on_it(cls, value: str) -> str:
        found = colour.contrast(value, colour.WHITE)
        if found < colour.WORDS:
            better = colour.nearest(value, colour.BLACK, [colour.WHITE], colour.WORDS)
            raise ValueError(
                f"white words on {value} have a contrast of {int(found * 100) / 100:.2f}:1 and need {colour.WORDS}:1 "
                f"(WCAG 2.2, 1.4.3); the nearest darker colour that gives it is {better}"
            )
        return value

    @field_validator("logo", mode="before")
    @classmethod
    def _a_picture(cls, value: object) -> logos.Logo:
        if not isinstance(value, bytes):
            raise ValueError("name a file, an SVG or a PNG, as seen from the folder of this one")
        return logos.read(value)

    @field_validator("financial_year_end")
    @classmethod
    def _a_day_of_every_year(cls, value: str) -> str:
        try:
            date.fromisoformat(f"2023-{value}")  # a year without 29 February
        except ValueError:
            raise ValueError("write month and day of every year, like 12-31") from None
        return value

    @model_validator(mode="after")
    def _dates_in_order(self) -> Self:
        first, changed = self.statement_first_published, self.statement_changed
        if first and changed and changed < first:
            raise ValueError("statement_changed lies before statement_first_published")
        return self
