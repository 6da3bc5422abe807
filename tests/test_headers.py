"""What every page carries, whatever was asked: the headers that keep a link private and a page closed to others.

What bad requests get is told in test_bad_requests.py.
"""

import re

import pytest
import requests
import time_machine

from consent_service import service as services
from consent_service.asks import LINK_LIFETIME
from consent_service.config import TEMPLATES
from consent_service.language import CODES, language
from tests.actors import AGAIN, CONFIRM, DECLINE, LEAVE, Staff, Visitor, fi
from tests.page import Page

POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


def collect(house) -> dict[str, Page]:
    """Every page a stranger, a person with a link or a robot can be shown, by name."""
    aino, eero, pages = Visitor(house), Visitor(house, "eero@example.com"), {}
    pages["form"] = aino.open_form()
    pages["form refused"] = aino.subscribe(email="x")
    pages["sent"] = aino.subscribe()
    eero.subscribe()
    house.deliver()
    confirm = aino.link("confirm")
    pages["confirm"] = house.get(confirm)
    with time_machine.travel(services.now() + LINK_LIFETIME, tick=True):
        pages["expired"] = house.get(confirm)
        pages["expired, pressed"] = house.post(confirm)
    pages["confirmed"] = pages["confirm"].press(CONFIRM)
    pages["confirmed, opened again"] = house.get(confirm)
    pages["declined"] = eero.decline()
    pages["sent again"] = pages["declined"].press(AGAIN)
    house.deliver()
    leave = aino.link("unsubscribe")
    pages["leave"] = house.get(leave)
    pages["left"] = pages["leave"].press(LEAVE)
    pages["one click"] = house.post(leave, {"List-Unsubscribe": "One-Click"})
    pages["no reason"] = house.post(leave.partition("?")[0] + "/reason", {"reason": "none"})
    pages["explained"] = pages["left"].press(fi("Send the answer"), reason="other")
    pages["undone"] = pages["left"].press(AGAIN)
    pages["leave by address"] = house.get("/unsubscribe?lang=fi")
    pages["leave by address refused"] = pages["leave by address"].press(fi("Send me the link"), email="x")
    pages["link sent"] = pages["leave by address"].press(fi("Send me the link"), email=aino.email)
    pages["contact"] = house.get("/contact")
    pages["contact refused"] = aino.write(email="x")
    pages["contact sent"] = aino.write()
    pages["dead link"] = house.get("/confirm/forged")
    pages["dead link, pressed"] = house.post("/unsubscribe/forged")
    pages["not found"] = house.get("/no/such/page")
    pages["not allowed"] = Page(aino.http, aino.http.put(f"{house.url}/subscribe", timeout=20))
    pages["too big"] = house.post("/subscribe", files={f"f{number}": (None, "x") for number in range(60)})
    pages["wrong type"] = house.post("/subscribe", "{}", headers={"Content-Type": "application/json"})
    pages["twice"] = house.post("/subscribe", [("email", "a@example.com"), ("email", "b@example.com")])
    pages["root"] = house.get("/", allow_redirects=False)
    pages["health"] = house.get("/healthz")
    pages["ready"] = house.get("/readyz")
    return pages


LINK_PAGES = ["confirm", "expired", "confirmed", "declined", "sent again", "leave", "left", "one click", "explained"]


@pytest.fixture(scope="module")
def pages(standing_house):
    return collect(standing_house)


def test_every_page_has_the_headers_that_protect_it(pages):
    for name, page in pages.items():
        head = page.answer.headers
        policy = dict(part.strip().split(" ", 1) for part in head["Content-Security-Policy"].split(";"))
        assert policy == POLICY, name
        assert "unsafe" not in head["Content-Security-Policy"]
        assert head["X-Content-Type-Options"] == "nosniff", name
        assert head["Referrer-Policy"] == "no-referrer", name
        assert head["Cache-Control"] == "no-store", name
        assert head["Cross-Origin-Opener-Policy"] == "same-origin", name
        assert "Set-Cookie" not in head, name
        assert "Access-Control-Allow-Origin" not in head, name
        assert "Strict-Transport-Security" not in head, "plain http promises nothing"
        assert page.status < 500, name


def test_the_statuses_are_the_ones_agreed(pages):
    expected = {
        "form refused": 400, "expired": 410, "expired, pressed": 410, "no reason": 400, "leave by address refused": 400,
        "contact refused": 400,
        "dead link": 404, "dead link, pressed": 404, "not found": 404, "not allowed": 405, "too big": 413,
        "wrong type": 415, "twice": 400, "root": 302,
    }  # fmt: skip
    assert {name: page.status for name, page in pages.items()} == dict.fromkeys(pages, 200) | expected


def test_every_page_names_its_language_and_varies_by_it(pages):
    for name, page in pages.items():
        if page.answer.headers["Content-Type"].startswith("text/html"):
            assert page.answer.headers["Content-Language"] == "fi", name
            assert "Accept-Language" in page.answer.headers["Vary"], name
            assert name == "root" or '<html lang="fi">' in page.html, name


