"""Every fault in every call to ActiveCampaign, before and after its effect: each story ends as if nothing had happened.

Every story has people of its own in one household, on a clock that only waiting moves. What is checked after each:
the right final state, one contact for each address, nobody on the list after leaving, no call sooner than allowed.
"""

from datetime import timedelta
from functools import partial

import pytest
import time_machine
from sqlalchemy import select

from consent_service import service as services
from consent_service.activecampaign import forwarding
from consent_service.activecampaign.account import Account
from consent_service.activecampaign.bulk import Bulk
from consent_service.activecampaign.calls import Calls
from consent_service.activecampaign.contacts import ContactState
from consent_service.activecampaign.pacing import CallBudget
from consent_service.delivery.batches import LEAST
from consent_service.delivery.outbox import Delivered, Hold, Retry
from consent_service.models.newsletter import subscriber
from consent_service.service import CONTACTS_AT_ONCE
from tests import crowd
from tests.flows.test_forward_faults import FAULTS
from tests.forwarding import SUBSCRIBED, UNSUBSCRIBED, Forwarding, check_pace

RETRY_AFTER = timedelta(seconds=30)


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def relay(standing_house, clock):
    standing_house.contacts.hold_s = 0.02
    found = Forwarding(standing_house, clock)
    yield found
    found.close()


# The stories: each takes the relay, a fresh address, and what makes the next call of its kind go wrong


def subscribes(relay, email, go_wrong):
    crowd.confirmed(relay.house, [email])
    go_wrong()
    relay.drain()
    assert relay.history(email) == [SUBSCRIBED]
    in_line(relay.house, email)


def leaves(relay, email, go_wrong):
    subscribes(relay, email, lambda: None)
    crowd.leave(relay.house, email)
    go_wrong()
    relay.drain()
    assert relay.history(email) == [SUBSCRIBED, UNSUBSCRIBED]


def is_erased(relay, email, go_wrong):
    subscribes(relay, email, lambda: None)
    relay.house.erase(email, tell=False)
    go_wrong()
    relay.drain()
    with relay.house.contacts.changed:
        assert relay.house.contacts.find(email) is None
    assert relay.history(email) == [SUBSCRIBED]


def is_looked_at(relay, email, go_wrong):
    house = relay.house
    subscribes(relay, email, lambda: None)
    relay.clock.shift(timedelta(minutes=1))
    house.contacts.set_status(email, UNSUBSCRIBED)
    with house.service.transaction() as connection:
        forwarding.look_at(connection, house.person(email).contact_id, email, services.now())
    go_wrong()
    relay.drain()
    assert house.status(email) == "passive"
    assert relay.history(email) == [SUBSCRIBED, UNSUBSCRIBED]


def is_subscribed_unheard(relay, email, go_wrong):
    """The answer is lost, so that the next try reads the status before it changes anything."""
    crowd.confirmed(relay.house, [email])
    relay.house.contacts.fault("cut", "contactLists", "after")
    relay.lane.step()
    go_wrong()
    relay.drain()
    assert relay.history(email) == [SUBSCRIBED]
    in_line(relay.house, email)


def leaves_unheard(relay, email, go_wrong):
    """The answer that held the id is lost, so that the contact has to be searched for."""
    crowd.confirmed(relay.house, [email])
    relay.house.contacts.fault("cut", "sync", "after")
    relay.lane.step()
    crowd.leave(relay.house, email)
    go_wrong()
    relay.drain()
    assert relay.history(email) == [UNSUBSCRIBED]


def many_subscribe(relay, email, go_wrong):
    """The first few go alone, since nobody knows yet that many wait; the others go together."""
    emails = [f"{number}.{email}" for number in range(CONTACTS_AT_ONCE + LEAST + 2)]
    crowd.confirmed(relay.house, emails)
    go_wrong()
    relay.drain()
    assert sorted(relay.house.contacts.history[-len(emails) :]) == sorted((one, SUBSCRIBED) for one in emails)
    in_line(relay.house, *emails)


def in_line(house, *emails):
    """On the list there once, and known here by the right id as taken over."""
    there, mine = house.contacts, select(subscriber).where(subscriber.c.email.in_(emails))
    with house.service.reading() as connection:
        people = connection.execute(mine).all()
    assert len(people) == len(emails)
    with there.changed:
        for person in people:
            contact = there.find(person.email)
            assert (contact.id, contact.lists[there.list_id]) == (person.contact_id, SUBSCRIBED)
            assert person.forwarded_event_id == person.basis_event_id


READS = ("read", "search", "info")  # without effect, before and after are the same
STORIES = [
    (subscribes, "sync"), (subscribes, "contactLists"), (leaves, "contactLists"), (is_erased, "delete"),
    (is_erased, "search"), (is_looked_at, "read"), (is_subscribed_unheard, "read"), (leaves_unheard, "search"),
    (leaves_unheard, "contactLists"), (many_subscribe, "bulk"), (many_subscribe, "info"), (many_subscribe, "search"),
    (many_subscribe, "read"),
]  # fmt: skip
# One for each way a call ends here, however it went wrong: no answer, a refusal, a rest, nothing that can be read.
OF_EACH_KIND = ("cut", "500", "429", "429 at once", "403", "garbage")


