"""Leaving from the newsletter: by one's own link, which the contact there holds, or by ActiveCampaign's own."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import update

from consent_service import service as services
from consent_service.activecampaign.pacing import CallBudget
from consent_service.delivery import outbox
from consent_service.models.newsletter import subscriber
from consent_service.service import Service
from consent_service.tokens import Tokens
from consent_service.watch import doctor
from tests.actors import LEAVE, Visitor, fi
from tests.household import CONTROLLER, SECRET

SUBSCRIBED, UNSUBSCRIBED, BOUNCED = 1, 2, 3
HOOK = "weby-hook-secret_0123456789abcdefghij"
LATER = timedelta(minutes=10)


@pytest.fixture
def house(sqlite_house):
    return sqlite_house


@pytest.fixture
def field(contacts):
    """The account has been set up."""
    made = contacts.put_field("Unsub URL", "UNSUB_URL")
    made.relids.append("0")
    return made


def link_of(house, email="aino@example.com"):
    """What `%UNSUB_URL%` becomes in this person's newsletter."""
    return next(iter(house.contacts.contacts[email].fields.values()), None)


def set_up(house, service=None):
    """What `doctor --setup` does; the people it put into the outbox, slice by slice."""
    shown = []
    with house.service.transaction() as connection:  # the calls so far took no time, only turns
        connection.exec_driver_sql("DELETE FROM call_budget")
    found = doctor.set_up(service or house.service, lambda people, slices: shown.extend(slices))
    assert found.state == "good", found.says
    return shown


def examined(service):
    return next(one.says for one in doctor.examine(service) if one.part == "ActiveCampaign")


def deliver_later(house):
    with time_machine.travel(services.now() + LATER, tick=True):
        return house.deliver()


# The link


def test_who_confirms_gets_a_link_of_their_own_and_leaves_by_it(house, field):
    aino, eero = (Visitor(house, f"{name}@example.com").becomes_active() for name in ("aino", "eero"))
    link = link_of(house)
    assert link.startswith(f"{house.url}/unsubscribe/") and link.endswith("?lang=fi")
    assert link != link_of(house, eero.email)
    before = house.everything()
    page = house.get(link)
    for method in ("HEAD", "OPTIONS"):
        house.http.request(method, link, timeout=20)
    assert house.everything() == before, "a scanner that opens it changes nothing"
    assert page.press(LEAVE).status == 200
    assert house.status(aino.email) == "passive"
    house.deliver()
    assert house.contacts.status_of(aino.email) == UNSUBSCRIBED
    assert (house.status(eero.email), house.contacts.status_of(eero.email)) == ("active", SUBSCRIBED)


def test_a_forwarded_newsletter_gives_away_the_link_and_nothing_else(house, field):
    aino = Visitor(house).becomes_active()
    token = link_of(house).partition("/unsubscribe/")[2]
    for door in ("my-data", "confirm"):
        page = house.get(f"/{door}/{token}")
        assert page.status == 404
        assert aino.email not in page.words and "Mäkelä" not in page.words
    assert aino.email not in house.get(link_of(house)).words
    assert aino.email not in link_of(house)


def test_the_link_stays_with_a_new_address(house, field):
    aino = Visitor(house).becomes_active()
    link = link_of(house)
    aino.move_to("aina@example.com")
    house.deliver()
    moved = Visitor(house, "aina@example.com")
    house.get(moved.link("confirm"), moved.http).press(fi("Confirm the address"))
    house.deliver()
    assert list(house.contacts.contacts) == ["aina@example.com"]
    assert link_of(house, "aina@example.com") == link


def test_who_leaves_before_being_forwarded_gets_no_link(house, field):
    house.contacts.add("aino@example.com", status=SUBSCRIBED)
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    house.contacts.stop()
    aino.confirm()
    house.get(house.service.own_links.url(house.person(aino.email).id, "fi")).press(LEAVE)
    house.contacts.start()
    house.deliver()
    assert (house.contacts.status_of(aino.email), link_of(house)) == (UNSUBSCRIBED, None)


# The field comes, goes, or is refused


def test_without_the_field_everything_else_works_and_a_set_up_makes_up_for_it(house):
    aino = Visitor(house).becomes_active()
    gone = Visitor(house, "gone@example.com").becomes_active()
    gone.leave()
    house.deliver()
    assert (house.contacts.status_of(aino.email), link_of(house)) == (SUBSCRIBED, None)
    assert set_up(house) == [1]
    assert set_up(house) == [], "who waits already does not wait twice"
    deliver_later(house)
    assert link_of(house) and house.contacts.contacts["gone@example.com"].fields == {}
    assert house.contacts.history.count((aino.email, SUBSCRIBED)) == 1
    assert set_up(house) == []


def test_a_set_up_puts_nobody_back_who_left_there_unheard(house):
    aino = Visitor(house).becomes_active()
    house.contacts.set_status(aino.email, UNSUBSCRIBED)
    assert set_up(house) == [1]
    deliver_later(house)
    assert (house.status(aino.email), house.contacts.status_of(aino.email)) == ("passive", UNSUBSCRIBED)


def test_leaving_need_not_wait_for_everybodys_links(house):
    people = [Visitor(house, f"p{number}@example.com").becomes_active() for number in range(4)]
    assert set_up(house) == [4]
    people[3].leave()
    house.deliver()
    assert house.contacts.status_of(people[3].email) == UNSUBSCRIBED
    assert link_of(house, people[0].email) is None, "not yet its turn"
    deliver_later(house)
    assert all(link_of(house, person.email) for person in people[:3])


