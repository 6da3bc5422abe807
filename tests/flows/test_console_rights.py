"""Staff keep a person for a legal claim, lift that, and erase: a page of its own each, that asks first."""

from unicodedata import normalize

import pytest

from consent_service.language import language
from consent_service.models.newsletter import erasure, subscriber
from tests.actors import Staff, Visitor

fi = language("fi").say
KEEP, LIFT, ERASE = fi("Keep the data"), fi("Lift the hold"), fi("Erase for good")


@pytest.fixture
def heidi(sqlite_house):
    heidi = Staff(sqlite_house)
    heidi.log_in()
    return heidi


@pytest.fixture
def aino(sqlite_house):
    return Visitor(sqlite_house).becomes_active()


def page(heidi, person, act=""):
    return heidi.house.get(f"/staff/subscribers/{heidi.house.person(person.email).id}{act}?lang=fi", heidi.http)


def hold(heidi, person, reason="vaade laskusta 42"):
    return page(heidi, person, "/hold").press(KEEP, reason=reason)


def test_a_hold_is_set_with_a_reason_shown_and_lifted(sqlite_house, heidi, aino):
    shown = hold(heidi, aino)
    assert "vaade laskusta 42" in shown.words
    person = sqlite_house.person(aino.email)
    assert (person.hold_reason, person.held_since is not None) == ("vaade laskusta 42", True)
    assert fi("A legal hold began: %(reason)s", reason="vaade laskusta 42") in shown.words
    shown = page(heidi, aino, "/release").press(LIFT)
    assert fi("The hold has been lifted.") in shown.words
    assert sqlite_house.person(aino.email).hold_reason is None
    assert sqlite_house.kinds(aino.email)[-2:] == ["held", "released"]
    assert sqlite_house.story(aino.email)[-1].core["actor"].startswith("staff:")


def test_a_hold_needs_a_reason(sqlite_house, heidi, aino):
    for reason in ("", "   ", "x" * 101, "two\nlines"):
        answer = hold(heidi, aino, reason)
        assert answer.status == 400
        assert fi("Say why, in at most 100 characters.") in answer.words
    assert sqlite_house.person(aino.email).hold_reason is None


def test_setting_or_lifting_twice_changes_nothing(sqlite_house, heidi, aino):
    first, again = (page(heidi, aino, "/hold") for _ in range(2))
    first.press(KEEP, reason="first")
    again.press(KEEP, reason="second")
    assert sqlite_house.person(aino.email).hold_reason == "first"
    first, again = (page(heidi, aino, "/release") for _ in range(2))
    first.press(LIFT)
    again.press(LIFT)
    assert sqlite_house.kinds(aino.email).count("held") == sqlite_house.kinds(aino.email).count("released") == 1


def test_staff_erase_a_person_who_asked_and_the_person_is_told(sqlite_house, heidi, aino):
    asks = page(heidi, aino, "/erase")
    assert "Aino Mäkelä" in asks.words
    assert aino.email in asks.words
    shown = asks.press(ERASE, why="person", last_name=normalize("NFD", " mäkelä "))
    assert fi("Erase for good") not in shown.words
    assert sqlite_house.rows(subscriber) == []
    sqlite_house.deliver()
    sqlite_house.deliver()
    assert str(aino.newest().message["Subject"]) == fi("Your data has been erased")
    assert sqlite_house.contacts.contacts == {}
    assert [note.rule for note in sqlite_house.rows(erasure)] == ["person"]


def test_who_was_added_by_mistake_is_erased_in_silence(sqlite_house, heidi):
    eero = Visitor(sqlite_house, "eero@example.com")
    eero.subscribe()
    page(heidi, eero, "/erase").press(ERASE, why="mistake", last_name="Mäkelä")
    sqlite_house.deliver()
    assert eero.mails() == []
    assert [note.rule for note in sqlite_house.rows(erasure)] == ["mistake"]


@pytest.mark.parametrize(("why", "last_name"), [("", "Mäkelä"), ("person", "Niemi"), ("person", ""), ("fun", "Mäkelä")])
def test_nobody_is_erased_without_a_reason_and_the_right_name(sqlite_house, heidi, aino, why, last_name):
    asked, before = page(heidi, aino, "/erase"), sqlite_house.everything()
    assert asked.press(ERASE, why=why, last_name=last_name).status == 400
    assert sqlite_house.everything() == before


def test_who_is_held_is_not_erased_and_the_page_says_why_and_until_when(sqlite_house, heidi, aino):
    open_before = page(heidi, aino, "/erase")
    hold(heidi, aino)
    answer = open_before.press(ERASE, why="person", last_name="Mäkelä")
    assert answer.status == 409
    assert "vaade laskusta 42" in answer.words
    assert fi("Lift the hold") in answer.words
    assert ERASE not in page(heidi, aino, "/erase").words
    assert sqlite_house.status(aino.email) == "active"


def test_who_objected_cannot_be_added_and_staff_see_why(sqlite_house, heidi, aino):
    sqlite_house.object(aino.email)
    sqlite_house.erase(aino.email)
    answer = heidi.add(aino.email)
    assert answer.status == 409
    assert fi("This person has objected to marketing, so no message was sent.") in answer.words
    assert sqlite_house.rows(subscriber) == []


def test_an_objection_is_for_good_and_stops_everything_at_once(sqlite_house, heidi, aino):
    sqlite_house.object(aino.email)
    sqlite_house.object(aino.email)
    assert sqlite_house.kinds(aino.email)[-1] == "objected"
    assert sqlite_house.kinds(aino.email).count("objected") == 1
    assert sqlite_house.status(aino.email) == "passive"
    sqlite_house.deliver()
    assert sqlite_house.contacts.status_of(aino.email) == 2
    before = len(aino.mails())
    aino.subscribe()
    sqlite_house.deliver()
    assert len(aino.mails()) == before, "not even the form leads to a mail"
    assert fi("Objected to marketing, for good") in page(heidi, aino).words


def test_an_open_ask_dies_with_the_objection(sqlite_house):
    eero = Visitor(sqlite_house, "eero@example.com")
    eero.subscribe()
    sqlite_house.deliver()
    sqlite_house.object(eero.email)
    assert sqlite_house.get(eero.link("confirm")).status == 404
    assert sqlite_house.status(eero.email) == "pending"


def test_the_queue_names_whom_a_deletion_is_about(sqlite_house, heidi, aino):
    sqlite_house.contacts.stop()
    sqlite_house.erase(aino.email)
    shown = sqlite_house.get("/staff/queue?lang=fi", heidi.http).words
    assert fi("Deletion at ActiveCampaign") in shown
    assert aino.email in shown
