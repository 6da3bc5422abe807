"""Subscribing: what is stored, what is sent, what is refused, and what a repetition does."""

from datetime import timedelta

import pytest
import time_machine

from consent_service import service as services
from consent_service.language import language
from consent_service.ledger import evidence
from tests.actors import SUBSCRIBE, Visitor, fi
from tests.conftest import on_both_databases


def kept(house, event):
    """The texts an event names, as they are kept."""
    with house.service.reading() as connection:
        return {kind: evidence.kept_text(connection, sha).content.decode() for kind, sha in event.core["texts"].items()}


def test_a_new_person_is_pending_with_evidence_of_what_was_shown(house):
    aino = Visitor(house)
    page = aino.subscribe()
    assert (page.status, fi("Check your e-mail") in page.title) == (200, True)

    person = house.person(aino.email)
    assert (person.status, person.first_name, person.last_name, person.language) == ("pending", "Aino", "Mäkelä", "fi")
    [asked] = house.story(aino.email)
    assert asked.core["kind"] == "requested"
    assert (asked.core["actor"], asked.core["door"], asked.core["source"]) == ("visitor", "form", "form")
    assert asked.tech["ip"] == "127.0.0.0/24"
    consent = house.service.consent_text(language("fi"))
    assert kept(house, asked)["consent"] == consent.shown.content.decode()
    assert consent.sentence in house.get("/subscribe?lang=fi").words

    house.deliver()
    sent = house.story(aino.email)[-1]
    mail = kept(house, sent)["mail"]
    assert consent.sentence in " ".join(mail.split())
    assert "{confirm_url}" in mail, "the words are kept, not the link"
    assert sent.tech["message_id"] == aino.newest().message["Message-ID"]


def test_the_mail_says_who_asks_for_what_and_until_when(house):
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    [mail] = aino.mails()
    consent = house.service.consent_text(language("fi"))
    assert consent.sentence in " ".join(mail.text.split())
    assert "3299471-6" in mail.text
    assert len([link for link in mail.links if "/confirm/" in link]) == 2
    assert "Aino" not in mail.text, "nothing a visitor typed goes to an address that is not confirmed"


@pytest.mark.parametrize("code", ["fi", "sv", "en"])
def test_the_person_is_written_to_in_the_language_of_the_form(sqlite_house, code):
    say = language(code).say
    aino = Visitor(sqlite_house)
    fields = {"first_name": "Aino", "last_name": "Mäkelä", "email": aino.email, "consent": "yes"}
    assert aino.open_form(code).press(say("Subscribe"), **fields).status == 200
    sqlite_house.deliver()
    assert say("Go and confirm") in aino.newest().text
    assert sqlite_house.get(aino.link("confirm")).press(say("Confirm the subscription")).status == 200
    assert sqlite_house.person(aino.email).language == code


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"consent": ""}, "Tick the box if you want the newsletter."),
        ({"consent": "false"}, "Tick the box if you want the newsletter."),
        ({"first_name": ""}, "Write your first name."),
        ({"last_name": "  "}, "Write your last name."),
        ({"email": ""}, "Write your e-mail address."),
        ({"email": "aino@"}, "Write one e-mail address in the form name@example.com."),
        ({"email": "a@example.com, b@example.com"}, "Write one e-mail address in the form name@example.com."),
        ({"email": "a@example.com\r\nBcc: b@example.com"}, "Write one e-mail address in the form name@example.com."),
        ({"first_name": "A\x00"}, "Write the name in at most 100 ordinary characters."),
        ({"first_name": "A" * 101}, "Write the name in at most 100 ordinary characters."),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_lost_or_stored(house, changes, told):
    page = Visitor(house).subscribe(**changes)
    assert page.status == 400
    assert page.title.startswith(fi("Error:"))
    assert page.words.count(fi(told)) == 2, "in the summary and beside the field"
    kept = page.form(SUBSCRIBE).fields
    assert kept["last_name"] == changes.get("last_name", "Mäkelä")
    assert house.count() == 0


def test_a_form_without_its_token_or_with_an_old_one_is_shown_again(house):
    aino = Visitor(house)
    with time_machine.travel(services.now() - timedelta(hours=25), tick=True):
        form = aino.open_form()
    fields = {"first_name": "Aino", "last_name": "Mäkelä", "email": aino.email, "consent": "yes"}
    for page in (form.press(SUBSCRIBE, **fields), form.press(SUBSCRIBE, csrf_token="x", **fields)):
        assert page.status == 400
        assert page.form(SUBSCRIBE).fields["email"] == aino.email
        assert " checked" not in page.html, "nobody knows any more beside which words it was ticked"
        assert house.status(aino.email) is None
    assert page.press(SUBSCRIBE, consent="yes").status == 200
    assert house.status(aino.email) == "pending"


