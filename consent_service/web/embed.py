"""The form on the company's own web sites: the script that shows it there, and the words it shows.

The script is the same for everybody and may be kept for a while; the words come with a fresh render token each time,
and only for the sites in CONSENT_ALLOWED_ORIGINS. Neither sets a cookie. What is sent goes to the form's own door.
"""

from functools import cache

from flask import Blueprint, Response, abort, g, jsonify, render_template
from flask.typing import ResponseReturnValue

from consent_service.config import PACKAGE
from consent_service.web import origins, subscribing
from consent_service.web.visitor import service

embed = Blueprint("embed", __name__)


@embed.get("/embed.js")
def script() -> ResponseReturnValue:
    """The script, with what it needs when nothing else can be had: where our page is, and what to call it."""
    address, code = service().settings.public_url, g.language.code
    own = {
        "form": f"{address}/embed/form?lang={code}",
        "page": f"{address}/subscribe?lang={code}",
        "title": subscribing.title(),
        "accent": service().controller.accent,
    }
    response = Response(render_template("public/embed.js", own=own, solve=_solve()), mimetype="text/javascript")
    response.headers["Cache-Control"] = "public, max-age=600"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.vary.add("Accept-Language")
    return response


@cache
def _solve() -> str:
    """The function that our own page has from a file: a site needs one script only."""
    return (PACKAGE / "web" / "static" / "solve.js").read_text("utf-8")


@embed.get("/embed/form")
def form() -> ResponseReturnValue:
    """The form's words and a render token that names the site, for a site of the company's and no other."""
    host = origins.host() or abort(403)
    return origins.readable_there(jsonify(subscribing.embedded(host)))
