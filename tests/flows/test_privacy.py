"""The privacy statement: today's for everybody, an earlier one by its hash, in evidence the one of that time."""

import html
import re
from dataclasses import replace
from hashlib import sha256

import pytest

from consent_service import retention
from consent_service.language import CODES, language
from consent_service.models.ledger import shown_text
from tests.actors import Staff, Visitor, fi
from tests.conftest import on_both_databases
from tests.household import CONTROLLER

# What GDPR articles 13, 14 and 21(4) want told, in words that stand in each language's text.
TOLD = {
    "fi": ["6 artiklan 1 kohdan a alakohta", "6 artiklan 1 kohdan f alakohta", "917/2014, 200 §", "(1050/2018)",
           "vakiosopimuslausekkeet", "15 artikla", "16 artikla", "17 artikla", "18 artikla", "20 artikla",
           "21 artikla", "7 artiklan 3 kohta", "tietosuojavaltuutetulle", "automaattisia päätöksiä", "salattuina",
           "200 §:n 3 momentti", "asiakassuhteesi perusteella", "kirjanpitolaki 1336/1997", "Asiakastietosi",
           "kirjanpitäjämme"],
    "sv": ["artikel 6.1 a", "artiklarna 6.1 f", "917/2014, 200 §", "(1050/2018)", "standardavtalsklausuler",
           "artikel 15", "artikel 16", "artikel 17", "artikel 18", "artikel 20", "artikel 21", "artikel 7.3",
           "dataombudsmannen", "automatiska beslut", "krypterat",
           "200 § 3 mom.", "för att du är vår kund", "bokföringslagen 1336/1997", "Dina kunduppgifter",
           "vår bokförare"],
    "en": ["article 6(1)(a)", "articles 6(1)(f)", "917/2014, section 200", "(1050/2018)",
           "standard contractual clauses", "article 15", "article 16", "article 17", "article 18", "article 20",
           "article 21", "article 7(3)", "Data Protection Ombudsman", "by a machine alone", "encrypted",
           "section 200(3)", "because you are our customer", "Accounting Act 1336/1997", "as our customer",
           "does our accounting"],
}  # fmt: skip


def opened(house, path="/privacy?lang=fi"):
    page = house.get(path)
    assert page.status == 200, page.title
    return page


def plain(house, query="lang=fi"):
    """The exact bytes of a statement."""
    return opened(house, f"/privacy.txt?{query}").answer.content


def words(text):
    """The words of a statement without its marks, as a page shows them."""
    bare = re.sub(r"\[([^\]]+)\]\(/[a-z-]+\)", r"\1", text)
    return " ".join(re.sub(r"^(#+|-) ", "", bare, flags=re.MULTILINE).split())


