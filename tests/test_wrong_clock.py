"""A clock that was years ahead for a minute, until the time server answered: nothing is left stuck for years."""

from datetime import timedelta

import pytest
import time_machine

from consent_service import service as services
from consent_service.delivery.pacing import CallBudget

YEARS = timedelta(days=3650)


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def house(sqlite_house):
    return sqlite_house


class Ahead:
    """A block in which the clock is years ahead; a minute has gone when it is right again."""

    def __init__(self, clock, by=YEARS):
        self._clock, self._by = clock, by

    def __enter__(self):
        self._began = services.now()
        self._clock.move_to(self._began + self._by)

    def __exit__(self, *_):
        self._clock.move_to(self._began + timedelta(minutes=1))


def test_the_next_call_waits_for_no_turn_that_it_took_or_gave_up(house, clock):
    slept = []
    budget = CallBudget(house.service.transaction, services.now, slept.append)
    for waits in (budget.take_turn, lambda: budget.rest(timedelta(hours=1))):
        with Ahead(clock):
            waits()
        assert budget.take_turn()
        assert slept == []
        budget.rest(timedelta(days=1))
        budget.take_turn()
        assert slept.pop() == timedelta(days=1).total_seconds(), "the longest wish of the other side holds"
        clock.shift(timedelta(days=2))
