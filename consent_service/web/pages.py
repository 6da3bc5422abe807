"""What every page shares: the words of its language, links that keep it, the company's looks, and error pages.

Templates get what they need from here by name. Has no page of its own but those of errors, and no rule.
"""

from collections.abc import Collection, Sequence
from datetime import date
from email.utils import parseaddr
from functools import cache
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Flask, Response, abort, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from jinja2 import Undefined
from markupsafe import Markup
from sqlalchemy import Row

from consent_service import language as languages
from consent_service import service as services
from consent_service.controller import ACCENT
from consent_service.language import Language, mark
from consent_service.look import design
from consent_service.notices.privacy import OMBUDSMAN_PAGE
from consent_service.register.customers import name_of
from consent_service.register.entries import EntryRefused, read_phone, shown_phone
from consent_service.web import outbox_words, policy, problems
from consent_service.web.visitor import service

ICON = design.SHEETS / "icon.svg"
HOUR_MINUTES = 60
LARGEST_ID = 2**63 - 1  # of a row; a larger number in an address is no page

assets = Blueprint("pages", __name__)

ERRORS = {
    400: (mark("That did not go through"), mark("Go back, check the form and send it again.")),
    404: (mark("Page not found"), mark("Check the address, or choose one of these.")),
    405: (mark("That did not go through"), mark("Open the page again and use its button.")),
    413: (mark("That was too much to send"), mark("Shorten what you wrote and send it again.")),
    415: (mark("That did not go through"), mark("Use the form on the page to send it.")),
    429: (mark("Too many tries"), mark("Wait a few minutes and try again.")),
    500: (mark("Something went wrong here"), mark("It is our fault, not yours. Try again in a moment.")),
    503: (mark("We are busy for a moment"), mark("Nothing was lost. Try again in a few seconds.")),
}


class _Missing(Undefined):
    """A value that nobody gave a template: asked for in passing it is nothing, shown it is an error."""

    __str__ = Undefined._fail_with_undefined_error


def install(app: Flask) -> None:
    """Give templates their words, links and dates, and serve the company's colours, icon and logo."""
    app.jinja_env.undefined = _Missing
    app.jinja_env.globals.update(
        _=_say,
        _n=lambda *words: _language().count(*words),
        link_to=link_to,
        asset=asset,
        controller=lambda: service().controller,
    )
    app.jinja_env.filters.update(
        moment=lambda at: _language().moment(at),
        exact=lambda at: _language().exact(at),
        relative=lambda at: _language().relative(at, services.now()),
        number=lambda number: _language().number(number),
        reason=lambda told: outbox_words.reason(_language(), told),
        day=lambda day: _language().day(date.fromisoformat(day)),
        called=lambda person: f"{person.first_name} {person.last_name}".strip() or person.email,
        breakable=breakable,
        mailto=mailto,
        named=_named,
        phone=shown_phone,
        tel=tel,
    )
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.context_processor(_common)
    app.register_blueprint(assets)


@assets.get("/brand.css")
def brand() -> Response:
    """The design tokens in the company's colours, for the other style sheets."""
    return _kept(Response(design.sheet(service().controller.accent), mimetype="text/css"))


@assets.get("/icon.svg")
def icon() -> Response:
    """The icon of the pages, in the company's colour."""
    drawn = _icon().replace(ACCENT, service().controller.accent)
    return _kept(picture(drawn, "image/svg+xml"))


@assets.get("/logo")
def logo() -> Response:
    """The company's logo, if the controller file names one."""
    found = service().controller.logo
    return _kept(picture(found.content, found.mimetype)) if found else abort(404)


def link_to(endpoint: str, **values: Any) -> str:
    """The address of a page, in the language that was asked for by name."""
    if "lang" not in values and request.args.get("lang") in languages.CODES:
        values["lang"] = request.args["lang"]
    return url_for(endpoint, **values) if values else _address(request.script_root, endpoint)


def breakable(address: str) -> Markup:
    """An address that may be broken over lines at its @, and nowhere else."""
    return Markup("@<wbr>").join(address.split("@"))


def mailto(address: str) -> str:
    """The link by which a mail program writes to an address and to nobody else, whatever stands in it (RFC 6068)."""
    return f"mailto:{quote(address, safe='@')}"