def test_who_mends_the_form_at_once_is_no_robot(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", form_min_s=2)
    aino = Visitor(house)
    with time_machine.travel(services.now(), tick=False) as clock:
        form = aino.open_form()
        clock.shift(30)
        fields = {"first_name": "Aino", "last_name": "Mäkelä", "email": aino.email}
        mended = form.press(SUBSCRIBE, **fields).press(SUBSCRIBE, consent="yes")
    assert mended.status == 200
    assert house.status(aino.email) == "pending"


@on_both_databases
def test_a_form_handed_back_for_its_age_may_come_at_once(open_house, database_url):
    house = open_house(database_url, form_min_s=2)
    aino = Visitor(house)
    with time_machine.travel(services.now() - timedelta(hours=25), tick=True):
        form = aino.open_form()
    fields = {"first_name": "Aino", "last_name": "Mäkelä", "email": aino.email}
    assert form.press(SUBSCRIBE, **fields).press(SUBSCRIBE, consent="yes").status == 200
    assert house.status(aino.email) == "pending"


@on_both_databases
def test_a_robot_gets_the_same_page_and_leaves_no_trace(open_house, database_url):
    house = open_house(database_url, form_min_s=2)
    before = house.everything()
    quick = Visitor(house).subscribe()
    with time_machine.travel(services.now(), tick=False) as clock:
        form = Visitor(house).open_form()
        clock.shift(3)
        trapped = form.press(
            SUBSCRIBE, first_name="A", last_name="B", email="a@example.com", consent="yes", website="https://spam"
        )
    assert quick.status == trapped.status == 200
    assert fi("Check your e-mail") in quick.title
    assert house.everything() == before


def test_a_second_ask_replaces_the_first_link(house):
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    first = aino.link("confirm")
    aino.subscribe(first_name="Aino-Liisa")
    house.deliver()
    assert house.get(first).status == 404
    assert aino.confirm().status == 200
    assert house.person(aino.email).first_name == "Aino-Liisa"


def test_a_stranger_never_changes_a_subscriber(house):
    aino = Visitor(house).becomes_active()
    before = house.person(aino.email)
    house_mails = len(aino.mails())
    stranger = Visitor(house, aino.email.upper().replace("EXAMPLE.COM", "Example.com"), "Väärä", "Nimi")
    stranger.subscribe()
    house.deliver()
    assert house.person(aino.email) == before
    assert len(aino.mails()) == house_mails + 1
    assert fi("Unsubscribe") in aino.newest().text
    assert "/confirm/" not in aino.newest().text


def test_spelling_and_idn_are_matched_but_the_persons_own_is_kept_for_sending(house):
    Visitor(house, "Aino.Mäkelä@example.com").subscribe()
    assert house.count() == 0, "letters outside ASCII before the @ need a mail server that takes them"
    Visitor(house, "Aino@Pääskynen.example.com").subscribe()
    Visitor(house, "aino@xn--pskynen-5waa.example.com").subscribe()
    person = house.person("aino@xn--pskynen-5waa.example.com")
    assert person.email == "Aino@xn--pskynen-5waa.example.com"
    assert len(house.asks(person.email_key)) == 2


def test_who_mistyped_the_address_gets_the_form_back_with_what_they_wrote(house):
    aino = Visitor(house, "aino@exmple.com")
    back = aino.subscribe().press(fi("The address was wrong"))
    assert (back.status, back.title.startswith(fi("Error:"))) == (200, False)
    kept = back.form(SUBSCRIBE).fields
    assert (kept["first_name"], kept["last_name"], kept["email"]) == ("Aino", "Mäkelä", aino.email)
    assert aino.email not in back.answer.url
    before = house.count()
    right = back.press(SUBSCRIBE, email="aino@example.com", consent="yes")
    assert right.status == 200
    assert (house.count(), house.status("aino@example.com")) == (before + 1, "pending")


def test_a_box_ticked_for_other_words_is_not_ticked_any_more(house):
    aino = Visitor(house)
    sent = aino.open_form("sv").press(
        language("sv").say("Subscribe"), first_name="A", last_name="B", email=aino.email, consent="yes"
    )
    form = sent.form(language("sv").say("The address was wrong"))
    same, other = (house.post(f"/subscribe/correct?lang={code}", form.fields) for code in ("sv", "fi"))
    assert [" checked" in page.html for page in (same, other)] == [True, False]
    assert house.post("/subscribe/correct", {"consent": "yes"}).status == 400


def test_sending_again_says_that_it_was_heard_and_says_it_to_everybody(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", limit_address="3/24 hours;6/30 days")
    with time_machine.travel(services.now(), tick=False):
        pages = []
        for aino in (Visitor(house), Visitor(house, "eero@example.com").becomes_active()):
            first = aino.subscribe()
            again = first.press(fi("Send again"))
            assert fi("We took your request again on %(at)s.", at=language("fi").moment(services.now())) in again.words
            pages.append(again.html.replace(aino.email, "…"))
        assert pages[0] == pages[1]


def test_somebody_whose_browser_filled_the_form_in_is_heard_when_they_send_it_again(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", form_min_s=2)
    with time_machine.travel(services.now(), tick=False) as clock:
        sent = Visitor(house).subscribe()
        assert house.status("aino@example.com") is None
        clock.shift(5)
        assert sent.press(fi("Send again")).status == 200
        house.deliver()
        assert Visitor(house).confirm().status == 200


def test_what_somebody_writes_is_not_taken_for_a_mark_of_the_page(sqlite_house):
    written = {"first_name": "fill-3c5a-email-here", "last_name": '<b>"&'}
    page = Visitor(sqlite_house).subscribe(**written)
    assert '<input type="hidden" name="first_name" value="fill-3c5a-email-here">' in page.html
    assert '<input type="hidden" name="last_name" value="&lt;b&gt;&#34;&amp;">' in page.html
    again = Visitor(sqlite_house, "eero@example.com", "Eero", "Niemi").subscribe()
    assert "fill-3c5a" not in again.html and "aino" not in again.html
