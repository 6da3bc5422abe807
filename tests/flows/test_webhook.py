"""What happens at ActiveCampaign is heard of and read there: less permission is taken from it, and never more."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
import requests
import time_machine

from consent_service import service as services
from consent_service.activecampaign.contacts import Membership, Seen
from consent_service.delivery import outbox
from tests.actors import Visitor, fi
from tests.conftest import on_both_databases
from tests.processes import running
from tests.tampering import findings

SUBSCRIBED, UNSUBSCRIBED, BOUNCED = 1, 2, 3
SECRET = "weby-hook-secret_0123456789abcdefghij"
PLACE = f"/webhooks/activecampaign/{SECRET}"


@pytest.fixture
def house(open_house, database_url):
    return open_house(database_url, activecampaign_webhook_secret=SECRET)


@pytest.fixture
def aino(house):
    return Visitor(house).becomes_active()


def hint(house, kind="unsubscribe", *, place=PLACE, email="aino@example.com", **told):
    """What ActiveCampaign sends when something happened to a contact."""
    contact = house.contacts.contacts.get(email)
    fields = {
        "type": kind,
        "date_time": "2026-07-17T22:01:25-05:00",
        "initiated_from": "public",
        "initiated_by": "public",
        "list": "0",
        "contact[id]": contact.id if contact else "4711",
        "contact[email]": email,
        "contact[ip]": "127.0.0.1",
        "contact[fields][39]": "…",
    }
    content = urlencode([*(fields | told.pop("fields", {})).items(), *told.pop("more", [])])
    return requests.post(
        house.url + place, content, headers={"Content-Type": "application/x-www-form-urlencoded"}, timeout=20
    )


def looks(house):
    return [row for row in house.messages() if row.kind == "look"]


@pytest.mark.parametrize(
    ("status", "kind", "event"), [(UNSUBSCRIBED, "unsubscribe", "withdrawn"), (BOUNCED, "bounce", "bounced")]
)
def test_who_left_there_leaves_here_and_nothing_is_sent_back(house, aino, status, kind, event):
    house.contacts.set_status(aino.email, status)
    assert hint(house, kind).status_code == 204
    house.deliver()
    assert house.status(aino.email) == "passive"
    told = house.story(aino.email)[-1].core
    assert (told["kind"], told["door"], told["actor"]) == (event, "activecampaign", "activecampaign")
    assert house.contacts.status_of(aino.email) == status
    assert [row.kind for row in house.messages() if row.lane == outbox.ACTIVECAMPAIGN] == ["sync", "look"]
    house.service.seal()
    assert findings(house) == [], "the audit tells the same story"


def test_whoever_is_on_many_lists_is_found_on_ours(house, aino):
    contact = house.contacts.by_id(house.person(aino.email).contact_id)
    contact.lists = dict.fromkeys(range(100, 130), 1) | contact.lists
    house.contacts.set_status(aino.email, 2)
    hint(house)
    house.deliver()
    assert house.kinds(aino.email)[-1] == "withdrawn"


def test_when_from_which_campaign_and_why_is_kept_as_evidence(house, aino):
    [forward] = [channel for channel in house.channels if channel.lane == outbox.ACTIVECAMPAIGN]
    hint(house)
    with house.service.transaction() as connection:
        message = next(row for row in house.messages() if row.kind == "look")
        parcel = forward.load(connection, message, services.now())
        place = Membership(UNSUBSCRIBED, services.now(), "77", "Too many mails")
        forward.record(connection, message, parcel, Seen(contact_id="1", membership=place), services.now())
    told = house.story(aino.email)[-1].core
    assert (told["campaign"], told["reason_there"]) == ("77", "Too many mails")
    assert told["left_there_at"]


@pytest.mark.parametrize(
    "more",
    [
        [("list", "1")],
        [("list[0][id]", "1")],
        [("list[][id]", "5"), ("list[][id]", "1")],
        [("list", "0")],
        [("unsubscribe[reason]", "väsynyt"), ("campaign[id]", "3"), ("active_subscriptions[0]", "2")],
    ],
)
def test_every_shape_of_a_hint_is_understood(house, aino, more):
    house.contacts.set_status(aino.email, UNSUBSCRIBED)
    fields = {"list": ""} if any(name.startswith("list") for name, _ in more) else {}
    assert hint(house, fields=fields, more=more).status_code == 204
    house.deliver()
    assert house.status(aino.email) == "passive"


@on_both_databases
def test_a_hint_that_comes_before_the_id_is_known_is_found_by_its_address(house, aino):
    with house.service.transaction() as connection:
        connection.exec_driver_sql("UPDATE subscriber SET contact_id = NULL")
    house.contacts.set_status(aino.email, UNSUBSCRIBED)
    hint(house)
    house.deliver()
    assert house.status(aino.email) == "passive"


def test_what_is_no_hint_for_us_stores_nothing(house, aino):
    before = house.everything() | {"pulse": None}  # when it was heard of last is kept, for staff to see
    for fields, status in (
        ({"type": ""}, 400),
        ({"contact[id]": "1 OR 1"}, 400),
        ({"contact[id]": "9" * 30}, 400),
        ({"contact[email]": "nobody@example.com\0", "contact[id]": "4711"}, 204),
        ({"type": "open"}, 204),
        ({"type": "contact_tag_added"}, 204),
        ({"list": "2"}, 204),
        ({"contact[id]": "4711", "contact[email]": "nobody@example.com"}, 204),
    ):
        assert hint(house, fields=fields).status_code == status, fields
    assert house.everything() | {"pulse": None} == before


def test_without_the_secret_there_is_no_such_page(house, aino):
    before = house.everything()
    for secret in ("", "x", SECRET[:-1], SECRET + "x", "%00", "ä", SECRET.upper()):
        assert hint(house, place=f"/webhooks/activecampaign/{secret}").status_code == 404, secret
    assert house.everything() == before


@pytest.mark.parametrize("secret", ["", "None", "0"])
def test_a_secret_that_was_never_set_matches_nothing(standing_house, secret):
    assert hint(standing_house, place=f"/webhooks/activecampaign/{secret}").status_code == 404


def test_too_large_a_hint_is_refused(house, aino):
    assert hint(house, fields={"contact[fields][39]": "x" * 70_000}).status_code == 413
    assert looks(house) == []


@on_both_databases
def test_the_same_hint_ten_times_is_looked_at_once(house, aino):
    for _ in range(10):
        assert hint(house).status_code == 204
    assert len(looks(house)) == 1
    calls = len(house.contacts.calls)
    house.deliver()
    assert len(house.contacts.calls) == calls + 1


def test_a_forged_hint_changes_nobody(house, aino):
    for kind in ("unsubscribe", "bounce", "subscribe", "update"):
        hint(house, kind)
    house.deliver()
    assert house.status(aino.email) == "active"
    assert house.contacts.status_of(aino.email) == SUBSCRIBED
    assert house.kinds(aino.email)[-1] == "confirmed"


def test_a_hint_never_gives_permission(house):
    pending = Visitor(house, "pending@example.com")
    pending.subscribe()
    house.deliver()
    left = Visitor(house, "left@example.com").becomes_active()
    left.leave()
    house.deliver()
    house.contacts.add(pending.email, status=SUBSCRIBED)
    house.contacts.set_status(left.email, SUBSCRIBED)
    for person in (pending, left):
        assert hint(house, "subscribe", email=person.email).status_code == 204
    house.deliver()
    assert (house.status(pending.email), house.status(left.email)) == ("pending", "passive")
    assert house.contacts.status_of(left.email) == UNSUBSCRIBED, "who left is taken off again"


def test_a_newer_confirmation_here_beats_an_older_leaving_there(house, aino):
    house.contacts.set_status(aino.email, UNSUBSCRIBED)
    with time_machine.travel(services.now() + timedelta(days=1), tick=True):
        aino.leave()
        house.contacts.stop()  # so that what was heard and what is to be told there wait together
        aino.subscribe()
        house.deliver()
        aino.confirm()
        hint(house, fields={"contact[id]": "1"})
        house.contacts.start()
    with time_machine.travel(services.now() + timedelta(days=2), tick=True):
        house.deliver()
    assert house.status(aino.email) == "active"
    assert house.contacts.status_of(aino.email) == SUBSCRIBED


@on_both_databases
def test_who_leaves_there_while_our_answer_was_lost_is_not_put_back(house):
    aino = Visitor(house)
    with time_machine.travel(services.now(), tick=False) as clock:
        aino.subscribe()
        house.deliver()
        house.contacts.fault("cut", "contactLists", "after")
        aino.confirm()
        house.deliver()
        assert house.contacts.status_of(aino.email) == SUBSCRIBED, "done there, but not known here"
        clock.shift(timedelta(seconds=10))
        house.contacts.set_status(aino.email, UNSUBSCRIBED)
        hint(house)
        clock.shift(timedelta(hours=1))
        house.deliver()
    assert house.status(aino.email) == "passive"
    assert house.contacts.status_of(aino.email) == UNSUBSCRIBED
    assert house.contacts.history[-1] == (aino.email, UNSUBSCRIBED)


def test_an_answer_read_before_a_newer_confirmation_counts_no_more(house, aino):
    [forward] = [channel for channel in house.channels if channel.lane == outbox.ACTIVECAMPAIGN]
    house.contacts.set_status(aino.email, UNSUBSCRIBED)
    hint(house)
    message = looks(house)[0]
    with house.service.transaction() as connection:
        parcel = forward.load(connection, message, services.now())
    answer = forward.deliver(parcel)
    assert answer.membership.status == UNSUBSCRIBED
    aino.leave()
    aino.becomes_active()
    with house.service.transaction() as connection:
        forward.record(connection, message, parcel, answer, services.now())
    assert house.status(aino.email) == "active"


def test_who_left_there_unheard_is_not_put_back_by_a_corrected_name(house, aino):
    """Without any hint: the next update reads the status first, as nothing was confirmed since."""
    house.contacts.set_status(aino.email, UNSUBSCRIBED)
    aino.my_data()
    form = house.get(aino.link("my-data").replace("?", "/name?"), aino.http)
    form.press(fi("Save the name"), first_name="Aina", last_name="Mäkelä")
    house.deliver()
    assert house.person(aino.email).first_name == "Aina"
    assert house.contacts.status_of(aino.email) == UNSUBSCRIBED
    assert house.status(aino.email) == "passive"
    assert house.kinds(aino.email)[-1] == "withdrawn"


@pytest.mark.parametrize("fault", ["reset", "500", "429", "garbage", "truncated", "empty"])
def test_a_fault_delays_the_look_and_spoils_nothing(house, aino, fault):
    house.contacts.set_status(aino.email, UNSUBSCRIBED)
    house.contacts.fault(fault, "read")
    with time_machine.travel(services.now(), tick=False) as clock:
        hint(house)
        house.deliver()
        assert house.status(aino.email) == "active"
        clock.shift(timedelta(hours=1))
        house.deliver()
    assert house.status(aino.email) == "passive"
    assert len(house.contacts.contacts) == 1


def test_a_relay_that_runs_acts_on_a_hint_by_itself(tmp_path, mail, contacts):
    given = {"activecampaign_webhook_secret": SECRET}
    with running(tmp_path, f"sqlite:///{tmp_path}/c.db", mail, contacts, **given) as house:
        aino = Visitor(house)
        aino.subscribe()
        house.deliver()
        aino.confirm()
        house.wait_for(lambda: contacts.status_of(aino.email) == SUBSCRIBED, "forwarded")
        house.deliver()
        contacts.set_status(aino.email, UNSUBSCRIBED)
        assert hint(house).status_code == 204
        house.wait_for(lambda: house.status(aino.email) == "passive", "passive here")
        assert SECRET not in house.said
