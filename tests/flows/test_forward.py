"""Forwarding to ActiveCampaign: one contact for one person, on the list or off it, and nobody else is touched.

What nobody could establish about the real one is played both ways. Faults on the way: test_forward_faults.py.
"""

from datetime import timedelta

import pytest
import time_machine

from consent_service import service as services
from consent_service.activecampaign.contacts import ContactState
from consent_service.activecampaign.pacing import CallBudget
from consent_service.delivery import outbox
from consent_service.delivery.outbox import Delivered, Rejected, Retry
from consent_service.service import Service
from tests.actors import LEAVE, Visitor
from tests.household import CONTROLLER, relay_once

SUBSCRIBED, UNSUBSCRIBED, BOUNCED = 1, 2, 3


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


def forward_until_done(house, clock, rounds=20):
    """Run the relay, moving past each pause, until no message waits; return how often it was tried."""
    for count in range(rounds):
        house.deliver()
        waiting = [row.due_at for row in house.messages() if row.done_at is None and row.dead_at is None]
        if not waiting:
            return count
        later = [due for due in waiting if due > services.now()]  # what is due already waits for an earlier one
        clock.move_to(min(later) if later else services.now() + timedelta(minutes=1))
    raise AssertionError([row.last_error for row in house.messages() if row.done_at is None])


# What nobody knows of the real one is played both ways


@pytest.mark.parametrize("case", ["kept", "lowered"])
@pytest.mark.parametrize("search_delay_s", [0.0, 1000.0])
@pytest.mark.parametrize("everybody", [True, False])
def test_spelling_search_delay_and_ignored_filters_never_hit_another_person(
    sqlite_house, clock, case, search_delay_s, everybody
):
    house, there = sqlite_house, sqlite_house.contacts
    there.email_case, there.search_delay_s, there.empty_filter_returns_everybody = case, search_delay_s, everybody
    there.add("somebody@example.com", status=SUBSCRIBED)
    there.add("aino@example.com.au", status=SUBSCRIBED)
    aino = Visitor(house, "Aino+Uutiset@Example.com")
    aino.subscribe()
    house.deliver()
    aino.confirm()
    there.fault("cut", "sync", "after")
    house.deliver()
    aino.leave()
    forward_until_done(house, clock)
    assert there.status_of(aino.email) == UNSUBSCRIBED
    assert there.history[:2] == [("somebody@example.com", SUBSCRIBED), ("aino@example.com.au", SUBSCRIBED)]
    assert {email for email, _ in there.history[2:]} == {aino.email.lower()}
    assert sorted(there.contacts) == sorted(["somebody@example.com", "aino@example.com.au", aino.email.lower()])
    asked = [call.query["email"] for call in there.calls if call.name == "search"]
    assert set(asked) <= {"Aino+Uutiset@example.com"}, "the plus sign survived"


def test_coming_back_would_be_refused_without_a_sourceid_and_ours_is_taken(house, clock):
    aino, there = Visitor(house).becomes_active(), house.contacts
    aino.leave()
    house.deliver()
    assert there.status_of(aino.email) == UNSUBSCRIBED
    plain = {"contactList": {"list": there.list_id, "contact": there.contacts[aino.email].id, "status": 1}}
    answer = house.http.post(f"{there.url}/api/3/contactLists", json=plain, headers={"Api-Token": there.token})
    assert answer.status_code == 200
    assert there.status_of(aino.email) == UNSUBSCRIBED, "200, and yet nothing happened"
    aino.subscribe()
    house.deliver()
    aino.confirm()
    house.deliver()
    assert there.status_of(aino.email) == SUBSCRIBED


def test_a_refusal_hidden_in_a_200_is_noticed(house, clock):
    aino, there = Visitor(house), house.contacts
    aino.subscribe()
    house.deliver()
    aino.confirm()
    there.add(aino.email, status=UNSUBSCRIBED)
    there.subscribe, kept = (lambda contact, *_: contact.lists[there.list_id]), there.subscribe
    house.deliver()
    [waiting] = [row for row in house.messages() if row.done_at is None]
    assert "did not take the contact onto the list" in waiting.last_error
    there.subscribe = kept
    forward_until_done(house, clock)
    assert there.status_of(aino.email) == SUBSCRIBED


def test_who_left_there_while_the_first_forward_waited_is_not_put_back(house, clock):
    """The relay was down, or there was an outage, or the message waited in a backup that was put back."""
    there, aino = house.contacts, Visitor(house)
    there.add(aino.email, status=SUBSCRIBED)  # on the company's list already
    aino.subscribe()
    house.deliver()
    aino.confirm()
    clock.shift(timedelta(hours=1))
    there.set_status(aino.email, UNSUBSCRIBED)  # by the link in a newsletter
    forward_until_done(house, clock)
    assert there.status_of(aino.email) == UNSUBSCRIBED
    assert house.status(aino.email) == "passive"


