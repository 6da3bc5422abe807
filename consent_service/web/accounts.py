"""How the company's own people log in, and for how long.

Flask-Security does the checking (argon2, uniform answers, sessions bound to a value that logging out changes). Ours are
the limits: thirty idle minutes, twelve hours in all, few tries, and a second step for whoever has set one up.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask, Request, Response, abort, current_app, g, redirect, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask.typing import ResponseReturnValue
from flask_login import user_logged_out
from flask_security import (
    RoleMixin,
    Security,
    SQLAlchemySessionUserDatastore,
    UserMixin,
    current_user,
    hash_password,
    login_user,
    user_authenticated,
    verify_password,
)
from flask_security.forms import LoginForm
from flask_security.tf_plugin import TfPlugin
from sqlalchemy.orm import DeclarativeBase, scoped_session, sessionmaker

from consent_service import language as languages
from consent_service import service as services
from consent_service.ledger.evidence import Occasion
from consent_service.models.columns import metadata
from consent_service.models.staff import staff
from consent_service.people import LONGEST_ADDRESS
from consent_service.service import Service
from consent_service.staff import access_log, second_steps, staff_accounts
from consent_service.web import passkeys, tries
from consent_service.web.visitor import occasion

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 256
SECOND_STEP_WITHIN = timedelta(minutes=10)
HASHING = threading.Lock()  # a hash takes 64 MiB and every processor: visitors wait while there are several
STAFF_PAGES = ("security", "entrance", "console")  # the blueprints of the login, around it, and of everything behind it


class Base(DeclarativeBase):
    """The staff's table shares the metadata of the others."""

    metadata = metadata


class Staff(Base, UserMixin):
    """A person of the company who may log in, as Flask-Security wants one."""

    __table__ = staff


class StaffSessions(SecureCookieSessionInterface):
    """Sessions of staff: a request without their cookie has none, and prepares no key to read one."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the session in the cookie, or an empty one."""
        if "HTTP_COOKIE" not in request.environ or self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        return super().open_session(app, request)

    def is_null_session(self, obj: object) -> bool:
        """Whether there is nothing to put into a cookie: a visitor's session was never looked at."""
        is_untouched = isinstance(obj, SecureCookieSession) and not (obj or obj.modified or obj.accessed)
        return is_untouched or super().is_null_session(obj)


class StaffLoginForm(LoginForm):
    """Address and password; a staff session is never remembered beyond its twelve hours."""

    remember = None

    def validate(self, **given: Any) -> bool:
        """Whether the two go together, one log-in after another."""
        with HASHING:
            return bool(super().validate(**given))


class SecondStep(TfPlugin):
    """Where Flask-Security leads after a right password: on to our own page, if the account has a second step."""

    def tf_enter(self, user: Any, remember_me: bool | None, primary_authn_via: str, next_loc: str | None) -> Any:
        """Return the way to the second step; None when the password alone opens the account."""
        service: Service = current_app.extensions["consent-service"]
        with service.reading() as connection:
            if not second_steps.is_set_up(connection, user):
                return None
        session["second_step"] = [user.fs_uniquifier, int(services.now().timestamp())]
        return redirect("/staff/login/second-step")


def session_key(secret: str) -> str:
    """Return the key that signs staff sessions, derived so that it signs nothing else."""
    return HKDF(SHA256(), length=32, salt=None, info=b"consent-service/session").derive(secret.encode()).hex()


def install(app: Flask, service: Service) -> None:
    """Set up Flask-Security and the limits of a session."""
    app.config.update(
        SECURITY_PASSWORD_SINGLE_HASH=True,  # argon2 alone: a password must outlive the rotation of our keys
        SECURITY_PASSWORD_LENGTH_MIN=SHORTEST_PASSWORD,
        SECURITY_URL_PREFIX="/staff",
        SECURITY_POST_LOGIN_VIEW="/staff/",
        SECURITY_POST_LOGOUT_VIEW="/staff/login",
        SECURITY_LOGIN_USER_TEMPLATE="console/login.html",
        SECURITY_RETURN_GENERIC_RESPONSES=True,
        SECURITY_SEND_REGISTER_EMAIL=False,
        SECURITY_FLASH_MESSAGES=False,
        SECURITY_FRESHNESS=timedelta(-1),  # Flask-Security asks nobody again: web/access does
        SECURITY_STATIC_FOLDER=None,
        PERMANENT_SESSION_LIFETIME=IDLE,
    )
    sessions = scoped_session(sessionmaker(service.engine))
    people = SQLAlchemySessionUserDatastore(sessions, Staff, RoleMixin)  # a role is a column of the account
    security = Security(app, people, login_form=StaffLoginForm)
    security.two_factor_plugins = SecondStep()
    security.login_context_processor(lambda: {"asked": passkeys.to_show()})
    security.want_json(lambda _: False)  # staff log in with the form and a session: no JSON, no tokens
    app.login_manager.request_loader(lambda _: None)  # type: ignore[attr-defined]
    app.extensions["login-limits"] = tries.limits(service.settings.redis_url)
    app.teardown_appcontext(lambda _: sessions.remove())
    app.before_request(_remember_language)
    app.before_request(_limit_tries)
    app.after_request(_give_back_try)
    app.after_request(_note_login)
    user_authenticated.connect(_begin_session, app)
    user_logged_out.connect(_end_sessions, app)


