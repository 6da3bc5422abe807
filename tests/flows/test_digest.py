"""The week's digest: a mail to the owner on Monday morning, which says first what needs them; nothing of anybody."""

import json
from datetime import date, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import text

from consent_service import service as services
from consent_service.language import HELSINKI
from consent_service.watch import digest, pulses, weeks
from consent_service.watch.weeks import Week
from tests.actors import Staff, Visitor
from tests.conftest import on_both_databases
from tests.household import CONTROLLER, NO_ACTIVECAMPAIGN
from tests.processes import run, variables

MONDAY = datetime(2026, 12, 7, 7, tzinfo=HELSINKI)
LAST_WEEK = date(2026, 11, 30)
DAY = timedelta(days=1)


@pytest.fixture
def clock(request):
    """The Thursday of last week, at ten in the morning."""
    with time_machine.travel(MONDAY - 3.875 * DAY, tick=False) as clock:
        yield clock


def digests(house):
    house.deliver()
    mails = house.mail.to(CONTROLLER.contact_email)
    return [mail for mail in mails if mail.message["Subject"].endswith("30.11.2026–6.12.2026")]


def lines(mail):
    return mail.text.replace("\r\n", "\n")


def begin(house):
    """The service has run before: it does not wait for its first Monday."""
    house.do_chores()
    house.deliver()


def monday(house, clock, after=timedelta(0)):
    clock.move_to(MONDAY - DAY)
    house.do_chores()
    house.carry_out()
    house.deliver()
    clock.move_to(MONDAY + after)
    house.do_chores()
    return digests(house)


def change(house, statement, **values):
    with house.service.transaction() as connection:
        connection.execute(text(statement), values)


@on_both_databases
def test_one_mail_on_monday_morning_tells_what_the_week_brought(clock, house):
    begin(house)
    Visitor(house).becomes_active()
    eero = Visitor(house, "eero@example.com", "Eero", "Niemi").becomes_active()
    Visitor(house, "otso@example.com").subscribe()
    clock.shift(DAY)
    Visitor(house, "otso@example.com").subscribe()
    eero.leave()
    house.compare()
    house.deliver()
    assert monday(house, clock, after=-timedelta(seconds=1)) == []
    clock.move_to(MONDAY)
    house.do_chores()
    house.do_chores()
    [mail] = digests(house)
    assert mail.message["Subject"] == "Kaikki on kunnossa: 30.11.2026–6.12.2026"
    assert "Kaikki on kunnossa.\n\nPäivät: 30.11.2026–6.12.2026\nPyysi uutiskirjettä: 3\n" in lines(mail)
    assert "Näistä vahvisti: 2 (67\xa0%)\nLopetti tilauksen: 1\n" in lines(mail)
    assert "Verrattu ActiveCampaigniin: " in lines(mail) and ": eroja 0, korjattu 0\n" in lines(mail)
    clock.shift(timedelta(hours=20))
    house.do_chores()
    assert len(digests(house)) == 1


def test_a_new_installation_waits_for_its_first_monday_and_a_late_relay_makes_up_for_it(clock, house):
    house.do_chores()
    assert digests(house) == []
    clock.move_to(MONDAY + 2 * DAY)
    house.do_chores()
    assert len(digests(house)) == 1


def test_nothing_of_anybody_is_in_it(clock, sqlite_house, tmp_path):
    begin(sqlite_house)
    aino = Visitor(sqlite_house, "kanerva.salamyhka@example.com", "Kanervatar", "Salamyhkänen").becomes_active()
    sqlite_house.mail.answer_next("rcpt", 550, f"<{aino.email}>: no")
    Visitor(sqlite_house, "eero@example.com", "Eerikki").subscribe()
    [mail] = monday(sqlite_house, clock)
    shown = run(tmp_path, "digest", "--json", given=variables(sqlite_house.settings)).stdout
    for told in (mail.text, mail.html, shown):
        for secret in ("kanerva", "salamy", "eer", "example.com", sqlite_house.person(aino.email).id):
            assert secret not in told.lower().replace("keinuma.example.com", "")


def test_what_is_wrong_stands_first_with_what_to_do(clock, house):
    begin(house)
    house.mail.answer_next("rcpt", 550, "no")
    Visitor(house).subscribe()
    house.deliver()
    [mail] = monday(house, clock)
    assert mail.message["Subject"] == "Vaatii huomiotasi: 30.11.2026–6.12.2026"
    assert lines(mail).startswith(
        "Tämä vaatii huomiotasi\n\nYksi viesti jäi toimittamatta.\nAvaa henkilökunnan sivuilta"
    )


