"""The tables: the migrations make exactly what the models say, and they refuse what must not be."""

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from consent_service import database, schema
from consent_service.models import activecampaign
from consent_service.models.columns import metadata
from consent_service.web import accounts
from tests.actors import Visitor
from tests.conftest import on_both_databases


def test_head_equals_the_models(empty_url):
    assert accounts.Staff.__table__.metadata is activecampaign.metadata is metadata
    engine = database.make_engine(empty_url)
    schema.upgrade(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert schema.is_migrated(connection)
    engine.dispose()


def test_an_older_program_refuses_a_newer_database(empty_url):
    engine = database.make_engine(empty_url)
    schema.upgrade(engine)
    with database.transaction(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(schema.SchemaNewer):
        schema.upgrade(engine)
    engine.dispose()


@pytest.mark.parametrize("revision", [None, "3f2a9c"])
def test_a_database_of_another_program_is_left_alone(empty_url, revision):
    engine = database.make_engine(empty_url)
    with database.transaction(engine) as connection:
        connection.execute(text("CREATE TABLE invoice (id INTEGER)"))
        if revision:
            connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
            connection.execute(text(f"INSERT INTO alembic_version VALUES ('{revision}')"))
    with pytest.raises(schema.SchemaForeign, match="has a table invoice, which is not this service's"):
        schema.upgrade(engine)
    with database.reading(engine) as connection:
        assert [table.name for table in schema.tables(connection)] == ["invoice"]
    engine.dispose()


def test_other_trouble_with_a_migration_is_not_called_a_newer_database(empty_url):
    engine = database.make_engine(empty_url)
    with pytest.raises(CommandError, match="Relative revision"), database.remaking(engine) as connection:
        schema.migrate(connection, "+9999")
    engine.dispose()


FORCED = (
    "UPDATE subscriber SET status = 'active'",
    "UPDATE subscriber SET status = 'active', active_since = asked_at",
    "UPDATE subscriber SET status = 'active', active_since = asked_at, basis_event_id = 'made up'",
    "UPDATE subscriber SET status = 'active', active_since = asked_at,"
    " basis_event_id = (SELECT id FROM consent_event LIMIT 1)",
    "UPDATE subscriber SET status = 'active', active_since = asked_at, basis_event_id ="
    " (SELECT used_event_id FROM confirmation WHERE used_event_id IS NOT NULL)",
    "UPDATE subscriber SET status = 'passive'",
    "UPDATE subscriber SET status = 'fine'",
    "UPDATE confirmation SET used_at = asked_at",
    "UPDATE outbox_message SET done_at = due_at, dead_at = due_at",
)


@on_both_databases
def test_the_database_itself_refuses_to_make_anybody_active_without_a_used_confirmation(house):
    Visitor(house, "other@example.com").becomes_active()
    Visitor(house).subscribe()
    for forced in FORCED:
        words = f"{forced} WHERE email_key = 'aino@example.com'" if "SET status" in forced else forced
        with pytest.raises(IntegrityError), house.service.transaction() as connection:
            connection.execute(text(words))
        assert house.status("aino@example.com") == "pending", words


@on_both_databases
def test_nobody_who_left_is_made_active_by_setting_a_word(house):
    aino = Visitor(house).becomes_active()
    aino.leave()
    with pytest.raises(IntegrityError), house.service.transaction() as connection:
        connection.execute(text("UPDATE subscriber SET status = 'active'"))
    assert house.status(aino.email) == "passive"


def test_sqlite_keeps_what_it_acknowledged(tmp_path):
    engine = database.make_engine(f"sqlite:///{tmp_path}/c.db")
    with engine.connect() as connection:
        pragmas = {
            name: connection.execute(sqlalchemy.text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
        }
    assert pragmas == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1, "busy_timeout": 10_000,
    }  # fmt: skip
    engine.dispose()


def test_whoever_begins_otherwise_waits_for_the_disk_again(sqlite_house):
    engine = sqlite_house.service.engine
    with database.transaction(engine, lasting=False) as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 1
    with engine.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