def test_no_page_loads_anything_from_elsewhere_or_runs_anything(pages):
    for name, page in pages.items():
        loaded = re.findall(r"(?:src|action)=[\"']([^\"']*)|<link[^>]*href=[\"']([^\"']*)", page.html)
        assert all((first or second).startswith("/") for first, second in loaded), name
        assert not re.search(r"<script|<style|<iframe|<object|<embed|\sstyle=|\son\w+=|javascript:", page.html), name
        assert 'http-equiv="' not in page.html, name


def test_the_pages_of_a_link_name_nobody(pages):
    for name in LINK_PAGES:
        assert "aino" not in pages[name].html.lower(), name
        assert "Mäkelä" not in pages[name].html, name


def test_no_template_of_a_page_holds_inline_style_script_or_handler():
    files = [file for file in TEMPLATES.rglob("*.html") if "mail" not in file.relative_to(TEMPLATES).parts]
    assert len(files) > 15
    for file in files:
        found = re.findall(r"<style\b|\sstyle\s*=|\son[a-z]+\s*=|javascript:|\|\s*safe\b", file.read_text())
        ours = r"""(?! src="{{ url_for\('static', [^>]*></script>)"""
        if file.name == "dev_site.html":  # which stands for a web site, and has the lines that are given to one
            ours = r"""(?! (?:type="text/plain" data-cookies="\w+" data-)?src="{{ address }}/[^>]*></script>)"""
        found += re.findall(rf"<script\b{ours}", file.read_text())
        assert found == [], file.name  # a script may only come from a file of ours


def test_assets_are_typed_and_may_be_kept(standing_house):
    for path, kind in (
        ("/brand.css", "text/css"),
        ("/static/style.css", "text/css"),
        ("/icon.svg", "image/svg+xml"),
    ):
        head = standing_house.get(path).answer.headers
        assert head["Content-Type"].startswith(kind)
        assert head["X-Content-Type-Options"] == "nosniff"
        assert head["Cache-Control"] != "no-store"
        assert "Set-Cookie" not in head
        assert "frame-ancestors 'none'" in head["Content-Security-Policy"]


# Who says they are who


def test_a_false_host_reaches_neither_page_nor_mail(house):
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example;proto=https"}
    aino = Visitor(house)
    aino.http.headers.update(evil | {"X-Forwarded-Proto": "https", "X-Original-URL": "http://evil.example/"})
    seen = [aino.open_form(), house.get("/no/such", aino.http), house.get("/", aino.http, allow_redirects=False)]
    fields = seen[0].forms[0].fields | {"first_name": "A", "last_name": "B", "email": aino.email, "consent": "yes"}
    seen.append(house.post("/subscribe", fields, aino.http))
    assert seen[-1].status == 200
    house.deliver()
    aino.http.headers.update(evil)
    seen += [house.get(aino.link("confirm"), aino.http), house.post(aino.link("confirm"), None, aino.http)]
    house.deliver()
    for page in seen:
        assert "evil.example" not in page.html + str(page.answer.headers)
    assert len(aino.mails()) == 2
    for mail in aino.mails():
        assert b"evil.example" not in mail.data
        assert {link for link in mail.links if "keinuma.fi" not in link} == {
            link for link in mail.links if link.startswith(house.settings.public_url)
        }


@pytest.mark.parametrize("path", ["/confirm//x", "/staff"])
def test_a_false_host_reaches_no_redirect(standing_house, path):
    answer = standing_house.get(path, headers={"Host": "evil.example"}, allow_redirects=False).answer
    assert "evil.example" not in answer.headers.get("Location", "") + answer.text


FORWARDED = "203.0.113.9, 198.51.100.7, 192.0.2.5"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "believed"),
    [
        (0, FORWARDED, "127.0.0.0/24"),
        (1, FORWARDED, "192.0.2.0/24"),
        (2, FORWARDED, "198.51.100.0/24"),
        (3, FORWARDED, "203.0.113.0/24"),
        (2, "192.0.2.5", "127.0.0.0/24"),
        (1, "2001:db8:1:2:3::4", "2001:db8:1::/48"),
        (1, "192.0.2.5:49152", "192.0.2.0/24"),
        (1, "[2001:db8:1:2:3::4]:49152", "2001:db8:1::/48"),
        (1, "nonsense", None),
        (1, "<script>, \u00ff", None),
        (1, "", "127.0.0.0/24"),
    ],
)
def test_forwarded_addresses_count_only_as_far_as_the_trusted_proxies(
    open_house, tmp_path, proxies, forwarded, believed
):
    house = open_house(f"sqlite:///{tmp_path}/c.db", trusted_proxies=proxies)
    aino = Visitor(house)
    aino.http.headers["X-Forwarded-For"] = forwarded.encode("latin-1")
    aino.http.headers.update({"X-Real-IP": "203.0.113.1", "Client-IP": "203.0.113.1", "True-Client-IP": "203.0.113.1"})
    assert aino.subscribe().status == 200
    [asked] = house.story(aino.email)
    assert asked.tech.get("ip") == believed


