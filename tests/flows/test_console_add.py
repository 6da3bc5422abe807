"""Staff add somebody who asked: a mail that says who and when, never more; refusals and bad input say why."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import insert

from consent_service import service as services
from consent_service.language import language
from consent_service.models.delivery import outbox_message
from consent_service.models.newsletter import confirmation, suppression
from consent_service.notices.statements import CHANNELS
from tests.actors import Staff, Visitor, fi
from tests.conftest import on_both_databases
from tests.furnished import furnish_register

SEND = fi("Send the confirmation message")
NAME = "Write the name in at most 100 ordinary characters."
ADDRESS = "Write one e-mail address in the form name@example.com."
OCCASION = "Describe the occasion in at most 100 characters."
DAY = "Give the day on which the person asked."


@pytest.fixture
def heidi(house):
    staff = Staff(house)
    staff.log_in()
    return staff


@pytest.fixture
def eero(house):
    return Visitor(house, "eero@example.com", "Eero", "Niemi")


def says(shown, message, **values):
    return " ".join(fi(message, **values).split()) in shown.words


def errors(page):
    """The message beside each field that has one."""
    found = re.findall(r'<p class="error" id="(\w+)-error">(.*?)</p>', page.html)
    for field, _ in found:
        assert re.search(
            rf'name="{field}"[^>]*aria-describedby="[^"]*{field}-error"[^>]*aria-invalid="true"', page.html
        )
    return {field: html.unescape(message) for field, message in found}


def chosen(page):
    return re.findall(r'<option value="(\w+)" selected>', page.html)


@pytest.mark.parametrize("code", ["fi", "sv", "en"])
def test_the_mail_names_who_asked_and_on_what_occasion_in_the_persons_language(house, heidi, eero, code):
    page = heidi.add(eero.email, language=code, channel="phone", occasion="Messut & päivä <7>", asked_on="2026-03-09")
    assert says(page, "The confirmation message is on its way. Nothing more is sent unless the person confirms.")
    assert says(page, "Was added by %(name)s at their own request", name="Heidi")
    house.deliver()
    [mail] = eero.mails()
    say = language(code).say
    day = language(code).day(datetime(2026, 3, 9, tzinfo=UTC).date())
    for text in (" ".join(mail.text.split()), " ".join(html.unescape(re.sub(r"<[^>]+>", " ", mail.html)).split())):
        assert "Heidi" in text
        assert say(CHANNELS["phone"]) in text
        assert "Messut & päivä <7>" in text
        assert day in text
    assert mail.message["Content-Language"] == code
    [ask] = house.asks(eero.email)
    [requested, _] = house.story(eero.email)
    assert house.status(eero.email) == "pending"
    assert not house.contacts.contacts
    assert (ask.source, ask.staff_name, ask.channel, ask.occasion_on) == ("staff", "Heidi", "phone", "2026-03-09")
    assert requested.core["actor"] == f"staff:{ask.staff_id}"
    assert requested.core["door"] == "console"
    assert requested.core["occasion"] == "Messut & päivä <7>"


def test_the_person_decides_with_the_link_in_the_mail(house, heidi, eero):
    heidi.add(eero.email)
    house.deliver()
    assert eero.confirm().status == 200
    house.deliver()
    assert house.contacts.status_of(eero.email) == 1
    assert house.kinds(eero.email) == ["requested", "sent", "confirmed"]


# Refusals


def test_a_subscriber_is_not_asked_again(house, heidi, eero):
    eero.becomes_active()
    page = nothing_happens(house, heidi, eero.email, "This person is a subscriber already. Nothing was sent.")
    assert f"/staff/subscribers/{house.person(eero.email).id}" in page.links


def test_somebody_who_declined_is_left_in_peace(house, heidi, eero):
    heidi.add(eero.email)
    house.deliver()
    eero.decline()
    refusal = "This person has answered “I did not ask, do not write to me”, so no message was sent."
    nothing_happens(house, heidi, eero.email, refusal)
    nothing_happens(house, heidi, "EERO@Example.com", refusal)


def test_somebody_who_objected_to_marketing_is_left_in_peace(house, heidi, eero):
    row = {"address_hash": house.service.vault.address_hash(eero.key), "reason": "objected"}
    with house.service.transaction() as connection:
        connection.execute(insert(suppression).values(**row, created_at=services.now()))
    refusal = "This person has objected to marketing, so no message was sent."
    nothing_happens(house, heidi, eero.email, refusal)


def test_an_address_just_written_to_has_to_wait(open_house, database_url):
    house = open_house(database_url, limit_address="3/24 hours")
    heidi, eero = Staff(house), Visitor(house, "eero@example.com")
    with time_machine.travel(datetime(2026, 12, 7, 10, 0, 30, tzinfo=UTC), tick=False) as clock:
        heidi.log_in()
        eero.subscribe()
        refusal = "This address has been written to already. You can send the next message from %(until)s on."
        nothing_happens(house, heidi, eero.email, refusal, until="7.12.2026 klo 12.06")
        clock.shift(timedelta(minutes=5, seconds=30))
        assert heidi.add(eero.email).status == 200
        clock.shift(timedelta(minutes=6))
        assert heidi.add(eero.email).status == 200
        nothing_happens(house, heidi, eero.email, refusal, until="8.12.2026 klo 12.01")


def nothing_happens(house, staff, email, refusal, **values):
    """Staff try, are told why not, find what they typed still there, and nobody gets a mail."""
    house.deliver()
    status, mails = house.status("eero@example.com"), len(house.mail.mails)
    asked, queued = house.count(confirmation), house.count(outbox_message)
    page = staff.add(email, occasion="messut Oulussa", channel="paper", language="sv")
    assert page.status == 409
    assert says(page, refusal, **values)
    assert page.title.startswith(fi("Error:"))
    fields = page.form(SEND).fields
    assert (fields["email"], fields["first_name"], fields["occasion"]) == (email, "Eero", "messut Oulussa")
    assert fields["asked_on"] == "2026-11-20"
    assert chosen(page) == ["sv", "paper"]
    house.deliver()
    assert (house.status("eero@example.com"), len(house.mail.mails)) == (status, mails)
    assert (house.count(confirmation), house.count(outbox_message)) == (asked, queued)
    return page


# Bad input

MISTAKES = [
    ({"first_name": ""}, {"first_name": "Write the first name."}),
    ({"last_name": "  "}, {"last_name": "Write the last name."}),
    ({"first_name": "x" * 101}, {"first_name": NAME}),
    ({"last_name": "a\r\nBcc: b@example.com"}, {"last_name": NAME}),
    ({"email": ""}, {"email": "Write the e-mail address."}),
    ({"email": "eero"}, {"email": ADDRESS}),
    ({"email": "eero@example.com, aino@example.com"}, {"email": ADDRESS}),
    ({"email": "eero@example.com\nBcc: aino@example.com"}, {"email": ADDRESS}),
    ({"channel": ""}, {"channel": "Choose how the person asked."}),
    ({"channel": "telepathy"}, {"channel": "Choose how the person asked."}),
    ({"language": "xx"}, {"language": "Choose"}),
    ({"occasion": ""}, {"occasion": OCCASION}),
    ({"occasion": "x" * 101}, {"occasion": OCCASION}),
    ({"occasion": "messut\r\nBcc: aino@example.com"}, {"occasion": OCCASION}),
    ({"occasion": "messut\x00"}, {"occasion": OCCASION}),
    ({"asked_on": ""}, {"asked_on": DAY}),
    ({"asked_on": "eilen"}, {"asked_on": DAY}),
    ({"asked_on": "2026-02-30"}, {"asked_on": DAY}),
    ({"asked_on": "0026-11-30"}, {"asked_on": DAY}),
    ({"asked_on": "2999-01-01"}, {"asked_on": "Choose today or an earlier day."}),
    ({"first_name": "", "occasion": "", "email": "x"}, {
        "first_name": "Write the first name.", "email": ADDRESS, "occasion": OCCASION,
    }),
]  # fmt: skip


def test_bad_input_gets_a_message_beside_the_field_and_keeps_the_rest(house, heidi):
    before = house.everything()
    for mistake, told in MISTAKES:
        given = {"email": "eero@example.com"} | mistake
        page = heidi.add(given.pop("email"), **given)
        assert page.status == 400, mistake
        assert errors(page) == {field: fi(message) for field, message in told.items()}
        assert page.title.startswith(fi("Error:"))
        kept = {"first_name": "Eero", "last_name": "Niemi", "email": "eero@example.com", "asked_on": "2026-11-20"}
        shown = page.form(SEND).fields
        for field in kept.keys() - mistake.keys():
            assert shown[field] == kept[field], (mistake, field)
        if not {"language", "channel"} & mistake.keys():
            assert chosen(page) == ["fi", "meeting"]
    assert house.everything() == before


def test_today_is_the_day_in_helsinki(sqlite_house):
    with time_machine.travel(datetime(2026, 11, 24, 22, 30, tzinfo=UTC), tick=False):
        heidi = Staff(sqlite_house)
        heidi.log_in()
        form = sqlite_house.get("/staff/subscribers/add", heidi.http)
        assert form.form(SEND).fields["asked_on"] == "2026-11-25"
        assert heidi.add("eero@example.com", asked_on="2026-11-26").status == 400
        assert heidi.add("eero@example.com", asked_on="2026-11-25").status == 200


def test_names_are_stored_trimmed_and_composed(house, heidi):
    heidi.add("  Eero.Niemi@EXAMPLE.com ", first_name=" Ee\u0301ro  ", last_name="Niemi-Äyräs 🦉")
    person = house.person("eero.niemi@example.com")
    assert (person.email, person.first_name, person.last_name) == ("Eero.Niemi@example.com", "Eéro", "Niemi-Äyräs 🦉")


# Never more


@on_both_databases
def test_no_button_of_the_console_changes_anybodys_status(house, heidi):
    everybody = {"pending": Visitor(house, "p@example.com"), "active": Visitor(house, "a@example.com")}
    everybody |= {"passive": Visitor(house, "o@example.com"), "declined": Visitor(house, "d@example.com")}
    everybody["pending"].subscribe()
    everybody["active"].becomes_active()
    everybody["passive"].becomes_active().leave()
    everybody["declined"].subscribe()
    house.deliver()
    everybody["declined"].decline()
    house.deliver()
    furnished = furnish_register(house)
    statuses = {visitor.email: house.status(visitor.email) for visitor in everybody.values()}
    assert sorted(statuses.values()) == ["active", "passive", "pending", "pending"]
    there = {email: house.contacts.status_of(email) for email in statuses}
    more = {"status": "active", "active_since": "2026-01-01", "basis_event_id": "1", "source": "form", "consent": "yes"}
    of_staff = ("security.", "entrance.", "console.accounts.", "console.my_account.")  # about the company's own people
    rules = [rule for rule in house.app.url_map.iter_rules() if rule.rule.startswith("/staff")]
    posts = [rule for rule in rules if "POST" in rule.methods and not rule.endpoint.startswith(of_staff)]
    assert {rule.endpoint for rule in posts} >= {"console.subscribers.add", "console.queue.retry"}
    for email in (*statuses, "new@example.com"):
        page = heidi.add(email, **more)
        assert page.status in (200, 409)
    form_token = page.form(fi("Log out")).fields["csrf_token"]
    for rule in posts:
        of_messages = [{"message_id": message.id} for message in house.messages()]
        of_people = [{"subscriber_id": house.person(email).id} for email in statuses]
        there_is = [{name: furnished.get(name) for name in rule.arguments}]
        known = {"message_id": of_messages, "subscriber_id": of_people, "key_id": [{"key_id": "0123456789abcdef"}]}
        for values in known.get(next(iter(rule.arguments), ""), there_is):
            # What erases or holds asks for a reason, which is not given here.
            house.post(rule.build(values)[1], more | {"csrf_token": form_token}, heidi.http)
    house.deliver()
    assert {email: house.status(email) for email in statuses} == statuses
    assert {email: house.contacts.status_of(email) for email in statuses} == there
    assert house.status("new@example.com") == "pending"
    assert house.contacts.status_of("new@example.com") is None
