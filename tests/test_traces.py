"""What SQLite leaves in its files of rows that were deleted, and that scrubbing leaves nothing."""

import random
import resource
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import OperationalError

from consent_service import database, schema
from consent_service import service as services
from consent_service.models.newsletter import subscriber
from consent_service.models.watch import daily_run


@pytest.fixture
def engine(tmp_path):
    engine = database.make_engine(f"sqlite:///{tmp_path}/traces.db")
    schema.upgrade(engine)
    yield engine
    engine.dispose()


def live(engine, chance):
    """Let many people come, change and go, so that rows move from page to page; the addresses of those who went."""
    here, gone = {}, []
    with database.transaction(engine) as connection:
        for _ in range(4000):
            if len(here) < 700 or chance.random() < 0.35:
                row = somebody(chance)
                connection.execute(insert(subscriber).values(**row))
                here[row["id"]] = row["email"]
            elif chance.random() < 0.5:
                reason = {"hold_reason": "x" * chance.randrange(1, 200), "held_since": services.now()}
                someone = subscriber.c.id == chance.choice(list(here))
                connection.execute(update(subscriber).where(someone).values(**reason))
            else:
                someone = chance.choice(list(here))
                connection.execute(delete(subscriber).where(subscriber.c.id == someone))
                gone.append(here.pop(someone))
    return gone


def somebody(chance):
    email = f"{chance.randbytes(chance.randint(6, 40)).hex()}@example.com"
    names = {"first_name": "A" * chance.randint(1, 60), "last_name": "B", "language": "fi", "status": "pending"}
    return names | {
        "id": str(uuid.UUID(bytes=chance.randbytes(16))),
        "email": email,
        "email_key": email,
        "asked_at": services.now(),
    }


def traces(tmp_path, emails):
    content = b"".join(path.read_bytes() for path in tmp_path.glob("traces.db*"))
    return [email for email in emails if email.encode() in content]


def test_scrubbing_leaves_no_trace_and_takes_nobody_else(engine, tmp_path):
    gone = []
    for seed in range(4, 20):
        gone += live(engine, random.Random(seed))
        assert database.empty_wal(engine)
        if traces(tmp_path, gone):
            break
    else:
        pytest.skip("this SQLite leaves no traces to scrub")
    with database.reading(engine) as connection:
        before = connection.execute(select(subscriber)).all()
    assert database.scrub(engine)
    assert traces(tmp_path, gone) == []
    with database.reading(engine) as connection:
        assert connection.execute(select(subscriber)).all() == before
    assert len(traces(tmp_path, [row.email for row in before])) == len(before)


def test_the_log_is_emptied_only_when_nobody_reads_it(engine, tmp_path):
    with database.reading(engine) as reader:
        reader.execute(select(daily_run)).all()
        with database.transaction(engine) as connection:
            connection.execute(insert(subscriber).values(**somebody(random.Random(1))))
        assert not database.empty_wal(engine)
    assert database.empty_wal(engine)
    assert (tmp_path / "traces.db-wal").stat().st_size == 0


def test_a_checkpoint_that_fails_leaves_no_connection_that_waits_for_nobody(engine, tmp_path):
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    chance = random.Random(1)
    with database.transaction(engine) as connection:
        for _ in range(300):
            connection.execute(insert(subscriber).values(**somebody(chance)))
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "traces.db").stat().st_size, hard))  # as on a full disk
    try:
        with pytest.raises(OperationalError):
            database.empty_wal(engine)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == database.BUSY_TIMEOUT_S * 1000
    assert database.empty_wal(engine)


def test_emptying_the_log_waits_for_its_turn_to_write(engine, tmp_path):
    """Who writes would else meet SQLite's own lock, and sleep there for up to a tenth of a second at a time."""
    with ThreadPoolExecutor(1) as threads:
        with database.transaction(engine) as connection:
            connection.execute(insert(subscriber).values(**somebody(random.Random(1))))
            emptied = threads.submit(database.empty_wal, engine)
            with pytest.raises(TimeoutError):
                emptied.result(0.3)
        assert emptied.result(database.BUSY_TIMEOUT_S)
    assert (tmp_path / "traces.db-wal").stat().st_size == 0
