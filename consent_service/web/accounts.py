"""Staff accounts and how they log in; their tables live here, so that `models` stays free of Flask.

Flask-Security does the checking (argon2, uniform answers, sessions bound to a value that logging out changes). Ours are
the limits: thirty idle minutes, twelve hours in all, and few tries. Must not decide consent.
"""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask, Request, Response, abort, current_app, g, redirect, render_template, request, session
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
    user_authenticated,
)
from flask_security.forms import LoginForm
from sqlalchemy import Boolean, Column, Connection, ForeignKey, String, Table, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, scoped_session, sessionmaker

from consent_service import language as languages
from consent_service.database import insert_if_absent
from consent_service.models import UtcDateTime, metadata
from consent_service.people import LONGEST_ADDRESS, Address, AddressRefused, read_address
from consent_service.rate_limit import RateLimit
from consent_service.service import Service
from consent_service.web.visitor import network

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
LOGIN_LIMIT = "5/5 minutes;30/hour"  # failures only, of a network and of an account
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 256
ROLE = "staff"
STAFF_PAGES = ("security", "console")  # the blueprints of the login, and of everything behind it


class Base(DeclarativeBase):
    """Staff tables share the migrations and naming of the others."""

    metadata = metadata


staff_role = Table(
    "staff_role",
    metadata,
    Column("staff_id", ForeignKey("staff.id", ondelete="CASCADE"), primary_key=True),
    Column("role_id", ForeignKey("role.id", ondelete="CASCADE"), primary_key=True),
)


class Role(Base, RoleMixin):
    """What a member of staff may do."""

    __tablename__ = "role"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)


class Staff(Base, UserMixin):
    """A person of the company who may log in."""

    __tablename__ = "staff"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    email: Mapped[str] = mapped_column(String(320), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    password: Mapped[str] = mapped_column(String(255))
    active: Mapped[bool] = mapped_column(Boolean)
    fs_uniquifier: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    roles: Mapped[list[Role]] = relationship(secondary=staff_role, lazy="selectin")


@dataclass(frozen=True)
class Account:
    """A staff account as it is listed."""

    email: str
    name: str
    active: bool
    created_at: datetime


class StaffSessions(SecureCookieSessionInterface):
    """Sessions of staff: a request without their cookie has none, and prepares no key to read one."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the session in the cookie, or an empty one."""
        if self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        return super().open_session(app, request)

    def is_null_session(self, obj: object) -> bool:
        """Whether there is nothing to put into a cookie: a visitor's session was never looked at."""
        is_untouched = isinstance(obj, SecureCookieSession) and not (obj or obj.modified or obj.accessed)
        return is_untouched or super().is_null_session(obj)


class StaffLoginForm(LoginForm):
    """Address and password; a staff session is never remembered beyond its twelve hours."""

    remember = None


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
        SECURITY_FRESHNESS=timedelta(-1),  # no page that asks for the password once more
        SECURITY_STATIC_FOLDER=None,
        PERMANENT_SESSION_LIFETIME=IDLE,
    )
    sessions = scoped_session(sessionmaker(service.engine))
    security = Security(app, SQLAlchemySessionUserDatastore(sessions, Staff, Role), login_form=StaffLoginForm)
    security.want_json(lambda _: False)  # staff log in with the form and a session: no JSON, no tokens
    app.login_manager.request_loader(lambda _: None)  # type: ignore[attr-defined]
    app.extensions["login-limit"] = RateLimit(service.settings.redis_url, LOGIN_LIMIT)
    app.teardown_appcontext(lambda _: sessions.remove())
    app.before_request(_remember_language)
    app.before_request(_limit_tries)
    app.after_request(_count_failure)
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
    """The guard of every staff page: nobody without a staff account, a role, and a session that is still good."""
    if current_user.is_authenticated and current_user.has_role(ROLE) and _is_session_young():
        return None
    chosen = session.get("language")
    session.clear()
    if chosen:
        session["language"] = chosen
    return redirect("/staff/login")


def has_session() -> bool:
    """Whether the request comes with a session that a login began; whether it is still good is `require_login`'s."""
    return "_user_id" in session


