"""A changed address at ActiveCampaign: the contact is renamed there, not doubled, whatever goes wrong on the way."""

from contextlib import ExitStack, closing
from datetime import timedelta
from itertools import cycle

import pytest
import time_machine

from consent_service import service as services
from consent_service.delivery.batches import LEAST
from consent_service.service import CONTACTS_AT_ONCE
from tests import crowd
from tests.actors import Visitor, fi
from tests.conftest import on_both_databases
from tests.flows.test_forward import forward_until_done
from tests.flows.test_forward_faults import FAULTS, no_dead_letters
from tests.forwarding import Forwarding
from tests.household import CONTROLLER, household
from tests.servers.activecampaign import ActiveCampaign
from tests.servers.smtp import MailServer

SUBSCRIBED, UNSUBSCRIBED = 1, 2
NEW = "aino.uusi@example.org"
DAILY = [*zip(FAULTS, cycle(("before", "after")))]
AT_LENGTH = [pytest.param(*one, marks=pytest.mark.soak) for one in zip(FAULTS, cycle(("after", "before")))]


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture(scope="module")
def shared_house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readdress")
    with ExitStack() as stack:
        mail, contacts = stack.enter_context(MailServer()), stack.enter_context(ActiveCampaign())
        contacts.rate_limit, contacts.hold_s = None, 0.2
        yield stack.enter_context(household(folder, f"sqlite:///{folder}/c.db", mail, contacts, CONTROLLER))


@pytest.fixture
def aino(house):
    return Visitor(house).becomes_active()


def mail_only(house):
    """Let the mail arrive and nothing else."""
    while house.lanes["mail"].step() is not None:
        pass


def move(house, person, new=NEW):
    """Ask on the page, and confirm out of the new mailbox; ActiveCampaign hears nothing yet."""
    house.get("/my-data?lang=fi").press(fi("Send me the link"), email=person.email)
    mail_only(house)
    form = house.get(person.link("my-data").replace("?", "/address?"))
    form.press(fi("Send the confirmation message"), email=new)
    mail_only(house)
    assert house.get(Visitor(house, new).link("confirm")).press(fi("Confirm the address")).status == 200
    mail_only(house)
    return Visitor(house, new)


def updates(there):
    return [call for call in there.calls if call.name == "update"]


def test_the_contact_gets_the_new_address_and_stays_one(house, aino):
    there = house.contacts
    contact = there.contacts[aino.email]
    move(house, aino)
    house.deliver()
    assert list(there.contacts) == [NEW]
    assert there.contacts[NEW].id == contact.id == house.person(NEW).contact_id
    assert there.status_of(NEW) == SUBSCRIBED
    [call] = updates(there)
    assert (call.method, call.path) == ("PUT", f"/api/3/contacts/{contact.id}")
    assert call.body == {"contact": {"email": NEW}}


@pytest.mark.parametrize(("fault", "when"), [*DAILY, *AT_LENGTH])
def test_a_fault_delays_the_change_and_doubles_nobody(shared_house, clock, fault, when):
    house, there = shared_house, shared_house.contacts
    there.retry_after_s = None if fault == "429 at once" else 30
    person = Visitor(house, f"{fault.replace(' ', '')}.{when}@example.com").becomes_active()
    contact = there.contacts[person.email]
    new = move(house, person, f"uusi.{fault.replace(' ', '')}.{when}@example.org")
    there.fault(fault.partition(" ")[0], "update", when, times=2)
    assert forward_until_done(house, clock) > 0
    assert person.email not in there.contacts
    assert there.contacts[new.email].id == contact.id == house.person(new.email).contact_id
    assert there.status_of(new.email) == SUBSCRIBED
    assert no_dead_letters(house)


