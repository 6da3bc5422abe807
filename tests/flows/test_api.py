"""Another program of the company asks, withdraws and reads: the person confirms, the evidence says who passed it on."""

import json

import pytest
from sqlalchemy import insert

from consent_service import service as services
from consent_service.delivery import outbox
from consent_service.earlier_list import import_rows
from consent_service.models.api import api_key
from consent_service.models.earlier_list import import_batch, import_row
from consent_service.models.ledger import consent_event
from consent_service.notices.statements import PURPOSE
from tests.actors import Staff, Visitor, fi
from tests.conftest import on_both_databases
from tests.machine import NAME, SITE, Machine, refused
from tests.tampering import findings


def test_whoever_ticked_the_box_elsewhere_gets_a_mail_and_confirms_it_themselves(house):
    program, aino = Machine(house), Visitor(house)
    answer = program.subscribe(aino.email, consent={"occasion": "ensimmäinen ajanvaraus"})
    assert (answer.status_code, answer.json()) == (202, {"result": "accepted"})
    assert house.status(aino.email) == "pending"
    [ask] = house.asks(aino.email)
    assert (ask.source, ask.language, ask.purpose, ask.occasion) == ("api", "fi", PURPOSE, "ensimmäinen ajanvaraus")
    house.deliver()
    assert house.contacts.contacts == {}
    assert aino.confirm().status == 200
    house.deliver()
    assert house.contacts.status_of(aino.email) == 1
    assert program.status(aino.email)["status"] == "active"


def test_the_evidence_names_the_key_the_site_and_the_text_and_no_network(house):
    program = Machine(house)
    texts = program.texts()
    program.subscribe()
    [asked] = house.story("aino@example.com")
    told = {name: asked.core[name] for name in ("kind", "actor", "door", "source", "api_key", "site")}
    assert told == {
        "kind": "requested",
        "actor": f"api:{program.id}",
        "door": "api",
        "source": "api",
        "api_key": NAME,
        "site": SITE,
    }
    assert asked.core["texts"]["consent"] == texts["consent"]["sha256"]
    assert "tracking" not in asked.core["texts"]
    assert asked.tech is None


def test_the_box_for_tracking_is_confirmed_with_the_other(house):
    program, aino = Machine(house), Visitor(house)
    program.subscribe(consent={"tracking": True})
    assert house.asks(aino.email)[0].tracking_sha256 == program.texts()["tracking"]["sha256"]
    house.deliver()
    house.get(aino.link("confirm")).press(fi("Confirm both"), tracking="yes")
    assert program.status(aino.email)["tracking"] is True


def test_the_texts_are_those_of_the_form_word_for_word(sqlite_house):
    program = Machine(sqlite_house)
    for code in ("fi", "sv", "en"):
        texts, form = program.texts(code), sqlite_house.get(f"/subscribe?lang={code}")
        assert texts["language"] == code
        for one in (texts["consent"], texts["tracking"]):
            assert one["sentence"] in form.words and one["privacy"] in form.words
        assert texts["privacy_url"] == f"{sqlite_house.url}/privacy?lang={code}"


@on_both_databases
def test_a_withdrawal_holds_at_once_reaches_activecampaign_and_writes_to_nobody(house):
    program, aino = Machine(house), Visitor(house).becomes_active()
    mails = len(house.mail.mails)
    answer = program.withdraw("AINO@example.com")
    assert (answer.status_code, answer.json()) == (200, {"result": "withdrawn"})
    assert house.status(aino.email) == "passive"
    left = house.story(aino.email)[-1].core
    assert (left["kind"], left["actor"], left["door"], left["api_key"]) == (
        "withdrawn", f"api:{program.id}", "api", NAME,
    )  # fmt: skip
    house.deliver()
    assert house.contacts.status_of(aino.email) == 2
    assert len(house.mail.mails) == mails


def test_who_has_not_confirmed_yet_can_withdraw_and_the_link_is_dead(house):
    program, aino = Machine(house), Visitor(house)
    program.subscribe()
    house.deliver()
    program.withdraw(aino.email)
    assert house.kinds(aino.email) == ["requested", "sent", "withdrawn"]
    assert house.get(aino.link("confirm")).status == 404


def test_who_only_waited_to_be_asked_is_asked_no_more(house):
    program, now = Machine(house), services.now()
    person = {"email": "tuotu@example.com", "email_key": "tuotu@example.com", "contact_id": None}
    names = {"first_name": "Tuula", "last_name": "Tuotu", "language": "fi"}
    with house.service.transaction() as connection:
        batch = {"id": "brought", "source": "file", "grade": "customer", "imported_by": "Heidi", "started_at": now}
        connection.execute(insert(import_batch).values(**batch))
        assert import_rows.keep(connection, "brought", person | names, now)
        assert import_rows.invite(connection, "brought", now) == 1
    assert program.withdraw("Tuotu@example.com").status_code == 200
    house.do_chores()
    house.deliver()
    assert (house.count(import_row), house.person("tuotu@example.com"), house.mail.to("tuotu@example.com")) == (
        0,
        None,
        [],
    )


def test_who_withdrew_comes_back_by_a_new_ask_only(house):
    program, aino = Machine(house), Visitor(house).becomes_active()
    program.withdraw(aino.email)
    program.subscribe()
    assert program.status(aino.email)["status"] == "passive"
    house.deliver()
    aino.confirm()
    assert program.status(aino.email)["status"] == "active"


