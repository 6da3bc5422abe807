"""Cookies of the company's web site: the banner its pages load, what visitors choose on it, and the page about both.

A choice comes from a page of one of the company's sites, without a cookie of ours, and is known by the id that the
visitor's browser made. That id is never in an address: to see or erase what is recorded, it is sent. Contains no rule.
"""

import re

from flask import Blueprint, Response, abort, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection
from wtforms import StringField, ValidationError

from consent_service import cookie_choices
from consent_service.cookie_choices import ACTIONS, LAYERS, AlreadyRecorded, Choice
from consent_service.language import CODES, language, mark
from consent_service.ledger import evidence
from consent_service.notices.cookie_notice import CATEGORIES, CHOICE, KIND, LASTS, OPTIONAL
from consent_service.notices.statements import ShownText
from consent_service.web import origins
from consent_service.web.forms import VisitorForm
from consent_service.web.pages import too_many
from consent_service.web.visitor import occasion, service, take_try

LARGEST_CHOICE = 8 * 1024
KEPT_FOR_S = 300  # by browsers: so long may a visitor still be shown what was told before a change
ALLOWED = ("", *OPTIONAL, " ".join(OPTIONAL))
FIELDS = {
    "id": re.compile("[0-9a-f]{32}"),
    "sequence": re.compile("[1-9][0-9]{0,5}"),
    "action": re.compile("|".join(ACTIONS)),
    "allowed": re.compile("|".join(ALLOWED)),
    "layer": re.compile("|".join(LAYERS)),
    "gpc": re.compile("[01]"),
    "version": re.compile("[0-9a-f]{64}"),
}
BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "Chrome": "Chrome",
    "CriOS": "Chrome",
    "Safari": "Safari",
}
HOW = {
    "all": mark("with the button “Accept all”"),
    "necessary": mark("with the button “Only necessary”"),
    "chosen": mark("by choosing yourself"),
    "gpc": mark("by your browser, which asks not to be tracked (Global Privacy Control)"),
}
NOTHING_KNOWN = mark("Nothing is recorded under this number. Check it; or it has been erased already.")

cookies = Blueprint("cookies", __name__)


class _Number:
    def __call__(self, form: VisitorForm, field: StringField) -> None:
        field.data = "".join((field.data or "").split()).lower()
        if not FIELDS["id"].fullmatch(field.data):
            raise ValidationError(mark("Write the number of your choice: 32 digits and letters, as the settings show."))


class ChoiceForm(VisitorForm):
    """The number of a choice, which whoever made it has in their browser; it is the proof."""

    choice = StringField(validators=[_Number()])


@cookies.get("/cookie-banner.js")
def show_banner() -> ResponseReturnValue:
    """The script for the company's pages, with today's texts in it."""
    given = service().cookie_notice(g.language).given() | {
        "to": service().settings.public_url + url_for("cookies.take_choice"),
        "page": service().settings.public_url + url_for("cookies.show", lang=g.language.code),
        "name": CHOICE,
        "seconds": int(LASTS.total_seconds()),
        "accent": service().controller.accent,
    }
    response = Response(render_template("site/cookie-banner.js", given=given), mimetype="text/javascript")
    response.headers["Cache-Control"] = f"public, max-age={KEPT_FOR_S}"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.vary.add("Accept-Language")
    response.add_etag()
    return response.make_conditional(request)


@cookies.post("/cookie-choices")
def take_choice() -> ResponseReturnValue:
    """Record what a visitor of one of the company's sites chose; twice is as good as once."""
    host = origins.host() or abort(403)
    status, headers = _take(host)
    return origins.readable_there(Response(status=status, headers=headers, mimetype="text/plain"))


@cookies.get("/cookies")
def show() -> ResponseReturnValue:
    """What is used on the company's site and why, and a form for the number of a choice."""
    return _page(ChoiceForm())


@cookies.post("/cookies")
def show_choice() -> ResponseReturnValue:
    """What is recorded under a number; changes nothing."""
    form = ChoiceForm()
    if not form.validate():
        return _page(form), 400
    if wait := take_try("cookies"):
        return too_many(wait)
    with service().reading() as connection:
        found = cookie_choices.find(connection, form.choice.data)
    if not found:
        form.choice.errors = [NOTHING_KNOWN]
        return _page(form), 400
    names = {key: name for key, (name, _) in CATEGORIES.items()}
    return render_template("public/cookie_choice.html", number=form.choice.data, found=found, names=names, how=HOW)


@cookies.post("/cookies/erase")
def erase() -> ResponseReturnValue:
    """Erase what is recorded under a number; who presses twice sees the same page."""
    form = ChoiceForm()
    if not form.validate():
        return _page(form), 400
    if wait := take_try("cookies"):
        return too_many(wait)
    with service().transaction() as connection:
        by_visitor = occasion("visitor", "cookies")
        cookie_choices.erase(connection, by_visitor, form.choice.data, by_visitor.now)
    return render_template("public/cookie_erased.html")


def _page(form: ChoiceForm) -> str:
    return render_template(
        "public/cookies.html", form=form, notice=service().cookie_notice(g.language), lasts=LASTS.days
    )


def _take(host: str) -> tuple[int, dict[str, str]]:
    """The status to answer a choice with: 204 recorded, 409 made before words nobody knows, or refused."""
    if (request.content_length or 0) > LARGEST_CHOICE:
        return 413, {}
    choice = _read(host)
    if choice is None:
        return 400, {}
    if wait := take_try("cookie-choices"):
        return 429, {"Retry-After": str(wait)}
    try:
        with service().transaction() as connection:
            text = _shown(connection, request.form["version"])
            if text is None:
                return 409, {}
            cookie_choices.record(connection, occasion("visitor", "banner"), choice, text)
    except AlreadyRecorded:
        pass
    return 204, {}


def _read(host: str) -> Choice | None:
    """The choice in the form, or None when it is none of our banner: nothing may be missing, unknown or out of form."""
    form = request.form
    if set(form) != set(FIELDS) or not all(form_of.fullmatch(form[name]) for name, form_of in FIELDS.items()):
        return None
    choice = Choice(
        form["id"],
        int(form["sequence"]),
        form["action"],
        tuple(form["allowed"].split()),
        form["layer"],
        form["gpc"] == "1",
        host,
        _browser(),
    )
    return choice if cookie_choices.means_something(choice) else None


def _browser() -> str:
    agent = request.user_agent.string
    return next((name for sign, name in BROWSERS.items() if sign in agent), "other")


def _shown(connection: Connection, version: str) -> ShownText | None:
    """The text a choice was made before: today's in some language, or one that somebody chose before earlier."""
    today = (service().cookie_notice(language(code)).shown for code in CODES)
    found = next((text for text in today if text.sha256 == version), None) or evidence.kept_text(connection, version)
    return found if found and found.kind == KIND else None
