"""What a million people cost: the same double opt-ins with few and with very many in the database, and sealing there.

`python -m bench.growth FOLDER` keeps the filled databases in the folder: the first time takes half an hour, and forty
gigabytes for both kinds.
"""

import asyncio
import contextlib
import json
import statistics
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path

import click
from sqlalchemy import func, select

from bench import programs, report
from bench.ground import KINDS, Ground, ground
from bench.grown import grown, name
from bench.load import Crowd
from bench.rounds import AT_ONCE, Figures, Way, by_request, percentile, ratio, summary, take_turns
from consent_service.models.ledger import consent_event
from consent_service.service import Service

FEW, MANY = 1000, 1_000_000
LOOK_S = 0.3  # so that it does not look at the same moment between two seals again and again
SEALED_ROUNDS = 50  # so that it is sealed many times meanwhile
PIECE = 16 * 1024 * 1024


async def grow(kind: str, folder: Path, sizes: Sequence[int], rounds: int, number: int) -> Figures:
    """Measure ours with each number of people, the last against the first."""
    async with ground(kind, folder / kind) as here:
        services = {name(people): grown(here, people) for people in sizes}
        for one, service in services.items():
            await here.start(programs.ours, one, database_url=service.settings.database_url)
        await asyncio.to_thread(_read_into_memory, folder / kind)
        first, *_, last = services
        turns = await take_turns(here, dict.fromkeys(services, Way(number)), rounds)
        requests = await by_request(here, max(1, rounds // 2), number)
        backlog = await sealing(here, services[last], SEALED_ROUNDS * number)
    return {
        "programs": summary(turns, first),
        "requests_ms": requests,
        "post_p50_growth": percentile(turns[last], "post", 0.5) / percentile(turns[first], "post", 0.5),
        "cpu_growth": ratio(turns[first], turns[last], attrgetter("ms_with_database")),
        "sealing": backlog,
    }


async def sealing(here: Ground, service: Service, number: int) -> Figures:
    """How many events wait for their seal while people come as fast as they can, at first and at last."""
    program = here.running[-1]
    crowd, waiting = Crowd(program.name, program.ways, program.port, here.other_side), []
    coming = asyncio.create_task(crowd.come(number, AT_ONCE))
    while not coming.done():
        waiting.append(await asyncio.to_thread(_unsealed, service))
        await asyncio.sleep(LOOK_S)
    await coming
    half = len(waiting) // 2
    return {
        "unsealed_at_first": statistics.fmean(waiting[:half]),
        "unsealed_at_last": statistics.fmean(waiting[half:]),
        "unsealed_at_most": max(waiting),
    }


def _read_into_memory(folder: Path) -> None:
    """Read the files of the databases once: what a disk takes for what nobody has read yet is not asked here."""
    for path in (one for one in folder.rglob("*") if one.is_file()):
        with contextlib.suppress(FileNotFoundError), path.open("rb", buffering=0) as file:  # a server's may have gone
            while file.read(PIECE):
                pass


def _unsealed(service: Service) -> int:
    with service.reading() as connection:
        counted = select(func.count()).where(consent_event.c.log_index.is_(None))
        return connection.execute(counted.select_from(consent_event)).scalar_one()


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--database", "kinds", type=click.Choice(KINDS), multiple=True, help="Default: both.")
@click.option("--people", default=MANY, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--number", default=100, show_default=True, help="Double opt-ins in a round.")
def main(folder: Path, kinds: tuple[str, ...], people: int, rounds: int, number: int) -> None:
    """Measure growth with databases in FOLDER and print it; what is missing there is filled first."""
    for kind in kinds or KINDS:
        found = asyncio.run(grow(kind, folder, (FEW, people), rounds, number))
        report.add("growth", kind, found)
        click.echo(json.dumps({kind: found}, indent=1))


if __name__ == "__main__":
    main()
