"""What staff see: is all well, who subscribes, one person's story, and what could not be delivered."""

import html
import re
from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest
from sqlalchemy import insert

from consent_service import service as services
from consent_service.language import CODES, language
from consent_service.models.ledger import shown_text
from consent_service.models.newsletter import subscriber
from tests.actors import Staff, Visitor, fi
from tests.conftest import on_both_databases
from tests.household import NO_ACTIVECAMPAIGN

TAGS_OF_OTHERS = {"script", "img", "svg", "iframe", "object", "embed", "style", "textarea", "base"}
PROBES = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "=cmd|' /C calc'!A0",
    "{{ 7*7 }} ${7*7}",
    "</title></pre></textarea><svg/onload=alert(1)>",
]


@pytest.fixture
def heidi(house):
    staff = Staff(house)
    staff.log_in()
    return staff


def opened(house, staff, path, code="fi"):
    """A staff page in a language."""
    page = house.get(path + ("&" if "?" in path else "?") + f"lang={code}", staff.http)
    assert page.status == 200, page.title
    return page


def says(shown, message, **values):
    return " ".join(fi(message, **values).split()) in shown.words


def listed(page):
    """The addresses in the list, in order."""
    return re.findall(r"<td[^>]*>([^<]+@[^<]+)</td>", page.html)


def add_people(house, *names, first="Nimi"):
    """Put unconfirmed people straight into the table, each a minute younger than the one before."""
    now = services.now() - timedelta(days=1)
    rows = [
        {
            "id": f"00000000-0000-4000-8000-{number:012}",
            "email": f"{name}@example.com",
            "email_key": f"{name}@example.com",
            "first_name": first,
            "last_name": f"Nro {number}",
            "language": "fi",
            "status": "pending",
            "asked_at": now + timedelta(minutes=number),
        }
        for number, name in enumerate(names)
    ]
    with house.service.transaction() as connection:
        connection.execute(insert(subscriber), rows)


# The overview


def test_at_first_all_is_well_and_nobody_is_there(house, heidi):
    overview = opened(house, heidi, "/staff/")
    assert says(overview, "All is well.")
    empty = opened(house, heidi, "/staff/subscribers")
    assert says(
        empty, "Nobody has subscribed yet. Put a link to the form on your web site, or add somebody who has asked."
    )
    assert "/subscribe" in empty.links and "/staff/subscribers/add" in empty.links
    queue = opened(house, heidi, "/staff/queue")
    assert says(queue, "None. Every message has been delivered or waits its turn.")
    assert says(queue, "Nothing waits.")


def test_the_overview_counts_and_each_count_leads_to_its_people(house, heidi):
    Visitor(house, "pending@example.com").subscribe()
    Visitor(house, "active@example.com").becomes_active()
    Visitor(house, "passive@example.com").becomes_active().leave()
    house.deliver()
    overview = opened(house, heidi, "/staff/")
    for status in ("pending", "active", "passive"):
        [link] = [link for link in overview.links if f"status={status}" in link]
        assert listed(opened(house, heidi, link)) == [f"{status}@example.com"]
    assert re.findall(r"<dd>(\d+)</dd>", overview.html) == ["1", "1", "1", "0"]


# The list


@pytest.fixture
def people(house):
    Visitor(house, "aijo.astrom@example.com", "Äijö", "Åström").subscribe()
    Visitor(house, "orjan@example.com", "ÖRJAN", "MÄKELÄ-Öhman").subscribe()
    Visitor(house, "al_50%x@example.com", "Anna_Liisa", "50% / ry").subscribe()
    Visitor(house, "plain@example.com", "Anna Liisa", "O'Hara").subscribe()


FIRST, SECOND, THIRD, FOURTH = (
    "aijo.astrom@example.com", "orjan@example.com", "al_50%x@example.com", "plain@example.com",
)  # fmt: skip


SEARCHES = {
    (FIRST,): ("Äijö", "äijö", "ÄIJÖ", "  äij ", "åström", "ÅSTRÖM", "åström äijö", "astrom@", "AIJO.ASTROM"),
    (SECOND,): ("örjan", "Örjan", "mäkelä", "Mäkelä", "MÄKELÄ", "mäkelä-öhman", "öhman"),
    (THIRD,): ("%", "_", "50%", "a_l", "/", "%x@", "/ ry"),
    (FOURTH,): ("O'HARA",),
    (FOURTH, THIRD): ("anna",),
    (FOURTH, THIRD, SECOND, FIRST): ("", "example.com", "\0"),
    (): ("\\", "' OR 1=1 --", "äijö mäkelä", "%%", "a__", "*", "x" * 500),
}


def test_people_are_found_by_words_of_name_or_address_in_any_case(people, house, heidi):
    for found, searches in SEARCHES.items():
        for words in searches:
            page = house.get("/staff/subscribers", heidi.http, params={"q": words, "lang": "fi"})
            assert (page.status, listed(page)) == (200, list(found)), words
            if not found:
                assert says(page, "Nobody matches.") and says(page, "Show everybody")


