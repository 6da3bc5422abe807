"""What the pages and the relay hold in memory over many requests: complete double opt-ins, everything on.

Prints the memory of all web workers and of the relay every so many requests, and at the end how fast it grew over the
second half, when what is made once has been made.
"""

import asyncio
import statistics
from collections.abc import Sequence
from pathlib import Path

import click

from bench import programs, report
from bench.ground import KINDS, ground
from bench.load import Crowd
from bench.rounds import Figures

REQUESTS_EACH = 4  # the form, sent; the link, pressed
AT_ONCE = 8
LEAST_ROWS = 4


def resident_kb(pid: int) -> int:
    """Kilobytes that a process and its children hold and share with nobody (proc(5), `smaps_rollup`)."""
    try:
        held = Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    own = sum(int(line.split()[1]) for line in held.splitlines() if line.startswith("Private_"))
    return own + sum(resident_kb(int(child)) for child in children)


def slope(requests: Sequence[int], held_kb: Sequence[int]) -> float:
    """Return the bytes that were added with every request over the second half, as a straight line has it."""
    half = len(requests) // 2
    return 1024 * statistics.linear_regression(requests[half:], held_kb[half:]).slope


async def watch(kind: str, requests: int, every: int) -> dict[str, list[tuple[int, int]]]:
    """Let people come until so many requests were made; requests and kilobytes of each process, row by row."""
    async with ground(kind) as here:
        await here.start(programs.ours, "memory")
        [ours] = here.running
        crowd = Crowd(ours.name, ours.ways, ours.port, here.other_side)
        found: dict[str, list[tuple[int, int]]] = {role: [] for role in ours.processes}
        for done in range(every, requests + 1, every):
            await crowd.come(every // REQUESTS_EACH, AT_ONCE)
            for role, process in ours.processes.items():
                found[role].append((done, resident_kb(process.pid)))
            now = ", ".join(f"{role} {rows[-1][1] / 1024:.1f} MB" for role, rows in found.items())
            click.echo(f"{kind}: {done:,} requests: {now}")
    return found


@click.command()
@click.option("--database", "kind", type=click.Choice(KINDS), default="sqlite", show_default=True)
@click.option("--requests", default=200_000, show_default=True)
@click.option("--every", default=10_000, show_default=True, help="How many requests lie between two looks.")
def main(kind: str, requests: int, every: int) -> None:
    """Watch the memory of the pages and the relay."""
    if requests < LEAST_ROWS * every:
        raise click.UsageError(f"look at least {LEAST_ROWS} times: --requests of {LEAST_ROWS * every} or more")
    found: Figures = {"requests": requests}
    for role, rows in asyncio.run(watch(kind, requests, every)).items():
        numbers, held = zip(*rows, strict=True)
        found[role] = {"mb": held[-1] / 1024, "bytes_a_request": slope(numbers, held)}
        at_the_end, grown = found[role].values()
        click.echo(f"{role}: {at_the_end:.1f} MB at the end, {grown:+.1f} bytes a request over the second half")
    report.add("memory", kind, found)


if __name__ == "__main__":
    main()
