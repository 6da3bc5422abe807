"""What a watcher asks: whether the process lives, and whether the work gets done; never anything about people."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import create_engine, text

from consent_service import service as services
from tests.actors import Visitor
from tests.conftest import on_both_databases
from tests.household import NO_ACTIVECAMPAIGN

pytestmark = on_both_databases

OVERDUE = timedelta(minutes=15, seconds=2)


def ready(house):
    page = house.get("/readyz")
    return page.status, page.answer.json()


def change(house, statement):
    with house.service.transaction() as connection:
        connection.execute(text(statement))


def take_away(house, folder):
    """Make the database unreachable under the running service, the way it happens in life."""
    house.service.engine.dispose()
    if house.service.engine.dialect.name == "sqlite":
        shutil.rmtree(folder / "db")
        (folder / "db").write_text("the disk is gone")
        return
    url = house.service.engine.url
    engine = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{url.database}" WITH (FORCE)'))
    engine.dispose()


def test_all_is_well(house):
    Visitor(house).becomes_active()
    Visitor(house, "eero@example.com").subscribe()
    status, told = ready(house)
    assert status == 200
    assert told == {
        "database": "ok",
        "migrations": "ok",
        "oldest_undone_min": 0,
        "erasures": "ok",
        "seal": "ok",
        "limits": "ok",
        "ready": True,
    }


def test_a_stranger_does_not_see_whether_the_address_they_typed_has_a_mail_due(house):
    nothing_due = ready(house)
    aino = Visitor(house)
    aino.subscribe()
    assert house.messages()
    assert ready(house) == nothing_due


def test_alive_asks_nothing_of_the_database(open_house, database_url, tmp_path):
    house = open_house(*own_folder(database_url, tmp_path))
    take_away(house, tmp_path)
    page = house.get("/healthz")
    assert (page.status, page.answer.json()) == (200, {"status": "ok"})


def test_not_ready_while_the_database_is_gone(open_house, database_url, tmp_path):
    house = open_house(*own_folder(database_url, tmp_path))
    assert ready(house)[0] == 200
    take_away(house, tmp_path)
    assert ready(house) == (503, {"database": "unreachable", "ready": False})
    page = Visitor(house).open_form()
    assert page.status == 200, "the form can still be read"
    assert page.press(page.forms[0].buttons[0], first_name="A", last_name="B", email="a@example.com", consent="yes"
                      ).status == 503  # fmt: skip


@pytest.mark.parametrize(
    "form",
    ["DELETE FROM alembic_version", "UPDATE alembic_version SET version_num = '9999'", "DROP TABLE alembic_version"],
)
def test_not_ready_while_the_tables_are_not_this_versions(house, form):
    change(house, form)
    assert ready(house) == (503, {"database": "ok", "migrations": "pending", "ready": False})


def test_not_ready_when_a_message_has_been_due_for_a_quarter_of_an_hour(house):
    Visitor(house).subscribe()
    with time_machine.travel(services.now() + OVERDUE, tick=False):
        status, told = ready(house)
        assert (status, told["ready"]) == (503, False)
        assert told["oldest_undone_min"] == int(OVERDUE.total_seconds() // 60)
        house.deliver()
        house.service.seal()
        assert ready(house)[0] == 200, "by itself, once the relay has worked"


def test_ready_while_a_message_waits_for_its_next_try(house):
    Visitor(house).subscribe()
    house.mail.stop()
    house.deliver(at_most=1)
    [message] = house.messages()
    with time_machine.travel(message.due_at - timedelta(seconds=1), tick=False):
        assert ready(house)[0] == 200, "the other side is down; this service does what it can"


def test_a_dead_letter_stops_nobody(house):
    Visitor(house).subscribe()
    house.mail.answer_next("rcpt", 550, "no")
    house.deliver()
    assert ready(house)[0] == 200


def test_updates_that_wait_for_activecampaign_to_be_connected_are_not_late(open_house, database_url):
    house = open_house(database_url, **NO_ACTIVECAMPAIGN)
    Visitor(house).becomes_active()
    house.service.seal()
    with time_machine.travel(services.now() + OVERDUE, tick=False):
        assert ready(house)[0] == 200


def test_a_watcher_gets_no_cookie_no_cache_and_nothing_of_anybody(house):
    Visitor(house).subscribe()
    for path in ("/healthz", "/readyz"):
        answer = house.get(path).answer
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Type"] == "application/json"
        assert "aino" not in answer.text.lower()
        assert house.http.head(house.url + path).status_code == 200
        assert house.post(path).status == 405


def own_folder(url: str, folder: Path) -> tuple[str]:
    """The same database; on SQLite in a folder that can be taken away."""
    return (f"sqlite:///{folder}/db/consent.db" if url.startswith("sqlite") else url,)
