"""What this service took off the list itself is never taken for somebody's leaving."""

from datetime import timedelta

import pytest
import time_machine

from consent_service import service as services
from consent_service.delivery import relaying
from consent_service.earlier_list import imports
from tests.actors import Visitor
from tests.flows.test_erasure_races import SlowRelay
from tests.flows.test_forward import forward_until_done
from tests.flows.test_import_again import bring

SUBSCRIBED, UNSUBSCRIBED = 1, 2
EERO = "eero@example.com"


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def house(sqlite_house):
    """A house in which strangers are taken off as soon as they are found."""
    Visitor(sqlite_house).becomes_active()
    assert sqlite_house.compare().found == {}
    return sqlite_house


def test_who_was_taken_off_by_us_and_is_imported_since_has_not_left(house):
    house.contacts.add(EERO, status=SUBSCRIBED)
    house.compare()
    house.deliver()
    _, [became] = bring(house, EERO)
    assert became == imports.IMPORTED
    house.deliver()
    assert (house.status(EERO), house.contacts.status_of(EERO)) == ("active", SUBSCRIBED)
    assert house.kinds(EERO) == ["imported"]


def test_a_late_take_off_of_ours_is_nobodys_withdrawal(house, clock):
    eero = Visitor(house, EERO, "Eero", "Niemi")
    house.contacts.add(eero.email, status=SUBSCRIBED)
    house.compare()

    def meanwhile():
        clock.shift(relaying.LEASE)
        house.deliver()
        eero.becomes_active()
        assert house.contacts.status_of(eero.email) == SUBSCRIBED

    SlowRelay(house, meanwhile, call=2).step()
    assert house.contacts.status_of(eero.email) == UNSUBSCRIBED, "the late call had its effect"
    forward_until_done(house, clock)
    house.compare(by_hand=False)
    forward_until_done(house, clock)
    assert (house.status(eero.email), house.contacts.status_of(eero.email)) == ("active", SUBSCRIBED)
    assert "withdrawn" not in house.kinds(eero.email)


def test_a_late_unsubscription_of_ours_is_not_a_second_withdrawal(house, clock):
    """Whoever left comes back; then the call wakes up by which a relay was about to take them off the list."""
    eero = Visitor(house, EERO, "Eero", "Niemi").becomes_active()
    house.deliver()
    eero.leave()

    def meanwhile():
        clock.shift(relaying.LEASE)
        house.deliver()
        clock.shift(timedelta(minutes=1))
        eero.becomes_active()
        house.deliver()
        assert house.contacts.status_of(eero.email) == SUBSCRIBED
        clock.shift(timedelta(minutes=1))

    SlowRelay(house, meanwhile, call=1).step()
    assert house.contacts.status_of(eero.email) == UNSUBSCRIBED, "the late call had its effect"
    forward_until_done(house, clock)
    assert (house.status(eero.email), house.contacts.status_of(eero.email)) == ("active", SUBSCRIBED)
    assert house.kinds(eero.email).count("withdrawn") == 1
    clock.shift(timedelta(minutes=1))
    house.contacts.set_status(eero.email, UNSUBSCRIBED)
    house.compare(by_hand=False)
    assert house.status(eero.email) == "passive", "who leaves there later has left"
