"""Many people wait to be forwarded: bulk imports carry those who may, and nobody gets there without permission."""

from collections import Counter
from datetime import timedelta

import pytest
import time_machine

from consent_service import service as services
from consent_service import subscriptions
from consent_service.service import CONTACTS_AT_ONCE
from tests import crowd
from tests.forwarding import BOUNCED, SUBSCRIBED, UNSUBSCRIBED, Forwarding


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def house(sqlite_house):
    return sqlite_house


@pytest.fixture
def forwarding(house, clock):
    relay = Forwarding(house, clock)
    yield relay
    relay.close()


def people(count, ending="example.com"):
    return [f"p{number}@{ending}" for number in range(count)]


def calls(house):
    return Counter(call.name for call in house.contacts.calls)


def check(house, emails):
    """Everybody is here as there: active, on the list once, known by the right id, taken over with their basis."""
    there, here = house.contacts.contacts, {row.email: row for row in house.rows(crowd.subscriber)}
    for email in emails:
        assert there[email].lists[house.contacts.list_id] == SUBSCRIBED, email
        assert here[email].contact_id == there[email].id
        assert here[email].forwarded_event_id == here[email].basis_event_id
    assert not [row for row in house.messages() if row.dead_at]


# Speed


def faster(house, clock, many, alone):
    """How many times faster the crowd is forwarded together than one by one, by the clock that the limit sets."""
    emails = people(many)
    crowd.confirmed(house, emails)
    relay = Forwarding(house, clock)
    together_s = relay.drain().total_seconds()
    relay.close()
    check(house, emails)
    crowd.confirmed(house, people(alone, "alone.example"))
    relay = Forwarding(house, clock, together=False)
    alone_s = relay.drain().total_seconds() * many / alone
    relay.close()
    check(house, people(alone, "alone.example"))
    print(f"{many} people: {together_s:.0f} s together, {alone_s:.0f} s one by one, ratio {alone_s / together_s:.0f}")
    return alone_s / together_s


def test_a_thousand_who_wait_are_forwarded_twenty_times_faster_than_one_by_one(house, clock):
    assert faster(house, clock, 1000, 40) > 20
    assert calls(house)["bulk"] == 4


@pytest.mark.soak
def test_ten_thousand_who_wait_are_forwarded_twenty_times_faster_than_one_by_one(house, clock):
    assert faster(house, clock, 10_000, 2_000) > 20


def test_a_few_go_one_by_one(house, forwarding):
    emails = people(15)
    crowd.confirmed(house, emails)
    forwarding.drain()
    check(house, emails)
    assert calls(house)["bulk"] == 0


# Who goes


def test_names_arrive_and_automations_run_as_for_one(house, forwarding):
    crowd.confirmed(house, people(25))
    forwarding.drain()
    [call] = [call for call in house.contacts.calls if call.name == "bulk"]
    assert list(call.body) == ["contacts"], "nothing is said about automations: they run"
    assert call.body["contacts"][0] == {
        "email": call.body["contacts"][0]["email"],
        "first_name": "Aino",
        "last_name": "Mäkelä",
        "subscribe": [{"listid": house.contacts.list_id}],
    }
    assert {one.first_name for one in house.contacts.contacts.values()} == {"Aino"}


def test_everybody_gets_their_own_link_where_the_account_has_a_field_for_it(house, forwarding):
    there = house.contacts
    with there.changed:
        field = there.put_field("Unsub URL", "UNSUB_URL").id
    emails = people(25)
    crowd.confirmed(house, emails)
    forwarding.drain()
    check(house, emails)
    links = house.service.own_links
    for person in house.rows(crowd.subscriber):
        assert there.contacts[person.email].fields == {field: links.url(person.id, "fi")}
        assert person.forwarded_link == links.mark(field)
    assert calls(house)["sync"] == CONTACTS_AT_ONCE, "the first turn, before many were seen to wait"


def test_who_unsubscribed_there_once_and_confirmed_here_since_is_put_back_by_a_call_of_their_own(house, forwarding):
    emails = people(25)
    house.contacts.add(emails[20], status=UNSUBSCRIBED)
    house.contacts.add(emails[21], status=BOUNCED)
    forwarding.clock.shift(timedelta(hours=1))
    crowd.confirmed(house, emails)
    forwarding.drain()
    check(house, emails)
    assert calls(house)["bulk"] == 1


def test_who_leaves_while_an_import_is_under_way_is_off_the_list_whenever_it_lands(house, forwarding):
    emails, there = people(30), house.contacts
    there.imports.looks = 3
    crowd.confirmed(house, emails)
    while not there.imports.queue:
        forwarding.lane.step()
    leavers = [email for email in emails if email not in there.contacts][:3]
    for email in leavers:
        with house.service.transaction() as connection:
            subscriptions.unsubscribe(connection, house.occasion(), house.person(email).id)
    forwarding.lane.step()
    there.land_imports()
    forwarding.drain()
    check(house, [email for email in emails if email not in leavers])
    for email in leavers:
        assert there.status_of(email) == UNSUBSCRIBED
        mine = [status for address, status in there.history if address == email]
        assert mine[-1] == UNSUBSCRIBED and mine.count(SUBSCRIBED) <= 1


