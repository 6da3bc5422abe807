"""The web site of the development mode: there for a first try, nowhere else, and as closed as a real one should be."""

import re
from urllib.parse import urlsplit

import pytest

from consent_service.language import CODES, language
from consent_service.service import Service
from consent_service.web import create_app
from tests.household import CONTROLLER, settings

PAGES = ("/dev/site", "/dev/site/statistics.js", "/dev/site/video")
THERE = {"Sec-Fetch-Site": "same-origin"}
CHOICE = {"id": "0" * 32, "sequence": "1", "action": "necessary", "allowed": "", "layer": "first", "gpc": "0"}


@pytest.mark.parametrize("code", CODES)
def test_it_has_the_lines_that_are_given_to_a_site_and_a_policy_that_lets_in_nothing_else(sqlite_house, code):
    page, own = sqlite_house.get(f"/dev/site?lang={code}"), sqlite_house.url
    assert page.status == 200
    for line in ("embed.js", "cookie-banner.js"):
        assert f'<script src="{own}/{line}?lang={code}" defer></script>' in page.html
    assert '<script type="text/plain" data-cookies="statistics"' in page.html
    assert re.search(r'<iframe data-cookies="marketing" data-src="[^"]+/dev/site/video\?lang=', page.html)
    assert "data-cookie-settings" in page.html
    for path in ("/privacy", "/cookies", "/my-data", "/contact", "/dev/mail"):
        assert f"{path}?lang={code}" in page.links
    policy = page.answer.headers["Content-Security-Policy"]
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    shut = ("default-src", "base-uri", "form-action", "frame-ancestors")
    assert {parts.pop(name) for name in shut} == {"'none'"}
    assert set(parts.values()) == {own}
    loaded = re.findall(r'(?:src|<link[^>]*href)="([^"]+)"', page.html)
    assert {urlsplit(address).netloc for address in loaded} <= {"", urlsplit(own).netloc}
    assert "Set-Cookie" not in page.answer.headers


def test_it_is_opened_at_the_address_that_its_lines_name(sqlite_house):
    answer = sqlite_house.get("/dev/site?lang=sv", headers={"Host": "localhost"}, allow_redirects=False).answer
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{sqlite_house.url}/dev/site?lang=sv")


def test_the_mailbox_leads_to_it(sqlite_house):
    assert "/dev/site?lang=fi" in sqlite_house.get("/dev/mail?lang=fi").links


def test_our_own_origin_is_a_site_there_and_its_evidence_says_which(sqlite_house):
    form = sqlite_house.get("/embed/form?lang=fi", headers=THERE)
    assert form.status == 200
    assert sqlite_house.get("/embed/form?lang=fi").status == 403, "who does not say from where is nobody"
    fields = {"first_name": "Aino", "last_name": "Mäkelä", "email": "aino@example.com", "consent": "yes"}
    token = form.answer.json()["token"]
    sent = THERE | {"Origin": sqlite_house.url, "Accept": "application/json"}
    assert sqlite_house.post("/subscribe?lang=fi", fields | {"csrf_token": token}, headers=sent).status == 200
    [asked] = sqlite_house.story("aino@example.com")
    assert asked.core["site"] == urlsplit(sqlite_house.url).netloc
    version = sqlite_house.service.cookie_notice(language("fi")).shown.sha256
    assert sqlite_house.post("/cookie-choices", CHOICE | {"version": version}, headers=sent).status == 204


def test_in_production_there_is_no_such_site_and_our_own_origin_is_none(tmp_path):
    given = {"mode": "production", "public_url": "https://tilaus.example", "smtp_url": "smtp://127.0.0.1:1"}
    given["controller_file"] = tmp_path / "controller.toml"
    service = Service(settings(f"sqlite:///{tmp_path}/never.db", **given), CONTROLLER)
    visitor = create_app(service).test_client()
    assert {visitor.get(path).status_code for path in (*PAGES, "/dev/mail")} == {404}
    assert visitor.get("/embed/form", headers=THERE).status_code == 403
    assert visitor.post("/cookie-choices", data=CHOICE, headers=THERE).status_code == 403
