"""Many tries at the same moment, at the doors of staff: no more are looked at than of those that come one by one."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import redis
import time_machine

from consent_service import service as services
from tests import made_once
from tests.actors import Staff, fi
from tests.authenticator import App
from tests.servers.redis import Redis, is_installed

AT_ONCE = 20
needs_redis = pytest.mark.skipif(not is_installed(), reason="Redis is not installed: counting together was NOT tested")


@pytest.fixture
def slow_house(open_house, tmp_path):
    """Open houses where a hash takes long enough for others to come in between."""

    def opened(**given):
        house = open_house(f"sqlite:///{tmp_path}/c.db", **given)
        made_once.hash_passwords(house.app, memory_kib=16 * 1024)
        return house

    return opened


def burst(houses, page, button, **fields):
    """How often each status answers many copies of one form, sent at the same moment by one browser."""
    data, place = page.form(button).pressed(button) | fields, page.form(button).action or page.answer.url
    start = threading.Barrier(AT_ONCE)

    def send(number):
        http = houses[0].http
        http.cookies.update(page._http.cookies)
        start.wait(20)
        return houses[number % len(houses)].post(urlsplit(place).path, data, http).status

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return Counter(threads.map(send, range(AT_ONCE)))


def test_of_a_burst_of_passwords_five_are_looked_at(slow_house):
    house = slow_house()
    heidi = Staff(house)
    page = house.get("/staff/login?lang=fi")
    assert burst([house], page, fi("Log in"), email=heidi.email, password="not the password") == {200: 5, 429: 15}
    assert heidi.log_in().status == 429


@needs_redis
def test_of_a_burst_on_two_web_processes_five_are_looked_at_in_all(slow_house):
    with Redis() as store:
        houses = [slow_house(redis_url=store.url) for _ in range(2)]
        page = houses[0].get("/staff/login?lang=fi")
        found = burst(houses, page, fi("Log in"), email="heidi@keinuma.example", password="not the password")
        assert found == {200: 5, 429: 15}
        with redis.from_url(store.url) as client:
            client.flushall()
        heidi = Staff(houses[0])
        for _ in range(8):
            heidi.http = houses[0].http
            assert urlsplit(heidi.log_in().answer.url).path == "/staff/", "what is right is given back"


def test_of_a_burst_of_codes_five_are_looked_at(sqlite_house):
    house = sqlite_house
    heidi = Staff(house)
    heidi.log_in()
    app = house.get("/staff/my-account/app?lang=fi", heidi.http)
    app.press(fi("Set up the app"), code=App(app).code())
    heidi.http = house.http
    page = heidi.log_in()
    assert burst([house], page, fi("Go on"), code="123456") == {400: 5, 429: 15}


def test_of_a_burst_of_passwords_asked_for_once_more_five_are_looked_at(slow_house):
    house = slow_house()
    heidi = Staff(house)
    heidi.log_in()
    with time_machine.travel(services.now() + timedelta(minutes=11), tick=True):
        page = house.get("/staff/accounts/invite?lang=fi", heidi.http)
        assert burst([house], page, fi("Go on"), proof_password="not the password") == {400: 5, 429: 15}


def test_a_right_password_after_four_wrong_ones_lets_in_and_wins_no_more_tries(slow_house):
    house = slow_house()
    heidi = Staff(house)
    page = house.get("/staff/login?lang=fi")
    for _ in range(4):
        assert page.press(fi("Log in"), email=heidi.email, password="not the password").status == 200
    assert urlsplit(heidi.log_in().answer.url).path == "/staff/"
    assert burst([house], page, fi("Log in"), email=heidi.email, password="not the password") == {200: 1, 429: 19}
