"""A clock that was years ahead for a minute, until the time server answered: nothing is left stuck for years."""

from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine

from consent_service import service as services
from consent_service.activecampaign.pacing import CallBudget
from consent_service.delivery import outbox
from consent_service.delivery.outbox import Retry
from consent_service.delivery.owner_letters import DIGEST
from consent_service.delivery.relaying import Relay
from consent_service.models.watch import daily_run
from tests.actors import Visitor
from tests.conftest import on_both_databases
from tests.household import relay_once

YEARS = timedelta(days=3650)


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


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


def test_what_is_done_once_a_day_is_done_again_the_same_day(house, clock):
    aino = Visitor(house).becomes_active()
    house.do_chores()
    days = {row.name: row.done_on for row in house.rows(daily_run)}
    with Ahead(clock, by=timedelta(days=400)):
        house.do_chores()
    aino.leave()
    house.deliver()
    house.do_chores()
    assert {row.name: row.done_on for row in house.rows(daily_run)} == days
    clock.shift(timedelta(days=355))
    house.do_chores()
    assert house.person(aino.email) is None, "purged in time"


def test_a_week_that_was_summed_up_is_not_summed_up_twice(house, clock):
    house.do_chores()
    with Ahead(clock, by=timedelta(days=400)):
        house.do_chores()
    told = [message.kind for message in house.messages()].count(DIGEST)
    house.do_chores()
    assert [message.kind for message in house.messages()].count(DIGEST) == told
    clock.shift(timedelta(days=7))
    house.do_chores()
    assert [message.kind for message in house.messages()].count(DIGEST) == told + 1


@on_both_databases
def test_what_was_written_tried_or_begun_meanwhile_leaves_within_a_day(house, clock):
    written, tried, begun = (Visitor(house, f"{name}@example.com") for name in ("written", "tried", "begun"))
    relay = Relay("killed", house.service.transaction, services.now, lambda: 0.0)
    mail = house.channels[0]
    tried.subscribe()
    with Ahead(clock, by=timedelta(days=5)):  # after a week nobody would be mailed any more
        relay_once(relay, replace(mail, deliver=lambda letter: Retry("busy")))
        written.subscribe()
    begun.subscribe()
    with Ahead(clock, by=timedelta(days=5)), pytest.raises(KeyboardInterrupt):
        relay_once(relay, replace(mail, deliver=killed))
    house.deliver()
    assert not house.mail.mails
    house.do_chores()
    house.deliver()
    assert [len(one.mails()) for one in (written, tried, begun)] == [1, 1, 1]
    assert all(message.created_at <= services.now() for message in house.messages())


def test_what_waits_for_a_time_of_its_own_is_left_alone(house, clock):
    with house.service.transaction() as connection:
        later = services.now() + timedelta(days=30)
        outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, outbox.SYNC, services.now(), not_before=later)
    house.do_chores()
    assert later in [message.due_at for message in house.messages()]


def killed(_):
    raise KeyboardInterrupt