def tel(phone: str) -> str:
    """The link by which a phone calls a number (RFC 3966), as it was meant: nobody dials the 0 of +358 (0)40."""
    try:
        return f"tel:{read_phone(phone)}"
    except EntryRefused:
        return f"tel:{phone.replace(' ', '')}"


def asset(filename: str) -> str:
    """The address of a file of ours that pages load."""
    return _address(request.script_root, "static", filename=filename)


def searched() -> tuple[str, int]:
    """What staff look for in a list: the words, as PostgreSQL takes them, and which page, from 1."""
    words = request.args.get("q", "").replace("\0", "").strip()[:100]
    return words, max(1, request.args.get("page", 1, int))


def one_of(name: str, known: Collection[str]) -> str | None:
    """What staff chose in the address to filter a list by; None when it is none of these."""
    chosen = request.args.get(name)
    return chosen if chosen in known else None


def error(status: int, advice: str | None = None, written: Sequence[str] = ()) -> tuple[str | Response, int]:
    """An error page in plain words, with a reference that finds the log line; for programs the same as a problem.

    `advice` is what to do, where a page knows better than this one, and `written` what would be lost otherwise.
    """
    if problems.is_told_to_a_program():
        return problems.problem(status), status
    title, usual = ERRORS.get(status, ERRORS[400 if status < 500 else 500])
    told = {"title": title, "advice": advice or usual, "written": written, "reference": g.get("request_id")}
    return render_template("public/error.html", **told), status


def wait_words(wait_s: int) -> str:
    """How long to wait, in words: whole minutes, or hours from one up, so many that waiting that long is enough."""
    minutes = -(-wait_s // 60)
    if minutes < HOUR_MINUTES:
        return _language().count("Wait a minute and try again.", "Wait %(number)s minutes and try again.", minutes)
    hours = -(-minutes // HOUR_MINUTES)
    return _language().count("Wait an hour and try again.", "Wait %(number)s hours and try again.", hours)


def too_many(wait_s: int, page: str | Response | None = None, again: str | None = None) -> ResponseReturnValue:
    """What somebody gets who has to wait: a page that leads to the form `again`, or the one they wrote on."""
    told = page or render_template("public/too_many.html", advice=wait_words(wait_s), again=again)
    return told, 429, {"Retry-After": str(wait_s)}


def sender() -> tuple[str, str]:
    """Whom mails come from: name and address."""
    name, address = parseaddr(service().settings.mail_from)
    return name or service().controller.name, address


def picture(content: str | bytes, mimetype: str) -> Response:
    """A picture of ours as an answer."""
    response = Response(content, mimetype=mimetype)
    response.headers["Content-Security-Policy"] = policy.PICTURE  # whoever opens it by itself runs nothing either
    return response


def dead_link() -> tuple[str, int]:
    """The one page for every link that does not work, whatever the cause."""
    return render_template("public/dead_link.html"), 404


def _kept(response: Response) -> Response:
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


@cache
def _icon() -> str:
    return ICON.read_text("utf-8")


@cache
def _address(_root: str, endpoint: str, **values: Any) -> str:
    """The address of a page that is the same for everybody; building it costs more than the page around it."""
    return url_for(endpoint, **values)


def _language() -> Language:
    found: Language = g.get("language") or languages.language(languages.DEFAULT)
    return found


def _say(message: str, **values: object) -> str:
    return _language().say(message, **values)


def _common() -> dict[str, Any]:
    language = _language()
    controller = service().controller
    possessive = controller.possessive[language.code]  # type: ignore[index]
    sender_name, sender_address = sender()
    return {
        "here": request.path,
        "language": language,
        "possessive": possessive,
        "ombudsman": OMBUDSMAN_PAGE[language.code],
        "brand_url": _address(request.script_root, "pages.brand", v=design.version(controller.accent)),
        "icon_url": _address(request.script_root, "pages.icon"),
        "logo": controller.logo,
        "logo_url": _address(request.script_root, "pages.logo", v=controller.logo.version) if controller.logo else None,
        "privacy_url": _address(request.script_root, "privacy.show", lang=language.code),
        "sender_name": sender_name,
        "sender_address": sender_address,
    }


def _named(customer: Row[Any]) -> str:
    """What a customer is called, and the number alone once they are erased."""
    numbered: str = g.language.say("Customer %(number)s", number=customer.number)
    return name_of(customer) or numbered
