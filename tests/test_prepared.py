"""Statements that the driver runs: the same answers, the same refusals and the same listeners as by SQLAlchemy."""

import contextlib
import signal
import uuid
from datetime import UTC, datetime

import pytest
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Table,
    bindparam,
    event,
    func,
    insert,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)

from consent_service.models.activecampaign import call_budget
from consent_service.models.ledger import shown_text
from consent_service.models.newsletter import subscriber
from consent_service.sql.pipeline import MOST
from consent_service.sql.prepared import LONGEST_LIST, Prepared, PreparedList
from tests.conftest import on_both_databases

NOW = datetime(2026, 3, 29, 1, 30, 0, 5, tzinfo=UTC)
ADD, FIND = Prepared(insert(subscriber)), Prepared(select(subscriber).where(subscriber.c.email_key == bindparam("key")))
RENAME = Prepared(update(subscriber).where(subscriber.c.email_key == bindparam("key")))
LARGE = 8 * 1024 * 1024  # more than a system takes at once from somebody whom nobody listens to yet
KEEP_TEXT = Prepared(insert(shown_text))
SOME = PreparedList(lambda keys: select(subscriber.c.id).where(subscriber.c.email_key.in_(keys)))


def person(name: str) -> dict[str, object]:
    named = {"id": str(uuid.uuid4()), "email": f"{name}@example.com", "email_key": f"{name}@example.com"}
    return named | {"first_name": name, "last_name": "Mäkelä", "language": "fi", "status": "pending", "asked_at": NOW}


@on_both_databases
def test_what_it_reads_is_what_sqlalchemy_reads(house):
    with house.service.transaction() as connection:
        ADD.run(connection, person("Aino"))
        found = FIND.row(connection, {"key": "Aino@example.com"})
        assert found == connection.execute(select(subscriber)).one()
        assert (found.first_name, found.asked_at, found.active_since) == ("Aino", NOW, None)
        assert FIND.row(connection, {"key": "nobody@example.com"}) is None
        assert FIND.value(connection, {"key": "Aino@example.com"}) == found.id


@on_both_databases
def test_the_values_decide_what_is_written(house):
    with house.service.transaction() as connection:
        ADD.run(connection, person("Aino"))
        assert RENAME.run(connection, {"key": "Aino@example.com", "first_name": "Aada"}) == 1
        assert RENAME.run(connection, {"key": "Aino@example.com", "last_name": "Öberg", "active_since": NOW}) == 1
        assert RENAME.run(connection, {"key": "nobody@example.com", "last_name": "Öberg"}) == 0
        found = connection.execute(select(subscriber)).one()
    assert (found.first_name, found.last_name, found.active_since) == ("Aada", "Öberg", NOW)


@on_both_databases
def test_a_list_of_any_length(house):
    keys = [f"p{number}@example.com" for number in range(LONGEST_LIST + 1)]
    with house.service.transaction() as connection:
        for number in range(3):
            ADD.run(connection, person(f"p{number}"))
        assert [len(SOME.rows(connection, keys[:length])) for length in (1, 2, 4, 2)] == [1, 2, 3, 2]
        assert [len(SOME.rows(connection, keys[:length])) for length in (LONGEST_LIST, LONGEST_LIST + 1)] == [3, 3]


@on_both_databases
def test_a_refusal_is_told_as_by_sqlalchemy_without_what_it_was_about(house):
    with pytest.raises(IntegrityError) as refused, house.service.transaction() as connection:
        ADD.run(connection, person("Aino"))
        ADD.run(connection, person("Aino"))
    assert "Aino" not in str(refused.value).partition("DETAIL")[0]
    with pytest.raises((ProgrammingError, OperationalError)), house.service.transaction() as connection:
        Prepared(select(Table("nothing", MetaData(), Column("id", Integer)))).rows(connection)
    with house.service.reading() as connection:
        assert FIND.row(connection, {"key": "Aino@example.com"}) is None, "it was undone"


@on_both_databases
def test_a_value_that_cannot_be_stored_is_our_own_mistake(house):
    with pytest.raises(ValueError, match="without a zone"), house.service.transaction() as connection:
        ADD.run(connection, person("Aino") | {"asked_at": datetime(2026, 1, 1)})  # noqa: DTZ001


def test_what_goes_wrong_on_the_way_is_told_in_the_same_way(sqlite_house):
    """SQLite looks for a row only when it is read."""
    too_large = text("(SELECT 1 AS n UNION ALL SELECT -9223372036854775808) AS v")
    absolute = Prepared(select(func.abs(literal_column("n"))).select_from(too_large))
    with pytest.raises(OperationalError, match="integer overflow"), sqlite_house.service.reading() as connection:
        absolute.rows(connection)


