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
    origin, settings = request.headers.get("Origin", ""), service().settings
    if origin in settings.allowed_origins:
        return origin
    return _own(origin) if settings.is_development else None


def _own(origin: str) -> str | None:
    """Our own origin, if a script on a page of ours asks: in development one stands for a web site (/dev/site).

    Browsers send no Origin with what is only read there, and "null" with our pages' own forms.
    """
    is_ours = request.headers.get("Sec-Fetch-Site") == "same-origin" and origin != "null"
    return request.host_url.rstrip("/") if is_ours else None


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
