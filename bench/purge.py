"""The purge of very many people beside real web traffic: how long the slowest request waits meanwhile.

`python -m bench.purge FOLDER` takes the databases of `bench.growth` and lets those be due who left first. Beside it
somebody else writes a page to the same disk, again and again, and waits for it: who waited at the same times waited for
the disk.
"""

import asyncio
import contextlib
import json
import os
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import click
from sqlalchemy import select, update

from bench import programs, report
from bench.ground import KINDS, Ground, ground
from bench.grown import grown, name
from bench.growth import MANY
from bench.load import Crowd, Took
from bench.programs import SCRIPT, Process
from bench.rounds import Figures
from consent_service import service as services
from consent_service.models.newsletter import subscriber
from consent_service.service import Service

DUE = 100_000
AT_ONCE, PAUSE_S = 2, 0.05
AT_A_TIME, BEFORE = 10, 100
PAGES = ("form", "post", "page", "confirm")
PIECE = 4096  # bytes
WRITES_EVERY_S = 0.01
STALLED_S = 0.05


@dataclass
class Disk:
    """How long somebody else waited for a page on the same disk: at most, and when it was unusually long."""

    slowest_s: float = 0
    stalls: list[tuple[float, float]] = field(default_factory=list)

    def was_well(self, began: float, ended: float) -> bool:
        """Whether nothing took unusually long between two times (`perf_counter`)."""
        return not any(first < ended and last > began for first, last in self.stalls)


@dataclass(frozen=True)
class Group:
    """Some who came in one go: when they began and ended, and what each of their steps took."""

    began: float
    ended: float
    took: Took

    @property
    def slowest_s(self) -> float:
        """The slowest of their requests."""
        return max(max(self.took[step]) for step in PAGES)


async def purge(kind: str, folder: Path, people: int, due: int) -> Figures:
    """Purge on one kind of database, beside a relay that keeps the pace the account wants."""
    async with ground(kind, folder / kind) as here:
        service = grown(here, people)
        url = service.settings.database_url
        await here.start(programs.ours, name(people), database_url=url)
        given = programs.environment(url, here.other_side.smtp_url, await here.other_side.open_account(), 1)
        _take_time(here, given)
        _let_be_due(service, due)
        before = await _come(here, lambda: False, BEFORE)
        began = time.monotonic()
        purging = Process("purge", [str(SCRIPT), "purge", "--json"], here.place(name(people)), given)
        with _neighbour(here.folder) as disk:
            meanwhile = await _come(here, lambda: purging.runs, AT_A_TIME)
        took_s = time.monotonic() - began
        well = [one.slowest_s for one in meanwhile if disk.was_well(one.began, one.ended)]
        ended = json.loads(purging.said[purging.said.index("[\n") :])
    return {
        "erased": sum(rule["ended"] for rule in ended if rule["rule"] == "passive"),
        "took_min": took_s / 60,
        "slowest_ms": 1000 * max(group.slowest_s for group in meanwhile),
        "disk_slowest_ms": 1000 * disk.slowest_s,
        "disk_stalls": len(disk.stalls),
        "slowest_well_ms": 1000 * max(well) if well else "–",
        "before_ms": _waits(before),
        "meanwhile_ms": _waits(meanwhile),
    }


def _take_time(here: Ground, given: dict[str, str]) -> None:
    """Let the relay of `consent-service relay` deliver instead of one that hurries, or it would do nothing else."""
    processes = here.running[-1].processes
    processes["relay"].stop()
    processes["relay"] = Process("relay", [str(SCRIPT), "relay"], here.place(here.running[-1].name), given)


def _let_be_due(service: Service, number: int) -> None:
    first = select(subscriber.c.id).where(subscriber.c.status == "passive").order_by(subscriber.c.passive_since)
    due = update(subscriber).where(subscriber.c.id.in_(first.limit(number).scalar_subquery()))
    with service.transaction() as connection:
        connection.execute(due.values(passive_since=services.now() - timedelta(days=352)))


async def _come(here: Ground, goes_on: Callable[[], bool], number: int) -> list[Group]:
    """Let a group of people come, and more of them as long as something goes on."""
    program, groups = here.running[-1], list[Group]()
    crowd = Crowd(program.name, program.ways, program.port, here.other_side)
    while not groups or goes_on():
        began = time.perf_counter()
        took = await crowd.come(number, AT_ONCE, awaits_list=False, pause_s=PAUSE_S)
        groups.append(Group(began, time.perf_counter(), took))
    return groups


@contextlib.contextmanager
def _neighbour(folder: Path) -> Iterator[Disk]:
    """Write a page to the disk of a folder again and again, durably, and note how long that took."""
    disk, over = Disk(), threading.Event()

    def write() -> None:
        with tempfile.TemporaryFile(dir=folder) as file:
            while not over.wait(WRITES_EVERY_S):
                began = time.perf_counter()
                os.pwrite(file.fileno(), bytes(PIECE), 0)
                os.fdatasync(file.fileno())
                ended = time.perf_counter()
                disk.slowest_s = max(disk.slowest_s, ended - began)
                if ended - began > STALLED_S:
                    disk.stalls.append((began, ended))

    with ThreadPoolExecutor(1) as alone:
        written = alone.submit(write)
        try:
            yield disk
        finally:
            over.set()
        written.result()


def _waits(groups: list[Group]) -> Figures:
    took: Took = defaultdict(list)
    for group in groups:
        for step in PAGES:
            took[step] += group.took[step]
    return {
        step: {"p50": _ms(took[step], 0.5), "p99": _ms(took[step], 0.99), "most": _ms(took[step], 1)} for step in PAGES
    } | {"requests": sum(map(len, took.values()))}


def _ms(times: list[float], share: float) -> float:
    return 1000 * sorted(times)[min(len(times) - 1, int(len(times) * share))]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--database", "kinds", type=click.Choice(KINDS), multiple=True, help="Default: both.")
@click.option("--people", default=MANY, show_default=True)
@click.option("--due", default=DUE, show_default=True)
def main(folder: Path, kinds: tuple[str, ...], people: int, due: int) -> None:
    """Purge very many people out of the databases in FOLDER and print how long requests waited."""
    for kind in kinds or KINDS:
        found = asyncio.run(purge(kind, folder, people, due))
        report.add("purge", kind, found)
        click.echo(json.dumps({kind: found}, indent=1))


if __name__ == "__main__":
    main()
