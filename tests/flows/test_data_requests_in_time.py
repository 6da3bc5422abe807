"""Requests about data in time: alarms before and after the day, what is forgotten when, and letters on paper."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import update

from consent_service import erasure as erasing
from consent_service import retention
from consent_service import service as services
from consent_service.language import language
from consent_service.models.customers import customer
from consent_service.models.newsletter import subscriber
from consent_service.models.requests import data_request, data_request_letter, data_request_task
from consent_service.register import customer_erasure
from consent_service.rights import request_rows
from consent_service.watch import digest, doctor
from tests.actors import Visitor, fi
from tests.asker import Desk, add_asker, today
from tests.conftest import on_both_databases
from tests.household import CONTROLLER

AINO = "aino@example.com"
DAY = timedelta(days=1)
TOLD = "Tietoja koskevaan pyyntöön on vastattava"


@pytest.fixture
def clock():
    with time_machine.travel(datetime(2026, 12, 1, 8, tzinfo=UTC), tick=False) as clock:
        yield clock


def told_owner(house):
    house.do_chores()
    house.deliver()
    return [mail for mail in house.mail.to(CONTROLLER.contact_email) if mail.message["Subject"] == TOLD]


def finding(house):
    return next(found for found in doctor.examine(house.service) if found.part == "requests")


def overview(desk):
    return desk.house.get("/staff/?lang=fi", desk.heidi.http).words


def purge(house):
    with house.service.transaction() as connection:
        for key in (request_rows.NAMES_RULE, request_rows.RULE):
            retention.purge_due(connection, house.occasion("relay", "relay"), retention.BY_KEY[key], 100)


@on_both_databases
def test_nothing_gets_late_without_an_alarm(clock, house):
    desk = Desk(house)
    desk.take("access")
    assert desk.request.due_on == "2027-01-01"
    clock.shift(23 * DAY)
    assert told_owner(house) == [] and finding(house).state == "good"
    clock.shift(DAY)
    desk.heidi.log_in()
    soon = language("fi").count("One request about data has to be answered within a week.", "", 1)
    assert soon in overview(desk) and finding(house).state == "note"
    clock.shift(3 * DAY)
    assert told_owner(house) == []
    clock.shift(DAY)
    [mail] = told_owner(house)
    assert "Pyyntö 1" in mail.text and "1.1.2027" in mail.text and "Mäkelä" not in mail.text
    assert len(told_owner(house)) == 1, "once"
    clock.shift(3 * DAY)
    desk.heidi.log_in()
    assert fi("Late") not in desk.open().words
    clock.shift(DAY)
    desk.heidi.log_in()
    late = language("fi").count("One request about data is late: the law gives a month.", "", 1)
    for words in (overview(desk), desk.open().words):
        assert late in words
    assert "1.1.2027" in desk.show().words and desk.show().words.count("Myöhässä") == 1
    assert finding(house).state == "wrong" and "1 request is late" in finding(house).says
    with house.service.reading() as connection:
        found = digest.running(connection, today(), services.now(), forwards=True)
    told = house.service.letters.digest_text(found, language("fi"))
    assert late in " ".join(told.split()) and "Avaa henkilökunnan sivuilta Pyynnöt" in " ".join(told.split())
    desk.verify("doubt", note="ei vastannut")
    desk.close("refused", ground="identity")
    assert finding(house).state == "good"
    clock.move_to(datetime(2026, 12, 31, 8, tzinfo=UTC))
    with house.service.reading() as connection:
        assert request_rows.year(connection, 2026) == request_rows.Year(2026, received=1, closed=1, late=1)


@on_both_databases
def test_more_time_moves_the_alarm(clock, house):
    desk = Desk(house)
    desk.take("access")
    clock.shift(28 * DAY)
    assert len(told_owner(house)) == 1
    desk.heidi.log_in()
    desk.page("extension").press(fi("Extend and tell the person"), note="Paljon tietoja.")
    assert desk.request.extended_to == "2027-03-01" and finding(house).state == "good"
    clock.shift(58 * DAY)
    assert len(told_owner(house)) == 1
    clock.shift(2 * DAY)
    assert len(told_owner(house)) == 2


@on_both_databases
def test_who_had_everything_erased_is_forgotten_once_the_answer_has_left(clock, house):
    Visitor(house).becomes_active()
    desk = Desk(house)
    desk.take("erase", email=AINO, wish="Poistakaa kaikki, t. Aino")
    desk.verify("mailbox", note="vastasi 1.12.")
    desk.carry_out()
    house.deliver()
    desk.tick_all()
    assert desk.close("done").status == 200
    purge(house)
    assert desk.request.name == "Aino Mäkelä", "the answer still waits"
    house.deliver()
    assert house.mail.to(AINO)[-1].message["Subject"].startswith("Vastauksemme pyyntöösi")
    purge(house)
    gone = desk.request
    assert (gone.name, gone.email, gone.wish, gone.mail_to, gone.identity_note) == (None,) * 5
    assert (gone.subscriber_id, gone.outcome, gone.forgotten_at is not None) == (None, "done", True)
    assert all(task.done_at and task.note is None for task in desk.tasks().values())
    everything = json.dumps(
        {name: rows for name, rows in house.everything().items() if name.startswith("data_request")}, default=str
    )
    assert "aino" not in everything.lower()
    page = desk.show()
    assert page.status == 200 and "/letters/" not in page.html
    assert desk.open(f"/{desk.number}/letters/answer").status == 404
    clock.shift((3 * 365 + 2) * DAY)
    purge(house)
    assert [house.rows(table) for table in (data_request, data_request_task, data_request_letter)] == [[], [], []]


@on_both_databases
def test_who_saw_their_data_is_forgotten_after_a_month_or_with_an_erasure(clock, house):
    aino, desk = add_asker(house), Desk(house)
    Visitor(house).becomes_active()
    for kind in ("access", "rectify"):
        desk.take(kind, email=AINO)
        desk.verify()
        desk.carry_out()
        house.deliver()
        desk.carry_out()
        desk.tick_all()
        assert desk.close("done", answer="Sukunimi on nyt Koskinen.").status == 200
    house.deliver()
    purge(house)
    assert {row.name for row in house.rows(data_request)} == {"Aino Mäkelä"}
    with house.service.transaction() as connection:
        customer_erasure.erase(connection, services.now(), aino.id, today())
    assert {(row.name, row.customer_id) for row in house.rows(data_request)} == {(None, None)}
    desk.take("object", email=AINO)
    desk.verify("mailbox")
    desk.carry_out()
    desk.tick_all()
    assert desk.close("done").status == 200
    clock.shift(29 * DAY)
    purge(house)
    assert desk.request.name == "Aino Mäkelä"
    with house.service.transaction() as connection:
        person = house.person(AINO).id
        erasing.erase(connection, house.occasion(), person, "person", tell=False)
    assert (desk.request.name, desk.request.subscriber_id) == (None, None)


def test_an_open_request_outlives_the_person_so_that_it_can_be_answered(clock, house):
    Visitor(house).becomes_active()
    desk = Desk(house)
    desk.take("access", email=AINO)
    house.erase(AINO)
    house.deliver()
    assert desk.request.name == "Aino Mäkelä" and fi("no longer on file") in desk.show().words
    desk.verify("mailbox")
    assert desk.carry_out().status == 200
    assert desk.open(f"/{desk.number}/file").status == 200
    desk.tick_all()
    assert desk.close("done").status == 200


def test_letters_are_read_and_printed_where_there_is_no_address(sqlite_house):
    desk = Desk(sqlite_house)
    desk.take("access", language="sv", channel="paper")
    page = desk.open(f"/{desk.number}/letters/received")
    assert page.status == 200 and 'lang="sv"' in page.html and "Vi har fått din begäran" in page.words
    assert f"Aino Mäkelä {language('sv').day(today())}" in page.words
    assert "FO-nummer" in page.words
    assert desk.open(f"/{desk.number}/letters/extended").status == 404
    sqlite_house.deliver()
    assert sqlite_house.mail.to(AINO) == []


def test_what_is_copied_into_a_request_is_kept_as_plain_lines(sqlite_house):
    desk = Desk(sqlite_house)
    assert desk.take("access", wish="  Kaikki\u2028laskut\x1b[31m\rja\tmuistiot\r\n").status == 200
    assert desk.request.wish == "Kaikki\nlaskut [31m\nja\tmuistiot"


def test_a_subscriber_gets_the_link_to_do_it_themselves(house):
    aino = Visitor(house).becomes_active()
    desk = Desk(house)
    desk.take("access", email=AINO)
    sent = desk.show().press(fi("Mail them the link to their own page"))
    assert sent.status == 200
    house.deliver()
    assert house.get(aino.link("my-data"), aino.http).status == 200


def test_an_address_that_would_not_be_taken_any_more_stays_its_owners(house):
    old = "aino@koti.local"  # no name of the Internet since RFC 6762
    Visitor(house).becomes_active()
    aino, desk = add_asker(house), Desk(house)
    with house.service.transaction() as connection:
        for table in (subscriber, customer):
            connection.execute(update(table).values(email=old, email_key=old))
    for kind in ("access", "object", "erase"):
        desk.take(kind, customer_number=aino.number)
        assert (desk.request.mail_to, desk.verify("call_back").status) == (old, 200)
        assert desk.carry_out().status == 200
        assert kind != "access" or desk.open(f"/{desk.number}/file").status == 200
    house.deliver()
    assert house.person(old) is None and house.rows(customer) == []
    desk.tick_all()
    assert desk.close("done").status == 200
    house.deliver()
    assert f"(numero {desk.number})" in house.mail.to(old)[-1].message["Subject"]
