"""Staff pages for what came with the contact form: a list, one message, closing it, opening it again, erasing it.

A message is answered by e-mail, from the mailbox; here it is only noted that it was. Contains no rule.
"""

from typing import Any

from flask import Blueprint, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_security import current_user
from flask_wtf import FlaskForm
from sqlalchemy import Row

from consent_service import contact_messages as inbox
from consent_service import retention, subscribers
from consent_service import service as services
from consent_service.contact_messages import REASONS, STATES, Search
from consent_service.register import customers
from consent_service.web.forms import LastNameField
from consent_service.web.pages import link_to, one_of, searched
from consent_service.web.visitor import service

contact_messages = Blueprint("contact_messages", __name__, url_prefix="/contact-messages")


class EraseForm(FlaskForm):
    """The last name of whoever wrote, to be sure."""

    last_name = LastNameField()

    def __init__(self, message: Row[Any]):
        super().__init__()
        self.last_name_meant = message.last_name


@contact_messages.get("")
def show_all() -> ResponseReturnValue:
    """Search and list messages, the open ones first, fifty a page."""
    words, page = searched()
    asked = Search(words, one_of("state", STATES), page)
    with service().reading() as connection:
        found = inbox.search(connection, asked)
    was_erased = request.args.get("did") == "erased"
    return render_template(
        "console/contact_messages.html", asked=asked, found=found, reasons=REASONS, states=STATES, was_erased=was_erased
    )


@contact_messages.get("/<uuid:message_id>")
def show(message_id: Any) -> ResponseReturnValue:
    """One message, and what can be done about it."""
    message = _message(message_id)
    with service().reading() as connection:
        person = subscribers.find_by_key(connection, message.email_key)
        belongs_to = customers.of_address(connection, message.email_key)
    kept_for: Any = retention.BY_KEY[inbox.RULE].after
    return render_template(
        "console/contact_message.html",
        message=message,
        person=person,
        belongs_to=belongs_to,
        did=request.args.get("did"),
        reasons=REASONS,
        erased_on=message.received_at + kept_for,
    )


@contact_messages.post("/<uuid:message_id>/close")
def close(message_id: Any) -> ResponseReturnValue:
    """Note that the message has been dealt with."""
    message = _message(message_id)
    with service().transaction() as connection:
        inbox.close(connection, services.now(), message.id, current_user.name)
    return redirect(link_to("console.contact_messages.show", message_id=message.id))


@contact_messages.post("/<uuid:message_id>/reopen")
def reopen(message_id: Any) -> ResponseReturnValue:
    """Note that it needs somebody again."""
    message = _message(message_id)
    with service().transaction() as connection:
        inbox.reopen(connection, message.id)
    return redirect(link_to("console.contact_messages.show", message_id=message.id))


@contact_messages.get("/<uuid:message_id>/erase")
def show_erase(message_id: Any) -> ResponseReturnValue:
    """Ask whether the message is really to be erased."""
    message = _message(message_id)
    return _erase_page(message, EraseForm(message))


@contact_messages.post("/<uuid:message_id>/erase")
def erase(message_id: Any) -> ResponseReturnValue:
    """Erase the message, unless a legal hold keeps it."""
    message = _message(message_id)
    form = EraseForm(message)
    if not form.validate():
        return _erase_page(message, form), 400
    with service().transaction() as connection:
        if not inbox.erase(connection, services.now(), message.id):
            return _erase_page(message, form), 409
    return redirect(link_to("console.contact_messages.show_all", did="erased"))


def _message(message_id: Any) -> Row[Any]:
    with service().reading() as connection:
        found: Row[Any] = inbox.find(connection, str(message_id)) or abort(404)
    return found


def _erase_page(message: Row[Any], form: EraseForm) -> str:
    with service().reading() as connection:
        person = subscribers.find_by_key(connection, message.email_key)
    return render_template("console/contact_message_erase.html", message=message, person=person, form=form)
