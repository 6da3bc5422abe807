"""The engine, `transaction()`, and every place where SQLite and PostgreSQL differ.

The only room that knows which database is behind, but for the types in `models/columns`. SQLite runs with WAL,
`synchronous=FULL` and BEGIN IMMEDIATE, so a commit survives a power cut unless its transaction was not to last, and
writers queue instead of failing half-way.
Must not know a use case.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, cast

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Insert,
    Row,
    Table,
    create_engine,
    event,
    exc,
    func,
    inspect,
    literal,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import ConnectionPoolEntry

from consent_service.sql.pipeline import Statements
from consent_service.sql.pool import KEPT_CONNECTIONS, Pool
from consent_service.sql.prepared import LINE, Line, Prepared, refuse
from consent_service.sql.writers import Turn

BUSY_TIMEOUT_S = 10
FAST_TO_SCRUB = 16 * 1024 * 1024
# What says that the database is locked, full, read-only or away for now, and nothing about what it was asked.
UNAVAILABLE = (exc.OperationalError, exc.InternalError, exc.InterfaceError)
PRAGMAS = (
    "journal_mode=WAL",
    "wal_autocheckpoint=8000",  # pages; only where no relay moves them, see `move_wal`
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",
)
MIGRATION_LOCK = 7_310_457  # any numbers, the same for every process of this service
LOG_LOCK = 7_310_458
_INSERTED = literal(True)
NO_TURN = nullcontext()  # of whoever need not wait for others

# What a transaction is for. One of SQLAlchemy's own, of which nothing is said (None), begins as it does everywhere.
LASTING, HASTY, SINGLE, READING, SNAPSHOT = "lasting", "hasty", "single", "reading", "snapshot"
WRITING = (LASTING, HASTY, SINGLE)
HASTILY = "SELECT set_config('synchronous_commit', 'off', true)"
# One that only reads needs no BEGIN: each of its questions sees another moment anyway (READ COMMITTED).
POSTGRESQL_BEGINS: dict[str | None, tuple[str, ...]] = {
    None: ("BEGIN",),
    LASTING: ("BEGIN",),
    HASTY: ("BEGIN", HASTILY),
    SINGLE: (HASTILY,),  # a transaction of all that is sent together
    READING: (),
    SNAPSHOT: ("BEGIN ISOLATION LEVEL REPEATABLE READ",),
}


def make_engine(url: str) -> Engine:
    """Return an engine for a `sqlite:` or `postgresql:` URL (the latter always through psycopg 3)."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = _pooled(parsed, {"timeout": BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    # Without these a visitor would wait as long as somebody holds a lock, or as long as a network swallows packets.
    waits = f"-c lock_timeout={BUSY_TIMEOUT_S}s {parsed.query.get('options', '')}"
    # Whoever waits for an answer has sent all: only these tell then that the server's machine is gone.
    alive = {"keepalives_idle": BUSY_TIMEOUT_S // 2, "keepalives_interval": 2}
    limits = {"connect_timeout": BUSY_TIMEOUT_S, "tcp_user_timeout": 1000 * BUSY_TIMEOUT_S} | alive | dict(parsed.query)
    engine = _pooled(parsed.set(drivername="postgresql+psycopg"), limits | {"options": waits})
    event.listen(engine, "do_connect", lambda _dialect, _record, where, how: _Connection.connect(*where, **how))
    event.listen(engine, "connect", _prepare_postgresql)
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def transaction(engine: Engine, *, lasting: bool = True, single: bool = False) -> AbstractContextManager[Connection]:
    """One transaction that may write: commits at the end of the block, rolls back on any exception.

    The connection is another's after the block. One that is not `lasting` holds for every process at once as well, but
    does not wait for the disk: a power cut may undo it. A `single` one does not wait for it either, and is for
    one statement: on PostgreSQL each is a transaction of its own, which no later exception rolls back.
    """
    return _lent(engine, SINGLE if single else LASTING if lasting else HASTY, _turn(engine))


def reading(engine: Engine) -> AbstractContextManager[Connection]:
    """Read only: on SQLite one transaction that never waits for a writer, on PostgreSQL one for each question."""
    return _lent(engine, READING)


def snapshot(engine: Engine) -> AbstractContextManager[Connection]:
    """One transaction that only reads and sees nothing of what is committed meanwhile."""
    return _lent(engine, SNAPSHOT)


def insert_if_absent(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert one row and return True, or return False when a unique column already holds its value."""
    return _insert_if_absent(connection.dialect.name, table, _INSERTED).row(connection, values) is not None


def insert_if_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> Row[Any] | None:
    """Insert one row and return it whole, or return None when a unique column already holds its value."""
    return _insert_if_absent(connection.dialect.name, table, table).row(connection, values)


def insert_or_replace(connection: Connection, table: Table, keys: Collection[str], *rows: Mapping[str, Any]) -> None:
    """Insert rows of the same columns, or give each that is there with the same key columns these values."""
    statement = _dialect_insert(connection.dialect.name, table)
    others = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=others), rows)


def locks_rows(connection: Connection) -> bool:
    """Whether several write at once and lock the rows they read; on SQLite there is one writer anyway."""
    return connection.dialect.name != "sqlite"


def hold_log(connection: Connection) -> None:
    """Let nobody else give places in the log until this transaction ends; on SQLite there is one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOG_LOCK})


