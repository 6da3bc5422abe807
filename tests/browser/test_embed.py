"""The form on a web site of the company's own, in a real browser and at another origin: usable by everybody there.

The site's policy is as strict as it can be and still load the script; whatever the browser complains of is a failure.
"""

from datetime import timedelta
from itertools import cycle

import pytest
import time_machine

from consent_service import service as services
from consent_service.language import CODES, language
from tests.browser.guest import LONG_EMAIL, LONG_FIRST, LONG_LAST, NUMBERS
from tests.browser.street import SPOKEN, soaked
from tests.browser.test_by_keyboard import Hands
from tests.browser.test_every_page import SIDEWAYS, axe
from tests.household import household
from tests.servers.activecampaign import ActiveCampaign
from tests.servers.site import Site
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.browser

PAGE = """<!doctype html>
<html lang="{code}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Keinuma</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/look.css">{head}</head>
<body><main><h1>Keinuma</h1>{form}</main></body></html>"""
SCRIPT = '<script src="{house}/embed.js?lang={code}" defer></script>'
PLACE = "<div data-newsletter-form>{plain}</div>"
PLAIN = """<form method="post" action="{house}/subscribe?lang={code}">
<p><label>First <input id="plain_first" name="first_name" autocomplete="given-name" required></label></p>
<p><label>Last <input id="plain_last" name="last_name" autocomplete="family-name" required></label></p>
<p><label>E-mail <input id="plain_email" type="email" name="email" autocomplete="email" required></label></p>
<p><button>Go on</button></p></form>"""
OWN_BOX = '<input type="checkbox" name="consent" value="yes" checked aria-label="Newsletter"> '
BASE = "body { margin: 0; padding: 1rem; font: 1rem/1.5 sans-serif; } "
LOOKS = {
    "plain": "",
    "follows": ":root { color-scheme: light dark; }",
    "dark": "body { background: #10141a; color: #e8e6e3; }",
    "own": "body { --consent-accent: #ffd400; --consent-text: #402000; --consent-background: #fff7e6;"
    " --consent-radius: 0; --consent-font: serif; }",
    "pale": "body { --consent-accent: #8a8a8a; }",
}
SCREENS = [(320, "light"), (320, "dark"), (768, "light"), (1280, "dark")]
DAILY = [(look, "fi", [screen]) for look, screen in zip(LOOKS, cycle(SCREENS), strict=False)]
AT_LENGTH = [(look, code, SCREENS) for look in LOOKS for code in (CODES if look == "follows" else ["fi"])]
LIMITS = (
    "One address gets a message every five minutes at most, and a few a day. Only the link in the newest one works."
)
LOAD_SCRIPT = """(url) => {
  const one = document.createElement("script");
  one.src = trustedTypes.createPolicy("test", { createScriptURL: (given) => given }).createScriptURL(url);
  document.body.append(one);
}"""
SMALL = """() => [...document.querySelector("[data-newsletter-form]").shadowRoot.querySelectorAll("button, input")]
  .filter((one) => !one.closest(".unseen")).map((one) => [one, one.getBoundingClientRect()])
  .filter(([one, box]) => box.width < 24 || box.height < (one.type === "checkbox" ? 24 : 44))
  .map(([one]) => one.outerHTML)"""


@pytest.fixture(scope="module")
def site():
    with Site() as server:
        yield server


@pytest.fixture(scope="module")
def home(tmp_path_factory, site):
    """A household that this site may show the form of."""
    folder = tmp_path_factory.mktemp("home")
    with MailServer() as mail, ActiveCampaign() as contacts:
        url = f"sqlite:///{folder}/consent.db"
        with household(folder, url, mail, contacts, allowed_origins=site.origin) as house:
            yield house


@pytest.fixture
def come(visit, site, home):
    """Come to a page of the site: `come(tab, "fi", look="dark")`; the guest's `house` is where the form is from."""

    def to_the_site(tab, code, look="plain", house=home, head="", form=PLACE + SCRIPT, plain=PLAIN):
        guest = visit(tab, house, code)
        where = {"house": house.url, "code": code}
        form = form.format(plain=plain.format(**where), **where)
        site.pages = {
            "/": PAGE.format(head=head.format(**where), form=form, **where),
            "/look.css": BASE + LOOKS[look],
        }
        site.policy = (
            f"default-src 'none'; style-src 'self'; script-src {house.url}; connect-src {house.url}; "
            f"img-src data:; form-action {house.url}; base-uri 'none'; require-trusted-types-for 'script'"
        )
        tab.goto(site.origin)
        return guest

    return to_the_site


