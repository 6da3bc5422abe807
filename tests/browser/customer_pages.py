"""The states of the pages of customers, found as in places.py."""

import uuid
from datetime import timedelta

from sqlalchemy import insert

from consent_service import service as services
from consent_service.models.customers import customer, customer_document
from consent_service.register import customer_erasure as erasing
from tests.browser.guest import LONG_EMAIL, LONG_FIRST, LONG_LAST, NUMBERS, Guest
from tests.browser.houses import STAFF
from tests.browser.places import Place, place
from tests.register import VALO, add_customer

CUSTOMERS: list[Place] = []

LONG = {
    "kind": "company", "company_name": f"{LONG_LAST} {LONG_FIRST} Oy"[:200], "first_name": LONG_FIRST,
    "last_name": LONG_LAST[:100], "street": f"{LONG_LAST} 1 A 2"[:200], "city": LONG_LAST[:100],
    "notes": f"{LONG_LAST}\n\n{LONG_LAST}",
    "einvoice_address": "003732994716" + "A" * 5, "billing_address": LONG_LAST * 2, "billing_reference": "9" * 100,
    "source": "other", "source_note": LONG_LAST[:150],
}  # fmt: skip


def _open(guest: Guest, path: str = "") -> Guest:
    return guest.let_in(STAFF).open(f"/staff/customers{path}")


def _one(guest: Guest, **changed: object) -> str:
    """Somebody new with a very long name, and the path of their page."""
    return "/" + add_customer(guest.house, LONG_EMAIL.format(next(NUMBERS)), **LONG | changed)


def _with_document(guest: Guest) -> str:
    path = _one(guest)
    values = {
        "id": str(uuid.uuid4()), "customer_id": path[1:], "kind": "invoice", "title": "Lasku 7", "binder": "2026",
        "dated_on": "2026-02-01", "retention_class": "voucher", "added_at": services.now(), "added_by": "Heidi",
        "keep_until": (services.now() + timedelta(days=900)).date().isoformat(),
    }  # fmt: skip
    with guest.house.service.transaction() as connection:
        connection.execute(insert(customer_document).values(values))
    return path


@place(CUSTOMERS, "empty", repeats=True)
def customers_none(guest: Guest) -> None:
    _open(guest)


@place(CUSTOMERS, "busy")
def customers_many(guest: Guest) -> None:
    if len(guest.house.rows(customer)) < 50:
        for number in range(50):
            add_customer(guest.house, f"asiakas.{number}@example.com", last_name=f"Järvinen {number}")
        add_customer(guest.house, "laskut@valo.example", **VALO)
    _one(guest, company_name="A" + LONG_LAST)
    _open(guest)


@place(CUSTOMERS, "busy")
def customers_none_found(guest: Guest) -> None:
    _open(guest, "?q=zzz&kind=company")


@place(CUSTOMERS, "empty", repeats=True)
def customer_add(guest: Guest) -> None:
    _open(guest, "/add")


@place(CUSTOMERS, "empty", is_wrong=True)
def customer_add_wrong(guest: Guest) -> None:
    _open(guest, "/add").tab.locator("#kind-company").check()
    guest.write(business_id="1", phone="soita", email="aino@", postal_code="4", einvoice_address="0037")
    guest.press("Add the customer")


@place(CUSTOMERS, "busy")
def customer_add_alike(guest: Guest) -> None:
    _one(guest, company_name="Valo & Varjo Oy")
    _open(guest, "/add").tab.locator("#kind-company").check()
    guest.write(company_name="Valo Varjo Oy", first_name=LONG_FIRST, last_name=LONG_LAST[:100])
    guest.tab.locator("#source").select_option("meeting")
    guest.press("Add the customer")


@place(CUSTOMERS, "busy")
def customer_show(guest: Guest) -> None:
    _open(guest, f"{_one(guest)}?did=added")


@place(CUSTOMERS, "busy", repeats=True)
def customer_show_consumer(guest: Guest) -> None:
    _open(guest, "/" + add_customer(guest.house, guest.confirmed().email, notes="Toivoo aikoja iltapäiviksi."))


@place(CUSTOMERS, "busy")
def customer_show_restricted(guest: Guest) -> None:
    path = _one(guest)
    _open(guest, f"{path}/restrict").write(reason=LONG_LAST).press("Only keep the data")


@place(CUSTOMERS, "busy", is_wrong=True)
def customer_restrict_wrong(guest: Guest) -> None:
    _open(guest, f"{_one(guest)}/restrict").press("Only keep the data")


@place(CUSTOMERS, "busy", repeats=True)
def customer_lift(guest: Guest) -> None:
    customer_show_restricted(guest)
    guest.tab.get_by_role("link", name=guest.say("Lift the restriction")).click()


@place(CUSTOMERS, "busy", is_wrong=True)
def customer_change_conflict(guest: Guest) -> None:
    path = _one(guest)
    _open(guest, f"{path}/change").tab.locator("#city").fill("Muurame")
    other = guest.tab.context.new_page()
    other.goto(f"{guest.house.url}/staff/customers{path}/change")
    other.locator("#street").fill("Satamakatu 4")
    other.locator("#city").fill(LONG_LAST[:99])
    other.get_by_role("button", name=guest.say("Save the changes")).click()
    other.wait_for_load_state()
    other.close()
    guest.press("Save the changes")


@place(CUSTOMERS, "busy", is_wrong=True)
def customer_erase_wrong(guest: Guest) -> None:
    _open(guest, f"{_with_document(guest)}/erase").press("Erase for good")


@place(CUSTOMERS, "busy", repeats=True)
def customer_erased(guest: Guest) -> None:
    path = _with_document(guest)
    with guest.house.service.transaction() as connection:
        erasing.erase(connection, services.now(), path[1:], services.now().date())
    _open(guest, path)


@place(CUSTOMERS, "busy", is_wrong=True)
def customer_merge_with_wrong(guest: Guest) -> None:
    _one(guest)
    _open(guest, f"{_one(guest)}/merge?number=999")


@place(CUSTOMERS, "busy")
def customer_merge(guest: Guest) -> None:
    other = _one(guest, company_name="Valo & Varjo Oy", street="Satamakatu 4", notes="Laskut postitse.")
    _open(guest, f"{_one(guest)}/merge{other}")
