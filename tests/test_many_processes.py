"""As many web and relay processes as a large installation has, on one PostgreSQL: together they do all of it once."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from consent_service.activecampaign.pacing import GAP
from tests.actors import Visitor
from tests.conftest import DATABASES
from tests.processes import running

WEBS, RELAYS, PEOPLE = 4, 3, 12


def check_pace(seconds: list[float]) -> None:
    """Four calls a second, whoever makes them; a busy machine lets some come late, and none too soon."""
    assert len(seconds) > 2 * PEOPLE
    for place, second in enumerate(sorted(seconds)):
        assert second >= place * GAP.total_seconds(), place


@pytest.mark.parametrize("database_url", DATABASES[1:], indirect=True)
def test_four_web_and_three_relay_processes_deliver_everything_once_and_keep_to_one_budget(
    tmp_path, database_url, mail, contacts
):
    many = {"relays": RELAYS, "web_processes": WEBS, "seal_every_s": 0.2}
    with running(tmp_path, database_url, mail, contacts, **many) as house, ThreadPoolExecutor(4) as threads:
        people = [Visitor(house, f"p{number}@example.com") for number in range(PEOPLE)]
        assert {page.status for page in threads.map(Visitor.subscribe, people)} == {200}
        house.wait_for(lambda: all(person.has_link("confirm") for person in people), "everybody is asked")
        began = time.monotonic()
        assert {page.status for page in threads.map(Visitor.confirm, people)} == {200}
        house.wait_for(lambda: len(contacts.history) >= PEOPLE, "everybody is on the list")
        house.deliver()
        assert Counter(contacts.history) == {(person.email, 1): 1 for person in people}
        made = [call for call in contacts.calls if call.name == "sync"]
        assert len(made) == len(contacts.contacts) == PEOPLE, "nobody was sent there twice"
        assert [len(person.mails()) for person in people] == [2] * PEOPLE
        check_pace([call.at - began for call in contacts.calls if call.at > began])
        house.wait_for(house.service.anchors.newest, "the log is sealed")
        assert house.stop() == (0,) * (1 + RELAYS)
        anchors = [anchor.checkpoint.size for anchor in house.service.anchors.all()]
        assert anchors == sorted(set(anchors)), "one sealed after the other"
        assert [message.kind for message in house.messages()].count("anchor") == 1, "one purge a day"
        said = house.relay_process.said
        assert said.count("relay started") == RELAYS and "stumbled" not in said
        audit = house.run("audit")
        assert audit.returncode == 0, audit.stdout
