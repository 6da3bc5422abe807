"""Requests that people make about their data by phone or mail: verified first, carried out, answered, in time."""

import io
import json
import zipfile
from datetime import timedelta
from unicodedata import normalize

import pytest
from markupsafe import escape
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from consent_service import erasure as erasing
from consent_service import service as services
from consent_service.models.customers import customer, customer_document
from consent_service.models.earlier_list import import_row
from consent_service.models.inbox import contact_message
from consent_service.models.newsletter import erasure, refusal, suppression
from consent_service.models.requests import data_request, data_request_task
from consent_service.notices import privacy_customers
from consent_service.register import customer_erasure, customers
from tests.actors import Visitor, fi
from tests.asker import Desk, add_asker, add_waiting, today
from tests.conftest import on_both_databases
from tests.register import add_paper

AINO = "aino@example.com"
ONLY_KEPT = fi("This customer cannot be erased while the use of their data is restricted. Lift the restriction first.")


@pytest.fixture
def desk(house):
    return Desk(house)


def newest(house, email=AINO):
    house.deliver()
    return house.mail.to(email)[-1]


def flat(mail):
    return " ".join(mail.text.split())


def test_a_customer_with_an_invoice_wants_everything_erased(house, desk):
    Visitor(house).becomes_active().write()
    aino = add_asker(house)
    add_paper(house, aino.id)
    goes_on = {"kind": "contract", "title": None, "retention_class": "contract", "keep_until": None}
    add_paper(house, aino.id, id="00000000-0000-4000-8000-000000000002", **goes_on)
    shown = desk.take("erase", email=AINO, customer_number=aino.number)
    assert f"{aino.number} Aino Mäkelä" in shown.words and fi("First check who is asking.") in shown.words
    assert f'<a class="button" href="/staff/data-requests/{desk.number}/identity">' in shown.html, "the next step"
    received = newest(house)
    assert f"(numero {desk.number})" in received.message["Subject"]
    assert "Mäkelä" not in received.text

    assert desk.verify("call_back").status == 200
    contract = f"{fi('Coaching contract')}, 1.3.2026: "
    assert (
        "Lasku 17, 1.3.2026: " in shown.words and contract in shown.words and contract in desk.page("carry-out").words
    )
    wrong = desk.carry_out(name="Aino Korhonen")
    assert (wrong.status, fi("Write the name as it stands above.") in wrong.words) == (400, True)
    assert house.person(AINO) is not None
    assert desk.carry_out(name=normalize("NFD", "aino  mäkelä")).status == 200
    assert house.person(AINO) is None and house.rows(contact_message) == []
    [left] = house.rows(customer)
    assert (left.number, left.last_name, left.phone, left.notes) == (aino.number, None, None, None)
    assert set(desk.open_tasks()) == {"activecampaign", "spreadsheet", "binder", "mailbox", "accounting"}
    assert desk.close("part", ground="law").status == 409
    house.deliver()
    assert house.contacts.contacts == {} or all(AINO not in str(one) for one in house.contacts.contacts.values())
    for place in ("spreadsheet", "binder", "mailbox", "accounting"):
        assert desk.tick(place).status == 200
    whole = desk.close("done")
    assert whole.status == 409
    assert fi("Documents stay because the law keeps them. Choose that part of it was done.") in whole.words
    assert desk.close("part").status == 400, "a reason is wanted"
    assert desk.close("part", ground="law", answer="Kiitos yhteistyöstä!").status == 200

    answer = flat(newest(house))
    assert ": uutiskirje, ActiveCampaign, asiakasrekisteri, " in answer
    assert "Laki velvoittaa meidät säilyttämään osan tiedoistasi" in answer
    assert "Lasku, päivätty 1.3.2026: säilytetään " in answer and "Kiitos yhteistyöstä!" in answer
    assert "Valmennussopimus, päivätty 1.3.2026: säilytetään " in answer
    assert "tietosuoja.fi" in answer and fi("ActiveCampaign") in answer
    assert {row.title for row in house.rows(customer_document)} == {"Lasku 17", None}
    assert {row.rule for row in house.rows(erasure)} >= {"person", "customer"}
    assert desk.letters() == ["received", "answer"]


