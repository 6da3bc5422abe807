"""The form on the company's own web sites, by script and as a plain form: who may show it, and what the evidence says.

How it looks there, and that it can be used by everybody, is told in tests/browser/test_embed.py.
"""

import gzip
import json
from datetime import timedelta

import pytest
import requests
import time_machine

from consent_service import service as services
from consent_service.language import CODES, language
from consent_service.notices.statements import DOORS
from consent_service.rights import consent_record, personal_data
from consent_service.rights.consent_record import Place
from tests.actors import SUBSCRIBE, Staff, Visitor, fi
from tests.page import Page

SITE, HOST = "https://www.keinuma.example", "www.keinuma.example"
THERE = {"Origin": SITE, "Sec-Fetch-Site": "cross-site"}
SCRIPT_AND_WORDS_BYTES = 6 * 1024


@pytest.fixture
def house(open_house, database_url):
    return open_house(database_url, allowed_origins=f"https://other.example,{SITE}")


@pytest.fixture
def sqlite_house(open_house, tmp_path):
    return open_house(f"sqlite:///{tmp_path}/consent.db", allowed_origins=SITE)


class Embedded:
    """Somebody who reads the form where the script shows it."""

    def __init__(self, house, email="aino@example.com", code="fi"):
        self.house, self.email = house, email
        self.form = house.get(f"/embed/form?lang={code}", headers=THERE).answer.json()

    def send(self, **changes) -> requests.Response:
        fields = {"first_name": "Aino", "last_name": "Mäkelä", "email": self.email, "consent": "yes"}
        sent = fields | {"csrf_token": self.form["token"]} | changes
        return self.house.post(self.form["action"], sent, headers=THERE | {"Accept": "application/json"}).answer


def plain(house, code="fi", **changes) -> Page:
    """Send a plain form of the site, as a browser without scripts does."""
    fields = {"first_name": "Aino", "last_name": "Mäkelä", "email": "aino@example.com"}
    return house.post(f"/subscribe?lang={code}", fields | changes, headers=THERE)


# By script


def test_what_is_sent_on_our_site_is_a_subscription_whose_evidence_names_the_site(house):
    aino = Visitor(house)
    embedded = Embedded(house)
    answer = embedded.send()
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, SITE)
    assert answer.json()["address"] == aino.email
    [asked] = house.story(aino.email)
    told = {name: asked.core[name] for name in ("kind", "actor", "door", "source", "site")}
    assert told == {"kind": "requested", "actor": "visitor", "door": "form", "source": "form", "site": HOST}
    assert asked.core["texts"]["consent"] == house.service.consent_text(language("fi")).shown.sha256
    house.deliver()
    assert aino.confirm().status == 200
    assert house.status(aino.email) == "active"


@pytest.mark.parametrize("code", CODES)
def test_it_says_the_very_words_of_our_own_page(sqlite_house, code):
    form, page = Embedded(sqlite_house, code=code).form, sqlite_house.get(f"/subscribe?lang={code}")
    said = [words for name, words in form.items() if name not in ("language", "action", "token", "statement_url")]
    own = {form["sending"], form["failed"], form["elsewhere"]}
    assert [words for words in said if words not in page.words and words not in own] == []
    assert form["language"] == code
    assert form["action"] == f"{sqlite_house.url}/subscribe?lang={code}"
    sent = Embedded(sqlite_house, code=code).send().json()
    page = Visitor(sqlite_house).open_form(code)
    fields = {"first_name": "Aino", "last_name": "Mäkelä", "email": "aino@example.com", "consent": "yes"}
    page = page.press(language(code).say("Subscribe"), **fields)
    texts = [*(words for words in sent.values() if isinstance(words, str)), *sent["steps"]]
    assert [words for words in texts if words not in page.words] == []


def test_both_boxes_are_taken(house):
    assert Embedded(house).send(tracking="yes").status_code == 200
    [asked] = house.story("aino@example.com")
    assert asked.core["texts"]["tracking"] == house.service.tracking_text(language("fi")).shown.sha256


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"consent": ""}, {"consent": "Tick the box if you want the newsletter."}),
        ({"first_name": " "}, {"first_name": "Write your first name."}),
        (
            {"email": "aino@", "last_name": "A\x00"},
            {
                "last_name": "Write the name in at most 100 ordinary characters.",
                "email": "Write one e-mail address in the form name@example.com.",
            },
        ),
    ],
)
def test_what_is_wrong_is_said_by_field_and_nothing_is_stored(house, changes, told):
    answer = Embedded(house).send(**changes)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (400, SITE)
    assert answer.json() == {"errors": {name: fi(words) for name, words in told.items()}}
    assert house.count() == 0


