"""The first page: one sentence, what needs somebody, and the weeks as pictures and as tables; and the records."""

import re
from datetime import date, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import insert

from consent_service import retention
from consent_service.language import CODES, HELSINKI, language
from consent_service.models.watch import headcount, week
from consent_service.notices import privacy_customers, processing_records, purposes
from consent_service.register import customer_rules
from consent_service.watch import weeks
from consent_service.watch.weeks import Week
from tests.actors import Staff, Visitor, fi
from tests.conftest import on_both_databases
from tests.household import CONTROLLER
from tests.register import TEN_YEARS, add_somebody

MONDAY = datetime(2026, 11, 30, 10, tzinfo=HELSINKI)
CHARTS = ("subscribers", "sign-ups", "confirmed", "stopped")


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(MONDAY, tick=False) as clock:
        yield clock


@pytest.fixture
def heidi(house):
    return logged_in(house)


def logged_in(house):
    staff = Staff(house)
    staff.log_in()
    return staff


def overview(house, heidi):
    page = house.get("/staff/?lang=fi", heidi.http)
    assert page.status == 200
    return page


def keep_weeks(house, *told):
    """Weeks before this one, the newest first: (asked, confirmed, stopped, subscribers after it or None)."""
    with house.service.transaction() as connection:
        for number, (asked, confirmed, stopped, active) in enumerate(told, 1):
            first = MONDAY.date() - number * weeks.SPAN
            row = {"monday": first.isoformat(), "asked": asked, "confirmed": confirmed, "stopped": stopped}
            connection.execute(insert(week).values(row))
            if active is not None:
                after = (first + weeks.SPAN).isoformat()
                connection.execute(insert(headcount).values(monday=after, active=active))


def table_of(page, title):
    """The rows of a chart's table: day of the Monday and what stands there."""
    [table] = [
        one for one in re.findall(r"(?s)<table>.*?</table>", page.html) if f'<caption class="unseen">{title}' in one
    ]
    return re.findall(r'<th scope="row">(.*?)</th><td class="number">(.*?)</td>', table)


def test_the_weeks_are_told_as_tables_and_what_was_not_counted_is_reckoned_and_says_so(house, heidi):
    assert fi("The first week is drawn when it is over, on Monday.") in overview(house, heidi).words
    keep_weeks(house, (10, 8, 2, 4), (5, 4, 1, None), (0, 0, 0, None))
    page = overview(house, heidi)
    assert table_of(page, fi("Subscribers")) == [
        ("23.11.2026", "4"), ("16.11.2026", "noin 0"), ("9.11.2026", "noin 0"),
    ]  # fmt: skip
    assert table_of(page, fi("Asked for the newsletter"))[:1] == [("23.11.2026", "10")]
    shares = [share.replace("\xa0", " ") for _, share in table_of(page, fi("Share that confirmed"))]
    assert shares == ["80 %", "80 %", "–"]
    assert [number for _, number in table_of(page, fi("Stopped the newsletter"))] == ["2", "1", "0"]


def test_every_monday_counts_the_subscribers_that_nobody_could_count_later(house, clock):
    house.do_chores()
    Visitor(house).becomes_active()
    clock.move_to(MONDAY + weeks.SPAN)
    house.do_chores()
    house.do_chores()
    assert [tuple(row) for row in house.rows(headcount)] == [("2026-12-07", 1)]


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_a_picture_without_a_script_in_the_companys_colours(sqlite_house, name):
    house, heidi = sqlite_house, logged_in(sqlite_house)
    for told in ((), ((10, 8, 2, 4), (0, 0, 0, 1000000), (3, 0, 3, 7))):
        keep_weeks(house, *told)
        picture = house.get(f"/staff/charts/{name}.svg?lang=fi", heidi.http)
        assert (picture.status, picture.answer.headers["Content-Type"]) == (200, "image/svg+xml; charset=utf-8")
        policy = picture.answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "script" not in policy
        assert "<script" not in picture.html and "href" not in picture.html
        assert ("23.11.2026" in picture.html) == bool(told)
        assert CONTROLLER.accent in picture.html and "prefers-color-scheme:dark" in picture.html.replace(" ", "")
        assert picture.answer.headers["Cache-Control"] == "no-store"
    assert f"/staff/charts/{name}.svg?lang=fi" in overview(house, heidi).html


def test_no_other_chart_is_there_and_nobody_else_sees_one(sqlite_house):
    heidi = logged_in(sqlite_house)
    assert sqlite_house.get("/staff/charts/nothing.svg", heidi.http).status == 404
    assert sqlite_house.get("/staff/charts/subscribers.svg", allow_redirects=False).status == 302


@on_both_databases
def test_two_things_that_need_somebody_are_two_lines_each_with_its_way(house, heidi):
    assert fi("All is well.") in overview(house, heidi).words
    house.mail.answer_next("rcpt", 550, "no")
    Visitor(house).subscribe()
    house.deliver()
    add_somebody(house, "Vanha", passive_for=TEN_YEARS)
    page = overview(house, heidi)
    assert language("fi").count("One thing needs you.", "%(number)s things need you.", 2) in page.words
    assert fi("All is well.") not in page.words
    assert {"/staff/queue", "/staff/retention/review"} <= set(page.links)


def test_what_goes_within_a_month_is_counted(house, heidi, clock):
    Visitor(house).becomes_active().leave()
    clock.move_to(MONDAY + timedelta(days=330))
    heidi.log_in()
    add_somebody(house, "Pian", passive_for=TEN_YEARS - timedelta(days=10))
    page = overview(house, heidi)
    assert language("fi").count("One person who has left.", "", 1) in page.words
    assert language("fi").count("One customer ten years passive, after the review.", "", 1) in page.words


def test_a_week_is_reckoned_back_from_today_and_never_below_nobody(house):
    Visitor(house).becomes_active()
    keep_weeks(house, (5, 5, 0, None), (1, 1, 9, None))
    with house.service.reading() as connection:
        points, last = weeks.course(connection, 9), weeks.course(connection, 1)
    assert [(point.week.first, point.active) for point in points] == [(date(2026, 11, 16), 0), (date(2026, 11, 23), 1)]
    assert not any(point.is_counted for point in points)
    assert [point.week for point in last] == [Week(date(2026, 11, 23), 5, 5, 0)], "no more weeks than were asked for"


@pytest.mark.parametrize("code", CODES)
def test_the_records_say_every_purpose_rule_and_recipient_there_is(sqlite_house, code):
    page = sqlite_house.get(f"/staff/records?lang={code}", logged_in(sqlite_house).http)
    spoken = language(code)
    assert page.status == 200 and "](" not in page.words
    for rule in retention.RULES:
        assert spoken.say(rule.what) in page.words and spoken.say(rule.period) in page.words
    for words in purposes.purposes(spoken).values():
        assert words.split("[")[0].strip() in page.words
    for words in privacy_customers.accounting(spoken.say):
        assert words in page.words
    for one in CONTROLLER.recipient:
        assert one.name in page.words and one.transfer_ground.get(code, "") in page.words
    for told in (CONTROLLER.name, CONTROLLER.business_id, CONTROLLER.contact_email):
        assert told in page.words
    assert str(CONTROLLER.backups_kept_days) in page.words


def test_what_belongs_to_customers_stands_with_their_register(sqlite_house):
    *registers, rest = processing_records.activities(language("en"), sqlite_house.service.privacy_sources)
    assert not {rule.key for rule in rest.rules} & {rule.key for rule in customer_rules.RULES}
    assert {rule.key for rule in customer_rules.RULES} <= {rule.key for one in registers for rule in one.rules}
