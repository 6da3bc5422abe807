"""A person's own page: an address typed, a link mailed, everything read, the name set right, the newsletter stopped."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select, update

from consent_service import service as services
from consent_service.language import language
from consent_service.models.limits import allowance
from consent_service.models.newsletter import subscriber
from tests.actors import Scanner, Staff, Visitor, fi
from tests.conftest import on_both_databases

SEND, SAVE, STOP = fi("Send me the link"), fi("Save the name"), fi("Stop the newsletter")
STATES = ("new", "pending", "active", "passive", "declined")
SUBSCRIBED, UNSUBSCRIBED = 1, 2


@pytest.fixture
def aino(house):
    return Visitor(house).becomes_active()


def ask_for_link(house, email, **fields):
    return house.get("/my-data?lang=fi").press(SEND, email=email, **fields)


def somebody_of_every_state(house):
    people = {state: Visitor(house, f"{state}@example.com") for state in STATES}
    for state, person in people.items():
        if state != "new":
            person.subscribe()
            house.deliver()
        if state in ("active", "passive"):
            person.confirm()
        if state == "declined":
            person.decline()
    house.deliver()
    people["passive"].leave()
    house.deliver()
    return people


# The link


def test_whoever_is_known_gets_the_link_and_the_page_is_the_same_for_everybody(house):
    people = somebody_of_every_state(house)
    before = {state: len(person.mails()) for state, person in people.items()}
    form, pages = house.get("/my-data?lang=fi"), {}
    for state, person in people.items():
        page = form.press(SEND, email=person.email)
        pages[state] = (page.status, page.html.replace(person.email, "…"), sorted(page.answer.headers))
    assert all(page == pages["new"] for page in pages.values())
    assert pages["new"][0] == 200
    assert len(house.mail.mails) == sum(before.values()), "no mail leaves while the visitor waits"
    with house.service.reading() as connection:
        keys = connection.execute(select(allowance.c.key)).scalars().all()
    assert len([key for key in keys if key.startswith("data:")]) == len(STATES), "every state writes the same row"
    house.deliver()
    got = {state: len(person.mails()) - before[state] for state, person in people.items()}
    assert got == {"new": 0, "pending": 1, "active": 1, "passive": 1, "declined": 0}, (
        "who refused was promised a year without messages"
    )
    for state in STATES[1:4]:
        assert house.get(people[state].link("my-data")).status == 200


def test_an_address_is_written_to_once_in_five_minutes(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", limit_address="3/24 hours;6/30 days")
    aino = Visitor(house).becomes_active()
    before = len(aino.mails())
    assert {ask_for_link(house, email).status for email in (aino.email, "AINO@example.com", aino.email)} == {200}
    house.deliver()
    assert len(aino.mails()) == before + 1


def test_a_network_may_ask_so_often_and_no_oftener(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", limit_ip="2/10 minutes")
    answers = [ask_for_link(house, f"p{number}@example.com") for number in range(3)]
    assert [page.status for page in answers] == [200, 200, 429]
    assert int(answers[-1].answer.headers["Retry-After"]) > 0


def test_a_bad_address_is_said_beside_the_field_and_a_robot_gets_the_usual_page(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", form_min_s=2)
    page = ask_for_link(house, "aino@")
    assert page.status == 400
    assert 'value="aino@"' in page.html
    eero = Visitor(house, "eero@example.com")
    assert ask_for_link(house, eero.email).status == 200
    with house.service.reading() as connection:
        assert connection.execute(select(allowance)).all() == []
    assert house.post("/my-data", {"email": eero.email, "csrf_token": "made up"}).status == 400


def test_the_mail_names_nobody_and_goes_to_the_address_that_is_held(house):
    pending = Visitor(house, "Eero@example.com", "Eero", "Niemi")
    pending.subscribe()
    house.deliver()
    ask_for_link(house, "eero@EXAMPLE.com")
    house.deliver()
    mail = pending.newest()
    assert "Niemi" not in mail.text
    assert "Niemi" not in mail.html
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert mail.message["List-Unsubscribe"] is None
    assert mail.message["Subject"] == fi("Your link to the data we hold about you")


def test_the_link_works_for_an_hour_then_one_press_mails_a_new_one(house, aino):
    with time_machine.travel(services.now(), tick=False) as clock:
        assert aino.my_data().status == 200
        link = aino.link("my-data")
        clock.shift(timedelta(minutes=59))
        assert house.get(link).status == 200
        clock.shift(timedelta(minutes=2))
        before = house.everything()
        for place in ("", "/name", "/address"):
            page = house.get(link.replace("?", f"{place}?"))
            assert page.status == 410
            assert fi("The link has expired") in page.title
            assert "Mäkelä" not in page.html
        for place in ("/name", "/address", "/address/cancel", "/stop"):
            assert house.post(link.replace("?", f"{place}?"), {"first_name": "X", "last_name": "Y"}).status == 410
        assert house.everything() == before
        assert page.press(fi("Send me a new link")).status == 200
        house.deliver()
        assert aino.link("my-data") != link
        assert house.get(aino.link("my-data")).status == 200


def test_a_forged_link_opens_the_one_page_for_dead_links(house, aino):
    aino.my_data()
    place, _, query = aino.link("my-data").rpartition("/my-data/")[2].partition("?")
    for forged in (place[:-2], "x" + place, place.swapcase(), "nonsense"):
        for tail in ("", "/name", "/address"):
            page = house.get(f"/my-data/{forged}{tail}?{query}")
            assert (page.status, page.title) == (404, house.get("/confirm/nonsense?lang=fi").title), forged
        assert house.post(f"/my-data/{forged}/stop?{query}").status == 404, forged
        assert house.status(aino.email) == "active"


def test_a_link_of_another_kind_or_to_an_earlier_address_is_dead(house, aino):
    aino.my_data()
    unsubscribe = aino.link("unsubscribe").rpartition("/")[2]
    assert house.get(f"/my-data/{unsubscribe}").status == 404
    link = aino.link("my-data")
    with house.service.transaction() as connection:
        connection.execute(update(subscriber).values(email="uusi@example.com", email_key="uusi@example.com"))
    assert house.get(link).status == 404
    assert house.post(link.replace("?", "/stop?")).status == 404
    assert house.post(link.replace("?", "/again?")).status == 404


def test_one_persons_link_opens_and_changes_nobody_elses_page(house, aino):
    eero = Visitor(house, "eero@example.com", "Eero", "Niemi").becomes_active()
    page = eero.my_data()
    assert "Niemi" in page.html
    assert "Mäkelä" not in page.html
    house.get(eero.link("my-data").replace("?", "/name?")).press(SAVE, first_name="Eetu")
    page.press(STOP)
    assert (house.person(aino.email).first_name, house.status(aino.email)) == ("Aino", "active")
    assert (house.person(eero.email).first_name, house.status(eero.email)) == ("Eetu", "passive")


# What is read


def test_everything_is_told_in_plain_words(house, aino):
    page = aino.my_data()
    consent = house.service.consent_text(language("fi"))
    for told in (
        consent.sentence,
        consent.privacy,
        "Aino Mäkelä",
        aino.email,
        fi("You confirmed your subscription from the link in the e-mail"),
        fi("You subscribed with the form on our web site"),
        fi("Why we hold it"),
        fi("Who gets it"),
        fi("How long it is kept"),
        "tietosuoja.fi",
        house.person(aino.email).contact_id,
        "127.0.0.0/24",
    ):
        assert told in page.words, told
    assert aino.newest().links
    assert page.answer.headers["Cache-Control"] == "no-store"
    assert page.answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in page.answer.headers
    assert "<script" not in page.html


def test_nobody_is_told_of_a_newsletter_they_do_not_get(house):
    people, sends = somebody_of_every_state(house), "Lähetämme sinulle uutiskirjettä"
    told = {state: sends in people[state].my_data().words for state in ("pending", "active", "passive")}
    assert told == {"pending": False, "active": True, "passive": False}


@pytest.mark.parametrize(("code", "place"), [("fi", ""), ("sv", "/sv"), ("en", "/en")])
def test_the_ombudsmans_page_is_in_the_language_of_the_reader(house, aino, code, place):
    aino.my_data()
    page = house.get(aino.link("my-data").replace("lang=fi", f"lang={code}"))
    assert f"https://tietosuoja.fi{place}" in page.links


def test_staff_who_added_a_suppression_and_a_hold_are_told(house):
    heidi, eero = Staff(house), Visitor(house, "eero@example.com")
    heidi.log_in()
    heidi.add(eero.email)
    house.deliver()
    eero.my_data()
    eero.decline()
    with house.service.transaction() as connection:
        connection.execute(update(subscriber).values(hold_reason="reklamaatio 7", held_since=services.now()))
    page = house.get(eero.link("my-data"))
    assert "Heidi" in page.words
    assert "valmennuspäivä Jyväskylässä" in page.words
    assert fi("You answered: I did not ask, do not write to me") in page.words
    assert fi("No messages") in page.words
    assert "reklamaatio 7" in page.words


def test_looking_changes_nothing_however_it_is_done(house, aino):
    aino.my_data()
    before = house.everything()
    Scanner(house).open_everything(aino.mails())
    for tail in ("/name", "/address", "/stop", "/address/cancel", "/again"):
        for method in ("GET", "HEAD", "OPTIONS"):
            house.http.request(method, aino.link("my-data").replace("?", f"{tail}?"), timeout=20)
    assert house.everything() == before


# The name


def test_a_name_is_set_right_here_and_at_activecampaign(house, aino):
    page = aino.my_data()
    house.get(aino.link("my-data").replace("?", "/name?")).press(SAVE, first_name="Aino-Liisa", last_name="Mäki")
    house.deliver()
    person, there = house.person(aino.email), house.contacts.contacts[aino.email]
    assert (person.first_name, person.last_name) == ("Aino-Liisa", "Mäki")
    assert (there.first_name, there.last_name) == ("Aino-Liisa", "Mäki")
    told = house.story(aino.email)[-1].core
    assert (told["kind"], told["first_name"], told["door"]) == ("corrected", "Aino-Liisa", "my-data")
    assert page.status == 200


def test_the_same_name_again_is_no_event_and_a_wrong_one_no_change(house, aino):
    aino.my_data()
    form = house.get(aino.link("my-data").replace("?", "/name?"))
    assert {form.press(SAVE, first_name="Anni").status for _ in range(2)} == {200}
    assert house.kinds(aino.email).count("corrected") == 1
    for wrong in ("", "  ", "x" * 101, "a\x07b"):
        page = form.press(SAVE, first_name=wrong)
        assert page.status == 400
        assert fi("Error:") in page.title
    assert house.person(aino.email).first_name == "Anni"


@on_both_databases
def test_a_name_corrected_before_confirming_is_the_one_that_is_confirmed(house):
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    aino.my_data()
    house.get(aino.link("my-data").replace("?", "/name?")).press(SAVE, first_name="Anni")
    house.deliver()
    aino.confirm()
    house.deliver()
    assert house.person(aino.email).first_name == "Anni"
    assert house.contacts.contacts[aino.email].first_name == "Anni"


def test_five_names_a_day_are_enough_and_one_update_tells_activecampaign_of_them_all(house, aino):
    aino.my_data()
    form = house.get(aino.link("my-data").replace("?", "/name?"))
    before, names = len(house.messages()), [f"Aino {letter}" for letter in "ABCDEFG"]
    pages = [form.press(SAVE, first_name=name) for name in names]
    assert [page.status for page in pages] == [200] * 5 + [429] * 2
    assert "Aino G" in pages[-1].html, "what was written is not lost"
    assert int(pages[-1].answer.headers["Retry-After"]) > 0
    assert house.kinds(aino.email).count("corrected") == 5
    assert len(house.messages()) == before + 1
    house.deliver()
    assert house.person(aino.email).first_name == house.contacts.contacts[aino.email].first_name == "Aino E"


def test_a_network_may_read_and_correct_so_often_and_no_oftener(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", limit_ip="2/10 minutes")
    aino = Visitor(house).becomes_active()
    aino.my_data()
    link = aino.link("my-data")
    tries = [house.get(link.replace("?", f"{place}?")).status for place in ("/evidence", "/download") * 2]
    assert tries == [200, 200, 429, 429]
    form = house.get(link.replace("?", "/name?"))
    assert [form.press(SAVE, first_name=name).status for name in ("A", "B")] == [200, 429]


# Stopping


def test_stopping_is_leaving_and_may_be_repeated(house, aino):
    page = aino.my_data()
    answers = [page.press(STOP) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert fi("You have unsubscribed") in answers[0].title
    assert house.kinds(aino.email).count("withdrawn") == 1
    assert house.story(aino.email)[-1].core["door"] == "my-data"
    house.deliver()
    assert house.contacts.status_of(aino.email) == UNSUBSCRIBED
    assert STOP not in [button for form in aino.my_data().forms for button in form.buttons]


def test_nobody_is_told_that_activecampaign_has_nothing_while_its_answer_is_lost(house):
    aino = Visitor(house, "lost@example.com")
    aino.subscribe()
    house.deliver()
    house.contacts.fault("cut", "sync", "after")
    aino.confirm()
    house.deliver()
    assert house.person(aino.email).contact_id is None and aino.email in house.contacts.contacts
    words = aino.my_data().words
    assert fi("ActiveCampaign has nothing about you from us.") not in words
    assert fi("Your data is on its way to ActiveCampaign, or there already: it has not told us yet.") in words
