"""The cookie banner as it is seen and used: two equal buttons, the keyboard, small screens, light and dark."""

import pytest

from tests.browser.street import SPOKEN, soaked
from tests.browser.test_every_page import SIDEWAYS, axe

pytestmark = pytest.mark.browser

LOOK = """(one) => {
  const box = one.getBoundingClientRect(), style = getComputedStyle(one);
  const seen = ["color", "backgroundColor", "borderColor", "borderWidth", "fontSize", "fontWeight", "padding"];
  return [box.width, box.height, ...seen.map((name) => style[name])];
}"""
FOCUS = """() => {
  let one = document.activeElement;
  while (one.shadowRoot && one.shadowRoot.activeElement) one = one.shadowRoot.activeElement;
  const style = getComputedStyle(one), box = one.getBoundingClientRect();
  const over = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  const covered = over && over.tagName === "COOKIE-BANNER" && !one.getRootNode().host;
  const words = one.labels && one.labels.length ? one.labels[0].innerText : one.ariaLabel || one.innerText || one.value;
  return [words.trim(), style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 3, covered];
}"""
SMALL = """(host) => [...host.shadowRoot.querySelectorAll("a, button, summary, label")].filter((one) => {
  const box = one.getBoundingClientRect();
  return box.height && (box.height < (one.matches("button:not(.plain)") ? 44 : 24) || box.width < 24);
}).map((one) => one.outerHTML)"""


SCREENS = [(320, "light"), (1280, "dark"), *soaked([(320, "dark"), (1280, "light")])]


@pytest.mark.parametrize(("width", "theme"), SCREENS)
@pytest.mark.parametrize("code", SPOKEN)
def test_yes_and_no_are_equals_side_by_side_and_everybody_can_use_them(pass_by, code, width, theme):
    passing = pass_by(code, viewport={"width": width, "height": 700}, color_scheme=theme).open()
    everything, only = passing.button("Accept all"), passing.button("Only necessary")
    assert everything.evaluate(LOOK) == only.evaluate(LOOK)
    assert everything.bounding_box()["y"] == only.bounding_box()["y"]
    assert passing.tab.evaluate(SIDEWAYS) == []
    banner = passing.tab.locator("body > cookie-banner").first
    assert banner.evaluate(SMALL) == []
    assert banner.locator("section").bounding_box()["height"] <= 0.75 * 700
    assert ours(axe(passing.tab)) == []
    passing.press("Choose yourself")
    for summary in passing.tab.locator("dialog summary").all():
        summary.click()
    assert passing.tab.evaluate(SIDEWAYS) == []
    dialog = passing.tab.locator("dialog")
    assert dialog.evaluate("one => one.scrollWidth <= one.clientWidth")
    buttons = [dialog.get_by_role("button", name=passing.say(words)) for words in ("Accept all", "Only necessary")]
    assert buttons[0].evaluate(LOOK) == buttons[1].evaluate(LOOK)
    assert ours(axe(passing.tab)) == []


def ours(found):
    """What axe-core says of the banner, and not of the site around it."""
    return [one for one in found if not one.startswith(("region", "frame-title", "landmark", "page-has"))]


def test_letters_twice_as_large_fit(pass_by):
    passing = pass_by(viewport={"width": 320, "height": 700}).open()
    passing.tab.evaluate("document.documentElement.style.fontSize = '200%'")
    assert passing.tab.evaluate(SIDEWAYS) == []
    section = passing.tab.locator("section.banner")
    assert section.evaluate("one => one.scrollWidth <= one.clientWidth")
    everything, only = (passing.button(words).bounding_box() for words in ("Accept all", "Only necessary"))
    assert (everything["width"], everything["height"]) == (only["width"], only["height"])


class Keys:
    """Somebody's hands on the keyboard."""

    def __init__(self, passing):
        self.passing = passing

    def go_to(self, words: str, back: bool = False) -> list[str]:
        """Press the tabulator until the focus is on something with these words, and see it; what was passed."""
        passed = []
        for _ in range(30):
            self.passing.tab.keyboard.press("Shift+Tab" if back else "Tab")
            found, is_seen, is_covered = self.passing.tab.evaluate(FOCUS)
            if found == self.passing.say(words):
                assert is_seen, f"the focus on {words} cannot be seen"
                assert not is_covered, f"{words} lies under the banner"
                return passed
            passed.append(found)
        raise AssertionError(f"{words} is out of reach: {passed}")

    def press(self, words: str, key: str = "Enter") -> None:
        self.go_to(words)
        self.passing.tab.keyboard.press(key)