@pytest.mark.parametrize("token", ["", "forged", "old"])
def test_a_form_that_was_open_for_too_long_comes_back_with_today_s_words_and_a_new_token(house, token):
    with time_machine.travel(services.now() - timedelta(hours=25), tick=True):
        old = Embedded(house)
    answer = old.send(**{} if token == "old" else {"csrf_token": token})
    said = answer.json()
    assert answer.status_code == 400
    assert said["errors"] == {
        "form": fi("The form had been open for too long. Check what you wrote and send it again.")
    }
    assert house.count() == 0
    assert old.send(csrf_token=said["form"]["token"]).status_code == 200
    assert house.story(old.email)[0].core["site"] == HOST


def test_words_that_changed_meanwhile_come_along_with_what_is_wrong(sqlite_house):
    old = Embedded(sqlite_house)
    sqlite_house.change_controller(possessive={"fi": "Heilurin", "sv": "Gungans", "en": "Gunga's"})
    said = old.send(email="aino@").json()
    assert set(said["errors"]) == {"email"}
    assert "Heilurin" in said["form"]["consent"]
    assert "Heilurin" not in old.form["consent"]


def test_the_answer_is_the_same_for_everybody_and_robots(open_house, database_url):
    house = open_house(database_url, allowed_origins=SITE, form_min_s=2)
    with time_machine.travel(services.now(), tick=False) as clock:
        form = Embedded(house)
        quick = form.send()
        assert house.count() == 0
        trapped = form.send(website="https://spam")
        clock.shift(3)
        assert house.count() == 0
        new = form.send()
        known = form.send()
        assert house.status("aino@example.com") == "pending"
    answers = [(answer.status_code, answer.json()) for answer in (quick, trapped, new, known)]
    assert answers == [answers[0]] * 4


def test_sending_again_says_that_it_was_heard(sqlite_house):
    with time_machine.travel(services.now(), tick=False):
        notice = Embedded(sqlite_house).send(again="yes").json()["notice"]
        at = language("fi").moment(services.now())
    assert notice.startswith(fi("We took your request again on %(at)s.", at=at))