def one_at_a_time(connection: Connection, act: str) -> None:
    """Let nobody else do an act of this name until this transaction ends; on SQLite there is one writer anyway.

    For what looks whether something stands there already, in a table whose keys cannot refuse a second one.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:act, 0))"), {"act": act})


def empty_wal(engine: Engine) -> bool:
    """Empty SQLite's log of changes, which holds what was deleted a moment ago; False when somebody reads it now."""
    if engine.dialect.name != "sqlite":
        return True
    with engine.connect() as connection:
        driver = cast(sqlite3.Connection, connection.connection.driver_connection)
        _checkpoint(driver)  # most of it while others write
        with _turn(engine):
            driver.execute("PRAGMA busy_timeout=0")  # while it waits for a reader, nobody could write
            try:
                return _checkpoint(driver, "TRUNCATE")
            finally:  # the next one who gets this connection waits again, also after a full disk
                driver.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}")


def move_wal(engine: Engine) -> None:
    """Move what SQLite's log of changes holds into its file, most of it while others write.

    Otherwise whoever happens to write when the log is long does so for all, and those behind them wait: in a large
    database for seconds. Its end is moved in a turn to write, or the log would never be empty and begin anew.
    """
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            driver = cast(sqlite3.Connection, connection.connection.driver_connection)
            _checkpoint(driver)
            with _turn(engine):
                _checkpoint(driver)


def is_scrubbed_fast(engine: Engine) -> bool:
    """Whether nobody has to wait for `scrub` longer than for any other writer."""
    with engine.connect() as connection:
        if connection.dialect.name != "sqlite":
            return True
        pages, size = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size")
        )
        return bool(pages * size <= FAST_TO_SCRUB)


def scrub(engine: Engine) -> bool:
    """Write SQLite's file anew: `secure_delete` overlooks what moving rows from page to page leaves between them.

    Takes four to ten seconds a gigabyte, in which nobody else can write.
    """
    if engine.dialect.name == "sqlite":
        with _turn(engine), closing(engine.raw_connection()) as raw:
            raw.cursor().execute("VACUUM")
    return empty_wal(engine)


def reason(error: exc.DBAPIError) -> str:
    """Return the database's own name for what it refused: SQLITE_FULL, LockNotAvailable; never what it was asked."""
    return getattr(error.orig, "sqlite_errorname", None) or type(error.orig).__name__


@contextmanager
def remaking(engine: Engine) -> Iterator[Connection]:
    """One transaction that may change the form of tables, while nobody else does."""
    with engine.connect().execution_options(migrates=True) as connection, connection.begin():
        connection.detach()  # from the pool: it is closed at the end, since it does not check what others must
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL lock_timeout = 0"))  # another process may migrate for long
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        yield connection


def drop_tables(connection: Connection) -> None:
    """Drop every table, within `remaking`."""
    cascade = " CASCADE" if connection.dialect.name == "postgresql" else ""
    for name in inspect(connection).get_table_names():
        connection.execute(text(f'DROP TABLE "{name}"{cascade}'))


