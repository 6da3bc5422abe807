"""Requests no page of ours would send: each gets a calm page in the visitor's language, and never a 500."""

import socket
from urllib.parse import quote, urlsplit

import pytest

from consent_service.language import CODES, language
from consent_service.web.pages import ERRORS
from tests.actors import Visitor
from tests.machine import PROBLEM, Machine
from tests.processes import running
from tests.servers.activecampaign import ActiveCampaign
from tests.servers.smtp import MailServer

FORM = "application/x-www-form-urlencoded"
LIMIT = 64 * 1024


def raw(house, method, path, headers=(), body=b""):
    """Send exactly these bytes; the status and the rest of the answer. Says nothing more than it is told to."""
    place = urlsplit(house.url)
    lines = [f"{method} {path} HTTP/1.1".encode(), f"Host: {place.netloc}".encode(), b"Connection: close"]
    lines += [f"{name}: {value}".encode("latin-1") for name, value in headers]
    with socket.create_connection((place.hostname, place.port), timeout=20) as line:
        line.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        answer = b""
        while more := line.recv(65536):
            answer += more
    return int(answer.split(b" ", 2)[1]), answer.decode("utf-8", "replace")


def post(house, path, body, content_type=FORM):
    return raw(house, "POST", path, [("Content-Type", content_type), ("Content-Length", str(len(body)))], body)


