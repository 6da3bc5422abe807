"""A first try, in development mode only: the mailbox that shows `var/mail/`, and a web site to see the rest on.

The site is an imagined one of the company's, with all that this service gives to a real one: the form and the banner by
their lines of script, and tools that wait for a yes, which do nothing but show that they have started.
"""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, g, redirect, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from consent_service.service import MAIL_FOLDER
from consent_service.web.pages import link_to
from consent_service.web.visitor import service

development = Blueprint("development", __name__, url_prefix="/dev")

BAR = Markup('<p style="margin:0;padding:12px 20px;font:16px/1.5 sans-serif;border-bottom:1px solid">%s</p>')
LINK = Markup('<a href="%s" style="color:inherit">%s</a>')
PREVIEW_POLICY = (
    "sandbox allow-popups allow-top-navigation-by-user-activation; default-src 'none'; style-src 'unsafe-inline'"
)
SITE_POLICY = (
    "default-src 'none'; script-src {own}; connect-src {own}; style-src {own}; img-src {own}; frame-src {own}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
VIDEO_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
STATISTICS = 'for (const one of document.querySelectorAll("[data-started]")) one.textContent = one.dataset.started;\n'


@development.get("/mail")
def mailbox() -> ResponseReturnValue:
    """Every mail, newest first."""
    files = sorted(MAIL_FOLDER.glob("*.eml"), key=lambda file: file.stat().st_mtime, reverse=True)
    return render_template("public/dev_mailbox.html", mails=[(file.stem, _read(file)) for file in files[:200]])


@development.get("/mail/<key>")
def mail(key: str) -> ResponseReturnValue:
    """One mail as its text part reads, its links clickable."""
    found = _read(_file(key))
    body = found.get_body(("plain",))
    text = body.get_content() if body else ""
    parts = re.split(r"(https?://[^\s<>\"]+)", text)
    return render_template("public/dev_mail.html", key=key, mail=found, parts=parts)


@development.get("/mail/<key>/html")
def mail_html(key: str) -> ResponseReturnValue:
    """One mail as its HTML part looks, boxed in, with a way back above it."""
    body = _read(_file(key)).get_body(("html",))
    back = LINK % (link_to("development.mailbox"), "← " + g.language.say("All mail"))
    as_text = LINK % (link_to("development.mail", key=key), g.language.say("Show as text"))
    bar = str(BAR % (back + " · " + as_text))
    content = re.sub(r"<body[^>]*>", lambda start: start[0] + bar, body.get_content() if body else "<body>", count=1)
    response = Response(content, mimetype="text/html")
    response.headers["Content-Security-Policy"] = PREVIEW_POLICY
    return response


@development.get("/site")
def site() -> ResponseReturnValue:
    """The imagined web site; at the address that its lines of script name, or they would come from another site."""
    address = urlsplit(service().settings.public_url)
    if request.host != address.netloc:
        return redirect(service().settings.public_url + link_to("development.site"))
    page = render_template("public/dev_site.html", address=service().settings.public_url)
    policy = SITE_POLICY.format(own=f"{address.scheme}://{address.netloc}")
    return Response(page, headers={"Content-Security-Policy": policy})


@development.get("/site/statistics.js")
def statistics() -> ResponseReturnValue:
    """What stands for a statistics tool: it only says on the page that it has started."""
    return Response(STATISTICS, mimetype="text/javascript")


@development.get("/site/video")
def video() -> ResponseReturnValue:
    """What stands for a video from elsewhere."""
    return Response(render_template("public/dev_video.html"), headers={"Content-Security-Policy": VIDEO_POLICY})


def _file(key: str) -> Path:
    file = MAIL_FOLDER / f"{key}.eml"
    if not re.fullmatch(r"[0-9a-f]{32}", key) or not file.is_file():
        abort(404)
    return file


def _read(file: Path) -> EmailMessage:
    return message_from_bytes(file.read_bytes(), policy=policy.default)
