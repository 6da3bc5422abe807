"""The tag for tracking at ActiveCampaign: whatever goes wrong, it ends on those who permit it and on nobody else."""

from itertools import count

import pytest
import time_machine

from consent_service import chores, tracking
from consent_service import service as services
from consent_service.activecampaign.tags import TRACKING_TAG
from consent_service.delivery import outbox
from consent_service.language import language
from tests.actors import Visitor, fi
from tests.backup import backup, restore
from tests.flows.test_forward import forward_until_done
from tests.tampering import findings

NUMBERS = count()
CALLS = ("tags", "createTag", "tagContact", "contactTags", "untagContact")
SUBSCRIBED, UNSUBSCRIBED = 1, 2


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def house(standing_house):
    there = standing_house.contacts
    there.clear_faults()
    there.ignores_tag_search, there.tag_search_delay_s, there.refuses_second_tagging = False, 0.0, False
    there.mixes_contact_tags = False
    there.retry_after_s = 1
    with there.changed:
        there.tags.clear()
        there.tagged.clear()
    return standing_house


@pytest.fixture
def aino(house):
    """Somebody new in each story, who gets the newsletter."""
    return Visitor(house, f"aino{next(NUMBERS)}@example.com").becomes_active()


def allow(person):
    house = person.house
    text = house.service.tracking_text(language("fi")).shown
    with house.service.transaction() as connection:
        assert tracking.allow(connection, house.occasion(door="my-data"), house.person(person.email).id, text)


def withdraw(person):
    house = person.house
    with house.service.transaction() as connection:
        tracking.withdraw(connection, house.occasion(door="my-data"), house.person(person.email).id)


def tags(person):
    return person.house.contacts.tags_of(person.email)


def tag_calls(house):
    return [call for call in house.contacts.calls if call.name in CALLS]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_a_fault_delays_the_tag_and_spoils_nothing(house, clock, aino, call, when):
    def goes_wrong():
        for kind in ("reset", "empty", "429"):
            house.contacts.fault(kind, call, when)

    allow(aino)
    goes_wrong()
    assert call == "untagContact" or forward_until_done(house, clock) > 0
    house.deliver()
    assert tags(aino) == [TRACKING_TAG]
    assert [tag.name for tag in house.contacts.tags.values()] == [TRACKING_TAG], "made once"
    house.contacts.clear_faults()
    goes_wrong()
    withdraw(aino)
    assert call in ("createTag", "tagContact") or forward_until_done(house, clock) > 0
    house.deliver()
    assert tags(aino) == []
    assert house.contacts.status_of(aino.email) == SUBSCRIBED
    house.contacts.clear_faults()
    assert not [row for row in house.messages() if row.dead_at]


def test_who_takes_it_back_while_an_answer_is_lost_is_never_tagged_again(house, clock, aino):
    allow(aino)
    house.contacts.fault("reset", "tagContact", "after")
    house.deliver()
    assert tags(aino) == [TRACKING_TAG], "it took effect, though nobody here knows"
    withdraw(aino)
    forward_until_done(house, clock)
    assert tags(aino) == []


def test_who_takes_it_back_before_anything_arrived_was_never_tagged(house, clock, aino):
    allow(aino)
    house.contacts.fault("reset", "tagContact", "before")
    house.deliver()
    before = list(house.contacts.tag_history)
    withdraw(aino)
    forward_until_done(house, clock)
    assert tags(aino) == [] and house.contacts.tag_history == before


@pytest.mark.parametrize("last", ["allowed", "withdrawn"])
def test_a_call_that_takes_effect_late_is_made_up_for(house, clock, aino, last):
    """A relay that lost its lease delivers what it had read before; then it finds out and mends."""
    [forward] = [channel for channel in house.channels if channel.lane == outbox.ACTIVECAMPAIGN]
    allow(aino)
    if last == "allowed":
        house.deliver()
        withdraw(aino)
    message = next(row for row in reversed(house.messages()) if row.kind == "sync")
    with house.service.transaction() as connection:
        stale = forward.load(connection, message, services.now())
    (withdraw if last == "withdrawn" else allow)(aino)
    house.deliver()
    forward.deliver(stale)
    assert tags(aino) == ([TRACKING_TAG] if last == "withdrawn" else []), "the late call spoilt it"
    with house.service.transaction() as connection:
        forward.mend(connection, message, stale, services.now())
    house.deliver()
    assert tags(aino) == ([] if last == "withdrawn" else [TRACKING_TAG])


@pytest.mark.parametrize("status", [None, 0])
def test_taken_back_the_tag_goes_whatever_the_list_says_of_the_contact(house, aino, status):
    allow(aino)
    house.deliver()
    with house.contacts.changed:
        there = house.contacts.find(aino.email)
        there.lists = {} if status is None else {1: status}
    withdraw(aino)
    house.deliver()
    assert tags(aino) == [] and house.person(aino.email).tagged_at is None
    assert house.contacts.status_of(aino.email) == status


# What nobody knows of the real one is played both ways


