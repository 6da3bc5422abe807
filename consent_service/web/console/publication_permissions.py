"""Staff pages for what may be published about customers: note a permission, take it back, and the list of all.

Taking one back says what a person now has to take down, and where. Contains no rule.
"""

from typing import Any

from flask import Blueprint, abort, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_security import current_user
from sqlalchemy import Row

from consent_service.register import publication
from consent_service.register.documents import CustomerClosed, Filing
from consent_service.register.publication import ENDED, STATES, WITHDRAWN
from consent_service.web.accounts import by_staff
from consent_service.web.console.customer_documents import closed, customer_of
from consent_service.web.console.document_forms import PermissionForm
from consent_service.web.pages import link_to, one_of, searched
from consent_service.web.visitor import service, today

publication_permissions = Blueprint("publication_permissions", __name__)
LIST, CUSTOMER = "/publication-permissions", "/customers/<uuid:customer_id>/publication-permissions"


@publication_permissions.get(LIST)
def show_all() -> ResponseReturnValue:
    """List permissions, fifty a page: all, or those in one state."""
    state = one_of("state", STATES)
    with service().reading() as connection:
        found = publication.listed(connection, state, today(), searched()[1])
    stands = [publication.state_of(row, today()) for row in found.rows]
    return render_template(
        "console/publication_permissions.html", found=found, stands=stands, state=state, states=STATES
    )


@publication_permissions.get(f"{CUSTOMER}/add")
def show_add(customer_id: Any) -> ResponseReturnValue:
    """The form for a new permission."""
    customer = customer_of(customer_id)
    return closed(customer) if customer.restricted_at or customer.erased_at else _add_page(customer, PermissionForm())


@publication_permissions.post(f"{CUSTOMER}/add")
def add(customer_id: Any) -> ResponseReturnValue:
    """Note a permission; the same form sent again notes it once."""
    customer, form = customer_of(customer_id), PermissionForm()
    if not form.validate():
        return _add_page(customer, form), 400
    filing = Filing(customer.id, form.filed_id.data, current_user.name)
    try:
        with service().transaction() as connection:
            publication.record(connection, by_staff(), filing, form.permitted())
    except CustomerClosed:
        return closed(customer)
    return redirect(link_to("console.publication_permissions.show", permission_id=filing.id))


@publication_permissions.get(f"{LIST}/<uuid:permission_id>")
def show(permission_id: Any) -> ResponseReturnValue:
    """One permission, and what has to be taken down when it holds no longer."""
    permission = _permission(permission_id)
    state = publication.state_of(permission, today())
    return render_template(
        "console/publication_permission.html",
        permission=permission,
        customer=customer_of(permission.customer_id),
        state=STATES[state],
        is_over=state in (ENDED, WITHDRAWN),
    )


@publication_permissions.post(f"{LIST}/<uuid:permission_id>/withdraw")
def withdraw(permission_id: Any) -> ResponseReturnValue:
    """Note that the permission was taken back, at one press."""
    permission = _permission(permission_id)
    with service().transaction() as connection:
        publication.withdraw(connection, permission.id, today())
    return redirect(link_to("console.publication_permissions.show", permission_id=permission.id))


def _permission(permission_id: Any) -> Row[Any]:
    with service().reading() as connection:
        found: Row[Any] = publication.find(connection, str(permission_id)) or abort(404)
    return found


def _add_page(customer: Row[Any], form: PermissionForm) -> str:
    return render_template("console/publication_permission_add.html", customer=customer, form=form)
