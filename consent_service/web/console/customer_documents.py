"""Staff pages for a customer's documents: file one, open it, note something else of it, remove it.

A file is handed out as a download and never shown. Contains no rule.
"""

from typing import Any

from flask import Blueprint, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_security import current_user
from sqlalchemy import Connection, Row

from consent_service.language import mark
from consent_service.ledger.vault import VaultRefused
from consent_service.register import customers, documents, keeping, publication
from consent_service.register.documents import CustomerClosed, Described, DocumentKept, Filing, KeptLonger
from consent_service.register.keeping import CLASSES, KINDS
from consent_service.staff import access_log
from consent_service.staff.staff_accounts import OWNER
from consent_service.web.accounts import by_staff
from consent_service.web.console.document_forms import AddForm, ChangeForm
from consent_service.web.files import download as download_of
from consent_service.web.pages import link_to
from consent_service.web.visitor import service, today

customer_documents = Blueprint("customer_documents", __name__, url_prefix="/customers/<uuid:customer_id>/documents")

KEPT_LONGER = mark("This document has to be kept for longer than that. Only an owner may shorten it: ask one of them.")


@customer_documents.app_template_global("kept_of")
def kept_of(document: Row[Any]) -> documents.Kept | None:
    """Why a document must stay today, and until when; None when nothing keeps it."""
    return documents.kept(document, today())


@customer_documents.app_template_filter("document_kind")
def document_kind(kind: str) -> str:
    """What a kind of document is called, as a message id."""
    return KINDS[kind].name


@customer_documents.errorhandler(413)
def too_large(_error: Exception) -> ResponseReturnValue:
    """A file so large that it was not even read."""
    customer_id = (request.view_args or {}).get("customer_id")
    return render_template("console/customer_document_too_large.html", customer_id=customer_id), 413


@customer_documents.get("")
def show_all(customer_id: Any) -> ResponseReturnValue:
    """A customer's documents and permissions."""
    customer = customer_of(customer_id)
    with service().reading() as connection:
        filed = documents.of_customer(connection, customer.id)
        permissions = publication.of_customer(connection, customer.id, today())
    return render_template(
        "console/customer_documents.html",
        customer=customer,
        documents=filed,
        permissions=permissions,
        did=request.args.get("did"),
    )


@customer_documents.get("/add")
def show_add(customer_id: Any) -> ResponseReturnValue:
    """Ask which kind, then the form for that kind."""
    customer, kind = customer_of(customer_id), request.args.get("kind", "")
    if customer.restricted_at or customer.erased_at:
        return closed(customer)
    if kind not in KINDS:
        return render_template("console/customer_document_kinds.html", customer=customer, kinds=KINDS)
    return _add_page(customer, AddForm(data={"kind": kind, "kept_as": KINDS[kind].classes[0]}))


@customer_documents.post("/add")
def add(customer_id: Any) -> ResponseReturnValue:
    """File a document; the same form sent again files it once."""
    customer, form = customer_of(customer_id), AddForm()
    if form.kind.data not in KINDS:
        return render_template("console/customer_document_kinds.html", customer=customer, kinds=KINDS), 400
    if not form.validate():
        return _add_page(customer, form), 400
    filing = Filing(customer.id, form.filed_id.data, current_user.name)
    described = form.describe(_year_ends())
    try:
        with service().transaction() as connection:
            documents.add(connection, by_staff(), filing, described, form.handed_in)
    except CustomerClosed:
        return closed(customer)
    except VaultRefused:
        return _locked(customer)
    return redirect(_place("show", customer.id, filing.id))


@customer_documents.get("/<uuid:document_id>")
def show(customer_id: Any, document_id: Any) -> ResponseReturnValue:
    """What is noted of a document, and until when it is kept."""
    customer, document = customer_of(customer_id), _document(customer_id, document_id)
    return render_template(
        "console/customer_document.html", customer=customer, document=document, classes=CLASSES, keeping=keeping
    )


@customer_documents.get("/<uuid:document_id>/file")
def download(customer_id: Any, document_id: Any) -> ResponseReturnValue:
    """Hand out a document's file."""
    document = _document(customer_id, document_id)
    if document.file_name is None:
        abort(404)
    try:
        with service().reading() as connection:
            content = documents.content(connection, service().vault, document)
    except VaultRefused:
        return _locked(customer_of(customer_id))
    return download_of(content, document.file_name, document.media_type)


