"""Two things at once: a call to ActiveCampaign was under way while its person was erased, or while they came back."""

from datetime import timedelta

import pytest
import time_machine

from consent_service import service as services
from consent_service.activecampaign import departures
from consent_service.activecampaign.pacing import CallBudget
from consent_service.delivery import outbox, relaying
from consent_service.delivery.relaying import Relay
from consent_service.models.newsletter import departure, erasure
from consent_service.relay import Lane
from tests.actors import Visitor
from tests.flows.test_forward import forward_until_done
from tests.flows.test_forward_address import NEW, move

SUBSCRIBED = 1


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


class SlowRelay:
    """A second relay that falls asleep before one of its calls; `meanwhile` happens until it wakes up."""

    def __init__(self, house, meanwhile, call):
        self.house, self.meanwhile, self.calls_left = house, meanwhile, call
        worker = Relay("slow", house.service.transaction, services.now, lambda: 0)
        self.budget = CallBudget(house.service.transaction, services.now, self._sleep)
        self.channels = house.service.channels(self.budget)
        [self.lane] = [
            Lane(worker, channel, 0.01) for channel in self.channels if channel.lane == outbox.ACTIVECAMPAIGN
        ]

    def step(self):
        self.budget.rest(timedelta(milliseconds=1))  # so that even its first call has to wait for its turn
        try:
            self.lane.step()
        finally:
            for channel in self.channels:
                channel.close()
        assert self.calls_left <= 0, "it was never so slow"

    def _sleep(self, seconds):
        self.calls_left -= 1
        if self.calls_left == 0:
            self.meanwhile()
        return False


def finish(house, clock):
    forward_until_done(house, clock)
    clock.shift(timedelta(minutes=11))
    house.deliver()
    house.do_chores()
    assert house.rows(departure) == []
    assert not [row for row in house.messages() if row.dead_at]


@pytest.mark.parametrize("call", [1, 2])
def test_a_call_under_way_when_the_person_is_erased_leaves_no_contact(sqlite_house, clock, call):
    house, aino = sqlite_house, Visitor(sqlite_house).becomes_active()
    aino.leave()
    house.deliver()
    aino.subscribe()
    house.deliver()
    aino.confirm()

    def erase():
        house.erase(aino.email)
        clock.shift(relaying.LEASE)
        house.deliver()
        house.deliver()
        house.do_chores()
        assert house.contacts.contacts == {}
        assert house.rows(departure) == [], "as far as anybody knows all is done"

    SlowRelay(house, erase, call).step()
    finish(house, clock)
    assert house.contacts.contacts == {}
    assert [note.there_answer for note in house.rows(erasure)] == ["deleted"]


def test_a_deletion_waits_while_a_call_may_be_under_way(sqlite_house, clock):
    house, aino = sqlite_house, Visitor(sqlite_house)
    aino.subscribe()
    house.deliver()
    aino.confirm()

    def erase():
        house.erase(aino.email)
        assert [row.due_at - services.now() for row in house.messages() if row.kind == departures.DELETE] == [
            relaying.LEASE
        ]

    SlowRelay(house, erase, call=1).step()
    finish(house, clock)
    assert house.contacts.contacts == {}


@pytest.mark.parametrize("call", [1, 2])
def test_a_late_deletion_does_not_cost_a_newcomer_their_subscription(sqlite_house, clock, call):
    house, aino = sqlite_house, Visitor(sqlite_house).becomes_active()
    house.erase(aino.email, tell=False)

    def come_back():
        clock.shift(relaying.LEASE)
        house.deliver()
        house.do_chores()
        aino.becomes_active()
        assert house.contacts.status_of(aino.email) == SUBSCRIBED

    SlowRelay(house, come_back, call).step()
    forward_until_done(house, clock)
    assert house.contacts.status_of(aino.email) == SUBSCRIBED
    assert house.person(aino.email).contact_id == house.contacts.contacts[aino.email].id


def test_a_contact_left_behind_under_a_former_address_goes_too(sqlite_house, clock):
    house, aino = sqlite_house, Visitor(sqlite_house).becomes_active()
    house.contacts.add(NEW, status=SUBSCRIBED)  # the company knew the new address already
    move(house, aino)
    forward_until_done(house, clock)
    assert set(house.contacts.contacts) == {aino.email, NEW}
    house.erase(NEW)
    finish(house, clock)
    assert house.contacts.contacts == {}
    assert [note.there_answer for note in house.rows(erasure)] == ["deleted"]


def test_a_form_filled_in_with_the_former_address_does_not_keep_the_contact_there(sqlite_house, clock):
    house, aino = sqlite_house, Visitor(sqlite_house).becomes_active()
    house.contacts.add(NEW, status=SUBSCRIBED)
    move(house, aino)
    forward_until_done(house, clock)
    aino.subscribe()
    house.erase(NEW)
    finish(house, clock)
    assert house.contacts.contacts == {}
    assert house.status(aino.email) == "pending"


def test_whoever_has_the_former_address_by_now_keeps_their_contact(sqlite_house, clock):
    house, aino = sqlite_house, Visitor(sqlite_house).becomes_active()
    move(house, aino)
    house.deliver()
    heir = Visitor(house, aino.email, "Eeva").becomes_active()
    house.erase(NEW)
    finish(house, clock)
    assert list(house.contacts.contacts) == [heir.email]
    assert house.contacts.status_of(heir.email) == SUBSCRIBED
