"""Messages delivered together keep what each has alone: its lease, its tries, its order, and its own outcome."""

import threading
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
import time_machine
from sqlalchemy import text

from consent_service import service as services
from consent_service import subscriptions
from consent_service.activecampaign import departures, strangers
from consent_service.delivery import outbox, relaying
from consent_service.delivery.batches import LEAST, relay_batch
from consent_service.delivery.outbox import Delivered, Hold, Retry
from consent_service.delivery.relaying import LEASE, Relay
from tests import crowd
from tests.conftest import on_both_databases
from tests.household import relay_once

pytestmark = on_both_databases

SUBSCRIBED, UNSUBSCRIBED = 1, 2
PEOPLE = [f"p{number}@example.com" for number in range(LEAST + 5)]


class Killed(BaseException):
    """What a kill looks like from inside: nothing after it runs."""


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def forward(house, clock):
    [_, channel, _] = house.channels
    crowd.confirmed(house, PEOPLE)
    return channel


def relay(house, name="a"):
    return Relay(name, house.service.transaction, services.now, lambda: 0.0)


def killed(parcels):
    raise Killed


def finish(house, clock):
    """Deliver everything, waiting whenever nothing is due."""
    for _ in range(20):
        house.deliver()
        waiting = [row.due_at for row in house.messages() if row.done_at is None]
        if not waiting:
            return
        clock.move_to(max(min(waiting), services.now()) + LEASE)
    raise AssertionError([row.last_error for row in house.messages() if row.done_at is None])


def statuses(house):
    return {email: house.contacts.status_of(email) for email in PEOPLE}


def test_what_a_killed_relay_held_comes_back_when_its_lease_is_over(house, forward, clock):
    with pytest.raises(Killed):
        relay_batch(relay(house), replace(forward, deliver_all=killed))
    clock.shift(LEASE - timedelta(seconds=1))
    assert relay_batch(relay(house, "b"), forward) is None
    clock.shift(timedelta(seconds=1))
    assert isinstance(relay_batch(relay(house, "b"), forward), Hold)
    finish(house, clock)
    assert set(statuses(house).values()) == {SUBSCRIBED}
    assert len(house.contacts.contacts) == len(PEOPLE)


def test_a_living_relay_keeps_all_it_delivers_however_long_that_takes(house, forward, clock):
    mine, others = relay(house), []

    def slow(parcels):
        for _ in range(3):
            clock.shift(LEASE - timedelta(seconds=1))
            relaying.extend_leases(mine)
            others.append(relay_once(relay(house, "b"), forward))
        return forward.deliver_all(parcels)

    assert isinstance(relay_batch(mine, replace(forward, deliver_all=slow)), Hold)
    assert others == [None] * 3
    assert mine.in_flight == set()


def test_a_late_import_of_a_relay_without_its_leases_is_put_right_by_another_update(house, forward, clock):
    gone = PEOPLE[3]

    def wakes_late(parcels):
        clock.shift(LEASE)
        finish(house, clock)
        with house.service.transaction() as connection:
            subscriptions.unsubscribe(connection, house.occasion(), house.person(gone).id)
        finish(house, clock)
        house.contacts.remove(gone)  # so that the late import makes them anew
        return forward.deliver_all(parcels)

    relay_batch(relay(house), replace(forward, deliver_all=wakes_late))
    house.contacts.land_imports()
    assert house.contacts.status_of(gone) == SUBSCRIBED, "this is what must not last"
    finish(house, clock)
    assert statuses(house) == dict.fromkeys(PEOPLE, SUBSCRIBED) | {gone: UNSUBSCRIBED}


def test_who_left_before_the_message_is_loaded_does_not_go_along(house, forward, clock):
    gone = house.person(PEOPLE[3]).id

    def leaves_first(connection, messages, now):
        subscriptions.unsubscribe(connection, house.occasion(), gone)
        return forward.load_all(connection, messages, now)

    relay_batch(relay(house), replace(forward, load_all=leaves_first))
    [call] = [call for call in house.contacts.calls if call.name == "bulk"]
    assert PEOPLE[3] not in [one["email"] for one in call.body["contacts"]]
    finish(house, clock)
    assert PEOPLE[3] not in house.contacts.contacts


def test_whoever_waits_behind_an_earlier_message_does_not_go_along(house, forward, clock):
    first = house.person(PEOPLE[0]).id
    with house.service.transaction() as connection:
        outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, "sync", services.now(), subscriber_id=first)
    relay_batch(relay(house), forward)
    waiting = [row.subscriber_id for row in house.messages() if row.bulk_id is None and row.kind == "sync"]
    assert waiting == [first], "the second of theirs"


def test_whose_address_has_still_to_be_deleted_there_or_taken_off_does_not_go_along(house, forward, clock):
    with house.service.transaction() as connection:
        departures.delete_by_address(connection, "erased", "p99@example.com", services.now())
        for email in PEOPLE[:2]:
            person = {"id": "erased", "email": email, "email_key": email, "language": "fi", "contact_id": None}
            gone = SimpleNamespace(**person)
            departures.start(connection, [gone], services.now(), told_there=[gone.id], waits=False, told=False)
        strangers.note(connection, "77", PEOPLE[2], services.now())
        strangers.take_off(connection, "77", services.now())
    relay_batch(relay(house), forward)
    [call] = [call for call in house.contacts.calls if call.name == "bulk"]
    assert {one["email"] for one in call.body["contacts"]} == set(PEOPLE[3:])


@pytest.mark.parametrize("fault", ["load_all", "deliver_all"])
def test_a_batch_that_fails_oddly_counts_as_a_try_of_each_and_comes_back_together(house, forward, clock, fault):
    def chokes(*given):
        raise RuntimeError("aino@example.com broke it")

    assert relay_batch(relay(house), replace(forward, **{fault: chokes})) == Retry("unexpected RuntimeError")
    assert {(row.attempts, row.claimed_by) for row in house.messages()} == {(1, None)}
    assert len({row.due_at for row in house.messages()}) == 1
    finish(house, clock)
    assert set(statuses(house).values()) == {SUBSCRIBED}


def test_an_import_that_could_not_be_noted_is_sent_again_and_doubles_nobody(house, forward, clock):
    def chokes(*given):
        raise RuntimeError

    outcome = relay_batch(relay(house), replace(forward, handed=chokes))
    assert outcome == Retry("delivered, but not recorded: RuntimeError")
    house.contacts.land_imports()
    finish(house, clock)
    assert len(house.contacts.contacts) == len(PEOPLE)
    assert len(house.contacts.history) == len(PEOPLE), "nothing flickers"


def test_several_relays_carry_everybody_once(house, forward, clock):
    crowd.confirmed(house, [f"q{number}@example.com" for number in range(300)])
    with house.service.transaction() as connection:
        connection.execute(text("ANALYZE"))  # as PostgreSQL does by itself within a minute of so many
    outcomes = []

    def work(name):
        while outcome := relay_batch(relay(house, name), forward):
            outcomes.append(outcome)

    threads = [threading.Thread(target=work, args=(f"relay {number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent = [one["email"] for call in house.contacts.calls if call.name == "bulk" for one in call.body["contacts"]]
    assert len(sent) == len(set(sent))
    clock.shift(timedelta(seconds=10))
    assert [type(one) for one in house.deliver() if not isinstance(one, Delivered)] == []
    finish(house, clock)
    assert len(house.contacts.contacts) == len(PEOPLE) + 300
