"""Customers of the register as the tests of the staff's day need them: put there by the register itself."""

import uuid
from datetime import timedelta

from sqlalchemy import insert, update

from consent_service import service as services
from consent_service.models_customers import customer, customer_document
from consent_service.people import read_address
from consent_service.register import customers
from consent_service.register.customers import Details

TEN_YEARS = timedelta(days=3653)


def add(house, last_name, *, email=None, passive_for=None, **columns):
    """Somebody in the register, for how long passive if at all, with some columns set; returns the id."""
    address = read_address(email) if email else None
    details = Details(kind="consumer", source="phone", language="fi", first_name="Aino", last_name=last_name)
    with house.service.transaction() as connection:
        made = customers.add(connection, house.occasion("staff:1", "console"), details, "Heidi")
        values = dict(columns)
        if address:
            values |= {"email": address.email, "email_key": address.key}
        if passive_for:
            values |= {"status": "passive", "passive_since": services.now() - passive_for}
        if values:
            connection.execute(update(customer).where(customer.c.id == made).values(values))
    return made


def add_document(house, customer_id, keep_until, title="Lasku 17", retention_class="voucher"):
    """A document on paper that has to be kept until a day."""
    row = {
        "id": str(uuid.uuid4()),
        "customer_id": customer_id,
        "kind": "invoice",
        "title": title,
        "dated_on": "2024-01-10",
        "retention_class": retention_class,
        "keep_until": keep_until,
        "binder": "Kansio 1",
        "added_at": services.now(),
        "added_by": "Heidi",
    }
    with house.service.transaction() as connection:
        connection.execute(insert(customer_document).values(row))
