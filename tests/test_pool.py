"""Connections that are ready for their next transaction: used again at once, unless something has befallen them."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from consent_service.sql import pool
from tests.conftest import on_both_databases


def driver_of(house) -> object:
    with house.service.reading() as connection:
        return connection.connection.driver_connection


def is_open(driver) -> bool:
    try:
        driver.execute("SELECT 1")
    except (psycopg.OperationalError, sqlite3.ProgrammingError):
        return False
    return True


@on_both_databases
def test_the_next_transaction_has_the_same_connection(house):
    assert driver_of(house) is driver_of(house)


@on_both_databases
def test_what_was_refused_leaves_nothing_open_for_the_next_one(house):
    with pytest.raises(DBAPIError), house.service.transaction() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (1)"))
    with house.service.transaction() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


@on_both_databases
def test_many_at_once_have_one_each_and_no_more_are_kept_than_wanted(house):
    at_once = pool.KEPT_CONNECTIONS + 3
    everybody = Barrier(at_once)

    def read(_: int) -> object:
        with house.service.reading() as connection:
            everybody.wait(20)
            return connection.connection.driver_connection

    with ThreadPoolExecutor(at_once) as threads:
        drivers = set(threads.map(read, range(at_once)))
    assert len(drivers) == at_once
    assert sum(map(is_open, drivers)) == pool.KEPT_CONNECTIONS


@on_both_databases
def test_one_that_comes_back_once_the_engine_is_disposed_of_is_closed(house):
    with house.service.reading() as connection:
        former = connection.connection.driver_connection
        house.service.engine.dispose()
    assert not is_open(former)


def test_one_that_ended_while_nobody_used_it_troubles_nobody(open_house, new_postgres_url):
    house = open_house(new_postgres_url)
    backend = driver_of(house).info.backend_pid
    with house.service.engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:backend)"), {"backend": backend})
    time.sleep(pool.ASKED_AFTER_S)
    with house.service.reading() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_when_one_has_ended_the_others_that_are_ready_are_not_tried(open_house, new_postgres_url):
    house = open_house(new_postgres_url)
    with house.service.reading() as first, house.service.reading() as second:
        backends = [one.connection.driver_connection.info.backend_pid for one in (first, second)]
    with house.service.engine.connect() as other:
        for backend in backends:
            other.execute(text("SELECT pg_terminate_backend(:backend)"), {"backend": backend})
    with pytest.raises(DBAPIError), house.service.reading() as connection:
        connection.execute(text("SELECT 1"))
    with house.service.reading() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
