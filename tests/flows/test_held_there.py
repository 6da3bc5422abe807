"""What ActiveCampaign holds about a person is fetched when they ask, lies in their file, and says what is missing."""

import io
import json
import zipfile
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
import structlog
import time_machine
from sqlalchemy import select, update

from consent_service import service as services
from consent_service.activecampaign.holdings import PARTS, TITLES
from consent_service.activecampaign.pacing import GAP, CallBudget
from consent_service.chores import purge
from consent_service.delivery import outbox
from consent_service.delivery.outbox import Delivered, Hold, Retry
from consent_service.models.activecampaign import call_budget, held_there
from consent_service.models.newsletter import subscriber
from tests.actors import Staff, Visitor, fi
from tests.household import relay_once
from tests.servers.activecampaign_account import Held

FETCH, AGAIN = fi("Fetch what ActiveCampaign holds"), fi("Fetch it again")
NUMBERS = count(1)
EVERYTHING = 1 + len(PARTS)


@pytest.fixture
def house(standing_house):
    standing_house.contacts.held = Held()
    standing_house.contacts.clear_faults()
    yield standing_house
    standing_house.deliver()


@pytest.fixture
def aino(house):
    return Visitor(house, f"aino.{next(NUMBERS)}@example.com").becomes_active()


def own_page(person, tail=""):
    return person.house.get(person.link("my-data").replace("?", f"{tail}?"))


def ask(person):
    return person.my_data().press(FETCH)


def files(person):
    content = own_page(person, "/download").answer.content
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        return {name: packed.read(name).decode() for name in packed.namelist() if name.startswith(("tie", "active"))}


def told(person):
    return json.loads(files(person)["activecampaign.json"])


def contact_id(person):
    return person.house.person(person.email).contact_id


def lane_of(house):
    return house.lanes[outbox.ACCESS]


def test_what_is_held_there_is_fetched_and_lies_in_the_file(house, aino):
    page = ask(aino)
    assert (page.status, fi("It is being fetched. That usually takes less than a minute.") in page.words) == (200, True)
    assert FETCH not in own_page(aino).html, "nobody needs to press twice"
    house.deliver()
    page, found = own_page(aino), files(aino)
    there = json.loads(found["activecampaign.json"])
    assert (there["state"], there["contact_id"], there["missing"]) == ("fetched", contact_id(aino), {})
    assert there["fetched_at"]
    assert set(there["parts"]) == set(TITLES)
    assert there["parts"]["contact"][0]["email"] == aino.email
    assert there["parts"]["geoIps"][0]["ip4"] == "127.0.0.1", "as people write it"
    assert there["parts"]["contactData"][0]["geoIp4"] == "192.168.1.1"
    assert len(there["parts"]["activities"]) == 2, "read after the contact, which brings it up to date"
    assert there["words"] == {"list": {"1": "Newsletter"}, "tag": {"3": "lounas-tilaaja", "4": "webinaari"}}
    for words in (fi("Contact details"), "lounas-tilaaja (3)", "Lokakuun kirje", "Soitti 5.10.", "Jyväskylä"):
        assert words in found["tiedot.html"], words
    assert f"{fi('Tags')} (2)" in page.words
    assert fi("Deals") in page.words, "what is empty there is named too"
    assert "somebody.else@example.com" not in "".join(found.values()), "what comes along may be about others"


def test_without_having_been_fetched_it_says_so(house, aino):
    aino.my_data()
    found = files(aino)
    assert json.loads(found["activecampaign.json"]) == {
        "state": "unasked", "fetched_at": None, "contact_id": None, "parts": {}, "missing": {}, "cut": [], "words": {},
    }  # fmt: skip
    assert fi("It has not been fetched yet.") in found["tiedot.html"]
    own_page(aino).press(FETCH)
    found = files(aino)
    assert json.loads(found["activecampaign.json"])["state"] == "waiting"
    assert (
        fi("To have it in this file, fetch it on your own page first, and then download the file again.")
        in (found["tiedot.html"])
    )


def test_what_cannot_be_read_is_named_and_the_rest_is_there(house, aino):
    house.contacts.held.troubles = {"deals": 403, "organization": 404, "notes": 500, "geoIps": 200, "contactLogs": 422}
    ask(aino)
    house.deliver()
    reasons = {
        "deals": "not available in our account",
        "organization": "not available in our account",
        "notes": "ActiveCampaign did not hand it out",
        "geoIps": "the answer could not be read",
        "contactLogs": "ActiveCampaign did not hand it out",
    }
    there = told(aino)
    assert there["missing"] == {
        name: {"name": fi(TITLES[name]), "reason": fi(reason)} for name, reason in reasons.items()
    }
    assert set(there["parts"]) == set(TITLES) - set(reasons)
    for place in (own_page(aino).words, files(aino)["tiedot.html"]):
        assert f"{fi('Deals')}: {fi(reasons['deals'])}" in place
    asked = [call.path for call in house.contacts.calls if f"contacts/{contact_id(aino)}/deals" in call.path]
    assert len(asked) == 3, "a 403 may pass, so it is asked for again"