def tried(story, call, fault):
    """What is tried; the first story meets every fault each day, the others one of each kind."""
    is_daily = fault in OF_EACH_KIND or (story, call) == STORIES[0]
    name = f"{fault}-{story.__name__}-{call}"
    return pytest.param(story, call, fault, marks=[] if is_daily else pytest.mark.soak, id=name)


@pytest.mark.parametrize(("story", "call", "fault"), [tried(*one, fault) for one in STORIES for fault in FAULTS])
def test_whatever_goes_wrong_with_a_call_it_ends_as_it_should(relay, story, call, fault):
    house, there = relay.house, relay.house.contacts
    there.retry_after_s = None if fault == "429 at once" else RETRY_AFTER.seconds
    for when in ("after",) if call in READS else ("before", "after"):
        email = f"{story.__name__}.{call}.{fault.replace(' ', '')}.{when}@example.com".lower()
        story(relay, email, partial(there.fault, fault.partition(" ")[0], call, when))
        assert there.faults_left == 0, "the call that was to go wrong was never made"
    check_pace(relay.calls(), timedelta(0) if fault == "429 at once" else RETRY_AFTER)
    assert not relay.waiting()
    with house.service.reading() as connection:
        assert not connection.exec_driver_sql("SELECT 1 FROM outbox_message WHERE dead_at IS NOT NULL").all()
    made = [call for call in relay.calls() if call.name == "sync" and call.status == 201]
    assert len(made) <= len({one.body["contact"]["email"] for one in made}), "nobody was made twice"


# What nobody knows of the real one


@pytest.mark.parametrize("needs_source", [True, False])
@pytest.mark.parametrize("case", ["kept", "lowered"])
@pytest.mark.parametrize("search_delay_s", [0.0, 1000.0])
@pytest.mark.parametrize("everybody", [True, False])
def test_the_main_stories_end_alike_however_the_account_behaves(relay, needs_source, case, search_delay_s, everybody):
    house, there = relay.house, relay.house.contacts
    there.resubscribe_needs_sourceid, there.email_case = needs_source, case
    there.search_delay_s, there.empty_filter_returns_everybody = search_delay_s, everybody
    name = f"A{needs_source}{case}{search_delay_s:.0f}{everybody}"
    stays, lost = f"{name}.Stays+x@example.com", f"{name}.Lost@example.com"
    many = [f"{name}.{number}@Example.com" for number in range(0 if search_delay_s else CONTACTS_AT_ONCE + LEAST)]
    crowd.confirmed(house, [stays])
    relay.drain()
    crowd.leave(house, stays)
    relay.drain()
    crowd.ask(house, [stays])
    crowd.confirm(house, stays)
    crowd.confirmed(house, [lost])
    there.fault("cut", "sync", "after", times=2)
    relay.drain()
    crowd.leave(house, lost)
    crowd.confirmed(house, many)
    relay.drain()
    assert relay.history(stays.lower()) == [SUBSCRIBED, UNSUBSCRIBED, SUBSCRIBED]
    assert relay.history(lost.lower()) == [SUBSCRIBED, UNSUBSCRIBED]
    assert all(relay.history(email.lower()) == [SUBSCRIBED] for email in many)
    in_line(house, stays, *many)
    named = {email for email, _ in there.history[relay.changed :]}
    assert named == {one.lower() for one in (stays, lost, *many)}, "and nobody else was touched"


# A real time-out, and not only a line that ends


@pytest.fixture
def hasty(standing_house):
    """Calls that wait for an answer no longer than this account takes."""
    there = standing_house.contacts
    budget = CallBudget(standing_house.service.transaction, services.now, lambda seconds: False)
    calls = Calls(there.url, there.token, budget, timeout_s=0.2)
    yield calls, budget
    there.delay_s = 0
    calls.close()


def state(email):
    return ContactState(email, "Aino", "Mäkelä", is_active=True, contact_id=None, was_forwarded=False)


def test_an_answer_that_does_not_come_in_time_is_a_try_and_the_next_one_ends_right(standing_house, hasty):
    calls, budget = hasty
    there = standing_house.contacts
    account, bulk = Account(calls, there.list_id), Bulk(calls, there.list_id, budget.for_bulk())
    many = [state(f"slow{number}@example.com") for number in range(LEAST)]
    before = len(there.history)
    there.delay_s = 0.5
    assert account.deliver(state("slow@example.com")) == Retry("ActiveCampaign: ReadTimeout", peer_down=True)
    assert set(bulk.deliver(many)) == {Retry("ActiveCampaign: ReadTimeout", peer_down=True)}
    there.delay_s = 0
    assert isinstance(account.deliver(state("slow@example.com")), Delivered)
    assert {type(one) for one in bulk.deliver(many)} == {Hold}
    there.land_imports()
    assert sorted(there.history[before:]) == sorted(
        (email, SUBSCRIBED) for email in ("slow@example.com", *(one.email for one in many))
    )
