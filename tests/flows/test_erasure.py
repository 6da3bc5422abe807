"""Erasing a person: what is gone, what stays, who is told and when; test_erasure_there.py tells of ActiveCampaign."""

import json
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import func, select, update

from consent_service import chores
from consent_service import erasure as erasing
from consent_service import service as services
from consent_service.activecampaign import departures
from consent_service.delivery.owner_letters import ANCHOR, DIGEST
from consent_service.language import language
from consent_service.models.delivery import outbox_message
from consent_service.models.ledger import consent_event, erased_leaf, subject_key
from consent_service.models.newsletter import confirmation, departure, erasure, subscriber, suppression
from tests.actors import Visitor
from tests.conftest import on_both_databases
from tests.household import NO_ACTIVECAMPAIGN

fi = language("fi").say
ERASED = fi("Your data has been erased")


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


def erase_by_id(house, subscriber_id):
    with house.service.transaction() as connection:
        return erasing.erase(connection, house.occasion(), subscriber_id, "person", tell=False)


def found(house, folder, *words):
    """The files and tables in which any of the words can be found, as bytes and in every row."""
    places = [path.name for path in sorted(folder.rglob("*")) if path.is_file() and holds(path.read_bytes(), words)]
    tables = [name for name, rows in house.everything().items() if holds(repr(rows).encode(), words)]
    return places + tables


def holds(content, words):
    lowered = content.lower()
    return any(word.encode() in lowered for word in words)


def finish(house):
    """Let ActiveCampaign hear of it, then the person, then nobody any more."""
    house.deliver()
    house.deliver()
    house.do_chores()


def subjects(person):
    return [str(mail.message["Subject"]) for mail in person.mails()]


# What is gone, and what stays


def messages_about_people(house):
    return [row for row in house.rows(outbox_message) if row.kind not in (ANCHOR, DIGEST)]


@on_both_databases
def test_only_the_empty_leaves_and_a_note_stay(house):
    aino = Visitor(house).becomes_active()
    person, before = house.person(aino.email), {row.id: row for row in house.rows(consent_event)}
    assert house.erase(aino.email) is None
    finish(house)
    for table in (subscriber, subject_key, confirmation, departure, erased_leaf):
        assert house.rows(table) == [], table.name
    assert messages_about_people(house) == []
    [note] = house.rows(erasure)
    assert (note.subscriber_id, note.rule, note.address_hash) == (person.id, "person", None)
    after = {row.id: row for row in house.rows(consent_event)}
    for event_id, row in before.items():
        left = after.pop(event_id)
        assert (left.leaf, left.leaf_hash, left.recorded_at) == (row.leaf, row.leaf_hash, row.recorded_at)
        assert (left.core_sealed, left.tech_sealed, left.subscriber_id) == (None, None, None)
    [batch] = after.values()
    said = json.loads(batch.core_plain)["payload"]
    assert said["kind"] == "erased"
    assert said["leaves"] == [{"id": event_id, "rule": "person"} for event_id in sorted(before)]
    assert batch.subscriber_id is None
    assert person.id not in batch.core_plain.decode()


def test_erasing_twice_or_nobody_changes_nothing(sqlite_house):
    aino = Visitor(sqlite_house).becomes_active()
    person = sqlite_house.person(aino.email)
    sqlite_house.erase(aino.email)
    before = sqlite_house.everything()
    assert erase_by_id(sqlite_house, person.id) is None
    assert sqlite_house.everything() == before


def test_the_links_of_an_erased_person_show_the_pages_of_a_stranger(sqlite_house):
    aino = Visitor(sqlite_house).becomes_active()
    confirm, leave = aino.link("confirm"), aino.link("unsubscribe")
    sqlite_house.erase(aino.email)
    assert sqlite_house.get(confirm).status == 404
    assert aino.leave().status == 200
    assert sqlite_house.get(leave).status == 200
    assert sqlite_house.rows(subscriber) == []


def test_nothing_that_was_going_to_be_mailed_is_mailed(sqlite_house):
    aino = Visitor(sqlite_house)
    aino.subscribe()
    sqlite_house.erase(aino.email, tell=False)
    sqlite_house.deliver()
    assert aino.mails() == []
    assert sqlite_house.contacts.calls == [], "nobody there has ever heard of them"


# Nowhere to be found


