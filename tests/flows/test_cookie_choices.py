"""Cookie choices: recorded as they were made, joined to nobody, shown to whoever has the number, erased in time."""

import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select

from consent_service import chores
from consent_service import service as services
from consent_service.backup import repeating
from consent_service.backup.notes_file import NotesFile
from consent_service.backup.repeating import Note
from consent_service.language import CODES, language
from consent_service.ledger import evidence
from consent_service.ledger.proof import check
from consent_service.ledger.receipt import compose
from consent_service.models.ledger import consent_event, shown_text
from consent_service.models.newsletter import erasure
from consent_service.models.site import cookie_choice
from consent_service.notices import cookie_notice
from tests.actors import Visitor, fi
from tests.conftest import on_both_databases
from tests.household import CONTROLLER
from tests.passer_by import SITE, PasserBy
from tests.tampering import findings

START = datetime(2026, 3, 2, 9, 0, 41, 123456, tzinfo=UTC)


@pytest.fixture
def house(open_house, database_url):
    return open_house(database_url, allowed_origins=SITE)


@pytest.fixture
def sqlite_house(open_house, tmp_path):
    return open_house(f"sqlite:///{tmp_path}/consent.db", allowed_origins=SITE)


def recorded(house):
    """What the log holds of all choices, oldest first."""
    rows = [row for row in house.rows(consent_event) if row.core_plain]
    told = [json.loads(row.core_plain)["payload"] for row in rows]
    return sorted((one for one in told if one["kind"] == "cookie_choice"), key=lambda one: one["sequence"])


def look(house, number, code="fi"):
    page = house.get(f"/cookies?lang={code}")
    return page.press(language(code).say("Show what is recorded"), choice=number)


# What is recorded


def test_a_choice_is_recorded_with_the_words_it_was_made_before_and_nothing_of_the_visitor(house):
    with time_machine.travel(START, tick=False):
        passer = PasserBy(house)
        answer = passer.choose().answer
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == SITE
    assert not answer.cookies
    [told] = recorded(house)
    assert told == {
        "kind": "cookie_choice", "choice": passer.id, "sequence": 1, "action": "all",
        "allowed": ["statistics", "marketing"], "layer": "first", "gpc": False, "site": "www.keinuma.example",
        "browser": "Firefox", "texts": {"cookies": passer.notice.shown.sha256}, "actor": "visitor", "door": "banner",
        "at": "2026-03-02T09:00:00.000000Z",
    }  # fmt: skip
    [row] = house.rows(cookie_choice)
    assert (row.choice_id, row.sequence) == (passer.id, 1)
    assert row.expires_at == datetime(2026, 8, 31, tzinfo=UTC), "182 days, and the day is all that is kept of it"
    [text] = [row for row in house.rows(shown_text) if row.kind == "cookies"]
    assert text.content == passer.notice.shown.content
    [event] = [row for row in house.rows(consent_event) if row.core_plain]
    assert (event.subscriber_id, event.tech_sealed) == (None, None)


def test_the_text_kept_holds_every_word_of_the_banner_and_every_tool(sqlite_house):
    for code in CODES:
        notice = sqlite_house.service.cookie_notice(language(code))
        text = notice.shown.content.decode()
        assert notice.shown.language == code
        for words in notice.words.values():
            assert words in text
        for one in CONTROLLER.cookie:
            for said in (one.name, one.purpose[code], one.provider, one.third_parties[code], *one.names):
                assert said in text, said
        assert cookie_notice.CHOICE in text
        assert notice.tools in text


def test_twice_is_as_good_as_once_and_a_later_choice_counts_anew(house):
    passer = PasserBy(house)
    assert passer.choose().status == 204
    assert passer.choose(sequence="1", action="necessary", allowed="").status == 204
    assert passer.refuse().status == 204
    assert [(one["sequence"], one["allowed"]) for one in recorded(house)] == [(1, ["statistics", "marketing"]), (2, [])]
    assert house.count(cookie_choice) == 2


def test_what_is_recorded_is_sealed_and_can_be_proved_to_anybody(house):
    PasserBy(house).choose()
    house.service.seal()
    [row] = house.rows(cookie_choice)
    with house.service.reading() as connection:
        receipt = compose(connection, house.service.vault, row.event_id)
    assert check(receipt, house.service.verifiers).payload["kind"] == "cookie_choice"
    assert findings(house) == []


