"""“Bring in the old Excel file”, in Finnish, with the keyboard alone and without scripts."""

import threading

import pytest

from consent_service.models.customers import customer
from consent_service.register.importing import Importing
from tests.actors import Staff
from tests.browser.houses import STAFF
from tests.browser.test_by_keyboard import Hands
from tests.sheets import HEADINGS, KEINUMA, xlsx

pytestmark = pytest.mark.browser


def test_the_old_excel_file_comes_in_and_out_again(visit, tab_without_scripts, houses):
    guest = visit(tab_without_scripts, houses["town"], "fi")
    house, tab, hands = guest.house, guest.tab, Hands(guest)
    tab.set_viewport_size({"width": 1280, "height": 1024})

    def work():
        relay = Importing(house.service, threading.Event())
        while relay.step():
            pass

    guest.open("/staff/login")
    hands.write(email=STAFF, password=Staff.PASSWORD)
    hands.press_and_be_in("Log in")
    guest.open("/staff/customers/imports")
    hands.go_to("file")
    bad = [None, "Iida", None, None, None, "0401112222"]
    aino = [None, "Aino", "Tiilikainen", None, None, "050 999 8877", "aino.tiilikainen@example.com"]
    content = xlsx(HEADINGS, aino, [*KEINUMA[:4], "1234567-1", *KEINUMA[5:]], bad)
    file = {"name": "vanhat asiakkaat.xlsx", "mimeType": "application/octet-stream", "buffer": content}
    tab.locator("#file").set_input_files(file)
    hands.press("Send the file", "The file is being read")
    work()
    hands.sees("What are the columns?")  # the page has opened itself anew
    hands.press("Check the rows", "The rows are being checked")
    work()
    hands.sees("Waits for you: is this right?")
    hands.press("Cannot be added", "Cannot be added")
    assert guest.say("The row has neither a last name nor a company.") in tab.locator("main").inner_text()
    tab.go_back()
    before = len(house.rows(customer))
    hands.go_to("Lisää nämä 2 rekisteriin")
    tab.keyboard.press("Enter")
    hands.sees("The customers are being added")
    work()
    hands.sees("Done")
    assert len(house.rows(customer)) == before + 2
    hands.press("Undo the import", "Take this import out of the register again?")
    hands.press("Undo the import", "Being undone")
    work()
    hands.sees("Undone")
    assert len(house.rows(customer)) == before
    assert (guest.complaints, guest.strays) == ([], [])
