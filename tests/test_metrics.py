"""What /metrics says: numbers that are true on both databases, for whoever brings the token, and nothing of anybody."""

import re
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest
import requests
import time_machine
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from consent_service import service as services
from consent_service.delivery import outbox
from consent_service.language import HELSINKI
from consent_service.watch import pulses, request_counts
from tests.actors import Staff, Visitor
from tests.conftest import on_both_databases
from tests.household import NO_ACTIVECAMPAIGN
from tests.processes import running
from tests.servers import redis
from tests.test_docs import ROOT, part, rows
from tests.test_logs import PRODUCTION

ALERTS = ROOT / "docs" / "alerts.yml"
TOKEN = "metrics-token-0123456789-abcdefghijklm"
NOON = datetime(2026, 12, 1, 12, tzinfo=HELSINKI)


@pytest.fixture
def house(open_house, database_url):
    return open_house(database_url, metrics_token=TOKEN)


def scrape(house):
    answer = house.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).answer
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return answer.text


def measured(house):
    """Every number by its name with its labels: `{"consent_log_events": 3, 'consent_x{lane="mail"}': 1}`."""
    samples = (sample for family in text_string_to_metric_families(scrape(house)) for sample in family.samples)
    return {_written(sample.name, sample.labels): sample.value for sample in samples}


def _written(name, labels):
    inner = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{inner}}}" if inner else name


