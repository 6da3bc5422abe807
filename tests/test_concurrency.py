"""Things that happen at the same moment, with real threads on a real database."""

import itertools
import random
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import event, select, update

from consent_service import asks, breaches, corrections, subscriptions
from consent_service import service as services
from consent_service.asks import LinkDead
from consent_service.chores import Chores, invite_next
from consent_service.delivery import outbox, relaying
from consent_service.delivery.owner_letters import ANCHOR
from consent_service.delivery.relaying import Relay
from consent_service.earlier_list import import_rows, imports
from consent_service.earlier_list.import_claims import Claim
from consent_service.earlier_list.import_file import EMAIL, Line
from consent_service.language import language
from consent_service.models.breaches import breach, breach_notice
from consent_service.models.customer_imports import customer_import
from consent_service.models.customers import customer
from consent_service.models.delivery import outbox_message
from consent_service.models.earlier_list import import_row
from consent_service.models.requests import data_request
from consent_service.notices import statements
from consent_service.register import customer_imports
from consent_service.rights import data_requests
from consent_service.rights.data_requests import Told
from tests import crowd
from tests.actors import Staff, Visitor, fi
from tests.conftest import on_both_databases
from tests.household import relay_once

ROUNDS = [0, pytest.param(1, marks=pytest.mark.soak)]


def at_once(*acts):
    """Run all acts at the same moment; their results, or the refusal that one ran into."""
    gate = threading.Barrier(len(acts))

    def run(act):
        gate.wait(10)
        try:
            return act()
        except LinkDead as refusal:
            return refusal

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(run, acts))


def confirming(house, confirmation_id):
    occasion = house.occasion("subscriber", "link")
    page = statements.confirm(language("fi"), house.service.consent_text(language("fi")))
    with house.service.transaction() as connection:
        return subscriptions.confirm(connection, occasion, asks.find(connection, confirmation_id), page, tracks=True)


def leaving(house, subscriber_id):
    occasion = house.occasion("subscriber", "link")
    with house.service.transaction() as connection:
        subscriptions.unsubscribe(connection, occasion, subscriber_id)


@on_both_databases
@pytest.mark.parametrize("number", ROUNDS)
def test_two_confirmations_at_once_give_one_event(house, number):
    aino = Visitor(house)
    aino.subscribe()
    [ask] = house.asks(aino.email)
    results = at_once(*[lambda: confirming(house, ask.id)] * 4)
    assert set(results) == {house.person(aino.email).id}
    assert house.kinds(aino.email).count("confirmed") == 1
    assert [message.kind for message in house.messages()] == ["confirmation", "welcome", "sync"]


@on_both_databases
@pytest.mark.parametrize("number", ROUNDS)
def test_leaving_beats_a_concurrent_confirmation(house, number):
    aino = Visitor(house).becomes_active()
    aino.leave()
    aino.subscribe()
    ask, person = house.asks(aino.email)[-1], house.person(aino.email)
    at_once(lambda: confirming(house, ask.id), lambda: leaving(house, person.id))
    assert house.status(aino.email) == "passive"
    house.deliver()
    assert house.contacts.status_of(aino.email) == 2


@on_both_databases
@pytest.mark.parametrize("number", ROUNDS)
def test_six_forms_with_one_address_make_one_subscriber(house, number):
    acts = [Visitor(house, email).subscribe for email in ("a@example.com", "A@example.com", "a@EXAMPLE.com") * 2]
    assert {page.status for page in at_once(*acts)} == {200}
    asks = house.asks("a@example.com")
    assert len(asks) == 6
    person = house.person("a@example.com")
    assert person.open_confirmation_id in {ask.id for ask in asks}
    house.deliver()
    assert [mail.links != [] for mail in house.mail.mails] == [True], "only the newest ask is mailed"


@on_both_databases
def test_two_relays_never_deliver_a_message_twice(house):
    people = [f"p{number}@example.com" for number in range(30)]
    crowd.ask(house, people)
    relays = [Relay(secrets.token_hex(4), house.service.transaction, services.now, random.random) for _ in range(3)]
    channels = [house.service.channels(house.budget)[0] for _ in relays]

    def drain(relay, channel):
        while relay_once(relay, channel) is not None:
            pass
        channel.close()

    at_once(*[lambda pair=pair: drain(*pair) for pair in zip(relays, channels, strict=True)])
    assert sorted(mail.recipients[0] for mail in house.mail.mails) == sorted(people)


def test_the_heartbeat_waits_for_no_message_that_is_being_settled(open_house, new_postgres_url):
    house = open_house(new_postgres_url)
    for number in range(2):
        Visitor(house, f"p{number}@example.com").subscribe()
    ids = [message.id for message in house.messages()]
    relay = Relay("mine", house.service.transaction, services.now, random.random, in_flight=set(ids))
    claimed = update(outbox_message).values(claimed_by="mine", claimed_until=services.now())
    with house.service.transaction() as connection:
        connection.execute(claimed)
    with house.service.transaction() as settling:
        settling.execute(update(outbox_message).where(outbox_message.c.id == ids[1]).values(done_at=services.now()))
        with ThreadPoolExecutor() as pool:
            pool.submit(relaying.extend_leases, relay).result(timeout=5)
    first, second = house.messages()
    assert first.claimed_until > second.claimed_until


@contextmanager
def something_meanwhile(house, act, after):
    """Let something happen right after the so-manieth question of whoever reads next."""
    seen = itertools.count(1)

    def happen(_connection, _cursor, statement, *_):
        if statement.startswith("SELECT") and next(seen) == after:
            act()

    event.listen(house.service.engine, "after_cursor_execute", happen)
    yield
    event.remove(house.service.engine, "after_cursor_execute", happen)
    assert next(seen) > after, "there were not so many questions"