def test_the_tags_of_others_are_left_alone_though_an_answer_names_them(house, aino):
    allow(aino)
    house.deliver()
    other = Visitor(house, f"eero.{aino.email}").becomes_active()
    allow(other)
    house.contacts.mixes_contact_tags = True
    house.deliver()
    assert tags(other) == [TRACKING_TAG], "the tag of another does for nobody"
    withdraw(aino)
    house.deliver()
    assert tags(aino) == [] and tags(other) == [TRACKING_TAG]


def test_a_list_of_tags_that_does_not_end_is_left_and_tried_again(house, aino):
    with house.contacts.changed:
        for number in range(5100):
            house.contacts.add_tag(f"{TRACKING_TAG}-{number}").created_at = 0.0
    before = len(tag_calls(house))
    allow(aino)
    house.deliver()
    assert len(tag_calls(house)) - before == 50
    [waiting] = [row for row in house.messages() if row.done_at is None]
    assert waiting.dead_at is None and "end" in waiting.last_error
    with house.contacts.changed:
        house.contacts.tags.clear()


@pytest.mark.parametrize("ignored", [True, False])
@pytest.mark.parametrize("delay_s", [0.0, 1000.0])
def test_other_tags_are_left_alone_whatever_a_search_brings(house, clock, aino, ignored, delay_s):
    there = house.contacts
    with there.changed:
        others = [there.add_tag(f"{TRACKING_TAG}-{number}") for number in range(120)]
        there.tag(there.find(aino.email).id, others[0].id)
        for other in others:
            other.created_at = 0.0
    there.ignores_tag_search, there.tag_search_delay_s = ignored, delay_s
    before = tags(aino)
    allow(aino)
    forward_until_done(house, clock)
    assert tags(aino) == [*before, TRACKING_TAG]
    withdraw(aino)
    forward_until_done(house, clock)
    assert tags(aino) == before


def test_a_tag_of_the_company_in_another_spelling_is_the_same_one(house, aino):
    with house.contacts.changed:
        house.contacts.add_tag("Seuranta-Sallittu")
    allow(aino)
    house.deliver()
    assert tags(aino) == ["Seuranta-Sallittu"] and len(house.contacts.tags) == 1
    withdraw(aino)
    house.deliver()
    assert tags(aino) == []


@pytest.mark.parametrize("refused", [True, False])
def test_a_contact_that_has_the_tag_already_is_in_line(house, clock, aino, refused):
    house.contacts.refuses_second_tagging = refused
    with house.contacts.changed:
        house.contacts.tag(house.contacts.find(aino.email).id, house.contacts.add_tag(TRACKING_TAG).id)
    allow(aino)
    forward_until_done(house, clock)
    assert tags(aino) == [TRACKING_TAG]


# What it costs, and contacts that change


def test_who_does_not_permit_it_costs_no_call_and_who_does_only_once(house, aino):
    before = len(tag_calls(house))
    rename(aino, "Aina")
    assert len(tag_calls(house)) == before
    allow(aino)
    house.deliver()
    spent = len(tag_calls(house))
    assert spent > before
    rename(aino, "Aini")
    assert len(tag_calls(house)) == spent


def test_a_contact_deleted_there_is_not_made_anew_to_take_a_tag_off(house, aino):
    allow(aino)
    house.deliver()
    house.contacts.remove(aino.email)
    aino.leave()
    house.deliver()
    person = house.person(aino.email)
    assert (person.status, person.tracking_since, person.tagged_at) == ("passive", None, None)
    assert aino.email not in house.contacts.contacts


def test_an_address_that_the_company_knew_takes_the_tag_over_and_the_former_loses_it(house, aino):
    allow(aino)
    house.deliver()
    new = Visitor(house, f"uusi.{aino.email}")
    house.contacts.add(new.email, status=SUBSCRIBED)
    aino.move_to(new.email)
    house.deliver()
    house.get(new.link("confirm")).press(fi("Confirm the address"))
    house.deliver()
    assert tags(new) == [TRACKING_TAG] and tags(aino) == []
    assert house.contacts.status_of(aino.email) == UNSUBSCRIBED


def rename(person, first):
    house = person.house
    form = house.get(next(link for link in person.my_data().links if "/name" in link))
    assert form.press(fi("Save the name"), first_name=first, last_name="M").status == 200
    house.deliver()


# An older database


def test_what_was_taken_back_since_a_backup_is_taken_back_again(sqlite_house, tmp_path):
    house, aino = sqlite_house, Visitor(sqlite_house).becomes_active()
    allow(aino)
    house.deliver()
    backup(tmp_path)
    withdraw(aino)
    house.deliver()
    house.do_chores()
    house.service.engine.dispose()
    restore(tmp_path)
    assert house.person(aino.email).tracking_since is not None
    assert chores.repeat_notes(house.service) == 1
    assert chores.repeat_notes(house.service) == 0
    house.deliver()
    assert house.person(aino.email).tracking_since is None and house.status(aino.email) == "active"
    assert tags(aino) == []
    told = house.story(aino.email)[-1].core
    assert (told["kind"], told["door"]) == ("tracking_withdrawn", "restore")
    assert [found for found in findings(house) if found.kind == "row changed"] == []
    allow(aino)
    assert chores.repeat_notes(house.service) == 0, "a newer yes is the last word"
