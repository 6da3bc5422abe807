"""Every state of every page and letter: readable by everybody, at every width, in light and dark, and by the rules."""

from itertools import cycle

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from consent_service.language import CODES
from tests.browser.account_pages import ACCOUNTS
from tests.browser.api_key_pages import API_KEYS
from tests.browser.connection_page import CONNECTION
from tests.browser.contact_page import CONTACT
from tests.browser.cookie_pages import COOKIES
from tests.browser.customer_import_pages import CUSTOMER_IMPORTS
from tests.browser.customer_pages import CUSTOMERS
from tests.browser.data_request_pages import DATA_REQUESTS
from tests.browser.day_pages import DAY
from tests.browser.demo_page import DEMO
from tests.browser.document_pages import DOCUMENTS
from tests.browser.guest import NARROW, WIDE, Guest
from tests.browser.own_page import OWN
from tests.browser.places import CONSOLE, PUBLIC, Place, overview_well
from tests.browser.street import SPOKEN

pytestmark = pytest.mark.browser

OPEN = PUBLIC + OWN + CONTACT + COOKIES
STAFF = CONSOLE + CONNECTION + API_KEYS + CUSTOMERS + CUSTOMER_IMPORTS + DOCUMENTS + DATA_REQUESTS + DAY + ACCOUNTS
LOOKS = [(NARROW, "light"), (WIDE, "dark"), (NARROW, "dark"), (WIDE, "light")]
TABLET = 768
MAIL_WIDTHS = {NARROW: NARROW, WIDE: 600}
LARGE_TEXT_PX = {True: 320, False: 640}  # public pages bear 200 % text on a phone, the console on half a screen
SCRIPTS = {"verify": 1, "moment": 2, "customers_none": 1, "customers_many": 1, "customers_none_found": 1}
AXE = Axe().axe_script
RULES = '{resultTypes: ["violations"], rules: {"target-size": {enabled: true}}}'
LETTER_RULES = '{resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}'
FOUND = 'one => one.id + ": " + one.nodes.map(node => node.html.slice(0, 160)).join(" | ")'

SIDEWAYS = """() => {
  const width = document.documentElement.clientWidth, whole = document.documentElement.scrollWidth;
  if (whole <= width) return [];
  const range = document.createRange(), out = [`${whole} px in ${width}`];
  for (const walk = document.createTreeWalker(document.body); walk.nextNode();) {  // words, too, not their boxes alone
    range.selectNode(walk.currentNode);
    if (range.getBoundingClientRect().right > width + 1)
      out.push((walk.currentNode.outerHTML || walk.currentNode.data).slice(0, 120));
  }
  return out;
}"""
CUT = """() => {  // plain words that stand on two lines; addresses and what no line could hold are left out
  const cut = [], range = document.createRange(), isLong = (word) => word.length > 24 || /[@\\u00ad]|\\.\\w/.test(word);
  for (const part of document.querySelectorAll("h1, h2, dt, dd, th, td")) {
    const walk = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) for (const { 0: word, index } of walk.currentNode.data.matchAll(/[^\\s-]+/g)) {
      range.setStart(walk.currentNode, index);
      range.setEnd(walk.currentNode, index + word.length);
      const boxes = [...range.getClientRects()].filter((box) => box.width > 1);
      const isSeen = !walk.currentNode.parentElement.closest(".unseen");
      if (isSeen && !isLong(word) && new Set(boxes.map((box) => Math.round(box.top))).size > 1) cut.push(word);
    }
  }
  return cut;
}"""
SMALL = """() => [...document.querySelectorAll("a, button, input, select, textarea, summary")].filter(one => {
  const box = one.getBoundingClientRect(), isInText = getComputedStyle(one).display === "inline";
  if (isInText || !one.getClientRects().length || one.closest(".unseen, .skip, [hidden]")) return false;
  const least = one.matches("button, .button, select, textarea, input:not([type=checkbox], [type=radio])") ? 44 : 24;
  return box.height < least || box.width < 24;
}).map(one => one.outerHTML.slice(0, 120))"""
LARGE = f"""() => {{
  document.documentElement.style.fontSize = "200%";
  const sideways = ({SIDEWAYS})();
  document.documentElement.removeAttribute("style");
  return sideways;
}}"""
CALM = """() => {
  const all = (which) => [...document.querySelectorAll(which)];
  const isSeen = (one) => one.checkVisibility({ visibilityProperty: true }) && one.getBoundingClientRect().width > 0;
  return {
    language: document.documentElement.lang,
    headings: all("h1").length,
    primary: all("main :is(button, a.button):not(.second)").filter(isSeen).map((one) => one.outerHTML),
    inline: all("script:not([src]), [style], [onclick]").map((one) => one.outerHTML),
    scripts: all("script").length,
  };
}"""
WALK = """() => {
  window.walked = [];
  addEventListener("keyup", () => {
    let one = document.activeElement;
    while (one.shadowRoot && one.shadowRoot.activeElement) one = one.shadowRoot.activeElement;
    const style = getComputedStyle(one), box = one.getBoundingClientRect();
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 3;
    const seen = box.right > 0 && box.bottom > 0 && box.left < innerWidth && box.top < innerHeight;
    walked.push(one === document.body ? null : (ring && seen) || one.outerHTML.slice(0, 120));
  }, { capture: true });
}"""


def once(places):
    """Each place once, as a test's parameters, in another look each time."""
    return [pytest.param(place, look, id=place.name) for place, look in zip(places, cycle(LOOKS), strict=False)]