@pytest.mark.parametrize("fault", ["timeout", "503", "429", "403", "garbage"])
def test_a_fault_of_the_first_call_delays_everything_and_loses_nothing(house, aino, fault):
    house.contacts.hold_s = 0.05
    with time_machine.travel(services.now(), tick=False) as clock:
        ask(aino)
        house.contacts.fault(fault, "read")
        assert isinstance(lane_of(house).step(), Retry)
        assert told(aino)["state"] == "waiting"
        clock.shift(timedelta(minutes=5))
        assert isinstance(lane_of(house).step(), Delivered)
        assert told(aino)["missing"] == {}


@pytest.mark.parametrize("fault", ["reset", "500", "403", "truncated"])
def test_a_passing_fault_of_one_part_is_not_even_noticed(house, aino, fault):
    house.contacts.hold_s = 0.05
    house.contacts.fault(fault, "held", times=2)
    ask(aino)
    house.deliver()
    assert told(aino)["missing"] == {}


def test_a_part_that_never_answers_is_named(house, aino):
    house.contacts.fault("cut", "held", times=3)
    ask(aino)
    house.deliver()
    assert told(aino)["missing"]["fieldValues"]["reason"] == fi("ActiveCampaign did not answer in time")


def test_a_line_that_breaks_in_the_middle_is_tried_again_from_the_start(house, aino):
    with time_machine.travel(services.now(), tick=False) as clock:
        ask(aino)
        house.contacts.fault("cut", "held", times=9)
        assert isinstance(lane_of(house).step(), Retry)
        clock.shift(timedelta(minutes=5))
        house.contacts.fault("429", "held")
        assert isinstance(lane_of(house).step(), Retry)
        assert told(aino)["parts"] == {}
        clock.shift(timedelta(minutes=10))
        house.deliver()
        assert set(told(aino)["parts"]) == set(TITLES)


def test_a_filter_that_is_not_heard_gives_away_nobody_else(house, aino):
    later = Visitor(house, f"later.{next(NUMBERS)}@example.com").becomes_active()
    house.contacts.held.hears_filter = False
    ask(later)
    house.deliver()
    there = told(later)
    assert there["missing"]["emailActivities"]["reason"] == fi("it could not be told whether it is about this person")
    assert "emailActivities" not in there["parts"]


@pytest.mark.parametrize(("tells_total", "hears_offset"), [(True, True), (False, True), (True, False), (False, False)])
def test_long_parts_come_page_by_page_or_it_says_that_they_go_on(house, aino, tells_total, hears_offset):
    held = house.contacts.held
    held.tells_total, held.hears_offset = tells_total, hears_offset
    rows = [{"contact": contact_id(aino), "id": str(number)} for number in range(250)]
    held.rows[contact_id(aino), "activities"] = rows
    ask(aino)
    house.deliver()
    there = told(aino)
    kept = [row["id"] for row in there["parts"]["activities"]]
    assert kept == [row["id"] for row in rows[: 250 if hears_offset else 100]]
    assert there["cut"] == (["activities"] if tells_total and not hears_offset else [])
    if there["cut"]:
        assert fi("Of these there was more than could be read:") in own_page(aino).words


def test_too_much_is_cut_and_too_large_an_answer_is_named(house, aino):
    held, number = house.contacts.held, contact_id(aino)
    held.rows[number, "activities"] = [{"contact": number, "id": str(one), "x": "y" * 9000} for one in range(600)]
    held.rows[number, "notes"] = [{"note": "n" * 1_100_000}]
    ask(aino)
    house.deliver()
    there = told(aino)
    assert there["missing"]["notes"]["reason"] == fi("the answer could not be read")
    assert "activities" in there["cut"]
    assert len(there["parts"]["activities"]) == 400


def test_what_is_written_there_is_text_here_and_stands_in_no_log(house, aino):
    number, deep = contact_id(aino), "deep"
    for _ in range(60):
        deep = [deep]
    notes = [
        {"note": "<script>alert(1)</script>", "half": "\ud800", "odd\ud800": float("inf"), "deep": deep, "ip": "0"}
    ]
    house.contacts.held.rows[number, "notes"] = notes
    heidi = Staff(house, f"heidi.{number}@keinuma.example")
    heidi.log_in()
    with structlog.testing.capture_logs() as said:
        ask(aino)
        house.deliver()
    assert "alert" not in repr(said)
    found = files(aino)
    staff = house.get(f"/staff/subscribers/{house.person(aino.email).id}/there?lang=fi", heidi.http)
    for page in (found["tiedot.html"], staff.html):
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert" not in page
    [note] = json.loads(found["activecampaign.json"])["parts"]["notes"]
    assert (note["half"], note["odd?"], note["ip"]) == ("?", "inf", "0")