@pytest.mark.parametrize("code", SPOKEN)
def test_by_keyboard_alone_from_empty_to_sent_and_confirmed(come, tab, site, code):
    guest = come(tab, code)
    person, hands, house = guest.somebody(), Hands(guest), guest.house
    tab.locator("form[lang]").wait_for()
    hands.go_to(guest.say("Subscribe"))
    tab.keyboard.press("Enter")
    tab.locator("#first_name[aria-invalid]:focus").wait_for()
    assert tab.locator("#email-error").inner_text() == guest.say("Write your e-mail address.")
    tab.keyboard.insert_text("Aino")
    hands.write(last_name="Mäkelä", email=person.email).tick("consent").tick("tracking")
    hands.go_to(guest.say("Subscribe"))
    tab.keyboard.press("Enter")
    tab.locator("section:focus").wait_for()
    assert guest.say("Check your e-mail") in tab.locator("section").inner_text()
    assert person.email in tab.locator("section").inner_text()
    assert tab.locator("section").get_attribute("lang") == code
    house.deliver()
    [asked, _] = house.story(person.email)
    assert asked.core["site"] == site.origin.removeprefix("http://")
    assert asked.core["language"] == code
    assert guest.house.get(person.link("confirm")).press(guest.say("Confirm both")).status == 200
    assert house.status(person.email) == "active"
    nothing_else_happened(guest, site)


@pytest.mark.parametrize("code", SPOKEN)
def test_without_scripts_the_plain_form_leads_to_our_page(come, tab_without_scripts, site, code):
    tab = tab_without_scripts
    guest = come(tab, code)
    person, hands = guest.somebody(), Hands(guest)
    tab.locator("#plain_first").fill("Aino")
    tab.locator("#plain_last").fill("Mäkelä")
    tab.locator("#plain_email").fill(person.email)
    tab.keyboard.press("Enter")
    hands.sees("One step left")
    assert tab.locator("#email").input_value() == person.email
    assert tab.locator("[role=alert]").count() == 0
    hands.tick("consent")
    hands.press("Subscribe", "Check your e-mail")
    [asked] = guest.house.story(person.email)
    assert asked.core["site"] == site.origin.removeprefix("http://")
    nothing_else_happened(guest, site)


@pytest.mark.parametrize(("look", "code", "screens"), [*DAILY, *soaked(AT_LENGTH)])
def test_every_state_is_for_everybody_at_every_width_in_every_look(come, tab, site, code, look, screens):
    guest = come(tab, code, look)
    tab.locator("form[lang]").wait_for()
    it_is_for_everybody(guest, screens)
    tab.locator("#first_name").fill(LONG_FIRST)
    tab.locator("#last_name").fill(LONG_LAST)
    guest.press("Subscribe")
    tab.locator("#email[aria-invalid]:focus").wait_for()
    assert tab.locator("#last_name").input_value() == LONG_LAST
    it_is_for_everybody(guest, screens)
    tab.locator("#email").fill(LONG_EMAIL.format(next(NUMBERS)))
    tab.locator("#consent").check()
    guest.press("Subscribe")
    tab.locator("section:focus").wait_for()
    it_is_for_everybody(guest, screens)
    nothing_else_happened(guest, site)


@pytest.mark.parametrize(("code", "screens"), [("fi", SCREENS[:1]), *soaked([(code, SCREENS) for code in CODES])])
def test_the_last_step_is_for_everybody(come, tab, code, screens):
    guest = come(tab, code, form=PLACE)
    tab.locator("#plain_first").fill(LONG_FIRST)
    tab.locator("#plain_last").fill(LONG_LAST)
    tab.locator("#plain_email").fill(LONG_EMAIL.format(next(NUMBERS)))
    tab.get_by_role("button", name="Go on").click()
    Hands(guest).sees("One step left")
    for screen in screens:
        guest.look(*screen)
        it_fits(guest)
    assert guest.complaints == []


