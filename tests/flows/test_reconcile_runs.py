"""Comparisons carried out: by hand, at night, interrupted, against an account that fails, and after lost hints."""

import json
import random
import threading
from datetime import datetime, timedelta

import pytest
import time_machine

from consent_service import service as services
from consent_service.comparison import runs
from consent_service.comparison.reconcile import Comparison, Unreachable
from consent_service.delivery import outbox
from consent_service.language import HELSINKI
from consent_service.models.comparison import drift as drifts
from consent_service.models.comparison import reconcile_run
from tests import crowd
from tests.actors import Visitor
from tests.processes import run, variables

SUBSCRIBED, UNSUBSCRIBED, BOUNCED = 1, 2, 3
FAULTS = ["reset", "503", "429", "empty"]
FAULTS += [pytest.param(kind, marks=pytest.mark.soak) for kind in ("cut", "500", "502", "403", "garbage", "truncated")]


class Impatient(threading.Event):
    """A stop that nobody asks for, and that lets no time pass."""

    def wait(self, timeout=None):
        return self.is_set()


@pytest.fixture
def house(sqlite_house):
    return sqlite_house


@pytest.fixture
def begun(house):
    """Begin a comparison as the relay does at night."""

    def begin(*, applies=True, by_hand=False):
        with house.service.transaction() as connection:
            assert runs.begin(connection, services.now(), applies=applies, by_hand=by_hand)
        return Comparison(house.service, house.budget, Impatient())

    return begin


def newest(house):
    return house.rows(reconcile_run)[-1]


def pages(house):
    return [call.path for call in house.contacts.calls if call.name == "search" and "status=1" in call.path]


def test_the_command_reports_first_and_puts_right_when_told_to(house, tmp_path):
    aino = Visitor(house).becomes_active()
    house.contacts.set_status(aino.email, UNSUBSCRIBED)
    reported = run(tmp_path, "reconcile", given=variables(house.settings))
    assert reported.returncode == 0, reported.stderr
    assert "1 unsubscribed at ActiveCampaign" in reported.stdout
    assert "Nothing was changed" in reported.stdout
    assert house.status(aino.email) == "active"
    applied = run(tmp_path, "reconcile", "--apply", "--json", given=variables(house.settings))
    assert json.loads(applied.stdout) == {
        "contacts": 0, "calls": 4, "found": {"left-there": 1}, "repaired": {"left-there": 1},
    }  # fmt: skip
    assert house.status(aino.email) == "passive"
    agreed = run(tmp_path, "reconcile", given=variables(house.settings))
    assert "Both sides agree." in agreed.stdout
    assert aino.email not in reported.stdout + reported.stderr + applied.stderr


def test_the_command_says_what_is_missing(house, tmp_path, begun):
    alone = {"CONSENT_ACTIVECAMPAIGN_URL": "", "CONSENT_ACTIVECAMPAIGN_TOKEN": "", "CONSENT_ACTIVECAMPAIGN_LIST_ID": ""}
    given = {name: value for name, value in variables(house.settings).items() if name not in alone}
    refused = run(tmp_path, "reconcile", given=given)
    assert (refused.returncode, "not connected" in refused.stderr) == (1, True)
    begun()
    with house.service.transaction() as connection:
        runs.claim(connection, "another", services.now())
    busy = run(tmp_path, "reconcile", given=variables(house.settings))
    assert (busy.returncode, "under way" in busy.stderr) == (1, True)


def test_every_night_one_comparison_begins_whichever_relay_looks_first(house):
    evening = datetime(2026, 11, 24, 22, tzinfo=HELSINKI)
    begun_at = []
    for hours in (0, 1, 5, 6, 6, 20, 29, 30):
        with time_machine.travel(evening + timedelta(hours=hours), tick=False):
            house.do_chores()
            house.do_chores()
            begun_at.append(len(house.rows(reconcile_run)))
    assert begun_at == [0, 0, 1, 1, 1, 1, 2, 2], "the first night after the installation, and the one after it"


def test_a_comparison_goes_on_behind_the_last_page_it_took(house, begun):
    for number in range(250):
        house.contacts.add(f"person{number}@example.com", status=SUBSCRIBED)
    steps = begun().run()
    next(steps)
    next(steps)  # and never comes back: the process is killed
    assert len(pages(house)) == 2
    assert not drift_waits(house), "whoever was at it may be at it still"
    with time_machine.travel(services.now() + runs.LEASE + timedelta(seconds=1)):
        *_, run = Comparison(house.service, house.budget, Impatient()).run()
    assert (run.phase, run.contacts) == ("done", 250)
    assert len(pages(house)) == len(set(pages(house))) == 4, "three pages and the empty one, none of them twice"
    assert len(house.rows(drifts)) == 250


