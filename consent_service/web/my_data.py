"""The person's own page: by an address typed comes a mailed link; behind it all that is held of them, and their acts.

GET shows, POST acts, and every act ends on a page that says what happened and what follows. The answer to an address
is the same whether or not it is known. The link in the mail is the proof; no cookie is. Contains no rule.
"""

import math
from typing import Any

from flask import Blueprint, Response, abort, g, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection, Row

from consent_service import asks, corrections, erasure, retention, subscriptions, tracking
from consent_service import service as services
from consent_service.activecampaign import departures, held_there, holdings
from consent_service.asks import LinkDead
from consent_service.contact_messages import REASONS
from consent_service.erasure import BY_PERSON
from consent_service.language import HELSINKI, mark
from consent_service.ledger import receipt
from consent_service.notices.statements import CHANNELS, CLAIMS, LEAVING_REASONS
from consent_service.rights import data_package, personal_data, request_rows, request_tasks
from consent_service.tokens import MyDataLinkExpired
from consent_service.web import evidence_sheet
from consent_service.web.evidence import hand_over
from consent_service.web.forms import NameField, VisitorForm
from consent_service.web.pages import link_to, too_many
from consent_service.web.public import left_page
from consent_service.web.rendered import (
    TOO_OLD,
    AddressForm,
    consent_and_token,
    is_robot,
    shown_button,
    shown_form,
    shown_terms,
    shown_tracking,
    tracking_and_token,
)
from consent_service.web.visitor import occasion, service, take_try

my_data = Blueprint("my_data", __name__, url_prefix="/my-data")

WORDS_CHANGED = mark("These words had been open for too long. Read them again and choose anew.")
SAME_ADDRESS = mark("This is the address you have now. Write the new one.")

NAMES_SPENT = mark("You have corrected your name several times today. Try again tomorrow.")


class NameForm(VisitorForm):
    """The name as the person says it is."""

    first_name = NameField(mark("Write your first name."))
    last_name = NameField(mark("Write your last name."))


@my_data.get("")
def show_request() -> ResponseReturnValue:
    """A form for the address whose data somebody wants to see."""
    return _request_page(AddressForm())


@my_data.post("")
def send_link() -> ResponseReturnValue:
    """Mail the link to the address, if it is known: the same page either way."""
    form = AddressForm()
    shown, trouble = shown_form(form)
    if not form.validate() or shown is None:
        return _request_page(form, trouble), 400
    if wait := take_try("my-data"):
        return too_many(wait, again=link_to("my_data.show_request"))
    if not is_robot(shown):
        with service().transaction() as connection:
            address, allowed = form.email.address, service().address_limit
            personal_data.request_link(connection, occasion("visitor", "form"), address, allowed)
    return render_template("my_data/sent.html", email=form.email.data)


@my_data.get("/<token>")
def show(token: str) -> ResponseReturnValue:
    """Everything held of the person, and what they can do about it."""
    return _own_page(token)


def _own_page(token: str, trouble: str | None = None) -> str:
    link = service().tokens.read_my_data(token)
    with service().snapshot() as connection:
        person = personal_data.find_person(connection, service().vault, link)
        held = personal_data.gather(connection, service().vault, person.id, services.now()) or abort(404)
    return render_template(
        "my_data/show.html",
        token=token,
        held=held,
        until=link.until,
        rules=retention.RULES,
        channels=CHANNELS,
        reasons=LEAVING_REASONS,
        contact_reasons=REASONS,
        request_kinds=request_tasks.KINDS,
        claims=CLAIMS,
        there=held.there.state(forwards=service().forwards),
        parts=holdings.TITLES,
        why_missing=holdings.REASONS,
        trouble=trouble,
        **tracking_and_token(),
    )


@my_data.post("/<token>/again")
def send_again(token: str) -> ResponseReturnValue:
    """Mail a new link to whom an expired one belonged."""
    if wait := take_try("my-data"):
        return too_many(wait)
    with service().transaction() as connection:
        person = _person(connection, token, even_expired=True)
        by_link, address = occasion("subscriber", "link"), asks.address_of(person)
        personal_data.request_link(connection, by_link, address, service().address_limit)
    return render_template("my_data/sent.html", email=None)


@my_data.get("/<token>/name")
def show_name(token: str) -> ResponseReturnValue:
    """The name as it is held, to be set right."""
    with service().reading() as connection:
        person = _person(connection, token)
    return render_template("my_data/name.html", token=token, form=NameForm(obj=person))


