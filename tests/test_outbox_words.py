"""What staff read about messages: each kind has a name, and each reason the service notes is known in words."""

import ast
import re
from datetime import timedelta

import pytest

from consent_service import service as services
from consent_service.config import PACKAGE
from consent_service.language import CODES, language
from consent_service.web import outbox_words
from tests.actors import Staff, Visitor, fi

OUTCOMES = ("Retry", "Rejected", "Hold")


def noted():
    """Every reason that the delivering rooms note, with something in each of its blanks."""
    found = set()
    for file in (file for wing in ("delivery", "activecampaign") for file in (PACKAGE / wing).glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in OUTCOMES:
                found |= {_text(argument) for argument in node.args if _is_text(argument)}
    return sorted(found)


def _is_text(node):
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _text(node):
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "Blank404" for part in node.values)


def test_every_reason_is_known_in_every_language():
    reasons = [*noted(), "tried without an end", "mail server refused the recipient: 550",
               "mail server refused the message: 554", "ActiveCampaign answered 422 (field_invalid)"]  # fmt: skip
    assert len(reasons) > 12, "the search itself is broken"
    for reason in reasons:
        reason = reason.replace("sender: Blank404", "sender: 550")
        said = {outbox_words.reason(language(code), reason) for code in CODES}
        assert len(said) == 3 and reason not in said, reason
        for blank in re.findall("Blank404|[0-9]{3}", reason):
            assert all(blank in words for words in said)


def test_a_reason_that_nobody_knows_stays_as_it_was_noted():
    for told in ("a new reason", "mail server: <script>", "", None, "%(code)s"):
        assert outbox_words.reason(language("fi"), told) == (told or "")


@pytest.mark.parametrize("code", CODES)
def test_every_kind_of_message_has_a_name(code):
    kinds = set()
    for file in PACKAGE.rglob("*.py"):
        kinds |= set(re.findall(r'^[A-Z_, ]*\b(?:CONFIRMATION|WELCOME|DELETE|ERASED|READDRESS)\b.* = (.+)$',
                                file.read_text("utf-8"), re.MULTILINE))  # fmt: skip
    names = {name for line in kinds for name in re.findall(r'"([a-z_]+)"', line)}
    assert {"confirmation", "delete", "erased", "readdress"} <= names
    assert names <= set(outbox_words.KINDS)
    assert len({language(code).say(name) for name in outbox_words.KINDS.values()}) == len(outbox_words.KINDS)


def test_the_queue_tells_the_reason_in_the_readers_language_and_the_time_as_people_speak(house):
    heidi, aino = Staff(house), Visitor(house)
    heidi.log_in()
    aino.subscribe()
    house.mail.answer_next("rcpt", 550, "no such user here")
    house.deliver()
    [message] = house.messages()
    for code in CODES:
        page = house.get(f"/staff/queue?lang={code}", heidi.http)
        say = language(code).say
        assert say("The mail server refused the recipient (%(code)s).", code=550) in page.words
        assert language(code).relative(message.dead_at, services.now()) in page.words
        assert f'title="{language(code).moment(message.dead_at)}"' in page.html
        assert f'datetime="{message.dead_at.isoformat("T", "seconds")}"' in page.html


def test_the_list_of_subscribers_tells_days(house):
    heidi, aino = Staff(house), Visitor(house)
    heidi.log_in()
    aino.subscribe()
    page = house.get("/staff/subscribers?lang=fi", heidi.http)
    assert fi("today %(clock)s", clock="klo") in page.words
    asked_at = house.person(aino.email).asked_at
    assert language("fi").relative(asked_at - timedelta(days=3), asked_at) == "3 päivää sitten"
    assert f'title="{language("fi").moment(asked_at)}"' in page.html
