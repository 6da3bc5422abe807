"""Pages for people: subscribe, confirm, decline, unsubscribe, come back.

GET shows, POST acts, and a repeated POST shows the same page. The answer is the same whatever state an address is in.
No cookies: what stands in for one is a signed token that proves which text the form showed. Contains no rule.
"""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, g, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection, Row
from wtforms import RadioField

from consent_service import asks, subscriptions
from consent_service import service as services
from consent_service.address_changes import MOVE
from consent_service.asks import LinkExpired
from consent_service.corrections import AddressTaken
from consent_service.language import mark
from consent_service.limits import proof_of_work
from consent_service.notices import statements
from consent_service.notices.statements import LEAVING_REASONS, ConsentText, ShownText
from consent_service.subscriptions import AlreadyActive, OverLimit
from consent_service.web import moment, subscribing
from consent_service.web.filled import filled_page
from consent_service.web.forms import VisitorForm
from consent_service.web.pages import link_to, too_many
from consent_service.web.rendered import (
    TOO_OLD,
    AddressForm,
    ask_of,
    consent_and_token,
    is_robot,
    shown_button,
    shown_form,
    shown_terms,
    text_of_button,
)
from consent_service.web.subscribing import SubscribeForm
from consent_service.web.visitor import has_to_wait, occasion, service, take_try

public = Blueprint("public", __name__)

# The newsletter's text, and the one about tracking if it was ticked.
AskedTexts = tuple[ConsentText, ConsentText | None]


class ReasonForm(VisitorForm):
    """Why somebody left, if they care to say."""

    reason = RadioField(choices=list(LEAVING_REASONS))


@public.get("/subscribe")
def show_subscribe() -> ResponseReturnValue:
    """The subscription form."""
    return subscribing.show()


@public.post("/subscribe")
def subscribe() -> ResponseReturnValue:
    """Take a subscription: the same answer whatever the address's state."""
    form = SubscribeForm()
    shown, trouble = shown_form(form)
    if subscribing.is_first_step(form):
        return subscribing.last_step(form)
    if not form.validate() or shown is None:
        return subscribing.refused(form, trouble, shown)
    if wait := has_to_wait("subscribe"):
        return subscribing.too_many(wait)
    if (proof := moment.count(form, proof_of_work.SUBSCRIBE)) is None:
        return subscribing.one_moment(form)
    if wait := take_try("subscribe"):
        return subscribing.too_many(wait)
    if not (form.website.data or is_robot(shown)):
        with service().transaction() as connection:
            terms = shown_terms(connection, shown, with_tracking=form.tracking.data)
            if terms is None:
                return subscribing.refused(form, TOO_OLD)
            by_form = occasion("visitor", "form")
            pressed = f"{form.csrf_token.data}\n{form.email.address.key}"
            if proof and not proof_of_work.spend(connection, proof, by_form.now, pressed):
                return subscribing.one_moment(form)
            subscriptions.request(connection, by_form, ask_of(form, shown, terms), service().address_limit)
    return subscribing.sent(form)


@public.post("/subscribe/correct")
def correct() -> ResponseReturnValue:
    """The form with what was written, for somebody who sees that the address was wrong; nothing is stored."""
    form = SubscribeForm()
    shown, trouble = shown_form(form)
    return subscribing.mended(form, trouble, shown), 200 if shown else 400


@public.get("/confirm/<token>")
def show_confirm(token: str) -> ResponseReturnValue:
    """The page with the button; opening it, by a person or a mail scanner, changes nothing."""
    with service().reading() as connection:
        ask, person = asks.find(connection, service().tokens.read_confirmation(token))
        asked = _asked_texts(connection, ask)
    standing = asks.standing(ask, person, services.now())
    if standing == asks.CONFIRMED:
        return _confirmed_page(person.id, token, ask)
    if standing == asks.DECLINED:
        return _declined_page(token, ask)
    if standing == asks.EXPIRED:
        return _expired_page(token, ask)
    if standing == asks.CLOSED:
        raise asks.LinkDead
    return _confirm_page(token, ask, person, asked)