def add(connection: Connection, address: Address, name: str, password_hash: str, now: datetime) -> bool:
    """Add a staff account and return True; give one that was there this name and password and return False.

    Either way the account is enabled, and no session from before goes on.
    """
    given = {"name": name, "password": password_hash, "active": True, "fs_uniquifier": uuid.uuid4().hex}
    account = {"id": str(uuid.uuid4()), "email": address.key, "created_at": now}
    is_new = insert_if_absent(connection, metadata.tables["staff"], given | account)
    if not is_new:
        connection.execute(update(Staff).where(Staff.email == address.key).values(**given))
    insert_if_absent(connection, metadata.tables["role"], {"id": str(uuid.uuid4()), "name": ROLE})
    staff_id = connection.execute(select(Staff.id).where(Staff.email == address.key)).scalar_one()
    role_id = connection.execute(select(Role.id).where(Role.name == ROLE)).scalar_one()
    insert_if_absent(connection, staff_role, {"staff_id": staff_id, "role_id": role_id})
    return is_new


def accounts(connection: Connection) -> Iterable[Account]:
    """Return every staff account by address."""
    rows = connection.execute(select(Staff.email, Staff.name, Staff.active, Staff.created_at).order_by(Staff.email))
    return [Account(*row) for row in rows]


def disable(connection: Connection, address: Address) -> bool:
    """End an account and every session of it; False when there is none with this address."""
    values = {"active": False, "fs_uniquifier": uuid.uuid4().hex}
    return connection.execute(update(Staff).where(Staff.email == address.key).values(**values)).rowcount == 1


def password_hash(password: str) -> str:
    """Return the argon2 hash of a password, normalised as the login does; needs an application context."""
    security: Security = current_app.extensions["security"]
    hashed: str = hash_password(security.password_util.normalize(password))
    return hashed


def _is_session_young() -> bool:
    began = session.get("began_at", 0)
    return datetime.now(UTC) - datetime.fromtimestamp(began, UTC) < LONGEST


def _begin_session(_app: Flask, user: Staff, **_: object) -> None:
    session.pop("csrf_token", None)  # whoever planted the cookie from before the login knows that one
    session.permanent = True
    session["began_at"] = int(datetime.now(UTC).timestamp())


def _end_sessions(_app: Flask, user: Staff, **_: object) -> None:
    """Make the cookie of this session, and of every other of the account, worthless (it names the old value)."""
    service: Service = current_app.extensions["consent-service"]
    with service.transaction() as connection:
        connection.execute(update(Staff).where(Staff.id == user.id).values(fs_uniquifier=uuid.uuid4().hex))


def _account(typed: str) -> str:
    """The account meant, however it is spelt: the login itself reads wide letters and odd dots as the plain ones."""
    try:
        return read_address(typed).key
    except AddressRefused:
        return typed.strip().lower()


def _remember_language() -> None:
    """Keep a language chosen on a staff page for the session, from the login on."""
    if request.args.get("lang") in languages.CODES:
        session["language"] = request.args["lang"]
    g.language = languages.choose(session.get("language"), [tag for tag, _ in request.accept_languages])


def _triers() -> list[str]:
    service: Service = current_app.extensions["consent-service"]
    sources = (network(request.remote_addr), _account(request.form.get("email", "")))
    return [service.vault.address_hash(f"login:{source}") for source in sources]


def _limit_tries() -> ResponseReturnValue | None:
    if request.endpoint != "security.login" or request.method != "POST":
        return None
    if len(request.form.get("email", "")) > LONGEST_ADDRESS or len(request.form.get("password", "")) > LONGEST_PASSWORD:
        abort(400)
    limit: RateLimit = current_app.extensions["login-limit"]
    waits = [wait for who in _triers() if (wait := limit.wait("login", who))]
    if not waits:
        return None
    minutes = -(-max(waits) // 60)
    return render_template("public/too_many.html", minutes=minutes), 429, {"Retry-After": str(max(waits))}


def _count_failure(response: Response) -> Response:
    """Count a try that only showed the form again; logging in leads elsewhere, and one without a token is none."""
    if request.endpoint == "security.login" and request.method == "POST" and response.status_code == 200:
        limit: RateLimit = current_app.extensions["login-limit"]
        for who in _triers():
            limit.count("login", who)
    return response
