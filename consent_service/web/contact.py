"""The contact form: a message to the company, and the newsletter only if its own box is ticked.

The answer is the same whoever wrote, and nobody gets a copy: an address typed here may be a stranger's. No cookies, as
on the subscription form. Contains no rule.
"""

import math

from flask import Blueprint, g, render_template
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, SelectField, StringField
from wtforms.validators import InputRequired

from consent_service import contact_messages, retention, subscriptions
from consent_service.contact_messages import (
    REASONS,
    TooManyMessages,
    Written,
)
from consent_service.language import mark
from consent_service.limits import proof_of_work
from consent_service.models.inbox import LONGEST_MESSAGE
from consent_service.tokens import ShownForm
from consent_service.web import moment, pages
from consent_service.web.forms import AddressField, LongTextField, NameField, PhoneField
from consent_service.web.rendered import (
    TOO_OLD,
    RenderedForm,
    ask_of,
    consent_and_token,
    handed_back_at,
    is_robot,
    shown_form,
    shown_terms,
)
from consent_service.web.visitor import has_to_wait, occasion, service, take_try

contact = Blueprint("contact", __name__)

DOOR = "contact"
NO_REASON = mark("Choose what it is about.")
TOO_OFTEN = mark("Too many messages have come from your network. Wait a few minutes and send this one again.")
TOO_MANY = mark("So many messages are coming in that we can take no more just now. Send this one again later.")


class ContactForm(RenderedForm):
    """The fields of the contact form: `website` for robots only, `proof` while unusually many are sent."""

    first_name = NameField(mark("Write your first name."))
    last_name = NameField(mark("Write your last name."))
    email = AddressField()
    phone = PhoneField()
    reason = SelectField(
        choices=["", *REASONS], validators=[InputRequired(NO_REASON)], invalid_choice_message=NO_REASON
    )
    message = LongTextField(LONGEST_MESSAGE, mark("Write your message."))
    consent = BooleanField()
    website = StringField()
    proof = StringField()


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
    if wait := has_to_wait(DOOR):
        return _too_many(form, TOO_OFTEN, shown, wait)
    kinds = [proof_of_work.CONTACT, *([proof_of_work.SUBSCRIBE] if form.consent.data else [])]
    if (proof := moment.count(form, *kinds)) is None:
        return moment.page(form, "contact.send")
    if wait := take_try(DOOR):
        return _too_many(form, TOO_OFTEN, shown, wait)
    return _taken(form, shown, proof)


def _taken(form: ContactForm, shown: ShownForm, proof: str) -> ResponseReturnValue:
    """Take what the form says; who is taken for a robot sees the same page."""
    is_asking = bool(form.consent.data) and not take_try("subscribe")
    if not (form.website.data or is_robot(shown)):
        by_visitor = occasion("visitor", DOOR)
        try:
            with service().transaction() as connection:
                terms = shown_terms(connection, shown) if form.consent.data else None
                if form.consent.data and terms is None:
                    return _mended_page(form, TOO_OLD), 400
                written = _written(form, shown)
                if proof and not proof_of_work.spend(connection, proof, by_visitor.now, written.sent_key):
                    return moment.page(form, "contact.send")
                contact_messages.take(connection, by_visitor.now, written, service().global_limit)
                if terms is not None and is_asking:
                    subscriptions.request(connection, by_visitor, ask_of(form, shown, terms), service().address_limit)
        except TooManyMessages as full:
            wait_s = math.ceil((full.until - by_visitor.now).total_seconds())
            return _too_many(form, TOO_MANY, shown, wait_s)
    return render_template(
        "public/contact_sent.html", email=form.email.data, ticked=form.consent.data, is_asking=is_asking
    )


def _too_many(form: ContactForm, trouble: str, shown: ShownForm, wait_s: int) -> ResponseReturnValue:
    """The page keeps what was written, which may be long."""
    return pages.too_many(wait_s, _mended_page(form, trouble, shown))


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
