"""The letters themselves, as a mail server got them: headers, words, links, in three languages.

How they are handed over is told in test_mail.py.
"""

import re
from collections import Counter
from contextlib import ExitStack
from datetime import date, timedelta
from email import policy
from email.parser import BytesHeaderParser
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
import time_machine

from consent_service import service as services
from consent_service import weeks
from consent_service.config import TEMPLATES
from consent_service.delivery import letters, outbox, relaying
from consent_service.language import language
from consent_service.service import Service
from consent_service.weeks import Week
from tests.actors import Staff, Visitor
from tests.household import CONTROLLER, household
from tests.servers.activecampaign import ActiveCampaign
from tests.servers.smtp import MailServer, Received

PUBLIC_URL = "http://tilaus.keinuma.example"  # the console would take no log-in over http under an https address
SENDER = "Keinumä Öy <uutiskirje@keinuma.example>"
LIST_MAIL = ("already", "welcome")
OWNERS = ("owner_held", "digest")
WEEK = date(2026, 11, 16)
HEADERS = [
    "Auto-Submitted",
    "Content-Language",
    "Content-Type",
    "Date",
    "From",
    "MIME-Version",
    "Message-ID",
    "Subject",
    "To",
]
# Longer than any header line may be folded to, with whatever could break out of a header, a page or a letter.
FIRST = "Aíno-Liisa <b>&amp; https://spam.example {{'zq'*3}} %(x)s"
LAST = "Mäkelä\u200d" + "Ö" * 90
WHY = {
    "confirmation": "You get this message because somebody, most likely you, wrote this address into our form.",
    "staff": "You get this message because you asked one of us for the newsletter.",
    "welcome": "You get this message because you confirmed your subscription.",
    "already": "You get this message because somebody, most likely you, wrote this address into our form.",
    "unsubscribe_link": "You get this message because a link was asked for on our page for this address.",
    "my_data_link": "You get this message because a link was asked for on our page for this address.",
    "move": "You get this message because this address was given on our page as somebody's new one.",
    "owner_held": "You get this message because your address is the one by which this service reaches its owner.",
    "digest": "You get this message because your address is the one by which this service reaches its owner.",
}
KINDS = list(WHY)


class Post:
    """One household that wrote each of its letters once in one language."""

    def __init__(self, house, code):
        self.house, self.code, self.say = house, code, language(code).say
        self.aino = Visitor(house, "Aino.Makela+uutiset@Example.com", FIRST, LAST)
        self.staff_person = Visitor(house, "eero@example.com")
        self.letters: dict[str, Received] = {}

    def write_all(self):
        self.subscribe(self.aino)
        self.letters["confirmation"] = self.arrived(self.aino)
        self.press(self.aino.link("confirm"), "Confirm the subscription")
        self.letters["welcome"] = self.arrived(self.aino)
        self.subscribe(self.aino)
        self.letters["already"] = self.arrived(self.aino)
        self.press(f"{PUBLIC_URL}/unsubscribe?lang={self.code}", "Send me the link", email=self.aino.email)
        self.letters["unsubscribe_link"] = self.arrived(self.aino)
        self.press(f"{PUBLIC_URL}/my-data?lang={self.code}", "Send me the link", email=self.aino.email)
        self.letters["my_data_link"] = self.arrived(self.aino)
        form = self.aino.link("my-data").replace("?", "/address?")
        self.press(form, "Send the confirmation message", email="uusi@example.org")
        self.letters["move"] = self.arrived(Visitor(self.house, "uusi@example.org"))
        heidi = Staff(self.house)
        heidi.log_in()
        heidi.add(self.staff_person.email, language=self.code, occasion="valmennuspäivä & <i>kahvit</i>")
        self.letters["staff"] = self.arrived(self.staff_person)
        heidi.add("over@example.com")
        owner = Visitor(self.house, CONTROLLER.contact_email)
        self.letters["owner_held"] = self.arrived(owner)
        with self.house.service.transaction() as connection:
            weeks.keep(connection, Week(WEEK, asked=40, confirmed=12, stopped=1))
            outbox.enqueue(connection, outbox.MAIL, letters.DIGEST, services.now())
        self.letters["digest"] = self.arrived(owner)
        return self

    def subscribe(self, person):
        fields = {"first_name": person.first, "last_name": person.last, "email": person.email, "consent": "yes"}
        assert person.open_form(self.code).press(self.say("Subscribe"), **fields).status == 200

    def press(self, link, button, **fields):
        assert self.house.get(link.replace(PUBLIC_URL, self.house.url)).press(self.say(button), **fields).status == 200

    def arrived(self, person):
        before = len(person.mails())
        self.house.deliver()
        assert len(person.mails()) == before + 1
        return person.newest()


