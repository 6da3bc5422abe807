"""Both sides are compared: what was not heard of is noticed, what the rules allow is put right, the rest is shown."""

from datetime import timedelta

import pytest
import time_machine

from consent_service import chores
from consent_service import service as services
from consent_service.comparison import drift, runs
from consent_service.comparison.reconcile import Unreachable
from consent_service.delivery import outbox
from consent_service.earlier_list import import_rows
from consent_service.models.activecampaign import stranger
from consent_service.models.comparison import drift as drifts
from consent_service.models.comparison import reconcile_run
from consent_service.models.delivery import outbox_message
from consent_service.models.earlier_list import import_batch
from tests import crowd
from tests.actors import Visitor
from tests.conftest import on_both_databases
from tests.tampering import findings

SUBSCRIBED, UNSUBSCRIBED, BOUNCED = 1, 2, 3


@pytest.fixture
def aino(house):
    return Visitor(house).becomes_active()


@pytest.fixture
def open_list(house):
    """Let another list be set, which exists there."""

    def other(number):
        house.contacts.list_names[number] = "Another"
        object.__setattr__(
            house.service, "settings", house.settings.model_copy(update={"activecampaign_list_id": number})
        )

    return other


def compared_before(house):
    """A first run, after which strangers are no longer only reported."""
    assert house.compare().found == {}


def sent(house):
    return [row.kind for row in house.messages() if row.lane == outbox.ACTIVECAMPAIGN and row.done_at is None]


def test_nothing_is_found_where_both_agree_and_few_calls_are_made(house, aino):
    before = len(house.contacts.calls)
    assert house.compare() == drift.Summary({}, {})
    asked = [call.path for call in house.contacts.calls[before:]]
    assert len(asked) == 4, "the list, a page, a look whether the filter filters, and the end"
    [run] = house.rows(reconcile_run)
    assert (run.phase, run.contacts, run.calls, run.is_open) == ("done", 1, 4, None)


@pytest.mark.parametrize(
    ("status", "kind", "event"), [(UNSUBSCRIBED, "left-there", "withdrawn"), (BOUNCED, "bounced-there", "bounced")]
)
def test_who_left_there_unheard_leaves_here(house, aino, status, kind, event):
    house.contacts.set_status(aino.email, status)
    assert house.compare() == drift.Summary({kind: 1}, {kind: 1})
    assert house.status(aino.email) == "passive"
    assert house.story(aino.email)[-1].core["kind"] == event
    assert sent(house) == [], "nothing is sent back"
    house.service.seal()
    assert findings(house) == []


def test_a_dry_run_says_the_same_and_changes_nobody(house, aino):
    house.contacts.set_status(aino.email, UNSUBSCRIBED)
    house.contacts.add("eero@example.com", status=SUBSCRIBED)
    compared_before_calls = house.compare(applies=False)
    assert compared_before_calls == drift.Summary({"left-there": 1, "stranger": 1}, {"left-there": 0, "stranger": 0})
    assert house.status(aino.email) == "active"
    assert sent(house) == []
    assert house.rows(stranger) == [], "nobody's address is kept"


def test_who_is_gone_from_the_list_leaves_here(house, aino):
    house.contacts.remove(aino.email)
    assert house.compare() == drift.Summary({"missing-there": 1}, {"missing-there": 1})
    assert house.status(aino.email) == "passive"
    assert house.story(aino.email)[-1].core["kind"] == "removed"
    house.deliver()
    assert aino.email not in house.contacts.contacts
    house.service.seal()
    assert findings(house) == []


def test_who_is_gone_is_not_made_anew_by_a_correction_of_the_name(house, aino):
    aino.my_data()
    house.contacts.remove(aino.email)
    house.post(aino.link("my-data").replace("?", "/name?"), {"first_name": "Aino", "last_name": "Niemi"})
    house.deliver()
    assert aino.email not in house.contacts.contacts