@pytest.mark.parametrize("search_delay_s", [0, 1000])
def test_when_the_answer_with_the_id_was_lost_the_contact_is_found_by_its_old_address(house, clock, search_delay_s):
    aino, there = Visitor(house), house.contacts
    aino.subscribe()
    house.deliver()
    aino.confirm()
    there.fault("cut", "sync", "after")
    house.deliver()
    assert house.person(aino.email).contact_id is None
    there.search_delay_s = search_delay_s
    move(house, aino)
    forward_until_done(house, clock)
    assert list(there.contacts) == [NEW]
    assert there.status_of(NEW) == SUBSCRIBED
    assert house.person(NEW).contact_id == there.contacts[NEW].id


def test_a_contact_deleted_there_is_made_anew_under_the_new_address(house, clock, aino):
    house.contacts.remove(aino.email)
    move(house, aino)
    forward_until_done(house, clock)
    assert list(house.contacts.contacts) == [NEW]
    assert house.contacts.status_of(NEW) == SUBSCRIBED
    assert house.person(NEW).contact_id == house.contacts.contacts[NEW].id


def test_a_contact_with_another_address_there_is_not_doubled_by_an_update_and_goes_when_the_person_does(house, aino):
    there = house.contacts
    known, other = there.contacts[aino.email], "toinen@example.org"
    there.readdress(aino.email, other)  # by somebody there
    aino.my_data()
    house.get(aino.link("my-data").replace("?", "/name?")).press(fi("Save the name"), first_name="Anni")
    house.deliver()
    assert list(there.contacts) == [other]
    assert (there.contacts[other].first_name, house.person(aino.email).contact_id) == ("Anni", known.id)
    assert house.compare(applies=False).found == {"other-address": 1}
    aino.leave()
    house.deliver()
    assert there.status_of(other) == UNSUBSCRIBED


@pytest.mark.parametrize("others", [0, LEAST + CONTACTS_AT_ONCE], ids=["alone", "with an import"])
def test_whoever_subscribes_with_the_address_of_somebody_elses_contact_has_it_alone(house, clock, aino, others):
    there, eero = house.contacts, Visitor(house, "eero@example.org")
    there.readdress(aino.email, eero.email)  # by somebody there
    eero.subscribe()
    mail_only(house)
    crowd.confirmed(house, [f"p{number}@example.com" for number in range(others)])
    eero.confirm()
    forward_until_done(house, clock)
    assert [call.name for call in there.calls].count("bulk") == bool(others)
    house.change_controller(purpose_version=2)
    aino.subscribe()
    house.deliver()
    aino.confirm()
    house.deliver()
    assert (there.status_of(aino.email), there.status_of(eero.email)) == (SUBSCRIBED, SUBSCRIBED)
    aino.leave()
    house.deliver()
    assert (there.status_of(aino.email), there.status_of(eero.email)) == (UNSUBSCRIBED, SUBSCRIBED)


def test_who_confirms_anew_gets_the_letter_at_the_address_they_confirmed_and_at_no_other(house, aino):
    there, other = house.contacts, "toinen@example.org"
    there.readdress(aino.email, other)  # by somebody there
    house.change_controller(purpose_version=2)
    aino.subscribe()
    house.deliver()
    aino.confirm()
    house.deliver()
    assert (there.status_of(aino.email), there.status_of(other)) == (SUBSCRIBED, UNSUBSCRIBED)


def test_where_the_company_knew_the_new_address_already_that_contact_goes_on(house, clock, aino):
    there = house.contacts
    known = there.add(NEW, first_name="Aino", status=UNSUBSCRIBED)
    move(house, aino)
    forward_until_done(house, clock)
    assert there.status_of(NEW) == SUBSCRIBED
    assert there.status_of(aino.email) == UNSUBSCRIBED
    assert house.person(NEW).contact_id == known.id
    assert no_dead_letters(house)