@public.post("/confirm/<token>")
def confirm(token: str) -> ResponseReturnValue:
    """The person's own yes to the page they saw."""
    text = text_of_button()
    confirmation_id = service().tokens.read_confirmation(token)
    tracks, by_link = request.form.get("tracking") == "yes", occasion("subscriber", "link")
    try:
        with service().transaction() as connection:
            seen = ask, person = asks.find(connection, confirmation_id)
            asked = _asked_texts(connection, ask)
            page = _confirm_text(ask, asked)
            is_open = asks.standing(ask, person, by_link.now) == asks.OPEN
            if is_open and text not in (None, page.sha256):
                return _confirm_page(token, ask, person, asked)  # its words changed since: they are shown again
            subscriber_id = subscriptions.confirm(connection, by_link, seen, page, tracks=tracks)
    except LinkExpired:
        return _expired_page(token, ask)
    except AddressTaken:
        return render_template("public/address_taken.html"), 409
    return _confirmed_page(subscriber_id, token, ask)


@public.post("/confirm/<token>/decline")
def decline(token: str) -> ResponseReturnValue:
    """The person did not ask; write to them no more."""
    confirmation_id = service().tokens.read_confirmation(token)
    with service().transaction() as connection:
        subscriptions.decline(connection, occasion("subscriber", "link"), confirmation_id)
        ask, _ = asks.find(connection, confirmation_id)
    return _declined_page(token, ask)


@public.post("/confirm/<token>/again")
def ask_again_after_confirmation(token: str) -> ResponseReturnValue:
    """A new confirmation for somebody whose link expired or who declined by mistake."""
    with service().reading() as connection:
        ask, person = asks.find(connection, service().tokens.read_confirmation(token))
    if ask.source == MOVE:
        raise asks.LinkDead  # the new address is nobody's yet: only the subscriber may have it asked again
    return _ask_again(person.id, "confirm-link", lambda trouble: _expired_page(token, ask, trouble))


@public.get("/unsubscribe/<token>")
def show_unsubscribe(token: str) -> ResponseReturnValue:
    """The page with the button; opening it changes nothing."""
    service().tokens.read_unsubscribing(token)
    return render_template("public/unsubscribe.html", token=token)


@public.post("/unsubscribe/<token>")
def unsubscribe(token: str) -> ResponseReturnValue:
    """Leave at once; also the one-click address of RFC 8058: no cookie, no redirect, 200 again on repeat."""
    door = "one-click" if request.form.get("List-Unsubscribe") == "One-Click" else "link"
    with service().transaction() as connection:
        subscriber_id = service().tokens.read_unsubscribing(token)
        subscriptions.unsubscribe(connection, occasion("subscriber", door), subscriber_id)
    return left_page(token)


@public.post("/unsubscribe/<token>/undo")
def undo_unsubscribe(token: str) -> ResponseReturnValue:
    """Come back: a new ask and a new confirmation, as for anybody."""
    subscriber_id = service().tokens.read_unsubscribing(token)
    return _ask_again(subscriber_id, "link", lambda trouble: left_page(token, again_trouble=trouble))


@public.post("/unsubscribe/<token>/reason")
def explain(token: str) -> ResponseReturnValue:
    """Say why, afterwards and only if one likes to."""
    subscriber_id = service().tokens.read_unsubscribing(token)
    form = ReasonForm()
    if not form.validate():
        return left_page(token, mark("Choose one of the reasons, or leave the page as it is.")), 400
    with service().transaction() as connection:
        subscriptions.explain(connection, occasion("subscriber", "link"), subscriber_id, form.reason.data)
    return render_template("public/explained.html")


@public.get("/unsubscribe")
def show_unsubscribe_by_address() -> ResponseReturnValue:
    """A form for somebody who has no link at hand."""
    return _address_page(AddressForm())


