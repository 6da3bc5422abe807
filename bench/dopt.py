"""Complete double opt-ins with everything on, beside a bare program, django-newsletter and a floor.

`python -m bench.dopt` runs it alone.
"""

import asyncio
from collections.abc import Callable

import click

from bench import programs
from bench.ground import KINDS, Ground, ground
from bench.programs import Program
from bench.rounds import Figures, Way, by_request, percentile, ratio, summary, take_turns
from consent_service.ledger.evidence import NEW

OURS, BARE, HELLO, NEWSLETTER = "ours", "bare", "hello", "django-newsletter"
STARTS: dict[str, Callable[..., Program]] = {OURS: programs.ours, BARE: programs.bare, HELLO: programs.hello}


async def compare(kind: str, rounds: int, number: int) -> Figures:
    """Start all the programs on one kind of database and let them take turns."""
    async with ground(kind) as here:
        for name, start in STARTS.items():
            await here.start(start, name)
        trouble = await _start_newsletter(here) if kind == "sqlite" else "on SQLite only"
        ways = {one.name: Way(number) for one in here.running}
        await take_turns(here, ways, 0)
        await asyncio.sleep(NEW.total_seconds())  # then ours knows which texts it has kept, as after years
        turns = await take_turns(here, ways, rounds)
        requests = await by_request(here, max(1, rounds // 2), number)
    return {
        "programs": summary(turns, BARE),
        "requests_ms": requests,
        "post_p99_of_bare": percentile(turns[OURS], "post", 0.99) / percentile(turns[BARE], "post", 0.99),
        "of_newsletter": trouble or ratio(turns[OURS], turns[NEWSLETTER]),
    }


async def _start_newsletter(here: Ground) -> str | None:
    try:
        await here.start(programs.newsletter, NEWSLETTER)
    except programs.NotInstalled:
        return "not installed"
    return None


def lines(found: Figures) -> list[str]:
    """The figures of one kind of database for the terminal."""
    said = [
        f"{'':18}{'dopt/s':>8}{'CPU ms':>8}{'ratio':>7}{'+ database':>11}  CPU ms by process; p50/p99 ms of each step"
    ]
    for name, one in found["programs"].items():
        processes = ", ".join(f"{role} {ms:.1f}" for role, ms in one["cpu_ms_by_process"].items() if ms)
        steps = ", ".join(f"{step} {took['p50']:.0f}/{took['p99']:.0f}" for step, took in one["steps_ms"].items())
        said.append(
            f"{name:18}{one['per_s']:8.1f}{one['cpu_ms']:8.2f}{one['of_yardstick']:7.2f}"
            f"{one['of_yardstick_with_database']:11.2f}  {processes}; {steps}"
        )
    for name, requests in found["requests_ms"].items():
        each = ", ".join(f"{step} {_by_process(took)}" for step, took in requests.items())
        said.append(f"{name:18}CPU ms by request: {each}")
    return said


def _by_process(took: dict[str, float]) -> str:
    return "+".join(f"{ms:.2f}" for ms in took.values())


@click.command()
@click.option("--database", "kinds", type=click.Choice(KINDS), multiple=True, help="Default: both.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--number", default=100, show_default=True, help="Double opt-ins in a round.")
def main(kinds: tuple[str, ...], rounds: int, number: int) -> None:
    """Measure complete double opt-ins and print what they took."""
    for kind in kinds or KINDS:
        found = asyncio.run(compare(kind, rounds, number))
        click.echo("\n".join([f"\n{kind}, {rounds} rounds of {number}", *lines(found)]))


if __name__ == "__main__":
    main()