def test_who_left_there_before_they_confirmed_here_is_put_back_however_late(house, clock):
    there, aino = house.contacts, Visitor(house)
    there.add(aino.email, status=SUBSCRIBED)
    there.set_status(aino.email, UNSUBSCRIBED)
    clock.shift(timedelta(hours=1))
    aino.subscribe()
    house.deliver()
    aino.confirm()
    clock.shift(timedelta(hours=1))
    forward_until_done(house, clock)
    assert (there.status_of(aino.email), house.status(aino.email)) == (SUBSCRIBED, "active")


def test_a_contact_known_there_already_is_taken_over_not_doubled(house):
    house.contacts.add("Aino@example.com", first_name="Old", status=BOUNCED)
    Visitor(house).becomes_active()
    [contact] = house.contacts.contacts.values()
    assert (contact.first_name, contact.lists[house.contacts.list_id]) == ("Aino", SUBSCRIBED)


def test_a_contact_deleted_there_is_made_anew_for_a_subscriber(house):
    aino, there = Visitor(house).becomes_active(), house.contacts
    old = house.person(aino.email).contact_id
    aino.leave()
    house.deliver()
    there.remove(aino.email)
    aino.subscribe()
    house.deliver()
    aino.confirm()
    house.deliver()
    assert there.status_of(aino.email) == SUBSCRIBED
    assert house.person(aino.email).contact_id == there.contacts[aino.email].id != old


def test_a_contact_deleted_there_is_never_subscribed_after_leaving(house):
    aino, there = Visitor(house).becomes_active(), house.contacts
    there.remove(aino.email)
    aino.leave()
    house.deliver()
    assert aino.email not in there.contacts, "who was deleted there is not made anew only to be taken off"
    assert not [row for row in house.messages() if row.done_at is None]


def test_a_contact_deleted_and_added_again_by_hand_is_found_by_its_address(house):
    aino, there = Visitor(house).becomes_active(), house.contacts
    there.remove(aino.email)
    there.add(aino.email, status=SUBSCRIBED)
    aino.leave()
    house.deliver()
    assert there.status_of(aino.email) == UNSUBSCRIBED
    assert len(there.contacts) == 1


# What cannot be delivered


def test_a_refused_contact_becomes_a_dead_letter_that_names_a_code_and_no_address(house, clock):
    there, aino = house.contacts, Visitor(house, "aino@example.com")
    aino.subscribe()
    house.deliver()
    aino.confirm()
    token = there.token
    state = ContactState("aino at example", "Aino", "Mäkelä", is_active=True, contact_id=None, was_forwarded=False)
    [_, forward, _] = house.channels
    refused = forward.deliver(state)
    assert refused == Rejected("ActiveCampaign answered 422 (email_invalid)")
    assert "aino" not in refused.reason
    there.token = "changed"
    house.deliver()
    [waiting] = [row for row in house.messages() if row.done_at is None]
    assert (waiting.dead_at, waiting.last_error) == (None, "ActiveCampaign answered 403"), "a wrong key kills nothing"
    there.token = token
    forward_until_done(house, clock)
    assert there.status_of(aino.email) == SUBSCRIBED


def test_an_id_that_is_none_is_not_believed(house, clock):
    there, aino = house.contacts, Visitor(house)
    aino.subscribe()
    house.deliver()
    aino.confirm()
    there.add(aino.email)
    with there.changed:
        there.find(aino.email).id = "9" * 30
    outcomes = house.deliver()
    assert [type(one) for one in outcomes if not isinstance(one, Delivered)] == [Retry]
    with there.changed:
        there.find(aino.email).id = "9"
    forward_until_done(house, clock)
    assert house.person(aino.email).contact_id == "9"


def test_messages_wait_as_long_as_activecampaign_is_not_configured(house, clock):
    unset = house.settings.model_copy(update={"activecampaign_url": "", "activecampaign_list_id": None})
    alone = Service(unset, CONTROLLER)
    [mail] = alone.channels(CallBudget(alone.transaction, services.now, lambda seconds: False))
    assert (mail.lane, alone.forwards) == (outbox.MAIL, False)
    aino = Visitor(house)
    aino.subscribe()
    while relay_once(house.relay, mail):
        pass
    aino.confirm()
    clock.shift(timedelta(days=100))
    while relay_once(house.relay, mail):
        pass
    mail.close()
    alone.engine.dispose()
    [waiting] = [row for row in house.messages() if row.done_at is None]
    assert (waiting.lane, waiting.attempts, waiting.dead_at) == (outbox.ACTIVECAMPAIGN, 0, None)
    house.deliver()
    assert house.contacts.status_of(aino.email) == SUBSCRIBED, "on the day it is configured they leave"


def test_nobody_who_never_confirmed_is_ever_named_there(house):
    aino, eero = Visitor(house), Visitor(house, "eero@example.com")
    for person in (aino, eero):
        person.subscribe()
        house.deliver()
    aino.decline()
    leave = next(link for link in eero.confirm().links if "/unsubscribe/" in link)
    assert house.get(leave).press(LEAVE).status == 200
    house.deliver()
    assert house.contacts.contacts == {}, "eero left before he was ever forwarded"
    named = [call for call in house.contacts.calls if "aino" in f"{call.path} {call.body}"]
    assert named == []