@contextmanager
def unordered(connection: Connection) -> Iterator[None]:
    """Let rows come in before those they refer to, within `remaking`; at the end all of them are held against it."""
    if connection.dialect.name == "sqlite":
        yield
        if lost := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
            raise exc.IntegrityError("PRAGMA foreign_key_check", None, ValueError(f"a row of {lost[0]} refers to none"))
        return
    listed = "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    mine = "contype = 'f' AND connamespace = current_schema()::regnamespace"
    rules = connection.execute(text(f"{listed} WHERE {mine}")).all()
    for table, name, _ in rules:
        connection.execute(text(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"'))
    yield
    for table, name, definition in rules:
        connection.execute(text(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}'))


def catch_up_counters(connection: Connection, filled: Iterable[Table]) -> None:
    """Let keys the database counts up go on behind those that came in with their rows; SQLite does so by itself."""
    if connection.dialect.name == "sqlite":
        return
    for column in (key for table in filled for key in table.primary_key if key.server_default is not None):
        counter = func.pg_get_serial_sequence(column.table.name, column.name)
        connection.execute(select(func.setval(counter, func.max(column))))


def _checkpoint(driver: sqlite3.Connection, how: str = "PASSIVE") -> bool:
    """Move what the log of changes holds into the file, and say whether nobody was in the way."""
    try:
        [busy, _, _] = driver.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
    except sqlite3.Error as error:
        raise exc.OperationalError("PRAGMA wal_checkpoint", None, error) from error
    return not busy


@contextmanager
def _lent(engine: Engine, kind: str, turn: AbstractContextManager[None] = NO_TURN) -> Iterator[Connection]:
    pool = cast(Pool, engine.pool)
    with turn:
        is_heard = bool(engine.dispatch.before_cursor_execute or engine.dispatch.after_cursor_execute)
        # Whoever listens to what is executed hears of what SQLAlchemy executes itself.
        connection = engine.connect() if is_heard else pool.take() or _connected(engine)
        try:
            _line(connection).kind = kind
            with connection.begin():
                yield connection
        except BaseException as error:
            if isinstance(error, exc.NotSupportedError):  # what it has prepared is not right any more
                connection.invalidate()
            if connection.invalidated:  # the others may have ended with it
                pool.drop()
            connection.close()
            raise
        if is_heard:
            connection.close()
        else:
            pool.keep(connection)


def _connected(engine: Engine) -> Connection:
    connection = engine.connect()
    return connection.execution_options(**{LINE: connection.info[LINE]})


def _line(connection: Connection) -> Line:
    return cast(Line, connection.get_execution_options().get(LINE) or connection.info[LINE])


def _pooled(url: URL, connect_args: Mapping[str, Any]) -> Engine:
    """An engine with as many connections as threads ask at once, so that none ever waits for another's."""
    size = {"pool_size": KEPT_CONNECTIONS, "max_overflow": -1}
    return create_engine(url, connect_args=connect_args, poolclass=Pool, pool_pre_ping=True, **size)


def _turn(engine: Engine) -> AbstractContextManager[None]:
    path = engine.url.database if engine.dialect.name == "sqlite" else None
    return Turn(path, BUSY_TIMEOUT_S / 2) if path else NO_TURN


@cache
def _insert_if_absent(dialect: str, table: Table, told: Any) -> Prepared:
    # Told by what comes back: beside a key the database counts up, the number of rows is not told on PostgreSQL.
    return Prepared(_dialect_insert(dialect, table).on_conflict_do_nothing().returning(told))


def _dialect_insert(dialect: str, table: Table) -> Any:
    build: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement: Insert = build(table)
    return statement


def _prepare_sqlite(connection: Any, record: ConnectionPoolEntry) -> None:
    record.info[LINE] = Line(connection.execute, connection.execute)
    connection.create_function("lower", 1, _lower, deterministic=True)  # its own knows the letters A to Z only
    connection.isolation_level = None  # BEGIN is ours, see _begin_sqlite
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


class _Connection(psycopg.Connection[Any]):
    """The driver's own, whose transactions begin and end with the statements that are sent anyway."""

    def __init__(self, *given: Any, **how: Any):
        super().__init__(*given, **how)
        self.statements = Statements(self.pgconn, Transformer(self), _form, _checked)

    def cursor(self, *given: Any, **how: Any) -> Any:
        """Return the driver's own cursor, which comes after what waits."""
        self.statements.send()
        return super().cursor(*given, **how)

    def commit(self) -> None:
        """Commit what was begun, if anything was; raises InFailedSqlTransaction when it was undone instead."""
        if not self.statements.commit():
            raise psycopg.errors.InFailedSqlTransaction("what was refused before has undone the transaction")

    def rollback(self) -> None:
        """Undo what was begun, if anything was."""
        self.statements.forget()
        if not self.closed:  # an interrupted one is, and says nothing of its own about that
            super().rollback()


def _form(value: Any) -> PyFormat:
    # As text the server reads each as the type it wants; bytes as text would be read by how it takes backslashes.
    return PyFormat.BINARY if isinstance(value, bytes) else PyFormat.TEXT


def _checked(found: PGresult) -> PGresult:
    if found.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        return found
    if found.error_field(DiagnosticField.SQLSTATE) is None:  # libpq's own: the line has ended
        raise psycopg.OperationalError(found.get_error_message())
    raise psycopg.errors.error_from_result(found)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _begin_sqlite(connection: Connection) -> None:
    line, driver = _line(connection), cast(sqlite3.Connection, connection.connection.driver_connection)
    kind, line.kind = line.kind, None
    try:
        if connection.get_execution_options().get("migrates"):
            driver.execute("PRAGMA foreign_keys=OFF")  # a table made anew must not take its rows' referrers
            kind = LASTING
        # Also where nobody said what it is for: the connection may have been a hasty one's.
        is_lasting = kind not in (HASTY, SINGLE)
        if line.is_lasting != is_lasting:
            driver.execute(f"PRAGMA synchronous={'FULL' if is_lasting else 'NORMAL'}")
            line.is_lasting = is_lasting
        driver.execute("BEGIN IMMEDIATE" if kind in WRITING else "BEGIN")
    except sqlite3.OperationalError as error:
        refuse(connection, "BEGIN", error)


def _prepare_postgresql(connection: _Connection, record: ConnectionPoolEntry) -> None:
    connection.autocommit = True  # BEGIN is ours, see _begin_postgresql
    connection.prepare_threshold = None  # it would throw away ours with its own, after a rollback
    record.info[LINE] = Line(connection.statements.execute, connection.statements.defer)


def _begin_postgresql(connection: Connection) -> None:
    line = _line(connection)
    kind, line.kind = line.kind, None
    driver = cast(_Connection, connection.connection.driver_connection)
    try:
        driver.statements.begin(*POSTGRESQL_BEGINS[kind])
    except psycopg.Error as error:
        refuse(connection, "BEGIN", error)