def test_a_network_that_asks_too_often_is_told_how_long_to_wait(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", allowed_origins=SITE, limit_ip="1/10 minutes")
    first, second = Embedded(house).send(), Embedded(house, "eero@example.com").send()
    assert (first.status_code, second.status_code) == (200, 429)
    assert 0 < int(second.headers["Retry-After"]) <= 600
    assert (
        language("fi").count("Wait a minute and try again.", "Wait %(number)s minutes and try again.", 10)
        in (second.json()["errors"]["form"])
    )
    assert house.status("eero@example.com") is None


# Who may show it


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null", "http://www.keinuma.example", SITE + ".evil"])
def test_no_other_site_gets_the_words_or_sends_anything(sqlite_house, origin):
    sent = {"Sec-Fetch-Site": "cross-site"} | ({"Origin": origin} if origin else {})
    answer = sqlite_house.get("/embed/form", headers=sent).answer
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    token, asked = Embedded(sqlite_house).form["token"], {"Accept": "application/json"}
    fields = {"first_name": "A", "last_name": "B", "email": "a@example.com", "consent": "yes", "csrf_token": token}
    answer = sqlite_house.post("/subscribe", fields, headers=sent | asked).answer
    assert answer.status_code == 400
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert sqlite_house.count() == 0


def test_the_words_are_never_kept_and_the_script_for_ten_minutes(sqlite_house):
    words = sqlite_house.get("/embed/form?lang=fi", headers=THERE).answer
    assert words.headers["Access-Control-Allow-Origin"] == SITE
    assert "Origin" in words.headers["Vary"]
    assert words.headers["Cache-Control"] == "no-store"
    script = sqlite_house.get("/embed.js?lang=fi").answer
    assert script.headers["Cache-Control"] == "public, max-age=600"
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert script.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert not [name for name in ("Set-Cookie", "Access-Control-Allow-Origin") if name in script.headers]
    assert "Set-Cookie" not in words.headers


def test_script_and_words_together_are_small(sqlite_house):
    script, words = sqlite_house.get("/embed.js?lang=fi").answer, Embedded(sqlite_house).form
    size = len(gzip.compress(script.content)) + len(gzip.compress(json.dumps(words).encode()))
    print("script and words, gzipped:", size)
    assert size <= SCRIPT_AND_WORDS_BYTES


@pytest.mark.parametrize("code", CODES)
def test_the_script_can_say_where_our_page_is_when_it_gets_no_words(sqlite_house, code):
    script = sqlite_house.get("/embed.js", headers={"Accept-Language": code}).answer
    assert json.dumps(f"{sqlite_house.url}/subscribe?lang={code}") in script.text
    assert "Accept-Language" in script.headers["Vary"]
    consent = sqlite_house.service.consent_text(language(code)).sentence
    assert consent not in script.text


# As a plain form


def test_a_plain_form_leads_to_our_page_where_one_step_is_left(house):
    page = plain(house, consent="yes", tracking="yes")
    assert (page.status, page.title.startswith(fi("One step left"))) == (200, True)
    assert fi("Error:") not in page.html and "alert" not in page.html, "nothing has gone wrong"
    kept = page.form(SUBSCRIBE).fields
    assert (kept["first_name"], kept["last_name"], kept["email"]) == ("Aino", "Mäkelä", "aino@example.com")
    assert " checked" not in page.html, "nobody knows beside which words it was ticked"
    assert house.count() == 0
    sent = page.press(SUBSCRIBE, consent="yes")
    assert (sent.status, fi("Check your e-mail") in sent.title) == (200, True)
    [asked] = house.story("aino@example.com")
    assert (asked.core["source"], asked.core["site"]) == ("form", HOST)


def test_what_is_wrong_in_a_plain_form_is_said_once_it_is_sent_from_our_page(sqlite_house):
    page = plain(sqlite_house, email="aino@", last_name="")
    assert page.status == 200
    wrong = page.press(SUBSCRIBE, consent="yes")
    assert (wrong.status, wrong.title.startswith(fi("Error:"))) == (400, True)
    mended = wrong.press(SUBSCRIBE, consent="yes", email="aino@example.com", last_name="Mäkelä")
    assert mended.status == 200
    assert sqlite_house.story("aino@example.com")[0].core["site"] == HOST


@pytest.mark.parametrize("code", CODES)
def test_the_last_step_is_in_the_language_of_the_form(sqlite_house, code):
    page = plain(sqlite_house, code)
    assert page.title.startswith(language(code).say("One step left"))
    assert page.form(language(code).say("Subscribe")).action.endswith(f"lang={code}")


# Where it is told


def test_everybody_who_reads_the_evidence_sees_through_which_site(sqlite_house):
    house = sqlite_house
    Embedded(house).send()
    house.deliver()
    aino, heidi = Visitor(house), Staff(house)
    assert aino.confirm().status == 200
    house.service.seal()
    assert fi("You subscribed with the form on %(site)s", site=HOST) in aino.my_data().words
    heidi.log_in()
    person_id = house.person(aino.email).id
    person = house.get(f"/staff/subscribers/{person_id}?lang=fi", heidi.http)
    assert fi("Subscribed with the form on %(site)s", site=HOST) in person.words
    sheet = house.get(f"/staff/subscribers/{person_id}/evidence?lang=fi", heidi.http)
    assert f"{fi(DOORS['form'])}: {HOST}" in sheet.words
    with house.service.snapshot() as connection:
        held = personal_data.gather(connection, house.service.vault, person_id, services.now())
    record = consent_record.compose(held, Place(house.service.controller, house.url))
    assert record["dpv:hasConsentStatus"][0]["dpv:hasIndicationMethod"].endswith(f"web site, {HOST}")


def test_our_own_page_names_no_site(sqlite_house):
    Visitor(sqlite_house).subscribe()
    assert "site" not in sqlite_house.story("aino@example.com")[0].core
