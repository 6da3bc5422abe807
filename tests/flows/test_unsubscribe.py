"""Leaving: by the page, by one click of a mail program, by a typed address; and coming back."""

from datetime import timedelta

import pytest
import time_machine

from consent_service import service as services
from tests.actors import AGAIN, LEAVE, Visitor, fi

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
SUBSCRIBED, UNSUBSCRIBED = 1, 2


@pytest.fixture
def aino(house):
    return Visitor(house).becomes_active()


def test_leaving_takes_one_press_and_reaches_activecampaign(house, aino):
    page = aino.leave()
    assert page.status == 200
    assert house.status(aino.email) == "passive"
    house.deliver()
    assert house.contacts.status_of(aino.email) == UNSUBSCRIBED
    assert house.story(aino.email)[-1].core["door"] == "link"
    assert "aino" not in page.words.lower().split(), "the page may be somebody else's, with a forwarded newsletter"


@pytest.mark.parametrize("as_files", [False, True], ids=["urlencoded", "multipart"])
def test_one_click_needs_no_cookie_and_no_page_and_may_be_repeated(house, aino, as_files):
    header = aino.newest().message["List-Unsubscribe"]
    address = header.strip("<>")
    body = {"files": {name: (None, value) for name, value in ONE_CLICK.items()}} if as_files else {"data": ONE_CLICK}
    answers = [house.post(address, **body) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert not any("Set-Cookie" in answer.answer.headers for answer in answers)
    assert house.status(aino.email) == "passive"
    assert house.kinds(aino.email).count("withdrawn") == 1
    assert house.story(aino.email)[-1].core["door"] == "one-click"


def test_the_link_works_after_years_and_after_a_change_of_keys(house, aino):
    link = aino.link("unsubscribe")
    with time_machine.travel(services.now() + timedelta(days=3000), tick=True):
        assert house.get(link).press(LEAVE).status == 200
    assert house.status(aino.email) == "passive"


def test_the_page_is_the_same_for_somebody_unknown(house, aino):
    unknown = house.service.tokens.for_unsubscribing("00000000-0000-0000-0000-000000000000")
    page = house.post(f"/unsubscribe/{unknown}?lang=fi")
    assert (page.status, page.title) == (200, aino.leave().title)


def test_undo_sends_a_new_confirmation_and_nothing_more(house, aino):
    page = aino.leave()
    house.deliver()
    assert page.press(AGAIN).status == 200
    house.deliver()
    assert house.status(aino.email) == "passive", "a forwarded newsletter must not subscribe anybody"
    assert aino.confirm().status == 200
    house.deliver()
    assert house.status(aino.email) == "active"
    assert house.contacts.status_of(aino.email) == SUBSCRIBED


def test_a_reason_is_asked_afterwards_and_only_once_left(house, aino):
    page = aino.leave()
    send = fi("Send the answer")
    refused = page.press(send, reason="")
    assert refused.status == 400
    assert page.press(send, reason="made up").status == 400
    assert page.press(send, reason="too_many").status == 200
    assert house.story(aino.email)[-1].core["reason"] == "too_many"
    page.press(AGAIN)
    house.deliver()
    aino.confirm()
    before = house.count()
    assert page.press(send, reason="other").status == 200
    assert house.count() == before, "somebody who is back is not asked why they left"


def test_typing_an_address_sends_a_link_and_takes_nobody_off(house, aino):
    before, mails = house.person(aino.email), len(aino.mails())
    form = house.get("/unsubscribe?lang=fi")
    page = form.press(fi("Send me the link"), email=aino.email.upper())
    nobody = form.press(fi("Send me the link"), email="nobody@example.com")
    assert (page.status, nobody.status) == (200, 200)
    assert page.words.replace(aino.email.upper(), "") == nobody.words.replace("nobody@example.com", "")
    house.deliver()
    assert house.person(aino.email) == before
    assert len(aino.mails()) == mails + 1
    assert not house.mail.to("nobody@example.com")
    assert aino.leave().status == 200
    assert house.status(aino.email) == "passive"


def test_a_wrong_address_is_said_beside_the_field(house):
    page = house.get("/unsubscribe?lang=fi").press(fi("Send me the link"), email="aino")
    assert page.status == 400
    assert page.title.startswith(fi("Error:"))


def test_leaving_before_confirming_closes_the_ask(house):
    eero = Visitor(house, "eero@example.com")
    eero.subscribe()
    house.deliver()
    token = house.service.tokens.for_unsubscribing(house.person(eero.email).id)
    assert house.post(f"/unsubscribe/{token}").status == 200
    assert house.post(eero.link("confirm")).status == 404
    house.deliver()
    assert not house.contacts.contacts
