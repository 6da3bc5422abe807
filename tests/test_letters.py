"""The letters themselves, as a mail server got them: headers, words, links, in three languages.

How they are handed over is told in test_mail.py.
"""

import re
from collections import Counter
from datetime import timedelta
from email import policy
from email.parser import BytesHeaderParser
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
import time_machine

from consent_service import service as services
from consent_service.config import TEMPLATES
from consent_service.delivery import outbox, relaying
from consent_service.delivery.request_letters import ANSWERED, ASKED, WHY_NOT
from consent_service.language import language
from consent_service.rights.data_requests import GROUNDS
from consent_service.rights.request_tasks import KINDS
from consent_service.service import Service
from tests.actors import Visitor
from tests.household import CONTROLLER
from tests.post import FIRST, OWNERS, PUBLIC_URL, written

LIST_MAIL = ("already", "welcome", "moved")
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
    "anchor": "You get this message because your address is the one by which this service reaches its owner.",
    "contact": "You get this message because your address is the one by which this service reaches its owner.",
    "data_request": "You get this message because of a request about your data.",
    "request_answer": "You get this message because of a request about your data.",
    "requests_due": "You get this message because your address is the one by which this service reaches its owner.",
    "contact_more": "You get this message because your address is the one by which this service reaches its owner.",
    "contact_data": (
        "You get this message because somebody, most likely you, asked on our page what we hold about this address."
    ),
    "staff_invitation": "You get this message because somebody of the company made an account for this address.",
    "staff_recovery": "You get this message because a new password was asked for on our log-in page for this address.",
    "moved": "You get this message because you confirmed this address.",
    "address_asked": "You get this message because you get %(possessive)s newsletter at this address.",
    "address_changed": "You get this message because %(possessive)s newsletter came to this address until now.",
    "erased": "You get this message because we have erased your data.",
    "list_data": (
        "You get this message because somebody, most likely you, asked on our page what we hold about this address."
    ),
}


@pytest.fixture(scope="module", params=["fi", "sv", "en"])
def post(request, tmp_path_factory):
    with written(tmp_path_factory.mktemp("post"), request.param) as found:
        yield found


@pytest.fixture
def letters(post):
    """Every letter with its kind."""
    assert post.letters.keys() == WHY.keys()
    return post.letters.items()


def test_every_header_is_there_once_and_no_other(letters):
    for kind, letter in letters:
        pair = ["List-Unsubscribe", "List-Unsubscribe-Post"] if kind in LIST_MAIL else []
        raw = BytesHeaderParser(policy=policy.compat32).parsebytes(letter.data)
        reply = ["Reply-To"] if kind == "contact" else []
        assert sorted(raw.keys()) == sorted(HEADERS + pair + reply), kind
        for part in letter.message.iter_parts():
            assert sorted(part.keys()) == ["Content-Transfer-Encoding", "Content-Type"], kind


def test_headers_say_who_when_and_in_which_language(post, letters):
    for kind, letter in letters:
        head = letter.message
        [sender] = head["From"].addresses
        assert (sender.display_name, sender.addr_spec) == ("Keinumä Öy", "uutiskirje@keinuma.example"), kind
        assert letter.mail_from == "uutiskirje@keinuma.example", kind
        assert [one.addr_spec for one in head["To"].addresses] == letter.recipients, kind
        assert len(letter.recipients) == 1, kind
        assert re.fullmatch(r"<[0-9a-f]{32}@keinuma\.example>", head["Message-ID"]), kind
        assert head["Auto-Submitted"] == "auto-generated", kind
        assert abs(head["Date"].datetime - services.now()) < timedelta(minutes=10), kind
        code = "fi" if kind in OWNERS else post.code
        assert head["Content-Language"] == code, kind
        assert f'<html lang="{code}">' in letter.html, kind
        assert letter.message.get_content_type() == "multipart/alternative", kind
        parts = [part.get_content_type() for part in letter.message.iter_parts()]
        assert parts == ["text/plain", "text/html"], kind


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
        "contact": language("fi").say("Contact form: %(reason)s", reason=language("fi").say("I would like an offer")),
        "contact_more": language("fi").say("More contact messages wait in the register"),
        "contact_data": say("What we hold about you"),
        "data_request": say("We have received your request (number %(number)s)", number=1),
        "request_answer": say("Our answer to your request (number %(number)s)", number=1),
        "requests_due": language("fi").say("A request about data has to be answered"),
        "move": say("Confirm your new address for %(possessive)s newsletter", possessive=possessive),
        "moved": say("%(possessive)s newsletter now comes to this address", possessive=possessive),
        "address_asked": say("A new address was given for %(possessive)s newsletter", possessive=possessive),
        "address_changed": say("%(possessive)s newsletter now goes to another address", possessive=possessive),
        "anchor": language("fi").say("Today's checkpoint of the evidence log"),
        "erased": say("Your data has been erased"),
        "staff_invitation": say("Your account in the register of %(name)s", name=CONTROLLER.name),
        "staff_recovery": say("Set a new password"),
        "list_data": say("What we hold about you"),
    }


