"""The whole job in each language with the keyboard alone, in a browser that runs no script."""

import pytest

from consent_service.language import CODES
from tests.actors import Staff
from tests.browser.guest import Guest
from tests.browser.houses import STAFF
from tests.browser.street import SPOKEN

pytestmark = pytest.mark.browser

FOCUS = """() => {
  let one = document.activeElement;
  while (one.shadowRoot && one.shadowRoot.activeElement) one = one.shadowRoot.activeElement;
  const words = one.getAttribute("aria-label") || one.innerText || "";
  const ring = parseFloat(getComputedStyle(one).outlineWidth) >= 3 && getComputedStyle(one).outlineStyle !== "none";
  return [one.id, words.trim().replace(/\\s+/g, " "), ring];
}"""
LONGEST_WAY = 40  # presses of the tabulator


class Hands:
    """A guest's hands on the keyboard; they never touch the mouse."""

    def __init__(self, guest: Guest):
        self.guest, self._keys = guest, guest.tab.keyboard

    def go_to(self, target: str) -> "Hands":
        """Press the tabulator until the focus is on the field with this id or the link or button with these words."""
        passed = []
        for _ in range(LONGEST_WAY):
            self._keys.press("Tab")
            key, words, ring = self.guest.tab.evaluate(FOCUS)
            if target in (key, words):
                assert ring, f"the focus on {target} cannot be seen"
                return self
            passed.append(key or words)
        raise AssertionError(f"{target!r} is out of reach on {self.guest.tab.title()!r}: {passed}")

    def write(self, **fields: str) -> "Hands":
        """Write into fields, which have to stand in this order."""
        for name, value in fields.items():
            self.go_to(name)
            self._keys.insert_text(value)
        return self

    def tick(self, name: str) -> "Hands":
        self.go_to(name)
        self._keys.press("Space")
        return self

    def choose(self, name: str, downwards: int) -> "Hands":
        """Go down so many steps in a list."""
        self.go_to(name)
        for _ in range(downwards):
            self._keys.press("ArrowDown")
        return self

    def press(self, words: str, title: str) -> None:
        """Press a button or follow a link, and arrive at a page with this heading."""
        self.go_to(self.guest.say(words))
        self._keys.press("Enter")
        self.sees(title)

    def open(self, words: str) -> None:
        """Unfold what stands under these words."""
        self.go_to(self.guest.say(words))
        self._keys.press("Enter")

    def press_and_be_in(self, words: str) -> None:
        """Press a button, and arrive at the first page of staff, whatever it has to say."""
        self.go_to(self.guest.say(words))
        self._keys.press("Enter")
        self.guest.is_in()

    def sees(self, title: str) -> None:
        """Fail unless the heading of the page is this, in the guest's language."""
        heading = self.guest.tab.get_by_role("heading", level=1, name=self.guest.say(title), exact=True)
        heading.wait_for()
        self.guest.tab.wait_for_load_state()  # before its style sheets are there, no focus can be seen
        assert self.guest.tab.locator("html").get_attribute("lang") == self.guest.code


@pytest.mark.parametrize("code", SPOKEN)
def test_from_the_form_to_leaving_and_back(visit, tab_without_scripts, houses, code):
    guest = visit(tab_without_scripts, houses["town"], code)
    house, person, hands = guest.house, guest.somebody(), Hands(guest)

    guest.open("/subscribe")
    hands.go_to(guest.say("Subscribe"))
    guest.tab.keyboard.press("Enter")
    guest.tab.locator(".summary:focus").wait_for()
    hands.write(first_name="Aino", last_name="Mäkelä", email=person.email).tick("consent")
    hands.press("Subscribe", "Check your e-mail")
    house.deliver()
    assert house.status(person.email) == "pending"

    guest.tab.goto(person.link("confirm"))
    hands.press("Confirm the subscription", "Your subscription is confirmed")
    assert house.status(person.email) == "active"
    house.deliver()

    guest.tab.goto(person.link("unsubscribe"))
    hands.press("Unsubscribe", "You have unsubscribed")
    assert house.status(person.email) == "passive"
    hands.press("Send me a new confirmation message", "Check your e-mail")
    house.deliver()
    guest.tab.goto(person.link("confirm"))
    hands.press("Confirm the subscription", "Your subscription is confirmed")
    assert house.status(person.email) == "active"
    assert (guest.complaints, guest.strays, guest.cookies) == ([], [], [])


@pytest.mark.parametrize("code", SPOKEN)
def test_staff_add_somebody_who_answers_no(visit, tab_without_scripts, houses, code):
    guest = visit(tab_without_scripts, houses["town"], code)
    house, person, hands = guest.house, guest.somebody(), Hands(guest)

    guest.open("/staff/")
    hands.write(email=STAFF, password=Staff.PASSWORD)
    hands.press("Log in", "All is well.")
    hands.press("Subscribers", "Subscribers")
    hands.press("Add a subscriber", "Add a subscriber")
    hands.write(first_name="Eero", last_name="Niemi", email=person.email)
    hands.choose("language", CODES.index(code)).choose("channel", 1).write(occasion="Jyväskylä")
    hands.press("Send the confirmation message", "Eero Niemi")
    house.deliver()
    assert house.status(person.email) == "pending"
    hands.press("Log out", "Log in")

    guest.tab.goto(person.link("confirm"))
    hands.press("I did not ask, do not write to me", "We will not write to you")
    assert house.kinds(person.email) == ["requested", "sent", "declined"]
    assert (guest.complaints, guest.strays) == ([], [])
