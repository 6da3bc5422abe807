"""Waking the relay over real pipes, between threads and past relays that were killed."""

import os
import threading
import time
from contextlib import contextmanager

from consent_service.bell import Bell

LANES = ("mail", "activecampaign")


@contextmanager
def listening(bell):
    """A relay that listens; gives its lanes' events."""
    woken, stop = {lane: threading.Event() for lane in LANES}, threading.Event()
    before = set(os.listdir(bell.folder)) if bell.folder.exists() else set()
    thread = threading.Thread(target=bell.listen, args=(woken, stop))
    thread.start()
    while not (bell.folder.exists() and {name for name in os.listdir(bell.folder) if name[0] != "."} - before):
        assert thread.is_alive()
    try:
        yield woken
    finally:
        stop.set()
        thread.join(5)
        assert not thread.is_alive()


def test_a_ring_wakes_the_lane_it_is_for_and_no_other(tmp_path):
    bell = Bell(tmp_path / "bell")
    with listening(bell) as woken:
        bell.ring({"mail"})
        assert woken["mail"].wait(5)
        assert not woken["activecampaign"].is_set()
        woken["mail"].clear()
        bell.ring({"mail", "activecampaign"})
        assert woken["mail"].wait(5) and woken["activecampaign"].wait(5)
    assert os.listdir(bell.folder) == [], "a relay that stops takes its pipe away"


def test_stopping_wakes_every_lane_so_that_none_sleeps_on(tmp_path):
    with listening(Bell(tmp_path / "bell")) as woken:
        pass
    assert all(event.is_set() for event in woken.values())


def test_nobody_need_listen(tmp_path):
    bell = Bell(tmp_path / "bell")
    bell.ring({"mail"})
    assert not bell.folder.exists(), "whoever rings makes nothing"
    bell.folder.mkdir()
    os.mkfifo(bell.folder / "killed")
    bell.ring({"mail"})
    with listening(bell) as woken:
        assert "killed" not in os.listdir(bell.folder), "what a killed relay left is taken away"
        bell.ring({"mail"})
        assert woken["mail"].wait(5)


def test_what_is_rung_by_somebody_else_breaks_nothing(tmp_path):
    bell = Bell(tmp_path / "bell")
    with listening(bell) as woken:
        [name] = os.listdir(bell.folder)
        (bell.folder / name).write_bytes(b"\xff\xfe nowhere\n\n")
        bell.ring({"mail"})
        assert woken["mail"].wait(5)


def test_a_relay_that_has_ended_is_forgotten_and_a_new_one_is_found(tmp_path):
    bell, before = Bell(tmp_path / "bell"), len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with listening(bell) as woken:
            bell.ring({"mail"})
            assert woken["mail"].wait(5)
    bell.ring({"mail"})
    assert len(os.listdir("/proc/self/fd")) == before, "nothing stays open"


def test_a_second_relay_is_rung_for_within_a_second_or_so(tmp_path):
    bell = Bell(tmp_path / "bell")
    with listening(bell) as first:
        bell.ring({"mail"})
        assert first["mail"].wait(5)
        with listening(bell) as second:
            end = time.monotonic() + 20
            while not second["mail"].is_set() and time.monotonic() < end:
                bell.ring({"mail"})
                time.sleep(0.05)
            assert second["mail"].is_set()


def test_many_who_ring_at_once_while_relays_come_and_go_write_to_pipes_alone(tmp_path):
    bell, over = Bell(tmp_path / "bell"), threading.Event()
    letters = tmp_path / "letters"

    def ring():
        while not over.is_set():
            bell.ring({"mail"})
            with letters.open("ab") as file:  # takes the number of any pipe that was closed a moment ago
                file.write(b".")

    ringing = [threading.Thread(target=ring) for _ in range(4)]
    for thread in ringing:
        thread.start()
    for _ in range(10):
        with listening(bell):
            pass
    over.set()
    for thread in ringing:
        thread.join(10)
    assert set(letters.read_bytes()) == set(b".")