@my_data.post("/<token>/name")
def correct_name(token: str) -> ResponseReturnValue:
    """Set the name right."""
    form = NameForm()
    with service().reading() as connection:
        person = _person(connection, token)
    if not form.validate():
        return render_template("my_data/name.html", token=token, form=form), 400
    if wait := take_try("my-data"):
        return too_many(wait)
    with service().transaction() as connection:
        by_person, names = occasion("subscriber", "my-data"), (form.first_name.data, form.last_name.data)
        free_at = corrections.correct_name(connection, by_person, _person(connection, token).id, *names)
    if free_at is not None:
        form.first_name.errors = [NAMES_SPENT]
        wait_s = math.ceil((free_at - by_person.now).total_seconds())
        return too_many(wait_s, render_template("my_data/name.html", token=token, form=form))
    return render_template("my_data/name_done.html", token=token, form=form, is_active=person.status == "active")


@my_data.get("/<token>/address")
def show_address(token: str) -> ResponseReturnValue:
    """A form for a new address."""
    with service().reading() as connection:
        person = _person(connection, token)
    return _address_page(token, person, AddressForm())


@my_data.post("/<token>/address")
def change_address(token: str) -> ResponseReturnValue:
    """Ask the owner of the new address: the same page whatever the state of that address."""
    form = AddressForm()
    shown, trouble = shown_form(form)
    with service().reading() as connection:
        person = _person(connection, token)
    if person.status != "active":
        return _address_page(token, person, form), 409
    if form.validate() and form.email.address.key == person.email_key:
        form.email.errors = [SAME_ADDRESS]
    if form.errors or shown is None:
        return _address_page(token, person, form, trouble), 400
    if wait := take_try("my-data"):
        return too_many(wait)
    with service().transaction() as connection:
        terms = shown_terms(connection, shown)
        if terms is None:
            return _address_page(token, person, form, TOO_OLD), 400
        by_person, allowed = occasion("subscriber", "my-data"), service().address_limit
        corrections.request_move(connection, by_person, person.id, form.email.address, terms, allowed)
    return render_template("my_data/address_sent.html", token=token, email=form.email.data, held=person)


@my_data.post("/<token>/address/cancel")
def cancel_address(token: str) -> ResponseReturnValue:
    """Take a change of address back before it is confirmed."""
    with service().transaction() as connection:
        person = _person(connection, token)
        corrections.cancel_move(connection, occasion("subscriber", "my-data"), person.id)
    return render_template("my_data/address_kept.html", token=token, held=person)


@my_data.post("/<token>/stop")
def stop(token: str) -> ResponseReturnValue:
    """Leave, as with the link at the end of every newsletter."""
    with service().transaction() as connection:
        person = _person(connection, token)
        subscriptions.unsubscribe(connection, occasion("subscriber", "my-data"), person.id)
    return left_page(service().tokens.for_unsubscribing(person.id))


@my_data.post("/<token>/tracking/allow")
def allow_tracking(token: str) -> ResponseReturnValue:
    """Permit to be followed while reading, with the words that stood beside the button."""
    if wait := take_try("my-data"):
        return too_many(wait)
    shown = shown_button()
    with service().transaction() as connection:
        person = _person(connection, token)
        text = shown_tracking(connection, shown) if shown else None
        if text is not None and tracking.allow(connection, occasion("subscriber", "my-data"), person.id, text):
            return render_template("my_data/tracking_done.html", token=token, is_allowed=True)
    return _own_page(token, WORDS_CHANGED), 400


@my_data.post("/<token>/tracking/stop")
def stop_tracking(token: str) -> ResponseReturnValue:
    """Take that permission back; the newsletter goes on."""
    with service().transaction() as connection:
        person = _person(connection, token)
        tracking.withdraw(connection, occasion("subscriber", "my-data"), person.id)
    return render_template(
        "my_data/tracking_done.html", token=token, is_allowed=False, is_active=person.status == "active"
    )