def test_the_status_narrows_the_search_and_a_made_up_one_does_not(house, heidi):
    Visitor(house, "anna.pending@example.com", "Anna").subscribe()
    Visitor(house, "anna.active@example.com", "Anna").becomes_active()
    page = opened(house, heidi, "/staff/subscribers?q=anna&status=active")
    assert listed(page) == ["anna.active@example.com"]
    assert listed(page.press(fi("Search"), q="example.com")) == ["anna.active@example.com"], "a new search stays there"
    assert says(opened(house, heidi, "/staff/subscribers?status=passive"), "Nobody matches.")
    assert len(listed(opened(house, heidi, "/staff/subscribers?status=nonsense"))) == 2


def test_the_list_turns_its_pages_of_fifty_newest_first(house, heidi):
    add_people(house, *[f"p{number:03}" for number in range(120)], "other")
    page, seen = opened(house, heidi, "/staff/subscribers?q=p"), []
    while True:
        seen.append(listed(page))
        older = [link for link in page.links if f"page={len(seen) + 1}" in link]
        if not older:
            break
        page = house.get(urljoin(page.answer.url, older[0]), heidi.http)
        assert says(page, "Page %(page)s of %(pages)s", page=len(seen) + 1, pages=3), "the search goes along"
    assert [len(some) for some in seen] == [50, 50, 21]
    flat = [email for some in seen for email in some]
    assert flat == ["other@example.com", *[f"p{number:03}@example.com" for number in reversed(range(120))]]
    assert [link for link in page.links if "page=2" in link], "and back"


def test_a_made_up_page_number_shows_people_all_the_same(house, heidi):
    add_people(house, "one", "two")
    for page in ("0", "-1", "abc", "", "99999999999999999999999999", "1e9", "1.5"):
        found = listed(opened(house, heidi, f"/staff/subscribers?page={page}"))
        assert found == ["two@example.com", "one@example.com"], page


def test_a_page_beyond_the_end_is_the_last_one(house, heidi):
    add_people(house, *[f"p{number:03}" for number in range(60)])
    page = opened(house, heidi, "/staff/subscribers?page=7")
    assert len(listed(page)) == 10
    assert says(page, "Page %(page)s of %(pages)s", page=2, pages=2)


# One person


@pytest.fixture
def aino(house):
    """Somebody to whom everything has happened."""
    visitor = Visitor(house)
    page = visitor.becomes_active().leave()
    page.press(fi("Send the answer"), reason="too_many")
    page.press(fi("Send me a new confirmation message"))
    house.deliver()
    visitor.confirm()
    house.deliver()
    house.post(visitor.link("unsubscribe"), {"List-Unsubscribe": "One-Click"})
    visitor.subscribe()
    house.deliver()
    visitor.decline()
    return visitor


TOLD = [
    "Answered: I did not ask, do not write to me",
    "The confirmation message was handed to the mail server",
    "Subscribed with the form on the web site",
    "Unsubscribed with the button of their mail program",
    "Confirmed the subscription from the link in the e-mail",
    "The confirmation message was handed to the mail server",
    "Asked for a new confirmation message",
    "Told why they left: %(reason)s",
    "Unsubscribed from a link",
    "Confirmed the subscription from the link in the e-mail",
    "The confirmation message was handed to the mail server",
    "Subscribed with the form on the web site",
]


def test_a_persons_page_tells_everything_that_happened_in_words_newest_first(aino, house, heidi):
    for code in CODES:
        say = language(code).say
        page = opened(house, heidi, f"/staff/subscribers/{house.person(aino.email).id}", code)
        story = re.findall(r'<p class="what">\s*(.*?)\s*</p>', page.html, re.DOTALL)
        reason = say("There were too many messages")
        assert [html.unescape(line) for line in story] == [say(told) % {"reason": reason} for told in TOLD]
        assert aino.email in page.words and "Aino Mäkelä" in page.words
        assert say("Passive") in page.words
        assert language(code).moment(house.story(aino.email)[-1].at) in page.words


@on_both_databases
def test_a_persons_page_shows_the_exact_texts_and_the_proof(aino, house, heidi):
    page = opened(house, heidi, f"/staff/subscribers/{house.person(aino.email).id}")
    shown = [html.unescape(text) for text in re.findall(r"<pre>(.*?)</pre>", page.html, re.DOTALL)]
    with house.service.reading() as connection:
        kept = {row.sha256: row.content.decode() for row in connection.execute(shown_text.select())}
    events = house.story(aino.email)[::-1]
    assert shown == [kept[sha] for event in events for sha in event.core.get("texts", {}).values()]
    assert len(set(shown)) >= 3, "consent, mail and page"
    for event in events:
        assert event.leaf_hash.hex() in page.words
        assert str(event.core["at"]) in page.words
        if event.tech and "smtp_answer" in event.tech:
            assert str(event.tech["smtp_answer"]) in page.words
        if event.tech and "ip" in event.tech:
            assert "127.0.0.0/24" in page.words


def test_an_unknown_person_is_a_page_not_found(house, heidi):
    for who in ("6f1d1f4e-0000-4000-8000-000000000000", "x", "1", "%00", "' OR 1=1 --"):
        assert house.get(f"/staff/subscribers/{who}", heidi.http).status == 404, who