@customer_documents.get("/<uuid:document_id>/change")
def show_change(customer_id: Any, document_id: Any) -> ResponseReturnValue:
    """What may be noted otherwise."""
    customer, document = customer_of(customer_id), _document(customer_id, document_id)
    if customer.restricted_at or customer.erased_at:
        return closed(customer)
    return _change_page(customer, document, ChangeForm(document, _year_ends()))


@customer_documents.post("/<uuid:document_id>/change")
def change(customer_id: Any, document_id: Any) -> ResponseReturnValue:
    """Note something else of a document."""
    customer, document = customer_of(customer_id), _document(customer_id, document_id)
    form = ChangeForm(document, _year_ends())
    if not form.validate():
        return _change_page(customer, document, form), 400
    try:
        with service().transaction() as connection:
            _change(connection, document, form.describe(_year_ends()))
    except CustomerClosed:
        return closed(customer)
    except KeptLonger:
        return _change_page(customer, document, form, KEPT_LONGER), 409
    return redirect(_place("show", customer.id, document.id))


@customer_documents.get("/<uuid:document_id>/remove")
def show_remove(customer_id: Any, document_id: Any) -> ResponseReturnValue:
    """Ask whether the document is really to go, or say why it must not."""
    return _remove_page(customer_of(customer_id), _document(customer_id, document_id))


@customer_documents.post("/<uuid:document_id>/remove")
def remove(customer_id: Any, document_id: Any) -> ResponseReturnValue:
    """Remove a document for good, unless something keeps it."""
    customer, document = customer_of(customer_id), _document(customer_id, document_id)
    try:
        with service().transaction() as connection:
            documents.remove(connection, by_staff(), document, today())
            is_left = customers.find(connection, customer.id) is not None
    except (CustomerClosed, DocumentKept):
        return _remove_page(customer, document), 409
    if not is_left:  # the last document of somebody who was erased
        return redirect(link_to("console.binders.show"))
    did = "shred" if document.binder else "removed"
    return redirect(link_to("console.customer_documents.show_all", customer_id=customer.id, did=did))


def _change(connection: Connection, document: Row[Any], described: Described) -> None:
    """Change it, and seal which class it had and has: that decides how long it must stay."""
    was = documents.change(connection, document, described, today(), may_shorten=current_user.role == OWNER)
    if was not in (None, described.kept_as):
        what, thing = "console.customer_documents.change", f"document:{document.id}"
        access_log.note(connection, by_staff(), "changed", what, thing, {"was": was, "is": described.kept_as})


def customer_of(customer_id: Any) -> Row[Any]:
    """A customer, erased or not; 404 where there is none."""
    with service().reading() as connection:
        found: Row[Any] = customers.find(connection, str(customer_id)) or abort(404)
    return found


def _document(customer_id: Any, document_id: Any) -> Row[Any]:
    with service().reading() as connection:
        found: Row[Any] = documents.find(connection, str(customer_id), str(document_id)) or abort(404)
    return found


def _year_ends() -> str:
    return service().controller.financial_year_end


def _place(view: str, customer_id: str, document_id: str) -> str:
    return link_to(f"console.customer_documents.{view}", customer_id=customer_id, document_id=document_id)


def _add_page(customer: Row[Any], form: AddForm) -> str:
    return _form_page("console/customer_document_add.html", customer, form)


def _change_page(customer: Row[Any], document: Row[Any], form: ChangeForm, trouble: str | None = None) -> str:
    return _form_page("console/customer_document_change.html", customer, form, document=document, trouble=trouble)


def _form_page(template: str, customer: Row[Any], form: AddForm | ChangeForm, **more: Any) -> str:
    kind = KINDS.get(form.kind.data) or abort(400)
    classes = {one: CLASSES[one] for one in kind.classes}
    names = {key: one.name for key, one in KINDS.items()}
    return render_template(template, customer=customer, form=form, kind=kind, classes=classes, names=names, **more)


def _remove_page(customer: Row[Any], document: Row[Any]) -> str:
    return render_template(
        "console/customer_document_remove.html",
        customer=customer,
        document=document,
        is_restricted=documents.IS_RESTRICTED,
    )


def closed(customer: Row[Any]) -> ResponseReturnValue:
    """Nothing is changed of somebody who is erased, or whose data is restricted."""
    return render_template(
        "console/customer_closed.html", customer=customer, is_restricted=documents.IS_RESTRICTED
    ), 409


def _locked(customer: Row[Any]) -> ResponseReturnValue:
    """A file that no key opens."""
    return render_template("console/customer_document_locked.html", customer=customer), 410