@my_data.get("/<token>/download")
def download(token: str) -> ResponseReturnValue:
    """Everything in one file to take along."""
    if wait := take_try("my-data-file"):
        return too_many(wait)
    with service().snapshot() as connection:
        person, keys = _person(connection, token), service().vault
        held = personal_data.gather(connection, keys, person.id, services.now(), with_receipts=True) or abort(404)
    response = Response(data_package.package(held, service().origin()), mimetype="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="{data_package.name(held)}"'
    return response


@my_data.post("/<token>/there")
def fetch_there(token: str) -> ResponseReturnValue:
    """Have fetched what ActiveCampaign holds about the person."""
    if wait := take_try("my-data-there"):
        return too_many(wait)
    with service().transaction() as connection:
        person = _person(connection, token)
        personal_data.ask_there(connection, occasion("subscriber", "my-data"), person.id)
        there = held_there.find(connection, service().vault, person.id)
    state = there.state(forwards=service().forwards)
    return render_template("my_data/there.html", token=token, there=there, state=state)


@my_data.get("/<token>/receipt")
def download_receipt(token: str) -> ResponseReturnValue:
    """The receipt of what the person agreed to last, for whoever wants to check it."""
    with service().snapshot() as connection:
        person, keys = _person(connection, token), service().vault
        held = personal_data.gather(connection, keys, person.id, services.now()) or abort(404)
        event_id = held.agreed.used_event_id if held.agreed else None
        file = receipt.compose(connection, keys, event_id) if event_id else None
    return hand_over(file, event_id or abort(404), link_to("my_data.download_receipt", token=token))


@my_data.get("/<token>/evidence")
def show_evidence(token: str) -> ResponseReturnValue:
    """What can be proved of the person's consent, made for paper."""
    if wait := take_try("my-data-file"):
        return too_many(wait)
    with service().snapshot() as connection:
        held = evidence_sheet.gather(connection, _person(connection, token).id) or abort(404)
    return evidence_sheet.show(held, link_to("my_data.show", token=token))


@my_data.get("/<token>/object")
def show_object(token: str) -> ResponseReturnValue:
    """What objecting means, and the button."""
    with service().reading() as connection:
        person = _person(connection, token)
    return render_template("my_data/object.html", token=token, held=person)


@my_data.post("/<token>/object")
def object_for_good(token: str) -> ResponseReturnValue:
    """Write to the person no more, for good."""
    with service().transaction() as connection:
        person = _person(connection, token)
        if subscriptions.object_for_good(connection, occasion("subscriber", "my-data"), person.id):
            _count(connection, request_tasks.OBJECT, person)
    return render_template("my_data/object_done.html", token=token)


@my_data.get("/<token>/erase")
def show_erase(token: str) -> ResponseReturnValue:
    """What erasing means, what stays, and the button."""
    with service().reading() as connection:
        person = _person(connection, token)
        keys = departures.staying(connection, service().vault, person.email_key, services.now())
    stays = [retention.BY_KEY[key] for key in keys]
    return render_template("my_data/erase.html", token=token, stays=stays)


@my_data.post("/<token>/erase")
def erase(token: str) -> ResponseReturnValue:
    """Erase the person; who presses twice sees the same page."""
    with service().transaction() as connection:
        try:
            person = _person(connection, token)
        except LinkDead:
            if not erasure.is_done(connection, service().tokens.read_my_data(token).subscriber_id):
                raise
            return render_template("my_data/erased.html")
        held = erasure.erase(connection, occasion("subscriber", "my-data"), person.id, BY_PERSON, tell=True)
        if held is None:
            _count(connection, request_tasks.ERASE, person)
    if held is not None:
        return render_template("my_data/held.html", token=token, hold=held), 409
    return render_template("my_data/erased.html")


@my_data.errorhandler(MyDataLinkExpired)
def expired(_: MyDataLinkExpired) -> ResponseReturnValue:
    """The link was good for an hour; a new one is one press away."""
    return render_template("my_data/expired.html", token=(request.view_args or {})["token"]), 410


def _person(connection: Connection, token: str, *, even_expired: bool = False) -> Row[Any]:
    """Whose page this is; raises what the one page for dead links, or the one for expired ones, is shown for."""
    try:
        link = service().tokens.read_my_data(token)
    except MyDataLinkExpired as found:
        if not even_expired:
            raise
        link = found.link
    return personal_data.find_person(connection, service().vault, link)


def _count(connection: Connection, kind: str, person: Row[Any]) -> None:
    """Count it among the requests of the year (GDPR article 5(2)), without saying whose it was."""
    now = services.now()
    request_rows.note_page(connection, now, now.astimezone(HELSINKI).date(), kind, person.language)


def _request_page(form: AddressForm, trouble: str | None = None) -> str:
    token = service().tokens.for_form("my-data", g.language.code)
    return render_template("my_data/request.html", form=form, trouble=trouble, form_token=token)


def _address_page(token: str, person: Row[Any], form: AddressForm, trouble: str | None = None) -> str:
    name = "address.html" if person.status == "active" else "address_passive.html"
    return render_template(
        f"my_data/{name}", token=token, held=person, form=form, trouble=trouble, **consent_and_token()
    )
