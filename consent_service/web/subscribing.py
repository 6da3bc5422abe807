"""The subscription form and what answers it: a page of ours, or JSON for the script that shows it on a company's site.

Both say the same words, and both carry the render token, which proves which text was shown and through which site.
Contains no rule.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Response, g, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, StringField
from wtforms.validators import DataRequired

from consent_service import service as services
from consent_service.language import mark
from consent_service.notices.statements import ConsentText
from consent_service.tokens import ShownForm
from consent_service.web import moment, origins, pages
from consent_service.web.filled import filled_page
from consent_service.web.forms import AddressField, NameField
from consent_service.web.pages import breakable, link_to
from consent_service.web.rendered import RenderedForm, handed_back_at
from consent_service.web.visitor import service

JSON = "application/json"


class SubscribeForm(RenderedForm):
    """The fields of the subscription form: `website` for robots only, `proof` while unusually many are sent."""

    first_name = NameField(mark("Write your first name."))
    last_name = NameField(mark("Write your last name."))
    email = AddressField()
    consent = BooleanField(validators=[DataRequired(mark("Tick the box if you want the newsletter."))])
    tracking = BooleanField()
    website = StringField()
    proof = StringField()


def show() -> str:
    """The empty form."""
    asked = _asked_today()
    return filled_page("public/subscribe.html", {"form_token": _new_token(asked)}, SubscribeForm, **asked)


def embedded(site: str | None, shown_at: datetime | None = None) -> dict[str, object]:
    """The empty form as the script on a site shows it: its words, where it is sent, and its render token."""
    say, code, words = g.language.say, g.language.code, _asked_today()
    return {
        "language": code,
        "title": title(),
        "action": f"{service().settings.public_url}/subscribe?lang={code}",
        "token": _new_token(words, site, shown_at),
        "first_name": say("First name"),
        "last_name": say("Last name"),
        "email": say("E-mail address"),
        "website": say("Leave this empty"),
        "consent": words["consent"].sentence,
        "privacy": words["consent"].privacy,
        "statement": say("Read the privacy statement"),
        "elsewhere": say("opens in a new window"),
        "statement_url": f"{service().settings.public_url}/privacy?lang={code}",
        "tracking": words["tracking"].sentence,
        "why": words["tracking"].privacy,
        "button": say("Subscribe"),
        "sending": say("Sending your details …"),
        "failed": say("Your details could not be sent. They are still here: try again in a moment."),
    }


def title() -> str:
    """What the form is for."""
    possessive = service().controller.possessive[g.language.code]
    said: str = g.language.say("Subscribe to %(possessive)s newsletter", possessive=possessive)
    return said


def is_first_step(form: SubscribeForm) -> bool:
    """Whether this comes from a plain form on a site of ours, which has fields only and shows no text of ours."""
    return not form.csrf_token.data and origins.site() is not None and not _is_for_script()


def last_step(form: SubscribeForm) -> str:
    """The form with what was written elsewhere, and what is still to be read and ticked.

    Nothing has gone wrong, so nothing is said to be: no error, and the status of a page that was asked for.
    """
    return mended(form, is_last_step=True)


def refused(form: SubscribeForm, trouble: str | None, shown: ShownForm | None = None) -> ResponseReturnValue:
    """What somebody gets whose form could not be taken: everything they wrote, and what to do about it."""
    if not _is_for_script():
        return mended(form, trouble, shown), 400
    told = {name: messages[0] for name, messages in form.errors.items()} | ({"form": trouble} if trouble else {})
    answer: dict[str, object] = {"errors": {name: g.language.say(message) for name, message in told.items()}}
    if not _shows_today(shown):
        answer["form"] = embedded(_site(shown), handed_back_at(form))
    return _for_script(answer), 400


def mended(
    form: SubscribeForm, trouble: str | None = None, shown: ShownForm | None = None, *, is_last_step: bool = False
) -> str:
    """The form's page with what was written; a box stays ticked only beside the words it was ticked for."""
    token, asked = form.csrf_token.data or "", _asked_today()
    if not _shows_today(shown):
        form.consent.data = form.tracking.data = False  # if ticked, then beside other words, or nobody knows which
        token = _new_token(asked, _site(shown), handed_back_at(form))
    how = {"trouble": trouble, "is_last_step": is_last_step}
    return render_template("public/subscribe.html", form=form, form_token=token, **how, **asked)


