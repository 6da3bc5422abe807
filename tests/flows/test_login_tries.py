"""How often somebody may try to log in: of a network and of an account, and nobody at anybody else's cost."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import time_machine

from consent_service import service as services
from tests.actors import Staff, fi


@pytest.fixture
def house(sqlite_house):
    return sqlite_house


@pytest.fixture
def heidi(house):
    return Staff(house)


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


def seen_from(house, network):
    """A browser of its own that comes from this address."""
    http = house.http
    http.headers["X-Forwarded-For"] = network
    return http


def tries(house, http, addresses):
    """The status of a try to log in with each address and a wrong password."""
    form = house.get("/staff/login?lang=fi", http)
    return [form.press(fi("Log in"), email=address, password="not the password").status for address in addresses]


def test_a_network_has_five_tries_in_five_minutes(house, heidi, clock):
    assert tries(house, heidi.http, [f"p{number}@keinuma.example" for number in range(6)]) == [200] * 5 + [429]
    page = heidi.log_in()
    assert page.status == 429, "not even with the right password"
    assert re.search(r"Odota (\d+ minuuttia|minuutti) ja yritä uudelleen", page.words), "and how long it takes is said"
    assert 0 < int(page.answer.headers["Retry-After"]) <= 300
    assert fi("Too many tries") in page.words
    clock.shift(timedelta(seconds=int(page.answer.headers["Retry-After"]) + 1))
    assert urlsplit(heidi.log_in().answer.url).path == "/staff/"


def test_only_failures_count(house, heidi):
    for _ in range(8):
        heidi.http = house.http
        assert urlsplit(heidi.log_in().answer.url).path == "/staff/"
    assert tries(house, house.http, [f"p{number}@keinuma.example" for number in range(6)]) == [200] * 5 + [429]


def test_an_account_has_ten_tries_however_many_networks_ask_and_however_it_is_spelt(open_house, tmp_path, clock):
    house = open_house(f"sqlite:///{tmp_path}/c.db", trusted_proxies=1)
    heidi, other = Staff(house), Staff(house, "elina@keinuma.example", "Elina")
    spellings = ["heidi@keinuma.example", "HEIDI@keinuma.example", "heidi@Keinuma.Example", " heidi@keinuma.example"]
    found = []
    wide = ["heidi@ｋeinuma.example", "heidi@keinuma。example"]
    for number, email in enumerate([*spellings, *wide, *spellings, *wide]):
        found += tries(house, seen_from(house, f"198.51.100.{number}"), [email])
    assert found == [200] * 10 + [429] * 2
    heidi.http, other.http = seen_from(house, "203.0.113.1"), seen_from(house, "203.0.113.1")
    assert heidi.log_in().status == 429
    assert urlsplit(other.log_in().answer.url).path == "/staff/", "the others can go on working"


def test_nobody_keeps_the_owner_of_an_account_out_from_one_network(open_house, tmp_path, clock):
    house = open_house(f"sqlite:///{tmp_path}/c.db", trusted_proxies=1)
    heidi, thief = Staff(house), seen_from(house, "198.51.100.1")
    for _ in range(13):
        assert tries(house, thief, [heidi.email] * 6)[-1] == 429
        heidi.http = seen_from(house, "203.0.113.1")
        assert urlsplit(heidi.log_in().answer.url).path == "/staff/"
        clock.shift(timedelta(minutes=5, seconds=1))


def test_whoever_is_logged_in_proves_it_whatever_strangers_try_at_the_login(open_house, tmp_path, clock):
    house = open_house(f"sqlite:///{tmp_path}/c.db", trusted_proxies=1)
    heidi = Staff(house)
    heidi.log_in()
    clock.shift(timedelta(minutes=11))
    for number in range(11):
        [status] = tries(house, seen_from(house, f"198.51.100.{number}"), [heidi.email])
    assert status == 429
    asked = house.get("/staff/accounts/invite?lang=fi", heidi.http)
    assert fi("Send the invitation") in asked.press(fi("Go on"), proof_password=heidi.PASSWORD).html


def test_a_network_of_ipv6_is_a_slash_64(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", trusted_proxies=1)
    found = []
    for number in range(6):
        found += tries(house, seen_from(house, f"2001:db8:1:2::{number}"), [f"p{number}@keinuma.example"])
    assert found == [200] * 5 + [429]


def test_a_made_up_forwarded_header_does_not_give_more_tries(house):
    found = []
    for number in range(6):
        found += tries(house, seen_from(house, f"198.51.100.{number}"), [f"p{number}@keinuma.example"])
    assert found == [200] * 5 + [429]
