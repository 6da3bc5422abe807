"""What waits for the disk, and so outlives a power cut: all that somebody was told. What the relay notes need not."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from psycopg.pq import TransactionStatus
from sqlalchemy import event, func, literal_column, select, text

from consent_service.ledger import evidence
from consent_service.models.delivery import outbox_message
from consent_service.models.ledger import shown_text
from consent_service.notices.statements import ShownText
from consent_service.sql.prepared import Prepared
from tests.actors import Visitor
from tests.conftest import on_both_databases

SYNCHRONOUS = Prepared(select(literal_column("synchronous")).select_from(text("pragma_synchronous")))
SYNCHRONOUS_COMMIT = Prepared(select(func.current_setting("synchronous_commit")))
ASKED = {"sqlite": (SYNCHRONOUS, 2), "postgresql": (SYNCHRONOUS_COMMIT, "on")}
TEXT = ShownText("mail", "fi", b"words that nobody has been shown")


@pytest.fixture
def lasting_house(house):
    """A house on a database that keeps what it acknowledged; the PostgreSQL of the tests is there to be quick."""
    with house.service.transaction() as connection:
        if connection.dialect.name == "postgresql":
            name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = on")
    house.service.engine.dispose()
    return house


def waits(connection):
    """Whether the transaction of a connection waits for the disk."""
    asked, lasting = ASKED[connection.dialect.name]
    return asked.value(connection) == lasting


def has_ended(connection):
    """Whether it was one statement's, which PostgreSQL has committed already."""
    line = getattr(connection.connection.driver_connection, "pgconn", None)
    return line is not None and line.transaction_status == TransactionStatus.IDLE


@contextmanager
def committed(house):
    """Whether each transaction waited for the disk, in their order, but for those of one statement."""
    waited = []

    def note(connection):
        is_lasting = waits(connection)
        if not has_ended(connection):  # known once it was asked: a transaction begins with its first question
            waited.append(is_lasting)

    event.listen(house.service.engine, "commit", note)
    yield waited
    event.remove(house.service.engine, "commit", note)


@on_both_databases
def test_what_somebody_was_told_outlives_a_power_cut(lasting_house):
    house, aino = lasting_house, Visitor(lasting_house)
    for act in (aino.subscribe, aino.confirm, aino.leave):
        with committed(house) as waited:
            act()
        assert waited, act
        assert all(waited), act
        house.deliver()  # hastily, over connections that are used again


@on_both_databases
def test_what_the_relay_notes_does_not_wait(lasting_house):
    house = lasting_house
    Visitor(house).subscribe()
    with committed(house) as waited:
        house.deliver()
    with house.service.reading() as connection:
        assert connection.execute(select(outbox_message.c.done_at)).scalar_one() is not None
    assert waited
    assert not any(waited)


@on_both_databases
def test_one_statement_alone_does_not_wait_and_the_next_transaction_does(lasting_house):
    service = lasting_house.service
    with service.transaction(single=True) as connection:
        assert not waits(connection)
    with service.transaction() as connection:
        assert waits(connection)


@on_both_databases
def test_a_text_is_kept_again_where_its_first_transaction_was_undone(house):
    occasion = house.occasion()

    def keep():
        evidence.keep_text(connection, occasion, TEXT)
        evidence.keep_text(connection, occasion, TEXT)

    with pytest.raises(RuntimeError), house.service.transaction() as connection:
        keep()
        raise RuntimeError
    with house.service.transaction() as connection:
        keep()
    with house.service.reading() as connection:
        assert connection.execute(select(func.count()).where(shown_text.c.sha256 == TEXT.sha256)).scalar_one() == 1


@on_both_databases
def test_a_text_that_has_been_kept_for_long_is_not_asked_for_again(house):
    first = house.occasion()
    for occasion in (first, replace(first, now=first.now + evidence.NEW + timedelta(seconds=1))):
        with house.service.transaction() as connection:
            evidence.keep_text(connection, occasion, TEXT)
            assert (TEXT.sha256 in connection.info[evidence.KEPT_TEXTS]) == (occasion is not first)