@pytest.mark.parametrize(
    ("agent", "family"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge"),
        ("Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15", "Safari"),
        ("Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 CriOS/140.0 Safari/604.1", "Chrome"),
        ("", "other"),
        ("<script>alert(1)</script>" * 100, "other"),
    ],
)
def test_of_the_browser_only_its_family_is_kept(sqlite_house, agent, family):
    passer = PasserBy(sqlite_house)
    passer.http.headers["User-Agent"] = agent
    passer.choose()
    assert [one["browser"] for one in recorded(sqlite_house)] == [family]


# What is refused


def test_what_our_banner_would_not_send_is_refused_and_leaves_nothing(sqlite_house):
    before = sqlite_house.everything()
    for changes in (
        {"id": "x"},
        {"id": "A" * 32},
        {"sequence": "0"},
        {"sequence": "1.5"},
        {"sequence": "9999999"},
        {"action": "everything"},
        {"allowed": "statistics necessary"},
        {"allowed": "marketing statistics"},
        {"allowed": ""},
        {"action": "necessary"},
        {"action": "gpc", "allowed": ""},
        {"action": "gpc", "gpc": "1"},
        {"layer": "third"},
        {"gpc": "yes"},
        {"version": "0"},
        {"email": "aino@example.com"},
        {"id": "\x00" * 32},
    ):
        assert PasserBy(sqlite_house).choose(**changes).status == 400, changes
        assert sqlite_house.everything() == before, changes


def test_a_choice_that_lacks_something_comes_twice_over_or_is_too_long_is_refused(sqlite_house):
    house, passer = sqlite_house, PasserBy(sqlite_house)
    fields = passer.fields()
    for name in fields:
        assert house.post("/cookie-choices", {**fields, name: None}, passer.http).status == 400, name
    assert house.post("/cookie-choices", [*fields.items(), ("id", passer.id)], passer.http).status == 400
    assert house.post("/cookie-choices", fields | {"more": "x" * 8192}, passer.http).status == 413
    assert (
        house.post("/cookie-choices", json.dumps(fields), passer.http, headers={"Content-Type": "text/plain"}).status
        == 415
    )
    assert house.count() == 0


def test_only_pages_of_the_companys_own_sites_may_send_one(sqlite_house):
    house, passer = sqlite_house, PasserBy(sqlite_house)
    for origin in ("https://evil.example", "null", f"{SITE}.evil.example", "http://www.keinuma.example"):
        for sent in ({"Origin": origin}, {"Origin": origin, "Sec-Fetch-Site": None}):
            answer = house.post("/cookie-choices", passer.fields(), passer.http, headers=sent)
            assert answer.status in (400, 403)
            assert "Access-Control-Allow-Origin" not in answer.answer.headers
    assert house.post("/cookie-choices", passer.fields()).status == 403, "from no page at all"
    assert house.count() == 0


