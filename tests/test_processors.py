"""Which processors the web workers use: one each where there are enough of them, and whichever is free otherwise."""

import contextlib
import os
import signal
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from consent_service.web import server
from tests.processes import running

USABLE = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
FIT = pytest.mark.skipif(not 2 <= len(USABLE) <= 8, reason="needs a few processors, and a web worker for each")


def workers(house) -> list[int]:
    """The numbers of the processes that serve the pages."""
    main = house.web_process.pid
    return [int(one) for one in Path(f"/proc/{main}/task/{main}/children").read_text("ascii").split()]


def shares(house) -> list[list[int]]:
    """Which processors each of them may use."""
    found = []
    for number in workers(house):
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            found.append(sorted(os.sched_getaffinity(number)))
    return sorted(found)


def is_settled(house, ended: int, wanted: list[list[int]]) -> bool:
    """Whether somebody else has taken the place of one that has ended, and they share the processors as wanted."""
    return ended not in workers(house) and shares(house) == wanted


@FIT
def test_as_many_workers_as_processors_keep_to_one_each(tmp_path, mail, contacts):
    given = {"web_processes": len(USABLE), "web_threads": 1}
    with running(tmp_path, f"sqlite:///{tmp_path}/c.db", mail, contacts, **given) as house:
        each_one = [[processor] for processor in USABLE]
        house.wait_for(lambda: shares(house) == each_one, "each has its own")
        for killed in workers(house):  # the next one has what is free now
            os.kill(killed, signal.SIGKILL)
            house.wait_for(partial(is_settled, house, killed, each_one), "each has its own again")


@FIT
def test_fewer_workers_than_processors_use_any(tmp_path, mail, contacts):
    given = {"web_processes": len(USABLE) - 1, "web_threads": 1}
    with running(tmp_path, f"sqlite:///{tmp_path}/c.db", mail, contacts, **given) as house:
        house.wait_for(lambda: len(workers(house)) == len(USABLE) - 1, "all have begun")
        assert shares(house) == [USABLE] * (len(USABLE) - 1)


@FIT
def test_a_system_that_lets_nobody_choose_is_no_reason_to_stop():
    server._keep_to_processor(None, SimpleNamespace(processor=max(USABLE) + 10_000))
    assert sorted(os.sched_getaffinity(0)) == USABLE
