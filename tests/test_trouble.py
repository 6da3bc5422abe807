"""What the service does when something beside it is broken: keys, stores, other sides, a relay that dies."""

import base64
import random
import threading
import time
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import event, update

from consent_service import relay as relays
from consent_service import service as services
from consent_service.activecampaign.pacing import CallBudget
from consent_service.delivery import outbox, relaying
from consent_service.delivery.relaying import TRIES, Relay
from consent_service.limits.rate_limit import RateLimit
from consent_service.models.delivery import outbox_message
from consent_service.people import AddressRefused, NameRefused, read_address, read_name
from consent_service.web.visitor import evidence_ip, network
from tests.actors import Staff, Visitor, fi
from tests.conftest import on_both_databases
from tests.household import relay_once, settings
from tests.processes import run, variables

UNSUBSCRIBED = 2
NOWHERE = "redis://127.0.0.1:1/0"


def test_chance_spreads_the_tries_over_the_upper_half_of_each_pause():
    for attempts in range(1, TRIES):
        low, middle, high = (relaying.pause(attempts, jitter) for jitter in (0.0, 0.5, 1.0))
        assert timedelta(seconds=60) <= low < middle < high <= timedelta(hours=34, minutes=8)
        assert high == 2 * low


def test_a_mail_that_cannot_be_recorded_is_not_sent_for_ever(open_house, database_url):
    house = open_house(database_url)
    aino = Visitor(house)
    aino.subscribe()
    other = open_house(database_url, data_keys=base64.b64encode(b"another data key, 32 bytes long!").decode())
    with time_machine.travel(services.now(), tick=False) as clock:
        for _ in range(3 * TRIES):
            other.deliver()
            clock.shift(timedelta(hours=35))
    [message] = house.messages()
    assert message.done_at or message.dead_at
    assert len(aino.mails()) <= TRIES


@on_both_databases
def test_a_message_that_kills_every_relay_becomes_a_dead_letter(house):
    aino = Visitor(house)
    aino.subscribe()
    with house.service.transaction() as connection:
        connection.execute(update(outbox_message).values(attempts=TRIES))
    house.deliver()
    [message] = house.messages()
    assert (message.dead_at is not None, message.last_error) == (True, "tried without an end")
    assert not aino.mails()


def confirm_and_leave_before_being_forwarded(person):
    mail = person.house.lanes["mail"]
    person.subscribe()
    mail.step()
    person.confirm()
    mail.step()
    person.leave()


def test_leaving_before_being_forwarded_takes_off_whom_activecampaign_knew_before(house):
    aino = Visitor(house)
    house.contacts.add(aino.email, status=1)
    confirm_and_leave_before_being_forwarded(aino)
    house.deliver()
    assert house.contacts.status_of(aino.email) == UNSUBSCRIBED


def test_leaving_before_being_forwarded_makes_no_contact(house):
    aino = Visitor(house)
    confirm_and_leave_before_being_forwarded(aino)
    house.deliver()
    assert not house.contacts.contacts


def test_leaving_does_not_bring_back_a_contact_that_was_deleted_there(house):
    aino = Visitor(house).becomes_active()
    house.contacts.remove(aino.email)
    aino.leave()
    house.deliver()
    assert not house.contacts.contacts
    assert all(message.done_at for message in house.messages())


def test_one_stubborn_contact_does_not_use_up_its_tries_while_the_others_succeed(sqlite_house):
    house = sqlite_house
    Visitor(house, "stubborn@example.com").becomes_active()
    Visitor(house, "stubborn@example.com").leave()
    with time_machine.travel(services.now(), tick=False) as clock:
        for number in range(8):
            house.contacts.fault("500", call="contactLists", times=1)
            house.deliver()
            house.contacts.clear_faults()
            Visitor(house, f"p{number}@example.com").becomes_active()
            clock.shift(1)
    stubborn = [message for message in house.messages() if message.lane == "activecampaign"][1]
    assert stubborn.attempts <= 2


def test_after_an_outage_nobody_waits_for_their_own_next_try(sqlite_house):
    house = sqlite_house
    people = [Visitor(house, f"p{number}@example.com") for number in range(5)]
    house.mail.refuse_connections = True
    for person in people[:4]:
        person.subscribe()
    house.deliver()
    house.mail.refuse_connections = False
    people[4].subscribe()
    house.deliver()
    assert all(len(person.mails()) == 1 for person in people)


def test_what_waits_behind_a_backing_off_message_is_not_late(house):
    aino = Visitor(house).becomes_active()
    aino.leave()
    later = services.now() + timedelta(hours=2)
    with house.service.transaction() as connection:
        person = house.person(aino.email)
        first = outbox_message.c.done_at.is_(None)
        connection.execute(update(outbox_message).where(first).values(due_at=later))
        long_ago = services.now() - timedelta(hours=1)
        outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, "sync", long_ago, subscriber_id=person.id)
        connection.execute(update(outbox_message).where(first, outbox_message.c.due_at < later).values(due_at=long_ago))
        rows = [message for message in connection.execute(outbox_message.select()) if message.done_at is None]
        connection.execute(update(outbox_message).where(outbox_message.c.id == rows[0].id).values(due_at=later))
    assert house.get("/readyz").status == 200