def test_a_limit_that_holds_confirmations_back_a_late_purge_and_who_should_be_gone(clock, open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", limit_global="1/30 days", **NO_ACTIVECAMPAIGN)
    begin(house)
    Visitor(house).becomes_active()
    heidi = Staff(house)  # whom no form asks for a proof of work
    heidi.log_in()
    heidi.add("eero@example.com")
    house.deliver()
    clock.move_to(MONDAY)
    change(house, "UPDATE daily_run SET done_on = '2026-12-04' WHERE name = 'purge'")
    change(house, "UPDATE subscriber SET status = 'passive', basis_event_id = NULL, passive_since = '2025-12-01' "
                  "WHERE status = 'active'")  # fmt: skip
    change(house, "UPDATE consent_event SET log_index = NULL")
    with house.service.transaction() as connection:
        pulses.beat(connection, pulses.BACKUP, MONDAY - 2 * DAY - timedelta(seconds=1))
    found = standing(house)
    assert found.faults == {"overdue": 1, "unsealed": 1, "purge": 1, "backup": 1, "held": 1}
    assert (found.forwards, found.compared_at, found.purged_at) == (False, None, MONDAY - 3 * DAY + timedelta(hours=5))


def test_comparisons_that_were_given_up_fail_to_come_or_held_somebody_back(clock, sqlite_house):
    house = sqlite_house
    begin(house)
    change(house, "INSERT INTO reconcile_run (started_at, ended_at, applies, by_hand, phase, cursor) "
                  "VALUES ('2026-12-02', '2026-12-02', 1, 0, 'done', ''), "
                  "('2026-12-03', '2026-12-03', 1, 0, 'given up', '')")  # fmt: skip
    change(house, "INSERT INTO drift (run_id, kind, contact_id, is_repaired) VALUES (1, 'stranger', '7', 0), "
                  "(1, 'left-here', '8', 1)")  # fmt: skip
    change(house, "UPDATE daily_run SET done_on = '2026-12-06' WHERE name = 'purge'")
    found = standing(house)
    assert found.faults == {"comparison-given-up": 1, "comparison-overdue": 1, "comparison-held-back": 1}
    assert (found.found, found.repaired) == (2, 1)


def standing(house, now=MONDAY):
    with house.service.reading() as connection:
        return digest.running(connection, now.date(), now, forwards=house.service.forwards)


def test_the_command_shows_the_last_seven_days_on_any_day(sqlite_house, tmp_path):
    Visitor(sqlite_house).becomes_active()
    given = variables(sqlite_house.settings)
    done = run(tmp_path, "digest", given=given)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("All is well: ")
    assert "Asked for the newsletter: 1\nHave confirmed: 1 (100%)\n" in done.stdout
    assert run(tmp_path, "digest", "--language", "sv", given=given).stdout.startswith("Allt är i sin ordning: ")
    shown = run(tmp_path, "digest", "--json", given=given)
    found = json.loads(shown.stdout)
    today = services.now().astimezone(HELSINKI).date()
    assert (found["first"], found["asked"], found["confirmed"]) == (str(today - 6 * DAY), 1, 1)
    assert (found["faults"], found["waiting"]) == ({}, 0)


# The share of those who do not confirm


def week(asked, confirmed, first=LAST_WEEK):
    return Week(first, asked, confirmed, 0)


@pytest.mark.parametrize(
    ("asked", "confirmed", "earlier", "is_unusual"),
    [
        (19, 0, [], False),  # few sign-ups, whatever their share
        (20, 0, [], True),
        (100, 39, [], True),  # nothing to compare with: 40 % are expected
        (100, 41, [], False),
        (100, 70, [(100, 91)], True),  # 9 % were usual
        (100, 72, [(100, 91)], False),
        (1000, 979, [(1000, 1000)], False),
        (100, 30, [(100, 10), (100, 0)], True),  # a bad month sets no rule
        (100, 31, [(100, 10), (100, 0)], False),
        (100, 50, [(10, 10)], False),  # ten people are no weeks to compare with
        (0, 0, [(0, 0)], False),
    ],
)
def test_what_is_unusual(asked, confirmed, earlier, is_unusual):
    usual = weeks.usual([week(*one) for one in earlier])
    assert weeks.is_unusual(week(asked, confirmed), usual) == is_unusual


def test_a_robot_is_said_first_and_loudly(clock, sqlite_house):
    begin(sqlite_house)
    for number in range(8):
        kept = week(10, 8, LAST_WEEK - (number + 1) * weeks.SPAN)
        with sqlite_house.service.transaction() as connection:
            weeks.keep(connection, kept)
            weeks.keep(connection, week(1000, 0, kept.first))
    for number in range(20):
        Visitor(sqlite_house, f"robot{number}@example.com").subscribe()
    sqlite_house.deliver()
    [mail] = monday(sqlite_house, clock)
    told = " ".join(mail.text.split())
    assert "Uutiskirjettä pyysi 20 henkilöä, ja heistä 20 ei ole vahvistanut tilaustaan. Se on 100 %;" in told
    assert "tavallista olisi 20 %." in told
    with sqlite_house.service.reading() as connection:
        newest = weeks.newest(connection, MONDAY.date())
    assert newest[0] == week(20, 0)
    assert len(newest) == weeks.COMPARED


def test_only_who_asked_themselves_counts_and_only_in_their_week(clock, house):
    with time_machine.travel(datetime(2026, 11, 29, 23, 59, tzinfo=HELSINKI), tick=False):
        Visitor(house, "sunday@example.com").subscribe()
    aino = Visitor(house)
    aino.becomes_active()
    heidi = Staff(house)
    heidi.log_in()
    heidi.add("asked@example.com", asked_on="2026-11-30")
    aino.move_to("moved@example.com")
    Visitor(house, "imported@example.com").subscribe()
    change(house, "UPDATE confirmation SET source = 'import' WHERE subscriber_id = :id",
           id=house.person("imported@example.com").id)  # fmt: skip
    with house.service.reading() as connection:
        assert weeks.count(connection, LAST_WEEK) == week(2, 1)
        assert weeks.count(connection, LAST_WEEK - weeks.SPAN) == week(1, 0, LAST_WEEK - weeks.SPAN)