@on_both_databases
def test_who_is_gone_leaves_here_also_while_a_hint_about_them_waits(house, aino):
    crowd.hear(house, [(house.person(aino.email).contact_id, aino.email)])
    house.contacts.remove(aino.email)
    assert house.compare().repaired == {"missing-there": 1}
    house.deliver()
    assert house.status(aino.email) == "passive"


def test_many_gone_at_once_are_a_slip_until_somebody_looked(sqlite_house):
    house = sqlite_house
    people = [Visitor(house, f"person{number}@example.com").becomes_active() for number in range(22)]
    for person in people:
        house.contacts.remove(person.email)
    assert house.compare(by_hand=False) == drift.Summary({"missing-there": 22}, {"missing-there": 0})
    assert {house.status(person.email) for person in people} == {"active"}
    assert house.compare().repaired == {"missing-there": 22}
    assert {house.status(person.email) for person in people} == {"passive"}


def test_who_left_here_is_taken_off_there(house, aino):
    aino.leave()
    house.deliver()
    house.contacts.set_status(aino.email, SUBSCRIBED)
    assert house.compare().repaired == {"left-here": 1}
    house.deliver()
    assert house.contacts.status_of(aino.email) == UNSUBSCRIBED
    assert house.status(aino.email) == "passive"


@on_both_databases
def test_a_newer_confirmation_that_never_went_out_is_forwarded(house, aino):
    house.contacts.set_status(aino.email, UNSUBSCRIBED)
    house.compare()
    aino.subscribe()
    house.deliver()
    aino.confirm()
    with house.service.transaction() as connection:
        connection.execute(outbox.outbox_message.delete().where(outbox.outbox_message.c.done_at.is_(None)))
    assert house.compare() == drift.Summary({"not-forwarded": 1}, {"not-forwarded": 1})
    house.deliver()
    assert house.contacts.status_of(aino.email) == SUBSCRIBED
    assert house.status(aino.email) == "active"


@on_both_databases
def test_a_stranger_is_reported_by_the_first_run_and_taken_off_by_the_next(house, aino):
    house.contacts.add("eero@example.com", status=SUBSCRIBED)
    assert house.compare() == drift.Summary({"stranger": 1}, {"stranger": 0})
    house.deliver()
    assert house.contacts.status_of("eero@example.com") == SUBSCRIBED
    assert house.compare().repaired == {"stranger": 1}
    house.deliver()
    assert house.contacts.status_of("eero@example.com") == UNSUBSCRIBED
    assert house.person("eero@example.com") is None
    compared_before(house)
    assert house.rows(stranger) == [], "the address is forgotten"


def test_no_night_takes_strangers_off_before_anybody_imported_or_compared_by_hand(house, aino):
    house.contacts.add("eero@example.com", status=SUBSCRIBED)
    for _ in range(3):
        assert house.compare(by_hand=False).repaired == {"stranger": 0}
    assert house.compare(applies=False).repaired == {"stranger": 0}
    assert house.compare(by_hand=False).repaired == {"stranger": 0}, "looking is not deciding"
    assert house.compare().repaired == {"stranger": 0}
    assert house.compare(by_hand=False).repaired == {"stranger": 1}


def test_another_list_is_only_looked_at_the_first_night(house, aino, open_list):
    compared_before(house)
    eero = Visitor(house, "eero@example.com", "Eero", "Niemi").becomes_active()
    open_list(5)
    house.contacts.add("stranger@example.com")
    house.contacts.put_on("stranger@example.com", 5, SUBSCRIBED)
    assert house.compare(by_hand=False).repaired == {"missing-there": 0, "stranger": 0}
    assert {house.status(one.email) for one in (aino, eero)} == {"active"}


def test_an_emptied_list_makes_nobody_passive_until_somebody_looked(sqlite_house):
    house = sqlite_house
    people = [Visitor(house, f"person{number}@example.com").becomes_active() for number in range(3)]
    for person in people:
        house.contacts.remove(person.email)
    assert house.compare(by_hand=False).repaired == {"missing-there": 0}
    assert house.compare().repaired == {"missing-there": 3}


