"""What the forms share: fields for a person, read the same way for visitors and for staff.

Messages say what to do; they are message ids, translated where they are shown.
"""

from typing import Any

from flask_wtf import FlaskForm
from wtforms import Field, Form, StringField, ValidationError

from consent_service.language import mark
from consent_service.people import (
    AddressRefused,
    NameRefused,
    PhoneRefused,
    is_same_name,
    read_address,
    read_name,
    read_phone,
)


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
    """One plain line as short as a name, such as a reason; `data` is trimmed and in NFC once the form is valid."""

    def __init__(self, refused: str, **options: Any):
        super().__init__(validators=[_Name(refused, refused)], **options)


class AddressField(StringField):
    """One e-mail address; `address` holds its forms once the form is valid."""

    def __init__(self, missing: str = mark("Write your e-mail address."), **options: Any):
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
    def __init__(self, missing: str):
        self._missing = missing

    def __call__(self, form: Form, field: Field) -> None:
        if not (field.data or "").strip():
            raise ValidationError(self._missing)
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
