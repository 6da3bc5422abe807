"""Imported, taken back and imported again: what this service did itself at ActiveCampaign is nobody's leaving."""

from datetime import date, timedelta

import pytest
import time_machine

from consent_service import service as services
from consent_service.earlier_list import import_claims, import_rows, imports
from consent_service.earlier_list.import_claims import Claim
from consent_service.earlier_list.import_file import Line
from consent_service.earlier_list.imports import Batch
from consent_service.models.activecampaign import deleted_contact, stranger, taken_off
from consent_service.models.earlier_list import import_row
from consent_service.models.newsletter import erasure
from tests import crowd
from tests.asker import Desk
from tests.forwarding import Forwarding

SUBSCRIBED, UNSUBSCRIBED = 1, 2
AINO = "aino@again.example"


@pytest.fixture
def house(sqlite_house):
    sqlite_house.contacts.rate_limit = None
    return sqlite_house


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def forwarding(house, clock):
    relay = Forwarding(house, clock)
    yield relay
    relay.close()


def bring(house, *emails, source=imports.FILE, grade=import_claims.CUSTOMER):
    """Bring people over, from the account with their numbers there; the batch and what became of each."""
    batch = Batch(source, "Heidi", Claim(grade), "fi", house.service.controller, date(2026, 11, 24))
    known = house.contacts.contacts if source == imports.ACCOUNT else {}
    numbers = [{"contact_id": known[email].id} if known else {} for email in emails]
    lines = [Line(str(n), {"email": email} | numbers[n]) for n, email in enumerate(emails)]
    occasion = house.occasion("terminal", "terminal")
    with house.service.transaction() as connection:
        imports.begin(connection, occasion, batch)
        outcomes = imports.add(connection, occasion, batch, lines)
        imports.finish(connection, batch.id, occasion.now)
    return batch.id, [one.what for one in outcomes]


def undo(house, batch_id):
    occasion = house.occasion("terminal", "terminal")
    with house.service.transaction() as connection:
        imports.begin_undo(connection, occasion, batch_id)
        return [imports.undo(connection, occasion, one) for one in imports.members(connection, batch_id)]


def bring_and_undo(house, *emails):
    batch_id, _ = bring(house, *emails)
    house.deliver()
    assert set(undo(house, batch_id)) == {imports.UNDONE}


@pytest.mark.parametrize("number", [1, 21], ids=["alone", "in bulk"])
def test_who_was_taken_off_by_us_is_put_back_and_has_not_left(house, forwarding, number):
    emails = [f"p{n}@again.example" for n in range(number)]
    batch_id, _ = bring(house, *emails)
    forwarding.drain()
    assert set(undo(house, batch_id)) == {imports.UNDONE}
    forwarding.drain()
    assert {house.contacts.status_of(email) for email in emails} == {UNSUBSCRIBED}
    _, outcomes = bring(house, *emails)
    assert set(outcomes) == {imports.IMPORTED}
    forwarding.drain()
    assert {(house.status(one), house.contacts.status_of(one)) for one in emails} == {("active", SUBSCRIBED)}
    assert (house.kinds(emails[0]), house.count(taken_off)) == (["imported"], 0)
    house.contacts.set_status(emails[0], UNSUBSCRIBED)
    crowd.hear(house, [("0", emails[0])])
    forwarding.drain()
    assert house.status(emails[0]) == "passive", "what is theirs counts as before"


def test_who_left_there_after_we_took_them_off_is_not_put_back(house, clock):
    bring_and_undo(house, AINO)
    house.deliver()
    clock.shift(timedelta(hours=1))
    house.contacts.set_status(AINO, SUBSCRIBED)
    house.contacts.set_status(AINO, UNSUBSCRIBED)
    clock.shift(timedelta(hours=1))
    bring(house, AINO)
    house.deliver()
    assert (house.status(AINO), house.contacts.status_of(AINO)) == ("passive", UNSUBSCRIBED)


def test_who_had_left_there_before_the_undo_is_not_brought_again(house):
    batch_id, _ = bring(house, AINO)
    house.deliver()
    house.contacts.set_status(AINO, UNSUBSCRIBED)
    assert undo(house, batch_id) == [imports.UNDONE]
    house.deliver()
    assert bring(house, AINO)[1] == ["left_there"]
    assert (house.person(AINO), house.contacts.status_of(AINO)) == (None, UNSUBSCRIBED)