def test_nothing_is_disclosed_changed_or_erased_before_it_is_sure_who_asks(house, desk):
    Visitor(house).becomes_active()
    aino = add_asker(house)
    for kind in ("erase", "access", "restrict", "object", "portability", "rectify"):
        desk.take(kind, email=AINO, customer_number=aino.number)
        before = house.everything()
        assert desk.open(f"/{desk.number}/file").status == 404
        assert desk.carry_out().status == 409
        assert desk.tick("spreadsheet").status == 409
        for outcome in ("done", "part", "refused"):
            assert desk.close(outcome, ground="law").status == 409
        assert house.everything() == before
        desk.verify("doubt", note="ääni oli toinen")
        before = house.everything()
        assert desk.open(f"/{desk.number}/file").status == 404
        assert desk.carry_out().status == desk.tick("spreadsheet").status == desk.close("done").status == 409
        assert house.everything() == before
        assert desk.close("refused", ground="identity").status == 200
        assert desk.tasks() == {}
    assert "Emme voineet varmistaa, että pyytäjä olit sinä" in flat(newest(house))


@on_both_databases
def test_someone_asks_what_is_held_and_gets_one_file(house, desk):
    Visitor(house).becomes_active().write()
    aino = add_asker(house)
    add_paper(house, aino.id)
    desk.take("access", email=AINO, customer_number=aino.number, channel="mail")
    assert "call_back" in desk.page("identity").html and 'value="mailbox"' not in desk.page("identity").html
    assert desk.verify("mailbox").status == 409, "an address alone is too little for a customer"
    assert desk.verify("mailbox_number").status == 200
    assert desk.carry_out().status == 200
    assert "activecampaign" in desk.open_tasks()
    house.deliver()
    assert desk.carry_out().status == 200 and "activecampaign" not in desk.open_tasks()
    answer = desk.open(f"/{desk.number}/file").answer
    with zipfile.ZipFile(io.BytesIO(answer.content)) as folder:
        names = folder.namelist()
        told = json.loads(folder.read("asiakas.json"))
        page = folder.read("asiakas.html").decode()
        there = json.loads(folder.read("uutiskirje/activecampaign.json"))
    assert {"uutiskirje/tiedot.html", "uutiskirje/tiedot.json", "SHA256SUMS"} <= set(names)
    assert told["customer"]["notes"] == "Puhuu nopeasti." and told["documents"][0]["title"] == "Lasku 17"
    assert "Lasku 17" in page and "Puhuu nopeasti." in page and "tietosuoja.fi" in page
    for words in (*privacy_customers.purposes(fi).values(), *privacy_customers.accounting(fi)):
        assert str(escape(words)) in page
    assert "Haluaisin tarjouksen" in page and told["data_requests"][0]["number"] == desk.number
    assert there["state"] == "fetched"
    assert desk.close("done").status == 409
    desk.tick_all()
    assert desk.close("done").status == 200
    assert fi("Closed %(day)s by %(name)s: %(outcome)s").split()[0] in desk.show().words


def test_somebody_takes_along_what_they_gave(house, desk):
    Visitor(house).becomes_active()
    aino = add_asker(house)
    desk.take("portability", customer_number=aino.number)
    desk.verify("seen")
    desk.carry_out()
    with zipfile.ZipFile(io.BytesIO(desk.open(f"/{desk.number}/file").answer.content)) as folder:
        told = json.loads(folder.read("tiedot.json"))
        table = folder.read("asiakas.csv").decode("utf-8-sig")
    assert told["asiakas"][0]["last_name"] == "Mäkelä" and "notes" not in told["asiakas"][0]
    assert told["uutiskirje"][0]["email"] == AINO and '"Mäkelä"' in table


