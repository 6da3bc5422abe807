"""Every state of every page and letter: readable by everybody, at every width, in light and dark, and by the rules."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from consent_service.language import CODES
from tests.browser.places import CONSOLE, LETTERS, PUBLIC, Place

pytestmark = pytest.mark.browser

NARROW, WIDE = 320, 1280
AXE = Axe().axe_script
RULES = '{resultTypes: ["violations"], rules: {"target-size": {enabled: true}}}'
LETTER_RULES = '{resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}'
COMPLAIN = """
const described = found.violations.map(one => one.id + ": " + one.nodes.map(node => node.html.slice(0, 160)).join(" | "));
return described;
"""
SIDEWAYS = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *")]
    .filter(one => one.getBoundingClientRect().right > width + 1).map(one => one.outerHTML.slice(0, 120));
}"""
SMALL = """() => [...document.querySelectorAll("a, button, input, select, summary")].filter(one => {
  const box = one.getBoundingClientRect(), kind = one.type;
  if (kind === "hidden" || one.closest(".unseen, .skip") || getComputedStyle(one).display === "inline") return false;
  const least = one.matches("button, .button, select, input:not([type=checkbox], [type=radio])") ? 44 : 24;
  return box.height < least || box.width < 24;
}).map(one => one.outerHTML.slice(0, 120))"""
FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 3;
  return {what: one.outerHTML.slice(0, 120), body: one === document.body, ring, seen: box.right > 0 && box.bottom > 0};
}"""


def here(places, codes):
    """Each place in each language, as a test's parameters."""
    return [pytest.param(place, code, id=f"{place.name}-{code}") for place in places for code in codes]


def axe(tab: Page, rules: str = RULES) -> list[str]:
    """What axe-core finds wrong on the page as it now looks."""
    if not tab.evaluate("typeof axe === 'object'"):
        tab.evaluate(AXE)
    return tab.evaluate(f"async () => {{ const found = await axe.run({rules}); {COMPLAIN} }}")


def look(tab: Page, width: int, theme: str) -> None:
    tab.set_viewport_size({"width": width, "height": 800})
    tab.emulate_media(color_scheme=theme)


def sideways_with_large_text(tab: Page, width: int) -> list[str]:
    """What sticks out at the side when letters are twice as large."""
    look(tab, width, "light")
    tab.evaluate("document.documentElement.style.fontSize = '200%'")
    found = tab.evaluate(SIDEWAYS)
    tab.evaluate("document.documentElement.style.fontSize = ''")
    return found


@pytest.mark.parametrize(("place", "code"), here(PUBLIC + CONSOLE, CODES))
def test_the_page_is_calm_and_keeps_to_itself(visit, houses, place: Place, code):
    guest = visit(houses[place.house], code, width=NARROW)
    place.go(guest)
    tab = guest.tab
    assert tab.locator("html").get_attribute("lang") == code
    assert tab.locator("h1").count() == 1
    assert tab.locator("main button:not(.second):visible, main a.button:visible").count() <= 1, "one primary button"
    assert tab.locator("script, [style], [onclick]").count() == 0
    assert tab.evaluate(SIDEWAYS) == []
    assert tab.evaluate(SMALL) == []
    assert sideways_with_large_text(tab, 640 if place in CONSOLE else NARROW) == []
    if place.is_wrong:
        assert tab.title().startswith(guest.say("Error:"))
        assert tab.evaluate("document.activeElement.getAttribute('role')") == "alert"
    assert guest.complaints == [] and guest.strays == []
    assert guest.cookies == ([] if place in PUBLIC else guest.cookies)


@pytest.mark.parametrize(("place", "code"), here(PUBLIC, CODES) + here(CONSOLE, ["fi"]))
def test_axe_finds_nothing(visit, houses, place: Place, code):
    guest = visit(houses[place.house], code)
    place.go(guest)
    for width in (NARROW, WIDE) if code == "fi" else (NARROW,):
        for theme in ("light", "dark") if code == "fi" else ("light",):
            look(guest.tab, width, theme)
            assert axe(guest.tab) == [], f"{width} px, {theme}"


@pytest.mark.parametrize("place", [pytest.param(place, id=place.name) for place in PUBLIC + CONSOLE])
def test_the_focus_is_seen_wherever_the_tabulator_goes(visit, houses, place: Place):
    guest = visit(houses[place.house], "fi")
    place.go(guest)
    stops = 0
    for theme in ("light", "dark"):
        look(guest.tab, WIDE, theme)
        for _ in range(15):
            guest.tab.keyboard.press("Tab")
            focus = guest.tab.evaluate(FOCUSED)
            if focus["body"]:
                break
            stops += 1
            assert focus["ring"] and focus["seen"], (theme, focus["what"])
    assert stops


@pytest.mark.parametrize(("place", "code"), here(LETTERS, CODES))
def test_a_letter_reads_well_in_every_mail_program(visit, houses, place: Place, code):
    guest = visit(houses[place.house], code, width=NARROW)
    place.go(guest)
    assert guest.tab.locator("img, script, style, link").count() == 0
    for width in (NARROW, WIDE):
        for theme in ("light", "dark"):
            look(guest.tab, width, theme)
            assert guest.tab.evaluate(SIDEWAYS) == []
            assert axe(guest.tab, LETTER_RULES) == [], f"{width} px, {theme}"
    assert guest.strays == []
