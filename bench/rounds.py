"""Rounds in which programs take turns, and what is made of them.

A machine that drifts then drifts for all of them alike, and what counts is the median of the ratios within a round.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import click

from bench.ground import Ground
from bench.load import STEPS, Crowd, Took, Visitor, in_turn
from bench.programs import TICK_S, Program

AT_ONCE = 8
REQUESTS = {"form": Visitor.form, "post": Visitor.post, "page": Visitor.page, "confirm": Visitor.confirm}
CPU: Callable[["Turn"], float] = attrgetter("ms")
Figures = dict[str, Any]


@dataclass(frozen=True)
class Turn:
    """One program's turn in a round: how many came and for how long, and the CPU of its processes and the database."""

    came: int
    wall_s: float
    cpu_s: dict[str, float]
    database_s: float
    took: Took

    @property
    def ms(self) -> float:
        """CPU milliseconds of the program for each of those who came."""
        return 1000 * max(sum(self.cpu_s.values()), TICK_S) / self.came

    @property
    def ms_with_database(self) -> float:
        """The same with what a database server took besides."""
        return self.ms + 1000 * self.database_s / self.came


@dataclass(frozen=True)
class Way:
    """How visitors come in a round: how many, how many at once, and whether they wait to be on the list."""

    number: int
    at_once: int = AT_ONCE
    awaits_list: bool = True
    pause_s: float = 0


async def take_turns(here: Ground, ways: dict[str, Way], rounds: int) -> dict[str, list[Turn]]:
    """Let the programs of `ways` take turns, after a short round that does not count; the turns of each."""
    crowds = {one.name: _crowd(here, one) for one in here.running}
    found: dict[str, list[Turn]] = {name: [] for name in ways}
    for count in range(rounds + 1):
        for program in (one for one in here.running if one.name in ways):
            click.echo(f"{here.kind}: round {count} of {rounds}, {program.name}", err=True)
            way = ways[program.name]
            turn = await _turn(here, program, crowds[program.name], way, way.number if count else way.number // 4)
            if count:
                found[program.name].append(turn)
    return found


async def by_request(here: Ground, rounds: int, number: int) -> dict[str, Figures]:
    """CPU milliseconds of each program for each request, with the mail and the forwarding that follow from it."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {
        one.name: {step: [] for step in REQUESTS} for one in here.running
    }
    for count in range(rounds):
        for program in here.running:
            click.echo(f"{here.kind}: request by request, {count + 1} of {rounds}, {program.name}", err=True)
            crowd = _crowd(here, program)
            visitors = crowd.visitors(number, {step: [] for step in STEPS})
            for step, act in REQUESTS.items():
                mails = here.other_side.mails.count + number * (step == "confirm") * (program.ways.mails - 1)
                cpu = program.cpu_s()
                await in_turn(act, visitors, AT_ONCE)
                await crowd.settled(mails)
                found[program.name][step].append(_used(program, cpu, number))
            for visitor in visitors:
                visitor.leave()
    return {
        name: {
            step: {role: statistics.median(one[role] for one in took) for role in took[0]}
            for step, took in steps.items()
        }
        for name, steps in found.items()
    }


def summary(found: dict[str, list[Turn]], yardstick: str) -> dict[str, Figures]:
    """Figures of each program; `of_yardstick` compares double opt-ins per CPU second."""
    return {name: _figures(turns, found[yardstick]) for name, turns in found.items()}


def ratio(turns: list[Turn], others: list[Turn], took: Callable[[Turn], float] = CPU) -> float:
    """How many times as much as `turns` the others took, the median over the rounds."""
    return statistics.median(took(other) / took(one) for one, other in zip(turns, others, strict=True))


def percentile(turns: list[Turn], step: str, share: float) -> float:
    """Milliseconds within which this share of all visitors got through a step."""
    times = sorted(1000 * one for turn in turns for one in turn.took[step])
    return times[min(len(times) - 1, int(len(times) * share))]


def _figures(turns: list[Turn], yardstick: list[Turn]) -> Figures:
    roles = {role: statistics.median(1000 * one.cpu_s[role] / one.came for one in turns) for role in turns[0].cpu_s}
    return {
        "per_s": statistics.median(one.came / one.wall_s for one in turns),
        "cpu_ms": statistics.median(one.ms for one in turns),
        "cpu_ms_by_process": roles | {"database": statistics.median(1000 * one.database_s / one.came for one in turns)},
        "of_yardstick": ratio(turns, yardstick),
        "of_yardstick_with_database": ratio(turns, yardstick, attrgetter("ms_with_database")),
        "steps_ms": {
            step: {"p50": percentile(turns, step, 0.5), "p99": percentile(turns, step, 0.99)}
            for step in STEPS
            if turns[0].took.get(step)
        },
    }


async def _turn(here: Ground, program: Program, crowd: Crowd, way: Way, number: int) -> Turn:
    mails = here.other_side.mails.count + number * program.ways.mails
    cpu, database, began = program.cpu_s(), here.database_s(), time.perf_counter()
    took = await crowd.come(number, way.at_once, awaits_list=way.awaits_list, pause_s=way.pause_s)
    wall = time.perf_counter() - began
    await crowd.settled(mails)
    used = {role: after - cpu[role] for role, after in program.cpu_s().items()}
    return Turn(number, wall, used, here.database_s() - database, took)


def _crowd(here: Ground, program: Program) -> Crowd:
    return Crowd(program.name, program.ways, program.port, here.other_side)


def _used(program: Program, before: dict[str, float], number: int) -> dict[str, float]:
    return {role: 1000 * (after - before[role]) / number for role, after in program.cpu_s().items()}
