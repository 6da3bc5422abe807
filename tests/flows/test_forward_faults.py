"""Faults on the way to ActiveCampaign: whatever goes wrong, it ends with one contact in the right state.

A fault "before" means that the call had no effect, "after" that it had and only its answer was lost or spoilt. How
often we call is told here too; what else may be found there, in test_forward.py.
"""

import threading
import time
from contextlib import ExitStack
from datetime import timedelta

import pytest
import time_machine

from consent_service import service as services
from consent_service.delivery.activecampaign import Account
from consent_service.delivery.calls import Calls
from consent_service.delivery.contacts import ContactState
from consent_service.delivery.outbox import Delivered
from consent_service.delivery.pacing import CallBudget
from consent_service.relay import Lane
from consent_service.service import Service
from tests.actors import Visitor
from tests.flows.test_forward import forward_until_done
from tests.household import CONTROLLER, household
from tests.servers.activecampaign import ActiveCampaign
from tests.servers.smtp import MailServer

SUBSCRIBED, UNSUBSCRIBED = 1, 2
SPOILT = ("empty", "garbage", "truncated")
FAULTS = ["timeout", "reset", "cut", "500", "502", "503", "429", "429 at once", "403", *SPOILT]


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture(scope="module")
def shared_house(tmp_path_factory):
    """One household for the many small stories of the fault matrix; each has a person of its own."""
    folder = tmp_path_factory.mktemp("forward")
    with ExitStack() as stack:
        mail, contacts = stack.enter_context(MailServer()), stack.enter_context(ActiveCampaign())
        contacts.rate_limit, contacts.hold_s = None, 0.2
        yield stack.enter_context(household(folder, f"sqlite:///{folder}/c.db", mail, contacts))


def no_dead_letters(house):
    return not [row for row in house.messages() if row.dead_at is not None]


# Every fault, in every call, in both directions


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["sync", "contactLists"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_delays_subscribing_and_leaving_but_spoils_neither(shared_house, clock, fault, call, when):
    house, there = shared_house, shared_house.contacts
    person = Visitor(house, f"{fault.replace(' ', '')}.{call}.{when}@example.com".lower())
    there.retry_after_s = None if fault == "429 at once" else 30
    kind = fault.partition(" ")[0]
    person.subscribe()
    house.deliver()
    person.confirm()

    there.fault(kind, call, when, times=2)
    tries = forward_until_done(house, clock)
    assert tries > 0 or fault in SPOILT, "a spoilt answer may be made up for by reading the contact"
    assert there.status_of(person.email) == SUBSCRIBED
    assert house.person(person.email).contact_id == there.contacts[person.email].id

    person.leave()
    there.fault(kind, "contactLists", when, times=2)
    tries = forward_until_done(house, clock)
    assert tries > 0 or fault in SPOILT
    assert there.status_of(person.email) == UNSUBSCRIBED

    mine = [status for email, status in there.history if email == person.email]
    assert mine == [SUBSCRIBED, UNSUBSCRIBED], "nothing flickers"
    assert [one.email for one in there.contacts.values()].count(person.email) == 1
    assert no_dead_letters(house)


@pytest.mark.parametrize("call", ["search", "sync"])
@pytest.mark.parametrize("fault", ["timeout", "500", "429", "403", "empty", "garbage", "truncated"])
def test_faults_while_looking_for_a_contact_by_address(shared_house, clock, fault, call):
    """The answer to the first sync is lost, and the person leaves before the second try."""
    house, there = shared_house, shared_house.contacts
    person = Visitor(house, f"lost.{call}.{fault}@example.com")
    there.retry_after_s = 30
    person.subscribe()
    house.deliver()
    person.confirm()
    there.fault("cut", "sync", "after")
    house.deliver()
    assert house.person(person.email).contact_id is None
    assert person.email in there.contacts
    there.search_delay_s = 1000 if call == "sync" else 0
    there.fault(fault, call, "after", times=2)
    person.leave()
    assert forward_until_done(house, clock) > 0
    there.search_delay_s = 0
    assert there.status_of(person.email) == UNSUBSCRIBED
    assert not [status for email, status in there.history if email == person.email and status == SUBSCRIBED]
    assert house.person(person.email).contact_id == there.contacts[person.email].id
    assert no_dead_letters(house)


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


def test_two_relays_together_make_at_most_four_calls_a_second(house):
    others = [Service(house.settings, CONTROLLER) for _ in range(2)]
    accounts = [
        Account(
            Calls(house.contacts.url, house.contacts.token, CallBudget(other.transaction, services.now, time.sleep)),
            house.contacts.list_id,
        )
        for other in others
    ]
    started, outcomes = time.monotonic(), []

    def forward(number, account):
        for count in range(3):
            state = ContactState(
                f"p{number}.{count}@example.com", "A", "B", is_active=True, contact_id=None, was_forwarded=False
            )
            outcomes.append(account.deliver(state))

    threads = [threading.Thread(target=forward, args=pair) for pair in enumerate(accounts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for account, other in zip(accounts, others, strict=True):
        account.close()
        other.engine.dispose()
    assert [type(outcome) for outcome in outcomes] == [Delivered] * 6
    times = [call.at - started for call in house.contacts.calls]
    assert len(times) == 12
    assert all(at >= 0.25 * count - 0.05 for count, at in enumerate(times)), times
    assert times[-1] < 15, "and no slower than need be"
