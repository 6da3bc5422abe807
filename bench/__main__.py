"""Everything the bench measures, one after another: `python -m bench`, or `make bench`."""

import asyncio
import os
import platform
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import click

from bench import dopt, excel, latency, ledger, relays, report, staff_pages
from bench.ground import KINDS
from bench.table import table
from tests import postgres

MINUTES = 15


@click.command()
@click.option("--write", "writes", is_flag=True, help="Also write docs/performance.md and its plot anew.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--number", default=100, show_default=True, help="Double opt-ins in a round.")
def main(writes: bool, rounds: int, number: int) -> None:
    """Measure, print one table, and keep the figures in var/bench.json."""
    click.echo(f"This takes about {MINUTES} minutes; leave the machine alone meanwhile.", err=True)
    began = time.monotonic()
    kinds = [kind for kind in KINDS if kind == "sqlite" or postgres.binaries()]
    if len(kinds) < len(KINDS):
        click.echo("PostgreSQL is not installed here, so only SQLite is measured.", err=True)
    results: dict[str, Any] = {"at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "machine": _machine()}
    for part, figures in _parts(kinds, rounds, number):
        results |= {part: figures, "took_s": round(time.monotonic() - began)}
        report.keep(results)
    click.echo(table(results))
    if writes:
        report.write(results)


def _parts(kinds: list[str], rounds: int, number: int) -> Iterator[tuple[str, Any]]:
    yield "dopt", {kind: asyncio.run(dopt.compare(kind, rounds, number)) for kind in kinds}
    yield "latency", {kind: asyncio.run(latency.wait_for_things(kind, rounds, number // 4)) for kind in kinds}
    if "postgresql" in kinds:
        yield "relays", relays.measure(rounds, 4 * number)
    yield "ledger", ledger.measure()
    yield "staff_pages", {kind: asyncio.run(staff_pages.look(kind)) for kind in kinds}
    yield "excel", {kind: excel.measure(kind) for kind in kinds}


def _machine() -> dict[str, Any]:
    named = {name: version(name) for name in ("flask", "gunicorn", "sqlalchemy", "psycopg")}
    programs = {"Python": platform.python_version(), "SQLite": sqlite3.sqlite_version} | named
    return {
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "versions": ", ".join(f"{name} {number}" for name, number in programs.items()),
    }


if __name__ == "__main__":
    main()
