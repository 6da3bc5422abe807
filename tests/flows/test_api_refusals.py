"""What the API does not take: each refusal is a problem in JSON that names the field, and changes nothing."""

import socket
from urllib.parse import urlsplit

import pytest
import time_machine

from consent_service import service as services
from consent_service.language import CODES, language
from consent_service.tokens import FORM_LIFETIME
from tests.actors import Visitor
from tests.machine import PROBLEM, SITE, Machine, refused

POSTS = ("/subscriptions", "/withdrawals", "/status")


@pytest.fixture
def program(standing_house):
    """A program whose key is its own, since so much may be asked with each."""
    return Machine(standing_house)


@pytest.fixture
def alone(sqlite_house):
    """A program of a household to which nothing else has happened."""
    return Machine(sqlite_house)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"first_name": ""}, "first_name"),
        ({"first_name": "x" * 101}, "first_name"),
        ({"last_name": "two\nlines"}, "last_name"),
        ({"last_name": "\u202e"}, "last_name"),
        ({"first_name": 7}, "first_name"),
        ({"first_name": None}, "first_name"),
        ({"first_name": "A\x00"}, "first_name"),
        ({"email": "aino"}, "email"),
        ({"email": "a@example.com, b@example.com"}, "email"),
        ({"email": "a@example.com\r\nBcc: b@example.com"}, "email"),
        ({"email": ["a@example.com"]}, "email"),
        ({"email": "ä" * 100_00}, "email"),
        ({"language": "de"}, "language"),
        ({"language": "sv"}, "language"),
        ({"proof": 7}, "proof"),
        ({"proof": "x" * 2001}, "proof"),
        ({"status": "active"}, "status"),
        ({"source": "staff"}, "source"),
        ({"consent": {"token": "forged"}}, "consent.token"),
        ({"consent": {"token": ""}}, "consent.token"),
        ({"consent": {"tracking": "yes"}}, "consent.tracking"),
        ({"consent": {"tracking": 1}}, "consent.tracking"),
        ({"consent": {"site": ""}}, "consent.site"),
        ({"consent": {"site": f"https://{SITE}"}}, "consent.site"),
        ({"consent": {"site": f"{SITE}/booking"}}, "consent.site"),
        ({"consent": {"site": "a@example.com"}}, "consent.site"),
        ({"consent": {"site": "-"}}, "consent.site"),
        ({"consent": {"site": "javascript:alert(1)"}}, "consent.site"),
        ({"consent": {"site": f"{SITE}\n"}}, "consent.site"),
        ({"consent": {"occasion": "two\nlines"}}, "consent.occasion"),
        ({"consent": {"accepted": True}}, "consent.accepted"),
    ],
)
def test_a_value_that_is_not_as_described_is_named(program, changes, field):
    before = program.house.count()
    assert [*refused(program.subscribe(**changes), 422)] == [field]
    assert program.house.count() == before


def test_every_fault_is_named_at_once(program):
    faults = refused(program.post("/subscriptions", {"first_name": "Aino", "consent": {}, "x": 1}), 422)
    assert {*faults} == {"last_name", "email", "language", "consent.token", "consent.site", "x"}
    assert faults["email"] == "is required"
    assert faults["x"] == "is no field of this request"


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"nonsense", 400),
        (b"\xff\xfe", 400),
        ("{}".encode("utf-16"), 400),
        (b'{"email": "\xed\xa0\x80"}', 400),
        (b'{"email": "a@example.com", "email": "b@example.com"}', 400),
        (b'{"x": {"y": 1, "y": 1}}', 400),
        (b'{"email": NaN}', 400),
        (b'{"email": -Infinity}', 400),
        (b'{"email": ' + b"9" * 5000 + b"}", 400),
        (b"[" * 20_000, 400),
        (b'{"email": 1e999}', 422),
        (b'{"email": "\\ud800@example.com"}', 422),
        (b'{"\\ud800": 1}', 422),
        (b'{"email": "\\u0000@example.com"}', 422),
        (b"[]", 422),
        (b"null", 422),
        (b'"aino@example.com"', 422),
        (b'{"email": {}}', 422),
        (b'{"' + b"x" * 5000 + b'": 1}', 422),
    ],
)
def test_what_is_no_json_or_no_object_of_ours_is_refused_and_never_a_fault_of_ours(program, path, body, status):
    answer = program.ask("POST", path, data=body, headers={"Content-Type": "application/json"})
    refused(answer, status)
    assert len(answer.content) < 5000


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml", ""],
)
def test_another_type_than_json_is_refused(program, path, kind):
    headers = {"Content-Type": kind} if kind else {}
    refused(program.ask("POST", path, data=b'{"email": "aino@example.com"}', headers=headers), 415)


