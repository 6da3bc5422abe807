"""Settings: everything the environment may say, read once and frozen.

The only room that reads environment variables or the controller file. A value that is missing or malformed stops
the start with one line that names the variable. Production refuses to start half-set; development makes its own
keys on the first run and keeps them in `var/`. Must not know what its values are used for.
"""

import base64
import binascii
import contextlib
import difflib
import os
import re
import secrets
import tomllib
from email.utils import getaddresses
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

import limits
from email_validator import EmailNotValidError, validate_email
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from consent_service.controller import Controller
from consent_service.look.logo import LARGEST as LARGEST_LOGO

PREFIX = "CONSENT_"
VAR = Path("var")
DATABASE = f"sqlite:///{VAR}/consent.db"
DEVELOPMENT_KEYS = VAR / "development-keys.toml"
PACKAGE = Path(__file__).parent
TEMPLATES = next(path for path in (PACKAGE / "templates", PACKAGE.parent / "templates") if path.is_dir())
EXAMPLE_CONTROLLER = Path(__file__).with_name("keinuma.toml")
SHORTEST_SECRET = 32
HOST = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"  # a name as it stands in an address, or four numbers
REQUIRED_IN_PRODUCTION = (
    "public_url", "secret_keys", "data_keys", "log_key", "smtp_url", "mail_from", "controller_file",
)  # fmt: skip


class SettingsRefused(Exception):
    """The environment cannot be used as it is; the message holds one line per variable at fault."""


class KeysMissing(SettingsRefused):
    """Development mode has made no keys here yet, and was told to make none."""