def test_a_restricted_person_is_neither_written_to_nor_purged(house, desk):
    Visitor(house).becomes_active()
    aino = add_asker(house)
    desk.take("restrict", email=AINO, customer_number=aino.number)
    desk.verify()
    desk.carry_out()
    person, [row] = house.person(AINO), house.rows(customer)
    assert (person.status, person.hold_reason) == ("passive", f"Rajoitettu pyynnöstäsi, numero {desk.number}")
    assert row.restricted_at is not None and row.restriction_reason == person.hold_reason


def test_an_objection_holds_for_good_also_for_a_stranger(house, desk):
    Visitor(house).becomes_active()
    desk.take("object", email=AINO)
    desk.verify("mailbox")
    desk.carry_out()
    assert house.status(AINO) == "passive"
    desk.take("object", email="outo@example.com", name="Outo Vieras")
    assert desk.tasks().keys() == {"spreadsheet"}, "an address that nobody proved is nobody's"
    desk.verify("mailbox")
    assert desk.carry_out().status == 200
    assert [row.reason for row in house.rows(suppression)] == ["objected", "objected"]
    kept = {(row.kind, row.address_hash) for row in house.rows(refusal)}
    assert kept == {("objected", row.address_hash) for row in house.rows(suppression)}, "until it is kept outside too"


@on_both_databases
def test_somebody_on_an_earlier_list_sees_it_and_is_taken_off(house, desk):
    add_waiting(house, "odottaja@example.com")
    for kind in ("access", "erase"):
        desk.take(kind, email="odottaja@example.com", name="Outi Odottaja")
        desk.verify("mailbox")
        if kind == "access":
            with zipfile.ZipFile(io.BytesIO(desk.open(f"/{desk.number}/file").answer.content)) as folder:
                assert json.loads(folder.read("asiakas.json"))["earlier_list"]["email"] == "odottaja@example.com"
                page = folder.read("asiakas.html").decode()
            assert "odottaja@example.com" in page and fi("Besides these only our own people handle your data.") in page
            for words in (*privacy_customers.purposes(fi).values(), *privacy_customers.accounting(fi)):
                assert str(escape(words)) not in page, "they are no customer"
        assert desk.carry_out(name="outi odottaja").status == 200
    assert house.rows(import_row) == []


def test_a_customer_does_not_reach_a_mailbox_they_only_name(house, desk):
    Visitor(house, "eero@example.com", "Eero", "Niemi").becomes_active()
    aino = add_asker(house)
    desk.take("erase", email="eero@example.com", customer_number=aino.number)
    assert desk.request.subscriber_id is None and desk.request.mail_to == AINO
    assert desk.verify("mailbox_number").status == 409
    desk.verify("call_back")
    desk.carry_out()
    assert house.status("eero@example.com") == "active" and house.rows(customer) == []


@on_both_databases
def test_a_legal_hold_keeps_everything_and_says_so(house, desk):
    Visitor(house).becomes_active()
    aino = add_asker(house)
    desk.take("erase", email=AINO, customer_number=aino.number)
    desk.verify()
    with house.service.transaction() as connection:
        connection.execute(text("UPDATE subscriber SET hold_reason = 'lasku 7', held_since = asked_at"))
    kept = desk.carry_out()
    assert kept.status == 409 and "oikeusvaadetta varten" in kept.words
    assert house.status(AINO) == "active" and house.rows(customer)[0].erased_at is None
    assert all(task.done_at is None for task in desk.tasks().values())
    assert desk.close("refused", ground="claims").status == 200


@on_both_databases
def test_a_legal_hold_on_whoever_subscribed_after_they_asked_keeps_what_they_wrote(house, desk):
    aino = Visitor(house)
    aino.write()
    desk.take("erase", email=AINO)
    desk.verify("mailbox")
    aino.becomes_active()
    with house.service.transaction() as connection:
        erasing.hold(connection, house.occasion(), house.person(AINO).id, "claim")
    kept = desk.carry_out()
    assert kept.status == 409 and "oikeusvaadetta varten" in kept.words
    assert house.count(contact_message) == 1