def test_address_and_names_are_found_nowhere(house, tmp_path, capfd, clock):
    others = [Visitor(house, f"other{number}@example.com", "Muu", "Ihminen") for number in range(5)]
    gone = Visitor(house, "kanarialintu@example.com", "Kanariainen", "Lintukoto")
    for person in (*others[:3], gone, *others[3:]):
        person.becomes_active()
    gone.leave()
    clock.shift(timedelta(hours=1))
    gone.becomes_active()
    gone.write(message="Terveisin kanariainen")
    assert found(house, tmp_path, "kanaria"), "the search itself works"
    house.erase(gone.email)
    finish(house)
    assert ERASED in subjects(gone)
    assert found(house, tmp_path, "kanaria", "lintukoto") == []
    assert "kanaria" not in "".join(capfd.readouterr()).lower()
    assert gone.email not in house.contacts.contacts
    assert [house.status(person.email) for person in others] == ["active"] * 5


# Who is told, and when


def test_the_person_is_told_after_activecampaign_and_in_their_language(sqlite_house):
    house, aino = sqlite_house, Visitor(sqlite_house).becomes_active()
    house.contacts.stop()
    house.erase(aino.email)
    house.deliver()
    assert ERASED not in subjects(aino)
    house.contacts.start()
    with time_machine.travel(services.now() + timedelta(hours=1), tick=False):
        house.deliver()
        house.deliver()
    assert subjects(aino).count(ERASED) == 1
    said = " ".join(aino.newest().text.split())
    assert fi("for good") in said and fi("five years") in said, "the empty leaf, and who looked"
    assert fi("Copies in backups end within %(days)s days.", days=house.service.controller.backups_kept_days) in said
    assert "ActiveCampaign on poistanut" in said
    assert "30 päivän" in said
    [note] = house.rows(erasure)
    assert (note.there_answer, note.there_at is not None) == ("deleted", True)


def test_who_objected_is_told_that_this_stays(sqlite_house):
    house, aino = sqlite_house, Visitor(sqlite_house).becomes_active()
    house.object(aino.email)
    house.erase(aino.email)
    finish(house)
    assert fi("An objection to marketing, under a code instead of the address") in " ".join(aino.newest().text.split())
    [note] = house.rows(erasure)
    assert note.address_hash == house.service.vault.address_hash(aino.key)
    [entry] = house.rows(suppression)
    assert (entry.address_hash, entry.until) == (note.address_hash, None)


def test_without_activecampaign_the_person_is_told_at_once(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/consent.db", **NO_ACTIVECAMPAIGN)
    aino = Visitor(house).becomes_active()
    house.erase(aino.email)
    finish(house)
    assert subjects(aino)[-1] == ERASED
    assert "ActiveCampaign on poistanut" not in aino.newest().text
    assert house.rows(departure) == messages_about_people(house) == []


def test_who_is_known_there_is_told_at_once_while_activecampaign_is_disconnected_and_deleted_later(
    open_house, tmp_path
):
    url = f"sqlite:///{tmp_path}/consent.db"
    aino = Visitor(open_house(url)).becomes_active()
    apart = open_house(url, **NO_ACTIVECAMPAIGN)
    apart.erase(aino.email)
    finish(apart)
    assert "heti, kun saamme siihen yhteyden" in " ".join(aino.newest().text.split())
    assert [row.email for row in apart.rows(departure)] == [aino.email], "only for the deletion that waits"
    together = open_house(url)
    finish(together)
    assert together.contacts.contacts == {}
    assert together.rows(departure) == []
    assert subjects(aino).count(ERASED) == 1


def test_a_letter_that_no_server_takes_is_given_up_after_a_month(sqlite_house, clock):
    house, aino = sqlite_house, Visitor(sqlite_house).becomes_active()
    house.erase(aino.email)
    house.mail.answer_next("rcpt", 550, "No such mailbox", times=9)
    finish(house)
    assert len(house.rows(departure)) == 1, "staff may still do something about it"
    clock.shift(timedelta(days=31))
    house.do_chores()
    assert house.rows(departure) == messages_about_people(house) == []


@on_both_databases
def test_all_are_looked_at_however_many_wait(house):
    with house.service.transaction() as connection:
        for number in range(2 * chores.SLICE + 1):
            departures.delete_by_address(connection, "erased", f"p{number}@example.com", services.now())
        last = connection.execute(select(func.max(departure.c.id))).scalar_one()
        over = update(outbox_message).where(outbox_message.c.departure_id == last)
        connection.execute(over.values(done_at=services.now()))
    house.do_chores()
    assert last not in [row.id for row in house.rows(departure)]
    assert house.count(departure) == 2 * chores.SLICE