class Settings(BaseSettings):
    """Every `CONSENT_…` variable with its default; `PORT` and `HOST` stand without the prefix. Empty means not set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore", populate_by_name=True
    )

    mode: Literal["development", "production"] = "development"
    host: str = Field(default="127.0.0.1", validation_alias="HOST")
    port: int = Field(default=8000, ge=1, le=65535, validation_alias="PORT")
    public_url: str = ""
    database_url: str = DATABASE
    secret_keys: Annotated[tuple[str, ...], NoDecode] = ()
    data_keys: Annotated[tuple[bytes, ...], NoDecode] = ()
    log_key: Annotated[tuple[bytes, ...], NoDecode] = ()
    smtp_url: str = ""
    mail_from: str = ""
    activecampaign_url: str = ""
    activecampaign_token: str = ""
    activecampaign_list_id: int | None = Field(default=None, ge=1)
    activecampaign_webhook_secret: str = ""
    redis_url: str = ""
    metrics_token: str = ""
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    trusted_proxies: int = Field(default=0, ge=0, le=10)
    controller_file: Path | None = None
    evidence_ip: Literal["truncated", "full", "none"] = "truncated"
    limit_ip: str = "5/10 minutes"
    limit_address: str = "3/24 hours;6/30 days"
    limit_global: str = "30/hour;200/day"
    limit_api: str = "60/minute"
    form_min_s: float = Field(default=2, ge=0, allow_inf_nan=False)
    relay_poll_s: float = Field(default=0.25, gt=0, le=60)
    seal_every_s: float = Field(default=30, gt=0, le=60)
    tsa_url: str = ""
    tsa_root_file: Path | None = None
    backup_key_file: Path | None = None
    web_processes: int = Field(default=1, ge=1)
    web_threads: int = Field(default=16, ge=1)

    @field_validator("secret_keys", mode="before")
    @classmethod
    def _split_secrets(cls, value: object) -> object:
        keys = _split(value)
        if any(len(str(key)) < SHORTEST_SECRET for key in keys):
            raise ValueError(
                f"each key needs at least {SHORTEST_SECRET} characters; make one with: openssl rand -hex 32"
            )
        return keys

    @field_validator("data_keys", "log_key", mode="before")
    @classmethod
    def _split_data_keys(cls, value: object) -> object:
        return tuple(key if isinstance(key, bytes) else _data_key(str(key)) for key in _split(value))

    @field_validator("limit_ip", "limit_address", "limit_global", "limit_api")
    @classmethod
    def _limit_reads(cls, value: str) -> str:
        if value != "off":
            try:
                is_none = any(one.amount < 1 for one in limits.parse_many(value))
            except ValueError:
                is_none = True
            if is_none:
                raise ValueError("write it like 5/10 minutes;20/day, or off")
        return value

    @field_validator("public_url")
    @classmethod
    def _bare_address(cls, value: str) -> str:
        address = value.rstrip("/")
        if value and not (
            re.fullmatch(rf"https?://({HOST}|\[[0-9A-Fa-f:.]+\])(:\d+)?", address) and _has_port(address)
        ):
            raise ValueError("write the address people use, without a path, like https://tilaus.example.fi")
        return address

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _bare_origins(cls, value: object) -> object:
        origins = tuple(str(origin).rstrip("/").lower().removesuffix(":443") for origin in _split(value))
        allowed = rf"https://{HOST}(:\d+)?|http://(localhost|127\.0\.0\.1)(:\d+)?"
        if not all(re.fullmatch(allowed, one) for one in origins):
            raise ValueError(
                "write the web sites with commas between them, like https://www.example.fi; names with ä or ö as xn--…"
            )
        return origins

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        try:
            url = make_url(value)
        except (ArgumentError, ValueError):
            url = None
        is_file = url and url.drivername in ("sqlite", "sqlite+pysqlite") and url.database not in (None, "", ":memory:")
        if not url or not (is_file or url.get_backend_name() == "postgresql"):
            raise ValueError("write it like sqlite:///var/consent.db or postgresql://user:password@host/name")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _smtp_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and not (parts.scheme in ("smtp", "smtps") and parts.hostname and _has_port(value)):
            raise ValueError("write it like smtp://user:password@host:587 or smtps://user:password@host")
        if parts.query and parse_qs(parts.query) != {"starttls": ["required"]}:
            raise ValueError("after the question mark stands starttls=required or nothing")
        if not unquote(parts.netloc).isascii():  # what a mail server makes of others is not settled
            raise ValueError("user and password may hold no ä, ö or other letters than a to z: choose another password")
        return value

    @field_validator("mail_from")
    @classmethod
    def _one_sender(cls, value: str) -> str:
        if value:
            try:
                [(_, address)] = getaddresses([value])
                validate_email(address, check_deliverability=False, allow_smtputf8=False, test_environment=True)
            except (EmailNotValidError, ValueError):
                raise ValueError("write one sender, like Keinuma <uutiskirje@keinuma.fi>") from None
            if not value.isprintable():
                raise ValueError("write the sender on one line")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and not (parts.scheme in ("redis", "rediss") and parts.hostname and _has_port(value)):
            raise ValueError("write it like redis://host:6379/0")
        return value

    @field_validator("tsa_url")
    @classmethod
    def _authority_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and not (parts.scheme in ("http", "https") and parts.hostname):
            raise ValueError("write the time-stamp authority's address, like https://tsa.example.com/tsr")
        return value

    @field_validator("activecampaign_url")
    @classmethod
    def _https_or_loopback(cls, value: str) -> str:
        parts = urlsplit(value)
        loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")
        if value and not (parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and loopback))):
            raise ValueError("write the account's https address, like https://account.api-us1.com")
        return value.rstrip("/").removesuffix("/api/3")

    @field_validator("activecampaign_token")
    @classmethod
    def _printable(cls, value: str) -> str:
        if value and not re.fullmatch(r"[!-~]+", value):
            raise ValueError("copy it once more: it holds a character that no key has, perhaps one that cannot be seen")
        return value

    @field_validator("activecampaign_webhook_secret", "metrics_token")
    @classmethod
    def _unguessable(cls, value: str) -> str:
        if value and not (len(value) >= SHORTEST_SECRET and re.fullmatch(r"[A-Za-z0-9_-]+", value)):
            raise ValueError(
                f"it needs at least {SHORTEST_SECRET} letters and digits, as a part of an address or a header; "
                "make one with: openssl rand -hex 32"
            )
        return value

    @field_validator("*", mode="before")  # stands last, so that it is asked first
    @classmethod
    def _bare(cls, value: object) -> object:
        bare = value.strip() if isinstance(value, str) else value
        if isinstance(bare, str) and re.fullmatch(r"(['\"]).*\1", bare):
            raise ValueError("the quotes around it belong to the value here; leave them out")
        return bare

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = [self.activecampaign_url, self.activecampaign_token, self.activecampaign_list_id]
        if any(given) and not all(given):
            raise ValueError("CONSENT_ACTIVECAMPAIGN_URL, _TOKEN and _LIST_ID belong together: give all three or none")
        if bool(self.tsa_url) != (self.tsa_root_file is not None):
            raise ValueError("CONSENT_TSA_URL and CONSENT_TSA_ROOT_FILE belong together: give both or none")
        if self.tsa_root_file is not None and not os.access(self.tsa_root_file, os.R_OK):
            raise ValueError(f"CONSENT_TSA_ROOT_FILE: cannot read {self.tsa_root_file}")
        if self.mode == "production":
            missing = [f"CONSENT_{name.upper()}" for name in REQUIRED_IN_PRODUCTION if not getattr(self, name)]
            if missing:
                raise ValueError(f"production needs {', '.join(missing)}")
            if not self.public_url.startswith("https://"):
                raise ValueError("CONSENT_PUBLIC_URL must begin with https:// in production")
        return self

    @property
    def authority(self) -> str:
        """Host and port as they stand in an address (RFC 3986 section 3.2)."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_development(self) -> bool:
        """Whether this is a developer's or a first try's run, never a real service."""
        return self.mode == "development"


