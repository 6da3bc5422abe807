"""Every column about a person, held against the file they get: it is told there, or stands here with a reason."""

import io
import json
import zipfile
from datetime import UTC, datetime

from sqlalchemy import insert, update

from consent_service.ledger import seal
from consent_service.models.customer_imports import customer_import, customer_import_row
from consent_service.models.customers import customer, customer_document, former_number, publication_permission
from consent_service.models.earlier_list import import_row
from consent_service.models.inbox import contact_message
from consent_service.models.newsletter import confirmation, subscriber
from consent_service.models.requests import data_request, data_request_task
from consent_service.models.reviews import kept_customer
from tests.actors import Visitor, fi
from tests.asker import Desk, add_asker, add_waiting
from tests.flows.test_customer_rights import add_document, add_permission
from tests.register import add_paper

WHOSE, FOUND_BY, STEPS = "whose it is", "how we find it: it says nothing more", "the work of the service"
BY_WHOM = "who of ours did it: about them, and in the log of access"
SAID = "said with another column"
# What is not told, of each table about a person, and why.
UNTOLD = {
    subscriber: {
        "email_key": FOUND_BY, "basis_event_id": SAID, "forwarded_event_id": STEPS, "seen_in_run": STEPS,
        "forwarded_link": STEPS, "tagged_event_id": STEPS,
    },
    confirmation: {
        "subscriber_id": WHOSE, "staff_id": BY_WHOM, "email_key": FOUND_BY, "first_name": SAID, "last_name": SAID,
        "import_batch_id": STEPS,
    },
    contact_message: {"id": FOUND_BY, "sent_key": FOUND_BY, "email_key": FOUND_BY},
    customer: {"id": FOUND_BY, "email_key": FOUND_BY, "search_text": FOUND_BY, "erased_at": "then there is nothing"},
    former_number: {"former_id": FOUND_BY, "customer_id": WHOSE, "merged_at": STEPS, "merged_by": BY_WHOM},
    kept_customer: {"customer_id": WHOSE},
    customer_document: {
        "id": FOUND_BY, "customer_id": WHOSE, "retention_class": SAID, "media_type": SAID, "size": SAID,
        "added_by": BY_WHOM,
    },
    publication_permission: {"id": FOUND_BY, "customer_id": WHOSE, "recorded_at": STEPS, "recorded_by": BY_WHOM},
    customer_import_row: {
        "import_id": WHOSE, "position": STEPS, "sheet": STEPS, "cells": "told cell by cell",
        "details": SAID, "problems": STEPS, "given_number": SAID,
        "state": STEPS, "customer_id": WHOSE, "match_id": STEPS, "match_by": STEPS, "choice": STEPS, "outcome": STEPS,
        "filled": STEPS,
    },
    import_row: {"id": FOUND_BY, "batch_id": STEPS, "email_key": FOUND_BY},
    data_request: {
        "received_by": BY_WHOM, "recorded_at": STEPS, "email_key": FOUND_BY, "subscriber_id": WHOSE,
        "customer_id": WHOSE, "mail_to": SAID, "language": STEPS, "due_on": SAID, "extension_told_on": STEPS,
        "alarmed_at": STEPS, "identity_at": STEPS, "identity_by": BY_WHOM, "closed_at": SAID, "closed_by": BY_WHOM,
        "forgotten_at": "then nobody is named",
    },
    data_request_task: {
        "request_number": WHOSE, "place": STEPS, "is_automatic": STEPS, "done_at": STEPS, "done_by": BY_WHOM,
        "done_identity": STEPS,
    },
}  # fmt: skip
AT = datetime(2026, 11, 3, 4, 5, 6, tzinfo=UTC)
EMPTY = (  # what the story below leaves empty, table by table
    (subscriber, {"passive_since": AT, "left_reason": "often", "hold_reason": "Riita.", "held_since": AT}),
    (
        confirmation,
        {"staff_name": "Heidi", "channel": "phone", "occasion": "Messut", "occasion_on": "2026-11-02"},
    ),
    (contact_message, {"closed_at": AT, "closed_by": "Heidi"}),
    (
        customer,
        {
            "company_name": "Mäkelä Tmi", "business_id": "3299471-6", "billing_email": "laskut@aino.example",
            "billing_address": "PL 7", "billing_reference": "PO 9", "einvoice_address": "003732994716",
            "einvoice_operator": "003721291126", "source_note": "Messuilta.", "status": "passive", "passive_since": AT,
            "restricted_at": AT, "restriction_reason": "Kiista.",
        },
    ),
    (customer_document, {"title": "Lasku 17", "financial_year_end": "2026-12-30", "ended_on": "2026-10-09"}),
    (publication_permission, {"until_on": "2027-01-08", "withdrawn_on": "2026-11-09"}),
    (import_row, {"invited_at": AT, "contact_id": "41776655"}),
)  # fmt: skip


