"""The last two acts on a person's own page: objecting for good, and having everything erased."""

import pytest
from sqlalchemy import update

from consent_service import service as services
from consent_service.models.newsletter import subscriber
from tests.actors import Staff, Visitor, fi
from tests.conftest import on_both_databases

NEVER, ERASE = fi("Never send me marketing again"), fi("Erase everything about me")
UNSUBSCRIBED = 2


@pytest.fixture
def aino(house):
    return Visitor(house).becomes_active()


def go(person, place):
    person.my_data()
    return person.house.get(person.link("my-data").replace("?", f"/{place}?"))


def test_an_objection_is_asked_on_a_page_of_its_own_and_holds_at_every_intake(house, aino):
    question = go(aino, "object")
    assert house.status(aino.email) == "active", "the question changes nothing"
    answers = [question.press(NEVER) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert fi("We will never send you marketing again") in answers[0].title
    assert house.kinds(aino.email).count("objected") == 1
    house.deliver()
    assert house.contacts.status_of(aino.email) == UNSUBSCRIBED
    mails = len(aino.mails())
    aino.subscribe()
    house.deliver()
    assert len(aino.mails()) == mails
    heidi = Staff(house)
    heidi.log_in()
    assert fi("This person has objected to marketing, so no message was sent.") in heidi.add(aino.email).words
    page = aino.my_data()
    assert fi("you have objected to our marketing, for good") in page.words
    assert not [link for link in page.links if "/object" in link]


def test_what_is_promised_to_who_objects_holds_also_when_somebody_asks_for_the_own_page(house, aino):
    question = go(aino, "object")
    promise = "We then never send a newsletter or other marketing to this address, whoever asks for it:"
    assert fi(promise) in question.words
    question.press(NEVER)
    mails = len(aino.mails())
    aino.my_data()
    assert len(aino.mails()) == mails + 1, "the right to see one's data is not given up with an objection"
    assert aino.newest().message["Subject"] == fi("Your link to the data we hold about you")


@on_both_databases
def test_an_erasure_is_asked_on_a_page_of_its_own_and_told_by_mail_when_it_is_done(house, aino):
    question = go(aino, "erase")
    assert house.status(aino.email) == "active"
    assert fi("An empty entry in the sealed log: a random number, a time and two checksums") in question.words
    assert fi("An objection to marketing, under a code instead of the address") not in question.words
    answers = [question.press(ERASE) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200], "who presses twice sees the same page"
    assert house.person(aino.email) is None
    house.deliver()
    house.deliver()  # the person is told after ActiveCampaign has answered
    assert aino.newest().message["Subject"] == fi("Your data has been erased")
    assert aino.email not in house.contacts.contacts
    assert house.get(aino.link("my-data")).status == 404
    assert house.get("/my-data?lang=fi").press(fi("Send me the link"), email=aino.email).status == 200


def test_an_erased_person_gets_no_other_act_and_no_new_link(house, aino):
    go(aino, "erase").press(ERASE)
    link = aino.link("my-data")
    for place in ("/name", "/address", "/stop", "/object", "/again", "/address/cancel"):
        assert house.post(link.replace("?", f"{place}?"), {"first_name": "A", "last_name": "B"}).status == 404
    for place in ("", "/name", "/address", "/download", "/evidence", "/object", "/erase"):
        assert house.get(link.replace("?", f"{place}?")).status == 404


def test_somebody_elses_link_erases_nobody_elses_data(house, aino):
    eero = Visitor(house, "eero@example.com").becomes_active()
    go(eero, "erase").press(ERASE)
    assert house.person(eero.email) is None
    assert house.status(aino.email) == "active"


def test_a_legal_hold_is_said_with_its_reason_and_nothing_is_erased(house, aino):
    with house.service.transaction() as connection:
        connection.execute(update(subscriber).values(hold_reason="reklamaatio 7", held_since=services.now()))
    question = go(aino, "erase")
    before = house.everything()
    page = question.press(ERASE)
    assert page.status == 409
    assert "reklamaatio 7" in page.words
    assert house.everything() == before


def test_who_objected_and_is_erased_is_told_that_the_objection_stays(house, aino):
    go(aino, "object").press(NEVER)
    assert fi("An objection to marketing, under a code instead of the address") in go(aino, "erase").words