def test_whoever_brings_no_token_finds_no_page(house, open_house, tmp_path):
    for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Authorization": "Bearer é"}):
        answer = house.get("/metrics", headers={name: value.encode() for name, value in given.items()})
        assert (answer.status, "consent_" in answer.answer.text) == (404, False)
    assert house.post("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status == 405
    closed = open_house(f"sqlite:///{tmp_path}/closed.db", **PRODUCTION)
    for given in ("Bearer ", "Bearer", ""):
        assert closed.get("/metrics", headers={"Authorization": given}).status == 404, "no token was set"
    tried = open_house(f"sqlite:///{tmp_path}/tried.db")
    assert "consent_" in tried.get("/metrics").answer.text, "on one's own machine nobody has to be kept out"


def test_a_new_service_has_nothing_to_tell(house):
    found = measured(house)
    assert found["consent_database_up"] == 1
    assert found["consent_log_events"] == found["consent_outbox_held"] == found["consent_people_overdue"] == 0
    assert found['consent_outbox_oldest_due_seconds{lane="mail"}'] == 0
    assert "consent_purge_timestamp_seconds" not in found, "what has not been yet has no time"


def test_requests_are_counted_by_rule_and_never_by_path(house):
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    house.get(aino.link("confirm"))
    house.get(f"/nothing/{quote(aino.email)}")
    house.http.request("FROBNICATE", house.url + "/subscribe", timeout=20)
    found = measured(house)
    for labels in (
        'method="GET",rule="/subscribe",status="200"',
        'method="POST",rule="/subscribe",status="200"',
        'method="GET",rule="/confirm/<token>",status="200"',
        'method="GET",rule="unknown",status="404"',
        'method="other",rule="unknown",status="405"',
    ):
        assert found[f"consent_http_request_seconds_count{{{labels}}}"] == 1, labels
    assert 0 < found['consent_http_request_seconds_sum{method="POST",rule="/subscribe",status="200"}'] < 20
    assert not [name for name in found if "_created" in name]


def test_what_waits_what_died_and_what_was_delivered(house):
    for name in ("aino", "eero", "otso"):
        Visitor(house, f"{name}@example.com").subscribe()
    with time_machine.travel(services.now() + timedelta(minutes=3), tick=False):
        found = measured(house)
    assert found['consent_outbox_messages{kind="confirmation",lane="mail"}'] == 3
    assert 180 <= found['consent_outbox_oldest_due_seconds{lane="mail"}'] < 200
    house.mail.answer_next("rcpt", 550, "no")
    house.mail.answer_next("rcpt", 450, "later")
    house.deliver()
    house.relay.tally.add(house.service.transaction)
    house.relay.tally.add(house.service.transaction)
    found = measured(house)
    assert found['consent_outbox_dead_letters{lane="mail"}'] == 1
    assert found['consent_outbox_messages{kind="confirmation",lane="mail"}'] == 1, "it waits for another try"
    assert found['consent_outbox_oldest_due_seconds{lane="mail"}'] == 0
    for outcome in ("delivered", "rejected", "retry"):
        assert found[f'consent_deliveries_total{{lane="mail",outcome="{outcome}"}}'] == 1


@on_both_databases
def test_a_count_that_cannot_be_added_is_not_lost(house):
    tally = house.relay.tally
    tally.count(outbox.MAIL, "delivered")
    with house.service.transaction() as connection:
        connection.execute(text("ALTER TABLE delivery_tally RENAME TO away"))
    with pytest.raises(Exception, match="delivery_tally"):
        tally.add(house.service.transaction)
    with house.service.transaction() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO delivery_tally"))
    tally.count(outbox.MAIL, "delivered")
    tally.add(house.service.transaction)
    assert measured(house)['consent_deliveries_total{lane="mail",outcome="delivered"}'] == 2


def test_confirmations_held_by_the_limit_of_the_whole_service(open_house, database_url):
    house = open_house(database_url, metrics_token=TOKEN, limit_global="1/hour", **NO_ACTIVECAMPAIGN)
    Visitor(house).subscribe()
    heidi = Staff(house)  # whom no form asks for a proof of work
    heidi.log_in()
    for name in ("eero", "otso"):
        heidi.add(f"{name}@example.com")
    house.deliver()
    assert measured(house)["consent_outbox_held"] == 2


def test_the_log_and_what_waits_for_its_seal(house):
    with time_machine.travel(NOON, tick=False) as clock:
        Visitor(house).subscribe()
        clock.shift(timedelta(seconds=70))
        found = measured(house)
        assert (found["consent_log_oldest_unsealed_seconds"], found["consent_log_events"]) == (70, 0)
        assert "consent_log_checkpoint_timestamp_seconds" not in found
        house.service.seal()
        found = measured(house)
    assert found["consent_log_events"] > 0
    assert found["consent_log_oldest_unsealed_seconds"] == 0
    assert found["consent_log_checkpoint_timestamp_seconds"] == NOON.timestamp() + 70


def test_when_the_last_good_backup_was_made(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/b.db", metrics_token=TOKEN)
    assert "consent_backup_timestamp_seconds" not in measured(house)
    with house.service.transaction() as connection:
        pulses.beat(connection, pulses.BACKUP, NOON)
    assert measured(house)["consent_backup_timestamp_seconds"] == NOON.timestamp()


def test_what_a_comparison_found_and_when(house):
    Visitor(house).becomes_active()
    house.contacts.add("stranger@example.com", status=1)
    house.compare(applies=False)
    found = measured(house)
    assert found['consent_comparison_findings{kind="stranger"}'] == 1
    assert found['consent_comparison_repaired{kind="stranger"}'] == 0
    assert found["consent_comparison_given_up"] == 0
    assert abs(found["consent_comparison_timestamp_seconds"] - services.now().timestamp()) < 100


def test_the_purge_and_what_should_be_gone(house):
    with time_machine.travel(NOON - timedelta(days=400), tick=False):
        Visitor(house).becomes_active().leave()
        house.deliver()
    with time_machine.travel(NOON - timedelta(hours=1), tick=False) as clock:
        found = measured(house)
        late_s = timedelta(days=49, hours=-1).total_seconds()
        assert found['consent_purge_oldest_due_seconds{rule="passive"}'] == pytest.approx(late_s)
        assert found['consent_purge_oldest_due_seconds{rule="unconfirmed"}'] == 0
        assert found["consent_people_overdue"] == 1
        clock.shift(timedelta(hours=2))
        house.do_chores()
        found = measured(house)
    assert found['consent_purge_oldest_due_seconds{rule="passive"}'] == found["consent_people_overdue"] == 0
    assert found["consent_purge_timestamp_seconds"] == (NOON + timedelta(hours=1)).timestamp(), "when it was"


def test_nothing_of_anybody_is_in_it(house):
    aino = Visitor(house, "kanerva.salamyhka@example.com", "Kanervatar", "Salamyhkänen").becomes_active()
    person, tokens = house.person(aino.email), {aino.link("confirm"), aino.link("unsubscribe")}
    house.get(f"/{aino.email}?email={aino.email}", headers={"User-Agent": "Kanervatar"})
    house.mail.answer_next("rcpt", 550, f"<{aino.email}>: no")
    Visitor(house, "eero@example.com", "Eerikki").subscribe()
    house.deliver()
    house.compare(applies=False)
    told = scrape(house).lower()
    parts = {part for link in tokens for part in re.split(r"[/?]", link) if len(part) > 20}
    for secret in ("kanerva", "salamy", "eeri", "@", "127.0.0.1", TOKEN, person.id, *parts):
        assert secret.lower() not in told, secret


def test_every_number_that_an_alert_asks_for_is_told_and_every_alert_is_explained(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", metrics_token=TOKEN, redis_url="redis://127.0.0.1:1")
    told = set(re.findall(r"^# TYPE (\w+)", scrape(house), re.MULTILINE))
    rules = re.findall(r"- alert: (\w+)\n +expr: '(.+)'\n +for: (\w+)\n", ALERTS.read_text("utf-8"))
    asked = {name for _, expression, _ in rules for name in re.findall(r"consent_\w+", expression)}
    assert {re.sub(r"_(bucket|count)$", "", name) for name in asked} <= told
    _, *explained = rows(part("docs/operations.md", "Numbers and alerts"))
    assert [(name, when) for name, when, _, _ in explained] == [(name, f"`{how}`, {wait}") for name, how, wait in rules]
    assert all(meaning and advice for _, _, meaning, advice in explained)


@pytest.mark.skipif(not redis.is_installed(), reason="Redis is not installed (apt install redis-server): NOT tested")
def test_whether_networks_are_counted_together(open_house, tmp_path):
    assert "consent_rate_limit_store_up" not in scrape(open_house(f"sqlite:///{tmp_path}/x.db", metrics_token=TOKEN))
    with redis.Redis() as store:
        house = open_house(f"sqlite:///{tmp_path}/c.db", metrics_token=TOKEN, redis_url=store.url)
        assert measured(house)["consent_rate_limit_store_up"] == 1
        store.stop()
        assert measured(house)["consent_rate_limit_store_up"] == 0


def test_it_tells_when_the_database_does_not_answer(house):
    Visitor(house).open_form()
    with house.service.transaction() as connection:
        connection.execute(text("ALTER TABLE delivery_tally RENAME TO away"))
    found = measured(house)
    assert found["consent_database_up"] == 0
    assert found['consent_http_request_seconds_count{method="GET",rule="/subscribe",status="200"}'] == 1


def test_reading_it_changes_nothing(house):
    Visitor(house).becomes_active()
    before = house.everything()
    scrape(house)
    assert house.everything() == before


def test_two_web_processes_and_a_relay_are_one_sum_and_leave_nothing_behind(tmp_path, mail, contacts):
    given = {"metrics_token": TOKEN, "web_processes": 2, "web_threads": 1, "form_min_s": 0}
    folder = request_counts.place(tmp_path / "var")
    with running(tmp_path, f"sqlite:///{tmp_path}/c.db", mail, contacts, **given) as house:
        for _ in range(30):  # each over a line of its own, so that both get some
            with requests.get(f"{house.url}/privacy", timeout=20, headers={"Connection": "close"}) as answer:
                assert answer.status_code == 200
        aino = Visitor(house)
        aino.becomes_active()
        counted = 'consent_http_request_seconds_count{method="GET",rule="/privacy",status="200"}'
        assert [measured(house)[counted] for _ in range(4)] == [30] * 4
        assert len({*folder.glob("*/histogram_*.db")}) == 2
        house.relay_process.stop()
        assert measured(house)['consent_deliveries_total{lane="mail",outcome="delivered"}'] == 2
        house.kill()
        assert len([*folder.glob("*/lock")]) == 1, "left behind by the one that was killed"
        house.start()
        assert len([*folder.glob("*/lock")]) == 1, "its own; the other is gone"
        assert measured(house).get(counted, 0) == 0
        assert house.web_process.stop() == 0
        assert not [*folder.glob("*/lock")]