@pytest.fixture(scope="module", params=["fi", "sv", "en"])
def post(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("post")
    given = {"public_url": PUBLIC_URL, "mail_from": SENDER, "limit_global": "3/day"}
    with ExitStack() as stack:
        mail, contacts = stack.enter_context(MailServer()), stack.enter_context(ActiveCampaign())
        contacts.rate_limit = None
        house = stack.enter_context(household(folder, f"sqlite:///{folder}/c.db", mail, contacts, **given))
        yield Post(house, request.param).write_all()


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def letter(post, kind):
    return post.letters[kind]


def test_every_header_is_there_once_and_no_other(letter, kind):
    pair = ["List-Unsubscribe", "List-Unsubscribe-Post"] if kind in LIST_MAIL else []
    raw = BytesHeaderParser(policy=policy.compat32).parsebytes(letter.data)
    assert sorted(raw.keys()) == sorted(HEADERS + pair)
    for part in letter.message.iter_parts():
        assert sorted(part.keys()) == ["Content-Transfer-Encoding", "Content-Type"]


def test_headers_say_who_when_and_in_which_language(post, letter, kind):
    head = letter.message
    sender = head["From"].addresses
    assert [(one.display_name, one.addr_spec) for one in sender] == [("Keinumä Öy", "uutiskirje@keinuma.example")]
    assert letter.mail_from == "uutiskirje@keinuma.example"
    assert [one.addr_spec for one in head["To"].addresses] == letter.recipients
    assert len(letter.recipients) == 1
    assert re.fullmatch(r"<[0-9a-f]{32}@keinuma\.example>", head["Message-ID"])
    assert head["Auto-Submitted"] == "auto-generated"
    assert abs(head["Date"].datetime - services.now()) < timedelta(minutes=10)
    code = "fi" if kind in OWNERS else post.code
    assert head["Content-Language"] == code
    assert f'<html lang="{code}">' in letter.html
    assert letter.message.get_content_type() == "multipart/alternative"
    kinds = [part.get_content_type() for part in letter.message.iter_parts()]
    assert kinds == ["text/plain", "text/html"]


def test_subjects_and_words_are_those_of_the_language(post):
    say, possessive = post.say, CONTROLLER.possessive[post.code]
    subjects = {kind: letter.message["Subject"] for kind, letter in post.letters.items()}
    confirm = say("Confirm your subscription to %(possessive)s newsletter", possessive=possessive)
    assert subjects == {
        "confirmation": confirm,
        "staff": confirm,
        "welcome": say("Welcome: your subscription to %(possessive)s newsletter is confirmed", possessive=possessive),
        "already": say("You already subscribe to %(possessive)s newsletter", possessive=possessive),
        "unsubscribe_link": say("Your link for leaving %(possessive)s newsletter", possessive=possessive),
        "owner_held": language("fi").say("Confirmation mails are being held back"),
        "digest": "Vaatii huomiotasi: 16.11.2026–22.11.2026",
        "my_data_link": say("Your link to the data we hold about you"),
        "move": say("Confirm your new address for %(possessive)s newsletter", possessive=possessive),
    }


def test_quotes_are_those_of_the_language_and_of_one_kind(post):
    sentence = post.house.service.consent_text(language(post.code)).sentence
    opening = "“" if post.code == "en" else "”"
    for kind, letter in post.letters.items():
        assert '"' not in letter.text, kind
    assert f"{opening}{sentence}”" in " ".join(post.letters["confirmation"].text.split())


def test_the_person_keeps_their_own_spelling(post):
    assert post.letters["welcome"].recipients == ["Aino.Makela+uutiset@example.com"]


def test_one_click_is_offered_on_list_mail_with_the_persons_own_link(post):
    for kind in LIST_MAIL:
        head = post.letters[kind].message
        link = head["List-Unsubscribe"].strip()
        assert re.fullmatch(rf"<{re.escape(PUBLIC_URL)}/unsubscribe/[\w.-]+\?lang={post.code}>", link)
        assert link.strip("<>") in post.letters[kind].links
        assert head["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        raw = post.letters[kind].data.partition(b"\r\n\r\n")[0]
        assert b"\r\nList-Unsubscribe: " + link.encode() + b"\r\n" in raw + b"\r\n", "unbroken"


def test_the_wire_sees_ascii_in_short_lines(letter):
    assert letter.data.isascii()
    lines = letter.data.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not any(b"\r" in line or b"\n" in line or b"\x00" in line for line in lines)


def test_nothing_typed_or_configured_becomes_a_header_or_markup(letter):
    head = letter.data.partition(b"\r\n\r\n")[0]
    assert b"spam.example" not in head
    read = _Html(letter.html)
    assert not read.tags & {"b", "i", "img", "script", "style", "link", "iframe", "object", "svg", "form", "input"}
    assert "zqzqzq" not in letter.text + letter.html, "templates are not run twice"


def test_text_and_html_say_the_same(letter):
    assert _words(letter.text) == _words(_Html(letter.html).words)
    assert len(_words(letter.text)) > 20


def test_every_letter_says_in_its_footer_why_it_came(post, kind, letter):
    say = language("fi").say if kind in OWNERS else post.say
    footer = " ".join(letter.text.split()).rpartition(" -- ")[2]
    assert footer.startswith(say(WHY[kind])), footer
    assert CONTROLLER.name in footer and CONTROLLER.business_id in footer and CONTROLLER.street in footer


def test_no_letter_forgets_why():
    letters = [file for file in (TEMPLATES / "mail").glob("*.jinja") if "." not in file.stem]
    assert len(letters) > 5
    for file in letters:
        assert "{% set why = " in file.read_text(), file.name


def test_only_links_to_us_and_no_resources(letter):
    read = _Html(letter.html)
    hosts = {urlsplit(link).netloc for link in read.links}
    assert hosts == {urlsplit(PUBLIC_URL).netloc}
    assert set(read.links) == {link for link in letter.links if "spam.example" not in link}
    assert all(link.startswith(("https://", PUBLIC_URL)) for link in read.links)
    assert not read.loads
    assert "url(" not in letter.html.lower()
    assert "@import" not in letter.html.lower()


def test_nothing_a_visitor_typed_goes_to_an_address_that_is_not_confirmed(post):
    for kind in ("confirmation", "staff", "move"):
        whole = post.letters[kind].text + post.letters[kind].html + str(post.letters[kind].message["Subject"])
        for typed in ("spam.example", "Liisa", "Mäkelä", "Makela", "ÖÖÖ", "Eero", "Niemi"):
            assert typed not in whole
    assert "valmennuspäivä & <i>kahvit</i>" in post.letters["staff"].text, "what staff wrote is shown as they wrote it"


def test_the_receipt_shows_the_confirmed_person_as_they_wrote_it(post):
    joined = " ".join(post.letters["welcome"].text.split())
    assert FIRST in joined
    assert "https://spam.example" not in _Html(post.letters["welcome"].html).links


def test_the_same_letter_after_a_lost_answer_has_the_same_id_and_date(sqlite_house):
    aino = Visitor(sqlite_house)
    with time_machine.travel(services.now(), tick=False) as clock:
        aino.subscribe()
        sqlite_house.mail.cut_after_accept(times=2)
        for _ in range(3):
            sqlite_house.deliver()
            clock.shift(timedelta(hours=1))
    assert len(aino.mails()) == 3
    for header in ("Message-ID", "Date"):
        assert len({mail.message[header] for mail in aino.mails()}) == 1
    assert len({link for mail in aino.mails() for link in mail.links}) == len(aino.newest().links)
    assert sqlite_house.kinds(aino.email) == ["requested", "sent"]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_a_controller_file_with_line_breaks_puts_nothing_into_headers(sqlite_house, line_break):
    aino = Visitor(sqlite_house)
    aino.subscribe()
    broken = f"Keinuman{line_break}Bcc: victim@example.com{line_break}"
    controller = CONTROLLER.model_copy(update={"possessive": dict.fromkeys(("fi", "sv", "en"), broken)})
    service = Service(sqlite_house.settings, controller)
    with sqlite_house.service.transaction() as connection:
        [message] = [row for row in sqlite_house.messages() if row.lane == outbox.MAIL]
        same = {name: getattr(message, name) for name in relaying.MESSAGE_COLUMNS}
        ask = outbox.Message(**same, attempts=message.attempts)
        letter = service.letters.load(connection, ask, services.now())
    mailer = service.mailer()
    try:
        with pytest.raises(ValueError):
            mailer.deliver(letter)
    finally:
        mailer.close()
        service.engine.dispose()
    assert sqlite_house.mail.mails == []


class _Html(HTMLParser):
    """Tags, visible words, links and everything a mail program would fetch."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.links, self.loads, self._in_title = set(), [], [], False
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.add(tag)
        self.words += " "
        self._in_title = tag == "title" or self._in_title
        if tag == "a":
            self.links.append(found["href"])
            if self.links.count(found["href"]) == 1:
                self.words += f" {found['href']} "
        self.loads += [name for name in found if name in ("src", "srcset", "background", "poster", "data")]
        assert not [name for name in found if name.startswith("on")]

    def handle_endtag(self, tag):
        self._in_title = self._in_title and tag != "title"

    def handle_data(self, data):
        if not self._in_title and data.strip() not in self.links:
            self.words += data


def _words(text: str) -> Counter:
    return Counter(re.findall(r"https?://[^\s<>\"]+|[^\W_]+", text.replace("\u200d", "")))