@pytest.fixture
def links(house):
    """A confirmation link and an unsubscribe link that work, of two people."""
    eero, aino = Visitor(house, "eero@example.com").becomes_active(), Visitor(house)
    aino.subscribe()
    house.deliver()
    return {kind: urlsplit(who.link(kind)).path for kind, who in (("confirm", aino), ("unsubscribe", eero))}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A household behind the server of an operator."""
    folder = tmp_path_factory.mktemp("served")
    url = f"sqlite:///{folder}/c.db"
    with MailServer() as mail, ActiveCampaign() as contacts, running(folder, url, mail, contacts) as house:
        yield house


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(
    ("status", "method", "path", "headers"),
    [
        (404, "GET", "/no/such/page", []),
        (404, "GET", "/subscribe/", []),
        (404, "POST", "/no/such/page", []),
        (405, "PUT", "/subscribe", []),
        (405, "DELETE", "/unsubscribe/x", []),
        (405, "TRACE", "/subscribe", []),
        (405, "GET", "/confirm/x/decline", []),
        (405, "BREW", "/subscribe", []),
        (413, "POST", "/subscribe", [("Content-Type", FORM), ("Content-Length", str(LIMIT + 1))]),
        (413, "POST", "/unsubscribe/x", [("Content-Type", FORM), ("Content-Length", str(10**15))]),
        (415, "POST", "/subscribe", [("Content-Type", "application/json"), ("Content-Length", "0")]),
        (415, "POST", "/confirm/x", [("Content-Type", "text/plain"), ("Content-Length", "0")]),
        (415, "POST", "/unsubscribe/x", [("Content-Type", "application/xml"), ("Content-Length", "0")]),
    ],
)
def test_what_cannot_be_served_is_said_in_the_visitors_language(standing_house, code, status, method, path, headers):
    found, answer = raw(standing_house, method, path, [*headers, ("Accept-Language", code)])
    assert found == status
    title, advice = ERRORS[status]
    say = language(code).say
    assert f'<html lang="{code}">' in answer
    assert f"<h1>{say(title)}</h1>" in answer
    assert say(advice) in answer
    assert say("I want to subscribe to the newsletter") in answer
    assert ("\r\nAllow: " in answer) == (status == 405)
    assert not [
        word for word in ("Traceback", "werkzeug", "Flask", "consent_service") if word in answer.split("\r\n\r\n")[1]
    ]


def test_an_error_page_has_a_reference_of_its_own(standing_house):
    answers = {raw(standing_house, "GET", "/no/such/page")[1].partition("\r\n\r\n")[2] for _ in range(3)}
    assert len(answers) == 3


def test_a_body_of_64_kib_is_read_but_not_hundreds_of_fields(standing_house):
    room = LIMIT - len(b"first_name=")
    assert post(standing_house, "/subscribe", b"first_name=" + b"A" * room)[0] == 400
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    assert post(standing_house, "/subscribe", part * 60 + b"--x--\r\n", "multipart/form-data; boundary=x")[0] == 413
    assert standing_house.get("/subscribe").status == 200


@pytest.mark.parametrize("field", ["email", "first_name", "consent", "csrf_token", "website", "anything"])
def test_a_field_sent_twice_is_refused_whichever_it_is(standing_house, field):
    token = standing_house.get("/subscribe").forms[0].fields["csrf_token"]
    fields = {"csrf_token": token, "first_name": "A", "last_name": "B", "email": "a@example.com", "consent": "yes"}
    before = standing_house.everything()
    twice = [*fields.items(), (field, fields.get(field, "x")), (field, "b@example.com")]
    page = standing_house.post("/subscribe", twice)
    assert page.status == 400
    assert language("fi").say(ERRORS[400][0]) in page.title
    assert standing_house.everything() == before


def test_a_field_sent_twice_leaves_links_untouched_too(house, links):
    before = house.everything()
    for path in links.values():
        assert post(house, path, b"List-Unsubscribe=One-Click&List-Unsubscribe=One-Click")[0] == 400
    assert house.everything() == before


ODD = [
    b"%00",
    b"A%00B",
    b"%FF%FE",
    b"\xff\xfe",
    b"%ED%A0%80",
    b"%C0%AF",
    b"%",
    b"%zz",
    b"%E2%80%AE",
    b"%0D%0ABcc:x",
    b"+",
]


@pytest.mark.parametrize("odd", ODD)
def test_odd_bytes_in_any_field_are_refused_or_stored_safely(house, links, odd):
    token = house.get("/subscribe").forms[0].fields["csrf_token"].encode()
    whole = {b"first_name": b"A", b"last_name": b"B", b"email": b"odd@example.com", b"consent": b"yes"}
    whole |= {b"csrf_token": token, b"website": b""}
    for field in (*whole, odd):
        body = b"&".join(name + b"=" + value for name, value in (whole | {field: odd}).items())
        assert post(house, "/subscribe", body)[0] in (200, 400), field
    for path in ("/unsubscribe", f"{links['unsubscribe']}/reason", f"{links['confirm']}/again"):
        body = b"email=" + odd + b"&reason=" + odd + b"&csrf_token=" + odd
        assert post(house, path, body)[0] in (200, 400, 410), path
    assert post(house, links["unsubscribe"], b"List-Unsubscribe=" + odd)[0] == 200
    house.deliver()
    assert house.get("/readyz").status == 200


@pytest.mark.parametrize(
    "name", ["\x00", "A\u202eB", "\ud7ff\ue000", "a" * 10_000, "👩\u200d👩\u200d👧", "<b>", "Z" + "\u0337" * 90]
)
def test_names_come_back_escaped_or_refused_and_reach_the_database_whole(house, name):
    visitor = Visitor(house, first=name)
    page = visitor.subscribe()
    assert page.status in (200, 400)
    assert "<b>" not in page.html
    person = house.person(visitor.email)
    assert (person.first_name if person else None) == (name if page.status == 200 else None)


@pytest.mark.parametrize("kind", ["confirm", "unsubscribe"])
@pytest.mark.parametrize(
    "token",
    [
        "%00",
        "x%00",
        "%FF",
        "%ED%A0%80",
        "x" * 7000,
        "..%2F..%2Fetc%2Fpasswd",
        "%2e%2e",
        "👩",
        "a.b.c",
        ".",
        "%0d%0aX:y",
        "{{'zq'*3}}",
    ],
)
def test_odd_links_are_dead_links(standing_house, kind, token):
    safe = quote(token, safe="%/{}*.'")
    for method in ("GET", "POST", "HEAD"):
        status, answer = raw(standing_house, method, f"/{kind}/{safe}", [("Content-Length", "0")])
        assert status == 404
        assert "zqzqzq" not in answer.partition("\r\n\r\n")[2], "no template is made from a link"
        assert "X:y" not in answer.partition("\r\n\r\n")[0]
    for act in ("decline", "again", "undo", "reason"):
        assert raw(standing_house, "POST", f"/{kind}/{safe}/{act}", [("Content-Length", "0")])[0] == 404


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Type", FORM), ("Content-Length", "abc")],
        [("Content-Type", FORM), ("Content-Length", "-1")],
        [("Content-Type", "multipart/form-data"), ("Content-Length", "0")],
        [("Content-Type", "multipart/form-data; boundary="), ("Content-Length", "0")],
        [("Content-Type", f"{FORM}; charset=utf-7"), ("Content-Length", "0")],
        [("Content-Type", f"{FORM}; charset=nonsense"), ("Content-Length", "0")],
        [("Content-Type", "\xff\xfe"), ("Content-Length", "0")],
        [("Cookie", "staff=\xff; =; ;;"), ("Content-Length", "0")],
        [("User-Agent", "\xff" * 5000), ("Content-Length", "0")],
        [("Referer", "javascript:alert(1)"), ("Content-Length", "0")],
        [("If-None-Match", "\xff"), ("Range", "bytes=0-1"), ("Content-Length", "0")],
    ],
)
def test_odd_headers_are_no_trouble(standing_house, headers):
    assert 400 <= raw(standing_house, "POST", "/subscribe", headers)[0] < 500
    assert raw(standing_house, "GET", "/subscribe", headers)[0] in (200, 206)


@pytest.mark.parametrize("host", [".", "a..fi", "x" * 64, "xn--" + "a" * 80])
@pytest.mark.parametrize("path", ["/subscribe", "/staff/login", "/static/style.css", "/no/such"])
def test_a_host_that_can_be_none_gets_the_page_of_a_bad_request(sqlite_house, path, host):
    for method in ("get", "post"):
        page = getattr(sqlite_house, method)(f"{path}?lang=sv", headers={"Host": host})
        assert (page.status, language("sv").say(ERRORS[400][0]) in page.words) == (400, True)
        assert page.answer.headers["Cache-Control"] == "no-store"
    problem = sqlite_house.get("/api/v1/openapi.json", headers={"Host": host}).answer
    assert (problem.status_code, problem.headers["Content-Type"]) == (400, PROBLEM)


def test_a_browser_with_an_odd_name_can_still_subscribe(house):
    aino = Visitor(house)
    aino.http.headers["User-Agent"] = ("Ä\xff" * 150).encode("latin-1")
    assert aino.subscribe().status == 200
    [asked] = house.story(aino.email)
    assert len(asked.tech["user_agent"]) == 200


def test_fields_nobody_offered_change_nothing(house):
    Visitor(house).subscribe(
        status="active", language="en", subscriber_id="1", source="staff", active_since="2020-01-01"
    )
    person = house.person("aino@example.com")
    assert (person.status, person.language, person.active_since) == ("pending", "fi", None)
    assert [ask.source for ask in house.asks("aino@example.com")] == ["form"]


CHUNKS = [
    b"zzzz\r\n",
    b"3;=\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabcde\r\n0\r\n\r\n",
    b"3\r\nabc\r\n0\r\nno trailer\r\n\r\n",
    b"9\r\nabc",
]


@pytest.mark.parametrize("path", ["/subscribe", "/staff/login", "/api/v1/subscriptions"])
def test_a_body_in_odd_chunks_is_a_bad_request(served, path):
    kind = "application/json" if path.startswith("/api") else FORM
    headers = [f"Host: {urlsplit(served.url).netloc}", f"Content-Type: {kind}", "Transfer-Encoding: chunked"]
    headers += [f"Authorization: Bearer {Machine(served, name=path).key}", "Idempotency-Key: 1"]
    for body in CHUNKS:
        with socket.create_connection(("127.0.0.1", urlsplit(served.url).port), timeout=20) as line:
            line.sendall("\r\n".join([f"POST {path} HTTP/1.1", *headers, "", ""]).encode() + body)
            line.shutdown(socket.SHUT_WR)
            answer = b""
            while more := line.recv(65536):
                answer += more
        assert answer.startswith(b"HTTP/1.1 400 "), (body, answer[:200])
        told = PROBLEM if path.startswith("/api") else language("fi").say(ERRORS[400][0])
        assert told in answer.decode(), "in our own words"
        assert answer.count(b"HTTP/1.1 ") == 1, "where the next request would begin is not known"
    assert "unexpected error" not in served.said