# What an import says is not believed


@pytest.mark.parametrize("ignored", [{"ids[]"}, {"status"}, {"listid"}])
def test_an_ignored_filter_makes_nobody_count_as_forwarded_who_is_not_on_the_list(house, forwarding, ignored):
    emails, there = people(25), house.contacts
    there.add("somebody@example.org", status=SUBSCRIBED)
    there.ignored_filters = frozenset(ignored)
    there.imports.lying = set(emails)
    crowd.confirmed(house, emails)
    forwarding.drain()
    check(house, emails)
    assert calls(house)["sync"] == 25, "each had a call of their own"


def test_who_failed_or_was_excluded_or_was_never_brought_onto_the_list_goes_alone(house, forwarding):
    emails, there = people(30), house.contacts
    there.imports.failing, there.imports.excluded = {emails[20]}, {emails[21]}
    there.imports.lying = {emails[22]}
    crowd.confirmed(house, emails)
    forwarding.drain()
    check(house, emails)
    assert calls(house)["sync"] == CONTACTS_AT_ONCE + 3, "the first turn, and these"


@pytest.mark.parametrize("how", ["stuck", "lost", "unavailable", "hidden"])
def test_an_import_that_never_tells_leaves_everybody_to_single_calls(house, forwarding, how):
    emails, there = people(22), house.contacts
    there.imports.is_stuck, there.imports.loses_answers = how == "stuck", how == "lost"
    there.imports.unavailable = how == "unavailable"
    there.search_delay_s = 100_000 if how == "hidden" else 0
    crowd.confirmed(house, emails)
    forwarding.drain(100)
    check(house, emails)
    assert calls(house)["sync"] >= 21
    assert {status for _, status in there.history} == {SUBSCRIBED}


# What is refused


@pytest.mark.parametrize(("names_the_bad", "counts_from"), [(True, 0), (True, 1), (False, 0)])
def test_one_bad_address_is_found_and_does_not_hold_up_the_others(house, forwarding, names_the_bad, counts_from):
    emails, there = people(120), house.contacts
    bad = 'aino"@"example@example.com'
    there.imports.names_the_bad, there.imports.counts_from = names_the_bad, counts_from
    crowd.confirmed(house, emails[:119])
    with house.service.transaction() as connection:
        someone = crowd.subscriber.c.email == emails[100]
        connection.execute(crowd.update(crowd.subscriber).where(someone).values(email=bad, email_key=bad))
    forwarding.drain()
    [dead] = [row for row in house.messages() if row.dead_at]
    assert dead.subscriber_id == next(row.id for row in house.rows(crowd.subscriber) if row.email == bad)
    assert dead.last_error == "ActiveCampaign answered 422 (email_invalid)"
    assert len(there.contacts) == 118
    assert {there.status_of(email) for email in there.contacts} == {SUBSCRIBED}
    assert calls(house)["bulk"] <= 12 and calls(house)["sync"] < 20


def test_over_the_limit_of_imports_everybody_waits_a_minute_and_no_try_is_counted(house, forwarding):
    emails, there = people(280), house.contacts
    there.imports.a_minute = 1
    crowd.confirmed(house, emails)
    took = forwarding.drain()
    check(house, emails)
    assert timedelta(minutes=1) < took < timedelta(minutes=3)
    assert calls(house)["bulk"] <= 4
    assert max(row.attempts for row in house.messages()) == 1


@pytest.mark.parametrize(("fault", "when"), [("cut", "after"), ("500", "before"), ("empty", "after")])
def test_an_import_whose_answer_was_lost_is_sent_again_and_doubles_nobody(house, forwarding, fault, when):
    emails, there = people(30), house.contacts
    there.fault(fault, "bulk", when)
    crowd.confirmed(house, emails)
    forwarding.drain()
    there.land_imports()
    check(house, emails)
    assert len(there.contacts) == 30
    assert calls(house)["bulk"] >= 2
    assert Counter(email for email, _ in there.history).most_common(1)[0][1] == 1, "nothing flickers"


def test_where_imports_never_work_single_calls_do_the_work(house, forwarding):
    emails, there = people(30), house.contacts
    there.fault("403", "bulk", "before", times=100)
    crowd.confirmed(house, emails)
    forwarding.drain(200)
    check(house, emails)
    assert calls(house)["bulk"] <= 10
    assert calls(house)["sync"] == 30


def test_an_outage_is_tried_with_single_messages_and_ended_with_imports(house, forwarding):
    emails, there = people(60), house.contacts
    crowd.confirmed(house, emails)
    there.stop()
    for _ in range(20):
        outcome = forwarding.lane.step()
        forwarding.clock.shift(timedelta(seconds=max(forwarding.lane.rest_s(outcome), 1)))
    there.start()
    forwarding.drain()
    check(house, emails)
    assert calls(house)["sync"] <= 30
    assert 1 <= calls(house)["bulk"] <= 3
