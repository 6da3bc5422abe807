"""Staff pages for a customer's rights: restricting the use of their data, lifting that, and erasure. A page each.

The page of a grave act names the customer and the consequence and wants a word typed; only a POST acts. Contains no
rule.
"""

from typing import Any

from flask import Blueprint, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from sqlalchemy import Row
from wtforms import StringField, ValidationError

from consent_service import service as services
from consent_service import subscribers
from consent_service.language import mark
from consent_service.people import is_same_name
from consent_service.register import customer_erasure, held
from consent_service.register import customers as register
from consent_service.register.customer_erasure import CustomerRestricted
from consent_service.register.keeping import WHY
from consent_service.web.accounts import by_staff
from consent_service.web.console.customers import find
from consent_service.web.forms import LineField
from consent_service.web.pages import link_to
from consent_service.web.visitor import service, today

customer_rights = Blueprint("customer_rights", __name__, url_prefix="/customers/<uuid:customer_id>")

NO_REASON, OTHER_NAME = mark("Say why, in at most 200 characters."), mark("Write the name as it stands above.")


class RestrictForm(FlaskForm):
    """Why a customer's data may not be used."""

    reason = LineField(NO_REASON, longest=200)  # the customer may ask to read it


class EraseForm(FlaskForm):
    """The name of whom it is about, typed as a proof that it is really them who is meant."""

    name = StringField()

    def __init__(self, customer: Row[Any]):
        super().__init__()
        self.name_meant = str(customer.company_name or customer.last_name)

    def validate_name(self, field: StringField) -> None:
        """That of whom the page is about."""
        if not is_same_name(field.data, self.name_meant):
            raise ValidationError(OTHER_NAME)


@customer_rights.get("/restrict")
def show_restrict(customer_id: Any) -> ResponseReturnValue:
    """Ask why the data may not be used for now."""
    return _page("console/customer_restrict.html", find(customer_id), RestrictForm())


@customer_rights.post("/restrict")
def restrict(customer_id: Any) -> ResponseReturnValue:
    """Keep the data and do nothing else with it."""
    customer, form = find(customer_id), RestrictForm()
    if not form.validate():
        return _page("console/customer_restrict.html", customer, form), 400
    with service().transaction() as connection:
        register.restrict(connection, by_staff(), customer.id, form.reason.data)
    return redirect(link_to("console.customers.show", customer_id=customer.id, did="restricted"))


@customer_rights.get("/lift")
def show_lift(customer_id: Any) -> ResponseReturnValue:
    """Ask whether the data may be used again."""
    return render_template("console/customer_lift.html", customer=find(customer_id))


@customer_rights.post("/lift")
def lift(customer_id: Any) -> ResponseReturnValue:
    """Let the data be used again."""
    customer = find(customer_id)
    with service().transaction() as connection:
        register.lift(connection, by_staff(), customer.id)
    return redirect(link_to("console.customers.show", customer_id=customer.id, did="lifted"))


@customer_rights.get("/erase")
def show_erase(customer_id: Any) -> ResponseReturnValue:
    """Ask whether the customer is really to be erased, and tell what has to stay."""
    customer = find(customer_id)
    return _page("console/customer_erase.html", customer, EraseForm(customer))


@customer_rights.post("/erase")
def erase(customer_id: Any) -> ResponseReturnValue:
    """Erase the customer but for what the law keeps; whose use is restricted is only kept."""
    customer = find(customer_id)
    form = EraseForm(customer)
    if customer.restricted_at:
        return _page("console/customer_erase.html", customer, form), 409
    if not form.validate():
        return _page("console/customer_erase.html", customer, form), 400
    try:
        with service().transaction() as connection:
            stays = customer_erasure.erase(connection, services.now(), customer.id, today())
    except CustomerRestricted:
        return _page("console/customer_erase.html", find(customer_id), form), 409
    if stays:
        return redirect(link_to("console.customers.show", customer_id=customer.id))
    return redirect(link_to("console.customers.show_all", did="erased"))


def _page(template: str, customer: Row[Any], form: FlaskForm) -> str:
    with service().reading() as connection:
        stays = held.staying(connection, today(), customer.id)
        person = subscribers.find_by_key(connection, customer.email_key) if customer.email else None
    return render_template(template, customer=customer, form=form, stays=stays, why_kept=WHY, person=person)
