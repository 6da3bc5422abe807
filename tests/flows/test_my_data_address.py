"""A change of address: asked for on one's own page, confirmed from the new mailbox, told to the old one.

How ActiveCampaign gets to know of it is told in test_forward_address.py.
"""

import json
import threading
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from consent_service import chores
from consent_service import service as services
from consent_service.models.newsletter import confirmation, suppression
from tests.actors import AGAIN, DECLINE, LEAVE, Scanner, Visitor, fi
from tests.conftest import on_both_databases
from tests.flows.test_export import download, opened
from tests.flows.test_my_data import somebody_of_every_state

CONFIRM, CANCEL = fi("Confirm the address"), fi("Cancel the change")
MOVED = "%(possessive)s newsletter now goes to another address"
NEW = "Aino.Uusi@example.org"


@pytest.fixture
def aino(house):
    return Visitor(house).becomes_active()


@pytest.fixture
def new(house):
    """The mailbox that Aino moves to."""
    return Visitor(house, NEW)


def asked_addresses(house):
    with house.service.reading() as connection:
        return connection.execute(select(confirmation.c.email).where(confirmation.c.email.is_not(None))).scalars().all()


def confirm(house, mailbox):
    return house.get(mailbox.link("confirm")).press(CONFIRM)


# From one mailbox to the other


def test_nothing_changes_until_the_new_mailbox_confirms(house, aino, new):
    before = house.person(aino.email)
    assert aino.move_to(NEW).status == 200
    house.deliver()
    now = house.person(aino.email)
    assert (now.email, now.status, now.basis_event_id) == (before.email, "active", before.basis_event_id)
    assert [new.newest().message["Subject"], aino.newest().message["Subject"]] == [
        fi("Confirm your new address for %(possessive)s newsletter", possessive="Keinuman"),
        fi("A new address was given for %(possessive)s newsletter", possessive="Keinuman"),
    ]
    everything = house.everything()
    Scanner(house).open_everything([*new.mails(), *aino.mails()])
    assert house.everything() == everything

    page = confirm(house, new)
    assert (page.status, fi("Your new address is in use") in page.title) == (200, True)
    moved = house.person(NEW)
    assert (moved.id, moved.email, moved.status) == (before.id, NEW, "active")
    assert moved.active_since == before.active_since
    assert house.person(aino.email) is None
    told = house.story(NEW)[-1]
    assert (told.core["kind"], told.core["email"], told.core["replaces"]) == ("confirmed", NEW, aino.email)
    assert moved.basis_event_id == told.id
    house.deliver()
    assert NEW not in aino.newest().text + aino.newest().html, "somebody else may read the old mailbox by now"
    assert aino.newest().message["Subject"] == fi(MOVED, possessive="Keinuman")
    assert fi("Your new address is in use") in new.newest().text
    assert house.get(new.link("unsubscribe")).press(LEAVE).status == 200


def test_confirming_twice_is_confirming_once(house, aino, new):
    aino.move_to(NEW)
    house.deliver()
    form = house.get(new.link("confirm"))
    pages = [form.press(CONFIRM) for _ in range(2)] + [house.get(new.link("confirm"))]
    assert [page.status for page in pages] == [200] * 3
    assert house.kinds(NEW).count("confirmed") == 2, "one for the subscription, one for the address"
    house.deliver()
    subjects = [str(mail.message["Subject"]) for mail in aino.mails()]
    assert len([told for told in subjects if told == fi(MOVED, possessive="Keinuman")]) == 1


def test_links_to_the_page_die_with_the_old_address_and_the_way_out_does_not(house, aino, new):
    aino.move_to(NEW)
    house.deliver()
    old_links = {link for mail in aino.mails() for link in mail.links if "/my-data/" in link}
    assert old_links
    confirm(house, new)
    assert {house.get(link).status for link in old_links} == {404}
    house.deliver()
    assert new.my_data().status == 200
    assert house.get(aino.link("unsubscribe")).press(LEAVE).status == 200, "old newsletters still carry this link"
    assert house.status(NEW) == "passive"