@contextmanager
def for_staff_only(app: Flask) -> Iterator[None]:
    """Have what is hooked in within the block done around the pages of staff alone: visitors have no session."""
    hooks: list[Any] = [app.before_request_funcs, app.after_request_funcs, app.template_context_processors]
    known = [len(each[None]) for each in hooks]
    yield
    for each, count in zip(hooks, known, strict=True):
        added, each[None] = each[None][count:], each[None][:count]
        for blueprint in STAFF_PAGES:
            each[blueprint] = [*added, *each.get(blueprint, [])]


def require_login() -> ResponseReturnValue | None:
    """The guard of every staff page: nobody without a staff account and a session that is still good."""
    if current_user.is_authenticated and _is_session_young():
        return None
    if "began_at" in session:  # otherwise somebody is only halfway in, and goes on with the form that is open
        kept = {name: session[name] for name in ("language",) if name in session}
        session.clear()
        session.update(kept)
    return redirect("/staff/login")


def by_staff() -> Occasion:
    """The occasion of what somebody of the company does on the pages of staff."""
    return occasion(f"staff:{current_user.id}", "console")


def password_hash(password: str) -> str:
    """Return the argon2 hash of a password, normalised as the login does; needs an application context."""
    security: Security = current_app.extensions["security"]
    with HASHING:
        hashed: str = hash_password(security.password_util.normalize(password))
    return hashed


def is_password(account: Staff, password: str) -> bool:
    """Whether this is the account's password."""
    security: Security = current_app.extensions["security"]
    typed = security.password_util.normalize(password[: LONGEST_PASSWORD + 1])
    with HASHING:
        return len(password) <= LONGEST_PASSWORD and bool(verify_password(typed, account.password or ""))


def halfway() -> Any:
    """Whoever has given the right password and has still to take the second step, for ten minutes."""
    uniquifier, since = session.get("second_step", ["", 0])
    is_late = services.now() - datetime.fromtimestamp(since, UTC) > SECOND_STEP_WITHIN
    security: Security = current_app.extensions["security"]
    found = None if is_late or not uniquifier else security.datastore.find_user(fs_uniquifier=uniquifier)
    return found if found and found.active else None


def let_in(account_id: str, way: str) -> None:
    """Begin the session of an account that is in use; `way` is what it was opened with."""
    security: Security = current_app.extensions["security"]
    session.pop("second_step", None)
    account = security.datastore.find_user(id=account_id)
    if account is None or not account.active:
        abort(403)
    login_user(account, remember=False, authn_via=[way])


def _is_session_young() -> bool:
    began = session.get("began_at", 0)
    return services.now() - datetime.fromtimestamp(began, UTC) < LONGEST


def _begin_session(_app: Flask, user: Staff, **_: object) -> None:
    session.pop("csrf_token", None)  # whoever planted the cookie from before the login knows that one
    session.permanent = True
    session["began_at"] = session["proved_at"] = int(services.now().timestamp())
    g.entered = user.id


def _note_login(response: Response) -> Response:
    """Note who came in, once Flask-Security has written what it had to: SQLite lets nobody write in between."""
    if account_id := g.pop("entered", None):
        service: Service = current_app.extensions["consent-service"]
        with service.transaction() as connection:
            access_log.note(connection, occasion(f"staff:{account_id}", "console"), "entered", "login")
    return response


def _end_sessions(_app: Flask, user: Staff, **_: object) -> None:
    """Make the cookie of this session, and of every other of the account, worthless (it names the old value)."""
    service: Service = current_app.extensions["consent-service"]
    with service.transaction() as connection:
        staff_accounts.end_sessions(connection, str(user.id))


def _remember_language() -> None:
    """Keep a language chosen on a staff page for the session, from the login on."""
    if request.args.get("lang") in languages.CODES:
        session["language"] = request.args["lang"]
    g.language = languages.choose(session.get("language"), [tag for tag, _ in request.accept_languages])


def _limit_tries() -> ResponseReturnValue | None:
    if request.endpoint != "security.login" or request.method != "POST":
        return None
    if len(request.form.get("email", "")) > LONGEST_ADDRESS or len(request.form.get("password", "")) > LONGEST_PASSWORD:
        abort(400)
    refusal = tries.take(request.form.get("email", ""))
    g.has_try = refusal is None
    return refusal


def _give_back_try(response: Response) -> Response:
    """Keep a try that only showed the form again; logging in leads elsewhere, and one without a token is none."""
    if g.pop("has_try", False) and response.status_code != 200:
        tries.give_back(request.form.get("email", ""))
    return response