@on_both_databases
def test_a_value_that_is_missing_is_not_taken_for_none(house):
    with house.service.reading() as connection, pytest.raises(ValueError, match="no value for key"):
        FIND.row(connection, {"kay": "Aino@example.com"})


@on_both_databases
def test_a_statement_that_is_different_each_time_is_refused(house):
    any_length = Prepared(select(subscriber).where(subscriber.c.id.in_(bindparam("ids", expanding=True))))
    with_default = Prepared(insert(Table("other", MetaData(), Column("id", Integer, default=7))))
    with house.service.reading() as connection:
        for statement, values in ((any_length, {"ids": ["1"]}), (with_default, {})):
            with pytest.raises(ValueError, match="depends on its values"):
                statement.rows(connection, values)


@on_both_databases
def test_whoever_listens_to_the_engine_hears_it(house):
    heard = []
    event.listen(house.service.engine, "before_cursor_execute", lambda *told: heard.append(told[2]))
    with house.service.reading() as connection:
        assert FIND.row(connection, {"key": "Aino@example.com"}) is None
        assert SOME.rows(connection, ["Aino@example.com"]) == []
    assert [statement.startswith("SELECT subscriber.id") for statement in heard[-2:]] == [True, True]


def test_a_connection_that_has_ended_is_not_used_again(open_house, new_postgres_url):
    house = open_house(new_postgres_url)
    next_at = Prepared(select(call_budget.c.next_at))
    with pytest.raises(OperationalError) as ended, house.service.reading() as connection:
        backend = connection.connection.driver_connection.info.backend_pid
        with house.service.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
            other.execute(text("SELECT pg_terminate_backend(:backend)"), {"backend": backend})
        next_at.rows(connection)
    assert ended.value.connection_invalidated
    with house.service.reading() as connection:
        assert next_at.rows(connection) == []


@on_both_databases
def test_whoever_rolls_back_loses_no_statement(house):
    """A driver that prepares what it runs often by itself may throw everything away after a rollback."""
    with house.service.transaction() as connection:
        ADD.run(connection, person("Aino"))
    for _ in range(8):
        with contextlib.suppress(LookupError), house.service.transaction() as connection:
            connection.execute(select(subscriber.c.id))
            assert FIND.row(connection, {"key": "Aino@example.com"})
            raise LookupError
    with house.service.reading() as connection:
        assert FIND.row(connection, {"key": "Aino@example.com"})


def test_a_refusal_of_a_kind_nobody_knows_is_told_as_one(open_house, new_postgres_url):
    house = open_house(new_postgres_url)
    refuses = (
        "CREATE FUNCTION pg_temp.refuse() RETURNS int AS $$BEGIN RAISE USING ERRCODE = 'ZZ999'; END$$ LANGUAGE plpgsql"
    )
    with pytest.raises(DBAPIError) as refused, house.service.transaction() as connection:
        connection.execute(text(refuses))
        Prepared(select(literal_column("pg_temp.refuse()"))).rows(connection)
    assert refused.value.orig.sqlstate == "ZZ999"
    assert not refused.value.connection_invalidated


def test_a_statement_that_is_not_right_any_more_is_refused_once(open_house, new_postgres_url):
    house, changing = open_house(new_postgres_url), Table("changing", MetaData(), Column("n", Integer))
    number = Prepared(select(changing))
    with house.service.transaction() as connection:
        connection.execute(text("CREATE TABLE changing (n int)"))
        assert number.rows(connection) == []
        connection.execute(text("ALTER TABLE changing ALTER n TYPE bigint"))
    with pytest.raises(NotSupportedError), house.service.reading() as connection:
        number.rows(connection)
    with house.service.reading() as connection:
        assert number.rows(connection) == []


@on_both_databases
def test_what_is_written_is_there_for_the_next_statement_and_for_the_next_transaction(house):
    with house.service.transaction() as connection:
        ADD.write(connection, person("Aino"))
        RENAME.write(connection, {"key": "Aino@example.com", "first_name": "Aada"})
        assert FIND.row(connection, {"key": "Aino@example.com"}).first_name == "Aada"
        RENAME.write(connection, {"key": "Aino@example.com", "first_name": "Aune"})
        assert connection.execute(select(subscriber.c.first_name)).scalar_one() == "Aune", "SQLAlchemy's own too"
        RENAME.write(connection, {"key": "Aino@example.com", "first_name": "Alli"})
    with house.service.reading() as connection:
        assert FIND.row(connection, {"key": "Aino@example.com"}).first_name == "Alli"


