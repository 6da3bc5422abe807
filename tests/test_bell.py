"""Waking the relay over real pipes, between threads and past relays that were killed."""

import os
import threading
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