def test_reading_tells_how_one_address_stands_and_since_when(house):
    program, aino = Machine(house), Visitor(house)
    assert program.status(aino.email) == {"status": "none", "since": None, "tracking": False}
    aino.subscribe()
    asked_at = house.person(aino.email).asked_at
    assert program.status(aino.email) == {"status": "pending", "since": utc(asked_at), "tracking": False}
    house.deliver()
    aino.confirm()
    since = house.person(aino.email).active_since
    assert program.status(aino.email) == {"status": "active", "since": utc(since), "tracking": False}
    program.withdraw(aino.email)
    since = house.person(aino.email).passive_since
    assert program.status(aino.email) == {"status": "passive", "since": utc(since), "tracking": False}


def utc(at):
    return at.isoformat().replace("+00:00", "Z")


def test_nobody_is_made_active_by_any_key_however_often_it_asks(house):
    program = Machine(house)
    for _ in range(3):
        assert program.subscribe().status_code == 202
    assert house.status("aino@example.com") == "pending"
    assert [message.kind for message in house.messages() if message.lane == outbox.ACTIVECAMPAIGN] == []


def test_each_scope_opens_its_own_doors_and_no_other(sqlite_house):
    doors = {
        "subscribe": [("GET", "/consent-texts?lang=fi"), ("POST", "/subscriptions")],
        "withdraw": [("POST", "/withdrawals")],
        "read": [("POST", "/status")],
    }
    before = sqlite_house.count()
    for scope in doors:
        program = Machine(sqlite_house, scope)
        for needed, places in doors.items():
            for method, path in places:
                answer = program.ask(method, path, **({"json": {}} if method == "POST" else {}))
                if needed == scope:
                    assert answer.status_code in (200, 422), (scope, path)
                else:
                    assert refused(answer, 403) == {}
    assert sqlite_house.count() == before


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer x", "Basic {key}", "{key}", "Bearer {key}x", "Bearer {other}", "Bearer é"],
)
def test_every_wrong_key_is_refused_in_one_way(standing_house, header):
    program = Machine(standing_house)
    other = program.key[:-1] + ("A" if program.key[-1] != "A" else "B")
    given = None if header is None else header.format(key=program.key, other=other).encode("latin-1")
    answer = program.ask("POST", "/status", json={"email": "aino@example.com"}, headers={"Authorization": given})
    assert refused(answer, 401) == {}
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    unkeyed = program.ask("POST", "/status", json={}, headers={"Authorization": None})
    assert {**answer.json(), "reference": ""} == {**unkeyed.json(), "reference": ""}


def test_of_a_key_only_a_hash_is_kept_and_the_day_of_its_last_use(house):
    program = Machine(house)
    secret = program.key.split("_", 2)[2]
    program.texts()
    assert house.rows(api_key)[0].last_used_on is None, "reading the texts changes no row"
    program.status("aino@example.com")
    assert house.rows(api_key)[0].last_used_on == house.occasion().now.date().isoformat()
    assert secret not in repr(house.everything())


def test_staff_read_who_passed_it_on(sqlite_house):
    program, aino, heidi = Machine(sqlite_house), Visitor(sqlite_house), Staff(sqlite_house)
    program.subscribe()
    program.withdraw(aino.email)
    heidi.log_in()
    place = f"/staff/subscribers/{sqlite_house.person(aino.email).id}"
    story = sqlite_house.get(f"{place}?lang=fi", heidi.http)
    assert fi("Subscribed through %(name)s, on the site %(site)s", name=NAME, site=SITE) in story.words
    assert fi("Unsubscribed through %(name)s", name=NAME) in story.words
    sheet = sqlite_house.get(f"{place}/evidence?lang=fi", heidi.http)
    assert fi("another program of the company") in sheet.words
    assert SITE in sheet.words


def test_the_person_reads_on_their_own_page_where_it_came_from(sqlite_house):
    program, aino = Machine(sqlite_house), Visitor(sqlite_house)
    program.subscribe()
    sqlite_house.deliver()
    aino.confirm()
    page = aino.my_data()
    assert fi("You subscribed on the site %(site)s", site=SITE) in page.words
    assert fi("from you, on another page of ours") in page.words


@on_both_databases
def test_the_audit_agrees_with_what_came_through_the_api(house):
    program = Machine(house)
    program.subscribe(consent={"occasion": "ajanvaraus"})
    program.withdraw("aino@example.com")
    program.withdraw("nobody@example.com")
    house.service.seal()
    assert findings(house) == []


def test_who_reads_is_noted_by_ids_and_nothing_else(house):
    program, aino = Machine(house), Visitor(house).becomes_active()
    before = house.count()
    program.status(aino.email)
    program.status("nobody@example.com")
    noted = [json.loads(row.core_plain)["payload"] for row in house.rows(consent_event) if row.core_plain]
    told = {"actor": f"api:{program.id}", "door": "api"}
    assert [core | {"at": ""} for core in noted if core["actor"] == told["actor"]] == [
        told | {"kind": "looked", "what": "api.status", "thing": f"subscriber:{house.person(aino.email).id}", "at": ""},
        told | {"kind": "filler", "at": ""},
    ]
    assert house.count() == before + 2, "the log tells by its size nothing of an address"
    assert "looked" not in house.kinds(aino.email), "the person's own story is none of it"
    assert findings(house) == []
    house.erase(aino.email)
    assert findings(house) == []