def test_who_sees_that_the_address_was_wrong_gets_back_what_they_wrote(come, tab):
    guest = come(tab, "fi")
    wrong, right = guest.somebody(), guest.somebody()
    send(guest, wrong.email)
    guest.press("The address was wrong")
    assert tab.locator("#email:focus").input_value() == wrong.email
    assert tab.locator("#consent").is_checked(), "the words beside it are the same"
    tab.locator("#email").fill(right.email)
    guest.press("Subscribe")
    tab.locator("section:focus").wait_for()
    assert guest.house.status(right.email) == "pending"
    guest.press("Send again")
    tab.get_by_text(guest.say(LIMITS)).wait_for()
    assert len(guest.house.asks(right.email)) == 2


@pytest.mark.parametrize("screens", [SCREENS[1:2], *soaked([[SCREENS]])])
def test_without_a_connection_it_says_so_and_keeps_what_was_written(come, tab, screens):
    guest = come(tab, "fi")
    person = guest.somebody()
    tab.locator("form[lang]").wait_for()
    tab.context.set_offline(True)
    try:
        write(guest, person.email)
        guest.press("Subscribe")
        tab.locator("[role=alert]:focus").wait_for()
    finally:
        tab.context.set_offline(False)
    assert tab.locator("[role=alert]").inner_text() == guest.say(
        "Your details could not be sent. They are still here: try again in a moment."
    )
    assert tab.locator("#email").input_value() == person.email
    assert tab.locator("#consent").is_checked()
    it_is_for_everybody(guest, screens)
    guest.press("Subscribe")
    tab.locator("section:focus").wait_for()
    assert guest.house.status(person.email) == "pending"


def test_who_reads_the_privacy_statement_keeps_what_was_written(come, tab):
    guest = come(tab, "fi")
    write(guest, "aino@example.com")
    name = f"{guest.say('Read the privacy statement')} ({guest.say('opens in a new window')})"
    with tab.context.expect_page() as opened:
        tab.get_by_role("link", name=name).click()
    opened.value.get_by_role("heading", level=1).wait_for()
    opened.value.close()
    assert tab.locator("#email").input_value() == "aino@example.com"


@pytest.mark.parametrize("answer", ["cut off", "of a web server in front", "of another page"])
def test_trouble_on_the_way_is_told_in_place(come, tab, site, answer):
    guest = come(tab, "fi")
    tab.locator("form[lang]").wait_for()
    readable = {"Access-Control-Allow-Origin": site.origin}
    answers = {
        "cut off": lambda route: route.abort(),
        "of a web server in front": lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"),
        "of another page": lambda route: route.fulfill(status=503, body="<h1>Busy</h1>", headers=readable),
    }
    write(guest, "aino@example.com")
    tab.route("**/subscribe?lang=fi", answers[answer])
    guest.press("Subscribe")
    tab.locator("[role=alert]:focus").wait_for()
    assert tab.locator("#email").input_value() == "aino@example.com"
    assert tab.locator("#consent").is_checked()


def test_a_page_that_was_open_for_days_shows_the_words_anew(come, tab):
    with time_machine.travel(services.now() - timedelta(hours=25), tick=True):
        guest = come(tab, "fi")
        tab.locator("form[lang]").wait_for()
    person = guest.somebody()
    write(guest, person.email)
    guest.press("Subscribe")
    tab.locator("[role=alert]:focus").wait_for()
    assert tab.locator("#email").input_value() == person.email
    assert not tab.locator("#consent").is_checked(), "nobody knows beside which words it was ticked"
    tab.locator("#consent").check()
    guest.press("Subscribe")
    tab.locator("section:focus").wait_for()
    assert guest.house.status(person.email) == "pending"


@pytest.mark.parametrize("code", SPOKEN)
def test_a_site_that_is_not_ours_shows_a_link_and_its_owner_is_told_why(come, tab, houses, site, code):
    guest = come(tab, code, house=houses["empty"])
    title = language(code).say("Subscribe to %(possessive)s newsletter")
    link = tab.locator("[data-newsletter-form] a")
    link.wait_for()
    possessive = guest.house.service.controller.possessive[code]
    assert link.inner_text() == title % {"possessive": possessive}
    assert any("CONSENT_ALLOWED_ORIGINS" in words and site.origin in words for words in guest.complaints)
    link.click()
    guest.tab.get_by_role("button", name=guest.say("Subscribe"), exact=True).wait_for()