@pytest.mark.parametrize("code", SPOKEN)
def test_the_keyboard_alone_is_enough(pass_by, code):
    passing = pass_by(code).open()
    keys = Keys(passing)
    assert keys.go_to("Accept all") == [], "what is asked comes first"
    assert keys.go_to("Only necessary") == [], "and the no right after the yes"
    assert passing.tab.evaluate("document.activeElement.tagName") == "COOKIE-BANNER"
    keys.press("Choose yourself")
    dialog = passing.tab.get_by_role("dialog")
    dialog.wait_for()
    keys.press("Statistics", "Space")
    passing.tab.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    assert passing.is_asked() and passing.choice() == {}, "closing is no answer"
    assert passing.tab.evaluate(FOCUS)[0] == passing.say("Choose yourself"), "back where it was opened from"
    passing.tab.keyboard.press("Enter")
    keys.press("Statistics", "Space")
    keys.press("Save my choice")
    passing.until(lambda: passing.choice().get("sent") == "1")
    assert passing.choice()["allowed"] == "statistics"
    said = passing.tab.get_by_role("status")
    assert said.inner_text() == passing.say("Your choice is saved.")
    keys.press("Cookie settings")
    dialog.wait_for()
    keys.press("Only necessary")
    passing.until(lambda: passing.choice()["allowed"] == "")


def test_what_lies_under_the_banner_can_be_reached_and_seen(pass_by):
    passing = pass_by(viewport={"width": 320, "height": 500}).open()
    keys = Keys(passing)
    keys.go_to("More about our cookies")
    for _ in range(3):
        passing.tab.keyboard.press("Tab")
        _, _, is_covered = passing.tab.evaluate(FOCUS)
        assert not is_covered
    passing.tab.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    last = passing.tab.locator("#last").bounding_box()
    assert last["y"] + last["height"] <= passing.tab.locator("section.banner").bounding_box()["y"]


def test_the_sites_own_styles_do_not_reach_into_it_but_its_colours_may(pass_by):
    passing = pass_by().open()
    button = passing.button("Accept all")
    assert white(button.evaluate("one => getComputedStyle(one).color"))
    assert button.evaluate("one => getComputedStyle(one).letterSpacing") == "normal"
    passing.tab.evaluate("document.documentElement.style.setProperty('--consent-accent', 'rgb(90, 30, 60)')")
    assert button.evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(90, 30, 60)"
    passing.tab.evaluate("document.documentElement.style.setProperty('--consent-accent', 'rgb(250, 220, 60)')")
    assert not white(button.evaluate("one => getComputedStyle(one).color")), "black on what is bright"
    for name, value in (("text", "rgb(30, 20, 10)"), ("background", "rgb(255, 250, 240)"), ("font", "Georgia")):
        passing.tab.evaluate(f"document.documentElement.style.setProperty('--consent-{name}', '{value}')")
    assert look_of(passing) == ["rgb(255, 250, 240)", "rgb(30, 20, 10)", "Georgia"]


def white(colour):
    """Whether a computed colour is white, in either way of writing it."""
    return colour in ("rgb(255, 255, 255)", "color(xyz-d65 0.9505 1 1.089)")


def look_of(passing):
    """The banner's background, letters and font."""
    banner = passing.tab.locator("section.banner")
    values = "(one) => ['backgroundColor', 'color', 'fontFamily'].map((name) => getComputedStyle(one)[name])"
    return banner.evaluate(values)


SITES = {
    "plain": ("", ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]),
    "dark": ("body { background: #10141a; color: #e8e6e3; }", ["rgb(16, 20, 26)", "rgb(232, 230, 227)"]),
    "of the page": ("html { background: #fff7e6 } body { color: #402000; }", ["rgb(255, 247, 230)", "rgb(64, 32, 0)"]),
    "over a picture": ("body { background: linear-gradient(#000, #222); color: #fff; }", None),
    "glassy": ("body { background: rgb(0 0 0 / 80%); color: #fff; }", None),
    "pale": ("body { background: #fff; color: #aaa; }", None),
}


def test_it_follows_the_sites_own_colours_where_they_can_be_read(pass_by):
    passing = pass_by()
    for site, (style, seen) in SITES.items():
        passing.dress(f"a {{ color: inherit; }} {style}")
        passing.open()
        assert look_of(passing)[:2] == (seen or ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]), site
        assert look_of(passing)[2] == "sans-serif", f"{site}: the site's font"
        assert seen is None or ours(axe(passing.tab)) == [], f"{site}, where it can be read itself"


def test_it_follows_the_theme_of_a_site_that_has_a_dark_one(pass_by):
    passing = pass_by(color_scheme="dark")
    passing.dress("a { color: inherit; } :root { color-scheme: light dark; }")
    passing.open()
    dark = look_of(passing)[:2]
    assert dark[1] == "rgb(255, 255, 255)" and dark[0] != "rgb(255, 255, 255)"
    assert ours(axe(passing.tab)) == []
    passing.tab.emulate_media(color_scheme="light")
    passing.until(lambda: look_of(passing)[:2] == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"])