def test_a_contact_with_another_address_is_not_believed_to_be_the_person(house, aino):
    eero = Visitor(house, f"eero.{next(NUMBERS)}@example.com").becomes_active()
    with house.service.transaction() as connection:
        mine = subscriber.c.email_key == aino.email
        connection.execute(update(subscriber).where(mine).values(contact_id=contact_id(eero)))
    ask(aino)
    house.deliver()
    there = told(aino)
    assert there["parts"]["contact"][0]["email"] == aino.email, "found by the address"
    house.contacts.remove(aino.email)
    own_page(aino).press(AGAIN)
    house.deliver()
    assert (told(aino)["state"], told(aino)["parts"]) == ("unknown", {})
    assert fi("ActiveCampaign had no contact with this address on %(at)s.", at="|").partition("|")[0] in (
        own_page(aino).words
    )


def test_nobody_who_never_confirmed_is_named_there(house):
    pending = Visitor(house, f"pending.{next(NUMBERS)}@example.com")
    pending.subscribe()
    house.deliver()
    page, calls = pending.my_data(), len(house.contacts.calls)
    assert FETCH not in page.html
    before = house.everything()
    page = house.post(pending.link("my-data").replace("?", "/there?"))
    assert page.status == 200
    assert house.everything() == before
    assert fi("Nothing has gone to ActiveCampaign: nobody is named there before they confirm.") in page.words
    assert told(pending)["state"] == "unnamed"
    assert len(house.contacts.calls) == calls


def test_looking_and_downloading_change_nothing_and_pressing_twice_asks_once(house, aino):
    ask(aino)
    before = house.everything()
    own_page(aino)
    told(aino)
    assert own_page(aino, "/there").status == 405
    assert house.everything() == before
    house.post(aino.link("my-data").replace("?", "/there?"))
    assert len([row for row in house.messages() if row.kind == "fetch" and row.done_at is None]) == 1


def test_every_call_takes_its_turn_and_a_withdrawal_waits_behind_none(house, aino):
    eero = Visitor(house, f"eero.{next(NUMBERS)}@example.com").becomes_active()
    with time_machine.travel(services.now() + timedelta(hours=1), tick=False):
        ask(aino)
        eero.leave()
        calls, began = len(house.contacts.calls), services.now()
        assert isinstance(house.lanes[outbox.ACTIVECAMPAIGN].step(), Delivered)
        assert house.contacts.status_of(eero.email) == 2, "its own lane, so it is done first or meanwhile"
        house.deliver()
        made = len(house.contacts.calls) - calls
        with house.service.reading() as connection:
            free_at = connection.execute(select(call_budget.c.next_at)).scalar_one()
    assert made >= EVERYTHING
    assert free_at == began + made * GAP


def test_a_stop_ends_it_at_once_and_another_relay_begins_anew(house, aino):
    ask(aino)
    calls = len(house.contacts.calls)
    stopping = CallBudget(house.service.transaction, services.now, lambda seconds: True)
    channel = next(one for one in house.service.channels(stopping) if one.lane == outbox.ACCESS)
    assert isinstance(relay_once(house.relay, channel), Hold)
    channel.close()
    assert len(house.contacts.calls) == calls
    assert isinstance(lane_of(house).step(), Delivered)
    assert told(aino)["state"] == "fetched"


def test_who_is_erased_meanwhile_leaves_nothing(house, aino):
    ask(aino)
    number = house.person(aino.email).id
    [channel] = [one for one in house.channels if one.lane == outbox.ACCESS]

    def deliver(parcel):
        outcome = channel.deliver(parcel)
        house.erase(aino.email)
        return outcome

    outcome = relay_once(house.relay, replace(channel, deliver=deliver))
    house.deliver()
    assert (isinstance(outcome, Delivered), house.person(aino.email)) == (True, None)
    assert number not in {row.subscriber_id for row in house.rows(held_there)}
    assert not [one for one in house.messages() if one.subscriber_id == number and one.lane == outbox.ACCESS]


def test_it_is_kept_under_the_persons_key_for_a_week_and_goes_with_them(house, aino):
    ask(aino)
    house.deliver()
    number = house.person(aino.email).id
    [row] = [row for row in house.rows(held_there) if row.subscriber_id == number]
    assert b"lounas" not in row.sealed
    with time_machine.travel(services.now() + timedelta(days=6, hours=23)):
        list(purge(house.service))
    assert number in {row.subscriber_id for row in house.rows(held_there)}
    with time_machine.travel(services.now() + timedelta(days=7, minutes=1)):
        list(purge(house.service))
        assert number not in {row.subscriber_id for row in house.rows(held_there)}
        aino.my_data()
        assert told(aino)["state"] == "unasked"
        own_page(aino).press(FETCH)
        house.deliver()
        assert number in {row.subscriber_id for row in house.rows(held_there)}
        house.erase(aino.email)
        assert number not in {row.subscriber_id for row in house.rows(held_there)}
