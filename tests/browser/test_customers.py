"""Staff with the keyboard alone: a company added, a customer searched for while typing, and without scripts."""

import pytest
from playwright.sync_api import expect

from consent_service.language import language
from consent_service.models.customers import customer
from tests.actors import Staff
from tests.browser.houses import STAFF
from tests.browser.test_by_keyboard import Hands
from tests.register import add_customer, customer_of

pytestmark = pytest.mark.browser


def test_somebody_adds_a_company_by_keyboard_alone(visit, tab, houses):
    guest = visit(tab, houses["town"], "fi")
    hands, keys = Hands(guest), tab.keyboard
    guest.open("/staff/")
    hands.write(email=STAFF, password=Staff.PASSWORD)
    hands.press_and_be_in("Log in")
    hands.press("Customers", "Customers")
    hands.press("Add a customer", "Add a customer")
    hands.go_to("kind")
    keys.press("ArrowDown")
    hands.write(company_name="Kuunsäde Oy", business_id="32994716", last_name="Niemi", first_name="Eero")
    hands.write(phone="040 7654321", email="eero@kuunsade.example", street="Satamakatu 4", postal_code="4010")
    hands.write(city="Jyväskylä", einvoice_address="003732994716", billing_reference="PO 7")
    hands.choose("source", 2)
    hands.press("Add the customer", "Add a customer")
    tab.locator(".summary:focus").wait_for()
    hands.go_to(guest.say("A Finnish post code has five digits, for example 40100."))
    keys.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "postal_code"
    keys.press("End")
    keys.insert_text("0")
    hands.go_to(guest.say("Add the customer"))
    keys.press("Enter")
    tab.get_by_role("heading", level=1, name="Kuunsäde Oy").wait_for()
    row = next(row for row in guest.house.rows(customer) if row.company_name == "Kuunsäde Oy")
    assert (row.phone, row.postal_code, row.source, row.billing_reference) == (
        "+358407654321",
        "40100",
        "contract",
        "PO 7",
    )
    assert (guest.complaints, guest.strays) == ([], [])


def furnished(houses):
    house = houses["drifted"]
    if not house.rows(customer):
        for name in ("Järvinen", "Korhonen", "Mäkelä"):
            add_customer(house, None, last_name=name, phone=None)
    return house


def test_the_list_follows_what_is_typed(visit, tab, houses):
    guest = visit(tab, furnished(houses), "fi")
    guest.let_in(STAFF).open("/staff/customers")
    hands = Hands(guest)
    hands.go_to("q")
    rows = tab.locator("#found tbody tr")
    assert rows.count() == 3
    tab.keyboard.type("korh", delay=20)
    expect(rows).to_have_count(1)
    assert tab.evaluate("document.activeElement.id") == "q", "whoever types goes on typing"
    assert tab.locator("form [role=status]").text_content() == language("fi").count("One customer", "", 1)
    assert "q=korh" in tab.url
    tab.keyboard.type("zz")
    tab.get_by_text(guest.say("No customer matches.")).last.wait_for()
    for _ in "korhzz":
        tab.keyboard.press("Backspace")
    expect(rows).to_have_count(3)
    assert (guest.complaints, guest.strays) == ([], [])
    hands.go_to("Mäkelä Aino")
    tab.keyboard.press("Enter")
    tab.get_by_role("heading", level=1, name="Aino Mäkelä").wait_for()
    tab.go_back()
    assert rows.count() == 3


def test_what_is_typed_is_what_goes_into_excel(visit, tab, houses):
    guest = visit(tab, furnished(houses), "fi")
    guest.let_in(STAFF).open("/staff/customers")
    Hands(guest).go_to("q")
    tab.keyboard.type("korh", delay=20)
    expect(tab.locator("#found tbody tr")).to_have_count(1)
    link = tab.get_by_role("link", name=guest.say("Export this list to Excel"))
    expect(link).to_have_attribute("href", "/staff/customers/export?q=korh")


def test_without_scripts_the_same_is_found_with_the_button(visit, tab_without_scripts, houses):
    tab = tab_without_scripts
    guest = visit(tab, furnished(houses), "fi")
    guest.let_in(STAFF).open("/staff/customers")
    hands = Hands(guest)
    hands.write(q="korh")
    hands.go_to(guest.say("Search"))
    tab.keyboard.press("Enter")
    tab.wait_for_url("**q=korh*")
    assert tab.locator("#found tbody tr").count() == 1
    guest.open("/staff/customers/add")
    tab.locator("#kind-company").check()
    assert tab.locator("#company_name").is_visible() and tab.locator("#billing_email").is_visible()


def test_whose_session_has_ended_is_asked_to_log_in(visit, tab, houses):
    guest = visit(tab, furnished(houses), "fi")
    guest.let_in(STAFF).open("/staff/customers")
    tab.context.clear_cookies()
    Hands(guest).go_to("q")
    tab.keyboard.type("korh")
    tab.wait_for_url("**/staff/login*")
    assert customer_of(guest.house)
