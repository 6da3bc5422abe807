"""Writes millions of rows in the way each database takes them fastest; nothing else may use it meanwhile.

Checks of references are left out, and a crash meanwhile costs the database; on PostgreSQL, the whole cluster.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

Load = Callable[[str, Sequence[str], Sequence[tuple[Any, ...]]], None]
FAST = ("journal_mode=DELETE", "journal_mode=OFF", "synchronous=OFF", "cache_size=-4000000", "secure_delete=OFF")
HASTY = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "'64GB'"}
INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes
    WHERE schemaname = current_schema() AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""


@contextmanager
def loading(engine: Engine) -> Iterator[Load]:
    """Yield `load(table, columns, rows)`; everything is in the database when the block ends."""
    way = _into_sqlite if engine.dialect.name == "sqlite" else _into_postgresql
    engine.dispose()
    raw = engine.raw_connection()
    try:
        yield from way(raw)
    finally:
        raw.invalidate()  # it has settings that no other is to have
        raw.close()


def _into_sqlite(raw: Any) -> Iterator[Load]:
    cursor = raw.cursor()
    for pragma in (*FAST, "foreign_keys=OFF"):
        cursor.execute(f"PRAGMA {pragma}").fetchall()
    cursor.execute("BEGIN")

    def load(table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        places = ", ".join("?" * len(columns))
        values = (tuple(map(_as_sqlite_keeps_it, row)) for row in rows)
        cursor.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", values)  # noqa: S608

    yield load
    cursor.execute("COMMIT")
    cursor.execute("PRAGMA journal_mode=WAL").fetchall()
    cursor.close()


def _into_postgresql(raw: Any) -> Iterator[Load]:
    raw.driver_connection.autocommit = True
    cursor = raw.cursor()
    for setting in ("session_replication_role = replica", "maintenance_work_mem = '1GB'"):
        cursor.execute(f"SET {setting}")
    for name, value in HASTY.items():
        cursor.execute(f"ALTER SYSTEM SET {name} = {value}")
    cursor.execute("SELECT pg_reload_conf()")
    indexes = cursor.execute(INDEXES).fetchall()
    for name, _ in indexes:
        cursor.execute(f"DROP INDEX {name}")

    def load(table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    yield load
    for _, definition in indexes:
        cursor.execute(definition)
    for name in HASTY:
        cursor.execute(f"ALTER SYSTEM RESET {name}")
    cursor.execute("SELECT pg_reload_conf()")
    cursor.execute("CHECKPOINT")


def _as_sqlite_keeps_it(value: Any) -> Any:
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else value
