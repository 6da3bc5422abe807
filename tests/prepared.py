"""What every household needs alike and need be made only once in a test process: tables, templates, a password hash.

A household that starts with them is the same as one that makes them itself; the first of each process does.
"""

import tempfile
from functools import cache
from pathlib import Path

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import make_url

from consent_service import database
from consent_service.service import Service
from consent_service.web import accounts


class Compiled(BytecodeCache):
    """Templates as they were compiled first."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._known:
            bucket.bytecode_from_string(self._known[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._known[bucket.key] = bucket.bytecode_to_string()


COMPILED = Compiled()
HASHES: dict[str, str] = {}


def migrate(service: Service) -> None:
    """Give a service its tables: a new SQLite file is a copy of one that was migrated."""
    url = make_url(service.settings.database_url)
    file = Path(url.database or "")
    if url.get_backend_name() == "sqlite" and not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_migrated())
    else:
        database.upgrade(service.engine)


def compile_once(app: Flask) -> None:
    """Let an application use the templates that another one has compiled."""
    app.jinja_env.bytecode_cache = COMPILED


def password_hash(password: str) -> str:
    """Return the hash of a password; needs an application context."""
    if password not in HASHES:
        HASHES[password] = accounts.password_hash(password)
    return HASHES[password]


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "empty.db"
        engine = database.make_engine(f"sqlite:///{file}")
        database.upgrade(engine)
        engine.dispose()
        return file.read_bytes()
