"""The outbox: who holds a message, for how long, in which order, how often it is tried, and when it is given up."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import time_machine
from sqlalchemy import insert

from consent_service import service as services
from consent_service.delivery import outbox, relaying
from consent_service.delivery.lanes import lane_states
from consent_service.delivery.outbox import Delivered, Hold, Nothing, Rejected, Retry
from consent_service.delivery.relaying import Channel, Relay
from consent_service.models.newsletter import subscriber
from consent_service.relay import Lane
from tests.actors import Visitor
from tests.conftest import on_both_databases
from tests.household import relay_once

pytestmark = on_both_databases

MAIL, ACTIVECAMPAIGN, LEASE, TRIES = outbox.MAIL, outbox.ACTIVECAMPAIGN, relaying.LEASE, relaying.TRIES
START = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SUBSCRIBED, UNSUBSCRIBED = 1, 2


class Killed(BaseException):
    """What a kill looks like from inside: nothing after it runs."""


class Office:
    """Relays with one clock, and another side that answers as it is told; what came there is in `arrived`."""

    def __init__(self, house):
        self.house, self.now = house, START
        self.answer = lambda message: Delivered("taken")
        self.arrived, self.kept = [], []
        self.channel = Channel(MAIL, self._load, self._deliver, self._record, lambda: None)
        self.jitter = 0.0

    def relay(self, name="a"):
        return Relay(name, self.house.service.transaction, lambda: self.now, lambda: self.jitter)

    def _load(self, connection, message, now):
        return message

    def _deliver(self, message):
        self.arrived.append(message)
        return self.answer(message)

    def _record(self, connection, message, parcel, delivered, now):
        self.kept.append((message.id, delivered.answer))

    def put(self, person=None, lane=MAIL, kind="test"):
        with self.house.service.transaction() as connection:
            outbox.enqueue(connection, lane, kind, self.now, subscriber_id=person)
        return self.house.messages()[-1].id

    def person(self, name):
        row = {"id": name, "email": f"{name}@example.com", "email_key": f"{name}@example.com", "status": "pending"}
        row |= {"first_name": name, "last_name": name, "language": "fi", "asked_at": self.now}
        with self.house.service.transaction() as connection:
            connection.execute(insert(subscriber).values(**row))
        return name

    def run(self, name="a", channel=None):
        """Deliver until nothing is due; the outcomes."""
        outcomes = []
        while outcome := relay_once(self.relay(name), channel or self.channel):
            outcomes.append(outcome)
        return outcomes

    def row(self, message_id):
        return next(row for row in self.house.messages() if row.id == message_id)

    def state(self, message_id):
        row = self.row(message_id)
        return "done" if row.done_at else "dead" if row.dead_at else "waits"


@pytest.fixture
def office(house):
    return Office(house)


def once(then, other=Delivered("taken")):  # noqa: B008 - an answer is frozen
    """Answer so for the first time, and otherwise ever after."""
    left = [then]
    return lambda message: left.pop() if left else other


def killed(message):
    raise Killed


# Leases and fencing


def test_a_message_is_delivered_once_and_its_answer_kept(office):
    number = office.put()
    assert office.run() == [Delivered("taken")]
    assert office.kept == [(number, "taken")]
    row = office.row(number)
    assert (row.done_at, row.attempts, row.claimed_by, row.claimed_until) == (START, 1, None, None)
    assert office.run() == []


def test_what_a_killed_relay_held_comes_back_when_its_lease_is_over(office):
    number = office.put()
    office.answer = killed
    with pytest.raises(Killed):
        office.run("a")
    office.answer = lambda message: Delivered("taken")
    office.now += LEASE - SECOND
    assert office.run("b") == []
    office.now += SECOND
    assert office.run("b") == [Delivered("taken")]
    first, second = office.arrived
    assert (first.key, first.attempts, second.key, second.attempts) == (second.key, 1, first.key, 2)
    assert office.state(number) == "done"


def test_a_living_relay_keeps_what_it_delivers_however_long_that_takes(office):
    office.put()
    relay, others = office.relay("a"), []

    def slow(message):
        for _ in range(5):
            office.now += LEASE - SECOND
            relaying.extend_leases(relay)
            others.extend(office.run("b"))
        return Delivered("taken at last")

    office.answer = slow
    assert relay_once(relay, office.channel) == Delivered("taken at last")
    assert others == []
    office.now += timedelta(days=1)
    relaying.extend_leases(relay)
    assert office.run() == [], "a done message is nobody's"


def test_a_relay_that_lost_its_lease_settles_and_keeps_nothing(office):
    number = office.put()

    def overtaken(message):
        office.now += LEASE
        office.answer = lambda message: Delivered("by the other")
        assert office.run("b") == [Delivered("by the other")]
        return Rejected("too late to say so")

    office.answer = overtaken
    assert office.run("a") == [Rejected("too late to say so")]
    assert office.state(number) == "done"
    assert office.kept == [(number, "by the other")]
    assert len(office.house.messages()) == 1


def test_the_same_relay_overtaken_by_its_own_later_try_settles_nothing(office):
    number = office.put()

    def overtaken(message):
        office.now += LEASE
        office.answer = lambda message: Retry("busy")
        office.run("a")
        return Delivered("stale")

    office.answer = overtaken
    relay_once(office.relay("a"), office.channel)
    assert office.state(number) == "waits"
    assert office.kept == []


def test_a_late_subscribe_of_a_relay_without_a_lease_is_put_right_by_another_sync(house):
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    aino.confirm()
    forward = next(channel for channel in house.channels if channel.lane == ACTIVECAMPAIGN)
    stuck = Relay("stuck", house.service.transaction, services.now, lambda: 0.0)
    with time_machine.travel(services.now(), tick=False) as clock:

        def wakes_late(contact):
            assert contact.is_active
            clock.shift(LEASE)
            house.deliver()
            aino.leave()
            house.deliver()
            assert house.contacts.status_of(aino.email) == UNSUBSCRIBED
            fresh = replace(contact.basis, confirmed_at=services.now())  # it had looked there before it was held up
            return forward.deliver(replace(contact, basis=fresh))

        relay_once(stuck, replace(forward, deliver=wakes_late))
        assert house.contacts.status_of(aino.email) == SUBSCRIBED, "this is what must not last"
        house.deliver()
    assert house.contacts.status_of(aino.email) == UNSUBSCRIBED
    assert not [row for row in house.messages() if row.done_at is None]


def test_many_relays_deliver_every_message_once(office):
    numbers = {office.put() for _ in range(30)}
    threads = [threading.Thread(target=office.run, args=(f"relay {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(message.id for message in office.arrived) == sorted(numbers)
    assert {office.state(number) for number in numbers} == {"done"}


# Order


def test_one_persons_messages_keep_their_order_and_nobody_else_waits_for_them(office):
    aino, eero = office.person("aino"), office.person("eero")
    first, second, third = office.put(aino), office.put(aino), office.put(eero)
    office.answer = once(Retry("busy"))
    office.run()
    assert [message.id for message in office.arrived] == [first, third]
    assert office.state(second) == "waits"
    office.now += timedelta(days=2)
    office.run()
    assert [message.id for message in office.arrived] == [first, third, first, second]


def test_a_dead_letter_holds_up_nothing_after_it(office):
    aino = office.person("aino")
    first, second = office.put(aino), office.put(aino)
    office.answer = once(Rejected("no such user"))
    office.run()
    assert (office.state(first), office.state(second)) == ("dead", "done")
    assert office.row(first).last_error == "no such user"


def test_lanes_do_not_wait_for_each_other(office):
    aino = office.person("aino")
    office.answer = lambda message: Retry("busy")
    office.put(aino)
    office.run()
    other = office.put(aino, lane=ACTIVECAMPAIGN)
    office.answer = lambda message: Delivered()
    office.run(channel=replace(office.channel, lane=ACTIVECAMPAIGN))
    assert office.state(other) == "done"


def test_news_of_a_person_wakes_what_waits_for_that_person_only(office):
    aino, eero = office.person("aino"), office.person("eero")
    office.answer = lambda message: Retry("busy")
    numbers = [office.put(aino), office.put(eero)]
    office.run()
    office.now += SECOND
    numbers.append(office.put(aino))
    office.answer = lambda message: Delivered()
    office.run()
    assert [office.state(number) for number in numbers] == ["done", "waits", "done"]


# How often


def test_twelve_tries_from_a_minute_to_a_day_and_a_half_then_a_dead_letter(office):
    for jitter in (0.0, 0.999):
        office.jitter = jitter
        number, waits = office.put(), []
        office.answer = lambda message: Retry("busy")
        while office.state(number) == "waits":
            office.run()
            row = office.row(number)
            if row.dead_at is None:
                waits.append(row.due_at - office.now)
                office.now = row.due_at - SECOND
                assert office.run() == [], "not before its time"
                office.now = row.due_at
        assert (office.row(number).attempts, len(waits)) == (TRIES, TRIES - 1) == (12, 11)
        assert all(later == 2 * earlier for earlier, later in pairwise(waits))
        shortest, longest = (60, 17) if jitter == 0 else (120, 34)
        assert round(waits[0].total_seconds()) == shortest
        assert round(waits[-1] / timedelta(hours=1)) == longest
        office.now += timedelta(days=30)
        assert office.run() == []


def test_the_other_sides_own_wish_decides_when_to_come_back(office):
    number = office.put()
    office.answer = once(Retry("slow down", after=timedelta(seconds=7)))
    office.run()
    assert office.row(number).due_at == START + timedelta(seconds=7)


def test_waiting_for_leave_uses_up_no_tries(office):
    number = office.put()
    hold = replace(office.channel, load=lambda *_: Hold(office.now + timedelta(hours=1), "limit reached"))
    for _ in range(TRIES + 5):
        assert len(office.run(channel=hold)) == 1
        office.now += timedelta(hours=1)
    row = office.row(number)
    assert (row.attempts, row.last_error, office.arrived) == (0, "limit reached", [])
    office.run()
    assert (office.state(number), office.row(number).attempts, office.row(number).last_error) == ("done", 1, None)


def test_a_message_whose_reason_has_passed_is_done_without_a_word(office):
    number = office.put()
    assert office.run(channel=replace(office.channel, load=lambda *_: Nothing())) == [Nothing()]
    assert (office.state(number), office.arrived, office.kept) == ("done", [], [])


@pytest.mark.parametrize("where", ["load", "deliver"])
def test_a_poisonous_message_neither_blocks_the_others_nor_is_tried_for_ever(office, where):
    poisonous, good = office.put(), office.put()

    def chokes(*given):
        message = given[-2] if where == "load" else given[0]
        if message.id == poisonous:
            raise RuntimeError("aino@example.com broke it")
        return message if where == "load" else Delivered()

    channel = replace(office.channel, **{where: chokes})
    office.run(channel=channel)
    assert (office.state(poisonous), office.state(good)) == ("waits", "done")
    for _ in range(TRIES):
        office.now += timedelta(hours=35)
        office.run(channel=channel)
    assert office.state(poisonous) == "dead"
    assert office.row(poisonous).last_error == "unexpected RuntimeError", "the kind of fault, never its words"


# Recovery


def test_a_lane_rests_longer_while_the_other_side_is_down_and_hurries_once_it_is_back(office):
    numbers = [office.put() for _ in range(9)]
    lane = Lane(office.relay(), office.channel, poll_s=0.25)
    office.answer = lambda message: Retry("nobody there", peer_down=True)
    rests = [lane.rest_s(lane.step()) for _ in range(8)]
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60]
    office.answer = lambda message: Delivered()
    assert lane.rest_s(lane.step()) == 0
    while lane.step():
        pass
    assert {office.state(number) for number in numbers} == {"done"}, "nobody waits out a pause for nothing"
    assert lane.rest_s(lane.step()) == 0.25


def test_a_lane_that_is_asked_to_wait_waits_that_long(office):
    office.put()
    lane = Lane(office.relay(), office.channel, poll_s=0.25)
    office.answer = lambda message: Retry("slow down", after=timedelta(seconds=90), peer_down=True)
    assert lane.rest_s(lane.step()) == 90


def test_one_refused_letter_makes_the_lane_neither_rest_nor_hurry(office):
    busy, waiting = office.put(), office.put()
    office.answer = once(Retry("mailbox full"))
    lane = Lane(office.relay(), office.channel, poll_s=0.25)
    assert lane.rest_s(lane.step()) == 0
    lane.step()
    assert (office.state(busy), office.state(waiting)) == ("waits", "done")
    assert office.row(busy).due_at > office.now


def test_a_dead_letter_gets_all_its_tries_again_when_staff_ask(office):
    number = office.put()
    office.answer = once(Rejected("no"), Retry("busy"))
    office.run()
    with office.house.service.transaction() as connection:
        assert outbox.retry_dead(connection, number, office.now)
        assert not outbox.retry_dead(connection, number, office.now), "it is not dead any more"
        assert not outbox.retry_dead(connection, number + 1000, office.now)
    assert office.run() == [Retry("busy")]
    assert (office.state(number), office.row(number).attempts) == ("waits", 1)
    office.answer = lambda message: Delivered()
    office.now += timedelta(hours=1)
    office.run()
    with office.house.service.transaction() as connection:
        assert not outbox.retry_dead(connection, number, office.now), "what is done stays done"


def test_the_state_of_the_lanes_is_told(office):
    office.answer = once(Rejected("no"), Retry("busy"))
    for _ in range(3):
        office.put()
    office.run()
    with office.house.service.reading() as connection:
        mail, forward, _ = lane_states(connection)
    assert (mail.lane, mail.undone, mail.dead, mail.oldest_at) == (MAIL, 2, 1, START)
    assert not mail.is_late(START + timedelta(minutes=15))
    assert mail.is_late(START + timedelta(minutes=16, seconds=1))
    assert (forward.lane, forward.undone, forward.dead, forward.is_late(START)) == (ACTIVECAMPAIGN, 0, 0, False)