@on_both_databases
def test_a_customer_is_named_later_and_then_no_more(house, desk):
    aino = add_asker(house, email=None)
    desk.take("access")
    assert "customer" not in desk.tasks() and fi("no customer named") in desk.show().words
    page = desk.page("customer")
    assert f"{aino.number} Aino Mäkelä" in page.words, "found by the name that was given"
    assert page.press(fi("Note it"), customer_number="77").status == 400
    assert page.press(fi("Note it"), customer_number="x").status == 400
    assert page.press(fi("Note it"), customer_number=str(aino.number)).status == 200
    assert "customer" in desk.tasks() and desk.request.customer_id == aino.id
    desk.verify()
    assert page.press(fi("Note it"), customer_number=str(aino.number)).status == 409
    assert fi("print it and post it") in desk.show().words


def test_more_time_is_taken_once_and_told_in_the_first_month(house, desk):
    Visitor(house).becomes_active()
    desk.take("access", email=AINO)
    form = desk.page("extension")
    assert form.press(fi("Extend and tell the person"), note=" ").status == 400
    assert form.press(fi("Extend and tell the person"), note="Tietoja on monessa paikassa.").status == 200
    assert form.press(fi("Extend and tell the person"), note="Vielä kerran.").status == 409
    assert "Tietoja on monessa paikassa." in newest(house).text and desk.letters() == ["received", "extended"]
    desk.take("access", email=AINO, received_on=today() - timedelta(days=40))
    assert desk.page("extension").press(fi("Extend and tell the person"), note="Kiire.").status == 409
    assert desk.request.extended_to is None


def test_what_is_pressed_twice_is_done_once(house, desk):
    Visitor(house).becomes_active()
    form = desk.open("/add")
    told = {"kind": "access", "channel": "phone", "received_on": today().isoformat(), "name": "Aino", "language": "fi"}
    for _ in range(2):
        assert form.press(fi("Add the request"), **told, email=AINO).status == 200
    [desk.number] = [row.number for row in house.rows(data_request)]
    desk.verify("mailbox")
    for _ in range(2):
        assert desk.carry_out().status == 200
        house.deliver()
    desk.tick_all()
    form = desk.page("close")
    for _ in range(2):
        done = form.press(fi("Close and answer"), outcome="done", ground="")
        assert done.status == 200 and "Suljettu" in done.words
    assert desk.tick("binder", "jotain muuta").status == 200
    assert desk.tasks()["binder"].note == "ei löytynyt mitään"
    house.deliver()
    assert [mail.message["Subject"] for mail in house.mail.to(AINO)[-2:]] == [
        "Olemme saaneet pyyntösi (numero 1)",
        "Vastauksemme pyyntöösi (numero 1)",
    ]


def test_bad_input_is_told_beside_the_field_and_kept(sqlite_house):
    desk = Desk(sqlite_house)
    later = (today() + timedelta(days=1)).isoformat()
    wrong = desk.take("", name="Äijä <b>", email="aino@", received_on=later, customer_number="12a", phone="soita")
    assert wrong.status == 400 and wrong.title.startswith(fi("Error:"))
    for sentence in (
        "Choose what the person wants.",
        "Write one e-mail address in the form name@example.com.",
        "Choose today or an earlier day, at most a year ago.",
        "Write the customer number in digits, or leave it out.",
    ):
        assert fi(sentence) in wrong.words
    assert 'value="12a"' in wrong.html and 'value="aino@"' in wrong.html and "Äijä &lt;b&gt;" in wrong.html
    assert desk.take("access", customer_number=999).status == 400
    assert desk.take("access", customer_number=10**30).status == 400
    assert desk.take("access", name="", wish="x" * 2001).status == 400
    assert sqlite_house.rows(data_request) == []
    for tail in ("/1", "/1/close", "/1/letters/answer", f"/{2**63}", "/1/tasks/moon"):
        assert desk.open(tail).status == 404


