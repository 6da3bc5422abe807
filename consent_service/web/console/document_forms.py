"""The forms for a customer's documents and for permissions to publish: what is written, read and held against the rest.

Messages say what to do; they are message ids. Contains no rule of how long anything is kept.
"""

import re
import uuid
from datetime import date
from typing import Any

from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from sqlalchemy import Row
from wtforms import DateField, HiddenField, SelectField, StringField
from wtforms.validators import InputRequired, Optional, ValidationError

from consent_service.language import mark
from consent_service.register import document_files, keeping
from consent_service.register.document_files import LARGEST_FILE, FileRefused
from consent_service.register.documents import Described, File
from consent_service.register.keeping import KINDS, OTHER_KIND
from consent_service.register.publication import Permitted
from consent_service.web.forms import EARLIEST, LineField
from consent_service.web.visitor import today

LATEST_YEARS = 100
NO_DAY = mark("Give the day as it stands on the document.")
ODD_DAY = mark("Give a day, such as 31.12.2026.")
NO_BINDER = mark("Write in which binder the paper is.")
TOO_LARGE = mark("Choose a file of at most 10 MB.")
ONE_PLACE = mark("Choose a file, or write in which binder the paper is.")
ONE_PLACE_ONLY = mark("Choose a file or name a binder, not both: a paper and its copy are two documents.")
NO_KIND = mark("Choose what kind of document it is.")
WRONG_FILE = mark("Choose a PDF, a picture (PNG or JPEG), or a document of Word, Excel or LibreOffice without macros.")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class FiledForm(FlaskForm):
    """What a form has that adds something: an id, which makes a second press of its button a repeat."""

    filed_id = HiddenField(default=lambda: str(uuid.uuid4()))

    def validate_filed_id(self, field: HiddenField) -> None:
        """It came with the form, and nobody types it."""
        if not _ID.fullmatch(field.data or ""):
            field.data = str(uuid.uuid4())


class DocumentForm(FlaskForm):
    """What is noted of a document that is there already."""

    kind = SelectField(choices=list(KINDS), invalid_choice_message=NO_KIND)
    title = LineField(longest=200)
    dated_on = DateField(validators=[InputRequired(NO_DAY)], invalid_value_message=ODD_DAY)
    kept_as = StringField()
    financial_year_end = DateField(validators=[Optional()], invalid_value_message=ODD_DAY)
    ended_on = DateField(validators=[Optional()], invalid_value_message=ODD_DAY)
    destroy_by = DateField(validators=[Optional()], invalid_value_message=ODD_DAY)
    binder = LineField()
    page = LineField(longest=50)

    def validate_dated_on(self, field: DateField) -> None:
        """It has been, and not before anybody alive filed anything."""
        if field.data and not EARLIEST <= field.data <= today():
            raise ValidationError(mark("Choose today or an earlier day."))

    def validate_title(self, field: StringField) -> None:
        """What has no kind of its own has a name."""
        if self.kind.data == OTHER_KIND and not field.data:
            raise ValidationError(mark("Write what it is."))

    def validate_kept_as(self, field: StringField) -> None:
        """As one of the classes of its kind: the usual one where the kind has just been changed to one without it."""
        if self.kind.data in KINDS and field.data not in KINDS[self.kind.data].classes:
            field.data = KINDS[self.kind.data].classes[0]

    def validate_financial_year_end(self, field: DateField) -> None:
        """Near the document's day: a financial year is at most 18 months (Accounting Act 1336/1997, 1:4 §)."""
        if field.data and self.dated_on.data and abs((field.data - self.dated_on.data).days) > 2 * 366:
            raise ValidationError(mark("Give the last day of a financial year within two years of the document's day."))

    def validate_ended_on(self, field: DateField) -> None:
        """Not before it began; the day may be to come."""
        self._follows(field)

    def validate_destroy_by(self, field: DateField) -> None:
        """Not before it was signed."""
        self._follows(field)

    def describe(self, year_ends: str) -> Described:
        """What was written, of a valid form; the financial year, where it was left open, is the one of the day."""
        dated_on, kept_as = self.dated_on.data, self.kept_as.data
        return Described(
            kind=self.kind.data,
            kept_as=kept_as,
            title=self.title.data,
            dated_on=dated_on,
            financial_year_end=self.financial_year_end.data or keeping.year_end(dated_on, year_ends),
            ended_on=self.ended_on.data,
            destroy_by=self.destroy_by.data,
            binder=self.binder.data,
            page=self.page.data,
        )

    def _follows(self, field: DateField) -> None:
        if not _may_follow(field.data, self.dated_on.data):
            raise ValidationError(mark("Give a day that is not before the document's own."))


