"""Everything that can befall a running service, one thing after another, chosen by a seed: who dies, stands still, is
full, locked, cut off or slow. What is ordered at a neighbour goes wrong whenever its turn comes, also during the next.
"""

import contextlib
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from consent_service.delivery.relaying import LEASE
from tests import postgres
from tests.processes import Daemon, Running
from tests.small_disk import filled

KILLS = ("kill the relay", "kill the pages", "kill all")
CALLS = ("sync", "contactLists", "any")


class Calamity:
    """One seeded run; `counts` says how often each thing befell the house."""

    def __init__(self, house: Running, seed: int, *, is_long: bool, disk: Path | None, cluster: Path | None):
        self._house, self.is_long, self._disk, self._cluster = house, is_long, disk, cluster
        self._chance = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self._troubles = [
            self._pause_a_relay, self._pause_the_pages, self._lock, self._cut_mail, self._lose_the_mails_answer,
            self._stop_mail, self._cut_calls, self._lose_an_answer, self._limit_calls, self._slow_calls,
            self._stop_calls,
        ]  # fmt: skip
        self._troubles += [self._fill] if disk else []
        self._troubles += [self._restart_postgres] if cluster else []

    def befall(self, kills: int, heard: Callable[[], int]) -> None:
        """Kill so many times, each time after some trouble; every kind of trouble comes before one comes again.

        In between somebody has to have been `heard`: nothing happens to a service that does nothing.
        """
        waiting: list = []
        for _ in range(kills):
            self._await(heard)
            waiting = waiting or self._chance.sample(self._troubles, len(self._troubles))
            trouble = waiting.pop()
            self._count(trouble.__name__.strip("_").replace("_", " "))
            trouble()
            time.sleep(self._chance.uniform(0, 0.5))
            self._kill(self._chance.choice(KILLS))

    def end(self) -> None:
        """Let go of what is still to go wrong."""
        self._house.mail.clear_faults()
        self._house.contacts.clear_faults()

    @property
    def total(self) -> int:
        """How many things befell the house."""
        return self.counts.total()

    def _count(self, what: str) -> None:
        self.counts[what] += 1

    def _span_s(self, least: float, most: float) -> float:
        return self._chance.uniform(least, most) * (1 if self.is_long else 0.4)

    def _await(self, heard: Callable[[], int]) -> None:
        before, end = heard(), time.monotonic() + 5
        while heard() < before + 2 and time.monotonic() < end:
            time.sleep(0.01)

    # Processes

    def _kill(self, which: str) -> None:
        self._count(which)
        relay = self._chance.choice(self._house.relay_processes)
        victims = {"kill the relay": [relay], "kill the pages": [self._house.web_process]}
        for process in victims.get(which, [self._house.web_process, *self._house.relay_processes]):
            process.kill()
        self._house.start()

    def _pause_a_relay(self) -> None:
        """Longer than a lease: another relay has taken its message when it wakes."""
        longer = LEASE.total_seconds() + 1 if self.is_long else 0.5
        self._pause(self._chance.choice(self._house.relay_processes), longer)

    def _pause_the_pages(self) -> None:
        self._pause(self._house.web_process, self._span_s(0.5, 2))

    def _pause(self, process: Daemon, seconds: float) -> None:
        process.signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.signal(signal.SIGCONT)

    # The database

    def _lock(self) -> None:
        """Another program keeps writers out, now and then for longer than they wait."""
        seconds = 12 if self.is_long and self._chance.random() < 0.2 else self._span_s(0.5, 3)
        engine = self._house.service.engine
        if engine.dialect.name == "sqlite":
            with contextlib.closing(sqlite3.connect(engine.url.database, timeout=60, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                time.sleep(seconds)
            return
        with self._house.service.transaction() as connection:
            connection.execute(text("LOCK TABLE subscriber, outbox_message IN SHARE ROW EXCLUSIVE MODE"))
            time.sleep(seconds)

    def _fill(self) -> None:
        with filled(self._disk):
            time.sleep(self._span_s(1, 3))

    def _restart_postgres(self) -> None:
        """As after a power cut: nobody is asked to finish."""
        postgres.restart(self._cluster)

    # The neighbours

    def _cut_mail(self) -> None:
        self._house.mail.cut_before_accept()

    def _lose_the_mails_answer(self) -> None:
        self._house.mail.cut_after_accept()

    def _stop_mail(self) -> None:
        self._house.mail.stop()
        time.sleep(self._span_s(2, 6))
        self._house.mail.start()

    def _cut_calls(self) -> None:
        self._house.contacts.fault(self._chance.choice(("cut", "reset", "500")), self._chance.choice(CALLS))

    def _lose_an_answer(self) -> None:
        self._house.contacts.fault(
            self._chance.choice(("cut", "reset", "truncated")), self._chance.choice(CALLS), "after"
        )

    def _limit_calls(self) -> None:
        self._house.contacts.fault("429", "any", self._chance.choice(("before", "after")))

    def _slow_calls(self) -> None:
        self._house.contacts.delay_s = self._span_s(0.2, 0.8)
        time.sleep(self._span_s(1, 3))
        self._house.contacts.delay_s = 0

    def _stop_calls(self) -> None:
        self._house.contacts.stop()
        time.sleep(self._span_s(2, 6))
        self._house.contacts.start()