def drift_waits(house):
    with house.service.reading() as connection:
        return runs.waits(connection, services.now())


def test_who_lost_the_run_takes_nothing_any_more(house, begun):
    for number in range(150):
        house.contacts.add(f"person{number}@example.com", status=SUBSCRIBED)
    steps = begun().run()
    next(steps)
    with time_machine.travel(services.now() + runs.LEASE + timedelta(seconds=1)):
        other = Comparison(house.service, house.budget, Impatient()).run()
        next(other)
        with pytest.raises(runs.RunLost):
            next(steps)
        list(other)
    assert len(house.rows(drifts)) == 150


def test_a_run_stopped_in_the_middle_is_let_go_at_once(house, begun):
    Visitor(house).becomes_active()
    comparison = begun()
    steps = comparison.run()
    next(steps)
    comparison._stop.set()
    list(steps)
    assert drift_waits(house)


def test_a_command_stopped_by_hand_waits_for_the_command_and_not_for_the_relay(house):
    for number in range(150):
        house.contacts.add(f"person{number}@example.com", status=SUBSCRIBED)
    stop = Impatient()
    by_hand = Comparison(house.service, house.budget, stop)
    assert by_hand.begin(applies=True)
    steps = by_hand.run()
    next(steps)
    stop.set()
    list(steps)
    assert not drift_waits(house)
    assert list(Comparison(house.service, house.budget, Impatient()).run()) == []
    again = Comparison(house.service, house.budget, Impatient())
    assert again.begin(applies=True)
    *_, ended = again.run()
    assert (ended.phase, ended.contacts, ended.trouble) == ("done", 150, None)
    assert len(pages(house)) == 3


@pytest.mark.parametrize("kind", FAULTS)
def test_a_call_that_fails_is_made_again_and_the_end_is_the_same(house, begun, kind):
    aino, eero = Visitor(house).becomes_active(), Visitor(house, "eero@example.com").becomes_active()
    house.contacts.set_status(aino.email, UNSUBSCRIBED)
    house.contacts.retry_after_s = None
    for call in ("search", "search", "read"):
        house.contacts.fault(kind, call)
    list(begun().run())
    assert newest(house).phase == "done"
    assert (house.status(aino.email), house.status(eero.email)) == ("passive", "active")


def test_an_account_that_does_not_answer_is_left_for_later(house, begun):
    aino = Visitor(house).becomes_active()
    house.contacts.fault("503", "search", times=99)
    with pytest.raises(Unreachable, match="503"):
        list(begun().run())
    waiting = newest(house)
    assert (waiting.phase, waiting.claimed_by, waiting.trouble) == ("list", None, "ActiveCampaign answered 503")
    house.contacts.clear_faults()
    list(Comparison(house.service, house.budget, Impatient()).run())
    assert (newest(house).phase, newest(house).trouble) == ("done", None)
    assert house.status(aino.email) == "active"


@pytest.mark.parametrize("changes", [200, pytest.param(1000, marks=pytest.mark.soak)])
def test_after_many_changes_and_lost_hints_one_comparison_makes_both_agree(house, changes):
    chance = random.Random(4)
    emails = [f"person{number}@example.com" for number in range(60)]
    crowd.become_active(house, emails)
    assert house.compare().found == {}, "both agree before"
    strangers = [f"stranger{number}@example.com" for number in range(30)]
    hints = []
    for _ in range(changes):
        hints += change_something(house, chance, [*emails, *strangers])
        if chance.random() < 0.1:
            chance.shuffle(hints)
            crowd.hear(house, hints)
            crowd.forward(house, chance.randrange(40))
            hints.clear()
    house.compare()
    with time_machine.travel(services.now() + outbox.CARRIED_FOR):  # by then it is known whom an import left out
        crowd.forward(house)
    for email in emails:
        there = house.contacts.status_of(email)
        assert (house.status(email) == "active") == (there == SUBSCRIBED), (email, house.status(email), there)
    assert {house.contacts.status_of(email) for email in strangers} <= {None, UNSUBSCRIBED, BOUNCED}
    assert all(house.person(email) is None for email in strangers)
    assert house.compare().found == {}, "and the next one finds nothing"


def change_something(house, chance, emails):
    """Change one contact there; return the hints that arrive: seven of ten, and one of five twice."""
    email, status = chance.choice(emails), chance.choice([SUBSCRIBED, UNSUBSCRIBED, BOUNCED, None])
    with house.contacts.changed:
        contact = house.contacts.find(email)
    if contact is None:
        contact = house.contacts.add(email, status=status)
    elif status is None:
        house.contacts.remove(email)
    else:
        house.contacts.set_status(email, status)
    arrives = chance.random() < 0.7
    return [(contact.id, email)] * (chance.choice([1, 1, 1, 1, 2]) if arrives else 0)
