"""Customers as staff see them: search and list, one customer's page, adding, changing, passive and active again.

The newsletter has a consent of its own; nothing here subscribes anybody. Contains no rule.
"""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, abort, g, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_security import current_user
from sqlalchemy import Connection, Row

from consent_service import contact_messages, subscribers
from consent_service import language as languages
from consent_service import service as services
from consent_service.delivery import suppression
from consent_service.language import HELSINKI, LANGUAGES
from consent_service.register import customers as register
from consent_service.register import documents, duplicates, entries, held, merging, publication
from consent_service.register.customers import KINDS, SOURCES, STATUSES, Search
from consent_service.register.entries import EntryRefused
from consent_service.rights import request_rows, request_tasks
from consent_service.web import policy
from consent_service.web.accounts import by_staff
from consent_service.web.console.customer_form import LONGEST_NOTES, CustomerForm, details_of, shown
from consent_service.web.pages import link_to, one_of, searched
from consent_service.web.visitor import service, today

customers = Blueprint("customers", __name__, url_prefix="/customers")

NEVER_SEEN = datetime.min.replace(tzinfo=UTC)


@customers.get("")
def show_all() -> ResponseReturnValue:
    """Search and list customers, fifty a page; only the list when the script asks for it."""
    words, page = searched()
    asked = Search(words, one_of("kind", KINDS), one_of("status", STATUSES), page)
    with service().reading() as connection:
        found = register.search(connection, asked)
    template = "console/customers_found.html" if request.args.get("part") == "list" else "console/customers.html"
    response = make_response(
        render_template(template, asked=asked, found=found, kinds=KINDS, statuses=STATUSES, did=request.args.get("did"))
    )
    response.headers["Content-Security-Policy"] = policy.WITH_SEARCH  # while somebody types
    return response


@customers.get("/add")
def show_add() -> ResponseReturnValue:
    """The form for a new customer, or for one of somebody who wrote with the contact form."""
    message = _message()
    return _form_page(CustomerForm(data=_of_message(message) if message else None), message=message)


@customers.post("/add")
def add() -> ResponseReturnValue:
    """Take a customer into the register, unless they may be in it already and nobody has said that they are not."""
    form, message = CustomerForm(), _message()
    if not form.validate():
        return _form_page(form, message=message), 400
    with service().transaction() as connection:
        added = duplicates.add_unless_known(connection, by_staff(), form.details, current_user.name, form.ruled_out)
    if not isinstance(added, str):
        form.known.data = " ".join(str(one.customer.number) for one in added)
        g.about = [*g.get("about", []), *(f"customer:{one.customer.id}" for one in added)]
        return _form_page(form, message=message, alike=added), 409
    g.about = [*g.get("about", []), f"customer:{added}"]
    if message:
        return redirect(link_to("console.contact_messages.show", message_id=message.id, did="customer"))
    return redirect(link_to("console.customers.show", customer_id=added, did="added"))


@customers.get("/<uuid:customer_id>")
def show(customer_id: Any) -> ResponseReturnValue:
    """One customer: what is needed first comes first."""
    with service().reading() as connection:
        customer = register.find(connection, str(customer_id))
        if customer is None:
            kept = merging.merged_into(connection, str(customer_id)) or abort(404)
            return redirect(link_to("console.customers.show", customer_id=kept))
        if customer.erased_at:
            stays = held.staying(connection, today(), customer.id)
            return render_template("console/customer_erased.html", customer=customer, stays=stays)
        return render_template(
            "console/customer.html",
            customer=customer,
            former_numbers=merging.former_numbers(connection, customer.id),
            newsletter=_newsletter(connection, customer),
            documents=documents.of_customer(connection, customer.id),
            permissions=publication.of_customer(connection, customer.id, today()),
            written=contact_messages.from_address(connection, customer.email_key) if customer.email else [],
            contact_reasons=contact_messages.REASONS,
            requests=request_rows.of_person(connection, customer_id=customer.id),
            request_kinds=request_tasks.KINDS,
            kinds=KINDS,
            statuses=STATUSES,
            sources=SOURCES,
            languages=LANGUAGES,
            countries=languages.countries(g.language.code),
            did=request.args.get("did"),
        )


