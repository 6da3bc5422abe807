"""A clerk files a contract and an invoice of a company with the keyboard alone, in a browser that runs no script."""

import pytest

from consent_service.models.customers import customer_document
from tests.actors import Staff
from tests.browser.document_pages import a_customer
from tests.browser.houses import STAFF
from tests.browser.test_by_keyboard import Hands
from tests.filing import PDF

pytestmark = pytest.mark.browser


def mine(house, customer_id):
    return {row.kind: row for row in house.rows(customer_document) if row.customer_id == customer_id}


def test_a_contract_and_an_invoice_of_a_company(visit, tab_without_scripts, houses, tmp_path):
    guest = visit(tab_without_scripts, houses["town"], "fi")
    house, hands = guest.house, Hands(guest)
    company = a_customer(guest, kind="company", company_name="Metsä & Järvi Oy", first_name=None, last_name=None)
    where = guest.say("Documents of %(name)s", name="Metsä & Järvi Oy")
    letter = tmp_path / "lasku 2026-1042.pdf"
    letter.write_bytes(PDF)

    guest.open("/staff/")
    hands.write(email=STAFF, password=Staff.PASSWORD)
    hands.press_and_be_in("Log in")

    guest.open(f"/staff/customers/{company}/documents")
    hands.press("Add a document", "What kind of document is it?")
    hands.press("Coaching contract", guest.say("Add: %(kind)s", kind=guest.say("Coaching contract")))
    hands.go_to(guest.say("Save the document"))
    tab_without_scripts.keyboard.press("Enter")
    tab_without_scripts.locator(".summary:focus").wait_for()
    hands.write(title="kevät 2026").go_to("dated_on")
    tab_without_scripts.keyboard.type("02152026")
    hands.write(binder="A", page="14")
    hands.press("Save the document", f"{guest.say('Coaching contract')}: kevät 2026")
    contract = mine(house, company)["contract"]
    assert (contract.dated_on, contract.binder, contract.page, contract.keep_until) == ("2026-02-15", "A", "14", None)

    hands.press(f"← {where}", where)
    hands.press("Add a document", "What kind of document is it?")
    hands.press("Invoice", guest.say("Add: %(kind)s", kind=guest.say("Invoice")))
    hands.write(title="2026-1042").go_to("dated_on")
    tab_without_scripts.keyboard.type("03312026")
    with tab_without_scripts.expect_file_chooser() as chooser:  # asked for early: the browser takes a moment to agree
        hands.go_to("file")
        tab_without_scripts.keyboard.press("Enter")
    chooser.value.set_files(letter)
    hands.press("Save the document", f"{guest.say('Invoice')}: 2026-1042")
    invoice = mine(house, company)["invoice"]
    assert (invoice.dated_on, invoice.file_name, invoice.keep_until) == ("2026-03-31", letter.name, "2032-12-31")

    hands.go_to(guest.say("Download the file"))
    with tab_without_scripts.expect_download() as download:
        tab_without_scripts.keyboard.press("Enter")
    assert download.value.suggested_filename == letter.name
    assert download.value.path().read_bytes() == PDF
    assert (guest.complaints, guest.strays) == ([], [])
