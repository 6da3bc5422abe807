"""A turn of the relay: several messages claimed, loaded and settled together, and still each with an end of its own."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from consent_service.delivery import relaying
from consent_service.delivery.outbox import Delivered, Hold, Rejected, Retry
from consent_service.models.delivery import outbox_message
from tests.conftest import on_both_databases
from tests.test_outbox import Office

pytestmark = on_both_databases


@pytest.fixture
def office(house):
    return Office(house)


def turn(office, at_most=16):
    return relaying.relay_some(office.relay(), office.channel, at_most)


def test_a_turn_takes_what_is_due_in_order_and_no_more_than_it_may(office):
    numbers = [office.put() for _ in range(5)]
    assert turn(office, 3) == [Delivered("taken")] * 3
    assert [message.id for message in office.arrived] == numbers[:3]
    assert [office.state(number) for number in numbers] == ["done"] * 3 + ["waits"] * 2
    assert {number for number, _ in office.kept} == set(numbers[:3])


def test_one_persons_messages_never_go_in_one_turn(office):
    aino = office.person("aino")
    first, second = office.put(aino), office.put(aino)
    turn(office)
    assert [office.state(number) for number in (first, second)] == ["done", "waits"]


def test_each_message_has_an_end_of_its_own(office):
    poison, refused, good = (office.put() for _ in range(3))
    ends = {refused: Rejected("no"), good: Delivered("taken")}
    office.answer = lambda message: ends[message.id]  # and a KeyError for the poison
    outcomes = turn(office)
    assert [type(one) for one in outcomes] == [Retry, Rejected, Delivered]
    assert [office.state(number) for number in (poison, refused, good)] == ["waits", "dead", "done"]
    assert office.row(poison).last_error == "unexpected KeyError"


def test_what_cannot_be_loaded_holds_up_nobody_else(office):
    poison, good = office.put(kind="poison"), office.put()

    def load(connection, message, now):
        if message.kind == "poison":
            raise ValueError
        return message

    office.channel = relaying.Channel("mail", load, office._deliver, office._record, lambda: None)
    turn(office)
    assert [office.state(number) for number in (poison, good)] == ["waits", "done"]
    assert office.row(poison).last_error == "unexpected ValueError"


def test_the_rest_of_a_turn_is_handed_back_untried_when_the_other_side_is_down(office):
    first, second, third = (office.put() for _ in range(3))
    office.answer = lambda _: Retry("down", peer_down=True)
    assert [type(one) for one in turn(office)] == [Retry, Hold, Hold]
    assert len(office.arrived) == 1
    assert [office.row(number).attempts for number in (first, second, third)] == [1, 0, 0]
    assert {office.row(number).claimed_by for number in (first, second, third)} == {None}


def test_what_was_read_two_seconds_ago_is_read_again_before_it_leaves(office):
    numbers = [office.put() for _ in range(3)]

    def slow(_):
        office.now += timedelta(seconds=1.5)
        return Delivered("taken")

    office.answer = slow
    assert [type(one) for one in turn(office)] == [Delivered, Delivered, Hold]
    assert [office.state(number) for number in numbers] == ["done", "done", "waits"]
    assert turn(office) == [Delivered("taken")]


def test_being_handed_back_does_not_hide_why_an_earlier_try_failed(office):
    first, second = office.put(), office.put()
    office.answer = lambda _: Retry("mailbox full", after=timedelta(hours=1))
    turn(office)
    office.now += timedelta(hours=1)
    office.answer = lambda _: Retry("down", peer_down=True)
    assert [type(one) for one in turn(office)] == [Retry, Hold]
    assert [office.row(number).last_error for number in (first, second)] == ["down", "mailbox full"]


def test_a_relay_that_stops_ends_what_it_has_begun_and_hands_the_rest_back(office):
    first, second = office.put(), office.put()
    relay = relaying.Relay("a", office.house.service.transaction, lambda: office.now, lambda: 0.0, lambda: True)
    assert [type(one) for one in relaying.relay_some(relay, office.channel, 16)] == [Delivered, Hold]
    assert [office.state(number) for number in (first, second)] == ["done", "waits"]
    assert office.row(second).claimed_by is None


def test_news_that_came_while_an_earlier_message_was_tried_waits_for_no_pause(office):
    aino = office.person("aino")
    earlier, newer = office.put(aino), []

    def busy(_):
        office.now += timedelta(seconds=1)
        if not newer:
            newer.append(office.put(aino))
        return Retry("busy", after=timedelta(hours=34))

    office.answer = busy
    turn(office)
    assert office.row(earlier).due_at == office.now, "it is woken as by news that come later"
    turn(office)
    assert office.row(earlier).due_at == office.now + timedelta(hours=34), "once, and then it has its pauses again"
    assert office.row(earlier).last_error == "busy"
    newer.append(office.put(aino))
    office.answer = lambda _: Delivered("taken")
    for _ in range(3):
        turn(office)
    assert [office.state(number) for number in (earlier, *newer)] == ["done"] * 3


def test_what_is_erased_on_its_way_ends_no_newer_message_that_got_its_number(office):
    """As SQLite gives a number out again once the row that had it last is gone."""
    office.put()
    newer = []

    def erased_meanwhile(_):
        with office.house.service.transaction() as connection:
            connection.execute(delete(outbox_message))
        newer.append(office.put())
        with office.house.service.transaction() as connection:
            [waits] = connection.execute(select(*relaying.MESSAGE_COLUMNS)).all()
            relaying.take(connection, office.relay(), [relaying.read(waits)])  # for its own first try, in another lane
        return Delivered("taken")

    office.answer = erased_meanwhile
    turn(office)
    assert [office.state(number) for number in newer] == ["waits"]
    assert office.kept == []
