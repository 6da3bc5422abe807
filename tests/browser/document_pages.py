"""The states of the staff pages for documents, publication permissions and binders, found as in places.py."""

from datetime import timedelta

from consent_service import service as services
from consent_service.models.customers import customer
from consent_service.register import binders, customers, documents, keeping, publication
from consent_service.register import customer_erasure as erasing
from consent_service.register.customers import Details
from consent_service.register.documents import Described, File, Filing
from consent_service.register.publication import Permitted
from tests.browser.guest import LONG_FIRST, LONG_LAST, NUMBERS, Guest
from tests.browser.houses import STAFF
from tests.browser.places import Place, place
from tests.filing import PDF

DOCUMENTS: list[Place] = []
LONG = "pitkäsanayhdistelmävailla" * 5
DAY = timedelta(days=1)


def a_customer(guest: Guest, **known: object) -> str:
    """Somebody with a long name, unless told otherwise."""
    called = {"kind": "consumer", "first_name": LONG_FIRST, "last_name": LONG_LAST} | known
    with guest.house.service.transaction() as connection:
        details = Details(source="meeting", language="fi", **called)
        return customers.add(connection, guest.house.occasion("staff:1", "console"), details, "Heidi")


def _filing(customer_id: str) -> Filing:
    return Filing(customer_id, f"00000000-0000-4000-8000-{next(NUMBERS):012}", "Heidi")


def a_document(guest: Guest, customer_id: str, kind: str, **noted: object) -> str:
    """A file, or a paper if a binder is named."""
    today = services.now().date()
    kept_as = keeping.KINDS[kind].classes[0]
    year_end = keeping.year_end(today, "12-31")
    known = {"kind": kind, "kept_as": kept_as, "dated_on": today, "title": LONG, "financial_year_end": year_end}
    described, filing = Described(**known | noted), _filing(customer_id)
    file = None if described.binder else File(f"{LONG}.pdf", "application/pdf", PDF)
    with guest.house.service.transaction() as connection:
        documents.add(connection, guest.house.occasion("staff:1", "console"), filing, described, file)
    return filing.id


def _permission(guest: Guest, customer_id: str, **noted: object) -> str:
    today, filing = services.now().date(), _filing(customer_id)
    known = {"what": f"Nimi ja logo {LONG}", "places": "Verkkosivu ja Instagram", "given_on": today, "until_on": None}
    with guest.house.service.transaction() as connection:
        occasion = guest.house.occasion("staff:1", "console")
        publication.record(connection, occasion, filing, Permitted(**known | noted))
    return filing.id


def _open(guest: Guest, path: str) -> Guest:
    return guest.let_in(STAFF).open(f"/staff/{path}")


def _documents(guest: Guest, customer_id: str, tail: str = "") -> Guest:
    return _open(guest, f"customers/{customer_id}/documents{tail}")


@place(DOCUMENTS, "town", repeats=True)
def customer_documents_none(guest: Guest) -> None:
    _documents(guest, a_customer(guest))


@place(DOCUMENTS, "town")
def customer_documents(guest: Guest) -> None:
    customer_id = a_customer(guest)
    for kind in keeping.KINDS:
        a_document(guest, customer_id, kind)
    a_document(guest, customer_id, "consent_form", binder="A", page="14")
    for until in (None, services.now().date()):
        _permission(guest, customer_id, until_on=until)
    _documents(guest, customer_id)


@place(DOCUMENTS, "town", repeats=True)
def customer_documents_erased(guest: Guest) -> None:
    customer_id = a_customer(guest)
    a_document(guest, customer_id, "invoice")
    with guest.house.service.transaction() as connection:
        erasing.erase(connection, services.now(), customer_id, services.now().date())
    _documents(guest, customer_id)


@place(DOCUMENTS, "town", repeats=True)
def customer_document_kinds(guest: Guest) -> None:
    _documents(guest, a_customer(guest), "/add")


@place(DOCUMENTS, "town")
def customer_document_add(guest: Guest) -> None:
    _documents(guest, a_customer(guest), "/add?kind=contract")


@place(DOCUMENTS, "town", is_wrong=True)
def customer_document_add_wrong(guest: Guest) -> None:
    _documents(guest, a_customer(guest), "/add?kind=other").press("Save the document")


