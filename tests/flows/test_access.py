"""What each role may open and do: one table, every page, every role; and asking once more before grave acts."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import time_machine
from werkzeug.routing import Rule

from consent_service import service as services
from consent_service.staff.staff_accounts import OWNER, READER, ROLES, STAFF
from consent_service.web import access
from tests.actors import Staff, Visitor, fi
from tests.furnished import furnish_register
from tests.page import Page
from tests.staff_pages import staff_pages

RANKS = {READER: 0, STAFF: 1, OWNER: 2}
ONCE_MORE = fi("Is it still you?")
REFUSED = fi("This is not for your account")


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def house(sqlite_house):
    return sqlite_house


def token(house, somebody):
    return house.get("/staff/", somebody.http).forms[0].fields["csrf_token"]


def test_every_endpoint_behind_the_login_stands_in_the_table_and_nothing_else_does(house):
    behind = {rule.endpoint for rule in house.app.url_map.iter_rules() if rule.endpoint.startswith("console.")}
    assert behind == set(access.NEEDS)
    assert {needs.role for needs in access.NEEDS.values()} == set(ROLES)


def test_the_menu_leads_to_every_page_of_its_own(house):
    heidi = Staff(house)
    heidi.log_in()
    endpoints = {rule.endpoint: rule.rule for rule in house.app.url_map.iter_rules() if "GET" in rule.methods}
    own = {endpoints[name] for name in access.NEEDS if re.fullmatch(r"/staff/[a-z-]+", endpoints.get(name, ""))}
    linked = {urlsplit(link).path for link in house.get("/staff/", heidi.http).links}
    assert own - linked == {"/staff/proof"}, "which is asked for where it is needed"


@pytest.mark.parametrize("role", ROLES)
def test_every_page_of_staff_opens_to_its_roles_alone_and_is_one_of_ours(house, role):
    heidi = Staff(house)
    Visitor(house).subscribe()
    house.compare()
    somebody = Staff(house, "elina@keinuma.example", "Elina", role)
    somebody.log_in()
    form_token, refused = token(house, somebody), 0
    for rule, path in staff_pages(house):
        needs = access.NEEDS.get(rule.endpoint)  # none before the login, where whoever is in may come too
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            opens = needs is None or RANKS[role] >= RANKS[needs.role]
            if method == "POST" and opens:
                continue  # the other stories do it
            data = {"csrf_token": form_token} if method == "POST" else None
            answer = somebody.http.request(method, house.url + path, data=data, timeout=20)
            if opens:
                assert answer.status_code == 200, (role, method, path, answer.status_code)
                if answer.headers["Content-Type"].startswith("text/html"):  # not a file or a picture
                    page = Page(somebody.http, answer)
                    assert page.title.endswith(house.service.controller.name), path
                    assert '<html lang="fi">' in page.html
            else:
                assert answer.status_code == 403, (role, method, path)
                assert REFUSED in answer.text and fi("Overview") in answer.text
                refused += 1
    assert (refused > 0) == (role in (READER, STAFF))
    assert urlsplit(heidi.log_in().answer.url).path == "/staff/", "nothing of it disabled anybody else"


def test_an_endpoint_that_stands_in_no_row_is_refused_for_everybody(house):
    heidi = Staff(house)
    heidi.log_in()
    house.app.url_map.add(Rule("/staff/nowhere", endpoint="console.nowhere.show"))
    house.app.view_functions["console.nowhere.show"] = lambda: "shown"
    page = house.get("/staff/nowhere", heidi.http)
    assert (page.status, REFUSED in page.words) == (403, True)


@pytest.mark.parametrize("role", [READER, STAFF, OWNER])
def test_pages_offer_only_what_the_role_may_do(house, role):
    aino = Visitor(house)
    aino.subscribe()
    aino.write()
    furnish_register(house)
    somebody = Staff(house, "elina@keinuma.example", "Elina", role)
    somebody.log_in()
    keeper = Staff(house)
    keeper.log_in()
    rules = house.app.url_map.bind("localhost")
    seen, to_see = set(), ["/staff/"]
    while to_see:
        path = to_see.pop()
        if path in seen:
            continue
        seen.add(path)
        page = house.get(path, somebody.http)
        assert page.status == 200, (role, path)
        for form in page.forms:
            place = urlsplit(form.action or path).path
            endpoint = rules.match(place, method=form.method.upper())[0]
            if endpoint.startswith("console."):
                need = access.NEEDS[endpoint].role
                assert RANKS[role] >= RANKS[need], (role, path, endpoint)
        for link in page.links:
            place = urlsplit(link)
            if place.path.startswith("/staff/") and not place.netloc and place.path not in seen:
                to_see.append(place.path)
    assert len(seen) > 6


def test_a_changed_role_holds_from_the_next_request_on(house):
    heidi, elina = Staff(house), Staff(house, "elina@keinuma.example", "Elina", READER)
    elina.log_in()
    assert house.get("/staff/subscribers/add", elina.http).status == 403
    heidi.log_in()
    place = f"/staff/accounts/{house.account(elina.email).id}/role?lang=fi"
    page = house.get(place, heidi.http).press(fi("Change the role"), role=STAFF)
    assert fi("The role has been changed. It holds from the next page on.") in page.words
    assert house.get("/staff/subscribers/add", elina.http).status == 200


# Asking once more


def erasing(house, heidi):
    """The page for erasing somebody, and its address."""
    Visitor(house).subscribe()
    place = f"/staff/subscribers/{house.person('aino@example.com').id}/erase"
    return place, house.get(f"{place}?lang=fi", heidi.http)


def test_ten_minutes_after_the_login_grave_pages_ask_once_more_and_lead_on(house, clock):
    heidi = Staff(house)
    heidi.log_in()
    place, page = erasing(house, heidi)
    assert page.status == 200
    clock.shift(timedelta(minutes=10, seconds=1))
    asked = house.get(f"{place}?lang=fi", heidi.http)
    assert (asked.status, ONCE_MORE in asked.title) == (403, True)
    wrong = asked.press(fi("Go on"), proof_password="not the password")
    assert (wrong.status, ONCE_MORE in wrong.title) == (400, True)
    led = wrong.press(fi("Go on"), proof_password=Staff.PASSWORD)
    assert (led.status, urlsplit(led.answer.url).path) == (200, place)
    assert urlsplit(led.answer.url).query == "lang=fi"
    assert house.get(f"{place}/../evidence", heidi.http).status == 200, "and for the next ten minutes nothing is asked"


def test_what_was_written_goes_through_after_asking_once_more(house, clock):
    heidi = Staff(house)
    heidi.log_in()
    _, page = erasing(house, heidi)
    clock.shift(timedelta(minutes=11))
    button = fi("Erase for good")
    asked = page.press(button, why="mistake", last_name="Mäkelä")
    assert (asked.status, ONCE_MORE in asked.title) == (403, True)
    assert house.person("aino@example.com"), "nobody was erased yet"
    wrong = asked.press(fi("Go on"), proof_password="not the password")
    assert house.person("aino@example.com")
    done = wrong.press(fi("Go on"), proof_password=Staff.PASSWORD)
    assert (done.status, urlsplit(done.answer.url).path) == (200, "/staff/subscribers")
    assert house.person("aino@example.com") is None


def test_a_day_of_daily_work_is_never_interrupted(house, clock):
    heidi = Staff(house)
    heidi.log_in()
    Visitor(house).subscribe()
    clock.shift(timedelta(minutes=20))
    for path in ("", "subscribers", "subscribers/add", "queue", "contact-messages", "connection", "my-account"):
        if path != "connection":
            assert house.get(f"/staff/{path}", heidi.http).status == 200, path
    assert heidi.add("eero@example.com").status == 200


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "/subscribe", "", "/staff/\r\nX: y"]
)
def test_asking_once_more_leads_nowhere_else(house, elsewhere):
    heidi = Staff(house)
    heidi.log_in()
    data = {"csrf_token": token(house, heidi), "proof_onwards": elsewhere, "proof_password": Staff.PASSWORD}
    assert house.post("/staff/proof", data, heidi.http).status == 400


def test_asking_once_more_is_throttled_and_the_login_is_not(house, clock):
    heidi = Staff(house)
    heidi.log_in()
    place, _ = erasing(house, heidi)
    clock.shift(timedelta(minutes=11))
    asked = house.get(f"{place}?lang=fi", heidi.http)
    found = [asked.press(fi("Go on"), proof_password="wrong").status for _ in range(6)]
    assert found == [400] * 5 + [429]
    assert asked.press(fi("Go on"), proof_password=Staff.PASSWORD).status == 429
    assert Staff(house).log_in().status == 200


def test_the_page_that_asks_shows_nothing_of_what_is_behind_it(house, clock):
    heidi = Staff(house)
    heidi.log_in()
    place, _ = erasing(house, heidi)
    clock.shift(timedelta(minutes=11))
    assert not re.search("Mäkelä|aino@", house.get(place, heidi.http).html)