def test_without_redis_the_form_and_the_login_still_count(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", redis_url=NOWHERE, limit_ip="2/10 minutes")
    pages = [Visitor(house, f"p{number}@example.com").subscribe() for number in range(3)]
    assert [page.status for page in pages] == [200, 200, 429]
    assert Staff(house).log_in().status == 200


def test_a_refused_try_is_not_counted_once_more():
    limit = RateLimit("", "2/minute;3/hour")
    for _ in range(50):
        limit.take("act", "who")
    assert limit.wait("act", "who") <= 60, "only what was allowed counts towards the hour"


def test_right_passwords_do_not_lock_an_office_out(sqlite_house):
    heidi = Staff(sqlite_house)
    for _ in range(7):
        heidi.http.cookies.clear()
        assert heidi.log_in().status == 200


@pytest.mark.parametrize(
    ("address", "counted", "kept"),
    [
        ("203.0.113.5", "203.0.113.5", "203.0.113.0/24"),
        ("::ffff:203.0.113.5", "203.0.113.5", "203.0.113.0/24"),
        ("203.0.113.5:4711", "203.0.113.5", "203.0.113.0/24"),
        ("2001:db8:1:2:3::9", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("nonsense", "unknown", None),
    ],
)
def test_a_network_is_told_from_every_way_an_address_is_written(address, counted, kept):
    assert (network(address), evidence_ip(address, "truncated")) == (counted, kept)


def test_the_heartbeat_keeps_its_pace_while_stopping(sqlite_house):
    house, stop, beats = sqlite_house, threading.Event(), []

    def hear(_connection, _cursor, statement, *_):
        if statement.startswith("UPDATE outbox_message SET claimed_until"):
            beats.append(statement)

    event.listen(house.service.engine, "after_cursor_execute", hear)
    relaying.extend_leases(Relay("r", house.service.transaction, services.now, random.random, in_flight={1}))
    assert len(beats) == 1, "a beat is heard"
    Visitor(house).subscribe()
    house.mail.delay_s, began = 0.5, time.monotonic()
    relay = threading.Thread(target=relays.run, args=(house.service, stop))
    relay.start()
    house.mail.wait_for(1)
    stop.set()
    relay.join()
    assert len(beats) <= 2 + (time.monotonic() - began) / relays.HEARTBEAT_S
    assert house.messages()[0].done_at is not None


def test_a_dead_letter_about_which_nothing_can_be_done_is_set_aside(house):
    aino, heidi = Visitor(house, "aino@gmial.example.com"), Staff(house)
    house.mail.answer_next("rcpt", 550, "5.1.1 no such user")
    aino.subscribe()
    house.deliver()
    heidi.log_in()
    assert fi("All is well.") not in house.get("/staff/?lang=fi", heidi.http).words
    house.get("/staff/queue?lang=fi", heidi.http).press(fi("Set aside"))
    assert fi("All is well.") in house.get("/staff/", heidi.http).words
    [message] = house.messages()
    assert "550" in message.last_error


@pytest.mark.parametrize("read", [read_address, read_name])
def test_what_is_far_too_long_is_refused_before_it_is_looked_at(read):
    slow_to_normalise = "\u0315" * 16_000 + "\u0316" * 16_000
    with pytest.raises((AddressRefused, NameRefused)):
        read(slow_to_normalise)


def test_another_site_cannot_send_our_forms_through_a_visitors_browser(sqlite_house):
    house = sqlite_house
    aino, cross_site = Visitor(house).becomes_active(), {"Sec-Fetch-Site": "cross-site"}
    assert house.post("/subscribe", {"email": "a@example.com"}, headers=cross_site).status == 400
    assert house.post("/staff/login", {"email": "a@example.com"}, headers=cross_site).status == 400
    one_click = house.post(aino.link("unsubscribe"), {"List-Unsubscribe": "One-Click"}, headers=cross_site)
    assert one_click.status == 200


def test_a_form_on_one_of_our_own_sites_is_taken(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/var/consent.db", allowed_origins="https://www.keinuma.example")
    for origin, is_ours in (("https://www.keinuma.example", True), ("https://evil.example", False), ("null", False)):
        sent = {"Sec-Fetch-Site": "cross-site", "Origin": origin}
        answer = house.post("/subscribe", {"email": "aino@example.com"}, headers=sent)
        assert ('value="aino@example.com"' in answer.html) is is_ours, origin


def test_what_production_writes_is_for_its_own_user_only(tmp_path):
    given = variables(settings(f"sqlite:///{tmp_path}/var/consent.db"))
    assert run(tmp_path, "migrate", given=given).returncode == 0
    assert (tmp_path / "var").stat().st_mode & 0o077 == 0
    assert (tmp_path / "var" / "consent.db").stat().st_mode & 0o077 == 0


def test_a_relay_told_to_stop_calls_nobody_before_its_turn(house):
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    aino.confirm()
    budget = CallBudget(house.service.transaction, services.now, lambda seconds: True)
    budget.rest(timedelta(minutes=5))
    [_, forward, _] = house.service.channels(budget)
    outcome = relay_once(house.relay, forward)
    forward.close()
    assert isinstance(outcome, outbox.Hold)
    assert house.contacts.calls == []
    [waiting] = [message for message in house.messages() if message.lane == outbox.ACTIVECAMPAIGN]
    assert waiting.attempts == 0, "stopping is nobody's failure"
    house.deliver()
    assert house.contacts.status_of(aino.email) == 1