@on_both_databases
@pytest.mark.parametrize("place", ["", "/download", "/evidence"])
def test_a_page_shows_one_moment_whatever_is_committed_while_it_is_gathered(house, place):
    aino = Visitor(house).becomes_active()
    aino.my_data()
    link, person = aino.link("my-data").replace("?", f"{place}?"), house.person(aino.email)

    def correct():
        with house.service.transaction() as connection:
            corrections.correct_name(connection, house.occasion(), person.id, secrets.token_hex(4), "Mäkelä")

    def erase():
        house.erase(aino.email)

    for act, after in [*[(correct, number) for number in range(1, 7)], (erase, 1)]:
        with something_meanwhile(house, act, after):
            assert house.get(link).status == 200, (act, after)
    assert house.get(link).status == 404


def a_waiting_list(house, email):
    """An earlier list with one person, who may be asked."""
    batch = imports.Batch(imports.FILE, "Heidi", Claim("unknown"), "fi", house.service.controller, date(2026, 1, 2))
    with house.service.transaction() as connection:
        imports.begin(connection, house.occasion(), batch)
        imports.add(connection, house.occasion(), batch, [Line("1", {EMAIL: email})])
        import_rows.invite(connection, batch.id, services.now())
    return batch


@on_both_databases
def test_whoever_is_asked_while_their_list_is_taken_back_is_no_deadlock(house):
    batch = a_waiting_list(house, "waits@example.com")
    with house.service.transaction() as connection:
        waits = import_rows.find(connection, "waits@example.com")
        outbox.enqueue(connection, outbox.MAIL, outbox.LIST_DATA, services.now(), import_row_id=waits.id)

    def take_back():
        with house.service.transaction() as connection:
            return import_rows.forget_batch(connection, batch.id)

    with ThreadPoolExecutor(1) as threads:
        with house.service.transaction() as connection:
            connection.execute(select(import_row).with_for_update()).all()
            forgotten = threads.submit(take_back)
            with suppress(TimeoutError):
                forgotten.result(timeout=0.3)  # so that it waits for the row by then
            taken = import_rows.take_invited(connection, waits.id, services.now())
        assert (taken.email, forgotten.result(10)) == ("waits@example.com", 0)
    assert (house.count(import_row), house.messages()) == (0, [])


def test_the_form_and_the_invitation_of_one_person_at_once_are_no_deadlock(open_house, new_postgres_url):
    house = open_house(new_postgres_url)
    a_waiting_list(house, "waits@example.com")
    is_taken, came = threading.Event(), []
    with ThreadPoolExecutor(1) as threads:

        def come(_connection, _cursor, statement, *_):
            if "import_row" in statement and "FOR UPDATE" in statement and not is_taken.is_set():
                is_taken.set()
                came.append(threads.submit(Visitor(house, "waits@example.com").subscribe))
                with suppress(TimeoutError):
                    came[0].result(timeout=0.5)  # so that the form waits for the invitation by then

        event.listen(house.service.engine, "after_cursor_execute", come)
        assert invite_next(house.service)
        assert came[0].result(10).status == 200
    assert (house.count(import_row), [ask.source for ask in house.asks("waits@example.com")]) == (0, ["import", "form"])


@on_both_databases
def test_relays_that_purge_at_once_send_one_checkpoint_a_day(house):
    relays = [Chores(house.service, threading.Event()) for _ in range(3)]
    at_once(*[relay.run for relay in relays])
    assert [message.kind for message in house.messages()] == [ANCHOR]


NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
FACTS = breaches.Facts(
    noticed_at=NOON, what="Puhelin katosi", happened="junaan", kinds_of_data="numeroita", people=None,
    consequences=None, measures=None, risk="some", risk_reason=None,
)  # fmt: skip


def a_request(house, connection):
    told = Told(kind="access", channel="phone", received_on=NOON.date(), language="fi", name="Aino", phone="0401234567")
    data_requests.take(connection, house.occasion(), told, "Heidi")


def a_file(house, connection):
    customer_imports.take(connection, services.now(), "asiakkaat.csv", b"etunimi;sukunimi", "Heidi")


def a_notice(house, connection):
    told = breaches.Notice("ombudsman", NOON, "lomakkeella")
    breaches.tell(connection, services.now(), house.rows(breach)[0].id, told, "Heidi")


@on_both_databases
@pytest.mark.parametrize(
    ("press", "table"), [(a_request, data_request), (a_file, customer_import), (a_notice, breach_notice)]
)
def test_a_button_pressed_twice_at_the_same_moment_does_it_once(house, press, table):
    with house.service.transaction() as connection:
        breaches.add(connection, services.now(), FACTS, "Heidi")

    def pressing():
        with house.service.transaction() as connection:
            press(house, connection)

    at_once(*[pressing] * 8)
    assert len(house.rows(table)) == 1


@on_both_databases
def test_colleagues_who_add_the_same_customer_at_once_are_told_of_each_other(house):
    colleagues = [Staff(house, f"p{number}@keinuma.example", f"P{number}") for number in range(4)]
    pages = []
    for colleague in colleagues:
        colleague.log_in()
        pages.append(house.get("/staff/customers/add?lang=fi", colleague.http))
    typed = {"kind": "consumer", "last_name": "Järvinen", "first_name": "Aino", "source": "phone", "language": "fi"}
    added = at_once(*[lambda page=page: page.press(fi("Add the customer"), **typed) for page in pages])
    assert sorted(page.status for page in added) == [200, 409, 409, 409]
    assert len(house.rows(customer)) == 1
