"""Customers in the register: numbers, searching, and what is left of one who is erased."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from consent_service.models.customers import customer
from consent_service.models.newsletter import erasure
from consent_service.people import read_address
from consent_service.register import customer_erasure as erasing
from consent_service.register import customers
from consent_service.register.customers import Details, Search
from tests.conftest import on_both_databases


@pytest.fixture
def occasion(house):
    return house.occasion("staff:1", "console")


def details(**changed):
    aino = {"kind": "consumer", "first_name": "Aino", "last_name": "Järvinen", "phone": "+358401234567"}
    return Details(source="phone", language="fi", **aino | {"address": read_address("aino@example.com")} | changed)


def found(house, words):
    with house.service.reading() as connection:
        return [row.number for row in customers.search(connection, Search(words)).rows]


def test_numbers_rise_and_none_is_given_twice(house, occasion):
    with house.service.transaction() as connection:
        first = customers.add(connection, occasion, details(), "Heidi")
        second = customers.add(connection, occasion, details(last_name="Korhonen"), "Heidi")
        numbers = [customers.find(connection, customer_id).number for customer_id in (first, second)]
        erasing.erase(connection, occasion.now, second, occasion.now.date())
        third = customers.add(connection, occasion, details(last_name="Laine"), "Heidi")
        numbers.append(customers.find(connection, third).number)
    assert numbers == [1001, 1002, 1003]


@on_both_databases
@pytest.mark.parametrize("words", ["järvinen aino", "JÄRVI", "1001", "040123", "+35840", "aino@example"])
def test_a_customer_is_found_by_every_word_in_any_case(house, occasion, words):
    with house.service.transaction() as connection:
        customers.add(connection, occasion, details(), "Heidi")
        customers.add(
            connection, occasion, details(last_name="Muu", phone=None, address=None, first_name="Eeva"), "Heidi"
        )
    assert found(house, words) == [1001]
    assert found(house, f"{words} puuttuu") == []


def test_letters_that_are_three_without_case_fill_no_column(house, occasion):
    longest = {"company_name": 200, "first_name": 100, "last_name": 100, "street": 200, "city": 100}
    names = {name: "\u0390" * length for name, length in longest.items()}
    with house.service.transaction() as connection:
        customers.add(connection, occasion, details(kind="company", **names), "Heidi")
    assert found(house, "1001") == [1001]


def test_a_changed_customer_is_found_by_what_they_are_called_now(house, occasion):
    with house.service.transaction() as connection:
        aino = customers.add(connection, occasion, details(), "Heidi")
        customers.change(connection, occasion, aino, details(last_name="Koskinen"))
    assert found(house, "koskinen") == [1001] and found(house, "järvinen") == []


@on_both_databases
def test_of_an_erased_customer_without_documents_only_a_note_is_left(house, occasion):
    with house.service.transaction() as connection:
        aino = customers.add(connection, occasion, details(), "Heidi")
        assert erasing.erase(connection, occasion.now, aino, occasion.now.date()) == []
    with house.service.reading() as connection:
        assert connection.execute(select(customer)).all() == []
        assert connection.execute(select(erasure.c.subscriber_id)).scalars().all() == [aino]


def at_once(house, act):
    """What two get who do the same in the same moment, each in a transaction of their own."""
    start = threading.Barrier(2)

    def one(which):
        start.wait()
        with house.service.transaction() as connection:
            return act(connection, which)

    with ThreadPoolExecutor(2) as pair:
        return list(pair.map(one, ("Laukaa", "Muurame")))


@on_both_databases
def test_of_two_at_once_one_changes_a_customer_and_both_who_are_added_get_a_number(house, occasion):
    with house.service.transaction() as connection:
        aino = customers.add(connection, occasion, details(), "Heidi")
    later = replace(occasion, now=occasion.now + timedelta(seconds=1))
    changed = at_once(house, lambda to, city: customers.change(to, later, aino, details(city=city), occasion.now))
    assert sorted(changed) == [False, True]
    at_once(house, lambda to, name: customers.add(to, later, details(last_name=name), "Heidi"))
    [kept, *added] = sorted(house.rows(customer), key=lambda row: row.number)
    assert kept.city == ("Laukaa", "Muurame")[changed.index(True)] and [row.number for row in added] == [1002, 1003]
