"""Cookie choices that come at once from many tabs, and what a choice leaves behind in logs and files."""

import json
from concurrent.futures import ThreadPoolExecutor

import structlog

from consent_service import chores
from consent_service.models.ledger import consent_event
from consent_service.models.site import cookie_choice
from tests.actors import fi
from tests.conftest import on_both_databases
from tests.passer_by import SITE, PasserBy
from tests.tampering import findings


@on_both_databases
def test_a_choice_that_comes_from_many_tabs_at_once_is_recorded_once(open_house, database_url):
    house = open_house(database_url, allowed_origins=SITE)
    passer, other = PasserBy(house), PasserBy(house)
    fields = passer.fields()
    with ThreadPoolExecutor(8) as tabs:
        sent = [tabs.submit(house.post, "/cookie-choices", fields, passer.http) for _ in range(16)]
        other.choose()
    assert {one.result().status for one in sent} == {204}
    assert sorted(row.choice_id for row in house.rows(cookie_choice)) == sorted([passer.id, other.id])
    assert len([row for row in house.rows(consent_event) if row.core_plain]) == 2
    assert findings(house) == []


def test_its_number_stands_in_no_log(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/consent.db", allowed_origins=SITE)
    with structlog.testing.capture_logs() as said:
        passer = PasserBy(house)
        passer.choose()
        passer.choose(sequence="x")
        house.get(f"/cookies?id={passer.id}")
        page = house.get("/cookies?lang=fi").press(fi("Show what is recorded"), choice=passer.id)
        page.press(fi("Erase this"))
        house.do_chores()
    assert len(said) > 5
    assert passer.id not in str(said)


def test_what_was_erased_is_in_no_file_of_the_database(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/consent.db", allowed_origins=SITE)
    passer = PasserBy(house)
    passer.choose(action="chosen", allowed="marketing", layer="embed")
    [event] = [row for row in house.rows(consent_event) if row.core_plain]
    blind, payload = json.loads(event.core_plain)["blind"].encode(), b'"action":"chosen"'
    assert any(blind in path.read_bytes() for path in tmp_path.glob("consent.db*"))
    house.post("/cookies/erase", {"choice": passer.id})
    house.do_chores()
    assert chores.tidy(house.service)
    for path in tmp_path.glob("consent.db*"):
        content = path.read_bytes()
        assert blind not in content and payload not in content, path.name
