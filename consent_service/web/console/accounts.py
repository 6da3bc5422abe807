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

from consent_service import service as services
from consent_service.language import LANGUAGES, mark
from consent_service.staff import access_log, second_steps, staff_accounts
from consent_service.staff.access_log import Noted
from consent_service.staff.staff_accounts import ROLES, STAFF, Colleague, LastOwner
from consent_service.web.forms import AddressField, NameField
from consent_service.web.pages import link_to
from consent_service.web.visitor import service

accounts = Blueprint("accounts", __name__, url_prefix="/accounts")

LATELY = 50
NO_ROLE = mark("Choose what this person may do.")
LAST_OWNER = mark("This is the last owner. Make somebody else an owner first.")
KNOWN = mark("There is an account with this address already. Look for it in the list.")
CHANGES = ("role", "end", "end-sessions", "invite-again")

# What the log of access holds, for owners to read; what has no words of its own is said in general.
LOOKS = {
    "looked": mark("Looked at a page"),
    "console.subscribers.show": mark("Looked at a subscriber"),
    "console.subscribers.show_evidence": mark("Opened the evidence sheet"),
    "console.rights.show_there": mark("Looked at what ActiveCampaign holds"),
    "console.rights.show_erase": mark("Opened the page for erasing"),
    "console.contact_messages.show": mark("Read a contact message"),
    "console.contact_messages.show_erase": mark("Opened the page for erasing"),
    "console.accounts.show": mark("Looked at an account"),
    "console.accounts.show_change": mark("Opened a page for changing an account"),
    "console.customers.show": mark("Looked at a customer"),
    "console.customer_documents.show": mark("Looked at a document"),
    "console.customer_documents.download": mark("Downloaded a document"),
    "console.data_requests.show": mark("Looked at a request about data"),
    "console.data_requests.show_file": mark("Downloaded the file for a request"),
    "console.people.show": mark("Looked at a person in every register"),
}
ACTS = {
    "changed": mark("Changed something"),
    "entered": mark("Logged in"),
    "refused": mark("Was refused"),
    "login": mark("Logged in"),
    "second-step": mark("Gave a wrong code at the log-in"),
    "proof": mark("Gave a wrong password when asked once more"),
    "entrance.staff_invitation": mark("Accepted the invitation"),
    "entrance.staff_recovery": mark("Chose a new password"),
    "staff add": mark("Was added in the terminal"),
    "staff disable": mark("Was ended in the terminal"),
    "console.subscribers.add": mark("Added a subscriber"),
    "console.rights.fetch_there": mark("Had fetched what ActiveCampaign holds"),
    "console.rights.hold": mark("Put on a legal hold"),
    "console.rights.release": mark("Lifted a legal hold"),
    "console.rights.erase": mark("Erased a subscriber"),
    "console.contact_messages.close": mark("Closed a contact message"),
    "console.contact_messages.reopen": mark("Opened a contact message again"),
    "console.contact_messages.erase": mark("Erased a contact message"),
    "console.queue.retry": mark("Had a message tried again"),
    "console.queue.set_aside": mark("Set a message aside"),
    "console.connection.compare": mark("Had the list compared"),
    "console.connection.put_right": mark("Had the list put right"),
    "console.api_keys.make": mark("Made an API key"),
    "console.api_keys.disable": mark("Disabled an API key"),
    "console.accounts.invite": mark("Invited a colleague"),
    "console.accounts.invite_again": mark("Invited a colleague again"),
    "console.accounts.change_role": mark("Changed a role"),
    "console.accounts.end": mark("Ended an account"),
    "console.accounts.end_sessions": mark("Logged an account out everywhere"),
    "console.my_account.set_app": mark("Set up an authenticator app"),
    "console.my_account.remove_app": mark("Removed the authenticator app"),
    "console.my_account.make_codes": mark("Made new recovery codes"),
    "console.my_account.add_passkey": mark("Added a passkey"),
    "console.my_account.remove_passkey": mark("Removed a passkey"),
    "console.my_account.mail_link": mark("Asked for a link to set another password"),
    "console.customers.add": mark("Added a customer"),
    "console.customers.change": mark("Changed a customer"),
    "console.customers.make_passive": mark("Made a customer passive"),
    "console.customers.make_active": mark("Made a customer active again"),
    "console.customer_merging.merge": mark("Made one of two customers"),
    "console.customer_rights.restrict": mark("Restricted the data of a customer"),
    "console.customer_rights.lift": mark("Lifted a customer's restriction"),
    "console.customer_rights.erase": mark("Erased a customer"),
    "console.customer_documents.add": mark("Filed a document"),
    "console.customer_documents.change": mark("Changed what is noted of a document"),
    "console.customer_documents.remove": mark("Removed a document"),
    "console.publication_permissions.add": mark("Noted a permission to publish"),
    "console.publication_permissions.withdraw": mark("Noted that a permission to publish was taken back"),
    "console.binders.destroy": mark("Noted that a paper was shredded"),
    "console.customer_imports.add": mark("Sent in an Excel file of customers"),
    "console.customer_imports.set_columns": mark("Said what the columns of an Excel file are"),
    "console.customer_imports.choose": mark("Chose what becomes of rows of an Excel file"),
    "console.customer_imports.apply": mark("Imported customers from Excel"),
    "console.customer_imports.cancel": mark("Cancelled an Excel import"),
    "console.customer_imports.undo": mark("Took an Excel import back"),
    "console.customer_exports.download": mark("Exported customers to Excel"),
    "console.data_requests.add": mark("Wrote down a request about data"),
    "console.data_request_acts.verify": mark("Noted how it was checked who is asking"),
    "console.data_request_acts.send_link": mark("Mailed the link to the person's own page"),
    "console.data_request_acts.link": mark("Noted which customer is asking"),
    "console.data_request_acts.extend": mark("Took more time for a request"),
    "console.data_request_acts.carry_out": mark("Had a request carried out"),
    "console.data_request_acts.tick": mark("Noted what was done by hand for a request"),
    "console.data_request_acts.close": mark("Closed a request about data"),
    "console.retention.erase": mark("Erased customers in the yearly review"),
    "console.retention.keep": mark("Kept a customer for another year"),
    "console.breaches.add": mark("Wrote down a breach"),
    "console.breaches.change": mark("Changed what is known of a breach"),
    "console.breaches.tell": mark("Noted who was told of a breach"),
}


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
        told=_told,
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


def _told(one: Noted) -> str:
    """What was done, in words. A form that came back was only looked at, whatever it is for."""
    known = LOOKS if one.kind == "looked" else ACTS
    return known.get(one.what, known[one.kind])


def _invite_page(form: InviteForm) -> str:
    return render_template("console/account_invite.html", form=form, roles=ROLES, languages=LANGUAGES)


def _change_page(account: Row[Any], change: str, form: RoleForm, refusal: str | None = None) -> str:
    return render_template(
        "console/account_change.html", account=account, change=change, form=form, roles=ROLES, refusal=refusal
    )
