"""A register with something behind every address: customers, their papers, a request, an import, a breach."""

from datetime import date
from uuid import uuid4

from consent_service import breaches
from consent_service import service as services
from consent_service.breaches import Facts
from consent_service.models.customers import customer_document
from consent_service.register import customer_imports, documents, publication, shredding
from consent_service.register.document_files import PDF
from consent_service.register.documents import Described, File, Filing
from consent_service.register.publication import Permitted
from consent_service.rights import data_requests
from consent_service.rights.data_requests import Told
from tests.register import TEN_YEARS, VALO, add_customer, add_somebody

DAY = date(2024, 2, 15)


def furnish_register(house) -> dict[str, object]:
    """Put one of everything into the register; the ids by the names that addresses have for them."""
    known = {"customer_id": add_customer(house), "other_id": add_customer(house, "valo@valo.example", **VALO)}
    known["passive_id"] = add_somebody(house, "Rantanen", passive_for=TEN_YEARS)
    occasion, now = house.occasion("staff:1", "console"), services.now()
    filing, permission = (Filing(known["customer_id"], str(uuid4()), "Heidi") for _ in range(2))
    invoice = Described(kind="invoice", kept_as="voucher", dated_on=DAY, financial_year_end=date(2024, 12, 31))
    permitted = Permitted(what="Kuva", places="Kotisivut", given_on=DAY, until_on=None)
    told = {"kind": "access", "channel": "phone", "received_on": DAY, "language": "fi", "name": "Aino Järvinen"}
    facts = Facts(
        noticed_at=now,
        what="Puhelin katosi",
        happened="Jäi junaan.",
        kinds_of_data="Nimiä",
        people=2,
        consequences=None,
        measures=None,
        risk="unknown",
        risk_reason=None,
    )
    with house.service.transaction() as connection:
        documents.add(connection, occasion, filing, invoice, File("lasku.pdf", PDF, b"%PDF-1.7 lasku"))
        publication.record(connection, occasion, permission, permitted)
        known["number"] = data_requests.take(connection, occasion, Told(**told, customer_number=1001), "Heidi")
        data_requests.verify(connection, now, known["number"], "known", None, "Heidi")
        known["import_id"] = customer_imports.take(connection, now, "asiakkaat.csv", b"Sukunimi\nNiemi\n", "Heidi")
        known["breach_id"] = breaches.add(connection, now, facts, "Heidi")
    known |= {"document_id": filing.id, "permission_id": permission.id}
    return known | {"paper_id": _shredded(house, filing), "kind": "received", "place": "customer", "state": "new"}


def _shredded(house, filing: Filing) -> str:
    """A paper whose entry is gone and which somebody has to shred."""
    form = Described(kind="consent_form", kept_as="other", dated_on=DAY, binder="A", page="7")
    paper = Filing(filing.customer_id, str(uuid4()), "Heidi")
    with house.service.transaction() as connection:
        documents.add(connection, house.occasion("staff:1", "console"), paper, form)
        row = connection.execute(customer_document.select().where(customer_document.c.id == paper.id)).one()
        shredding.leave(connection, [row], DAY)
    return paper.id
