"""Fixtures: a household on SQLite and, where its binaries are installed, on PostgreSQL.

Tests are marked so that each statement of ours meets PostgreSQL every day; `make soak` runs all of them there.
"""

import contextlib
import gc
import os
import secrets
import shutil
import tempfile
from functools import cache
from pathlib import Path

import psycopg
import pytest

from consent_service import database, schema
from tests import made_once, postgres
from tests.household import household
from tests.servers.activecampaign import ActiveCampaign
from tests.servers.smtp import MailServer

NO_POSTGRES = "PostgreSQL is not installed (apt install postgresql): its half of this test was NOT run"
DATABASES = [
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.skipif(postgres.binaries() is None, reason=NO_POSTGRES)),
]
MEMORY, ENOUGH_BYTES = Path("/dev/shm"), 2 << 30
ON_SQLITE_AND_AT_LENGTH_ON_POSTGRESQL = [
    "sqlite",
    pytest.param("postgresql", marks=[*DATABASES[1].marks, pytest.mark.soak]),
]
# For tests that meet a lock, a race, or a statement of ours that no other test tries on PostgreSQL.
on_both_databases = pytest.mark.parametrize("database_url", DATABASES, indirect=True)
empty_and_at_length_on_postgresql = pytest.mark.parametrize(
    "empty_url", ON_SQLITE_AND_AT_LENGTH_ON_POSTGRESQL, indirect=True
)


def pytest_configure():
    """Keep files in memory where there is room: what is asked is what survives a killed process, not a power cut."""
    if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)
    made_once.compile_addresses_once()


def pytest_collection_finish():
    """Take what thousands of tests are made of out of the collector's sight: it would go through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(700, 10, 200)  # all of what came later is gone through less often: saves half a minute for 70 MB


@pytest.fixture(scope="session")
def postgres_url():
    """The cluster of this test process, with a migrated `template_house` to copy databases from."""
    if postgres.binaries() is None:
        pytest.skip(NO_POSTGRES)
    folder = Path(tempfile.mkdtemp(prefix="consent-pg-"))
    folder.chmod(0o755)
    with postgres.cluster(folder / "cluster") as url:
        _create(url, "template_house")
        engine = database.make_engine(_named(url, "template_house"))
        schema.upgrade(engine)
        engine.dispose()
        yield url
        _keeper(url).close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=ON_SQLITE_AND_AT_LENGTH_ON_POSTGRESQL)
def database_url(request, tmp_path):
    """A fresh SQLite database; at length, and for tests marked so always, a PostgreSQL database too."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/consent.db"
    return request.getfixturevalue("new_postgres_url")


@pytest.fixture
def new_postgres_url(postgres_url):
    """A PostgreSQL database with the tables in it."""
    name = f"house_{secrets.token_hex(6)}"
    _create(postgres_url, name, template="template_house")
    made_once.MIGRATED.add(_named(postgres_url, name))
    yield _named(postgres_url, name)
    _drop(postgres_url, name)


@pytest.fixture(params=DATABASES)
def empty_url(request, tmp_path):
    """A database of each kind without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    url, name = request.getfixturevalue("postgres_url"), f"empty_{secrets.token_hex(6)}"
    _create(url, name)
    yield _named(url, name)
    _drop(url, name)


@pytest.fixture
def mail():
    """A mail server."""
    with MailServer() as server:
        yield server


@pytest.fixture
def contacts():
    """An ActiveCampaign account that does not mind how fast it is called."""
    with ActiveCampaign() as server:
        server.rate_limit = None
        yield server


@pytest.fixture
def open_house(tmp_path, mail, contacts):
    """Open households with settings of the test's choice: `open_house(url, limit_ip="2/minute")`."""
    with contextlib.ExitStack() as stack:
        yield lambda url, **given: stack.enter_context(household(tmp_path, url, mail, contacts, **given))


@pytest.fixture
def house(open_house, database_url):
    """A household on SQLite; at length, and for tests marked so always, on PostgreSQL too."""
    return open_house(database_url)


@pytest.fixture
def sqlite_house(open_house, tmp_path):
    """A household on SQLite, for what does not depend on the database."""
    return open_house(f"sqlite:///{tmp_path}/consent.db")


@pytest.fixture(scope="module")
def standing_house(tmp_path_factory):
    """One household on SQLite for a whole file of tests, for those that do not mind what others did in it."""
    folder = tmp_path_factory.mktemp("standing")
    with MailServer() as mail, ActiveCampaign() as contacts:
        contacts.rate_limit = None
        with household(folder, f"sqlite:///{folder}/consent.db", mail, contacts) as house:
            yield house


def _create(url: str, name: str, template: str = "template0") -> None:
    keeper = _keeper(url)
    copies = "STRATEGY file_copy" if keeper.info.server_version >= 15_00_00 else ""  # before 15 the only one
    keeper.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {copies}')


def _drop(url: str, name: str) -> None:
    _keeper(url).execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@cache
def _keeper(url: str) -> psycopg.Connection:
    """The connection that databases are made and dropped by: to open one takes as long as that."""
    return psycopg.connect(url, autocommit=True)


def _named(url: str, name: str) -> str:
    return url.rpartition("/")[0] + f"/{name}"
