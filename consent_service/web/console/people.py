"""Staff pages for one human in every register: looked for by name or address, and all that is held of them together.

What is looked for is sent, not put into the address of the page, so that no name or address stands in a log or in the
browser's history. Changes nothing. Contains no rule.
"""

from flask import Blueprint, abort, g, render_template
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import ValidationError

from consent_service import contact_messages
from consent_service import service as services
from consent_service.language import LANGUAGES, mark
from consent_service.register import customers
from consent_service.rights import registers
from consent_service.rights.registers import CUSTOMERS, MESSAGES, SUBSCRIBERS, WAITING
from consent_service.rights.request_tasks import KINDS as REQUEST_KINDS
from consent_service.subscribers import STATUSES
from consent_service.web.visitor import service

people = Blueprint("people", __name__, url_prefix="/people")

NAMES = {
    SUBSCRIBERS: mark("Newsletter"),
    CUSTOMERS: mark("Customer register"),
    MESSAGES: mark("Contact messages"),
    WAITING: mark("Earlier list"),
}
THING = {SUBSCRIBERS: "subscriber", CUSTOMERS: "customer", MESSAGES: "contact_message", WAITING: "import_row"}
REASONS = {"declined": mark("said “I did not ask, do not write to me”"), "objected": mark("objected to marketing")}


class SearchForm(FlaskForm):
    """A name or an address, or a part of one."""

    words = StringField()

    def validate_words(self, field: StringField) -> None:
        """Something is looked for."""
        field.data = (field.data or "").replace("\0", "").strip()[:320]
        if not field.data:
            raise ValidationError(mark("Write a name or an address, or a part of one."))


@people.get("")
def show_all() -> ResponseReturnValue:
    """The form for looking somebody up."""
    return render_template("console/people.html", form=SearchForm(), hits=None, names=NAMES)


@people.post("")
def search() -> ResponseReturnValue:
    """Who was found, in all registers."""
    form = SearchForm()
    if not form.validate():
        return render_template("console/people.html", form=form, hits=None, names=NAMES), 400
    with service().reading() as connection:
        hits = registers.search(connection, service().vault, services.now(), form.words.data)
    return render_template("console/people.html", form=form, hits=hits, names=NAMES, why=REASONS)


@people.get("/<register>/<key>")
def show(register: str, key: str) -> ResponseReturnValue:
    """Everything held of one human."""
    with service().reading() as connection:
        held = registers.find(connection, service().vault, services.now(), register, key) or abort(404)
    g.about = [f"{THING[name]}:{row.id}" for name, row in registers.rows_of(held)]
    return render_template(
        "console/person.html",
        held=held,
        names=NAMES,
        name_of=registers.name_of,
        statuses=STATUSES,
        kinds=customers.KINDS,
        customer_statuses=customers.STATUSES,
        reasons=contact_messages.REASONS,
        languages=LANGUAGES,
        why=REASONS,
        request_kinds=REQUEST_KINDS,
    )
