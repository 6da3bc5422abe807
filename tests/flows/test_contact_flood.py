"""Unusually many messages: each costs a little, none is lost, and neither the owner's mailbox nor the lane fills."""

from datetime import timedelta

import pytest
import time_machine

from consent_service import service as services
from consent_service.models.inbox import contact_message
from tests.actors import Staff, Visitor, fi
from tests.flows.test_proof_of_work import CONTINUE, MOMENT, solved, task
from tests.household import CONTROLLER

SEND, SENT = fi("Send the message"), fi("Your message has been sent")
TOO_MANY = "So many messages are coming in that we can take no more just now. Send this one again later."
OWNER = CONTROLLER.contact_email


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def house(open_house, database_url, clock):
    """A household that may take four messages within an hour and has taken three."""
    house = open_house(database_url, limit_global="4/hour;100/day")
    for number in range(3):
        assert SENT in Visitor(house, f"p{number}@example.com").write().title, "below, as ever"
    return house


def test_above_half_of_the_limit_a_message_costs_a_solved_task(house):
    page = Visitor(house).write(message='Hei\r\n\r\n<b>"vaan"</b>', phone="")
    assert page.title.startswith(MOMENT)
    assert "script-src 'self'" in page.answer.headers["Content-Security-Policy"]
    assert len(house.rows(contact_message)) == 3
    sent = page.press(CONTINUE, proof=solved(task(page)))
    assert SENT in sent.title
    found = [row for row in house.rows(contact_message) if row.email == "aino@example.com"]
    assert [(row.message, row.reason, row.phone) for row in found] == [('Hei\n\n<b>"vaan"</b>', "offer", None)]
    assert fi("Check your e-mail") in Visitor(house).subscribe().title, "the other form has a threshold of its own"


def test_without_scripts_half_a_minute_is_enough_and_a_proof_counts_once(house, clock):
    page = Visitor(house).write()
    early = page.press(CONTINUE)
    assert fi("That was a little too early.") in early.words
    clock.shift(30)
    assert SENT in early.press(CONTINUE).title
    assert SENT in early.press(CONTINUE).title, "pressed twice, it is the same page"
    assert early.press(CONTINUE, message="Vielä jotain").title.startswith(MOMENT)
    assert len(house.rows(contact_message)) == 4


def test_above_the_limit_what_was_written_stays_on_the_page_and_is_taken_later(house, clock):
    def paid(visitor):
        page = visitor.write(message="Tärkeä viesti", consent="yes")
        return page.press(CONTINUE, proof=solved(task(page)))

    assert SENT in paid(Visitor(house, "fourth@example.com")).title
    before = house.everything()
    page = paid(Visitor(house))
    assert (page.status, page.title.startswith(fi("Error:"))) == (429, True)
    assert fi(TOO_MANY) in page.words
    assert 0 < int(page.answer.headers["Retry-After"]) <= 3660
    fields = page.form(SEND).fields
    assert (fields["message"], fields["email"], " checked" in page.html) == ("Tärkeä viesti", "aino@example.com", True)
    assert house.everything() == before, "nothing is half done, and no proof is used up"
    clock.shift(int(page.answer.headers["Retry-After"]))
    assert SENT in page.press(SEND, reason="offer", consent="yes").title
    assert house.status("aino@example.com") == "pending"


def test_the_owner_gets_twenty_mails_an_hour_and_one_that_says_that_more_wait(open_house, database_url, clock):
    house = open_house(database_url)
    for number in range(25):
        assert SENT in Visitor(house, f"p{number}@example.com").write().title
        clock.shift(60)
    house.deliver()
    told = house.mail.to(OWNER)
    more = [mail for mail in told if mail.message["Subject"] == fi("More contact messages wait in the register")]
    assert (len(told), len(more), len(house.rows(contact_message))) == (21, 1, 25)
    assert "25" in more[0].text and f"{house.url}/staff/contact-messages" in more[0].links
    assert "example.com" not in more[0].text.replace(OWNER, ""), "no name and no address of anybody"
    heidi = Staff(house)
    heidi.log_in()
    assert "25" in house.get("/staff/contact-messages", heidi.http).words
    clock.shift(timedelta(hours=1))
    assert SENT in Visitor(house).write().title
    house.deliver()
    assert len(house.mail.to(OWNER)) == 22, "then each has a mail again"
