"""Who looked at whom and who changed what: noted in the sealed log as ids, audited, and forgotten in time."""

import re
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import delete, text, update

from consent_service import retention
from consent_service import service as services
from consent_service.ledger.evidence import read_plain
from consent_service.models.inbox import contact_message
from consent_service.models.ledger import consent_event
from consent_service.models.staff import access, staff
from consent_service.staff import access_log
from consent_service.staff.staff_accounts import READER
from consent_service.web.access import NEEDS, NOT_NOTED
from consent_service.web.console.accounts import ACTS, LOOKS
from tests.actors import Staff, Visitor, fi
from tests.conftest import on_both_databases
from tests.register import add_customer
from tests.tampering import findings


def noted(house):
    """What the log says, in order: who, kind, page, thing."""
    found = []
    for row in house.rows(access):
        event = next(one for one in house.rows(consent_event) if one.id == row.event_id)
        told = read_plain(event.core_plain).payload
        assert (told["actor"], event.recorded_at) == (row.actor, row.noted_at)
        found.append((row.noted_at, told["actor"], told["kind"], told["what"], told["thing"]))
    return [rest for _, *rest in sorted(found)]


@pytest.fixture
def heidi(house):
    Visitor(house).subscribe()
    Visitor(house).write()
    heidi = Staff(house)
    heidi.log_in()
    return heidi


def test_looks_changes_and_logins_are_noted_with_ids_alone(house, heidi):
    person, [message] = house.person("aino@example.com").id, house.rows(contact_message)
    for path in ("", "subscribers", f"subscribers/{person}", "queue", f"contact-messages/{message.id}"):
        assert house.get(f"/staff/{path}", heidi.http).status == 200
    page = house.get(f"/staff/contact-messages/{message.id}?lang=fi", heidi.http)
    page.press(fi("Close the message"))
    heidi.add("eero@example.com")
    actor = f"staff:{house.account(heidi.email).id}"
    told = noted(house)
    assert told[:3] == [
        [actor, "entered", "login", None],
        [actor, "looked", "console.subscribers.show", f"subscriber:{person}"],
        [actor, "looked", "console.contact_messages.show", f"contact_message:{message.id}"],
    ]
    assert [actor, "changed", "console.contact_messages.close", f"contact_message:{message.id}"] in told
    added = house.person("eero@example.com").id
    assert [actor, "changed", "console.subscribers.add", f"subscriber:{added}"] in told
    assert not re.search("aino|eero|Mäkelä|Heidi|@", str(told))


def test_what_did_not_succeed_is_not_noted_as_done(sqlite_house):
    house = sqlite_house
    Visitor(house).subscribe()
    liisa = Staff(house, "liisa@keinuma.example", "Liisa", READER)
    liisa.log_in()
    before = noted(house)
    house.get("/staff/subscribers/6f1d1f4e-0000-4000-8000-000000000000", liisa.http)
    house.get(f"/staff/subscribers/{house.person('aino@example.com').id}/erase", liisa.http)
    house.get(f"/staff/subscribers/{house.person('aino@example.com').id}")
    liisa.http.head(f"{house.url}/staff/subscribers/{house.person('aino@example.com').id}")
    assert noted(house) == before


def test_an_owner_reads_on_the_page_of_an_account_what_it_did(sqlite_house):
    house = sqlite_house
    Visitor(house).subscribe()
    heidi, liisa = Staff(house), Staff(house, "liisa@keinuma.example", "Liisa", READER)
    heidi.log_in()
    liisa.log_in()
    person = house.person("aino@example.com").id
    house.get(f"/staff/subscribers/{person}", liisa.http)
    page = house.get(f"/staff/accounts/{house.account(liisa.email).id}?lang=fi", heidi.http)
    assert fi("Looked at a subscriber") in page.words and fi("Logged in") in page.words
    assert f"/staff/subscribers/{person}" in page.links
    assert house.get(f"/staff/accounts/{house.account(liisa.email).id}", liisa.http).status == 403


@on_both_databases
def test_the_audit_is_clean_and_finds_what_was_tampered_with(house, heidi):
    house.get(f"/staff/subscribers/{house.person('aino@example.com').id}", heidi.http)
    house.service.seal()
    assert findings(house) == []
    with house.service.transaction() as connection:
        connection.execute(update(access).values(actor="staff:somebody else"))
    assert {one.kind for one in findings(house)} == {"row changed"}
    with house.service.transaction() as connection:
        connection.execute(delete(access))
    assert {one.kind for one in findings(house)} == {"row changed"}


@on_both_databases
def test_five_years_later_the_notes_are_empty_leaves_and_the_ended_account_is_gone(house, heidi):
    house.get(f"/staff/subscribers/{house.person('aino@example.com').id}", heidi.http)
    gone = Staff(house, "gone@keinuma.example", "Gone")
    gone.log_in()
    with house.service.transaction() as connection:
        connection.execute(
            update(staff).where(staff.c.email == gone.email).values(active=False, ended_at=services.now())
        )
    house.service.seal()
    count, rules = house.count(), [retention.BY_KEY[key] for key in (access_log.RULE, "staff_account")]
    with time_machine.travel(services.now() + timedelta(days=5 * 365 - 1), tick=False):
        for rule in rules:
            with house.service.transaction() as connection:
                assert retention.purge_due(connection, house.occasion("relay", "relay"), rule, 100) == 0
    with time_machine.travel(services.now() + timedelta(days=5 * 365 + 2), tick=False):
        for rule in rules:
            with house.service.transaction() as connection:
                assert retention.purge_due(connection, house.occasion("relay", "relay"), rule, 100) > 0
        house.do_chores()
        house.service.seal()
        assert noted(house) == []
        assert house.count() > count, "the leaves stay, and an event lists them"
        assert [row.email for row in house.rows(staff)] == [heidi.email]
        assert findings(house) == []


