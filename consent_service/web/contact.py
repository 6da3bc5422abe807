"""The contact form: a message to the company, and the newsletter only if its own box is ticked.

The answer is the same whoever wrote, and nobody gets a copy: an address typed here may be a stranger's. No cookies, as
on the subscription form. Contains no rule.
"""

from flask import Blueprint, g, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection
from wtforms import BooleanField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, ValidationError

from consent_service import contact_messages, retention, subscriptions
from consent_service.asks import Ask
from consent_service.contact_messages import LONGEST_MESSAGE, REASONS, MessageEmpty, MessageTooLong, Written
from consent_service.language import mark
from consent_service.statements import Terms
from consent_service.tokens import ShownForm
from consent_service.web.forms import AddressField, NameField, PhoneField
from consent_service.web.rendered import (
    TOO_OLD,
    RenderedForm,
    consent_and_token,
    handed_back_at,
    is_robot,
    shown_form,
    shown_terms,
)
from consent_service.web.visitor import occasion, service, too_often

contact = Blueprint("contact", __name__)

DOOR = "contact"
NO_REASON = mark("Choose what it is about.")
TOO_OFTEN = mark("Too many messages have come from your network. Wait a few minutes and send this one again.")


class ContactForm(RenderedForm):
    """The fields of the contact form; `website` is there for robots only."""

    first_name = NameField(mark("Write your first name."))
    last_name = NameField(mark("Write your last name."))
    email = AddressField()
    phone = PhoneField()
    reason = SelectField(
        choices=["", *REASONS], validators=[InputRequired(NO_REASON)], invalid_choice_message=NO_REASON
    )
    message = TextAreaField()
    consent = BooleanField()
    website = StringField()

    def validate_message(self, field: TextAreaField) -> None:
        """Keep the lines as they were written."""
        try:
            field.data = contact_messages.read_message(field.data or "")
        except MessageEmpty:
            raise ValidationError(mark("Write your message.")) from None
        except MessageTooLong:
            raise ValidationError(mark("Shorten your message: at most 4000 characters fit in.")) from None


@contact.get("/contact")
def show() -> ResponseReturnValue:
    """The contact form."""
    return _page(ContactForm(), str(consent_and_token()["form_token"]))


@contact.post("/contact")
def send() -> ResponseReturnValue:
    """Take a message: the same page whoever wrote it."""
    form = ContactForm()
    shown, trouble = shown_form(form)
    if not form.validate() or shown is None:
        return _mended_page(form, trouble, shown), 400
    if wait := too_often(DOOR):  # the page keeps what was written, which may be long
        return _mended_page(form, TOO_OFTEN, shown), 429, {"Retry-After": str(wait)}
    asks = bool(form.consent.data) and not (service().effort.is_asked() or too_often("subscribe"))
    if not (form.website.data or is_robot(shown)):
        with service().transaction() as connection:
            if not _take(connection, form, shown, asks=asks):
                return _mended_page(form, TOO_OLD), 400
    return render_template("public/contact_sent.html", email=form.email.data, ticked=form.consent.data, asks=asks)


def _take(connection: Connection, form: ContactForm, shown: ShownForm, *, asks: bool) -> bool:
    """Take the message, and the ask for the newsletter that may come with it; False when nobody knows beside what.

    What the subscription form costs is not asked here: whoever would have to pay it is led there.
    """
    terms = shown_terms(connection, shown) if form.consent.data else None
    if form.consent.data and terms is None:
        return False
    by_visitor = occasion("visitor", DOOR)
    contact_messages.take(connection, by_visitor.now, _written(form, shown))
    if terms is not None and asks:
        subscriptions.request(connection, by_visitor, _ask(form, shown, terms), service().address_limit)
    return True


def _written(form: ContactForm, shown: ShownForm) -> Written:
    return Written(
        address=form.email.address,
        first_name=form.first_name.data,
        last_name=form.last_name.data,
        phone=form.phone.data,
        reason=form.reason.data,
        message=form.message.data,
        language=shown.language,
        form_token=form.csrf_token.data or "",
    )


def _ask(form: ContactForm, shown: ShownForm, terms: Terms) -> Ask:
    return Ask(
        address=form.email.address,
        first_name=form.first_name.data,
        last_name=form.last_name.data,
        language=shown.language,
        terms=terms,
    )


def _mended_page(form: ContactForm, trouble: str | None, shown: ShownForm | None = None) -> str:
    consent = service().consent_text(g.language)
    if shown is not None and (shown.statement, shown.language) == (consent.shown.sha256, consent.language):
        return _page(form, form.csrf_token.data or "", trouble)  # they have had it before them all the while
    form.consent.data = False  # if ticked, then beside other words, or nobody knows which
    token = service().tokens.for_form(consent.shown.sha256, consent.language, shown_at=handed_back_at(form))
    return _page(form, token, trouble)


def _page(form: ContactForm, token: str, trouble: str | None = None) -> str:
    return render_template(
        "public/contact.html",
        form=form,
        form_token=token,
        trouble=trouble,
        consent=service().consent_text(g.language),
        reasons=REASONS,
        longest=LONGEST_MESSAGE,
        rule=retention.BY_KEY[contact_messages.RULE],
    )