def test_a_row_waits_while_its_contact_is_being_taken_off(house):
    bring_and_undo(house, AINO)
    for grade in (import_claims.CUSTOMER, import_claims.UNKNOWN):
        assert bring(house, AINO, grade=grade)[1] == ["being_taken_off"]
    house.deliver()
    assert bring(house, AINO)[1] == [imports.IMPORTED]


def test_what_tells_our_doing_goes_with_the_person_and_with_time(house, clock):
    bring_and_undo(house, AINO, "eero@again.example")
    house.deliver()
    assert AINO not in str(house.rows(taken_off))
    bring(house, AINO)
    assert house.count(taken_off) == 2
    house.erase(AINO, tell=False)
    assert house.count(taken_off) == 1
    clock.shift(timedelta(days=61))
    house.do_chores()
    assert house.count(taken_off) == 0


@pytest.mark.parametrize("objects", [False, True])
def test_who_waits_and_is_erased_is_deleted_there_too(house, objects):
    number = wait_there(house, AINO)[1]
    with house.service.transaction() as connection:
        erased = imports.erase(connection, house.occasion("terminal", "terminal"), AINO, objects=objects)
    assert erased == imports.Forgotten(is_told=True)
    house.deliver()
    assert (AINO in house.contacts.contacts, house.count(import_row)) == (False, 0)
    [note], [known_again] = house.rows(erasure), house.rows(deleted_contact)
    assert (note.rule, note.there_answer) == ("import_row", "deleted")
    assert (known_again.subscriber_id, known_again.contact_id) == (note.subscriber_id, number)
    house.contacts.add(AINO, status=SUBSCRIBED)
    house.compare()
    house.deliver()
    assert AINO not in house.contacts.contacts, "somebody there made the contact again"


def test_the_answer_waits_until_the_contact_of_who_waits_is_deleted(house):
    wait_there(house, AINO)
    desk = Desk(house)
    desk.take("erase", email=AINO, name="Aino Mäkelä")
    assert "activecampaign" not in desk.tasks(), "an address that nobody proved is nobody's"
    desk.verify("mailbox")
    desk.carry_out()
    assert "activecampaign" in desk.open_tasks()
    house.deliver()
    for place in desk.open_tasks():
        if place != "activecampaign":
            desk.tick(place)
    assert desk.close("done").status == 200
    assert AINO not in house.contacts.contacts
    house.deliver()
    assert "ActiveCampaign" in house.mail.to(AINO)[-1].text


def test_who_was_asked_after_they_wanted_to_be_erased_is_erased(house):
    batch = wait_there(house, AINO)[0]
    desk = Desk(house)
    desk.take("erase", email=AINO, name="Aino Mäkelä")
    desk.verify("mailbox")
    invite(house, batch)
    assert house.status(AINO) == "pending"
    desk.carry_out()
    house.deliver()
    assert house.person(AINO) is None and AINO not in house.contacts.contacts


def test_who_was_asked_and_has_themselves_erased_is_deleted_there_too(house):
    batch = wait_there(house, AINO)[0]
    invite(house, batch)
    house.erase(AINO)
    with time_machine.travel(services.now() + timedelta(hours=1), tick=False):
        house.deliver()
    assert AINO not in house.contacts.contacts


def test_who_waits_and_wants_to_be_asked_no_more_is_taken_off_the_list_there(house):
    wait_there(house, AINO)
    with house.service.transaction() as connection:
        forgotten = imports.forget(connection, house.occasion(), AINO, objects=True)
    assert forgotten == imports.Forgotten(is_told=True)
    house.deliver()
    assert (house.contacts.status_of(AINO), house.count(import_row)) == (UNSUBSCRIBED, 0)
    house.compare()
    assert house.count(stranger) == 0


def wait_there(house, email):
    """Somebody on the list there, of whom nobody can prove that they agreed; their batch and their number there."""
    number = house.contacts.add(email, status=SUBSCRIBED).id
    batch, outcomes = bring(house, email, source=imports.ACCOUNT, grade=import_claims.UNKNOWN)
    assert outcomes == [imports.WAITING]
    return batch, number


def invite(house, batch):
    """Let all of a batch be asked to confirm."""
    with house.service.transaction() as connection:
        import_rows.invite(connection, batch, services.now())
    house.do_chores()
    house.deliver()