def test_one_network_may_not_send_without_end(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", allowed_origins=SITE, limit_ip="1/hour")
    answers = [PasserBy(house).choose().answer for _ in range(13)]
    assert [answer.status_code for answer in answers] == [204] * 12 + [429], "an office may answer all at once"
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert answers[-1].headers["Access-Control-Allow-Origin"] == SITE, "the banner sends it again later"


def test_words_that_nobody_knows_any_more_prove_nothing_but_those_once_chosen_before_do(house):
    early, late = PasserBy(house), PasserBy(house)
    assert late.choose(version="0" * 64).status == 409
    house.change_controller(name="Toinen Oy")
    assert late.choose().status == 409, "nobody ever chose before these words, so they were not kept"
    house.change_controller(name=CONTROLLER.name)
    assert early.choose().status == 204
    house.change_controller(name="Toinen Oy")
    assert late.choose().status == 204, "the script may lie in a browser for some minutes"
    consent = house.service.consent_text(language("fi")).shown
    with house.service.transaction() as connection:
        evidence.keep_text(connection, house.occasion(), consent)
    assert PasserBy(house).choose(version=consent.sha256).status == 409, "a text about something else"


# Joined to nobody


def values(thing):
    """Every value in rows, payloads and lists, with what stands in bytes of JSON."""
    if isinstance(thing, bytes) and thing[:2] in (b'{"', b"[{"):
        with contextlib.suppress(ValueError):  # random bytes may begin like that too
            return values(json.loads(thing))
    if isinstance(thing, dict):
        return values(list(thing.values()))
    if isinstance(thing, (list, tuple)):
        return {one for inner in thing for one in values(inner)}
    return {thing}


COMMON = {None, "", 0, 1, 2, 3, "visitor", "fi", "cookies", b"", "kind"}  # says nothing about anybody


def test_a_choice_and_a_subscription_of_the_same_visitor_share_no_value(house):
    """Every column of every table is read, and every payload opened."""
    passer, aino = PasserBy(house), Visitor(house)
    aino.http.headers["User-Agent"] = passer.http.headers["User-Agent"]
    passer.choose()
    aino.becomes_active()
    passer.refuse()
    house.service.seal()
    mine, others = set(), set()
    events = {row.event_id for row in house.rows(cookie_choice)}
    for name, rows in house.everything().items():
        for row in rows:
            is_mine = name == "cookie_choice" or (name == "consent_event" and row[0] in events)
            is_mine = is_mine or (name == "shown_text" and "cookies" in row)
            (mine if is_mine else others).update(values(row))
    for event in house.story(aino.email):
        others |= values([event.core, event.tech or {}])
    assert passer.id in mine and aino.email in others
    shared = mine & others - COMMON
    assert {one for one in shared if not isinstance(one, int)} == set(), "but for the places in the log"
    exact = [one for one in mine if isinstance(one, datetime) and (one.second or one.microsecond)]
    assert exact == [], "times are kept to the minute or the day"


def test_no_table_leads_from_a_choice_to_a_person(sqlite_house):
    names = set(cookie_choice.c.keys())
    assert names == {"event_id", "choice_id", "sequence", "expires_at"}
    assert {key.column.table.name for key in cookie_choice.foreign_keys} == {"consent_event"}


# Seen and erased by its number


@pytest.mark.parametrize("code", CODES)
def test_whoever_has_the_number_sees_what_is_recorded(sqlite_house, code):
    say, passer = language(code).say, PasserBy(sqlite_house, code)
    passer.choose(action="chosen", allowed="statistics", layer="settings")
    passer.refuse()
    spelt = f"  {passer.id[:16].upper()} {passer.id[16:]} "
    page = look(sqlite_house, spelt, code)
    assert page.status == 200
    for said in ("Accepted nothing but what is necessary", "with the button “Only necessary”", "by choosing yourself"):
        assert say(said) in page.words
    assert f"{say('Accepted:')} {say('Statistics')}" in page.words
    assert "www.keinuma.example · Firefox" in page.words
    assert passer.notice.words["ask"] in page.words
    assert "?" not in page.answer.url.replace(f"?lang={code}", "") and passer.id not in page.answer.url


def test_the_number_in_an_address_shows_and_changes_nothing(sqlite_house):
    passer = PasserBy(sqlite_house)
    passer.choose()
    before = sqlite_house.everything()
    for path in ("/cookies", f"/cookies?id={passer.id}", f"/cookies?choice={passer.id}"):
        page = sqlite_house.get(path)
        assert page.status == 200
        assert passer.id not in page.html and "Firefox" not in page.words
        assert not page.answer.cookies
    assert sqlite_house.everything() == before


@pytest.mark.parametrize("number", ["", "x", "a" * 31, "a" * 32, "<script>", "\x00", "ä" * 32])
def test_a_number_that_leads_nowhere_is_said_beside_the_field(sqlite_house, number):
    page = look(sqlite_house, number)
    assert page.status == 400
    assert page.title.startswith(fi("Error:"))
    assert "<script>" not in page.html


@on_both_databases
def test_who_erases_what_is_recorded_leaves_an_empty_leaf_that_the_audit_understands(house):
    passer, other = PasserBy(house), PasserBy(house)
    for one in (passer, other):
        one.choose()
    passer.refuse()
    house.service.seal()
    page = look(house, passer.id).press(fi("Erase this"))
    assert page.status == 200 and fi("It has been erased") in page.title
    assert [one["choice"] for one in recorded(house)] == [other.id]
    assert [row.choice_id for row in house.rows(cookie_choice)] == [other.id]
    assert findings(house) == []
    assert look(house, passer.id).status == 400
    again = house.post("/cookies/erase", {"choice": passer.id})
    assert fi("It has been erased") in again.title
    with time_machine.travel(services.now() + timedelta(days=3)):
        house.do_chores()
        assert findings(house) == [], "listed in a sealed event meanwhile"
        assert passer.choose(sequence="3").status == 204
        assert look(house, passer.id).press(fi("Erase this")).status == 200, "who chooses and erases again"
        assert findings(house) == []


def test_what_was_erased_does_not_come_back_with_an_old_database(house):
    passer, other = PasserBy(house), PasserBy(house)
    passer.choose()
    other.choose()
    NotesFile(house.service.folder / "notes.jsonl").append([Note(passer.id, "person", services.now(), None)])
    assert chores.repeat_notes(house.service) == 1
    assert chores.repeat_notes(house.service) == 0
    assert [row.choice_id for row in house.rows(cookie_choice)] == [other.id]
    assert [row.subscriber_id for row in house.rows(erasure)] == [passer.id]
    assert findings(house) == []


def test_a_second_erasure_is_repeated_too_and_what_was_chosen_after_it_is_not(house):
    passer, notes = PasserBy(house), NotesFile(house.service.folder / "notes.jsonl")
    with time_machine.travel(START, tick=False) as clock:
        passer.choose()
        look(house, passer.id).press(fi("Erase this"))
        clock.shift(timedelta(minutes=10))
        passer.choose(sequence="2")
        clock.shift(timedelta(minutes=10))
        notes.append([Note(passer.id, "person", services.now(), None)])  # the newer one, which this database forgot
        clock.shift(timedelta(minutes=10))
        passer.choose(sequence="3")
        assert [chores.repeat_notes(house.service) for _ in range(2)] == [1, 0]
        assert [row.sequence for row in house.rows(cookie_choice)] == [3]
        assert findings(house) == []


def test_an_erasure_is_noted_outside_the_database(sqlite_house):
    passer = PasserBy(sqlite_house)
    passer.choose()
    look(sqlite_house, passer.id).press(fi("Erase this"))
    sqlite_house.do_chores()
    [note] = NotesFile(sqlite_house.service.folder / "notes.jsonl").read()
    assert (note.subscriber_id, note.rule) == (passer.id, "person")


def test_a_second_erasure_while_the_first_is_noted_outside_the_database_is_noted_too(house):
    passer = PasserBy(house)
    with time_machine.travel(START, tick=False) as clock:
        passer.choose()
        look(house, passer.id).press(fi("Erase this"))
        with house.service.reading() as connection:
            notes = repeating.uncopied(connection, 10)  # and while the file is written:
        clock.shift(timedelta(minutes=10))
        passer.choose(sequence="2")
        look(house, passer.id).press(fi("Erase this"))
        with house.service.transaction() as connection:
            repeating.copied(connection, notes, services.now())
        house.do_chores()
        [note] = NotesFile(house.service.folder / "notes.jsonl").read()
        assert note.at == services.now()


def test_a_choice_is_gone_a_year_after_it_has_ended_and_not_before(house):
    with time_machine.travel(START, tick=False) as clock:
        passer = PasserBy(house)
        passer.choose()
        house.do_chores()
        for days, left in ((182, 1), (546, 1), (548, 0)):
            clock.move_to(START + timedelta(days=days, hours=4))
            house.do_chores()
            assert house.count(cookie_choice) == left, days
        assert recorded(house) == []
        assert findings(house) == []
        clock.shift(timedelta(days=3))
        house.do_chores()
        assert findings(house) == []


def test_the_choices_of_one_visitor_are_found_by_an_index(sqlite_house):
    with sqlite_house.service.reading() as connection:
        asked = select(cookie_choice.c.event_id).where(cookie_choice.c.choice_id == "a")
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked.compile(compile_kwargs={'literal_binds': True})}")
        assert "SEARCH" in plan.one().detail
