"""A long list is compared in as few calls as there can be, and a killed comparison repeats none of them."""

import threading
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import bindparam, update

from consent_service import service as services
from consent_service.comparison import runs
from consent_service.comparison.reconcile import Comparison
from consent_service.models.comparison import reconcile_run
from consent_service.models.delivery import outbox_message
from consent_service.models.newsletter import subscriber
from tests import crowd
from tests.processes import Daemon, run, variables

SUBSCRIBED, UNSUBSCRIBED = 1, 2
PAGE = 100


def in_line(house, number):
    """So many people who are active here, on the list there, and taken over long ago."""
    emails = [f"person{one}@example.com" for one in range(number)]
    crowd.confirmed(house, emails)
    ids = [{"address": email, "there": house.contacts.add(email, status=SUBSCRIBED).id} for email in emails]
    there = {"contact_id": bindparam("there"), "forwarded_event_id": subscriber.c.basis_event_id}
    long_ago = {"active_since": services.now() - timedelta(days=1), "forwarded_at": services.now()}
    with house.service.transaction() as connection:
        connection.execute(outbox_message.delete())
        taken_over = update(subscriber).where(subscriber.c.email_key == bindparam("address"))
        connection.execute(taken_over.values(**there), ids)
        connection.execute(update(subscriber).values(**long_ago))
    return emails


def pages(house):
    return [call.path for call in house.contacts.calls if call.name == "search" and "status=1" in call.path]


@pytest.mark.parametrize("number", [2_000, pytest.param(50_000, marks=pytest.mark.soak)])
def test_a_long_list_takes_hardly_more_calls_than_it_has_pages(sqlite_house, number, capsys):
    house = sqlite_house
    emails = in_line(house, number)
    for email in emails[:5]:
        house.contacts.set_status(email, UNSUBSCRIBED)
    with house.service.transaction() as connection:
        assert runs.begin(connection, services.now(), applies=True, by_hand=False)
    steps = Comparison(house.service, house.budget, threading.Event()).run()
    for _ in range(number // PAGE // 2):
        next(steps)  # and never comes back: the process is killed
    with time_machine.travel(services.now() + runs.LEASE + timedelta(seconds=1)):
        *_, ended = Comparison(house.service, house.budget, threading.Event()).run()
    least = -(-(number - 5) // PAGE)
    with capsys.disabled():
        print(f"\n{ended.contacts} contacts, 5 changes: {ended.calls} calls, at least {least} pages and 5 questions")
    assert (ended.phase, ended.contacts) == ("done", number - 5)
    assert len(pages(house)) == len(set(pages(house))), "no page was read twice"
    assert ended.calls == len([call for call in house.contacts.calls if call.method == "GET"])
    assert ended.calls - least - 5 <= max(3, 0.01 * least), "the list, whether it filters, and the end"
    assert {house.status(email) for email in emails[:5]} == {"passive"}


def test_a_killed_command_goes_on_where_it_was(sqlite_house, tmp_path):
    house = sqlite_house
    in_line(house, 550)
    given = variables(house.settings)
    process = Daemon("reconcile", tmp_path, given)
    process.start()
    try:
        house.contacts.wait_for(lambda: len(pages(house)) >= 3, timeout=60)
    finally:
        process.kill()
    with house.service.transaction() as connection:
        [left] = connection.execute(reconcile_run.select()).all()
        assert (left.is_open, 100 <= left.contacts < 550) == (True, True)
        connection.execute(update(reconcile_run).values(claimed_until=services.now()))  # as if its minute had passed
    ended = run(tmp_path, "reconcile", given=given)
    assert ended.returncode == 0, ended.stderr
    assert "550 contacts" in ended.stdout
    assert "Both sides agree." in ended.stdout
    assert len(pages(house)) <= 7 + 1, "only the page that was under way may be read twice"


def test_what_may_be_done_is_decided_once_for_all_of_a_kind(sqlite_house):
    house = sqlite_house
    missing = in_line(house, 1_020)[:51]  # just few enough, and more than one transaction settles beside the strangers
    for email in missing:
        house.contacts.remove(email)
    for number in range(50):
        house.contacts.add(f"stranger{number}@example.com", status=SUBSCRIBED)
    assert house.compare(by_hand=False).repaired == {"missing-there": 51, "stranger": 0}