def test_nobody_looks_unseen(sqlite_house):
    """When a look cannot be noted, it is not shown."""
    house = sqlite_house
    Visitor(house).subscribe()
    heidi = Staff(house)
    heidi.log_in()
    place = f"/staff/subscribers/{house.person('aino@example.com').id}"
    with house.service.transaction() as connection:
        connection.execute(text("CREATE TRIGGER full BEFORE INSERT ON access BEGIN SELECT RAISE(FAIL, 'full'); END"))
    page = house.get(place, heidi.http)
    assert (page.status, "Mäkelä" in page.html) == (503, False)


def looked(house, act):
    """Whom somebody is noted to have looked at by an act, and what it answered."""
    before = len(noted(house))
    answer = act()
    return answer, {thing for _, kind, _, thing in noted(house)[before:] if kind == "looked"}


def test_everybody_a_page_shows_is_noted_also_when_it_comes_back(house, heidi):
    first, second = add_customer(house), add_customer(house, "eero@example.com", last_name="Salo", notes="salaista")
    both = {f"customer:{first}", f"customer:{second}"}
    at, http = f"/staff/customers/{first}/merge/{second}", heidi.http
    page, seen = looked(house, lambda: house.get(f"{at}?lang=fi", http))
    assert "salaista" in page.html and seen == both
    token = {"csrf_token": page.forms[-1].fields["csrf_token"]}
    page, seen = looked(house, lambda: house.post(at, token, http))
    assert (page.status, "salaista" in page.html, seen) == (400, True, both)
    chosen = token | {"kind": "consumer", "last_name": "x", "source": "phone", "language": "fi"}
    page, seen = looked(house, lambda: house.post(f"/staff/customers/{second}/change", chosen, http))
    assert (page.status, "salaista" in page.html, seen) == (409, True, {f"customer:{second}"})
    page, seen = looked(house, lambda: house.post("/staff/customers/add", chosen | {"email": "eero@example.com"}, http))
    assert (page.status, seen) == (409, {f"customer:{second}"})


def test_a_page_of_every_register_notes_everybody_on_it(house, heidi):
    person, [message] = house.person("aino@example.com").id, house.rows(contact_message)
    mine = {f"customer:{add_customer(house)}", f"customer:{add_customer(house, first_name='Aino Maria')}"}
    mine |= {f"subscriber:{person}", f"contact_message:{message.id}"}
    for place in (f"subscribers/{person}", f"contact-messages/{message.id}"):
        page, seen = looked(house, lambda place=place: house.get(f"/staff/people/{place}", heidi.http))
        assert (page.status, seen) == (200, mine)
    page, seen = looked(house, lambda: house.get(f"/staff/customers/add?message={message.id}", heidi.http))
    assert (page.status, seen) == (200, {f"contact_message:{message.id}"})


def test_what_was_noted_once_is_told_by_name_for_as_long_as_the_log_is_kept():
    """Pages may move to another room; the names that stand in logs stay as they are."""
    beside = "subscribers rights contact_messages queue connection api_keys accounts my_account people data_requests"
    customers = "customers customer_merging customer_rights customer_documents customer_imports customer_exports"
    doors = [f"console.{door}" for door in f"{beside} data_request_acts {customers}".split()]
    told = {*LOOKS, *ACTS}
    assert set(doors) <= {name.rpartition(".")[0] for name in told}
    assert {name for name in told if name.startswith("console.")} <= set(NEEDS)


def test_every_act_of_staff_is_told_by_name(sqlite_house):
    rules = [rule for rule in sqlite_house.app.url_map.iter_rules() if rule.endpoint.startswith("console.")]
    acts = {rule.endpoint for rule in rules if "POST" in rule.methods}
    assert acts - {*ACTS, *NOT_NOTED} == set(), "would be told as a change of something"
    assert not {rule.endpoint for rule in rules} - acts & set(ACTS), "a look is no act"
    assert not acts & set(LOOKS), "an act is no look"


def test_a_form_that_comes_back_is_told_as_a_look(sqlite_house):
    house = sqlite_house
    heidi, customer = Staff(house), add_customer(house)
    heidi.log_in()
    page = house.get(f"/staff/customers/{customer}/change?lang=fi", heidi.http)
    token = {"csrf_token": page.forms[-1].fields["csrf_token"]}
    assert house.post(f"/staff/customers/{customer}/change", token, heidi.http).status == 400
    page = house.get(f"/staff/accounts/{house.account(heidi.email).id}?lang=fi", heidi.http)
    assert fi("Changed a customer") not in page.words
    assert page.words.count(fi("Looked at a page")) == 2