def load(*, makes_keys: bool = True) -> tuple[Settings, Controller]:
    """Read the environment and the controller file; raises SettingsRefused with one line per fault.

    Where development mode has no keys yet it makes some, or raises KeysMissing.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        raise SettingsRefused(_one_line_each(error)) from None
    if settings.is_development:
        settings = settings.model_copy(update=_development_values(settings, makes_keys=makes_keys))
    return settings, read_controller(settings.controller_file or EXAMPLE_CONTROLLER)


def unread_variables() -> dict[str, str | None]:
    """Return every `CONSENT_…` variable that is set and means nothing here, with the one most likely meant, if any."""
    read = [name.upper() for name in Settings.model_fields]
    given = {name: name.upper().removeprefix(PREFIX) for name, value in sorted(os.environ.items()) if value}
    unread = {name: end for name, end in given.items() if end != name.upper() and end not in read}
    nearest = {name: difflib.get_close_matches(end, read, 1) for name, end in unread.items()}
    return {name: PREFIX + found[0] if found else None for name, found in nearest.items()}


def count_requests_in(folder: Path) -> None:
    """Have all web processes count into files of one folder; prometheus_client takes it from the environment."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def _has_port(address: str) -> bool:
    """Whether an address names a port there can be, or none."""
    try:
        return urlsplit(address).port != 0
    except ValueError:
        return False


def _split(value: object) -> tuple[object, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _data_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != 32:
        raise ValueError("each key is 32 random bytes in base64; make one with: openssl rand -base64 32")
    return key


def _one_line_each(error: ValidationError) -> str:
    lines = []
    for fault in error.errors():
        name = str(fault["loc"][0]) if fault["loc"] else ""
        variable = name.upper() if name.upper() in ("PORT", "HOST") else f"CONSENT_{name.upper()}"
        message = fault["msg"].removeprefix("Value error, ")
        lines.append(f"{variable}: {message}" if name else message)
    return "\n".join(lines)


def read_controller(path: Path) -> Controller:
    """Return the controller a file describes (TOML), with the logo it names; raises SettingsRefused."""
    try:
        told = tomllib.loads(path.read_text("utf-8"))
        return Controller.model_validate(told | _logo(told.get("logo"), path))
    except OSError as error:
        raise SettingsRefused(f"CONSENT_CONTROLLER_FILE: cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsRefused(f"CONSENT_CONTROLLER_FILE: {path} is not TOML: {error}") from None
    except ValidationError as error:
        found = ((_place(fault["loc"]), fault["msg"].removeprefix("Value error, ")) for fault in error.errors())
        faults = "; ".join(f"{place}{message}" for place, message in found)
        raise SettingsRefused(f"CONSENT_CONTROLLER_FILE: {path}: {faults}") from None


def _logo(name: object, path: Path) -> dict[str, bytes]:
    """The content of the logo that a controller file names, and never more than shows that it is too large."""
    if not isinstance(name, str):
        return {}
    try:
        with (path.parent / name).open("rb") as file:
            return {"logo": file.read(LARGEST_LOGO + 1)}
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsRefused(f"CONSENT_CONTROLLER_FILE: {path}: logo: cannot read {name}: {reason}") from None


def _place(steps: tuple[int | str, ...]) -> str:
    """Where in the file a fault lies: `recipient 1.role: `; nothing for what concerns several values."""
    named = [f" {step + 1}" if isinstance(step, int) else f".{step}" for step in steps if step != "[key]"]
    return "".join(named).removeprefix(".") + ": " if named else ""


def has_development_keys() -> bool:
    """Whether development mode has made its keys here."""
    return DEVELOPMENT_KEYS.exists()


def _development_values(settings: Settings, *, makes_keys: bool) -> dict[str, object]:
    values: dict[str, object] = {
        "public_url": settings.public_url or f"http://{settings.authority}",
        "mail_from": settings.mail_from or "Keinuma <uutiskirje@keinuma.example>",
    }
    if settings.secret_keys and settings.data_keys and settings.log_key:
        return values
    secret_key, data_key = _development_keys(makes_keys=makes_keys)
    return values | {
        "secret_keys": settings.secret_keys or (secret_key,),
        "data_keys": settings.data_keys or (data_key,),
        "log_key": settings.log_key or (sha256(b"development log key" + data_key).digest(),),
    }


def _development_keys(*, makes_keys: bool) -> tuple[str, bytes]:
    path = DEVELOPMENT_KEYS
    try:
        if not path.exists():
            if not makes_keys:
                raise KeysMissing(f"There are no keys in {VAR.absolute()}")
            _make_development_keys(path)
        keys = tomllib.loads(path.read_text("utf-8"))
        secret_key, data_key = str(keys["secret_key"]), _data_key(keys["data_key"])
    except OSError as error:
        raise SettingsRefused(f"{path}: cannot keep the keys of development mode: {error.strerror}") from None
    except (KeyError, TypeError, ValueError):
        secret_key, data_key = "", b""
    if len(secret_key) < SHORTEST_SECRET:
        raise SettingsRefused(f"{path} is broken; give it back, or delete it together with the database")
    return secret_key, data_key


def _make_development_keys(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"development-keys.{secrets.token_hex(8)}")
    data_key = base64.b64encode(secrets.token_bytes(32)).decode()
    draft.touch(mode=0o600, exist_ok=False)
    draft.write_text(f'secret_key = "{secrets.token_hex(32)}"\ndata_key = "{data_key}"\n')
    with contextlib.suppress(FileExistsError):  # another process was first: its keys count for both
        os.link(draft, path)
    draft.unlink()
