"""Customers of the stories: added as the pages do it, without opening one."""

from datetime import timedelta
from uuid import uuid4

from sqlalchemy import update

from consent_service import service as services
from consent_service.models.customers import customer, customer_document
from consent_service.people import read_address
from consent_service.register import customers
from consent_service.register.customers import Details
from tests.household import Household

TEN_YEARS = timedelta(days=3653)
AINO = {
    "kind": "consumer", "first_name": "Aino", "last_name": "Järvinen", "phone": "+358401234567",
    "street": "Kauppakatu 1 A 2", "postal_code": "40100", "city": "Jyväskylä", "country": "FI",
}  # fmt: skip
VALO = {
    "kind": "company", "company_name": "Valo & Varjo Oy", "business_id": "3299471-6", "first_name": "Eero",
    "last_name": "Niemi", "phone": "+358142345678", "street": "Satamakatu 4", "postal_code": "40100",
    "city": "Jyväskylä", "country": "FI", "einvoice_address": "003732994716", "einvoice_operator": "003721291126",
    "billing_email": "laskut@valo.example", "billing_reference": "PO 7",
}  # fmt: skip


def add_customer(house: Household, email: str | None = "aino@example.com", **changed: object) -> str:
    """Take Aino into the register, or whom `changed` makes of her, and return the id."""
    values = AINO | {"source": "phone", "language": "fi"} | changed
    address = read_address(email) if email else None
    with house.service.transaction() as connection:
        occasion = house.occasion("staff:1", "console")
        return customers.add(connection, occasion, Details(**values, address=address), "Heidi")


def add_somebody(house: Household, last_name: str, *, email=None, passive_for=None, **columns: object) -> str:
    """Somebody in the register, for how long passive if at all, with some columns set; returns the id."""
    made = add_customer(house, email, last_name=last_name, phone=None)
    passive = {"status": "passive", "passive_since": services.now() - passive_for} if passive_for else {}
    if values := columns | passive:
        with house.service.transaction() as connection:
            connection.execute(update(customer).where(customer.c.id == made).values(values))
    return made


def customer_of(house: Household, number: int = 1001):
    """The row of the customer with a number."""
    return next(row for row in house.rows(customer) if row.number == number)


def add_paper(house: Household, customer_id: str, **columns: object) -> None:
    """An invoice that the law keeps, on paper in a binder, or what `columns` make of it."""
    now = services.now()
    invoice = {
        "id": str(uuid4()),
        "customer_id": customer_id,
        "kind": "invoice",
        "title": "Lasku 17",
        "dated_on": "2026-03-01",
        "retention_class": "voucher",
        "keep_until": (now.date() + timedelta(days=2000)).isoformat(),
        "binder": "Laskut 2026",
        "page": "17",
        "added_at": now,
        "added_by": "Heidi",
    }
    with house.service.transaction() as connection:
        connection.execute(customer_document.insert().values(**invoice | columns))
