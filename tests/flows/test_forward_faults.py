"""How often ActiveCampaign is called, and what happens while it is down or asks to be left alone.

Every fault in every call: test_fault_matrix.py. What else may be found there: test_forward.py.
"""

import threading
import time
from datetime import timedelta

import pytest
import time_machine

from consent_service import service as services
from consent_service.activecampaign.pacing import CallBudget
from consent_service.delivery import outbox
from consent_service.delivery.relaying import Relay
from consent_service.relay import Lane
from consent_service.service import Service
from tests import crowd
from tests.actors import Visitor
from tests.flows.test_forward import forward_until_done
from tests.household import CONTROLLER

SUBSCRIBED, UNSUBSCRIBED = 1, 2
SPOILT = ("empty", "garbage", "truncated")
FASTER = 5
FAULTS = ["timeout", "reset", "cut", "500", "502", "503", "429", "429 at once", "403", *SPOILT]


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


def no_dead_letters(house):
    return not [row for row in house.messages() if row.dead_at is not None]


# Down


def test_a_down_account_holds_up_nobody_and_recovers_alone(house, clock):
    people = [Visitor(house, f"p{number}@example.com") for number in range(3)]
    house.contacts.stop()
    for person in people:
        person.subscribe()
        house.deliver()
        assert person.confirm().status == 200
        house.deliver()
        assert len(person.mails()) == 2, "mail goes on"
    people[0].leave()
    clock.shift(timedelta(hours=5))
    house.deliver()
    house.contacts.start()
    forward_until_done(house, clock)
    assert [house.contacts.status_of(person.email) for person in people] == [UNSUBSCRIBED, SUBSCRIBED, SUBSCRIBED]
    assert no_dead_letters(house)


# Pace


def test_nobody_calls_before_the_time_the_other_side_asked_for_is_over(house, clock):
    people = [Visitor(house, f"p{number}@example.com") for number in range(2)]
    for person in people:
        person.subscribe()
        house.deliver()
        person.confirm()
    house.contacts.retry_after_s = 300
    house.contacts.fault("429", "sync")
    asked_at, called_at = services.now(), []

    def sleep(seconds):
        clock.shift(timedelta(seconds=seconds))

    budget = CallBudget(house.service.transaction, services.now, sleep)
    [_, channel, _] = house.service.channels(budget)
    lane = Lane(house.relay, channel, 0.01)
    first = lane.step()
    assert (first.after, lane.rest_s(first)) == (timedelta(seconds=300), 300)
    people[0].leave()  # wakes the message that waits, and yet nobody calls
    while lane.step():
        called_at.append(services.now() - asked_at)
    channel.close()
    assert called_at, "both were taken in the end"
    assert min(called_at) >= timedelta(seconds=300)
    assert house.contacts.status_of(people[1].email) == SUBSCRIBED
    assert house.contacts.status_of(people[0].email) in (None, UNSUBSCRIBED)


@pytest.mark.parametrize("wish", ["31536000000", "99999999999999999999", "²", "-5", "soon", ""])
def test_an_absurd_wish_to_wait_does_not_stop_forwarding_for_ever(sqlite_house, clock, wish):
    house, aino = sqlite_house, Visitor(sqlite_house)
    aino.subscribe()
    house.deliver()
    aino.confirm()
    house.contacts.retry_after_s = wish
    house.contacts.fault("503" if wish == "soon" else "429", "sync")
    house.deliver()
    assert not house.contacts.contacts
    clock.shift(timedelta(days=2))
    house.deliver()
    assert house.contacts.status_of(aino.email) == SUBSCRIBED


def test_a_wish_given_as_a_date_is_heard_too(sqlite_house, clock):
    house, aino = sqlite_house, Visitor(sqlite_house)
    aino.subscribe()
    house.deliver()
    aino.confirm()
    clock.move_to(services.now().replace(year=2027, month=1, day=10, hour=12, minute=0, second=0, microsecond=0))
    house.contacts.retry_after_s = "Sun, 10 Jan 2027 12:30:00 GMT"
    house.contacts.fault("429", "sync")
    house.deliver()
    [waiting] = [row for row in house.messages() if row.done_at is None]
    assert waiting.due_at - services.now() == timedelta(minutes=30)


def test_three_relays_together_make_at_most_four_calls_a_second(house):
    """On a clock that runs five times faster, and with the shape of a backlog: single calls and imports."""
    began, there = services.now(), house.contacts
    emails = [f"p{number}@example.com" for number in range(60)]
    crowd.confirmed(house, emails)

    def now():
        return began + (services.now() - began) * FASTER

    def sleep(seconds):
        time.sleep(max(seconds, 0) / FASTER)

    def work(name, service):
        channels = service.channels(CallBudget(service.transaction, now, sleep))
        forward = next(one for one in channels if one.lane == outbox.ACTIVECAMPAIGN)
        lane = Lane(Relay(name, service.transaction, now, lambda: 0.0), forward, 0.25)
        while [row for row in house.messages() if row.done_at is None]:
            sleep(lane.rest_s(lane.step()))
        for channel in channels:
            channel.close()

    others = [Service(house.settings, CONTROLLER) for _ in range(3)]
    threads = [threading.Thread(target=work, args=(f"relay {number}", one)) for number, one in enumerate(others)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.engine.dispose()
    assert {there.status_of(email) for email in emails} == {SUBSCRIBED}
    assert len(there.history) == len(there.contacts) == 60, "each once"
    times = [(call.at - started) * FASTER for call in there.calls]  # however late one arrives, none was early
    assert all(at >= 0.25 * count - 0.25 for count, at in enumerate(times)), times
    assert len({call.name for call in there.calls} & {"sync", "bulk", "info"}) == 3