class AddForm(DocumentForm, FiledForm):
    """A document that is new here: a file, or a paper in a binder."""

    file = FileField()
    handed_in: File | None = None

    def validate_file(self, field: FileField) -> None:
        """One of the two; of a file, its bytes are looked at and not its name."""
        is_paper = bool((self.binder.data or "").strip() or (self.page.data or "").strip())
        if bool(field.data) == is_paper:
            raise ValidationError(ONE_PLACE_ONLY if is_paper else ONE_PLACE)
        if field.data:
            content = field.data.stream.read(LARGEST_FILE + 1)
            self.handed_in = File(*_looked_at(content, field.data.filename or ""), content)

    def validate_binder(self, field: StringField) -> None:
        """A page is one of a binder."""
        if not field.data and (self.page.data or "").strip() and not self.file.data:
            raise ValidationError(NO_BINDER)


class ChangeForm(DocumentForm):
    """What is noted of a document, begun with what is noted now; a financial year only if it was corrected by hand."""

    def __init__(self, row: Row[Any], year_ends: str):
        days = ("dated_on", "financial_year_end", "ended_on", "destroy_by")
        known = {name: date.fromisoformat(day) if (day := getattr(row, name)) else None for name in days}
        if known["financial_year_end"] == keeping.year_end(date.fromisoformat(row.dated_on), year_ends):
            known["financial_year_end"] = None  # so that it follows when the day is corrected
        texts = {"kind": row.kind, "title": row.title, "kept_as": row.retention_class}
        super().__init__(data=known | texts | {"binder": row.binder, "page": row.page})
        self.is_paper = row.binder is not None

    def validate_binder(self, field: StringField) -> None:
        """A paper stays one, and a file too."""
        if self.is_paper and not field.data:
            raise ValidationError(NO_BINDER)
        field.data = field.data if self.is_paper else None


class PermissionForm(FiledForm):
    """What a customer has permitted to publish."""

    what = LineField(mark("Write what may be published, in at most 500 characters."), longest=500)
    places = LineField(mark("Write where it may be published, in at most 500 characters."), longest=500)
    given_on = DateField(
        validators=[InputRequired(mark("Give the day on which it was permitted."))], invalid_value_message=ODD_DAY
    )
    until_on = DateField(validators=[Optional()], invalid_value_message=ODD_DAY)

    def validate_given_on(self, field: DateField) -> None:
        """Nobody has permitted anything tomorrow."""
        if field.data and not EARLIEST <= field.data <= today():
            raise ValidationError(mark("Choose today or an earlier day."))

    def validate_until_on(self, field: DateField) -> None:
        """It lasted at least a day, and is not for ever."""
        if not _may_follow(field.data, self.given_on.data):
            raise ValidationError(mark("Give a day that is not before the one on which it was permitted."))

    def permitted(self) -> Permitted:
        """What was written, of a valid form."""
        return Permitted(
            what=self.what.data, places=self.places.data, given_on=self.given_on.data, until_on=self.until_on.data
        )


def _may_follow(day: date | None, first: date | None) -> bool:
    """Whether a day is not before another nor for ever after it; what is no day, or is to come, is told by itself."""
    if day is None or first is None or first > today():
        return True
    return first <= day <= keeping.years_after(first, LATEST_YEARS)


def _looked_at(content: bytes, name: str) -> tuple[str, str]:
    """A name that can do no harm, and what the bytes are."""
    if not content:
        raise ValidationError(mark("The file is empty. Choose another one."))
    if len(content) > LARGEST_FILE:
        raise ValidationError(TOO_LARGE)
    try:
        media_type = document_files.read_type(content)
    except FileRefused:
        raise ValidationError(WRONG_FILE) from None
    return document_files.read_name(name, media_type), media_type
