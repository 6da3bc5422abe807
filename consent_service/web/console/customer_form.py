"""The form for a customer, a consumer or a company: what of each is asked, and how what was typed is read.

Messages are message ids, translated where they are shown. Contains no rule.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask_wtf import FlaskForm
from sqlalchemy import Row
from wtforms import Field, HiddenField, StringField
from wtforms.validators import StopValidation, ValidationError

from consent_service import language as languages
from consent_service.language import LANGUAGES, mark
from consent_service.people import stored_address
from consent_service.register import entries
from consent_service.register.customers import COMPANY, COMPANY_ONLY, CONSUMER, KINDS, SOURCES, Details
from consent_service.register.entries import EntryRefused
from consent_service.web.forms import AddressField, LineField, LongTextField, read_moment

NO_LAST_NAME, NO_COMPANY = mark("Write the last name."), mark("Write the company's name.")
NO_SOURCE, NO_KIND = mark("Choose where the data came from."), mark("Choose whether it is a consumer or a company.")
NO_SOURCE_NOTE = mark("Say where the data came from.")
LONGEST_NOTES = 4000


class Entry(StringField):
    """A field that may be left empty and is read by one of the readers of `register/entries`."""

    def __init__(self, read: Callable[..., str], *given: Any, **options: Any):
        super().__init__(**options)
        self._read, self._given = read, given

    def pre_validate(self, form: Any) -> None:
        """Read what was typed; blank is nothing."""
        typed = (self.data or "").strip()
        try:
            self.data: str | None = self._read(typed, *self._given) if typed else None
        except EntryRefused as refused:
            raise StopValidation(refused.message) from None


class Phone(Entry):
    """A phone number, shown as people write it; `number` is what is kept."""

    number: str | None = None

    def __init__(self, **options: Any):
        super().__init__(self._number, **options)

    def _number(self, text: str) -> str:
        self.number = entries.read_phone(text)
        return entries.shown_phone(self.number)


class CustomerForm(FlaskForm):
    """A customer; `changed_at` says how they were when the form was opened, `known` who was shown as alike."""

    kind = StringField(default=CONSUMER)
    company_name = LineField(longest=200)
    business_id = Entry(entries.read_business_id)
    last_name = LineField()
    first_name = LineField()
    phone = Phone()
    email = AddressField(None)
    street = LineField(longest=200)
    postal_code = StringField()
    city = LineField()
    country = StringField(default=entries.HOME)
    einvoice_address = Entry(entries.read_einvoice_address)
    einvoice_operator = LineField(longest=35)
    billing_email = AddressField(None)
    billing_address = LineField(longest=300)
    billing_reference = LineField()
    source = StringField()
    source_note = LineField(longest=200)
    language = StringField(default=languages.DEFAULT)
    notes = LongTextField(LONGEST_NOTES)
    changed_at = HiddenField()
    known = HiddenField()

    @property
    def unasked(self) -> tuple[str, ...]:
        """The fields that somebody of this kind has none of: whatever stands in them is left out."""
        return () if self.kind.data == COMPANY else COMPANY_ONLY

    def validate(self, extra_validators: Any = None) -> bool:
        """Read what was typed; what is not asked cannot be wrong."""
        super().validate(extra_validators)
        for name in self.unasked:
            self[name].errors = ()
        return not self.errors

    def validate_kind(self, field: Field) -> None:
        """One of the two."""
        if field.data not in KINDS:
            raise ValidationError(NO_KIND)

    def validate_company_name(self, field: Field) -> None:
        """A company has a name."""
        if self.kind.data == COMPANY and not field.data:
            raise ValidationError(NO_COMPANY)

    def validate_last_name(self, field: Field) -> None:
        """A consumer has a name; a company need not say who its contact person is."""
        if self.kind.data != COMPANY and not field.data:
            raise ValidationError(NO_LAST_NAME)

    def validate_postal_code(self, field: Field) -> None:
        """How it is written depends on the country."""
        field.data = (field.data or "").strip() or None
        try:
            field.data = field.data and entries.read_postal_code(field.data, self.country.data)
        except EntryRefused as refused:
            raise ValidationError(refused.message) from None

    def validate_country(self, field: Field) -> None:
        """One that there is."""
        if field.data not in languages.countries(languages.DEFAULT):
            field.data = entries.HOME

    def validate_source(self, field: Field) -> None:
        """It is always known where data came from."""
        if field.data not in SOURCES:
            raise ValidationError(NO_SOURCE)

    def validate_source_note(self, field: Field) -> None:
        """The word "other" says nothing by itself."""
        if self.source.data == "other" and not field.data:
            raise ValidationError(NO_SOURCE_NOTE)

    def validate_language(self, field: Field) -> None:
        """One of ours."""
        if field.data not in LANGUAGES:
            field.data = languages.DEFAULT

    @property
    def ruled_out(self) -> set[str]:
        """The numbers of those who were shown as alike, and are others."""
        return set((self.known.data or "").split())

    @property
    def seen(self) -> datetime | None:
        """When the customer was last changed, as whoever opened the form saw it."""
        return read_moment(self.changed_at.data)

    @property
    def details(self) -> Details:
        """What was typed, once the form is valid."""
        names = ("kind", "source", "language", *(set(DETAILS) - set(self.unasked)))
        values = {name: self[name].data for name in names} | {"phone": self.phone.number}
        if values.get("billing_email"):
            values["billing_email"] = self.billing_email.address.email
        has_place = any(values[name] for name in ("street", "postal_code", "city"))
        return Details(**values, address=self.email.address, country=self.country.data if has_place else None)


DETAILS = (
    "company_name", "business_id", "first_name", "last_name", "phone", "street", "postal_code", "city",
    "billing_email", "billing_address", "billing_reference", "einvoice_address", "einvoice_operator", "source_note",
    "notes",
)  # fmt: skip


def shown(row: Row[Any]) -> dict[str, Any]:
    """Return a kept customer as the form shows them."""
    values = {name: getattr(row, name) for name in (*DETAILS, "kind", "source", "language", "email")}
    values["country"] = row.country or entries.HOME
    values["phone"] = entries.shown_phone(row.phone) if row.phone else None
    return values | {"changed_at": row.changed_at.isoformat()}


def details_of(row: Row[Any]) -> Details:
    """Return what is kept of a customer as details."""
    values = {name: getattr(row, name) for name in (*DETAILS, "kind", "source", "language", "country")}
    address = stored_address(row.email, row.email_key) if row.email else None
    return Details(**values, address=address)
