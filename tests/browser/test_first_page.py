"""The first page of staff in a browser: its pictures seen, and reached with the keyboard alone."""

import pytest

from consent_service.language import language
from tests.browser.day_pages import overview_old
from tests.browser.guest import WIDE
from tests.browser.houses import STAFF
from tests.browser.street import SPOKEN
from tests.browser.test_by_keyboard import Hands

pytestmark = pytest.mark.browser

SEEN = "() => [...document.querySelectorAll('.charts img')].map(one => one.complete && one.naturalWidth > 0)"
WAITS = (
    "One customer has been passive for ten years: the yearly review waits for you.",
    "%(number)s customers have been passive for ten years: the yearly review waits for you.",
)


def test_its_pictures_are_seen(visit, tab, houses):
    guest = visit(tab, houses["old"], "fi")
    overview_old(guest)
    tab.wait_for_load_state("networkidle")
    assert tab.evaluate(SEEN) == [True] * 4
    assert guest.complaints == [] and guest.strays == []


@pytest.mark.parametrize("code", SPOKEN)
def test_what_needs_somebody_is_reached_with_the_keyboard_and_without_a_script(
    visit, tab_without_scripts, houses, code
):
    guest = visit(tab_without_scripts, houses["old"], code)
    guest.let_in(STAFF).open("/staff/")
    needs = guest.tab.locator(".answer li")
    assert needs.count() == 2 and language(code).count(*WAITS, 1) in needs.nth(1).inner_text()
    hands = Hands(guest)
    hands.go_to(guest.say("See what has to be done, and by when"))
    hands.go_to(guest.say("Open the review"))
    hands.go_to(guest.say("The same as a table"))
    guest.tab.keyboard.press("Enter")
    assert guest.tab.locator(".charts details[open] td").first.is_visible()
    guest.open("/staff/")
    Hands(guest).press("Open the review", "Yearly review of customers")


@pytest.mark.parametrize("code", ["sv", "en"])
def test_the_menu_stands_in_one_row_where_there_is_room(visit, tab, houses, code):
    guest = visit(tab, houses["old"], code).let_in(STAFF)
    guest.look(WIDE, "light")
    guest.open("/staff/")
    tops = "() => [...document.querySelectorAll('.bar nav > ul > li')].map(one => one.offsetTop)"
    found = tab.evaluate(tops)
    assert len(found) == 6 and max(found) - min(found) <= 2, found