@pytest.mark.parametrize(("place", "look"), once(OPEN) + once(STAFF))
def test_every_state_of_every_page(visit, tab, houses, place: Place, look):
    guest = visit(tab, houses[place.house], "fi")
    place.go(guest)
    it_is_one_calm_page(guest, place)
    nothing_sticks_out(guest, place in OPEN)
    guest.look(*look)
    if not place.repeats:
        everybody_can_use_it(guest, *look)
    if place in STAFF:
        tab.evaluate("location.hash = 'content'")  # past the header, which is walked through on one page below
    the_focus_is_seen(tab, presses=5 if place in STAFF else 15)
    it_kept_to_itself(guest, place)


@pytest.mark.parametrize("look", LOOKS)
def test_the_focus_is_seen_all_through_the_header_of_staff(visit, tab, houses, look):
    guest = visit(tab, houses["empty"], "fi")
    overview_well(guest)
    guest.look(*look)
    the_focus_is_seen(tab, presses=25)
    assert not tab.locator("header *:focus").count(), "it is past the header by then"


@pytest.mark.parametrize("code", SPOKEN)
@pytest.mark.parametrize(("place", "look"), once(DEMO))
def test_the_web_site_of_the_development_mode(visit, tab, houses, place: Place, code, look):
    guest = visit(tab, houses[place.house], code)
    place.go(guest)
    nothing_sticks_out(guest, is_public=True)
    everybody_can_use_it(guest, *look)
    the_focus_is_seen(tab)
    it_kept_to_itself(guest, place)


@pytest.mark.soak
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("place", OPEN + STAFF, ids=lambda place: place.name)
def test_every_state_of_every_page_in_every_look(visit, tab, houses, place: Place, code):
    guest = visit(tab, houses[place.house], code)
    place.go(guest)
    it_is_one_calm_page(guest, place)
    nothing_sticks_out(guest, place in OPEN)
    for look in LOOKS:
        everybody_can_use_it(guest, *look)
    the_focus_is_seen(tab)
    it_kept_to_itself(guest, place)


@pytest.mark.parametrize("code", SPOKEN)
def test_every_letter_reads_well_in_every_mail_program(visit, tab, houses, posts, code):
    guest = visit(tab, houses["empty"], code)
    tab.goto("about:blank")  # a mail program knows nothing of the pages' policy
    for number, (kind, letter) in enumerate(posts(code).letters.items()):
        tab.set_content(letter.html)
        assert tab.locator("img, script, style, link").count() == 0, kind
        width, theme = LOOKS[number % len(LOOKS)]
        for wide in MAIL_WIDTHS.values():
            guest.look(wide, theme)
            assert tab.evaluate(SIDEWAYS) == [], f"{kind}, {wide} px"
        guest.look(MAIL_WIDTHS[width], theme)
        assert axe(tab, LETTER_RULES) == [], f"{kind}, {MAIL_WIDTHS[width]} px, {theme}"
    assert guest.strays == []


def it_is_one_calm_page(guest: Guest, place: Place) -> None:
    tab = guest.tab
    tab.wait_for_load_state()
    page = tab.evaluate(CALM)
    assert page["language"] == guest.code
    assert page["headings"] == 1
    assert len(page["primary"]) <= 1, page["primary"]
    assert page["inline"] == []
    assert page["scripts"] == SCRIPTS.get(place.name, 0), "few pages have scripts, the others need none"
    if place.is_wrong:
        assert tab.title().startswith(guest.say("Error:"))
        tab.locator("[role=alert]:focus").wait_for()


def it_kept_to_itself(guest: Guest, place: Place) -> None:
    """Nothing to complain of, nothing loaded from elsewhere, no cookie for who is no staff."""
    assert guest.complaints == []
    assert guest.strays == []
    assert place in STAFF or guest.cookies == []


def nothing_sticks_out(guest: Guest, is_public: bool) -> None:
    """On a phone and at 400 %, and with letters twice as large; no word is cut; whatever is pressed is large enough."""
    assert guest.tab.evaluate(SIDEWAYS) == []
    assert guest.tab.evaluate(SMALL) == []
    for width in (NARROW, TABLET, WIDE):
        guest.look(width, "light")
        assert guest.tab.evaluate(CUT) == [], f"{width} px"
    guest.look(LARGE_TEXT_PX[is_public], "light")
    assert guest.tab.evaluate(LARGE) == [], "200 % text"


def everybody_can_use_it(guest: Guest, width: int, theme: str) -> None:
    """By every rule of axe-core."""
    guest.look(width, theme)
    assert axe(guest.tab, RULES) == [], f"{width} px, {theme}"


def the_focus_is_seen(tab: Page, presses: int = 15) -> None:
    """Wherever the tabulator goes, at first and farther on."""
    tab.evaluate(WALK)
    walked: list[object] = []
    for _ in range(presses // 5):
        for _ in range(5):
            tab.keyboard.press("Tab")
        walked = tab.evaluate("walked")
        if None in walked:  # past the last one
            break
    assert True in walked or not tab.locator("a, button").count(), "the tabulator goes nowhere"
    assert set(walked) <= {True, None}


def axe(tab: Page, rules: str = RULES) -> list[str]:
    """What axe-core finds wrong on the page as it now looks."""
    if not tab.evaluate("typeof axe === 'object'"):
        tab.evaluate(AXE)
    return tab.evaluate(f"async () => (await axe.run({rules})).violations.map({FOUND})")