def test_no_name_and_no_old_address_goes_to_a_mailbox_that_has_not_confirmed(house, new):
    aino = Visitor(house, first="Aino<b>", last="Mäkelä https://spam.example").becomes_active()
    aino.move_to(NEW)
    house.deliver()
    for told in ("Aino<b>", "Mäkelä", "spam.example", aino.email):
        assert told not in new.newest().text
        assert told not in new.newest().html
    page = house.get(new.link("confirm"))
    assert "Mäkelä" not in page.html
    assert aino.email not in page.html


def test_the_old_mailbox_has_no_say_over_the_new_one(house, new):
    aino = Visitor(house)
    for _ in range(2):
        aino.subscribe()
        house.deliver()
    unanswered, answered = (next(link for link in mail.links if "/confirm/" in link) for mail in aino.mails())
    aino.confirm()
    aino.move_to(NEW)
    house.deliver()
    confirm(house, new)
    house.deliver()
    house.get(new.link("unsubscribe")).press(LEAVE)
    house.deliver()
    form = {"csrf_token": house.get("/subscribe?lang=fi").form(fi("Subscribe")).fields["csrf_token"]}
    before, mails = house.everything(), len(new.mails())
    for link in (unanswered, answered):
        assert house.post(link.replace("?", "/again?"), form).status == 404
        assert house.post(link.replace("?", "/decline?")).status == 404
        assert house.get(link).status == 404
    house.deliver()
    assert (house.everything(), len(new.mails())) == (before, mails)


# Whose address it is


def test_the_page_is_the_same_whosever_the_address_is_and_nothing_of_theirs_changes(house, aino):
    people = somebody_of_every_state(house)
    rows = {state: house.person(person.email) for state, person in people.items()}
    before = {state: len(person.mails()) for state, person in people.items()}
    aino.my_data()
    form, pages = house.get(aino.link("my-data").replace("?", "/address?")), {}
    for state, person in people.items():
        page = form.press(fi("Send the confirmation message"), email=person.email)
        pages[state] = (page.status, page.html.replace(person.email, "…"))
        house.deliver()
    assert set(pages.values()) == {pages["new"]}
    got = {state: len(person.mails()) - before[state] for state, person in people.items()}
    assert got == {"new": 1, "pending": 0, "active": 1, "passive": 0, "declined": 0}
    assert fi("You already subscribe") in people["active"].newest().text
    assert {state: house.person(person.email) for state, person in people.items()} == rows
    assert house.status(aino.email) == "active"


@pytest.mark.parametrize("times", [1, 2])  # twice, so that the second replaces the first while its mail waits
def test_the_own_page_afterwards_does_not_tell_whose_the_address_is(house, times):
    people = somebody_of_every_state(house) | {"objected": Visitor(house, "objected@example.com").becomes_active()}
    house.object("objected@example.com")
    seen = {}
    for state, person in people.items():
        asker = Visitor(house, f"asker-{state}@example.com").becomes_active()
        asker.my_data()
        before, events = len(asker.mails()), house.count()
        form = house.get(asker.link("my-data").replace("?", "/address?"))
        for _ in range(times):
            form.press(fi("Send the confirmation message"), email=person.email)
        house.deliver()
        grown = house.count() - events  # anybody may read the size of the log
        page = house.get(asker.link("my-data"))
        data = json.loads(opened(download(asker))["tiedot.json"])
        assert CANCEL in [button for form in page.forms for button in form.buttons], state
        assert person.email in page.html, state
        told = [event["core"]["kind"] for event in data["events"]]
        done = [(message["kind"], bool(message["done_at"])) for message in data["messages"]]
        seen[state] = (grown, told, done, [mail.message["Subject"] for mail in asker.mails()[before:]])
    assert all(same == seen["new"] for same in seen.values()), seen


