"""What the database is really asked while people come and go, by which way it finds the answers, and at what cost."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Index, event, text

from consent_service.models.columns import metadata

# Tables that stay small however many people there are; every other one grows. The rows of the last ones wait for
# something, mostly until the next minute, and go.
SMALL = {
    "daily_run", "week", "delivery_tally", "log_key_change", "pulse", "call_budget", "import_batch", "reconcile_run",
    "shown_text", "staff", "passkey", "recovery_code", "data_request", "data_request_letter", "data_request_task",
    "refusal", "stranger",
}  # fmt: skip
READS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
SCAN = re.compile(r"^SCAN (\w+)(?: AS \w+)?(?: USING (?:COVERING )?INDEX (\w+))?")
OWN = re.compile(r"^WITH (\w+) AS")  # what a statement makes for itself
OF_MOST = re.compile(r"\(status=\?\)$")  # of everybody active, who are most
MILLION = 1_000_000


@dataclass(frozen=True)
class Asked:
    """A statement as it went to the database, with the values of the first time."""

    statement: str
    values: Any

    @property
    def wants_the_first(self) -> bool:
        """Whether it reads some rows from one end of an index, whoever they are about."""
        return "WHERE" not in self.statement and "LIMIT" in self.statement

    @property
    def only_wants_some(self) -> bool:
        """Whether it stops after some rows."""
        return "LIMIT" in self.statement

    @property
    def only_adds(self) -> bool:
        """Whether it adds a row: SQLite's plan then shows searches that it only makes in deferred checks."""
        return self.statement.startswith("INSERT") and " VALUES " in self.statement


@contextmanager
def overheard(engine: Engine) -> Iterator[dict[str, Asked]]:
    """Collect every different statement that goes through an engine, by its text."""
    heard: dict[str, Asked] = {}

    def note(_connection, _cursor, statement, values, _context, executemany):
        if statement.startswith(READS) and "alembic_version" not in statement:
            heard.setdefault(statement, Asked(statement, values[0] if executemany else values))

    event.listen(engine, "before_cursor_execute", note)
    yield heard
    event.remove(engine, "before_cursor_execute", note)


def read_through(connection: Connection, asked: Asked) -> list[str]:
    """Return what a statement would read through from end to end, though it grows with the people."""
    if asked.wants_the_first or asked.only_adds:
        return []
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked.statement}", asked.values).all()
        scans = [found for row in rows if (found := SCAN.match(row.detail))]
        made = OWN.findall(asked.statement)  # out of tables that have lines of their own
        whole = [scan[0] for scan in scans if scan[1] not in {*SMALL, "CONSTANT", *made} and scan[2] not in partial()]
        return whole + [row.detail for row in rows if OF_MOST.search(row.detail) and not asked.only_wants_some]
    connection.execute(text("SET LOCAL enable_seqscan = off"))  # an empty table has no million rows to pretend
    [[plan]] = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {asked.statement}", asked.values).all()
    nodes = _nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
    return [f"{node['Node Type']} of {_what(node)}" for node in nodes if _is_whole(node)]


def partial() -> set[str]:
    """The indexes of only those rows that wait for something."""
    indexes = (index for table in metadata.tables.values() for index in table.indexes)
    return {str(index.name) for index in indexes if _is_partial(index)}


def pretend_to_be_large(connection: Connection) -> None:
    """Let PostgreSQL believe that there are a million rows in every table that grows, and nobody look."""
    for table in set(metadata.tables) - SMALL:
        connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
        pages = "greatest(pg_relation_size(oid) / current_setting('block_size')::int, 1)"
        told = f"UPDATE pg_class SET reltuples = {MILLION}, relpages = {pages} WHERE relname = '{table}'"
        connection.execute(text(told))


@dataclass
class Work:
    """How many steps SQLite's machine has taken, in dozens, checks of references and all."""

    dozens: int = 0

    def count(self) -> int:
        self.dozens += 1
        return 0


@contextmanager
def worked(engine: Engine) -> Iterator[Work]:
    """Count the steps that SQLite takes for everything that goes through an engine."""
    work, connections = Work(), []

    def watch(connection, *_):
        raw = connection.connection.dbapi_connection
        if raw not in connections:
            raw.set_progress_handler(work.count, 12)
            connections.append(raw)

    event.listen(engine, "before_cursor_execute", watch)
    yield work
    event.remove(engine, "before_cursor_execute", watch)
    for raw in connections:
        raw.set_progress_handler(None, 12)


def _is_partial(index: Index) -> bool:
    return index.dialect_options["sqlite"]["where"] is not None


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def _what(node: dict[str, Any]) -> str:
    return str(node.get("Index Name") or node.get("Relation Name"))


def _is_whole(node: dict[str, Any]) -> bool:
    if node["Node Type"] == "Seq Scan":
        return node["Relation Name"] not in SMALL
    is_through = "Index" in node["Node Type"] and "Index Cond" not in node
    return is_through and node["Index Name"] not in partial() and node.get("Relation Name") not in SMALL