def test_a_letter_names_the_button_that_the_page_behind_its_link_has(post):
    buttons = {
        "confirmation": "Confirm the subscription",
        "staff": "Confirm the subscription",
        "move": "Confirm the address",
        "unsubscribe_link": "Unsubscribe",
    }
    for kind, button in buttons.items():
        assert f"{post.say(button)}”" in " ".join(post.letters[kind].text.split()), kind


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


def test_the_wire_sees_ascii_in_short_lines(letters):
    for kind, letter in letters:
        assert letter.data.isascii(), kind
        lines = letter.data.split(b"\r\n")
        assert max(map(len, lines)) <= 998, kind
        assert not any(b"\r" in line or b"\n" in line or b"\x00" in line for line in lines), kind


def test_nothing_typed_or_configured_becomes_a_header_or_markup(letters):
    never = {"b", "i", "img", "script", "style", "link", "iframe", "object", "svg", "form", "input"}
    for kind, letter in letters:
        head = letter.data.partition(b"\r\n\r\n")[0]
        assert b"spam.example" not in head, kind
        assert not _Html(letter.html).tags & never, kind
        assert "zqzqzq" not in letter.text + letter.html, f"{kind}: templates are not run twice"


def test_text_and_html_say_the_same(letters):
    for kind, letter in letters:
        assert _words(letter.text) == _words(_Html(letter.html).words), kind
        assert len(_words(letter.text)) > 20, kind


def test_every_letter_says_in_its_footer_why_it_came(post, letters):
    for kind, letter in letters:
        code = "fi" if kind in OWNERS else post.code
        footer = " ".join(letter.text.split()).rpartition(" -- ")[2]
        why = language(code).say(WHY[kind], possessive=CONTROLLER.possessive[code])
        assert footer.startswith(why), (kind, footer)
        assert CONTROLLER.name in footer and CONTROLLER.business_id in footer and CONTROLLER.street in footer, kind


def test_no_letter_forgets_why():
    letters = [file for file in (TEMPLATES / "mail").glob("*.jinja") if "." not in file.stem]
    assert len(letters) > 5
    for file in letters:
        assert "{% set why = " in file.read_text(), file.name


def test_only_links_to_us_and_no_resources(letters):
    for kind, letter in letters:
        read = _Html(letter.html)
        hosts = {urlsplit(link).netloc for link in read.links}
        assert hosts == {urlsplit(PUBLIC_URL).netloc}, kind
        assert set(read.links) == {link for link in letter.links if "spam.example" not in link}, kind
        assert all(link.startswith(("https://", PUBLIC_URL)) for link in read.links), kind
        assert not read.loads, kind
        assert "url(" not in letter.html.lower(), kind
        assert "@import" not in letter.html.lower(), kind


def test_nothing_a_visitor_typed_goes_to_an_address_that_is_not_confirmed(post):
    for kind in ("confirmation", "staff", "move", "contact_data", "data_request"):
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
        ask = outbox.Message(**{column.name: getattr(message, column.name) for column in relaying.MESSAGE_COLUMNS})
        letter = service.letters.load(connection, ask, services.now())
    mailer = service.mailer()
    try:
        with pytest.raises(ValueError):
            mailer.deliver(letter)
    finally:
        mailer.close()
        service.engine.dispose()
    assert sqlite_house.mail.mails == []


def test_letters_have_words_for_every_kind_of_request_and_every_ground():
    assert WHY_NOT.keys() == GROUNDS.keys()
    assert ASKED.keys() == ANSWERED.keys() == KINDS.keys()


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