@on_both_databases
def test_what_is_written_and_refused_undoes_all_and_leaves_nothing_behind(house):
    aino = person("Aino")
    with pytest.raises(IntegrityError), house.service.transaction() as connection:
        ADD.write(connection, person("Eero"))
        ADD.write(connection, aino)
        ADD.write(connection, aino)
    with pytest.raises(LookupError), house.service.transaction() as connection:
        ADD.write(connection, aino)
        raise LookupError
    with house.service.transaction() as connection:
        assert connection.execute(select(func.count()).select_from(subscriber)).scalar_one() == 0
        ADD.write(connection, aino)
    with house.service.reading() as connection:
        assert FIND.row(connection, {"key": "Aino@example.com"})


@on_both_databases
def test_as_much_may_be_written_as_anybody_likes(house):
    people = [person(f"p{number}") for number in range(3 * MOST)]
    with house.service.transaction() as connection:
        for one in people:
            ADD.write(connection, one)
    with house.service.reading() as connection:
        assert connection.execute(select(func.count()).select_from(subscriber)).scalar_one() == len(people)


@contextlib.contextmanager
def counted(house, tmp_path):
    """A transaction, and when it has ended how many messages PostgreSQL was sent for it."""
    trace, sent = tmp_path / "trace", []
    with trace.open("wb") as kept:
        with house.service.transaction() as connection:
            line = connection.connection.driver_connection.pgconn
            line.trace(kept.fileno())
            yield connection, sent
        line.untrace()
    said = trace.read_text("latin-1")
    sent.append(said.count("\tSync") + said.count("\tQuery"))


def test_what_nobody_waits_for_goes_along(open_house, new_postgres_url, tmp_path):
    house = open_house(new_postgres_url)
    for name in ("Aino", "Eero"):  # in the first everything is prepared
        with counted(house, tmp_path) as (connection, sent):
            ADD.write(connection, person(name))
            RENAME.write(connection, {"key": f"{name}@example.com", "last_name": "Öberg"})
            assert FIND.row(connection, {"key": f"{name}@example.com"}).last_name == "Öberg"
            RENAME.write(connection, {"key": f"{name}@example.com", "last_name": "Mäkelä"})
    assert sent == [2], "all up to the question, and the rest with the end"


def test_nothing_is_sent_for_a_transaction_without_a_question(open_house, new_postgres_url, tmp_path):
    with counted(open_house(new_postgres_url), tmp_path) as (_, sent):
        pass
    assert sent == [0]


def test_a_connection_that_ends_at_the_end_keeps_nothing(open_house, new_postgres_url):
    house = open_house(new_postgres_url)
    with pytest.raises(OperationalError) as ended, house.service.transaction() as connection:
        backend = connection.connection.driver_connection.info.backend_pid
        ADD.write(connection, person("Aino"))
        with house.service.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
            other.execute(text("SELECT pg_terminate_backend(:backend)"), {"backend": backend})
    assert ended.value.connection_invalidated
    with house.service.reading() as connection:
        assert FIND.row(connection, {"key": "Aino@example.com"}) is None


@on_both_databases
def test_however_much_is_said_at_once_arrives(house):
    text_of = {"kind": "mail", "language": "fi", "content": b"x" * LARGE, "first_used_at": NOW}
    with house.service.transaction() as connection:
        KEEP_TEXT.write(connection, text_of | {"sha256": "1" * 64})
        assert KEEP_TEXT.run(connection, text_of | {"sha256": "2" * 64}) == 1
    with house.service.reading() as connection:
        lengths = connection.execute(select(func.length(shown_text.c.content))).scalars()
        assert [*lengths] == [LARGE, LARGE]


def test_a_transaction_that_was_undone_is_never_taken_for_kept(open_house, new_postgres_url):
    house = open_house(new_postgres_url)
    with pytest.raises(InternalError), house.service.transaction() as connection:
        ADD.write(connection, person("Aino"))
        with contextlib.suppress(IntegrityError):
            ADD.run(connection, person("Aino"))
    with house.service.reading() as connection:
        assert FIND.row(connection, {"key": "Aino@example.com"}) is None


def test_whoever_is_interrupted_is_told_so_and_the_next_one_is_answered(open_house, new_postgres_url):
    house, sleeps = open_house(new_postgres_url), Prepared(select(func.pg_sleep(60)))
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt), house.service.transaction() as connection:
            sleeps.rows(connection)
    finally:
        signal.signal(signal.SIGALRM, previous)
    with house.service.transaction() as connection:
        ADD.write(connection, person("Aino"))
    with house.service.reading() as connection:
        assert FIND.row(connection, {"key": "Aino@example.com"})