def test_every_column_about_a_person_is_in_their_file(house):
    desk, aino = Desk(house), add_everything(house)
    desk.take("access", email="aino@example.com", phone="+358409876543", customer_number=aino.number, wish="Kaikki.")
    close(desk)
    desk.take("access", email="aino@example.com", customer_number=aino.number)
    desk.verify("seen", note="Ajokortti.")
    told = told_in(desk.open(f"/{desk.number}/file").answer.content)
    assert '["Aino", "Mäkelä", "vip"]' in told
    for table, untold in UNTOLD.items():
        rows = house.rows(table)
        for name in sorted(table.columns.keys() - untold.keys()):
            values = {as_told(getattr(row, name)) for row in rows} - {None}
            assert values, f"{table.name}.{name}: fill it in this test"
            assert all(value in told for value in values), f"{table.name}.{name} is in no file: {values}"
        assert set(untold) <= set(table.columns.keys()), "a column that is gone"


def add_everything(house):
    """Aino wherever a person can be, with a value in every column; her row in the register."""
    visitor = Visitor(house)
    visitor.subscribe(tracking="yes")
    house.deliver()
    house.get(visitor.link("confirm"), visitor.http).press(fi("Confirm both"))
    house.deliver()
    visitor.move_to("aino@uusi.example")
    visitor.write()
    aino = add_asker(house, notes="Puhuu nopeasti.")
    add_paper(house, aino.id, destroy_by="2027-02-03")
    add_document(house, aino.id)
    add_permission(house, aino.id)
    add_waiting(house, "outi@example.com")
    with house.service.transaction() as connection:
        for table, values in EMPTY:
            connection.execute(update(table).values(values))
        connection.execute(update(confirmation).where(confirmation.c.used_at.is_(None)).values(declined_at=AT))
        theirs = update(import_row).values(email="aino@example.com", email_key="aino@example.com")
        connection.execute(theirs)
        merged = {"number": 1777, "former_id": "0", "customer_id": aino.id, "merged_at": AT, "merged_by": "Heidi"}
        connection.execute(insert(former_number).values(merged))
        kept = {"customer_id": aino.id, "until_on": "2027-05-06", "reason": "Palaa.", "kept_at": AT, "kept_by": "Liisa"}
        connection.execute(insert(kept_customer).values(kept))
        add_row(connection, aino.id)
    return aino


def add_row(connection, customer_id):
    """The row of a spreadsheet that became a customer."""
    file = {"id": "1", "file_name": "asiakkaat.csv", "digest": "0", "state": "applied", "created_by": "Heidi"}
    file |= {"created_at": AT, "waiting_since": AT, "done": 1, "total": 1, "tries": 0}
    connection.execute(insert(customer_import).values(file))
    row = {"import_id": "1", "position": 1, "sheet": 0, "number": 6543, "customer_id": customer_id}
    connection.execute(insert(customer_import_row).values(row | {"cells": '["Aino", "Mäkelä", "vip"]'}))


def close(desk):
    """Answer the request with everything that staff can note about one."""
    desk.verify("call_back", note="Soitin takaisin.")
    desk.page("extension").press(fi("Extend and tell the person"), note="Arkisto on muuttamassa.")
    desk.carry_out()
    desk.house.deliver()
    desk.carry_out()
    desk.tick_all()
    desk.close("part", ground="others", answer="Tässä on kaikki.")


def told_in(package):
    """All that the files for other programs say, as one text."""
    with zipfile.ZipFile(io.BytesIO(package)) as folder:
        files = [folder.read(name).decode() for name in folder.namelist() if name.endswith(".json")]
    return "".join(json.dumps(json.loads(file), ensure_ascii=False) for file in files)


def as_told(value):
    """A value as those files write it."""
    if isinstance(value, datetime):
        return seal.timestamp(value)
    return json.dumps(value, ensure_ascii=False).strip('"') if value is not None else None
