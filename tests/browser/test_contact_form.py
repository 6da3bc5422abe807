"""Writing to the company with the keyboard alone, in a browser that runs no script."""

import pytest

from consent_service.models.inbox import contact_message
from tests.browser.street import SPOKEN
from tests.browser.test_by_keyboard import Hands

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("code", SPOKEN)
def test_somebody_writes_and_asks_for_the_newsletter_too(visit, tab_without_scripts, houses, code):
    guest = visit(tab_without_scripts, houses["town"], code)
    house, person, hands = guest.house, guest.somebody(), Hands(guest)
    guest.open("/subscribe")
    hands.go_to(guest.say("Contact us"))
    guest.tab.keyboard.press("Enter")
    hands.sees("Contact us")
    hands.write(first_name="Aino", last_name="Mäkelä", email=person.email).choose("reason", 2)
    hands.press("Send the message", "Contact us")
    guest.tab.locator(".summary:focus").wait_for()
    assert guest.tab.locator("#email").input_value() == person.email
    hands.write(message="Hei!\nHaluaisin tarjouksen.").tick("consent")
    hands.press("Send the message", "Your message has been sent")
    [written] = [row for row in house.rows(contact_message) if row.email == person.email]
    assert (written.reason, written.message, written.language) == ("offer", "Hei!\nHaluaisin tarjouksen.", code)
    house.deliver()
    assert house.status(person.email) == "pending"
    assert (guest.complaints, guest.strays, guest.cookies) == ([], [], [])
