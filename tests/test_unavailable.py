"""A database that does not take what it is given: 503 with the advice to come back, nothing half-done, and it recovers.

What a full disk does: test_full_disk.py.
"""

import contextlib
import os
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

from consent_service import database
from consent_service.sql import pool
from tests.actors import SUBSCRIBE, Visitor
from tests.conftest import DATABASES, on_both_databases

AT_ONCE = 40  # more than a service keeps connections
KEPT_ALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
]


@contextlib.contextmanager
def locked(house):
    """Another program keeps all writers out."""
    engine = house.service.engine
    if engine.dialect.name == "sqlite":
        with contextlib.closing(sqlite3.connect(engine.url.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
    else:
        with house.service.transaction() as connection:
            connection.execute(text("LOCK TABLE subscriber IN SHARE ROW EXCLUSIVE MODE"))
            yield


@pytest.fixture
def hasty_house(open_house, database_url):
    """A household that waits for a lock for a moment only, where it would be ten seconds."""
    house = open_house(
        f"{database_url}?options=-c%20lock_timeout%3D300" if "postgres" in database_url else database_url
    )
    if house.service.engine.dialect.name == "sqlite":
        house.service.engine.dispose()
        event.listen(house.service.engine, "connect", lambda raw, _: raw.execute("PRAGMA busy_timeout=300").close())
    return house


def check_refused(pages):
    assert {page.status for page in pages} == {503}
    assert all(page.answer.headers["Retry-After"] == "5" for page in pages)


def test_what_a_refused_commit_left_open_keeps_nobody_out(sqlite_house):
    engine = sqlite_house.service.engine
    with sqlite_house.service.transaction() as connection:
        connection.execute(text("CREATE TABLE parent (id INTEGER PRIMARY KEY)"))
        late = "REFERENCES parent DEFERRABLE INITIALLY DEFERRED"
        connection.execute(text(f"CREATE TABLE child (parent INTEGER {late})"))
    for _ in range(pool.KEPT_CONNECTIONS + 1):
        with pytest.raises(IntegrityError), database.transaction(engine) as connection:
            connection.execute(text("INSERT INTO child VALUES (7)"))
    with database.transaction(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM child")).scalar_one() == 0


@on_both_databases
def test_a_locked_database_is_no_error_of_the_visitor_and_keeps_nothing_of_what_it_refused(hasty_house):
    house, aino = hasty_house, Visitor(hasty_house).becomes_active()
    form, leave = aino.open_form(), house.get(aino.link("unsubscribe"))
    before = house.everything()
    with locked(house):
        check_refused([
            form.press(SUBSCRIBE, first_name="E", last_name="N", email="eero@example.com", consent="yes"),
            house.post(aino.link("unsubscribe"), {"List-Unsubscribe": "One-Click"}),
        ])  # fmt: skip
        assert leave.status == house.get(aino.link("unsubscribe")).status == 200, "what only reads goes on"
        assert house.get("/readyz").status == 200
    assert house.everything() == before
    assert aino.leave().status == 200
    assert Visitor(house, "eero@example.com").subscribe().status == 200


@pytest.mark.soak
def test_however_many_wait_for_a_lock_each_hears_in_the_same_time(house):
    """One after the other, each with the patience of its own, the last of them would hear after a minute."""
    form, longest_s = Visitor(house).open_form(), 1.5 * database.BUSY_TIMEOUT_S + 4

    def ask(number):
        began, fields = time.monotonic(), {"first_name": "Aino", "last_name": "Mäkelä", "consent": "yes"}
        page = form.press(SUBSCRIBE, email=f"p{number}@example.com", **fields)
        return page.status, time.monotonic() - began < longest_s

    with locked(house), ThreadPoolExecutor(6) as threads:
        assert set(threads.map(ask, range(6))) == {(503, True)}


@on_both_databases
def test_more_visitors_at_once_than_connections_are_kept_all_get_their_answer(house):
    form = Visitor(house).open_form()

    def ask(number):
        fields = {"first_name": "Aino", "last_name": "Mäkelä", "consent": "yes"}
        return form.press(SUBSCRIBE, email=f"p{number}@example.com", **fields).status

    held = [house.service.engine.connect() for _ in range(AT_ONCE)]
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(ask, range(8))) == {200}
    for connection in held:
        connection.close()


@pytest.mark.parametrize("database_url", DATABASES[1:], indirect=True)
def test_a_server_that_may_only_be_read_for_now_is_busy_and_not_broken(open_house, database_url):
    """As after the first of two has failed, while lines still lead to the second that copies it."""
    house = open_house(f"{database_url}?options=-c%20default_transaction_read_only%3Don")
    form = Visitor(house).open_form()
    check_refused([form.press(SUBSCRIBE, first_name="E", last_name="N", email="eero@example.com", consent="yes")])


@pytest.mark.parametrize("database_url", DATABASES[1:], indirect=True)
def test_nobody_waits_for_a_lock_or_for_a_server_for_ever(database_url):
    engine = database.make_engine(database_url)
    with engine.connect() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() == f"{database.BUSY_TIMEOUT_S}s"
        assert connection.connection.dbapi_connection.info.get_parameters()["connect_timeout"] == str(
            database.BUSY_TIMEOUT_S
        )
        with socket.socket(fileno=os.dup(connection.connection.dbapi_connection.fileno())) as line:
            asked = [line.getsockopt(*option) for option in KEPT_ALIVE]
    assert asked == [1, database.BUSY_TIMEOUT_S // 2, 2], "the machine of the server may go while its answer is awaited"
    engine.dispose()