@pytest.mark.parametrize("form", ["{script}", "<p>{script}</p>"])
def test_without_a_place_of_its_own_it_stands_right_after_the_script(come, tab, form):
    guest = come(tab, "fi", form=form.replace("{script}", SCRIPT))
    tab.locator("script + div form").wait_for()
    send(guest, guest.somebody().email)
    assert guest.complaints == []


def test_a_script_in_the_head_finds_its_place_too(come, tab):
    guest = come(tab, "fi", head=SCRIPT.replace(" defer", ""), form=PLACE)
    tab.locator("[data-newsletter-form] form[lang]").wait_for()
    assert guest.complaints == []


def test_who_already_writes_into_the_plain_form_goes_on_there(come, tab, home):
    guest = come(tab, "fi", form=PLACE)
    tab.locator("#plain_first").fill("Aino")
    with tab.expect_response("**/embed/form*") as words:
        tab.evaluate(LOAD_SCRIPT, f"{home.url}/embed.js?lang=fi")
    words.value.finished()
    tab.wait_for_function("() => new Promise((done) => setTimeout(done, 50, true))")
    assert tab.locator("#plain_first:focus").input_value() == "Aino"
    assert tab.locator("form[lang]").count() == 0
    assert guest.complaints == []


def test_what_was_written_into_the_plain_form_before_the_script_came_is_kept(come, tab, home):
    guest = come(tab, "fi", form=PLACE, plain=PLAIN.replace("<button>", OWN_BOX + "<button>"))
    tab.locator("#plain_first").fill("Aino")
    tab.locator("#plain_email").fill("aino@example.com")
    tab.locator("h1").click()
    tab.evaluate(LOAD_SCRIPT, f"{home.url}/embed.js?lang=fi")
    tab.locator("form[lang]").wait_for()
    assert [tab.locator(name).input_value() for name in ("#first_name", "#last_name", "#email")] == [
        "Aino",
        "",
        "aino@example.com",
    ]
    assert not tab.locator("#consent").is_checked(), "ticked beside words of the site's own"
    assert guest.complaints == []


@pytest.mark.parametrize("scripts", [SCRIPT, SCRIPT + SCRIPT])
def test_every_place_on_a_page_has_a_form_of_its_own(come, tab, scripts):
    guest = come(tab, "fi", form=f"<article>{PLACE}</article><footer>{PLACE}{scripts}</footer>", plain="")
    tab.locator("footer form[lang]").wait_for()
    tab.locator("article form[lang] #email").fill(guest.somebody().email)
    assert tab.locator("footer form[lang] #email").input_value() == ""
    assert tab.locator("form[lang]").count() == 2
    assert guest.complaints == []


def write(guest, email):
    guest.tab.locator("#first_name").fill("Aino")
    guest.tab.locator("#last_name").fill("Mäkelä")
    guest.tab.locator("#email").fill(email)
    guest.tab.locator("#consent").check()


def send(guest, email):
    write(guest, email)
    guest.press("Subscribe")
    guest.tab.locator("section:focus").wait_for()


def it_is_for_everybody(guest, screens):
    """By every rule of axe-core, nothing sticking out and nothing too small, on each of these screens."""
    for width, theme in screens:
        guest.look(width, theme)
        it_fits(guest)
        assert guest.tab.evaluate(SMALL) == [], f"{width} px"


def it_fits(guest):
    """As wide as the window is now."""
    assert axe(guest.tab) == []
    assert guest.tab.evaluate(SIDEWAYS) == []


def nothing_else_happened(guest, site):
    """No complaint about the policy or anything else, no cookie, and nothing loaded but from the two of them."""
    assert guest.complaints == []
    assert guest.cookies == []
    assert [url for url in guest.strays if not url.startswith(site.origin + "/")] == []
    assert guest.tab.evaluate("[Object.keys(localStorage), Object.keys(sessionStorage)]") == [[], []]