@public.post("/unsubscribe")
def unsubscribe_by_address() -> ResponseReturnValue:
    """Mail the link to the address; typing one never takes anybody off."""
    form = AddressForm()
    shown, trouble = shown_form(form)
    if not form.validate() or shown is None:
        return _address_page(form, trouble), 400
    if wait := take_try("unsubscribe"):
        return too_many(wait, again=link_to("public.show_unsubscribe_by_address"))
    with service().transaction() as connection:
        address, allowed = form.email.address, service().address_limit
        subscriptions.request_unsubscribe_link(connection, occasion("visitor", "form"), address, allowed)
    return render_template("public/link_sent.html", email=form.email.data)


def _confirm_text(ask: Row[Any], asked: AskedTexts) -> ShownText:
    return statements.confirm(g.language, *asked, is_move=ask.source == MOVE)


def _confirm_page(token: str, ask: Row[Any], person: Row[Any], asked: AskedTexts) -> str:
    page, (consent, tracking) = _confirm_text(ask, asked), asked
    form_token = service().tokens.for_form(page.sha256, page.language)
    name = "move.html" if ask.source == MOVE else "confirm.html"
    shows = {"consent": consent, "tracking": tracking, "is_renewal": person.status == "active"}
    return filled_page(f"public/{name}", {"token": token, "form_token": form_token}, **shows)


def _declined_page(token: str, ask: Row[Any]) -> str:
    is_move = ask.source == MOVE
    return render_template("public/declined.html", token=token, is_move=is_move, **consent_and_token())


def _address_page(form: AddressForm, trouble: str | None = None) -> str:
    token = service().tokens.for_form("unsubscribe", g.language.code)
    return render_template("public/unsubscribe_by_address.html", form=form, trouble=trouble, form_token=token)


def _confirmed_page(subscriber_id: str, token: str | None = None, ask: Row[Any] | None = None) -> str:
    unsubscribe_token = service().tokens.for_unsubscribing(subscriber_id)
    is_move = ask is not None and ask.source == MOVE
    own = {"unsubscribe_token": unsubscribe_token} | ({"token": token} if token else {})
    return filled_page("public/confirmed.html", own, is_move=is_move, is_new=token is not None)


def _expired_page(token: str, ask: Row[Any], trouble: str | None = None) -> ResponseReturnValue:
    if ask.source == MOVE:
        return render_template("public/move_expired.html"), 410
    return render_template("public/expired.html", token=token, again_trouble=trouble, **consent_and_token()), 410


def left_page(token: str, trouble: str | None = None, again_trouble: str | None = None) -> str:
    """What somebody sees who has left: that they have, the way back, and a question they may leave unanswered."""
    return render_template(
        "public/left.html",
        token=token,
        reasons=LEAVING_REASONS,
        trouble=trouble,
        again_trouble=again_trouble,
        **consent_and_token(),
    )


def _ask_again(subscriber_id: str, door: str, show_again: Callable[[str], ResponseReturnValue]) -> ResponseReturnValue:
    shown = shown_button()
    if shown is None:
        return show_again(TOO_OLD)
    with service().transaction() as connection:
        terms = shown_terms(connection, shown)
        if terms is None:
            return show_again(TOO_OLD)
        by_link, allowed = occasion("subscriber", door), service().address_limit
        result = subscriptions.ask_again(connection, by_link, subscriber_id, terms, allowed)
    if isinstance(result, AlreadyActive):
        return _confirmed_page(subscriber_id)
    over = result if isinstance(result, OverLimit) else None
    too_soon = over is not None and over.until <= services.now() + asks.ASK_GAP.span
    return render_template("public/sent_again.html", too_soon=too_soon, until=over and over.from_minute)


def _asked_texts(connection: Connection, ask: Row[Any]) -> AskedTexts:
    """The texts a person was asked with, which are what they confirm, whatever the texts of today are."""
    find, tracking = service().consents.find, ask.tracking_sha256
    return find(connection, ask.statement_sha256), find(connection, tracking) if tracking else None
