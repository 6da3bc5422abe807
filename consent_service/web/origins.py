"""The company's own web sites, whose pages may send here what a visitor wrote or chose on them.

What any other site makes a browser send is refused (see the factory). No cookie goes along in either case, so all that
a site can do is what its visitors could do here themselves.
"""

from urllib.parse import urlsplit

from flask import Response, request

from consent_service.web.visitor import service

OPEN_TO_SITES = {"public.subscribe", "cookies.take_choice"}  # the views that take what a page of theirs sends


def site() -> str | None:
    """The web site whose page made the browser send this request, if it is one of the company's."""
    origin = request.headers.get("Origin", "")
    return origin if origin in service().settings.allowed_origins else None


def host() -> str | None:
    """The host of that site, as evidence names it."""
    origin = site()
    return urlsplit(origin).netloc if origin else None


def may_send() -> bool:
    """Whether this request may come from a page elsewhere."""
    return request.endpoint in OPEN_TO_SITES and site() is not None


def readable_there(response: Response) -> Response:
    """The answer, which scripts on the company's sites may read (Fetch standard, CORS protocol)."""
    response.vary.add("Origin")
    if origin := site():
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