@customers.get("/<uuid:customer_id>/change")
def show_change(customer_id: Any) -> ResponseReturnValue:
    """The form with what is known."""
    customer = find(customer_id)
    return _form_page(CustomerForm(data=shown(customer)), customer=customer)


@customers.post("/<uuid:customer_id>/change")
def change(customer_id: Any) -> ResponseReturnValue:
    """Write down what has changed, unless somebody else has changed the customer since the form was opened."""
    customer, form = find(customer_id), CustomerForm()
    if not form.validate():
        return _form_page(form, customer=customer), 400
    with service().transaction() as connection:
        is_done = register.change(connection, by_staff(), customer.id, form.details, form.seen or NEVER_SEEN)
    now = find(customer_id)
    if not is_done and (now.restricted_at or details_of(now) != form.details):  # else the same was sent twice
        return _changed_meanwhile(form, now)
    return redirect(link_to("console.customers.show", customer_id=customer.id, did="changed"))


@customers.post("/<uuid:customer_id>/make-passive")
def make_passive(customer_id: Any) -> ResponseReturnValue:
    """Note that there is nothing more between the customer and the company."""
    customer = find(customer_id)
    with service().transaction() as connection:
        register.make_passive(connection, by_staff(), customer.id)
    return redirect(link_to("console.customers.show", customer_id=customer.id, did="passive"))


@customers.post("/<uuid:customer_id>/make-active")
def make_active(customer_id: Any) -> ResponseReturnValue:
    """Note that there is something again."""
    customer = find(customer_id)
    with service().transaction() as connection:
        register.make_active(connection, by_staff(), customer.id)
    return redirect(link_to("console.customers.show", customer_id=customer.id, did="active"))


def find(customer_id: Any) -> Row[Any]:
    """The customer with an id; who is erased or was merged into another is a page not found."""
    with service().reading() as connection:
        found = register.find(connection, str(customer_id))
    if found is None or found.erased_at:
        abort(404)
    return found


def _form_page(form: CustomerForm, **shown_with: Any) -> str:
    known: dict[str, Any] = {"customer": None, "message": None, "alike": [], "theirs": {}}
    return render_template(
        "console/customer_form.html",
        form=form,
        kinds=KINDS,
        sources=SOURCES,
        languages=LANGUAGES,
        countries=languages.countries(g.language.code),
        longest_notes=LONGEST_NOTES,
        **known | shown_with,
    )


def _changed_meanwhile(form: CustomerForm, now: Row[Any]) -> ResponseReturnValue:
    """The form with everything as it was typed, and beside each field what somebody else has written there."""
    stands = shown(now)
    known = [name for name in stands if name != "changed_at"]
    theirs = {name: stands[name] for name in known if (stands[name] or None) != (form[name].data or None)}
    form.changed_at.data = stands["changed_at"]
    return _form_page(form, customer=now, theirs=theirs, is_conflict=True), 409


def _message() -> Row[Any] | None:
    """The message a customer is made of, named in the address of the form."""
    message_id = request.args.get("message")
    if message_id is None:
        return None
    with service().reading() as connection:
        found: Row[Any] = contact_messages.find(connection, message_id[:36].replace("\0", "")) or abort(404)
    g.about = [f"contact_message:{found.id}"]
    return found


def _of_message(message: Row[Any]) -> dict[str, Any]:
    """What a message tells of a customer; its words stay where they are, and go when their time is up."""
    values = {name: getattr(message, name) for name in ("first_name", "last_name", "email", "phone", "language")}
    with suppress(EntryRefused):  # then it stands as it was typed, and the form will ask
        values["phone"] = message.phone and entries.shown_phone(entries.read_phone(message.phone))
    day = g.language.day(message.received_at.astimezone(HELSINKI).date())
    return values | {
        "source": "contact_form",
        "notes": g.language.say("Wrote to us with the contact form on %(day)s.", day=day),
    }


def _newsletter(connection: Connection, customer: Row[Any]) -> dict[str, Any]:
    """How the newsletter stands with whoever has the customer's address: the subscriber, and an objection."""
    if not customer.email:
        return {"person": None, "has_objected": False}
    refused = suppression.find(connection, service().vault, customer.email_key, services.now())
    return {
        "person": subscribers.find_by_key(connection, customer.email_key),
        "has_objected": refused is not None and refused.reason == "objected",
    }
