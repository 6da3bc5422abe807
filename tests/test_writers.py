"""The queue of SQLite's writers: one at a time over threads and processes, nobody left behind, and nobody for ever."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from consent_service.sql import writers

WORK_S = 0.002
GREEDY = """
import sys, time
from pathlib import Path
from consent_service.sql import writers

path, counter = sys.argv[1], Path(sys.argv[2])
number = 0
while True:
    with writers.Turn(path, 5):
        number += 1
        draft = counter.with_suffix(".draft")
        draft.write_text(str(number))
        draft.rename(counter)
        time.sleep(float(sys.argv[3]))
"""


@pytest.fixture
def place(tmp_path):
    return str(tmp_path / "consent.db")


@pytest.fixture
def greedy(place, tmp_path):
    """Another process that takes one turn after the other; how many it has had."""
    counter = tmp_path / "turns"
    with subprocess.Popen([sys.executable, "-c", GREEDY, place, str(counter), str(WORK_S)]) as process:
        while not counter.exists():
            assert process.poll() is None
            time.sleep(0.01)
        yield lambda: int(counter.read_text())
        process.kill()


def test_who_has_just_had_a_turn_is_not_ahead_of_those_who_wait(greedy, place):
    waited = []
    for _ in range(30):
        time.sleep(3 * WORK_S)
        before = greedy()
        with writers.Turn(place, 30):
            waited.append(greedy() - before)
    assert sum(waited) <= 3 * len(waited), waited


def test_one_at_a_time(greedy, place):
    for _ in range(20):
        with writers.Turn(place, 30):
            before = greedy()
            time.sleep(2 * WORK_S)
            assert greedy() == before


def test_the_threads_of_a_process_go_one_by_one(place):
    inside, most = [], []

    def work(_):
        with writers.Turn(place, 30):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.0005)
            inside.pop()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(40)))
    assert (len(most), max(most)) == (40, 1)


def test_who_waits_too_long_goes_on_to_the_database(place):
    with writers.Turn(place, 1), ThreadPoolExecutor(1) as threads:
        assert threads.submit(lambda: writers.Turn(place, 0.05).__enter__()).result(timeout=10) is None


def test_a_folder_that_is_not_there_is_the_databases_trouble(tmp_path):
    with writers.Turn(str(tmp_path / "nowhere" / "consent.db"), 1):
        pass
