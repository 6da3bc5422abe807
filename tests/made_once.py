"""What every household needs alike and need be made only once in a test process: what is migrated and compiled.

A household that starts with them is the same as one that makes them itself; the first of each process does.
"""

import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any, ClassVar

from flask import Flask, current_app
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import Engine, make_url
from werkzeug.routing import Rule
from werkzeug.routing.rules import RulePart

from consent_service import database, schema
from consent_service.service import Service
from consent_service.web import accounts


class Compiled(BytecodeCache):
    """Templates as they were compiled first."""

    def __init__(self) -> None:
        self._known: dict[str, CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._known.get(bucket.key)

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._known[bucket.key] = bucket.code


class KnownRule(Rule):
    """An address of an application: how to read and write it follows from its words alone, and compiling takes long."""

    _built: ClassVar[dict[tuple[object, ...], Callable[..., tuple[str, str]]]] = {}
    _parsed: ClassVar[dict[tuple[object, ...], tuple[Any, ...]]] = {}

    def _parse_rule(self, rule: str) -> Iterable[RulePart]:
        words = (rule, repr(self.defaults))
        if words not in self._parsed:
            parts = list(super()._parse_rule(rule))
            self._parsed[words] = parts, self._trace, self._converters, self.arguments
        parts, self._trace, self._converters, self.arguments = self._parsed[words]
        return parts

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        words = (self.rule, self.subdomain, repr(self.defaults), append_unknown)
        if words not in self._built:
            self._built[words] = super()._compile_builder(append_unknown)
        return self._built[words]


COMPILED = Compiled()
HASHES: dict[tuple[str, int], str] = {}
ENGINES: dict[str, Engine] = {}
MIGRATED: set[str] = set()  # addresses of databases that were made with their tables


def migrate(service: Service) -> None:
    """Give a service its tables: a new SQLite file is a copy of one that was migrated."""
    url = make_url(service.settings.database_url)
    file = Path(url.database or "")
    if url.get_backend_name() == "sqlite" and not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_migrated())
    elif service.settings.database_url not in MIGRATED:
        schema.upgrade(service.engine)


def compile_once(app: Flask) -> None:
    """Let an application use the templates that another one has compiled."""
    app.jinja_env.bytecode_cache = COMPILED


def compile_addresses_once() -> None:
    """Let every application of this process use the addresses that another one has compiled."""
    Flask.url_rule_class = KnownRule


def compile_statements_once(engine: Engine) -> None:
    """Let an engine use the statements that another one for the same kind of database has compiled."""
    if engine.dialect.name not in ENGINES:
        engine.connect().close()  # a dialect learns at the first connection what its database can do
    first = ENGINES.setdefault(engine.dialect.name, engine)
    engine.dialect, engine._compiled_cache = first.dialect, first._compiled_cache


def hash_passwords(app: Flask, memory_kib: int = 32) -> None:
    """Let hashing a password take next to nothing, or as long as this much memory takes; an operator has 64 MiB."""
    app.extensions["security"].pwd_context.update(argon2__memory_cost=memory_kib, argon2__rounds=1)
    app.extensions["password-kib"] = memory_kib


def password_hash(password: str) -> str:
    """Return the hash of a password; needs an application context."""
    key = password, current_app.extensions.get("password-kib", 0)
    if key not in HASHES:
        HASHES[key] = accounts.password_hash(password)
    return HASHES[key]


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "empty.db"
        engine = database.make_engine(f"sqlite:///{file}")
        schema.upgrade(engine)
        engine.dispose()
        return file.read_bytes()
