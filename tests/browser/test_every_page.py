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
from tests.browser.places import CONSOLE, PUBLIC, Place

pytestmark = pytest.mark.browser

OPEN = PUBLIC + OWN + CONTACT + COOKIES
STAFF = CONSOLE + CONNECTION + API_KEYS + CUSTOMERS + CUSTOMER_IMPORTS + DOCUMENTS + DATA_REQUESTS + DAY + ACCOUNTS
LOOKS = [(NARROW, "light"), (WIDE, "dark"), (NARROW, "dark"), (WIDE, "light")]
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
SMALL = """() => [...document.querySelectorAll("a, button, input, select, textarea, summary")].filter(one => {
  const box = one.getBoundingClientRect(), isInText = getComputedStyle(one).display === "inline";
  if (isInText || !one.getClientRects().length || one.closest(".unseen, .skip, [hidden]")) return false;
  const least = one.matches("button, .button, select, textarea, input:not([type=checkbox], [type=radio])") ? 44 : 24;
  return box.height < least || box.width < 24;
}).map(one => one.outerHTML.slice(0, 120))"""
FOCUS = """() => {
  let one = document.activeElement;
  while (one.shadowRoot && one.shadowRoot.activeElement) one = one.shadowRoot.activeElement;
  const style = getComputedStyle(one), box = one.getBoundingClientRect();
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 3;
  const seen = box.right > 0 && box.bottom > 0 && box.left < innerWidth && box.top < innerHeight;
  return one === document.body ? null : [ring && seen, one.outerHTML.slice(0, 120)];
}"""


def once(places, codes=CODES):
    """Each place in each language once, as a test's parameters; examined closely in one, in another look each time."""
    looks, closely = cycle(LOOKS), cycle(codes)
    return [
        pytest.param(place, code, look if code == examined else None, id=f"{place.name}-{code}")
        for place, examined, look in zip(places, closely, looks, strict=False)
        for code in codes
    ]


@pytest.mark.parametrize(("place", "code", "look"), once(OPEN) + once(STAFF, ["fi"]))
def test_every_state_of_every_page(visit, tab, houses, place: Place, code, look):
    guest = visit(tab, houses[place.house], code)
    place.go(guest)
    it_is_one_calm_page(guest, place)
    nothing_sticks_out(guest, place in OPEN)
    if look:
        everybody_can_use_it(guest, *look)
        the_focus_is_seen(tab)
    it_kept_to_itself(guest, place)


@pytest.mark.parametrize(("place", "code", "look"), once(DEMO))
def test_the_web_site_of_the_development_mode(visit, tab, houses, place: Place, code, look):
    guest = visit(tab, houses[place.house], code)
    place.go(guest)
    nothing_sticks_out(guest, is_public=True)
    if look:
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


@pytest.mark.parametrize("code", CODES)
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
    assert tab.locator("html").get_attribute("lang") == guest.code
    assert tab.locator("h1").count() == 1
    assert tab.locator("main :is(button, a.button):not(.second):visible").count() <= 1, "one primary button"
    assert tab.locator("script:not([src]), [style], [onclick]").count() == 0
    assert tab.locator("script").count() == SCRIPTS.get(place.name, 0), "few pages have scripts, the others need none"
    if place.is_wrong:
        assert tab.title().startswith(guest.say("Error:"))
        tab.locator("[role=alert]:focus").wait_for()


def it_kept_to_itself(guest: Guest, place: Place) -> None:
    """Nothing to complain of, nothing loaded from elsewhere, no cookie for who is no staff."""
    assert guest.complaints == []
    assert guest.strays == []
    assert place in STAFF or guest.cookies == []


def nothing_sticks_out(guest: Guest, is_public: bool) -> None:
    """On a phone and at 400 %, and with letters twice as large; and whatever is pressed is large enough."""
    assert guest.tab.evaluate(SIDEWAYS) == []
    assert guest.tab.evaluate(SMALL) == []
    guest.look(LARGE_TEXT_PX[is_public], "light")
    guest.tab.evaluate("document.documentElement.style.fontSize = '200%'")
    assert guest.tab.evaluate(SIDEWAYS) == [], "200 % text"
    guest.tab.evaluate("document.documentElement.removeAttribute('style')")


def everybody_can_use_it(guest: Guest, width: int, theme: str) -> None:
    """By every rule of axe-core."""
    guest.look(width, theme)
    assert axe(guest.tab, RULES) == [], f"{width} px, {theme}"


def the_focus_is_seen(tab: Page) -> None:
    """Wherever the tabulator goes, at first and farther on."""
    for _ in range(15):
        tab.keyboard.press("Tab")
        focus = tab.evaluate(FOCUS)
        if focus is None:
            return
        assert focus[0], focus[1]


def axe(tab: Page, rules: str = RULES) -> list[str]:
    """What axe-core finds wrong on the page as it now looks."""
    if not tab.evaluate("typeof axe === 'object'"):
        tab.evaluate(AXE)
    return tab.evaluate(f"async () => (await axe.run({rules})).violations.map({FOUND})")
