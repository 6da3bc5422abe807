"""Somebody calls about their data, and Heidi does it all with the keyboard, in a browser that runs no script."""

import re

import pytest

from consent_service.models.customers import customer
from tests.asker import add_asker
from tests.browser.houses import STAFF
from tests.browser.test_by_keyboard import Hands
from tests.register import add_paper

pytestmark = pytest.mark.browser


@pytest.fixture
def guest(visit, tab_without_scripts, houses):
    return visit(tab_without_scripts, houses["town"], "fi").let_in(STAFF)


def add(guest, hands, downwards, person, number):
    guest.open("/staff/")
    hands.press("Requests", "Requests about data")
    hands.press("Add a request", "Add a request")
    hands.choose("kind", downwards).choose("channel", 1)
    hands.write(name="Aino Mäkelä", email=person.email, customer_number=str(number))
    hands.go_to(guest.say("Add the request"))
    guest.tab.keyboard.press("Enter")
    guest.tab.wait_for_url(re.compile(r"/data-requests/\d+"))
    title = guest.say("Request %(number)s", number=re.search(r"/data-requests/(\d+)", guest.tab.url)[1])
    hands.sees(title)
    return title


def verify(guest, hands, title, downwards):
    hands.press("Note how you checked who is asking", "How did you check who is asking?")
    hands.choose("method", downwards)
    hands.press("Note it", title)


def tick(guest, hands, title, *places):
    for place in places:
        hands.press(guest.say("Note as done: %(place)s", place=guest.say(place)), "Note what you have done")
        hands.write(note="ei löytynyt mitään")
        hands.press("It is done", title)


def test_a_customer_calls_and_wants_everything_erased(guest):
    house, person, hands = guest.house, guest.confirmed(), Hands(guest)
    aino = add_asker(house, person.email)
    add_paper(house, aino.id, id=aino.id)
    title = add(guest, hands, 3, person, aino.number)
    verify(guest, hands, title, 2)
    hands.press("Let the service do its part", "Let the service do its part")
    hands.write(name="Aino Mäkelä")
    hands.press("Erase for good", title)
    house.deliver()
    tick(guest, hands, title, "Old spreadsheets", "The binder", "E-mails and text messages", "The accountant")
    hands.press("Close the request", "Close the request")
    hands.choose("outcome", 2).choose("ground", 1)
    hands.press("Close and answer", title)
    hands.press("The answer", f"Vastauksemme pyyntöösi (numero {title.rpartition(' ')[2]})")
    assert "Lasku, päivätty 1.3.2026: säilytetään" in guest.tab.locator("main").inner_text()
    assert house.person(person.email) is None
    [left] = [row for row in house.rows(customer) if row.id == aino.id]
    assert (left.last_name, left.email, left.phone, left.erased_at is not None) == (None, None, None, True)
    house.deliver()
    assert "säilytetään" in person.newest().text
    assert (guest.complaints, guest.strays) == ([], [])


def test_someone_asks_what_we_hold(guest):
    house, person, hands = guest.house, guest.confirmed(), Hands(guest)
    aino = add_asker(house, person.email)
    title = add(guest, hands, 1, person, aino.number)
    verify(guest, hands, title, 1)
    hands.press("Let the service do its part", "Let the service do its part")
    hands.press("Do it now", title)
    house.deliver()
    tick(guest, hands, title, "Old spreadsheets", "The binder", "E-mails and text messages")
    hands.go_to(guest.say("Download the file to hand over"))
    with guest.tab.expect_download() as download:
        guest.tab.keyboard.press("Enter")
    assert download.value.suggested_filename == f"tiedot-{title.rpartition(' ')[2]}.zip"
    guest.open(f"/staff/data-requests/{title.rpartition(' ')[2]}")
    hands.press("Close the request", "Close the request")
    hands.choose("outcome", 1)
    hands.press("Close and answer", title)
    house.deliver()
    assert "Saat meiltä kaikki tietosi yhdessä tiedostossa" in " ".join(person.newest().text.split())
