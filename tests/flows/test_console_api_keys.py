"""Staff make a key for another program, see what there is, and disable one: each on a page, the key shown once."""

import re

import pytest

from consent_service.models.api import api_key
from tests.actors import Staff, fi
from tests.conftest import on_both_databases
from tests.machine import Machine, refused

MAKE, DISABLE = fi("Make the key"), fi("Disable the key")
KEY = re.compile(r"csk_[0-9a-f]{16}_[A-Za-z0-9_-]{43}")


@pytest.fixture
def heidi(house):
    heidi = Staff(house)
    heidi.log_in()
    return heidi


def form(heidi):
    return heidi.house.get("/staff/api-keys/make?lang=fi", heidi.http)


def listed(heidi):
    return heidi.house.get("/staff/api-keys?lang=fi", heidi.http)


def made(heidi, name="Varausjärjestelmä", **scopes):
    page = form(heidi).press(MAKE, name=name, **(scopes or {"subscribe": "yes"}))
    assert page.status == 200, page.title
    [key] = KEY.findall(page.html)
    return key


def program(house, key):
    found = Machine(house, name="another")
    found.key = key
    return found


def test_a_key_is_made_shown_once_and_opens_what_was_ticked(house, heidi):
    key = made(heidi, subscribe="yes", read="yes")
    asks = program(house, key)
    assert asks.subscribe().status_code == 202
    assert asks.status("aino@example.com")["status"] == "pending"
    refused(asks.withdraw("aino@example.com"), 403)
    assert house.story("aino@example.com")[0].core["api_key"] == "Varausjärjestelmä"
    page = listed(heidi)
    assert key not in page.html
    for words in ("Varausjärjestelmä", "Heidi", fi("in force")):
        assert words in page.words


def test_the_page_says_what_to_do_with_it_and_where_the_description_is(house, heidi):
    page = form(heidi).press(MAKE, name="Kotisivut", subscribe="yes")
    assert fi("Copy it now: it is shown this one time, and nobody can look it up afterwards.") in page.words
    [place] = [link for link in page.links if link.endswith("openapi.json")]
    assert house.get(place).answer.json()["openapi"].startswith("3.1")


def test_pressing_twice_makes_one_key_and_shows_it_once(house, heidi):
    page = form(heidi)
    first, again = (page.press(MAKE, name="Kotisivut", subscribe="yes") for _ in range(2))
    assert KEY.search(first.html)
    assert again.status == 200
    assert fi("This key has been made already") in again.words
    assert not KEY.search(again.html)
    assert house.count(api_key) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "", "subscribe": "yes"}, "Write which program it is for, in at most 100 characters."),
        ({"name": "x" * 101, "subscribe": "yes"}, "Write which program it is for, in at most 100 characters."),
        ({"name": "a\nb", "subscribe": "yes"}, "Write which program it is for, in at most 100 characters."),
        ({"name": "Kotisivut"}, "Choose what it may do."),
    ],
)
def test_a_key_needs_a_name_and_something_to_do(house, heidi, fields, message):
    page = form(heidi).press(MAKE, **fields)
    assert page.status == 400
    assert fi(message) in page.words
    assert house.count(api_key) == 0


def test_a_made_up_id_is_replaced(house, heidi):
    page = form(heidi).press(MAKE, name="Kotisivut", subscribe="yes", key_id="../../x")
    assert KEY.search(page.html)
    assert re.fullmatch("[0-9a-f]{16}", house.rows(api_key)[0].id)


@on_both_databases
def test_a_disabled_key_opens_nothing_from_then_on_and_stays_listed(house, heidi):
    key = made(heidi)
    asks = program(house, key)
    assert asks.texts()
    [link] = [link for link in listed(heidi).links if key.split("_")[1] in link]
    question = house.get(f"{link}?lang=fi", heidi.http)
    assert asks.texts(), "opening the question disables nothing"
    page = question.press(DISABLE)
    assert fi("disabled") in page.words
    assert refused(asks.ask("GET", "/consent-texts?lang=fi"), 401) == {}
    again = house.get(f"{link}?lang=fi", heidi.http)
    assert DISABLE not in [button for one in again.forms for button in one.buttons]
    question.press(DISABLE)
    row = next(row for row in house.rows(api_key) if row.name == "Varausjärjestelmä")
    assert row.disabled_by == "Heidi"


@pytest.mark.parametrize("path", ["/0000000000000000/disable", "/x/disable", "/%00/disable"])
def test_a_key_that_never_was_has_no_page(heidi, path):
    assert heidi.house.get(f"/staff/api-keys{path}", heidi.http).status == 404


def test_nobody_makes_or_disables_a_key_without_a_login_and_their_own_form(house, heidi):
    machine = Machine(house)
    for path in ("", "/make", f"/{machine.id}/disable"):
        assert house.get(f"/staff/api-keys{path}", allow_redirects=False).status == 302
    for path in ("/make", f"/{machine.id}/disable"):
        fields = {"name": "x", "subscribe": "yes"}
        assert house.post(f"/staff/api-keys{path}", fields).status in (302, 400)
        assert house.post(f"/staff/api-keys{path}", fields, heidi.http).status == 400
    assert [row.disabled_at for row in house.rows(api_key)] == [None]


def test_a_name_that_is_markup_is_shown_as_it_is(house, heidi):
    page = form(heidi).press(MAKE, name="<b>Ohjelma</b>", subscribe="yes")
    assert "<b>" not in page.html.replace("<body", "")
    assert "<b>Ohjelma" not in listed(heidi).html
