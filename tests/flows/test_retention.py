"""Time passes: everything goes when its time is up, and not before, whether the relay ran all the while or not."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
import structlog
import time_machine
from sqlalchemy import text, update

from consent_service import chores, retention
from consent_service import erasure as erasing
from consent_service.chores import Chores
from consent_service.language import language
from consent_service.ledger import evidence
from consent_service.models.delivery import outbox_message
from consent_service.models.ledger import consent_event, erased_leaf
from consent_service.models.limits import allowance
from consent_service.models.newsletter import erasure, subscriber, suppression
from consent_service.models.watch import daily_run
from consent_service.notices import privacy_check
from tests import crowd
from tests.actors import Staff, Visitor
from tests.conftest import on_both_databases
from tests.household import CONTROLLER

fi = language("fi").say
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # a Monday before noon in Helsinki
DAY = timedelta(days=1)


@pytest.fixture
def clock():
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


def on(clock, day, hours=4):
    """Some hours after the start of a day: after noon in Helsinki, whatever the season, unless told otherwise."""
    clock.move_to(START + day * DAY + timedelta(hours=hours))


def batches(house):
    """Which leaves the sealed events say were emptied, and by which rule, one list for each event."""
    plain = [json.loads(row.core_plain)["payload"] for row in house.rows(consent_event) if row.core_plain]
    return [[(leaf["id"], leaf["rule"]) for leaf in one["leaves"]] for one in plain if one["kind"] == "erased"]


def done_on(house):
    return {row.name: row.done_on for row in house.rows(daily_run)}


def about_people(house):
    return [row for row in house.rows(outbox_message) if row.subscriber_id]


# A year


@on_both_databases
def test_who_left_is_gone_within_a_year_while_the_relay_runs(house, clock):
    aino = Visitor(house).becomes_active()
    aino.leave()
    house.deliver()
    mails = len(aino.mails())
    for day in (100, 200, 300, 341, 350, 351):
        assert house.status(aino.email) == "passive", day
        on(clock, day)
        house.do_chores()
        house.deliver()
    assert house.person(aino.email) is None
    assert [note.rule for note in house.rows(erasure)] == ["passive"]
    assert house.contacts.contacts == {}
    assert len(aino.mails()) == mails, "nobody is written to about it"
    [first, listed] = batches(house)
    assert first == [], "the one of the first purge, which ended nothing"
    assert {rule for _, rule in listed} == {"passive"}


def test_who_left_is_gone_within_a_year_after_the_relay_was_down(sqlite_house, clock):
    aino = Visitor(sqlite_house).becomes_active()
    sqlite_house.do_chores()
    aino.leave()
    on(clock, 355, hours=0)  # it does not wait for noon
    sqlite_house.do_chores()
    assert sqlite_house.person(aino.email) is None


def test_who_came_back_on_day_200_stays(sqlite_house, clock):
    aino = Visitor(sqlite_house).becomes_active()
    aino.leave()
    on(clock, 200)
    sqlite_house.do_chores()
    aino.becomes_active()
    for day in (351, 365, 366, 500):
        on(clock, day)
        sqlite_house.do_chores()
    assert sqlite_house.status(aino.email) == "active"
    assert sqlite_house.kinds(aino.email).count("confirmed") == 2


def test_an_open_ask_does_not_put_the_end_off_and_who_wants_to_starts_anew(sqlite_house, clock):
    aino = Visitor(sqlite_house).becomes_active()
    aino.leave()
    on(clock, 348)
    aino.subscribe()
    sqlite_house.deliver()
    on(clock, 351)
    sqlite_house.do_chores()
    assert sqlite_house.person(aino.email) is None
    assert sqlite_house.get(aino.link("confirm")).status == 404
    aino.becomes_active()
    assert [kind for kind in sqlite_house.kinds(aino.email) if kind != "sent"] == ["requested", "confirmed"]


def test_a_backup_from_just_before_the_end_is_deleted_within_a_year(sqlite_house, clock):
    """The purge comes once a day, so the last backup with somebody in it may be a day younger than their end."""
    aino = Visitor(sqlite_house).becomes_active()
    on(clock, 0, hours=1.01)  # just after noon in Helsinki: of all the times of day to leave, the worst
    aino.leave()
    on(clock, 351, hours=1)
    sqlite_house.do_chores()
    on(clock, 352, hours=0.9)
    sqlite_house.do_chores()
    assert sqlite_house.status(aino.email) == "passive"
    on(clock, 352, hours=1)
    sqlite_house.do_chores()
    assert sqlite_house.person(aino.email) is None
    assert timedelta(days=352 + CONTROLLER.backups_kept_days) <= privacy_check.PROMISED


def test_an_overdue_person_alarms_staff_and_operators(sqlite_house, clock, tmp_path):
    aino = Visitor(sqlite_house).becomes_active()
    aino.leave()
    sqlite_house.deliver()
    sqlite_house.service.seal()
    on(clock, 359)
    assert sqlite_house.get("/readyz").status == 200
    on(clock, 361)
    answer = sqlite_house.get("/readyz")
    assert (answer.status, answer.answer.json()["erasures"]) == (503, "late")
    heidi = Staff(sqlite_house)
    assert "olisi jo pitänyt poistaa" in heidi.log_in().words
    sqlite_house.do_chores()
    assert sqlite_house.get("/readyz").status == 200
    assert "olisi jo pitänyt poistaa" not in sqlite_house.get("/staff/?lang=fi", heidi.http).words


# The other rules


@on_both_databases
def test_an_unconfirmed_subscription_goes_two_weeks_after_the_last_ask(house, clock):
    aino, eero = Visitor(house), Visitor(house, "eero@example.com")
    aino.subscribe()
    eero.subscribe()
    on(clock, 10)
    eero.subscribe()
    on(clock, 13)
    house.do_chores()
    assert house.count(subscriber) == 2
    on(clock, 14)
    house.do_chores()
    assert (house.person(aino.email), house.status(eero.email)) == (None, "pending")
    on(clock, 24)
    house.do_chores()
    assert house.count(subscriber) == 0
    house.deliver()
    assert house.contacts.calls == []
    assert aino.mails() == [], "what waited to be sent went with them"


def test_a_refusal_outlives_the_person_by_a_year(sqlite_house, clock):
    aino = Visitor(sqlite_house)
    aino.subscribe()
    sqlite_house.deliver()
    aino.decline()
    on(clock, 20)
    sqlite_house.do_chores()
    assert sqlite_house.count(subscriber) == 0
    on(clock, 364)
    sqlite_house.do_chores()
    assert sqlite_house.count(suppression) == 1
    on(clock, 365)
    sqlite_house.do_chores()
    assert sqlite_house.count(suppression) == 0


def test_an_objection_stays_for_good(sqlite_house, clock):
    aino = Visitor(sqlite_house).becomes_active()
    sqlite_house.object(aino.email)
    on(clock, 3650)
    sqlite_house.do_chores()
    assert [row.reason for row in sqlite_house.rows(suppression)] == ["objected"]


def test_network_and_browser_go_after_90_days_and_the_proof_stays(house, clock):
    aino = Visitor(house).becomes_active()
    assert all(event.tech for event in house.story(aino.email))
    on(clock, 89)
    house.do_chores()
    assert all(event.tech for event in house.story(aino.email))
    before = [(event.id, event.leaf_hash, event.core) for event in house.story(aino.email)]
    on(clock, 90)
    house.do_chores()
    assert not any(event.tech for event in house.story(aino.email))
    assert [(event.id, event.leaf_hash, event.core) for event in house.story(aino.email)] == before


def test_messages_and_counts_go_a_month_later_and_the_note_of_an_erasure_after_three_years(sqlite_house, clock):
    house, aino = sqlite_house, Visitor(sqlite_house).becomes_active()
    on(clock, 1)
    house.do_chores()
    assert len(about_people(house)) > 0 < house.count(allowance)
    on(clock, 31)
    house.do_chores()
    assert len(about_people(house)) == 0
    assert [row.key for row in house.rows(allowance) if row.key.startswith("ask:")] == []
    house.erase(aino.email, tell=False)
    on(clock, 31 + 3 * 365)
    house.do_chores()
    assert house.count(erasure) == 1
    on(clock, 31 + 3 * 365 + 2)
    house.do_chores()
    assert house.count(erasure) == 0


def test_a_legal_hold_keeps_everything_until_it_is_lifted(house, clock):
    aino, eero = Visitor(house).becomes_active(), Visitor(house, "eero@example.com")
    aino.leave()
    eero.subscribe()
    for person in (aino, eero):
        with house.service.transaction() as connection:
            erasing.hold(connection, house.occasion(), house.person(person.email).id, "claim")
    on(clock, 400)
    house.do_chores()
    assert (house.status(aino.email), house.status(eero.email)) == ("passive", "pending")
    assert all(event.tech for event in house.story(aino.email) if event.core["kind"] != "held")
    with house.service.reading() as connection:
        assert retention.overdue(connection, START + 400 * DAY) == 0, "no alarm about what is meant"
    for person in (aino, eero):
        with house.service.transaction() as connection:
            erasing.release(connection, house.occasion(), house.person(person.email).id)
    on(clock, 401)
    house.do_chores()
    assert house.count(subscriber) == 0


# How the purge goes about it


def test_slices_are_transactions_and_what_was_cut_short_goes_on(sqlite_house, clock):
    house = sqlite_house
    crowd.ask(house, [f"p{number}@example.com" for number in range(60)])
    on(clock, 20)
    rule = retention.BY_KEY["unconfirmed"]
    first = chores.purge(house.service)
    assert next(first) == (rule, chores.LEAST_SLICE)
    first.close()  # killed after the first slice
    left = 60 - chores.LEAST_SLICE
    assert house.count(subscriber) == left
    assert house.count(erased_leaf) == chores.LEAST_SLICE, "what was emptied is known to the audit meanwhile"
    slices = [rows for done, rows in chores.purge(house.service) if done is rule]
    assert sum(slices) == left
    assert max(slices) <= chores.SLICE, "however fast it goes"
    assert (house.count(subscriber), house.count(erased_leaf)) == (0, 0)
    [listed] = batches(house)
    emptied = {row.id for row in house.rows(consent_event) if not row.core_plain and not row.core_sealed}
    assert {leaf for leaf, _ in listed} == emptied
    assert len(listed) == 60


def test_the_log_is_sealed_while_a_large_purge_goes_on(open_house, tmp_path, clock):
    house = open_house(f"sqlite:///{tmp_path}/c.db", seal_every_s=0.001)
    crowd.ask(house, [f"p{number}@example.com" for number in range(3 * chores.LEAST_SLICE)])
    on(clock, 20)
    house.do_chores()
    first, *others = (anchor.checkpoint.size for anchor in house.service.anchors.all())
    assert first == 3 * chores.LEAST_SLICE, "what waited is sealed before the purge is over and lists what it emptied"
    assert others


def test_whoever_leaves_after_a_large_purge_does_not_wait_for_it(sqlite_house, clock):
    house, emails = sqlite_house, [f"p{number}@example.com" for number in range(4)]
    crowd.become_active(house, [*emails, "eero@example.com"])
    for email in emails:
        crowd.leave(house, email)
    crowd.forward(house)
    on(clock, 352)
    house.do_chores()
    crowd.leave(house, "eero@example.com")
    crowd.forward(house)
    assert house.contacts.status_of("eero@example.com") == 2
    assert len(house.contacts.contacts) == 4, "one deletion a second, when nobody waits for an answer"
    clock.shift(len(emails) * timedelta(seconds=1))
    crowd.forward(house)
    assert [contact.email for contact in house.contacts.contacts.values()] == ["eero@example.com"]


def test_once_a_day_after_noon_however_many_relays(sqlite_house, clock):
    house, stop = sqlite_house, threading.Event()
    crowd.ask(house, ["a@example.com"])
    on(clock, 13)
    house.do_chores()
    others = [Chores(house.service, stop) for _ in range(2)]

    def gone_at(day, hours):
        on(clock, day, hours)
        for relay in others:
            relay.run()
        return house.count(subscriber) == 0

    assert not gone_at(14, hours=0.99)
    assert gone_at(14, hours=1)
    crowd.ask(house, ["b@example.com"])
    with house.service.transaction() as connection:
        connection.execute(update(subscriber).values(asked_at=START - 30 * DAY))
    assert not gone_at(14, hours=10), "the day's work is done"
    assert gone_at(15, hours=1)


def test_the_trouble_of_one_chore_is_not_anothers(sqlite_house, clock, tmp_path):
    house, aino = sqlite_house, Visitor(sqlite_house)
    aino.subscribe()
    on(clock, 20)
    (tmp_path / "var").rename(tmp_path / "aside") if (tmp_path / "var").exists() else None
    (tmp_path / "var").write_text("no folder")
    with structlog.testing.capture_logs() as said:
        Chores(house.service, threading.Event()).run()
    troubled = {entry["chore"] for entry in said if entry["log_level"] == "error"}
    assert troubled >= {"copy_notes", "tidy_daily"}
    assert house.count(subscriber) == 0
    assert "tidy" not in done_on(house)
    (tmp_path / "var").unlink()
    house.do_chores()
    assert [note.copied_at is not None for note in house.rows(erasure)] == [True]
    assert done_on(house)["tidy"] == done_on(house)["purge"], "the file is written anew as soon as it can be"


def test_a_rule_that_cannot_be_carried_out_stops_no_other_and_is_tried_again(sqlite_house, clock):
    house, aino, eero = sqlite_house, Visitor(sqlite_house), Visitor(sqlite_house, "eero@example.com")
    aino.becomes_active().leave()
    eero.becomes_active()
    house.do_chores()
    with house.service.transaction() as connection:
        connection.execute(text("CREATE TRIGGER kept BEFORE DELETE ON subscriber BEGIN SELECT RAISE(FAIL, 'no'); END"))
    on(clock, 352)
    marked = done_on(house)
    with structlog.testing.capture_logs() as said:
        Chores(house.service, threading.Event()).run()
    told = [(one["event"], one.get("rule") or one["reason"]) for one in said if one["log_level"] == "error"]
    assert told == [
        ("rule not carried out", "passive"),
        ("chore refused", "not everything whose time is up could be ended: passive"),
    ]
    assert house.person(aino.email) is not None
    assert not any(event.tech for event in house.story(eero.email)), "the rules after it are carried out"
    assert done_on(house)["purge"] == marked["purge"]
    with house.service.transaction() as connection:
        connection.execute(text("DROP TRIGGER kept"))
    house.do_chores()
    assert house.person(aino.email) is None
    assert done_on(house)["purge"] > marked["purge"]


def test_a_relay_that_is_told_to_stop_begins_no_other_chore(sqlite_house, clock):
    crowd.ask(sqlite_house, ["a@example.com"])
    on(clock, 20)
    stop = threading.Event()
    stop.set()
    before = sqlite_house.everything()
    Chores(sqlite_house.service, stop).run()
    assert sqlite_house.everything() == before


def test_every_rule_is_known_by_one_key_that_fits_its_column():
    keys = [rule.key for rule in retention.RULES]
    assert len(set(keys)) == len(keys)
    assert max(map(len, keys)) <= erasure.c.rule.type.length
    assert retention.BY_KEY["passive"].after < retention.ALARM < privacy_check.PROMISED


def test_the_texts_a_person_was_shown_stay_after_they_are_gone(sqlite_house, clock):
    """They name nobody, and others were shown the same."""
    aino = Visitor(sqlite_house).becomes_active()
    shown = [event.core["texts"] for event in sqlite_house.story(aino.email) if "texts" in event.core]
    sqlite_house.erase(aino.email, tell=False)
    with sqlite_house.service.reading() as connection:
        for sha256 in {one for texts in shown for one in texts.values()}:
            text = evidence.kept_text(connection, sha256)
            assert text is not None
            assert "aino" not in text.content.decode().lower()
