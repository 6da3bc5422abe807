"""Complete double opt-ins, everything on, beside a bare program and a floor: CPU, pace and the time of each step.

Rounds take turns between the programs, so that a machine that drifts drifts for all of them, and what counts is the
median of a round's ratios. Run alone with `python -m bench.dopt --help`.
"""

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
from sqlalchemy import create_engine, text

from bench import programs
from bench.doubles import OtherSide
from bench.load import STEPS, Crowd, Took
from bench.programs import Program
from tests import postgres

AT_ONCE = 8
DURABLE = "-c max_connections=200"
PATIENCE_S = 60


@dataclass
class Round:
    """One program's turn: how many came, for how long, and the CPU of each of its processes and of the database."""

    came: int
    wall_s: float
    cpu_s: dict[str, float]
    database_s: float
    took: Took

    @property
    def ms(self) -> float:
        """CPU milliseconds of the program for one double opt-in."""
        return 1000 * sum(self.cpu_s.values()) / self.came

    @property
    def ms_with_database(self) -> float:
        """The same with what a database server took besides."""
        return self.ms + 1000 * self.database_s / self.came


@dataclass
class Ground:
    """Where the programs run: one kind of database, one folder, and the other side."""

    kind: str
    folder: Path
    other_side: OtherSide
    cluster_url: str = ""
    _names: Iterator[str] = field(default_factory=lambda: (f"bench{number}" for number in range(1000)))

    def database_url(self) -> str:
        """Make a database of one's own and return its URL."""
        name = next(self._names)
        if not self.cluster_url:
            return f"sqlite:///{self.folder}/{name}.db"
        engine = create_engine(
            self.cluster_url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return f"{self.cluster_url.rpartition('/')[0]}/{name}"

    def database_s(self) -> float:
        """CPU seconds of the database server so far; SQLite has none, its work is done by the program."""
        if not self.cluster_url:
            return 0.0
        return programs.cpu_s(int((self.folder / "cluster/data/postmaster.pid").read_text().split()[0]))


@contextlib.contextmanager
def ground(kind: str, other_side: OtherSide) -> Iterator[Ground]:
    """A throw-away place with `sqlite` or `postgresql`, the latter as durable as it comes out of the box."""
    with tempfile.TemporaryDirectory(prefix="consent-bench-") as named:
        folder = Path(named)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        if kind == "sqlite":
            yield Ground(kind, folder, other_side)
            return
        with postgres.cluster(folder / "cluster", DURABLE) as url:
            yield Ground(kind, folder, other_side, url)


async def measure(here: Ground, running: list[Program], rounds: int, number: int) -> dict[str, list[Round]]:
    """Let the programs take turns, after a short one that does not count; the rounds of each."""
    crowds = {one.name: Crowd(one.name, one.ways, one.port, here.other_side) for one in running}
    found: dict[str, list[Round]] = {one.name: [] for one in running}
    for turn in range(rounds + 1):
        for one in running:
            click.echo(f"{here.kind}: round {turn} of {rounds}, {one.name}", err=True)
            took = await _turn(here, one, crowds[one.name], number if turn else number // 4)
            if turn:
                found[one.name].append(took)
    return found


async def _turn(here: Ground, program: Program, crowd: Crowd, number: int) -> Round:
    mails = here.other_side.mails
    due = mails.count + number * program.ways.mails
    cpu, database, began = program.cpu_s(), here.database_s(), time.perf_counter()
    took = await crowd.come(number, AT_ONCE)
    wall = time.perf_counter() - began
    end = time.monotonic() + PATIENCE_S
    while mails.count < due:  # the welcome mails of the last ones belong to the turn
        if time.monotonic() > end:
            raise TimeoutError(f"{program.name}: {due - mails.count} mails have not come")
        await asyncio.sleep(0.01)
    used = {role: after - cpu[role] for role, after in program.cpu_s().items()}
    return Round(number, wall, used, here.database_s() - database, took)


async def compare(kind: str, rounds: int, number: int) -> dict[str, list[Round]]:
    """Start ours, the bare one and the floor on one kind of database, and measure them."""
    other_side = OtherSide()
    await other_side.start()
    with contextlib.ExitStack() as stack:
        here = stack.enter_context(ground(kind, other_side))
        running: list[Program] = []
        stack.callback(_stop, running)
        for start in (programs.ours, programs.bare):
            place, account = here.folder / start.__name__, await other_side.open_account()
            told = (place, here.database_url(), other_side.smtp_url, account)
            running.append(await asyncio.to_thread(start, *told))
        running.append(await asyncio.to_thread(programs.hello, here.folder / "hello"))
        found = await measure(here, running, rounds, number)
    other_side.stop()
    return found


def _stop(running: list[Program]) -> None:
    for one in running:
        one.stop()


def table(found: dict[str, list[Round]], yardstick: str = "bare") -> str:
    """The rounds as lines for the terminal."""
    lines = [f"{'':12}{'dopt/s':>8}{'CPU ms':>8}{'+ db':>8}{'of bare':>9}{'+ db':>7}   ms by process; p50/p99 ms"]
    for name, rounds in found.items():
        pairs = list(zip(rounds, found[yardstick], strict=True))
        ratio = statistics.median(other.ms / one.ms for one, other in pairs)
        ratio_db = statistics.median(other.ms_with_database / one.ms_with_database for one, other in pairs)
        pace = statistics.median(one.came / one.wall_s for one in rounds)
        ms, ms_db = (statistics.median(getattr(one, key) for one in rounds) for key in ("ms", "ms_with_database"))
        roles = " / ".join(
            f"{1000 * statistics.median(one.cpu_s[role] / one.came for one in rounds):.1f}" for role in rounds[0].cpu_s
        )
        lines.append(
            f"{name:12}{pace:8.1f}{ms:8.2f}{ms_db:8.2f}{ratio:9.2f}{ratio_db:7.2f}   {roles}; {_steps(rounds)}"
        )
    return "\n".join(lines)


def _steps(rounds: list[Round]) -> str:
    said = []
    for step in STEPS:
        times = sorted(1000 * one for round_ in rounds for one in round_.took.get(step, ()))
        if times:
            said.append(f"{step} {times[len(times) // 2]:.0f}/{times[int(len(times) * 0.99)]:.0f}")
    return ", ".join(said)


@click.command()
@click.option("--database", "kinds", type=click.Choice(["sqlite", "postgresql"]), multiple=True, help="Default: both.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--number", default=150, show_default=True, help="Double opt-ins in a round.")
def main(kinds: tuple[str, ...], rounds: int, number: int) -> None:
    """Measure complete double opt-ins and print a table."""
    for kind in kinds or ("sqlite", "postgresql"):
        found = asyncio.run(compare(kind, rounds, number))
        click.echo(f"\n{kind}, {rounds} rounds of {number}, {AT_ONCE} at once\n{table(found)}")


if __name__ == "__main__":
    main()