def test_a_restored_number_with_another_address_is_nobody_of_ours(house, aino):
    compared_before(house)
    number = house.contacts.contacts[aino.email].id
    house.erase(aino.email)
    house.deliver()
    house.contacts.add("somebody@example.com")
    house.contacts.renumber("somebody@example.com", number)
    compared_before(house)
    house.deliver()
    assert "somebody@example.com" in house.contacts.contacts


@pytest.mark.parametrize("address", ["a\ud800@example.com", "a" * 400 + "@example.com", "a\0@example.com", ""])
def test_an_address_that_cannot_be_one_stops_no_comparison(house, aino, address):
    house.contacts.add("odd@example.com", status=SUBSCRIBED)
    house.contacts.readdress("odd@example.com", address)
    assert house.compare() == drift.Summary({}, {})


def test_who_only_asked_here_is_a_stranger_there(house, aino):
    compared_before(house)
    eero = Visitor(house, "eero@example.com", "Eero", "Niemi")
    eero.subscribe()
    house.deliver()
    house.contacts.add(eero.email, status=SUBSCRIBED)
    assert house.compare().repaired == {"stranger": 1}
    house.deliver()
    assert house.contacts.status_of(eero.email) == UNSUBSCRIBED
    eero.confirm()
    house.deliver()
    assert (house.status(eero.email), house.contacts.status_of(eero.email)) == ("active", SUBSCRIBED)


@on_both_databases
def test_who_confirms_before_they_are_taken_off_stays(house, aino):
    compared_before(house)
    eero = Visitor(house, "eero@example.com", "Eero", "Niemi")
    eero.subscribe()
    house.deliver()
    house.contacts.add(eero.email, status=SUBSCRIBED)
    house.compare()
    eero.confirm()
    house.deliver()
    assert (house.status(eero.email), house.contacts.status_of(eero.email)) == ("active", SUBSCRIBED)
    assert house.contacts.history.count((eero.email, UNSUBSCRIBED)) == 0


def test_the_first_run_after_an_import_only_reports_strangers_again(house, aino):
    compared_before(house)
    with house.service.transaction() as connection:
        batch = {"id": "b1", "source": "file", "grade": "customer", "imported_by": "Heidi"}
        connection.execute(import_batch.insert().values(started_at=services.now(), **batch))
    house.contacts.add("eero@example.com", status=SUBSCRIBED)
    assert house.compare().repaired == {"stranger": 0}
    assert house.compare().repaired == {"stranger": 1}


@on_both_databases
def test_who_is_being_asked_for_an_earlier_list_is_left_until_that_is_over(house, aino):
    compared_before(house)
    with house.service.transaction() as connection:
        batch = {"id": "b1", "source": "file", "grade": "unknown", "imported_by": "Heidi"}
        long_ago = services.now() - timedelta(days=1)
        connection.execute(import_batch.insert().values(started_at=long_ago, **batch))
        person = {"email": "eero@example.com", "email_key": "eero@example.com", "first_name": "", "last_name": ""}
        import_rows.keep(connection, "b1", person | {"language": "fi"}, services.now())
    house.contacts.add("eero@example.com", status=SUBSCRIBED)
    assert house.compare() == drift.Summary({"to-be-asked": 1}, {"to-be-asked": 0})
    with house.service.transaction() as connection:
        import_rows.forget_batch(connection, "b1")
    assert house.compare().repaired == {"stranger": 1}


def test_a_take_off_that_was_given_up_keeps_nobody_from_being_forwarded(house, aino):
    compared_before(house)
    house.contacts.add("eero@example.com", status=SUBSCRIBED)
    house.compare()
    with house.service.transaction() as connection:
        given_up = outbox_message.update().where(outbox_message.c.kind == "take-off")
        connection.execute(given_up.values(dead_at=services.now(), last_error="ActiveCampaign answered 422"))
    eero = Visitor(house, "eero@example.com", "Eero", "Niemi").becomes_active()
    assert house.person(eero.email).contact_id == house.contacts.contacts[eero.email].id


