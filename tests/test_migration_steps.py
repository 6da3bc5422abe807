"""A database that grew old: every step with rows in every table, several processes at once, killed in the middle."""

import signal
from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, Column, DateTime, Integer, LargeBinary, MetaData, String, insert, select, text
from sqlalchemy.schema import sort_tables

from consent_service import database, schema
from tests.actors import Visitor
from tests.conftest import empty_and_at_length_on_postgresql
from tests.migrate import migrate
from tests.processes import FORKS, PATIENCE_S

STEPS = [step.revision for step in ScriptDirectory(str(schema.MIGRATIONS)).walk_revisions()][::-1]
MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)
SAID = {  # what a rule of the database asks for; any other text is the name of its column
    "subscriber.status": "pending", "suppression.reason": "declined", "confirmation.source": "form",
    "import_batch.source": "file", "reconcile_run.phase": "list",
    "reconcile_run.is_open": True, "customer.kind": "consumer", "customer.status": "active",
    "customer.last_name": "Mäkelä", "customer_document.retention_class": "other", "customer_document.binder": "A",
    "customer_import.state": "columns", "data_request.kind": "access", "data_request.channel": "phone",
    "data_request.name": "Aino", "data_request_letter.kind": "answer",
    "data_request.received_on": "2026-01-31", "data_request.due_on": "2026-02-28", "data_request.received_by": "Heidi",
    "breach.risk": "unknown", "breach_notice.whom": "other",
}  # fmt: skip
DROPPED = {"role", "staff_role"}  # since 0023 a role is a column of the account
BECOMES_ACTIVE = (
    "UPDATE confirmation SET used_at = asked_at, used_event_id = (SELECT id FROM consent_event)",
    "UPDATE subscriber SET status = 'active', active_since = asked_at, contact_id = '7',"
    " basis_event_id = (SELECT id FROM consent_event)",
)


def step_to(engine, revision):
    """Go to a step, as `schema.upgrade` goes to the last one."""
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    with database.remaking(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def tables(engine):
    """Every table, after those it needs; a subscriber refers to confirmations, which refer to the subscriber."""
    found = MetaData()
    found.reflect(engine)
    ordered = sort_tables(found.tables.values(), skip_fn=lambda key: key.parent.table.name == "subscriber")
    return [table for table in ordered if table.name not in {"alembic_version", *DROPPED}]


def contents(engine, found):
    """Every row of these tables, by the names of the columns."""
    with database.reading(engine) as connection:
        return {table.name: [row._asdict() for row in connection.execute(select(table))] for table in found}


def fill(engine, empty):
    """Put one row into each of these tables, with what has to be said and nothing else."""
    with database.transaction(engine) as connection:
        for table in empty:
            needed = [one for one in table.columns if str(one) in SAID or not (one.nullable or one.server_default)]
            connection.execute(insert(table), {column.name: value(connection, column) for column in needed})


def value(connection, column: Column):
    for key in column.foreign_keys if column.table.name != "subscriber" else ():
        return connection.execute(select(key.column)).scalars().first()
    if str(column) in SAID:
        return SAID[str(column)]
    if isinstance(column.type, String):
        return column.name[: column.type.length]
    kinds = {DateTime: MOMENT, Integer: 1, BigInteger: 1, LargeBinary: b"bytes"}
    return next((some for kind, some in kinds.items() if isinstance(column.type, kind)), False)


@pytest.fixture
def grown(empty_url):
    """The engine of a database of the first version, with somebody active and a row in every other table."""
    engine = database.make_engine(empty_url)
    step_to(engine, STEPS[0])
    fill(engine, tables(engine))
    with database.transaction(engine) as connection:
        for words in BECOMES_ACTIVE:
            connection.execute(text(words))
    yield engine
    engine.dispose()


def test_every_step_keeps_every_row_and_the_program_goes_on_with_them(grown, open_house, empty_url):
    before = contents(grown, tables(grown))
    for revision in STEPS[1:]:
        step_to(grown, revision)
        found = tables(grown)
        after = contents(grown, found)
        for name, rows in before.items():
            kept = [{column: row[column] for column in old} for row, old in zip(after[name], rows, strict=True)]
            assert kept == rows, (revision, name)
        if grown.dialect.name == "sqlite":
            with database.reading(grown) as connection:
                assert not connection.exec_driver_sql("PRAGMA foreign_key_check").all(), revision
        empty = [table for table in found if not after[table.name]]
        fill(grown, empty)
        before = after | contents(grown, empty)
    [person] = before["subscriber"]
    assert person["forwarded_event_id"] == person["basis_event_id"], "who was there already counts as taken over"
    house = open_house(empty_url)
    assert house.person("email_key").status == "active"
    Visitor(house).becomes_active()


@empty_and_at_length_on_postgresql  # where every step is taken by the test above
def test_whoever_had_an_account_is_an_owner_and_who_was_disabled_stays_so(empty_url):
    engine = database.make_engine(empty_url)
    step_to(engine, "0021")
    account = "INSERT INTO staff (id, email, name, password, active, fs_uniquifier, created_at) VALUES"
    with database.transaction(engine) as connection:
        for name, active in (("heidi", "true"), ("gone", "false")):
            said = (
                f"('{name}', '{name}@keinuma.example', '{name}', 'x', {active}, '{name}', '2026-01-01 00:00:00+00:00')"
            )
            connection.execute(text(f"{account} {said}"))
    schema.upgrade(engine)
    with database.reading(engine) as connection:
        found = connection.execute(text("SELECT id, role, ended_at IS NULL, link_state FROM staff ORDER BY id")).all()
    assert [(row[0], row[1], bool(row[2])) for row in found] == [("gone", "owner", False), ("heidi", "owner", True)]
    assert len({row.link_state for row in found} - {""}) == 2
    engine.dispose()


def in_processes(number, *arguments):
    """Migrate in so many processes at once; their exit codes."""
    started = [FORKS.Process(target=migrate, args=arguments) for _ in range(number)]
    for process in started:
        process.start()
    for process in started:
        process.join(PATIENCE_S)
    return [process.exitcode for process in started]


def test_four_processes_may_migrate_at_once(grown, empty_url):
    found = tables(grown)
    before = contents(grown, found)
    assert in_processes(4, empty_url) == [0, 0, 0, 0]
    with database.reading(grown) as connection:
        assert schema.is_migrated(connection)
    assert contents(grown, found) == before


def test_killed_in_the_middle_nothing_has_happened_and_the_next_try_succeeds(grown, empty_url):
    before = contents(grown, tables(grown))
    for dies_at in (8, 40, 70):
        assert in_processes(1, empty_url, dies_at) == [-signal.SIGKILL]
        assert contents(grown, tables(grown)) == before, dies_at
    assert in_processes(1, empty_url) == [0]
    with database.reading(grown) as connection:
        assert schema.is_migrated(connection)