def test_of_whom_no_name_is_known_the_link_is_told_and_nothing_else(house):
    aino = Visitor(house).becomes_active()
    with house.service.transaction() as connection:  # as after an import
        connection.execute(update(subscriber).values(first_name="", last_name=""))
        mine = house.person(aino.email).id
        outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, outbox.SYNC, services.now(), subscriber_id=mine)
    house.deliver()
    assert not [call for call in house.contacts.calls if call.name == "update"], "there was nothing to tell"
    assert set_up(house) == [1]
    deliver_later(house)
    [told] = [call.body["contact"] for call in house.contacts.calls if call.name == "update"]
    assert [*told] == ["fieldValues"] and link_of(house)
    assert house.contacts.contacts[aino.email].first_name == "Aino"


@pytest.mark.parametrize("decision", ["ignored", "refused"])
def test_a_field_that_is_deleted_there_holds_nobody_back(house, field, decision):
    house.contacts.unknown_field = decision
    Visitor(house).becomes_active()
    house.contacts.fields.clear()
    eero = Visitor(house, "eero@example.com").becomes_active()
    assert house.contacts.status_of(eero.email) == SUBSCRIBED
    assert [row for row in house.messages() if row.dead_at] == []
    assert set_up(house) == [2]
    deliver_later(house)
    assert link_of(house, eero.email)


@pytest.mark.parametrize("fault", ["403", "500", "garbage", "empty", "429"])
def test_fields_that_cannot_be_read_hold_nobody_back(house, field, fault):
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    house.contacts.fault(fault, "fields", times=100)
    aino.confirm()
    with time_machine.travel(services.now(), tick=True) as clock:
        for _ in range(3):
            clock.shift(timedelta(hours=1))
            house.deliver()
        assert house.contacts.status_of(aino.email) == SUBSCRIBED
        house.contacts.clear_faults()
        assert set_up(house) == [1]
        deliver_later(house)
    assert link_of(house)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", ["cut", "503", "truncated"])
def test_a_lost_answer_about_the_link_is_made_up_for(house, field, fault, when):
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    house.contacts.fault(fault, "sync", when)
    aino.confirm()
    house.deliver()
    deliver_later(house)
    assert link_of(house) and house.contacts.status_of(aino.email) == SUBSCRIBED
    assert set_up(house) == []


# The link is revoked


def test_a_key_taken_out_revokes_the_links_and_a_set_up_gives_new_ones(house, field):
    aino = Visitor(house).becomes_active()
    old = link_of(house)
    renewed = house.settings.model_copy(update={"secret_keys": ("another secret that is long enough", SECRET)})
    service = Service(renewed, CONTROLLER, house.service.folder)
    assert "1 person has no unsubscribe link of today there" in examined(service)
    assert set_up(house, service) == [1]
    budget = CallBudget(service.transaction, services.now, lambda seconds: False)
    [forward] = [one for one in service.channels(budget) if one.lane == "activecampaign"]
    with time_machine.travel(services.now() + LATER, tick=True), house.service.transaction() as connection:
        message = next(row for row in house.messages() if row.kind == "sync" and not row.done_at)
        parcel = forward.load(connection, message, services.now())
    assert parcel.own_link.url != old
    assert Tokens([SECRET]).read_unsubscribing(old.rpartition("/")[2].partition("?")[0]) == house.person(aino.email).id
    forward.close()
    service.engine.dispose()


# ActiveCampaign's own link


@pytest.fixture
def heard(open_house, tmp_path):
    """A house whose webhook the account there has; plain http is allowed in this test only."""
    house = open_house(f"sqlite:///{tmp_path}/c.db", activecampaign_webhook_secret=HOOK)
    house.contacts.webhooks.allows_loopback = True
    house.contacts.webhooks.register(
        f"{house.url}/webhooks/activecampaign/{HOOK}",
        events=["subscribe", "unsubscribe", "bounce", "update"],
        sources=["public", "admin", "system"],
        listid="1",
    )
    return house


@pytest.mark.parametrize(
    ("status", "by", "event"),
    [(UNSUBSCRIBED, "public", "withdrawn"), (UNSUBSCRIBED, "admin", "withdrawn"), (BOUNCED, "system", "bounced")],
)
def test_who_leaves_by_activecampaigns_own_link_is_passive_here(heard, status, by, event):
    aino = Visitor(heard).becomes_active()
    hooks = heard.contacts.webhooks
    hooks.doubles = True
    heard.contacts.set_status(aino.email, status, by)
    hooks.wait_sent()
    assert [told.status for told in hooks.told] == [204, 204], "our own calls are not heard back"
    heard.deliver()
    assert heard.status(aino.email) == "passive"
    assert heard.kinds(aino.email)[-1] == event
    assert heard.contacts.status_of(aino.email) == status


def test_hints_that_overtake_each_other_end_in_what_is_so(heard):
    aino = Visitor(heard).becomes_active()
    hooks = heard.contacts.webhooks
    hooks.holds = True
    for status in (UNSUBSCRIBED, SUBSCRIBED, UNSUBSCRIBED, SUBSCRIBED):
        heard.contacts.set_status(aino.email, status)
    hooks.release(newest_first=True)
    hooks.wait_sent()
    heard.deliver()
    assert len(hooks.told) == 4
    assert heard.status(aino.email) == "active" and heard.contacts.status_of(aino.email) == SUBSCRIBED