@pytest.mark.parametrize(("proxies", "statuses"), [(0, [200, 429]), (1, [200, 200])])
def test_an_invented_address_does_not_get_around_the_limit(open_house, tmp_path, proxies, statuses):
    house = open_house(f"sqlite:///{tmp_path}/c.db", trusted_proxies=proxies, limit_ip="1/hour")
    found = []
    for number in range(2):
        person = Visitor(house, f"p{number}@example.com")
        person.http.headers["X-Forwarded-For"] = f"198.51.100.{number}"
        found.append(person.subscribe().status)
    assert found == statuses
    liar = Visitor(house, "liar@example.com")
    liar.http.headers["X-Forwarded-For"] = "203.0.113.77, 198.51.100.1"
    assert liar.subscribe().status == 429, "only the last hop is believed, whatever is put before it"


def test_https_is_believed_from_a_trusted_proxy_only(open_house, tmp_path):
    for proxies in (0, 1):
        house = open_house(f"sqlite:///{tmp_path}/{proxies}.db", trusted_proxies=proxies)
        head = house.get("/subscribe", headers={"X-Forwarded-Proto": "https"}).answer.headers
        assert ("Strict-Transport-Security" in head) == (proxies == 1)


# In which language


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("path", ["/subscribe", "/unsubscribe", "/confirm/forged", "/no/such"])
def test_the_parameter_chooses_the_language_and_the_links_keep_it(standing_house, code, path):
    page = standing_house.get(f"{path}?lang={code}", headers={"Accept-Language": "en, fi;q=0.5, sv;q=0.1"})
    assert f'<html lang="{code}">' in page.html
    assert page.answer.headers["Content-Language"] == code
    assert language(code).say("Privacy statement") in page.words
    ours = [link for link in page.links if link.startswith("/") and "hreflang" not in link]
    ours += [form.action for form in page.forms]
    switches = {f"{path}?lang={other}" for other in CODES}
    assert all(link.endswith(f"lang={code}") for link in ours if link not in switches)


@pytest.mark.parametrize(
    ("asked", "accepted", "code"),
    [
        ("", "SV-FI, sv;q=0.9", "sv"),
        ("?lang=de", "en", "en"),
        ("?lang=%00", "en", "en"),
        ("?lang=%ff", "sv", "sv"),
        ("?lang=", "sv", "sv"),
        ("?lang=sv%22%3E%3Cscript%3E", "de", "fi"),
        ("?lang=sv&lang=en", "de", "sv"),
        ("", "*", "fi"),
        ("", "de;q=1, en;q=0.2", "en"),
        ("", ";;;,,,q=,", "fi"),
        ("", "\xff\xfe", "fi"),
        ("", "x-" * 2000, "fi"),
    ],
)
def test_else_the_browser_else_finnish(standing_house, asked, accepted, code):
    page = standing_house.get(f"/subscribe{asked}", headers={"Accept-Language": accepted.encode("latin-1")})
    assert (page.status, page.answer.headers["Content-Language"]) == (200, code)
    assert "<script" not in page.html


# Looking without opening


def test_head_is_get_without_its_body(pages, standing_house):
    paths = ["/subscribe", "/unsubscribe", pages["confirm"].answer.url, pages["leave"].answer.url, "/confirm/x", "/x"]
    http = standing_house.http
    for path in paths:
        address = path if path.startswith("http") else standing_house.url + path
        got, head = http.get(address, timeout=20), http.head(address, timeout=20)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert {**head.headers, "Date": "", "Content-Length": ""} == {**got.headers, "Date": "", "Content-Length": ""}


def test_options_tells_the_methods_and_changes_nothing(sqlite_house):
    aino = Visitor(sqlite_house)
    aino.subscribe()
    sqlite_house.deliver()
    before = sqlite_house.everything()
    methods = {
        "/subscribe": "GET HEAD OPTIONS POST",
        aino.link("confirm"): "GET HEAD OPTIONS POST",
        aino.link("confirm").partition("?")[0] + "/decline": "OPTIONS POST",
        "/healthz": "GET HEAD OPTIONS",
    }
    for path, allowed in methods.items():
        address = path if path.startswith("http") else sqlite_house.url + path
        answer = requests.options(address, timeout=20)
        assert (answer.status_code, answer.content) == (200, b"")
        assert " ".join(sorted(answer.headers["Allow"].split(", "))) == allowed
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert sqlite_house.everything() == before


def test_the_console_says_as_little_to_a_stranger(sqlite_house):
    Staff(sqlite_house)
    for path in ("/staff/", "/staff/subscribers", "/staff/queue", "/staff/login"):
        answer = sqlite_house.get(path, allow_redirects=False).answer
        assert answer.status_code in (200, 302)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.status_code == 200 or answer.headers["Location"].startswith("/staff/login")
    assert DECLINE not in answer.text
