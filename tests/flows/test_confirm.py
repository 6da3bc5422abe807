"""Confirming and declining: one press, once, by the newest link, in time."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from consent_service import service as services
from consent_service.language import language
from consent_service.ledger import evidence
from consent_service.models.newsletter import suppression
from consent_service.tokens import Tokens
from tests import household
from tests.actors import AGAIN, CONFIRM, DECLINE, Staff, Visitor, fi
from tests.conftest import on_both_databases
from tests.household import SECRET


@pytest.fixture
def aino(house):
    visitor = Visitor(house)
    visitor.subscribe()
    house.deliver()
    return visitor


def test_confirming_makes_active_with_evidence_and_a_receipt(house, aino):
    page = aino.confirm()
    assert page.status == 200
    person, [ask] = house.person(aino.email), house.asks(aino.email)
    confirmed = house.story(aino.email)[-1]
    assert person.basis_event_id == ask.used_event_id == confirmed.id
    assert confirmed.core["kind"] == "confirmed"
    assert confirmed.core["previous"] == house.story(aino.email)[-2].leaf_hash.hex()
    house.deliver()
    welcome = aino.newest()
    assert "Aino Mäkelä" in welcome.text
    assert "/unsubscribe/" in welcome.text
    assert welcome.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_second_press_shows_the_same_page_and_changes_nothing(house, aino):
    form = house.get(aino.link("confirm"))
    first = form.press(CONFIRM)
    before = house.everything()
    again = form.press(CONFIRM)
    assert (again.status, again.title) == (200, first.title)
    assert house.everything() == before
    opened = house.get(aino.link("confirm"))
    assert opened.title == first.title, "who opens the link again is told that all is well"
    [swedish] = [link for link in first.links if link.endswith("?lang=sv")]
    assert house.get(swedish).title.startswith(language("sv").say("Your subscription is confirmed"))


def test_an_expired_link_says_so_and_offers_a_new_message(house, aino):
    link = aino.link("confirm")
    with time_machine.travel(services.now() + timedelta(days=7, seconds=1), tick=True):
        page = house.get(link)
        assert page.status == 410
        assert house.post(link).status == 410
        assert house.status(aino.email) == "pending"
        assert page.press(AGAIN).status == 200
        house.deliver()
        assert aino.link("confirm") != link
        assert aino.confirm().status == 200
    assert house.status(aino.email) == "active"


def test_a_link_still_works_just_before_seven_days(house, aino):
    with time_machine.travel(services.now() + timedelta(days=7, seconds=-5), tick=True):
        assert aino.confirm().status == 200


def test_links_that_do_not_work_look_alike_and_change_nothing(house, aino):
    good = aino.link("confirm").partition("?")[0].rpartition("/")[2]
    person = house.person(aino.email)
    other_key = Tokens(["another secret that is just as long as it must be"])
    bad = [
        good[:-1],
        good[:-2] + ("AA" if not good.endswith("AA") else "BB"),
        "x",
        "a" * 3000,
        house.service.tokens.for_unsubscribing(person.id),
        house.service.tokens.for_confirmation("0" * 32),
        other_key.for_confirmation(house.asks(aino.email)[0].id),
        house.service.tokens.for_form("x", "fi"),
    ]
    before = house.everything()
    pages = [house.get(f"/confirm/{token}?lang=fi") for token in bad]
    pages += [house.post(f"/confirm/{token}?lang=fi") for token in bad]
    pages += [house.post(f"/confirm/{token}/decline?lang=fi") for token in bad]
    assert {page.status for page in pages} == {404}
    assert {page.title for page in pages} == {pages[0].title}
    assert {page.words for page in pages if page.answer.request.method == "POST"} == {pages[-1].words}
    assert house.everything() == before


def test_old_keys_still_verify(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", secret_keys=f"a newer secret that is long enough too,{SECRET}")
    aino = Visitor(house)
    aino.subscribe()
    old = Tokens([SECRET]).for_confirmation(house.asks(aino.email)[0].id)
    assert house.post(f"/confirm/{old}").status == 200
    assert house.status(aino.email) == "active"


def test_a_link_from_before_leaving_is_dead(house, aino):
    aino.confirm()
    house.deliver()
    aino.subscribe()
    used = aino.link("confirm")
    aino.leave()
    assert house.post(used).status == 404
    assert house.status(aino.email) == "passive"


def test_an_open_ask_dies_with_leaving(house, aino):
    aino.confirm()
    house.deliver()
    aino.leave()
    aino.subscribe()
    house.deliver()
    newest = aino.link("confirm")
    aino.leave()
    assert house.post(newest).status == 404
    assert house.status(aino.email) == "passive"


def test_declining_closes_the_ask_and_keeps_the_address_from_being_written_to(house, aino):
    page = aino.decline()
    assert page.status == 200
    assert house.kinds(aino.email) == ["requested", "sent", "declined"]
    link = aino.link("confirm")
    assert house.post(f"{link.partition('?')[0]}/decline").status == 200, "a second press shows the same page"
    assert house.post(link).status == 404
    assert house.status(aino.email) == "pending"
    with house.service.reading() as connection:
        [row] = connection.execute(select(suppression)).all()
    assert row.reason == "declined"
    assert "aino" not in row.address_hash

    mails = len(aino.mails())
    assert aino.subscribe().status == 200
    heidi = Staff(house)
    heidi.log_in()
    assert heidi.add(aino.email).status == 409
    house.deliver()
    assert len(aino.mails()) == mails


@on_both_databases
def test_declining_by_mistake_can_be_undone_at_once_and_from_the_mail_later(open_house, database_url):
    house = open_house(database_url, limit_address="3/24 hours;6/30 days")
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    declined = aino.decline()
    opened_again = house.get(aino.link("confirm"))
    assert opened_again.title == declined.title
    [swedish] = [link for link in declined.links if link.endswith("?lang=sv")]
    assert house.get(swedish).title.startswith(language("sv").say("We will not write to you"))
    assert opened_again.press(AGAIN).status == 200
    house.deliver()
    assert len(aino.mails()) == 2, "the five minutes between two mails are for strangers"
    assert aino.confirm().status == 200


def test_declining_by_mistake_can_be_undone_and_still_needs_a_confirmation(house, aino):
    page = aino.decline()
    assert page.press(AGAIN).status == 200
    house.deliver()
    assert house.status(aino.email) == "pending"
    assert aino.confirm().status == 200
    assert house.status(aino.email) == "active"


def test_a_subscriber_cannot_be_taken_off_by_an_old_decline(house, aino):
    form = house.get(aino.link("confirm"))
    aino.confirm()
    assert form.press(DECLINE).status == 404
    assert house.status(aino.email) == "active"


def test_what_is_confirmed_is_what_was_asked_even_when_the_text_has_changed_since(open_house, database_url):
    house = open_house(database_url)
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    asked = house.service.consent_text(language("fi"))
    renamed = household.CONTROLLER.model_copy(update={"possessive": dict.fromkeys(("fi", "sv", "en"), "Uuden Oy:n")})
    later = open_house(database_url, controller=renamed)
    page = later.get(aino.link("confirm").replace(house.url, later.url))
    assert asked.sentence in page.words
    page.press(CONFIRM)
    later.deliver()
    confirmed = later.story(aino.email)[2]
    with later.service.reading() as connection:
        texts = {kind: evidence.kept_text(connection, sha) for kind, sha in confirmed.core["texts"].items()}
    assert texts["consent"].content == asked.shown.content
    assert asked.sentence in texts["confirm"].content.decode()
    assert asked.privacy in texts["confirm"].content.decode()
    assert asked.sentence in " ".join(aino.newest().text.split()), "the receipt says what was agreed to"


def test_a_page_whose_words_changed_after_it_was_opened_is_shown_again(house, aino):
    for shown_at in (services.now(), services.now() - timedelta(days=2)):
        token = house.service.tokens.for_form("0" * 64, "fi", shown_at=shown_at)
        page = house.post(aino.link("confirm"), {"csrf_token": token})
        assert (page.status, house.status(aino.email)) == (200, "pending")
    assert page.press(CONFIRM).status == 200
    assert house.status(aino.email) == "active"


def test_the_page_asks_for_nothing_but_one_press(house, aino):
    page = house.get(aino.link("confirm"))
    assert set(page.form(CONFIRM).fields) == {"csrf_token"}
    assert page.forms[0].buttons == [CONFIRM]
    assert fi("Confirm your subscription") in page.title