def test_what_is_done_on_ones_own_page_is_counted_without_a_name(house, desk):
    aino = Visitor(house).becomes_active()
    aino.my_data()
    objecting = house.get(aino.link("my-data").replace("?", "/object?"), aino.http)
    for _ in range(2):
        assert objecting.press(fi("Never send me marketing again")).status == 200
    erasing = house.get(aino.link("my-data").replace("?", "/erase?"), aino.http)
    for _ in range(2):
        assert erasing.press(fi("Erase everything about me")).status == 200
    rows = house.rows(data_request)
    assert [(row.kind, row.channel, row.outcome) for row in rows] == [
        ("object", "page", "done"),
        ("erase", "page", "done"),
    ]
    assert AINO not in str(rows) and "Mäkelä" not in str(rows) and house.rows(data_request_task) == []
    words = desk.open().words
    assert fi("on their own page, not named") in words and "saatu 2, vastattu 2" in words
    assert desk.show(rows[0].number).status == 200


@on_both_databases
def test_the_database_itself_refuses_what_must_not_be(house, desk):
    desk.take("erase")
    for forced in (
        "UPDATE data_request SET closed_at = recorded_at, closed_on = due_on, closed_by = 'x', outcome = 'done'",
        "UPDATE data_request SET identity = 'verified'",
        "UPDATE data_request SET identity = 'refused', identity_at = recorded_at, identity_by = 'x',"
        " closed_on = due_on, closed_at = recorded_at, closed_by = 'x', outcome = 'done'",
        "UPDATE data_request_task SET done_at = (SELECT recorded_at FROM data_request), done_by = 'x',"
        " done_identity = 'verified'",
        "UPDATE data_request SET extended_to = '9999-01-01', extension_reason = 'x', extension_told_on = '9998-01-01'",
        "UPDATE data_request SET name = NULL",
        "UPDATE data_request SET due_on = received_on",
    ):
        with pytest.raises(IntegrityError, match=r"(?i)constraint"), house.service.transaction() as connection:
            connection.execute(text(forced))
            pytest.fail(f"it took {forced}")


def test_a_customer_whose_data_is_only_kept_is_not_erased_until_that_is_lifted(house, desk):
    Visitor(house).becomes_active()
    aino = add_asker(house)
    with house.service.transaction() as connection:
        customers.restrict(connection, house.occasion(), aino.id, "kiista laskusta 7")
    desk.take("erase", email=AINO, customer_number=aino.number)
    desk.verify()
    kept = desk.carry_out()
    assert kept.status == 409
    assert ONLY_KEPT in kept.words
    assert house.status(AINO) == "active" and house.rows(customer)[0].last_name == "Mäkelä"
    assert all(task.done_at is None for task in desk.tasks().values())
    with house.service.transaction() as connection:
        customers.lift(connection, house.occasion(), aino.id)
    assert desk.carry_out().status == 200 and house.rows(customer) == []


def test_a_mailbox_proves_nothing_of_somebody_else_once_the_customer_is_gone(house, desk):
    Visitor(house).becomes_active()
    aino = add_asker(house)
    desk.take("access", email="eero@example.com", customer_number=aino.number, channel="mail")
    assert 'value="mailbox"' not in desk.page("identity").html
    with house.service.transaction() as connection:
        customer_erasure.erase(connection, services.now(), aino.id, today())
    assert 'value="mailbox"' not in desk.page("identity").html
    assert desk.verify("mailbox").status == 409 and desk.request.identity is None
    desk.take("access", email=AINO)
    assert desk.verify("mailbox").status == 200, "whoever has the subscriber's own mailbox has proved it"