def test_a_change_that_ended_as_a_dead_letter_still_makes_no_second_contact(house, clock, aino):
    there = house.contacts
    move(house, aino)
    there.fault("403", "update", times=30)
    for _ in range(12):
        house.deliver()
        clock.shift(timedelta(hours=35))
    assert not no_dead_letters(house)
    there.clear_faults()
    person = Visitor(house, NEW)
    person.my_data()
    house.get(person.link("my-data").replace("?", "/name?")).press(fi("Save the name"), first_name="Anni")
    forward_until_done(house, clock)
    assert list(there.contacts) == [NEW], "the correction of the name made up for the change of address"
    assert there.contacts[NEW].first_name == "Anni"


def test_an_update_that_waited_since_before_the_change_renames_too(house, clock, aino):
    there = house.contacts
    there.stop()
    aino.my_data()
    house.get(aino.link("my-data").replace("?", "/name?")).press(fi("Save the name"), first_name="Anni")
    house.deliver()
    move(house, aino)
    there.start()
    forward_until_done(house, clock)
    assert list(there.contacts) == [NEW]
    assert (there.contacts[NEW].first_name, there.status_of(NEW)) == ("Anni", SUBSCRIBED)


@on_both_databases
def test_two_changes_before_they_hear_of_either_end_at_the_last(house, clock, aino):
    there = house.contacts
    contact = there.contacts[aino.email]
    there.stop()
    between = move(house, aino, "valissa@example.org")
    move(house, between)
    there.start()
    forward_until_done(house, clock)
    assert {email: one.id for email, one in there.contacts.items()} == {NEW: contact.id}


def test_who_changes_the_address_and_leaves_is_taken_off_under_the_new_one(house, clock, aino):
    there = house.contacts
    there.stop()
    move(house, aino).leave()
    house.deliver()
    there.start()
    forward_until_done(house, clock)
    assert list(there.contacts) == [NEW]
    assert there.status_of(NEW) == UNSUBSCRIBED
    assert not [one for one in there.history if one == (NEW, SUBSCRIBED)]


@pytest.mark.parametrize("is_id_lost", [False, True])
def test_who_leaves_is_taken_off_even_where_the_new_address_is_refused(house, clock, is_id_lost):
    aino, there = Visitor(house), house.contacts
    aino.subscribe()
    house.deliver()
    aino.confirm()
    if is_id_lost:
        there.fault("cut", "contactLists", "after", times=9)
    house.deliver()
    there.clear_faults()
    assert there.status_of(aino.email) == SUBSCRIBED
    there.refused_addresses.add(NEW)
    move(house, aino).leave()
    forward_until_done(house, clock)
    assert there.status_of(aino.email) == UNSUBSCRIBED
    assert not no_dead_letters(house), "and staff see that the address was not taken"


@pytest.mark.parametrize("arrives", [True, False])
def test_an_import_that_is_under_way_makes_no_second_contact_of_who_moves_meanwhile(house, clock, arrives):
    aino, there = Visitor(house), house.contacts
    there.imports.is_stuck = not arrives
    aino.subscribe()
    mail_only(house)
    crowd.confirmed(house, [f"p{number}@example.com" for number in range(LEAST + CONTACTS_AT_ONCE)])
    aino.confirm()
    with closing(Forwarding(house, clock)) as forwarding:
        forwarding.lane.step()
        forwarding.lane.step()
        assert [call.name for call in there.calls].count("bulk") == 1
        began = services.now()
        move(house, aino)
        forwarding.lane.step()
        if arrives:
            there.land_imports()
        forwarding.drain()
    assert aino.email not in there.contacts
    assert there.status_of(NEW) == SUBSCRIBED
    assert all(call.when - began < timedelta(minutes=12) for call in updates(there)), "nor is one waited for for ever"


def test_who_was_never_forwarded_is_made_known_by_the_new_address_only(house, clock):
    aino, there = Visitor(house), house.contacts
    aino.subscribe()
    mail_only(house)
    aino.confirm()
    move(house, aino)
    forward_until_done(house, clock)
    assert list(there.contacts) == [NEW]
    assert not [call for call in there.calls if aino.email in str(call.body)]
