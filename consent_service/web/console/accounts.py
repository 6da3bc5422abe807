"""Owners' pages for the accounts of the company's own people: a list, one account, inviting, changing, ending.

Nobody can leave the service without an owner. Contains no rule.
"""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, abort, g, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_security import current_user
from flask_wtf import FlaskForm
from sqlalchemy import Connection, Row
from wtforms import SelectField

from consent_service import access_log, second_steps, staff_accounts
from consent_service import service as services
from consent_service.language import LANGUAGES, mark
from consent_service.staff_accounts import ROLES, STAFF, Colleague, LastOwner
from consent_service.web.console.words import WHAT
from consent_service.web.forms import AddressField, NameField
from consent_service.web.pages import link_to
from consent_service.web.visitor import service

accounts = Blueprint("accounts", __name__, url_prefix="/accounts")

LATELY = 50
NO_ROLE = mark("Choose what this person may do.")
LAST_OWNER = mark("This is the last owner. Make somebody else an owner first.")
KNOWN = mark("There is an account with this address already. Look for it in the list.")
CHANGES = ("role", "end", "end-sessions", "invite-again")


class RoleForm(FlaskForm):
    """What an account may do."""

    role = SelectField(choices=list(ROLES), default=STAFF, invalid_choice_message=NO_ROLE)


class InviteForm(RoleForm):
    """Who is invited."""

    name = NameField(mark("Write the name."))
    email = AddressField(mark("Write the e-mail address."))
    language = SelectField(choices=list(LANGUAGES), default="fi", invalid_choice_message=mark("Choose"))


@accounts.get("")
def show_all() -> ResponseReturnValue:
    """Every account there has been."""
    with service().reading() as connection:
        known = staff_accounts.everybody(connection)
        second = {one.id for one in known if second_steps.is_set_up(connection, one)}
    return render_template("console/accounts.html", known=known, second=second, roles=ROLES)


@accounts.get("/invite")
def show_invite() -> ResponseReturnValue:
    """The form for inviting a colleague."""
    return _invite_page(InviteForm())


@accounts.post("/invite")
def invite() -> ResponseReturnValue:
    """Mail a colleague the link to an account of their own."""
    form = InviteForm()
    if not form.validate():
        return _invite_page(form), 400
    colleague = Colleague(form.email.address, form.name.data or "", form.role.data, form.language.data)
    with service().transaction() as connection:
        account_id = staff_accounts.invite(connection, colleague, services.now())
    if account_id is None:
        form.email.errors = [KNOWN]
        return _invite_page(form), 409
    g.about = f"account:{account_id}"
    return redirect(link_to("console.accounts.show", account_id=account_id, did="invited"))


@accounts.get("/<uuid:account_id>")
def show(account_id: Any) -> ResponseReturnValue:
    """One account, what can be done with it, and what it did lately."""
    account = _account(account_id)
    with service().reading() as connection:
        lately = access_log.latest(connection, f"staff:{account.id}", LATELY)
        has_second_step = second_steps.is_set_up(connection, account)
    return render_template(
        "console/account.html",
        account=account,
        lately=lately,
        has_second_step=has_second_step,
        roles=ROLES,
        what=WHAT,
        did=request.args.get("did"),
    )


@accounts.get("/<uuid:account_id>/<change>")
def show_change(account_id: Any, change: str) -> ResponseReturnValue:
    """Ask whether this is really to be done, and how."""
    if change not in CHANGES:
        abort(404)
    account = _account(account_id)
    return _change_page(account, change, RoleForm(data={"role": account.role}))


@accounts.post("/<uuid:account_id>/role")
def change_role(account_id: Any) -> ResponseReturnValue:
    """Give the account another role."""
    account, form = _account(account_id), RoleForm()
    if not form.validate():
        return _change_page(account, "role", form), 400
    return _done(account, "role", lambda connection: staff_accounts.change_role(connection, account.id, form.role.data))


@accounts.post("/<uuid:account_id>/end")
def end(account_id: Any) -> ResponseReturnValue:
    """End the account and every session of it."""
    account = _account(account_id)
    return _done(account, "end", lambda connection: staff_accounts.end(connection, account.id, services.now()))


@accounts.post("/<uuid:account_id>/end-sessions")
def end_sessions(account_id: Any) -> ResponseReturnValue:
    """Log the account out everywhere."""
    account = _account(account_id)
    return _done(account, "end-sessions", lambda connection: staff_accounts.end_sessions(connection, account.id))


@accounts.post("/<uuid:account_id>/invite-again")
def invite_again(account_id: Any) -> ResponseReturnValue:
    """Let the account begin anew, with another mailed link."""
    account, now = _account(account_id), services.now()
    return _done(account, "invite-again", lambda connection: staff_accounts.invite_again(connection, account.id, now))


def _done(account: Row[Any], change: str, do: Callable[[Connection], None]) -> ResponseReturnValue:
    try:
        with service().transaction() as connection:
            do(connection)
    except LastOwner:
        return _change_page(account, change, RoleForm(), LAST_OWNER), 409
    if account.id == current_user.id and change != "role":
        return redirect(link_to("security.login"))
    return redirect(link_to("console.accounts.show", account_id=account.id, did=change))


def _account(account_id: Any) -> Row[Any]:
    with service().reading() as connection:
        found: Row[Any] = staff_accounts.find(connection, str(account_id)) or abort(404)
    return found


def _invite_page(form: InviteForm) -> str:
    return render_template("console/account_invite.html", form=form, roles=ROLES, languages=LANGUAGES)


def _change_page(account: Row[Any], change: str, form: RoleForm, refusal: str | None = None) -> str:
    return render_template(
        "console/account_change.html", account=account, change=change, form=form, roles=ROLES, refusal=refusal
    )