# The queue


def test_a_dead_letter_is_shown_with_its_reason_and_a_retry_delivers_it(house, heidi):
    aino = Visitor(house)
    aino.subscribe()
    house.mail.answer_next("rcpt", 550, "no such user here")
    house.deliver()
    assert not aino.mails()
    overview = opened(house, heidi, "/staff/")
    assert "Yksi viesti jäi toimittamatta." in overview.words
    page = opened(house, heidi, "/staff/queue")
    assert "550" in page.words and "Aino Mäkelä" in page.words
    assert says(page, "Confirmation message")
    back = page.press(fi("Try again"))
    assert back.status == 200
    assert says(back, "None. Every message has been delivered or waits its turn.")
    house.deliver()
    assert len(aino.mails()) == 1
    assert aino.confirm().status == 200
    assert says(opened(house, heidi, "/staff/"), "All is well.")


def test_an_update_that_activecampaign_refuses_is_shown_and_can_be_tried_again(house, heidi):
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    aino.confirm()
    house.contacts.list_names.pop(house.contacts.list_id)
    house.deliver()
    page = opened(house, heidi, "/staff/queue")
    assert says(page, "ActiveCampaign: onto the list")
    assert "ActiveCampaign" in page.words and "Aino" in page.words
    assert house.status(aino.email) == "active", "what the person said stands"


def test_only_a_dead_letter_can_be_tried_again(house, heidi):
    Visitor(house).subscribe()
    [message] = house.messages()
    form_token = opened(house, heidi, "/staff/queue").form(fi("Log out")).fields["csrf_token"]
    before = house.everything()
    for number in (message.id, message.id + 1, 0, 10**30):
        page = house.post(f"/staff/queue/{number}/retry", {"csrf_token": form_token}, heidi.http)
        assert page.status == 404, number
    assert house.everything() == before


def test_without_activecampaign_the_updates_wait_are_counted_and_nothing_is_lost(open_house, database_url):
    house = open_house(database_url, **NO_ACTIVECAMPAIGN)
    heidi, people = Staff(house), [Visitor(house, f"p{number}@example.com") for number in range(2)]
    heidi.log_in()
    assert says(opened(house, heidi, "/staff/"), "All is well.")
    for count, person in enumerate(people, 1):
        person.becomes_active()
        overview = opened(house, heidi, "/staff/")
        waits = "The service works. ActiveCampaign has not been connected yet, and one update waits for it."
        many = waits.replace("one update waits", "%(number)s updates wait")
        assert language("fi").count(waits, many, count) in overview.words
    queue = opened(house, heidi, "/staff/queue")
    assert says(queue, "ActiveCampaign has not been connected. Updates to it wait here until it is; nothing is lost.")
    assert says(queue, "waits for the connection")
    person = opened(house, heidi, f"/staff/subscribers/{house.person(people[0].email).id}")
    assert says(person, "waits for the connection")
    connected = open_house(database_url)
    connected.deliver()
    assert [connected.contacts.status_of(person.email) for person in people] == [1, 1]


# Hostile names


class _Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if not dict(attrs).get("src", "").startswith("/staff/charts/"):  # a chart of ours is no picture of theirs
            self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@on_both_databases
def test_names_occasions_and_browsers_stay_plain_text_on_every_staff_page(house):
    heidi = Staff(house, name=PROBES[0])
    heidi.log_in()
    for number, probe in enumerate(PROBES):
        visitor = Visitor(house, f"v{number}@example.com", probe, f"{probe} II")
        visitor.http.headers["User-Agent"] = probe
        house.mail.answer_next("rcpt", 550, "no")
        visitor.subscribe()
        house.deliver()
        added = f"s{number}@example.com"
        assert heidi.add(added, first_name=probe, last_name=probe, occasion=probe).status == 200
        house.deliver()
    people = [house.person(f"{who}{number}@example.com") for who in "vs" for number in range(len(PROBES))]
    paths = ["/staff/", "/staff/subscribers", "/staff/queue", "/staff/subscribers/add"]
    paths += [f"/staff/subscribers/{person.id}" for person in people]
    pages = [opened(house, heidi, path) for path in paths]
    pages += [house.get("/staff/subscribers", heidi.http, params={"q": probe}) for probe in PROBES]
    pages.append(heidi.add(PROBES[1], **dict.fromkeys(("first_name", "last_name", "occasion"), PROBES[1])))
    assert pages[-1].status == 400
    for page in pages:
        read = _Tags(page.html)
        assert not read.tags & TAGS_OF_OTHERS, page.answer.url
        assert not {name for name in read.attributes if name.startswith("on")}
        assert "unsafe" not in page.answer.headers["Content-Security-Policy"]
        assert "<script>alert(1)</script>" in page.words, "whose console it is"
    for number, probe in enumerate(PROBES):
        collapsed = " ".join(probe.split())
        for page in (pages[1], pages[2], pages[4 + number], pages[4 + len(PROBES) + number]):
            assert collapsed in page.words, "they can be read as they were typed"
    for mail in house.mail.mails:
        assert not _Tags(mail.html).tags & (TAGS_OF_OTHERS - {"style"})