@place(DOCUMENTS, "town", is_wrong=True)
def customer_document_add_consent_form_wrong(guest: Guest) -> None:
    _documents(guest, a_customer(guest), "/add?kind=consent_form").write(page="3").press("Save the document")


@place(DOCUMENTS, "town", repeats=True)
def customer_document_contract(guest: Guest) -> None:
    customer_id = a_customer(guest)
    _documents(guest, customer_id, f"/{a_document(guest, customer_id, 'contract')}")


@place(DOCUMENTS, "town", repeats=True)
def customer_document_invoice_on_paper(guest: Guest) -> None:
    customer_id = a_customer(guest)
    _documents(guest, customer_id, f"/{a_document(guest, customer_id, 'invoice', binder=LONG[:100], page='14')}")


@place(DOCUMENTS, "town", is_wrong=True)
def customer_document_change_wrong(guest: Guest) -> None:
    customer_id = a_customer(guest)
    _documents(guest, customer_id, f"/{a_document(guest, customer_id, 'consent_form', binder='A')}/change")
    guest.write(dated_on="2999-01-01", binder="").press("Save the changes")


@place(DOCUMENTS, "town", repeats=True)
def customer_document_remove(guest: Guest) -> None:
    customer_id = a_customer(guest)
    _documents(guest, customer_id, f"/{a_document(guest, customer_id, 'work_plan')}/remove")


@place(DOCUMENTS, "town")
def customer_document_remove_kept(guest: Guest) -> None:
    customer_id = a_customer(guest)
    _documents(guest, customer_id, f"/{a_document(guest, customer_id, 'invoice')}/remove")


@place(DOCUMENTS, "town")
def customer_document_removed(guest: Guest) -> None:
    customer_id = a_customer(guest)
    document_id = a_document(guest, customer_id, "work_plan", binder="A", page="3")
    _documents(guest, customer_id, f"/{document_id}/remove").press("Remove for good")


@place(DOCUMENTS, "town", repeats=True)
def customer_closed(guest: Guest) -> None:
    customer_id = a_customer(guest)
    with guest.house.service.transaction() as connection:
        values = {"restricted_at": services.now(), "restriction_reason": "kiistää laskun"}
        connection.execute(customer.update().where(customer.c.id == customer_id).values(values))
    _documents(guest, customer_id, "/add")


@place(DOCUMENTS, "town", is_wrong=True)
def publication_permission_add_wrong(guest: Guest) -> None:
    _open(guest, f"customers/{a_customer(guest)}/publication-permissions/add").press("Save the permission")


@place(DOCUMENTS, "town", repeats=True)
def publication_permission(guest: Guest) -> None:
    _open(guest, f"publication-permissions/{_permission(guest, a_customer(guest))}")


@place(DOCUMENTS, "town")
def publication_permission_withdrawn(guest: Guest) -> None:
    _open(guest, f"publication-permissions/{_permission(guest, a_customer(guest))}")
    guest.press("The customer has taken it back")


@place(DOCUMENTS, "unconnected", repeats=True)
def publication_permissions_none(guest: Guest) -> None:
    _open(guest, "publication-permissions")


@place(DOCUMENTS, "town")
def publication_permissions(guest: Guest) -> None:
    customer_id, today = a_customer(guest), services.now().date()
    for until in (None, today + DAY, today + 60 * DAY):
        _permission(guest, customer_id, until_on=until)
    _open(guest, "publication-permissions")


@place(DOCUMENTS, "unconnected", repeats=True)
def binders_none(guest: Guest) -> None:
    _open(guest, "binders")


@place(DOCUMENTS, "town")
def binders_some(guest: Guest) -> None:
    customer_id, today = a_customer(guest), services.now().date()
    a_document(guest, customer_id, "consent_form", binder="A", page="14", destroy_by=today)
    a_document(guest, customer_id, "invoice", binder="B", page="2")
    _open(guest, "binders")


@place(DOCUMENTS, "town", repeats=True)
def binders_shredded(guest: Guest) -> None:
    today = services.now().date()
    paper = a_document(guest, a_customer(guest), "consent_form", binder="A", page="15", destroy_by=today)
    with guest.house.service.transaction() as connection:
        assert binders.destroy(connection, guest.house.occasion("staff:1", "console"), paper, "Heidi", today)
    _open(guest, "binders/shredded")