def test_how_often_the_address_was_asked_does_not_show_on_the_own_page_either(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", limit_address="3/24 hours;6/30 days")
    aino, new = Visitor(house).becomes_active(), Visitor(house, NEW)
    new.subscribe()
    house.deliver()
    mails = len(new.mails())
    assert aino.move_to(NEW).status == 200
    house.deliver()
    assert (asked_addresses(house), len(new.mails())) == ([NEW], mails)


def test_an_address_that_must_not_be_written_to_gets_nothing(house, aino):
    eero = Visitor(house, "eero@example.com")
    eero.subscribe()
    house.deliver()
    eero.decline()
    mails = len(eero.mails())
    assert aino.move_to(eero.email).status == 200
    house.deliver()
    assert len(eero.mails()) == mails


def test_who_refuses_while_a_mail_is_held_back_does_not_get_it(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", limit_global="3/hour")
    people, new = (
        [Visitor(house, f"{name}@example.com").becomes_active() for name in ("aino", "eero")],
        Visitor(house, NEW),
    )
    for person in people:
        person.move_to(NEW)
        house.deliver()
    assert len(new.mails()) == 1
    new.decline()
    with time_machine.travel(services.now() + timedelta(minutes=61), tick=True):
        house.deliver()
    assert len(new.mails()) == 1


def test_the_address_one_has_is_said_beside_the_field_and_so_is_a_wrong_one(house, aino):
    for email, told in ((aino.email.upper(), fi("This is the address you have now. Write the new one.")), ("x@", "")):
        page = aino.move_to(email)
        assert page.status == 400
        assert told in page.words
        assert fi("Error:") in page.title
    assert asked_addresses(house) == []


def test_who_gets_no_newsletter_has_no_address_to_change(house, aino):
    aino.my_data()
    form = house.get(aino.link("my-data").replace("?", "/address?"))
    aino.leave()
    assert form.press(fi("Send the confirmation message"), email=NEW).status == 409
    page = house.get(aino.link("my-data").replace("?", "/address?"))
    assert (page.status, page.forms) == (200, [])
    assert asked_addresses(house) == []


@on_both_databases
def test_somebody_who_came_to_the_address_meanwhile_keeps_it(house, aino, new):
    aino.move_to(NEW)
    house.deliver()
    link = new.link("confirm")
    other = Visitor(house, NEW.lower(), "Eero", "Niemi").becomes_active()
    before = house.everything()
    page = house.get(link).press(CONFIRM)
    assert page.status == 409
    assert fi("This address has a subscription of its own") in page.title
    assert house.everything() == before
    assert house.status(aino.email) == house.status(other.email) == "active"


@on_both_databases
def test_of_two_who_confirm_one_address_at_the_same_moment_one_gets_it(house, aino, new):
    eero = Visitor(house, "eero@example.com").becomes_active()
    forms = []
    for person in (aino, eero):
        person.move_to(NEW)
        house.deliver()
        forms.append(house.get(new.link("confirm")))
    statuses, barrier = [], threading.Barrier(2)

    def press(form):
        barrier.wait()
        statuses.append(form.press(CONFIRM).status)

    threads = [threading.Thread(target=press, args=(form,)) for form in forms]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 409]
    assert sorted([house.status(aino.email) or "gone", house.status(eero.email) or "gone"]) == ["active", "gone"]
    assert house.status(NEW) == "active"


# Taking it back


def test_a_change_can_be_cancelled_and_its_link_is_dead(house, aino, new):
    aino.move_to(NEW)
    house.deliver()
    assert NEW.lower() in house.get(aino.link("my-data")).html.lower()
    page = house.get(aino.link("my-data")).press(CANCEL)
    assert (page.status, asked_addresses(house)) == (200, [])
    assert house.get(new.link("confirm")).status == 404
    assert house.kinds(aino.email)[-1] == "cancelled"
    assert house.post(aino.link("my-data").replace("?", "/address/cancel?")).status == 200
    assert house.kinds(aino.email).count("cancelled") == 1
    assert CANCEL not in [button for form in house.get(aino.link("my-data")).forms for button in form.buttons]


def test_the_newest_change_counts_and_the_address_before_is_forgotten(house, aino, new):
    aino.move_to("typo@example.org")
    house.deliver()
    wrong = Visitor(house, "typo@example.org").link("confirm")
    aino.move_to(NEW)
    house.deliver()
    assert asked_addresses(house) == [NEW]
    assert house.get(wrong).status == 404
    assert house.post(wrong.replace("?", "/decline?")).status == 404
    assert confirm(house, new).status == 200
    assert asked_addresses(house) == []


@on_both_databases
def test_a_stranger_who_did_not_ask_is_left_alone_for_a_year(house, aino, new):
    aino.move_to(NEW)
    house.deliver()
    pages = [house.get(new.link("confirm")).press(DECLINE), house.get(new.link("confirm"))]
    assert [page.status for page in pages] == [200, 200]
    assert all(page.forms == [] for page in pages), "there is no way back for them to press by mistake"
    with house.service.reading() as connection:
        hashes = connection.execute(select(suppression.c.address_hash)).scalars().all()
    assert hashes == [house.service.vault.address_hash(NEW.lower())]
    assert asked_addresses(house) == []
    assert house.status(aino.email) == "active"
    mails = len(new.mails())
    aino.move_to(NEW)
    house.deliver()
    assert len(new.mails()) == mails


def test_after_seven_days_the_link_says_so_and_gives_nothing_away(house, aino, new):
    aino.move_to(NEW)
    house.deliver()
    form = house.get(new.link("confirm"))
    with time_machine.travel(services.now() + timedelta(days=7, seconds=1), tick=True):
        for page in (house.get(new.link("confirm")), form.press(CONFIRM)):
            assert page.status == 410
            assert not [link for link in page.links if "unsubscribe" in link]
            assert AGAIN not in [button for one in page.forms for button in one.buttons]
        assert house.post(new.link("confirm").replace("?", "/again?")).status == 404
    assert house.status(aino.email) == "active"


@on_both_databases
def test_an_address_nobody_confirmed_is_forgotten_after_two_weeks(house, aino):
    aino.move_to(NEW)
    house.deliver()
    for days, left in ((13, [NEW]), (15, [])):
        with time_machine.travel(services.now() + timedelta(days=days), tick=True):
            list(chores.purge(house.service))
        assert asked_addresses(house) == left
    assert house.status(aino.email) == "active"
    for table, rows in house.everything().items():
        assert NEW.lower() not in repr(rows).lower(), table


@on_both_databases
def test_who_leaves_meanwhile_has_left(house, aino, new):
    aino.move_to(NEW)
    house.deliver()
    form = house.get(new.link("confirm"))
    aino.leave()
    assert form.press(CONFIRM).status == 404
    assert house.status(aino.email) == "passive"
    assert asked_addresses(house) == [], "an address that nobody confirmed is not kept"


def test_an_address_is_asked_as_seldom_as_by_the_form_and_the_old_one_is_not_flooded(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", limit_address="3/24 hours;6/30 days")
    with time_machine.travel(services.now(), tick=False) as clock:
        aino = Visitor(house).becomes_active()
        aino.my_data()
        form = house.get(aino.link("my-data").replace("?", "/address?"))
        before = len(aino.mails())
        for number in range(3):
            assert form.press(fi("Send the confirmation message"), email=f"p{number}@example.org").status == 200
        house.deliver()
        assert len(aino.mails()) == before + 1
        assert [len(Visitor(house, f"p{number}@example.org").mails()) for number in range(3)] == [1, 0, 0]
        clock.shift(timedelta(minutes=6))
        form.press(fi("Send the confirmation message"), email="p.0+tag@example.org")
        house.deliver()
        assert len(Visitor(house, "p.0+tag@example.org").mails()) == 1
