"""While unusually many subscribe, in a real browser: the task solves itself, and without scripts a button is left."""

import re
from datetime import timedelta

import pytest
import time_machine

from consent_service import service as services
from consent_service.models.inbox import contact_message
from tests.actors import Visitor
from tests.browser.street import SPOKEN
from tests.browser.test_by_keyboard import Hands
from tests.browser.test_embed import PAGE, SCRIPT, write
from tests.household import household
from tests.servers.activecampaign import ActiveCampaign
from tests.servers.site import Site
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site():
    with Site() as server:
        yield server


@pytest.fixture(scope="module")
def crowded(tmp_path_factory, site):
    """A household that had three forms within an hour in which it may send four confirmations."""
    folder = tmp_path_factory.mktemp("crowded")
    with MailServer() as mail, ActiveCampaign() as contacts:
        url, given = f"sqlite:///{folder}/consent.db", {"limit_global": "4/hour", "allowed_origins": site.origin}
        with household(folder, url, mail, contacts, **given) as house:
            with time_machine.travel(services.now() - timedelta(minutes=1), tick=True):
                for number in range(3):
                    Visitor(house, f"p{number}@example.com").subscribe()
                    house.deliver()
            yield house


def proofs_sent(tab):
    """The proof in each form that the tab sends from now on; empty in one that brings none."""
    sent = []
    tab.on("request", lambda asked: asked.method == "POST" and sent.append(proof_in(asked.post_data or "")))
    return sent


def proof_in(body):
    if found := re.search(r'(?:^|&)proof=([^&]*)|name="proof"\r\n\r\n([^\r]*)', body):
        return found[1] or found[2]
    return ""


@pytest.mark.parametrize("code", SPOKEN)
def test_the_browser_solves_the_task_and_goes_on_by_itself(visit, tab, crowded, code):
    guest = visit(tab, crowded, code)
    person = guest.somebody()
    sent = proofs_sent(tab)
    guest.subscribe(person.email)
    tab.get_by_role("heading", level=1, name=guest.say("Check your e-mail")).wait_for()
    assert any(sent), "a task was set and solved"
    assert crowded.status(person.email) == "pending"
    assert (guest.complaints, guest.strays, guest.cookies) == ([], [], [])


@pytest.mark.parametrize("code", SPOKEN)
def test_without_scripts_half_a_minute_and_one_more_press(visit, tab_without_scripts, crowded, code):
    guest = visit(tab_without_scripts, crowded, code)
    person, hands = guest.somebody(), Hands(guest)
    guest.subscribe(person.email)
    hands.sees("Just a moment")
    hands.press("Continue", "Just a moment")
    assert guest.tab.locator("[role=alert]").inner_text() == guest.say("That was a little too early.")
    with time_machine.travel(services.now() + timedelta(seconds=30), tick=True):
        hands.press("Continue", "Check your e-mail")
    assert crowded.status(person.email) == "pending"


def test_a_message_with_the_box_ticked_pays_the_same_and_loses_no_line(visit, tab, crowded):
    guest = visit(tab, crowded, "fi")
    person, sent = guest.somebody(), proofs_sent(tab)
    guest.open("/contact").write(
        first_name="Aino", last_name="Mäkelä", email=person.email, message="Hei!\n\n<b>Moi</b>"
    )
    tab.locator("#reason").select_option("offer")
    tab.locator("#consent").check()
    guest.press("Send the message")
    tab.get_by_role("heading", level=1, name=guest.say("Your message has been sent")).wait_for()
    assert any(sent), "a task was set and solved"
    [written] = [row for row in crowded.rows(contact_message) if row.email == person.email]
    assert (written.message, crowded.status(person.email)) == ("Hei!\n\n<b>Moi</b>", "pending")
    assert (guest.complaints, guest.strays, guest.cookies) == ([], [], [])


def test_on_a_site_of_ours_too(visit, tab, crowded, site):
    guest = visit(tab, crowded, "fi")
    where = {"house": crowded.url, "code": "fi"}
    site.pages = {"/": PAGE.format(head="", form=SCRIPT.format(**where), **where), "/look.css": ""}
    sources = f"img-src data:; style-src 'self'; script-src {crowded.url}; connect-src {crowded.url}"
    site.policy = f"default-src 'none'; {sources}"
    person, sent = guest.somebody(), proofs_sent(tab)
    tab.goto(site.origin)
    write(guest, person.email)
    guest.press("Subscribe")
    tab.locator("section:focus").wait_for()
    assert any(sent), "a task was set and solved"
    assert crowded.status(person.email) == "pending"
    assert guest.complaints == []