def test_that_somebody_compared_by_hand_is_remembered_longer_than_what_they_found(house, aino):
    compared_before(house)
    house.contacts.add("eero@example.com", status=SUBSCRIBED)
    with time_machine.travel(services.now() + timedelta(days=91)):
        for _ in chores.purge(house.service):
            pass
        assert house.rows(reconcile_run) == []
        assert house.compare(by_hand=False).repaired == {"stranger": 1}


def test_many_strangers_at_once_wait_for_somebody_who_looked(sqlite_house):
    house = sqlite_house
    compared_before(house)
    for number in range(21):
        house.contacts.add(f"person{number}@example.com", status=SUBSCRIBED)
    assert house.compare(by_hand=False) == drift.Summary({"stranger": 21}, {"stranger": 0})
    assert house.compare(by_hand=True).repaired == {"stranger": 21}
    house.deliver()
    assert {house.contacts.status_of(f"person{number}@example.com") for number in range(21)} == {UNSUBSCRIBED}


@on_both_databases
@pytest.mark.parametrize("status", [SUBSCRIBED, UNSUBSCRIBED])
def test_a_restored_contact_is_deleted_again(house, aino, status):
    compared_before(house)
    contact = house.contacts.contacts[aino.email]
    house.erase(aino.email)
    house.deliver()
    assert house.contacts.contacts == {}
    house.contacts.restore(contact)
    house.contacts.set_status(aino.email, status)
    assert house.compare() == drift.Summary({"restored": 1}, {"restored": 1})
    house.deliver()
    assert house.contacts.contacts == {}
    compared_before(house)


def test_another_address_there_is_shown_and_left_alone(house, aino):
    compared_before(house)
    house.contacts.readdress(aino.email, "other@example.com")
    assert house.compare() == drift.Summary({"other-address": 1}, {"other-address": 0})
    house.deliver()
    assert house.status(aino.email) == "active"


def test_who_left_here_is_taken_off_also_as_a_second_contact_there(house, aino):
    house.contacts.readdress(aino.email, "other@example.com")
    house.contacts.add(aino.email, status=SUBSCRIBED)
    aino.leave()
    house.deliver()
    assert house.contacts.status_of(aino.email) == SUBSCRIBED, "only the contact that was known by its id"
    assert house.compare() == drift.Summary({"left-here": 1}, {"left-here": 1})
    house.deliver()
    assert house.contacts.status_of(aino.email) == UNSUBSCRIBED
    assert house.compare().found == {}
    aino.subscribe()
    house.deliver()
    aino.confirm()
    house.deliver()
    assert (house.status(aino.email), house.contacts.status_of(aino.email)) == ("active", SUBSCRIBED)


@pytest.mark.parametrize("ignored", [{"status"}, {"id_greater"}])
def test_an_account_that_ignores_what_is_asked_is_not_believed(house, aino, ignored):
    eero = Visitor(house, "eero@example.com", "Eero", "Niemi").becomes_active()
    eero.leave()
    house.deliver()
    house.contacts.ignored_filters |= ignored
    with pytest.raises(Unreachable, match=r"whatever status|in the order asked for"):
        house.compare()
    [run] = house.rows(reconcile_run)
    assert (run.phase, run.is_open) == ("given up", None)
    assert house.status(aino.email) == "active"
    assert (house.rows(drifts), house.rows(stranger)) == ([], [])


def test_one_run_at_a_time(house, aino):
    with house.service.transaction() as connection:
        assert runs.begin(connection, services.now(), applies=True, by_hand=False)
        assert runs.claim(connection, "one", services.now()) is not None
    with house.service.transaction() as connection:
        assert not runs.begin(connection, services.now(), applies=True, by_hand=True)
        assert runs.claim(connection, "another", services.now()) is None