def test_a_body_that_is_too_large_is_refused_before_it_is_read(program):
    refused(program.ask("POST", "/status", data=b" " * 65_537, headers={"Content-Type": "application/json"}), 413)
    told = [f"Authorization: Bearer {program.key}", "Content-Type: application/json", "Content-Length: 1000000000000"]
    status, answer = say(program.house, "POST /api/v1/status HTTP/1.1", told)
    assert status == 413
    assert PROBLEM in answer


def say(house, line, headers):
    place = urlsplit(house.url)
    lines = [line, f"Host: {place.netloc}", "Connection: close", *headers, "", ""]
    with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
        connection.sendall("\r\n".join(lines).encode())
        answer = b""
        while more := connection.recv(65536):
            answer += more
    return int(answer.split(b" ", 2)[1]), answer.decode()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/api/", "/api/v1", "/api/v1/nothing", "/api/v2/subscriptions", "/api/v1/status/"])
def test_an_address_that_is_none_is_told_as_a_problem_too(standing_house, method, path):
    answer = standing_house.http.request(method, standing_house.url + path, timeout=20)
    assert refused(answer, 404) == {}


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", POSTS)
def test_another_method_is_refused_and_no_page_elsewhere_may_ask_by_a_browser(program, method, path):
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = program.ask(method, path, headers=headers)
    assert refused(answer, 405) == {}
    assert answer.headers["Allow"] == "POST"
    assert not [name for name in answer.headers if name.startswith("Access-Control")]


def test_what_another_site_makes_a_browser_send_is_refused(program):
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    answer = program.ask("POST", "/withdrawals", json={"email": "aino@example.com"}, headers=headers)
    refused(answer, 400)
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("query", ["", "lang=de", "lang=", "lang=fi&lang=sv", "lang=fi&x=1", "lang=%00", "lang=%ff"])
def test_the_texts_are_asked_for_in_one_language_we_have(program, query):
    assert refused(program.ask("GET", f"/consent-texts?{query}"), 422)


def test_a_token_that_is_too_old_or_of_another_form_proves_nothing(alone):
    house = alone.house
    said = alone.says()
    tokens = house.service.tokens
    for other in (tokens.for_form("unsubscribe", "fi"), tokens.for_form("0" * 64, "fi"), tokens.for_unsubscribing("x")):
        answer = alone.post("/subscriptions", said | {"consent": said["consent"] | {"token": other}})
        assert [*refused(answer, 422)] == ["consent.token"]
    with time_machine.travel(services.now() + FORM_LIFETIME * 1.01):
        assert [*refused(alone.post("/subscriptions", said), 422)] == ["consent.token"]
    assert house.count() == 0


def test_a_token_of_a_form_without_the_second_box_permits_no_tracking(alone):
    consent = alone.house.service.consent_text(language("fi")).shown
    token = alone.house.service.tokens.for_form(consent.sha256, "fi")
    assert [*refused(alone.subscribe(consent={"token": token, "tracking": True}), 422)] == ["consent.token"]
    assert alone.subscribe(consent={"token": token}).status_code == 202


def test_texts_that_changed_since_they_were_shown_are_recorded_as_shown_or_refused(alone):
    house = alone.house
    Visitor(house, "eero@example.com").subscribe()  # so that today's text is kept
    said = alone.says()
    house.change_controller(name="Another Name Oy")
    assert alone.post("/subscriptions", said).status_code == 202
    assert house.asks("aino@example.com")[0].statement_sha256 != alone.texts()["consent"]["sha256"]


def test_too_many_requests_wait_and_another_key_does_not(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/consent.db", limit_api="3/minute")
    program, other = Machine(house), Machine(house)
    assert [program.post("/status", {"email": "a@example.com"}).status_code for _ in range(3)] == [200] * 3
    answer = program.withdraw("aino@example.com")
    assert refused(answer, 429) == {}
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert other.status("a@example.com")["status"] == "none"


def test_the_caps_of_an_address_hold_here_as_on_the_form(open_house, database_url):
    house = open_house(database_url, limit_address="1/day")
    program, aino = Machine(house), Visitor(house)
    aino.subscribe()
    assert program.subscribe("Aino+x@example.com").status_code == 202
    assert program.subscribe().status_code == 202
    house.deliver()
    assert len(house.mail.mails) == 1
    assert len(house.asks(aino.email)) == 1


def test_nothing_of_a_request_is_told_back(program):
    canary = "kanerva.kanarialintu@example.com"
    said = program.says(canary, first_name=canary * 3) | {"extra": canary}
    for answer in (program.post("/subscriptions", said), program.post("/status", {"email": f"{canary}x y"})):
        assert "kanerva" not in answer.text


@pytest.mark.parametrize("code", CODES)
def test_a_program_is_answered_in_english_whatever_it_accepts(program, code):
    answer = program.ask("POST", "/status", json={}, headers={"Accept-Language": code})
    assert refused(answer, 422) == {"email": "is required"}
