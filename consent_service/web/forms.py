"""What the forms share: fields for a person, read the same way for visitors and for staff.

Messages say what to do; they are message ids, translated where they are shown, but for those that hold a number.
"""

from datetime import date, datetime
from typing import Any

from flask import g
from flask_wtf import FlaskForm
from wtforms import Field, Form, StringField, TextAreaField, ValidationError
from wtforms.validators import StopValidation

from consent_service.language import mark
from consent_service.people import (
    LONGEST_NAME,
    AddressRefused,
    NameRefused,
    PhoneRefused,
    is_same_name,
    plain_lines,
    read_address,
    read_name,
    read_phone,
)

EARLIEST = date(1950, 1, 1)  # a browser makes 0026 of a year typed with two digits


class VisitorForm(FlaskForm):
    """A form of somebody who has no session, so no CSRF cookie: what its address or the form holds is the proof."""

    class Meta:
        """`csrf_token`, where a form has one, is ours."""

        csrf = False


class NameField(StringField):
    """A first or last name; `data` is trimmed and in NFC once the form is valid."""

    def __init__(self, missing: str, **options: Any):
        refused = mark("Write the name in at most 100 ordinary characters.")
        super().__init__(validators=[_Name(missing, refused)], **options)


class LineField(StringField):
    """One plain line, such as a reason; `data` is in NFC, its blanks single, once the form is valid.

    Without `refused`, which says what to write and how much, it may be left empty, and `data` is None then.
    """

    data: Any

    def __init__(self, refused: str | None = None, longest: int = LONGEST_NAME, **options: Any):
        super().__init__(**options)
        self._refused, self._longest = refused, longest

    def pre_validate(self, form: Form) -> None:
        """Read what was typed; a break in it makes it more than a line."""
        lines = (self.data or "").strip().splitlines()
        if not lines and self._refused is None:
            self.data = None
            return
        try:
            [line] = lines
            self.data = read_name(" ".join(line.split()), self._longest)
        except (ValueError, NameRefused):
            raise StopValidation(self._refused or self._no_line()) from None

    def _no_line(self) -> str:
        told: str = g.language.say(
            "Write it in one line of at most %(longest)s characters, without special ones.", longest=self._longest
        )
        return told


class LongTextField(TextAreaField):
    """Lines of text, what nobody sees in them made blank; without `missing` it may be left empty, as above."""

    data: Any

    def __init__(self, longest: int, missing: str | None = None, **options: Any):
        super().__init__(**options)
        self.missing, self._longest = missing, longest

    def pre_validate(self, form: Form) -> None:
        """Read what was typed."""
        self.data = plain_lines(self.data or "") or None
        if self.data is None and self.missing:
            raise StopValidation(self.missing)
        if self.data is not None and len(self.data) > self._longest:
            told = g.language.say("Shorten the text: at most %(longest)s characters fit in.", longest=self._longest)
            raise StopValidation(told)


class AddressField(StringField):
    """One e-mail address; `address` holds its forms once the form is valid.

    Where `missing` is None it may be left out; `address` and `data` are None then.
    """

    address: Any = None

    def __init__(self, missing: str | None = mark("Write your e-mail address."), **options: Any):
        super().__init__(validators=[_Address(missing)], **options)


class PhoneField(StringField):
    """A phone number that may be left out; `data` is the number, or None, once the form is valid."""

    def __init__(self, **options: Any):
        super().__init__(validators=[_Phone()], **options)


class LastNameField(StringField):
    """The last name of whom a grave act is about, typed as a proof that it is really them who is meant.

    The form holds it as `last_name_meant`.
    """

    def __init__(self, **options: Any):
        super().__init__(validators=[_SameLastName()], **options)


def read_moment(text: str | None) -> datetime | None:
    """Return the moment a hidden field holds, such as when something was last changed; None when it holds none."""
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return at if at.tzinfo else None


class _Name:
    def __init__(self, missing: str, refused: str):
        self._missing, self._refused = missing, refused

    def __call__(self, form: Form, field: Field) -> None:
        if not (field.data or "").strip():
            raise ValidationError(self._missing)
        try:
            field.data = read_name(field.data)
        except NameRefused:
            raise ValidationError(self._refused) from None


class _Address:
    def __init__(self, missing: str | None):
        self._missing = missing

    def __call__(self, form: Form, field: Field) -> None:
        if not (field.data or "").strip():
            if self._missing:
                raise ValidationError(self._missing)
            field.data = None
            return
        try:
            field.address = read_address(field.data)
        except AddressRefused:
            raise ValidationError(mark("Write one e-mail address in the form name@example.com.")) from None


class _Phone:
    def __call__(self, form: Form, field: Field) -> None:
        if not (field.data or "").strip():
            field.data = None
            return
        try:
            field.data = read_phone(field.data)
        except PhoneRefused:
            raise ValidationError(
                mark("Write the phone number with digits, spaces and the marks + - ( ), or leave it out.")
            ) from None


class _SameLastName:
    def __call__(self, form: Any, field: Field) -> None:
        if not is_same_name(field.data, form.last_name_meant):
            raise ValidationError(mark("Write the last name as it stands above."))
