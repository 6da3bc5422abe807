"""ActiveCampaign deletes the contact of an erased person, whatever goes wrong, and never one that came later."""

from contextlib import ExitStack
from datetime import timedelta

import pytest
import time_machine

from consent_service import service as services
from consent_service.language import language
from consent_service.models.newsletter import departure, erasure
from tests.actors import Visitor
from tests.flows.test_forward import forward_until_done
from tests.household import household
from tests.servers.activecampaign import ActiveCampaign
from tests.servers.smtp import MailServer

fi = language("fi").say
SUBSCRIBED = 1
ERASED = fi("Your data has been erased")


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


def subjects(person):
    return [str(mail.message["Subject"]) for mail in person.mails()]


@pytest.fixture(scope="module")
def shared_house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("erasure")
    with ExitStack() as stack:
        mail, contacts = stack.enter_context(MailServer()), stack.enter_context(ActiveCampaign())
        contacts.rate_limit, contacts.hold_s = None, 0.2
        yield stack.enter_context(household(folder, f"sqlite:///{folder}/c.db", mail, contacts))


# That a deletion survives every fault is proved in test_fault_matrix.py; here that the person hears of it once.
@pytest.mark.parametrize(
    ("fault", "call", "when"),
    [("timeout", "delete", "after"), ("429", "delete", "before"), ("empty", "search", "before")],
)
def test_a_fault_delays_the_deletion_but_does_not_spoil_it(shared_house, clock, fault, call, when):
    house, there = shared_house, shared_house.contacts
    aino = Visitor(house, f"{fault}.{call}.{when}@example.com").becomes_active()
    house.erase(aino.email)
    there.fault(fault, call, when, times=2)
    assert forward_until_done(house, clock) > 0
    house.deliver()
    house.do_chores()
    assert aino.email not in there.contacts
    assert subjects(aino).count(ERASED) == 1
    assert house.rows(departure) == []
    assert not [row for row in house.messages() if row.dead_at]


def test_while_deleting_alone_is_refused_whoever_leaves_need_not_wait(sqlite_house, clock):
    """A right that the key's user may lack, and what an account may do so many times a month only."""
    house, there, lane, rested_s = sqlite_house, sqlite_house.contacts, sqlite_house.lanes["activecampaign"], 0.0
    aino, *others = [Visitor(house, f"p{number}@example.com").becomes_active() for number in range(7)]
    there.fault("403", "delete", times=1000)
    for other in others:
        house.erase(other.email)
    aino.leave()
    while there.status_of(aino.email) == SUBSCRIBED:
        rested_s += lane.rest_s(lane.step())
    assert rested_s == 0
    there.clear_faults()
    forward_until_done(house, clock)
    assert list(there.contacts) == [aino.email], "and the deletions are made up for"


def test_a_contact_that_is_gone_already_is_as_good(sqlite_house):
    house, aino = sqlite_house, Visitor(sqlite_house).becomes_active()
    house.contacts.remove(aino.email)
    house.erase(aino.email)
    house.deliver()
    house.deliver()  # the person is told after ActiveCampaign has answered
    [note] = house.rows(erasure)
    assert note.there_answer == "no such contact there"
    assert subjects(aino)[-1] == ERASED
    assert "ActiveCampaignilla ei ole" in " ".join(aino.newest().text.split())


def test_a_contact_made_anew_there_under_another_id_is_deleted_too(sqlite_house):
    house, aino = sqlite_house, Visitor(sqlite_house).becomes_active()
    house.contacts.remove(aino.email)
    house.contacts.add(aino.email, status=SUBSCRIBED)
    house.erase(aino.email)
    house.deliver()
    assert house.contacts.contacts == {}


@pytest.mark.parametrize("search_delay_s", [0, 1000])
def test_an_answer_lost_on_the_way_to_activecampaign_leaves_no_contact_behind(sqlite_house, clock, search_delay_s):
    house, aino = sqlite_house, Visitor(sqlite_house)
    aino.subscribe()
    house.deliver()
    aino.confirm()
    house.contacts.fault("cut", "sync", "after")
    house.deliver()
    assert house.person(aino.email).contact_id is None
    house.contacts.search_delay_s = search_delay_s
    house.erase(aino.email)
    house.deliver()
    house.contacts.search_delay_s = 0
    clock.shift(timedelta(minutes=11))
    house.deliver()
    house.deliver()
    house.do_chores()
    assert house.contacts.contacts == {}
    assert subjects(aino)[-1] == ERASED
    assert house.rows(departure) == []


def test_a_search_that_answers_with_everybody_deletes_nobody_else(sqlite_house, clock):
    house, aino = sqlite_house, Visitor(sqlite_house).becomes_active()
    eero = Visitor(house, "eero@example.com").becomes_active()
    house.contacts.ignored_filters = frozenset({"email"})
    house.erase(aino.email)
    house.deliver()
    assert list(house.contacts.contacts) == [eero.email]
    [waits] = [row for row in house.messages() if row.kind == "delete"]
    assert waits.done_at is None, "nothing is believed that such a search says"
    house.contacts.ignored_filters = frozenset()
    clock.shift(timedelta(hours=1))
    house.deliver()
    house.deliver()
    assert subjects(aino)[-1] == ERASED


# The same address again, while the deletion is on its way


def test_who_subscribes_anew_is_forwarded_only_after_the_deletion(sqlite_house, clock):
    house, aino = sqlite_house, Visitor(sqlite_house).becomes_active()
    old = house.contacts.contacts[aino.email].id
    house.contacts.stop()
    house.erase(aino.email)
    house.deliver()
    aino.subscribe()
    house.deliver()
    aino.confirm()
    house.deliver()
    [sync] = [row for row in house.messages() if row.kind == "sync"]
    [delete] = [row for row in house.messages() if row.kind == "delete"]
    house.contacts.start()
    before = len(house.contacts.calls)
    forward_until_done(house, clock)
    house.deliver()
    house.do_chores()
    names = [call.name for call in house.contacts.calls[before:]]
    assert names.index("sync") > names.index("delete")
    assert names.count("delete") == 1
    assert house.contacts.status_of(aino.email) == SUBSCRIBED
    assert house.person(aino.email).contact_id == house.contacts.contacts[aino.email].id != old
    assert sync.done_at is None, "it waited"
    assert delete.done_at is None
    assert ERASED in subjects(aino)
