"""Erasing at the same moment as something else, with real threads on a real database."""

import json
import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import event, select, update

from consent_service import chores, erasure
from consent_service import service as services
from consent_service.delivery import relaying
from consent_service.models.customer_imports import customer_import
from consent_service.models.customers import customer
from consent_service.models.ledger import consent_event
from consent_service.models.newsletter import subscriber
from consent_service.register import customer_imports, customers, merging, reviews
from consent_service.register.customers import Details
from consent_service.register.merging import Merging
from tests import crowd
from tests.actors import Visitor
from tests.conftest import DATABASES, on_both_databases
from tests.register import TEN_YEARS, add_somebody
from tests.test_concurrency import ROUNDS, at_once

RANTANEN = Details(kind="consumer", source="phone", language="fi", last_name="Rantanen")


@on_both_databases
def test_two_purges_at_once_erase_everybody_once_and_list_every_leaf_once(house):
    crowd.ask(house, [f"p{number}@example.com" for number in range(60)])
    with house.service.transaction() as connection:
        connection.execute(update(subscriber).values(asked_at=services.now() - timedelta(days=15)))
    asked = house.count(consent_event)

    def purge():
        return sum(rows for rule, rows in chores.purge(house.service) if rule.key == "unconfirmed")

    assert sum(at_once(purge, purge)) == 60
    chores.copy_notes(house.service)
    assert list(chores.purge(house.service)) == []
    told = [json.loads(row.core_plain)["payload"] for row in house.rows(consent_event) if row.core_plain]
    listed = [leaf["id"] for one in told for leaf in one["leaves"]]
    assert len(set(listed)) == len(listed) == asked


@on_both_databases
@pytest.mark.parametrize("number", ROUNDS)
def test_whoever_asks_at_the_moment_they_are_erased_is_asked_anew(house, number):
    """The ask comes while the erasure is done but not committed; it must neither fail nor be lost with the old row."""
    aino = Visitor(house)
    aino.subscribe()
    old, erased = house.person(aino.email).id, threading.Event()

    def erase():
        with house.service.transaction() as connection:
            erasure.erase(connection, house.occasion(), old, "person", tell=False)
            erased.set()
            time.sleep(0.3)

    def ask():
        erased.wait(10)
        return aino.subscribe().status

    assert at_once(erase, ask)[1] == 200
    assert house.person(aino.email).id != old
    house.deliver()
    assert aino.confirm().status == 200


@pytest.mark.parametrize("database_url", DATABASES[1:], indirect=True)
def test_whoever_is_erased_in_the_middle_of_asking_is_asked_anew(house):
    """Between looking whether they are known and reading them; on SQLite nobody else writes meanwhile."""
    aino = Visitor(house)
    aino.subscribe()
    old, done = house.person(aino.email).id, threading.Event()

    def erase(_connection, _cursor, statement, *_):
        if statement.startswith("INSERT INTO subscriber ") and not done.is_set():
            done.set()
            with house.service.transaction() as connection:
                erasure.erase(connection, house.occasion(), old, "person", tell=False)

    event.listen(house.service.engine, "after_cursor_execute", erase)
    assert aino.subscribe().status == 200
    assert done.is_set()
    assert house.person(aino.email).id != old


@pytest.mark.parametrize("database_url", DATABASES[1:], indirect=True)
def test_whoever_is_erased_while_their_mail_is_noted_down_keeps_nobody_waiting_for_each_other(house):
    """The one holds the person and wants their messages; the other must not do it the other way round."""
    aino = Visitor(house)
    aino.subscribe()
    person_id, begun, erasing = house.person(aino.email).id, threading.Event(), []

    def erase():
        with house.service.transaction() as connection:
            erasure.erase(connection, house.occasion(), person_id, "person", tell=False)

    def meanwhile(_connection, _cursor, statement, *_):
        if statement.startswith("UPDATE outbox_message") and "done_at" in statement and not begun.is_set():
            begun.set()
            erasing.append(threading.Thread(target=erase))
            erasing[0].start()
            time.sleep(0.3)

    event.listen(house.service.engine, "after_cursor_execute", meanwhile)
    channel = next(channel for channel in house.channels if channel.lane == "mail")
    outcomes = relaying.relay_some(house.relay, channel, 16)
    erasing[0].join(10)
    assert [type(one).__name__ for one in outcomes] == ["Delivered"]
    assert house.person(aino.email) is None


def review(house, first, second):
    now = services.now()
    with house.service.transaction() as connection:
        found = reviews.look(connection, now, now.date(), locks=True)
        reviews.carry_out(connection, now, now.date(), found, "Heidi")


def merge(house, first, second):
    with house.service.transaction() as connection:
        seen = frozenset((one, customers.find(connection, one).changed_at) for one in (first, second))
        merging.merge(connection, house.occasion("staff:1", "console"), Merging(first, second, seen, RANTANEN), "Heidi")


@on_both_databases
@pytest.mark.parametrize(("act", "left"), [(review, 0), (merge, 1)])
def test_an_import_and_what_changes_many_customers_do_not_wait_for_each_other(house, act, left):
    first, second = sorted(add_somebody(house, "Rantanen", passive_for=TEN_YEARS) for _ in range(2))
    with house.service.transaction() as connection:
        customer_imports.take(connection, services.now(), "asiakkaat.csv", b"Sukunimi\nNiemi\n", "Heidi")
    acting = threading.Thread(target=act, args=(house, first, second))
    with house.service.transaction() as connection:  # as a relay that takes an import over does, some at a time
        connection.execute(update(customer_import).values(done=1))
        connection.execute(select(customer.c.id).where(customer.c.id == second).with_for_update())
        acting.start()
        time.sleep(0.3)
        connection.execute(select(customer.c.id).where(customer.c.id == first).with_for_update())
    acting.join(10)
    assert len(house.rows(customer)) == left
