"""How long people wait while nothing is queued, and whether they notice that ActiveCampaign is slow or failing.

Three services, one person at a time, in turns: one with a well account, one whose account takes 250 ms a call, one
whose account fails every fifth call. `python -m bench.latency` runs it alone.
"""

import asyncio
import statistics

import click

from bench import programs
from bench.doubles import Manner
from bench.ground import KINDS, ground
from bench.rounds import Figures, Turn, Way, percentile, ratio, take_turns

CALM, SLOW, FAILING = "calm", "slow account", "failing account"
MANNERS = {CALM: Manner(), SLOW: Manner(delay_s=0.25), FAILING: Manner(fails_every=5)}
PAUSE_S = 0.3  # longer than the relay's pause between two looks, so that nobody keeps step with it
PAGES = ("form", "post", "page", "confirm")


async def wait_for_things(kind: str, rounds: int, number: int) -> Figures:
    """Measure on one kind of database."""
    async with ground(kind) as here:
        for name, manner in MANNERS.items():
            await here.start(programs.ours, name, manner)
        ways = {name: Way(number, at_once=1, awaits_list=name == CALM, pause_s=PAUSE_S) for name in MANNERS}
        turns = await take_turns(here, ways, rounds)
    calm = turns[CALM]
    return {
        "people": rounds * number,
        "idle_ms": {
            step: {"p50": percentile(calm, step, 0.5), "p99": percentile(calm, step, 0.99)} for step in calm[0].took
        },
        "of_calm": {name: _of(turns[name], calm) for name in (SLOW, FAILING)},
    }


def _of(turns: list[Turn], calm: list[Turn]) -> Figures:
    """How many times as long as with a well account pages and mails take, the median over the rounds."""
    return {
        "pages": ratio(calm, turns, lambda turn: sum(_median(turn, step) for step in PAGES)),
        "mail": ratio(calm, turns, lambda turn: _median(turn, "mail")),
    }


def _median(turn: Turn, step: str) -> float:
    return statistics.median(turn.took[step])


@click.command()
@click.option("--database", "kinds", type=click.Choice(KINDS), multiple=True, help="Default: both.")
@click.option("--rounds", default=4, show_default=True)
@click.option("--number", default=25, show_default=True, help="People in a round.")
def main(kinds: tuple[str, ...], rounds: int, number: int) -> None:
    """Measure what people wait for and print it."""
    for kind in kinds or KINDS:
        click.echo(f"{kind}: {asyncio.run(wait_for_things(kind, rounds, number))}")


if __name__ == "__main__":
    main()
