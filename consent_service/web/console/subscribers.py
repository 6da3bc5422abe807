"""Subscribers as staff see them: search and list, add somebody who asked, one person's story and evidence.

Nothing here makes anybody active. Contains no rule.
"""

from datetime import date
from typing import Any, cast

from flask import Blueprint, abort, g, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_security import current_user
from flask_wtf import FlaskForm
from wtforms import DateField, SelectField
from wtforms.validators import InputRequired, ValidationError

from consent_service import asks, contact_messages, subscribers, subscriptions
from consent_service import language as languages
from consent_service.asks import Ask, StaffRequest
from consent_service.delivery.suppression import Suppressed
from consent_service.language import LANGUAGES, mark
from consent_service.ledger import evidence
from consent_service.ledger.seal import Payload
from consent_service.notices.statements import CHANNELS, CLAIMS, LEAVING_REASONS, ORIGINS, SHOWN
from consent_service.subscribers import STATUSES
from consent_service.subscriptions import AlreadyActive, Asked, OverLimit
from consent_service.web import evidence_sheet
from consent_service.web.accounts import by_staff
from consent_service.web.console.words import GROUPS
from consent_service.web.forms import EARLIEST, AddressField, LineField, NameField
from consent_service.web.pages import link_to, one_of, searched
from consent_service.web.visitor import service, today

pages = Blueprint("subscribers", __name__, url_prefix="/subscribers")

NO_CHANNEL, NO_DAY = mark("Choose how the person asked."), mark("Give the day on which the person asked.")
REFUSALS = {
    "declined": mark("This person has answered “I did not ask, do not write to me”, so no message was sent."),
    "objected": mark("This person has objected to marketing, so no message was sent."),
}


class AddForm(FlaskForm):
    """Somebody who asked a member of staff, and how they asked."""

    first_name = NameField(mark("Write the first name."))
    last_name = NameField(mark("Write the last name."))
    email = AddressField(mark("Write the e-mail address."))
    language = SelectField(choices=list(LANGUAGES), default="fi", invalid_choice_message=mark("Choose"))
    channel = SelectField(
        choices=["", *CHANNELS], validators=[InputRequired(NO_CHANNEL)], invalid_choice_message=NO_CHANNEL
    )
    occasion = LineField(mark("Describe the occasion in at most 100 characters."))  # named in the mail
    asked_on = DateField(validators=[InputRequired(NO_DAY)], invalid_value_message=NO_DAY)

    def validate_asked_on(self, field: DateField) -> None:
        """Nobody has asked tomorrow, and the year was typed in full."""
        if field.data and field.data < EARLIEST:
            raise ValidationError(NO_DAY)
        if field.data and field.data > today():
            raise ValidationError(mark("Choose today or an earlier day."))


@pages.get("")
def show_all() -> ResponseReturnValue:
    """Search and list subscribers, fifty a page."""
    words, page = searched()
    status = one_of("status", (*STATUSES, subscribers.STALE))
    asked = subscribers.Search(words, status, page, service().controller.purpose_version)
    with service().reading() as connection:
        found = subscribers.search(connection, asked)
    was_erased = request.args.get("did") == "erased"
    return render_template(
        "console/subscribers.html", asked=asked, found=found, groups=GROUPS, statuses=STATUSES, was_erased=was_erased
    )


@pages.get("/add")
def show_add() -> ResponseReturnValue:
    """The form for adding somebody who asked."""
    return _add_page(AddForm())


@pages.post("/add")
def add() -> ResponseReturnValue:
    """Send a confirmation to somebody who asked; they become active only by their own answer."""
    form = AddForm()
    if not form.validate():
        return _add_page(form), 400
    language = languages.language(form.language.data)
    ask = Ask(
        address=form.email.address,
        first_name=form.first_name.data,
        last_name=form.last_name.data,
        language=language.code,
        terms=service().terms(language),
        staff=_staff_request(form),
    )
    with service().transaction() as connection:
        result = subscriptions.add_by_staff(connection, by_staff(), ask, service().address_limit)
    if isinstance(result, Asked):
        g.about = f"subscriber:{result.subscriber_id}"
        return redirect(link_to("console.subscribers.show", subscriber_id=result.subscriber_id, added="1"))
    known = result.subscriber_id if isinstance(result, AlreadyActive) else None
    return _add_page(form, _why_not(result), known), 409


@pages.get("/<uuid:subscriber_id>")
def show(subscriber_id: Any) -> ResponseReturnValue:
    """One person's story, newest first."""
    with service().reading() as connection:
        person = subscribers.find(connection, str(subscriber_id)) or abort(404)
        agreed_version = asks.agreed_version(connection, person)
        forwarding = subscribers.forwarding(connection, person.id)
        written = contact_messages.from_address(connection, person.email_key)
        events = list(evidence.story(connection, service().vault, person.id))
        texts = {event.id: _texts(connection, event.core) for event in events}
    return render_template(
        "console/subscriber.html",
        person=person,
        agreed_version=agreed_version,
        purpose_version=service().controller.purpose_version,
        forwarding=forwarding,
        forwards=service().forwards,
        events=events[::-1],
        texts=texts,
        written=written,
        contact_reasons=contact_messages.REASONS,
        statuses=STATUSES,
        channels=CHANNELS,
        languages=LANGUAGES,
        reasons=LEAVING_REASONS,
        claims=CLAIMS,
        origins=ORIGINS,
        text_names=SHOWN,
        was_added="added" in request.args,
        did=request.args.get("did"),
    )


@pages.get("/<uuid:subscriber_id>/evidence")
def show_evidence(subscriber_id: Any) -> ResponseReturnValue:
    """What can be proved of one person's consent, made for paper."""
    back = link_to("console.subscribers.show", subscriber_id=subscriber_id)
    with service().snapshot() as connection:
        held = evidence_sheet.gather(connection, str(subscriber_id)) or abort(404)
    return evidence_sheet.show(held, back)


def _add_page(form: AddForm, refusal: str | None = None, known: str | None = None) -> str:
    how = {"channels": CHANNELS, "languages": LANGUAGES, "today": today()}
    return render_template("console/add.html", form=form, refusal=refusal, known=known, **how)


def _staff_request(form: AddForm) -> StaffRequest:
    asked_on: date = form.asked_on.data
    return StaffRequest(current_user.id, current_user.name, form.channel.data, form.occasion.data, asked_on)


def _why_not(result: subscriptions.Requested) -> str:
    match result:
        case AlreadyActive():
            return mark("This person is a subscriber already. Nothing was sent.")
        case OverLimit():
            told: str = g.language.say(
                "This address has been written to already. You can send the next message from %(until)s on.",
                until=g.language.moment(result.from_minute),
            )
            return told
        case Suppressed(reason=reason):
            return REFUSALS[reason]
    raise AssertionError(result)


def _texts(connection: Any, core: Payload) -> dict[str, str]:
    hashes = cast(dict[str, str], core.get("texts") or {})
    kept = {kind: evidence.kept_text(connection, sha) for kind, sha in hashes.items()}
    return {kind: text.content.decode() for kind, text in kept.items() if text}
