"""The web wing's factory: one Flask application from one service, with its doors, headers and error pages.

What holds for every request stands here: its language, what it may send, the headers of its answer, its line in the
log, and what becomes of an error. Nothing happens at import, and no page and no rule is here.
"""

import secrets
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import structlog
from flask import Flask, Response, current_app, g, redirect
from flask.globals import request_ctx
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError, CSRFProtect
from gunicorn.http.errors import ParseException
from sqlalchemy.exc import DBAPIError
from werkzeug.datastructures import LanguageAccept
from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_accept_header
from werkzeug.middleware.proxy_fix import ProxyFix

from consent_service import database
from consent_service import language as languages
from consent_service.asks import LinkDead
from consent_service.config import PACKAGE, TEMPLATES, Settings
from consent_service.limits.rate_limit import RateLimit
from consent_service.log import failure
from consent_service.service import Service
from consent_service.tokens import TokenRefused
from consent_service.web import access, accounts, files, origins, pages, policy, problems, visitor
from consent_service.web.api import api
from consent_service.web.console import console
from consent_service.web.contact import contact
from consent_service.web.cookies import cookies
from consent_service.web.development import development
from consent_service.web.embed import embed
from consent_service.web.entrance import entrance
from consent_service.web.evidence import evidence
from consent_service.web.health import health
from consent_service.web.metrics import count_requests, metrics
from consent_service.web.my_data import my_data
from consent_service.web.privacy import privacy_statement
from consent_service.web.public import public
from consent_service.web.webhooks import webhooks

LARGEST_BODY = 64 * 1024
LARGEST_PIECE = 512 * 1024  # of a file that is read in pieces
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
PROGRAM_TYPES = ("application/json",)
MAY_BE_KEPT = ("static", "pages.brand", "pages.icon", "pages.logo", "cookies.show_banner", "embed.script")
ALWAYS = [
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
]

log = structlog.get_logger()