def shown(page):
    """The words of the statement on the page, without the list of its parts."""
    [article] = re.findall(r"<article.*?</article>", page.html, re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<nav.*?</nav>|<[^>]+>", "", article, flags=re.DOTALL)).split())


def changed(house, **values):
    """Let the controller file of a running service say something else."""
    house.change_controller(**values)


def kept(house):
    with house.service.reading() as connection:
        return {row.sha256: row for row in connection.execute(shown_text.select()) if row.kind == "privacy"}


# Today's


@pytest.mark.parametrize("code", CODES)
def test_the_statement_says_what_the_law_wants_told(sqlite_house, code):
    page, say = opened(sqlite_house, f"/privacy?lang={code}"), language(code).say
    for told in TOLD[code]:
        assert told in page.words, told
    for said in (CONTROLLER.name, CONTROLLER.business_id, CONTROLLER.street, CONTROLLER.contact_email):
        assert said in page.words
    for rule in retention.RULES:
        for sentence in (rule.what, rule.period, rule.why):
            assert say(sentence) in page.words, sentence
    for one in CONTROLLER.recipient:
        for said in (one.name, one.role[code], one.purpose[code], one.country[code], one.transfer_ground[code]):
            assert said in page.words
    for day in (CONTROLLER.statement_first_published, CONTROLLER.statement_changed):
        assert language(code).day(day) in page.words


@pytest.mark.parametrize("code", CODES)
def test_the_page_shows_exactly_the_words_that_evidence_keeps(sqlite_house, code):
    content = plain(sqlite_house, f"lang={code}")
    page = opened(sqlite_house, f"/privacy?lang={code}")
    assert shown(page) == words(content.decode())
    assert sha256(content).hexdigest() in page.words
    assert page.answer.headers["Content-Language"] == code


def test_the_summary_comes_first_and_the_right_to_object_stands_apart(sqlite_house):
    page = opened(sqlite_house)
    headings = re.findall(r'<h2 id="part-\d+">(.*?)</h2>', page.html)
    assert headings[0] == fi("In short")
    assert fi("Your right to object to direct marketing") in headings
    assert len(re.findall('href="#part-', page.html)) == len(headings) - 1


def test_every_link_of_the_statement_leads_somewhere_and_keeps_the_language(sqlite_house):
    page = opened(sqlite_house, "/privacy?lang=sv")
    own = [link for link in page.links if link.startswith("/") and link.partition("?")[0] != "/privacy"]
    assert {"/unsubscribe?lang=sv", "/my-data?lang=sv"} <= set(own)
    for link in own:
        assert sqlite_house.get(link).status == 200, link
    assert f"mailto:{CONTROLLER.contact_email}" in page.links and "https://tietosuoja.fi/sv" in page.links


def test_opening_it_sets_no_cookie_and_keeps_nothing(sqlite_house):
    before = sqlite_house.everything()
    for path in ("/privacy", "/privacy.txt", "/privacy?lang=en", "/privacy?version=nonsense"):
        assert not sqlite_house.get(path).answer.cookies
    assert sqlite_house.everything() == before


@pytest.mark.parametrize(
    ("evidence_ip", "said"),
    [
        ("truncated", "never stores the whole IP address"),
        ("none", "does not store your IP address"),
        ("full", "Your IP"),
    ],
)
def test_it_tells_how_much_of_the_network_address_is_kept(open_house, tmp_path, evidence_ip, said):
    house = open_house(f"sqlite:///{tmp_path}/{evidence_ip}.db", evidence_ip=evidence_ip)
    assert said in opened(house, "/privacy?lang=en").words


def test_the_form_every_page_and_every_mail_lead_to_it(sqlite_house):
    aino = Visitor(sqlite_house)
    aino.subscribe()
    sqlite_house.deliver()
    for page in (aino.open_form("sv"), sqlite_house.get("/unsubscribe?lang=sv"), sqlite_house.get("/nowhere?lang=sv")):
        assert "/privacy?lang=sv" in page.links
    assert f"{sqlite_house.url}/privacy?lang=fi" in aino.newest().links


def test_hostile_values_of_the_controller_file_stay_text(sqlite_house):
    hostile = "<script>alert(1)</script> [x](javascript:alert(1)) & Pojat"
    changed(sqlite_house, name=hostile)
    page = opened(sqlite_house)
    assert "<script" not in page.html
    assert not [link for link in page.links if link.startswith("javascript")]
    assert hostile in page.words


# Earlier ones


def test_the_evidence_names_the_statement_of_its_time_and_it_stays_readable(house):
    aino, before = Visitor(house), plain(house)
    aino.subscribe()
    [event] = house.story(aino.email)
    assert event.core["texts"]["privacy"] == sha256(before).hexdigest()
    changed(house, street="Kauppakatu 1", possessive=CONTROLLER.possessive | {"fi": "Uuden"})
    after, version = plain(house), sha256(before).hexdigest()
    assert after != before
    assert plain(house, f"version={version}&lang=en") == before, "whatever language the reader's browser prefers"
    page = opened(house, f"/privacy?lang=fi&version={version}")
    assert shown(page) == words(before.decode())
    assert fi("Read the statement of today") in page.words
    assert "/privacy?lang=fi" in page.links
    today = opened(house)
    assert shown(today) == words(after.decode())
    assert fi("Read the statement of today") not in today.words
    assert f"/privacy?lang=fi&version={version}" in today.links, "listed with its day"


def test_each_language_keeps_its_own_and_only_what_somebody_was_asked_under(house):
    assert kept(house) == {}
    for code in ("fi", "en"):
        page = house.get(f"/subscribe?lang={code}")
        fields = {"first_name": "Aino", "last_name": "M", "email": f"{code}@example.com", "consent": "yes"}
        page.press(language(code).say("Subscribe"), **fields)
    assert sorted(row.language for row in kept(house).values()) == ["en", "fi"]
    for sha, row in kept(house).items():
        assert sha256(row.content).hexdigest() == sha
        assert row.content == plain(house, f"lang={row.language}")


def test_a_made_up_version_and_a_text_of_another_kind_are_pages_not_found(house):
    aino = Visitor(house)
    aino.subscribe()
    consent = house.story(aino.email)[0].core["texts"]["consent"]
    for version in (consent, "0" * 64, "", "x" * 5000, "'; --", "%00"):
        for path in ("/privacy", "/privacy.txt"):
            assert house.get(f"{path}?version={version}").status == 404, version


@on_both_databases
def test_staff_see_the_old_texts_byte_for_byte_after_everything_has_changed(house):
    heidi, aino = Staff(house), Visitor(house)
    heidi.log_in()
    aino.becomes_active()
    old = {sha: row for event in house.story(aino.email) for sha, row in _texts(house, event).items()}
    changed(house, name="Toinen Oy", city="Turku", possessive=dict.fromkeys(CODES, "Toisen"))
    Visitor(house, "eero@example.com").becomes_active()
    page = house.get(f"/staff/subscribers/{house.person(aino.email).id}", heidi.http)
    seen = {html.unescape(text) for text in re.findall(r"<pre>(.*?)</pre>", page.html, re.DOTALL)}
    assert seen == {content.decode() for content in old.values()}
    assert {sha256(text.encode()).hexdigest() for text in seen} == set(old)
    assert not any("Toinen" in text or "Toisen" in text for text in seen)
    new = {sha for event in house.story("eero@example.com") for sha in _texts(house, event)}
    assert len(old) == len(new) == 4 and not new & set(old), "consent, statement, mail and page"


def test_staff_adding_somebody_and_asking_again_keep_the_statement_too(house):
    heidi = Staff(house)
    heidi.log_in()
    heidi.add("eero@example.com", language="sv")
    house.deliver()
    eero = Visitor(house, "eero@example.com")
    page = house.get(eero.link("confirm").replace("lang=sv", "lang=fi"))
    page.press(fi("I did not ask, do not write to me")).press(fi("Send me a new confirmation message"))
    asked = [event.core for event in house.story(eero.email) if event.core["kind"] == "requested"]
    assert [kept(house)[core["texts"]["privacy"]].language for core in asked] == ["sv", "fi"]


def test_a_form_opened_before_a_mere_change_of_words_is_taken_with_the_words_it_showed(house):
    Visitor(house, "eero@example.com").subscribe()
    aino = Visitor(house)
    form, before = aino.open_form(), house.service.terms(language("fi"))
    changed(house, possessive=CONTROLLER.possessive | {"fi": "Uuden"})
    fields = {"first_name": "Aino", "last_name": "M", "email": aino.email, "consent": "yes"}
    assert form.press(fi("Subscribe"), **fields).status == 200
    texts = house.story(aino.email)[0].core["texts"]
    today = house.service.terms(language("fi"))
    assert texts == {"consent": before.consent.sha256, "privacy": today.privacy.sha256}
    assert replace(today, consent=before.consent) != before


def _texts(house, event):
    hashes = event.core.get("texts", {}).values()
    with house.service.reading() as connection:
        rows = connection.execute(shown_text.select().where(shown_text.c.sha256.in_(hashes))).all()
    return {row.sha256: row.content for row in rows}
