"""The command `purge`: counts first if asked to, erases what is due, and reports rule by rule."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import insert, text, update

from consent_service import retention
from consent_service import service as services
from consent_service.models.ledger import consent_event
from consent_service.models.newsletter import erasure, subscriber
from consent_service.models.watch import daily_run
from tests import crowd
from tests.actors import Visitor
from tests.conftest import on_both_databases
from tests.processes import run, variables

RULES = [rule.key for rule in retention.RULES if rule.end]


@pytest.fixture
def purge(house, tmp_path):
    """Run the command on the machine of the household."""

    def purged(*words, **changes):
        return run(tmp_path, "purge", *words, given=variables(house.settings) | changes)

    return purged


@pytest.fixture
def old_house(house):
    """A household in which five people have not confirmed for weeks, and one has left a year ago."""
    crowd.ask(house, [f"p{number}@example.com" for number in range(5)])
    aino = Visitor(house).becomes_active()
    aino.leave()
    house.deliver()
    with house.service.transaction() as connection:
        long_ago = services.now() - timedelta(days=20)
        connection.execute(update(subscriber).where(subscriber.c.status == "pending").values(asked_at=long_ago))
        left = {"passive_since": services.now() - timedelta(days=352)}
        connection.execute(update(subscriber).where(subscriber.c.status == "passive").values(**left))
    return house


def numbers(done, what):
    assert done.returncode == 0, done
    told = json.loads(done.stdout)
    assert [line["rule"] for line in told] == RULES
    return {line["rule"]: line[what] for line in told if line[what]}


def test_a_dry_run_counts_the_same_and_changes_nothing(old_house, purge):
    before = old_house.everything()
    expected = numbers(purge("--dry-run", "--json"), "due")
    assert expected == {"unconfirmed": 5, "passive": 1}
    assert old_house.everything() == before
    assert numbers(purge("--json"), "ended") == expected
    assert old_house.count(subscriber) == 0
    assert len({note.rule for note in old_house.rows(erasure)}) == 2
    assert [row for row in old_house.rows(consent_event) if row.core_plain], "what was emptied is listed"
    assert numbers(purge("--dry-run", "--json"), "due") == {}


@on_both_databases
def test_the_report_in_words(old_house, purge):
    done = purge()
    assert (done.returncode, "Purging" in done.stderr) == (0, True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(RULES)
    assert lines[0] == "unconfirmed: 5 erased - A subscription that was not confirmed, 14 days after the last request"
    assert purge("--dry-run").stdout.splitlines()[0].startswith("unconfirmed: 0 due - ")


def test_a_purge_by_hand_counts_like_the_one_at_noon(old_house, purge):
    began = services.now()
    with old_house.service.transaction() as connection:
        long_ago = (began - timedelta(days=3)).date().isoformat()
        connection.execute(insert(daily_run).values(name=retention.PURGE, done_on=long_ago))
    purge("--dry-run")
    with old_house.service.reading() as connection:
        assert retention.purged_at(connection) < began
    assert purge().returncode == 0
    with old_house.service.reading() as connection:
        assert retention.purged_at(connection) >= began


def test_the_first_purge_by_hand_is_known_before_any_noon(sqlite_house, tmp_path):
    began = services.now()
    assert run(tmp_path, "purge", given=variables(sqlite_house.settings)).returncode == 0
    with sqlite_house.service.reading() as connection:
        assert retention.purged_at(connection) >= began


def test_a_purge_that_ended_not_everything_counts_for_nothing(sqlite_house, tmp_path):
    crowd.ask(sqlite_house, ["a@example.com"])
    with sqlite_house.service.transaction() as connection:
        connection.execute(text("CREATE TRIGGER kept BEFORE DELETE ON subscriber BEGIN SELECT RAISE(FAIL, 'no'); END"))
        connection.execute(update(subscriber).values(asked_at=services.now() - timedelta(days=20)))
    done = run(tmp_path, "purge", given=variables(sqlite_house.settings))
    assert done.returncode == 1
    *lines, last = done.stderr.splitlines()
    assert last.endswith("could be ended: unconfirmed; the lines above say why; mend that, then give this again")
    assert "rule not carried out" in "".join(lines)
    with sqlite_house.service.reading() as connection:
        assert retention.purged_at(connection) is None


def test_a_purge_that_cannot_work_says_so(house, purge, tmp_path):
    done = purge("--dry-run", CONSENT_DATABASE_URL=f"sqlite:///{tmp_path}")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["purge", "web", "relay"])
def test_nothing_is_served_sent_or_purged_while_the_list_of_erasures_cannot_be_read(sqlite_house, tmp_path, command):
    (tmp_path / "var" / "notes.jsonl").mkdir(parents=True)
    done = run(tmp_path, command, given=variables(sqlite_house.settings))
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert "notes.jsonl" in line


def test_nothing_is_served_while_a_line_of_the_list_of_erasures_is_damaged(sqlite_house, tmp_path):
    (tmp_path / "var").mkdir(exist_ok=True)
    (tmp_path / "var" / "notes.jsonl").write_text("?\n")
    done = run(tmp_path, "web", given=variables(sqlite_house.settings))
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert "notes.jsonl: line 1 cannot be read" in line