class Pages(Flask):
    """An application whose pages and hooks are ordinary functions; none has to be asked at every request."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as it is."""
        return func

    def wsgi_app(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request, with those headers that no page decides about."""
        return super().wsgi_app(
            environ, lambda status, headers, *failed: start_response(status, headers + ALWAYS, *failed)
        )


def create_app(service: Service) -> Flask:
    """Return the application of a service; touches neither the network nor the database."""
    app = Pages("consent_service", template_folder=str(TEMPLATES), static_folder=str(PACKAGE / "web" / "static"))
    app.request_class = files.FileRequest
    app.config.update(_configuration(service.settings))
    app.session_interface = accounts.StaffSessions()
    app.extensions["consent-service"] = service
    app.extensions["network-limits"] = visitor.limits(service.settings)
    app.extensions["api-limit"] = RateLimit(service.settings.redis_url, service.settings.limit_api)
    if service.settings.trusted_proxies:
        count = service.settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count)
    _before_and_after(app)
    count_requests(app)
    with accounts.for_staff_only(app):
        accounts.install(app, service)
        app.before_request(CSRFProtect(app).protect)
    pages.install(app)
    access.install(app)
    doors = (public, contact, my_data, embed, privacy_statement, evidence, cookies, webhooks, api, health, metrics)
    for door in (*doors, entrance, console, *([development] if service.settings.is_development else [])):
        app.register_blueprint(door)
    app.add_url_rule("/", "root", lambda: redirect(pages.link_to("public.show_subscribe")))
    _errors(app)
    return app


def _configuration(settings: Settings) -> dict[str, object]:
    return {
        "SECRET_KEY": accounts.session_key(settings.secret_keys[0]),
        "SECRET_KEY_FALLBACKS": [accounts.session_key(key) for key in settings.secret_keys[1:]],
        "MAX_CONTENT_LENGTH": LARGEST_BODY,
        "MAX_FORM_MEMORY_SIZE": LARGEST_BODY,
        "MAX_FORM_PARTS": 50,
        "SESSION_COOKIE_NAME": "staff",
        "SESSION_COOKIE_PATH": "/staff",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": settings.public_url.startswith("https://"),
        "WTF_CSRF_CHECK_DEFAULT": False,
        "WTF_CSRF_TIME_LIMIT": None,
        "WTF_CSRF_SSL_STRICT": False,
    }


def _before_and_after(app: Flask) -> None:
    app.before_request(_start)
    app.before_request(_check_form)
    app.after_request(_add_headers)
    app.after_request(_log)


def _start() -> None:
    asked = request_ctx.request
    g.started_at = time.monotonic()
    g.request_id = secrets.token_hex(6)
    if request_ctx.url_adapter is None:  # the Host cannot be one; the page that says so has links all the same
        request_ctx.url_adapter = current_app.url_map.bind("localhost")
    g.language = languages.choose(asked.args.get("lang"), _accepted(asked.environ.get("HTTP_ACCEPT_LANGUAGE", "")))


@lru_cache(256)
def _accepted(header: str) -> tuple[str, ...]:
    return tuple(tag for tag, quality in parse_accept_header(header, LanguageAccept) if quality > 0)


def _check_form() -> ResponseReturnValue | None:
    asked = request_ctx.request
    if asked.method != "POST":
        return None
    types = PROGRAM_TYPES if problems.is_told_to_a_program() else FORM_TYPES
    if asked.mimetype not in types and (asked.mimetype or asked.content_length):
        return pages.error(415)
    if (largest := files.LARGEST_BODIES.get(asked.endpoint or "")) is not None:
        if (refused := access.guard()) is not None:
            return refused  # before anything of a large request is read
        asked.max_content_length, asked.max_form_memory_size = largest, LARGEST_PIECE
    is_from_elsewhere = asked.environ.get("HTTP_SEC_FETCH_SITE") == "cross-site"
    if is_from_elsewhere and not (asked.endpoint == "public.unsubscribe" or origins.may_send()):
        return pages.error(400)  # another site made the visitor's browser send it; one-click comes from anywhere
    is_webhook = asked.blueprint == "webhooks"  # it names several lists in fields of one name
    if not is_webhook and any(len(values) > 1 for _, values in asked.form.lists()):
        return pages.error(400)
    return None


def _add_headers(response: Response) -> Response:
    asked, headers = request_ctx.request, response.headers
    if "Content-Security-Policy" not in headers:
        headers["Content-Security-Policy"] = policy.WITH_SCRIPT if g.get("runs_script") else policy.PAGE
    place = urlsplit(response.location) if response.status_code >= 300 and response.location else None
    # The router's own redirects repeat the Host header, which anybody can set.
    if place and place.netloc == asked.host:
        response.location = urlunsplit(("", "", place.path, place.query, place.fragment))
        response.set_data(b"")
    if asked.is_secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    if asked.endpoint not in MAY_BE_KEPT or response.status_code >= 400:
        headers["Cache-Control"] = "no-store"
    if response.mimetype == "text/html":
        spoken = g.get("language")
        headers["Content-Language"] = spoken.code if spoken else languages.DEFAULT
        headers.add("Vary", "Accept-Language")
    return response


def _log(response: Response) -> Response:
    asked = request_ctx.request
    rule = asked.url_rule.rule if asked.url_rule else "unknown"  # the rule, never the path: paths hold tokens
    if rule not in ("/healthz", "/readyz", "/metrics") and not rule.startswith("/static"):
        now = time.monotonic()
        log.info(
            "request",
            method=asked.method,
            rule=rule,
            status=response.status_code,
            ms=round((now - g.get("started_at", now)) * 1000, 1),
            request=g.get("request_id"),
        )
    return response


def _errors(app: Flask) -> None:
    app.log_exception = lambda _: None  # it would log the path
    app.register_error_handler(TokenRefused, lambda _: pages.dead_link())
    app.register_error_handler(LinkDead, lambda _: pages.dead_link())
    app.register_error_handler(CSRFError, lambda _: access.opened_before())
    app.register_error_handler(ParseException, lambda _: pages.error(400))  # chunks that are none, once they are read
    app.register_error_handler(HTTPException, _http_error)
    for kind in database.UNAVAILABLE:
        app.register_error_handler(kind, _database_error)
    app.register_error_handler(Exception, _unexpected_error)


def _http_error(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None or error.code is None or error.code < 400:
        return error
    body, status = pages.error(error.code)
    kept = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    return body, status, kept


def _database_error(error: DBAPIError) -> ResponseReturnValue:
    log.error("database unavailable", request=g.get("request_id"), error=database.reason(error))
    body, status = pages.error(503)
    return body, status, {"Retry-After": "5"}


def _unexpected_error(error: Exception) -> ResponseReturnValue:
    log.error("unexpected error", request=g.get("request_id"), **failure(error))
    return pages.error(500)
