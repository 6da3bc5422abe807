"""The contact form: what is kept, what the owner gets, what is refused, what a repetition does, and the box beside it.

What becomes of a message afterwards is told in test_contact_kept.py and test_contact_staff.py.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import urljoin

import pytest
import time_machine
from sqlalchemy import event

from consent_service import retention
from consent_service import service as services
from consent_service.language import language
from consent_service.ledger import evidence
from consent_service.models.delivery import outbox_message
from consent_service.models.inbox import contact_message
from consent_service.models.newsletter import subscriber
from tests.actors import Visitor, fi
from tests.conftest import on_both_databases
from tests.household import CONTROLLER

SEND, SENT = fi("Send the message"), fi("Your message has been sent")
OWNER = CONTROLLER.contact_email
ONE_ADDRESS = "Write one e-mail address in the form name@example.com."
BAD_PHONE = "Write the phone number with digits, spaces and the marks + - ( ), or leave it out."


def kept(house):
    """The one message that is kept."""
    [message] = house.rows(contact_message)
    return message


def to_owner(house):
    house.deliver()
    return house.mail.to(OWNER)


def test_a_message_is_kept_whole_and_the_owner_is_told_and_nobody_else(house):
    aino = Visitor(house, "Aino.Makela@Example.com")
    page = aino.write()
    assert (page.status, SENT in page.title) == (200, True)
    assert "Aino.Makela@Example.com" in page.words and OWNER in page.words

    message = kept(house)
    assert (message.first_name, message.last_name, message.phone) == ("Aino", "Mäkelä", "+358 40 123 4567")
    assert (message.email, message.email_key) == ("Aino.Makela@example.com", "aino.makela@example.com")
    assert message.message == "Hei!\n\nHaluaisin tarjouksen valmennuspäivästä."
    assert (message.reason, message.language, message.closed_at) == ("offer", "fi", None)
    [waiting] = house.messages()
    assert (waiting.lane, waiting.kind, waiting.contact_message_id) == ("mail", "contact", message.id)

    [mail] = to_owner(house)
    assert mail.recipients == [OWNER]
    assert mail.message["Reply-To"] == "Aino.Makela@example.com"
    assert mail.message["From"].addresses[0].addr_spec == "uutiskirje@keinuma.example"
    assert mail.message["Subject"] == fi("Contact form: %(reason)s", reason=fi("I would like an offer"))
    for told in ("Aino Mäkelä", "+358 40 123 4567", "> Hei!\n>\n> Haluaisin tarjouksen valmennuspäivästä."):
        assert told in "\n".join(line.rstrip() for line in mail.text.splitlines())
    assert f"{house.url}/staff/contact-messages/{message.id}" in mail.links
    assert len(house.mail.mails) == 1, "no copy to whoever wrote"
    assert (house.count(subscriber), house.count()) == (0, 0)


@pytest.mark.parametrize("code", ["fi", "sv", "en"])
def test_the_form_speaks_three_languages_and_says_what_happens_with_the_message(sqlite_house, code):
    say = language(code).say
    page = sqlite_house.get(f"/contact?lang={code}")
    period = say(retention.BY_KEY["contact_message"].period)
    assert period in page.words and f"/privacy?lang={code}" in page.links
    consent = sqlite_house.service.consent_text(language(code))
    assert consent.sentence in page.words and consent.privacy in page.words
    assert " checked" not in page.html
    assert Visitor(sqlite_house).write(code).status == 200
    assert kept(sqlite_house).language == code
    assert f"/contact?lang={code}" in sqlite_house.get(f"/subscribe?lang={code}").links, "from every footer"
    assert "Set-Cookie" not in page.answer.headers


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"first_name": ""}, "Write your first name."),
        ({"last_name": "  "}, "Write your last name."),
        ({"first_name": "A\r\nBcc: b@example.com"}, "Write the name in at most 100 ordinary characters."),
        ({"email": ""}, "Write your e-mail address."),
        ({"email": "aino@"}, ONE_ADDRESS),
        ({"email": "a@example.com, b@example.com"}, ONE_ADDRESS),
        ({"email": "a@example.com\r\nBcc: b@example.com"}, ONE_ADDRESS),
        ({"phone": "call me"}, BAD_PHONE),
        ({"phone": "+()"}, BAD_PHONE),
        ({"phone": "1" * 31}, BAD_PHONE),
        ({"phone": "040\x00123"}, BAD_PHONE),
        ({"reason": ""}, "Choose what it is about."),
        ({"reason": "nonsense"}, "Choose what it is about."),
        ({"message": ""}, "Write your message."),
        ({"message": " \r\n\x00 "}, "Write your message."),
        ({"message": "å" * 4001}, "Shorten the text: at most %(longest)s characters fit in."),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_lost_or_stored(standing_house, changes, told):
    before = standing_house.everything()
    page = Visitor(standing_house).write(**changes)
    assert page.status == 400
    assert page.title.startswith(fi("Error:"))
    assert page.words.count(fi(told, longest=4000)) == 2, "in the summary and beside the field"
    fields = page.form(SEND).fields
    assert fields["last_name"] == changes.get("last_name", "Mäkelä")
    if "message" not in changes:
        assert fields["message"] == "Hei!\n\nHaluaisin tarjouksen valmennuspäivästä."
        assert ("selected" in page.html) == ("reason" not in changes)
    assert standing_house.everything() == before


@pytest.mark.parametrize("phone", ["", "  ", "0401234567", "(014) 123-456", "+358\u00a040 12"])
def test_the_phone_number_may_be_left_out_or_written_as_people_do(sqlite_house, phone):
    assert Visitor(sqlite_house).write(phone=phone).status == 200
    assert kept(sqlite_house).phone == (" ".join(phone.split()) or None)


def test_a_message_holds_4000_characters_of_any_kind_and_is_shown_as_text(house):
    odd = "=1+1\r\n<script>alert(1)</script>\r\n👩‍👧 שלום\x0b{{ 7*7 }}\x00 %(x)s\r\n.\r\nBcc: b@example.com\r\n"
    written = odd + "å" * (4000 - len(odd.replace("\r\n", "\n")))
    assert Visitor(house).write(message=written).status == 200
    message = kept(house)
    assert message.message == written.replace("\r\n", "\n").replace("\x0b", " ").replace("\x00", " ")
    [mail] = to_owner(house)
    assert mail.recipients == [OWNER]
    assert [name for name in mail.message.keys() if name.lower() in ("bcc", "reply-to")] == ["Reply-To"]  # noqa: SIM118
    assert "<script>" in mail.text and "<script>" not in mail.html
    assert "> Bcc: b@example.com" in mail.text


# Sent twice, and cut off


def test_the_same_form_sent_twice_is_one_message_and_the_page_is_the_same(house):
    form, fields = house.get("/contact?lang=fi"), {"first_name": "A", "last_name": "B", "email": "a@example.com"}
    fields |= {"reason": "other", "message": "Hei"}
    pages = [form.press(SEND, **fields) for _ in range(2)]
    assert pages[0].html == pages[1].html and {page.status for page in pages} == {200}
    assert len(to_owner(house)) == 1
    assert form.press(SEND, **fields | {"message": "Vielä jotain"}).status == 200
    assert len(to_owner(house)) == len(house.rows(contact_message)) == 2


@on_both_databases
def test_two_presses_at_once_are_one_message(house):
    form = house.get("/contact?lang=fi").form(SEND)
    fields = form.fields | {"first_name": "A", "last_name": "B", "email": "a@example.com"}
    fields |= {"reason": "other", "message": "Hei"}
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: house.post(urljoin("/", form.action), fields).status, range(4)))
    assert answers == [200] * 4
    assert len(house.rows(contact_message)) == len(house.rows(outbox_message)) == 1


@contextmanager
def failing(house, beginning):
    """While this lasts, a statement that begins so never reaches the database."""

    def fail(_connection, _cursor, statement, *_):
        if statement.startswith(beginning):
            raise RuntimeError("cut off here")

    event.listen(house.service.engine, "before_cursor_execute", fail)
    yield
    event.remove(house.service.engine, "before_cursor_execute", fail)


@pytest.mark.parametrize("beginning", ["INSERT INTO outbox_message", "INSERT INTO confirmation", "UPDATE subscriber"])
def test_what_is_cut_off_in_between_leaves_nothing_and_the_next_try_succeeds(house, beginning):
    aino = Visitor(house)
    before = house.everything()
    with failing(house, beginning):
        assert aino.write(consent="yes").status == 500
    assert house.everything() == before
    assert aino.write(consent="yes").status == 200
    assert (kept(house).email, house.status(aino.email)) == (aino.email, "pending")


def test_a_mail_whose_acceptance_got_lost_comes_again_as_the_same_mail(sqlite_house):
    with time_machine.travel(services.now(), tick=False) as clock:
        Visitor(sqlite_house).write()
        sqlite_house.mail.cut_after_accept()
        sqlite_house.deliver()
        clock.shift(timedelta(hours=1))
        first, second = to_owner(sqlite_house)
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert first.message["Reply-To"] == second.message["Reply-To"] == "aino@example.com"


# Robots and floods


@on_both_databases
def test_a_robot_gets_the_same_page_and_leaves_no_trace(open_house, database_url):
    house = open_house(database_url, form_min_s=2)
    before = house.everything()
    quick = Visitor(house).write(consent="yes")
    with time_machine.travel(services.now(), tick=False) as clock:
        form = house.get("/contact?lang=fi")
        clock.shift(3)
        fields = {"first_name": "A", "last_name": "B", "email": "aino@example.com", "reason": "other", "message": "x"}
        trapped = form.press(SEND, **fields, website="https://spam.example", consent="yes")
        assert house.everything() == before
        honest = form.press(SEND, **fields, consent="yes")
    assert quick.html == trapped.html == honest.html
    assert len(house.rows(contact_message)) == 1


def test_a_network_may_write_so_often_and_loses_nothing_of_what_was_too_much(open_house, database_url):
    house = open_house(database_url, limit_ip="2/10 minutes")
    aino = Visitor(house)
    pages = [aino.write(message=f"Viesti {number}") for number in range(3)]
    assert [page.status for page in pages] == [200, 200, 429]
    assert int(pages[-1].answer.headers["Retry-After"]) > 0
    assert pages[-1].title.startswith(fi("Error:"))
    assert pages[-1].form(SEND).fields["message"] == "Viesti 2"
    assert len(house.rows(contact_message)) == 2
    assert aino.subscribe().status == 200, "the other forms have an allowance of their own"


def test_a_form_without_its_token_or_with_an_old_one_is_shown_again_with_everything_in_it(house):
    with time_machine.travel(services.now() - timedelta(hours=25), tick=True):
        form = house.get("/contact?lang=fi")
    fields = {
        "first_name": "A",
        "last_name": "B",
        "email": "a@example.com",
        "reason": "invoice",
        "message": "Hei\r\nvaan",
    }
    for page in (form.press(SEND, **fields, consent="yes"), form.press(SEND, **fields, csrf_token="x", consent="yes")):
        assert page.status == 400
        assert page.form(SEND).fields["message"] == "Hei\nvaan"
        assert " checked" not in page.html, "nobody knows any more beside which words it was ticked"
        assert house.rows(contact_message) == []
    assert page.press(SEND, reason="invoice").status == 200
    assert kept(house).message == "Hei\nvaan"


@on_both_databases
def test_a_form_handed_back_for_its_age_may_come_at_once_and_any_other_may_not(open_house, database_url):
    house = open_house(database_url, form_min_s=2)
    with time_machine.travel(services.now() - timedelta(hours=25), tick=True):
        form = house.get("/contact?lang=fi")
    fields = {"first_name": "A", "last_name": "B", "email": "a@example.com", "reason": "other", "message": "Hei"}
    assert form.press(SEND, **fields, csrf_token="x").press(SEND, reason="other").status == 200
    assert house.rows(contact_message) == [], "whoever makes up a token has shown no patience"
    assert form.press(SEND, **fields).press(SEND, reason="other").status == 200
    assert kept(house).message == "Hei"


def test_64_kib_are_too_much(sqlite_house):
    assert Visitor(sqlite_house).write(message="x" * 65 * 1024).status == 413
    assert sqlite_house.rows(contact_message) == []


# The newsletter's own box


def test_the_box_asks_for_the_newsletter_with_evidence_of_what_stood_beside_it_and_no_more(house):
    aino = Visitor(house)
    page = aino.write(consent="yes")
    assert fi("You also asked for the newsletter") in page.words
    assert (house.status(aino.email), len(house.rows(contact_message))) == ("pending", 1)
    [asked] = house.story(aino.email)
    assert [asked.core[name] for name in ("kind", "actor", "door", "source")] == [
        "requested",
        "visitor",
        "contact",
        "form",
    ]
    with house.service.reading() as connection:
        text = evidence.kept_text(connection, asked.core["texts"]["consent"])
    assert text == house.service.consent_text(language("fi")).shown
    house.deliver()
    assert "Haluaisin" not in aino.newest().text + aino.newest().html, "nothing that was typed goes along"
    assert aino.confirm().status == 200
    house.deliver()
    assert (house.status(aino.email), house.contacts.status_of(aino.email)) == ("active", 1)


def test_without_the_box_a_message_changes_nothing_about_a_subscriber(house):
    aino = Visitor(house).becomes_active()
    before = house.person(aino.email), house.kinds(aino.email), len(aino.mails())
    stranger = Visitor(house, aino.email, "Väärä", "Nimi")
    assert fi("You also asked for the newsletter") not in stranger.write().words
    house.deliver()
    assert (house.person(aino.email), house.kinds(aino.email), len(aino.mails())) == before


@pytest.mark.parametrize("consent", ["", "yes"])
def test_the_page_is_the_same_whatever_the_address_is_to_the_newsletter(house, consent):
    people = {state: Visitor(house, f"{state}@example.com") for state in ("new", "asked", "active", "left", "refused")}
    for state, person in people.items():
        if state != "new":
            person.subscribe()
    house.deliver()
    people["active"].confirm()
    people["left"].confirm()
    people["refused"].decline()
    house.deliver()
    people["left"].leave()
    pages = {state: person.write(consent=consent) for state, person in people.items()}
    told = {(page.status, page.html.replace(people[state].email, "…")) for state, page in pages.items()}
    assert len(told) == 1
    house.deliver()
    assert house.status("active@example.com") == "active"
    assert {house.status(f"{state}@example.com") for state in ("asked", "refused")} == {"pending"}
    assert house.status("left@example.com") == "passive"
    assert (house.person("new@example.com") is None) == (not consent)


def test_a_box_beside_other_words_asks_nobody_and_a_message_beside_them_arrives(house):
    other = house.service.tokens.for_form("unsubscribe", "fi")
    page = Visitor(house).write(consent="yes", csrf_token=other)
    assert (page.status, " checked" in page.html) == (400, False)
    assert house.rows(contact_message) == house.rows(subscriber) == []
    assert Visitor(house).write(csrf_token=other).status == 200
    assert len(house.rows(contact_message)) == 1