def one_moment(form: SubscribeForm) -> ResponseReturnValue:
    """What somebody gets whose form needs a proof, which nothing is wrong with either."""
    if not _is_for_script():
        return moment.page(form, "public.subscribe")
    words = g.language.say("Your browser is solving a small task, which takes a few seconds …")
    return _for_script({"moment": {"task": service().proof_of_work.task(services.now()), "words": words}})


def too_many(wait_s: int) -> ResponseReturnValue:
    """What somebody gets whose network has asked too often."""
    if not _is_for_script():
        return pages.too_many(wait_s, again=link_to("public.show_subscribe"))
    why = g.language.say("There have been many tries from your network in a short time, so we paused for a moment.")
    return pages.too_many(wait_s, _for_script({"errors": {"form": f"{why} {pages.wait_words(wait_s)}"}}))


def sent(form: SubscribeForm) -> ResponseReturnValue:
    """What everybody gets whose form was taken, whatever the state of the address."""
    again_at, is_again = g.language.moment(services.now()), "again" in request.form
    if _is_for_script():
        return _for_script(_sent_words(form, again_at if is_again else None))
    own = {
        "form_token": form.csrf_token.data,
        "first_name": form.first_name.data,
        "last_name": form.last_name.data,
        "email": form.email.data,
        "address": breakable(form.email.data),
        "again_at": again_at,
    }
    return filled_page("public/sent.html", own, tracking=bool(form.tracking.data), is_again=is_again)


def _sent_words(form: SubscribeForm, again_at: str | None) -> dict[str, Any]:
    say, (name, address) = g.language.say, pages.sender()
    limits = say(
        "One address gets a message every five minutes at most, and a few a day. Only the link in the newest one works."
    )
    return {
        "title": say("Check your e-mail"),
        "notice": f"{say('We took your request again on %(at)s.', at=again_at)} {limits}" if again_at else None,
        "lead": say("We are sending a message to this address:"),
        "address": form.email.data,
        "steps": [
            f"{say('The sender of the message is %(name)s:', name=name)} {address}",
            say("If you cannot see it in a few minutes, look in your junk folder too."),
            say(
                "Open the link in the message and then press the button on the page. "
                "Only then do you get the newsletter."
            ),
        ],
        "late": say("No message after five minutes?"),
        "advice": say("Check that the address is right, or let us send the message again."),
        "again": say("Send again"),
        "correct": say("The address was wrong"),
    }


def _is_for_script() -> bool:
    return JSON in request.headers.get("Accept", "")  # no browser asks for it when a form of a page is sent


def _for_script(answer: dict[str, object]) -> Response:
    return origins.readable_there(jsonify(answer))


def _asked_today() -> dict[str, ConsentText]:
    current, language = service(), g.language
    return {"consent": current.consent_text(language), "tracking": current.tracking_text(language)}


def _words(asked: Mapping[str, ConsentText]) -> tuple[str, str, str]:
    """What the form's token has to prove: the text beside its box, in which language, and the one beside the other."""
    consent, tracking = asked["consent"], asked["tracking"]
    return consent.shown.sha256, consent.language, tracking.shown.sha256


def _shows_today(shown: ShownForm | None) -> bool:
    """Whether somebody has had today's words before them all the while."""
    return shown is not None and (shown.statement, shown.language, shown.tracking) == _words(_asked_today())


def _new_token(asked: Mapping[str, ConsentText], site: str | None = None, shown_at: datetime | None = None) -> str:
    return service().tokens.for_form(*_words(asked), site, shown_at=shown_at)


def _site(shown: ShownForm | None) -> str | None:
    return shown.site if shown else origins.host()
