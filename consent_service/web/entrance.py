"""Doors for the company's own people who are not logged in yet: the second step, passkeys, invitations, recovery.

What is asked and answered is the same whether an account exists; every try takes from one allowance. A GET changes
nothing, so a scanner that opens a mailed link uses nothing up. Contains no rule.
"""

from typing import Any

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from sqlalchemy import Row
from wtforms import PasswordField, StringField, ValidationError

from consent_service import service as services
from consent_service.language import mark
from consent_service.people import LONGEST_ADDRESS
from consent_service.staff import second_steps, staff_accounts
from consent_service.staff.staff_accounts import INVITATION, RECOVERY
from consent_service.tokens import TokenRefused
from consent_service.web import access, accounts, passkeys, tries
from consent_service.web.accounts import LONGEST_PASSWORD, SHORTEST_PASSWORD
from consent_service.web.forms import AddressField
from consent_service.web.pages import link_to
from consent_service.web.visitor import service

entrance = Blueprint("entrance", __name__, url_prefix="/staff")

WRONG_CODE = mark("That code is not right, or it was used before. Write the newest one that the app shows.")
LONGEST_CODE = 40


class CodeForm(FlaskForm):
    """A code of the app, or a recovery code."""

    code = StringField()


class RecoveryForm(FlaskForm):
    """Whose password is lost."""

    email = AddressField()


class PasswordForm(FlaskForm):
    """A new password."""

    password = PasswordField()

    def __init__(self, account: Row[Any]):
        super().__init__()
        self.account = account

    def validate_password(self, field: PasswordField) -> None:
        """Long, because length is what keeps a password from being guessed; nothing else is demanded of it."""
        typed = field.data or ""
        if len(typed) < SHORTEST_PASSWORD:
            raise ValidationError(mark("Choose a password of at least 12 characters."))
        if len(typed) > LONGEST_PASSWORD:
            raise ValidationError(mark("Choose a password of at most 256 characters."))
        if typed.strip().casefold() in (self.account.email.casefold(), self.account.name.casefold()):
            raise ValidationError(mark("Choose a password that is not your address or your name."))


@entrance.get("/login/second-step")
def show_second_step() -> ResponseReturnValue:
    """Ask whoever gave the right password for a code or a passkey."""
    account = accounts.halfway()
    return _second_step_page(account, CodeForm()) if account else redirect(link_to("security.login"))


@entrance.post("/login/second-step")
def take_second_step() -> ResponseReturnValue:
    """Let in whoever has the right code."""
    account, form = accounts.halfway(), CodeForm()
    if account is None:
        return redirect(link_to("security.login"))
    if (refusal := tries.take(account.email)) is not None:
        return refusal
    if form.validate() and _is_right(account.id, (form.code.data or "")[:LONGEST_CODE]):
        tries.give_back(account.email)
        accounts.let_in(account.id, "code")
        return redirect(link_to("console.overview.show"))
    access.write("refused", "second-step", account_id=account.id)
    form.code.errors = [WRONG_CODE]
    return _second_step_page(account, form), 400


@entrance.post("/login/passkey")
def take_passkey() -> ResponseReturnValue:
    """Let in whoever has a passkey: of the account halfway in, if there is one."""
    account = accounts.halfway()
    typed = account.email if account else ""
    if (refusal := tries.take(typed)) is not None:
        return refusal
    with service().transaction() as connection:
        found = passkeys.shown(connection, request.form.get("passkey", ""))
        owner = found and staff_accounts.find(connection, found.staff_id)
    if owner and owner.active and owner.password and (account is None or account.id == owner.id):
        tries.give_back(typed)
        accounts.let_in(owner.id, "passkey")
        return redirect(link_to("console.overview.show"))
    if account:
        access.write("refused", "second-step", account_id=account.id)
    return redirect(link_to("security.login", did="wrong-passkey"))


@entrance.get("/recovery")
def show_recovery() -> ResponseReturnValue:
    """The form of whoever has lost a password."""
    return render_template("entrance/recovery.html", form=RecoveryForm())


@entrance.post("/recovery")
def ask_recovery() -> ResponseReturnValue:
    """Mail a link to set a new password, if there is such an account; the answer is the same if not."""
    typed, form = request.form.get("email", "")[:LONGEST_ADDRESS], RecoveryForm()
    if not form.validate():
        return render_template("entrance/recovery.html", form=form), 400
    if (refusal := tries.take(typed, "recovery")) is not None:
        return refusal
    with service().transaction() as connection:
        staff_accounts.ask_recovery(connection, service().vault, form.email.address, services.now())
    return render_template("entrance/recovery_sent.html")


@entrance.get("/invitation/<token>")
def show_invitation(token: str) -> ResponseReturnValue:
    """The page on which an invited colleague chooses a password."""
    return _show(INVITATION, token)


@entrance.post("/invitation/<token>")
def accept(token: str) -> ResponseReturnValue:
    """Set the password of an invited colleague."""
    return _set(INVITATION, token)


@entrance.get("/recovery/<token>")
def show_password(token: str) -> ResponseReturnValue:
    """The page on which whoever has lost a password sets a new one."""
    return _show(RECOVERY, token)


@entrance.post("/recovery/<token>")
def set_password(token: str) -> ResponseReturnValue:
    """Set the new password; every session from before ends."""
    return _set(RECOVERY, token)


def _show(kind: str, token: str) -> ResponseReturnValue:
    account = _behind(kind, token)
    return _password_page(kind, account, PasswordForm(account)) if account else _dead_link()


def _set(kind: str, token: str) -> ResponseReturnValue:
    account = _behind(kind, token)
    if account is None:
        return _dead_link()
    form = PasswordForm(account)
    if not form.validate():
        return _password_page(kind, account, form), 400
    hashed = accounts.password_hash(form.password.data or "")
    with service().transaction() as connection:
        is_first = staff_accounts.set_password(connection, account.id, account.link_state, hashed)
    if not is_first:
        return _dead_link()
    access.write("changed", f"entrance.{kind}", [f"account:{account.id}"], account.id)
    return redirect(link_to("security.login", did="password"))


def _behind(kind: str, token: str) -> Row[Any] | None:
    try:
        link = service().tokens.read_staff(kind, token)
    except TokenRefused:
        return None
    with service().reading() as connection:
        return staff_accounts.behind_link(connection, link.account_id, link.state, kind)


def _is_right(account_id: str, code: str) -> bool:
    with service().transaction() as connection:
        account = staff_accounts.find(connection, account_id)
        keys, now = service().settings.secret_keys, services.now()
        return account is not None and (
            second_steps.take_app_code(connection, keys, account, code, now)
            or second_steps.take_recovery_code(connection, account.id, code)
        )


def _second_step_page(account: Any, form: CodeForm) -> str:
    with service().reading() as connection:
        known = list(second_steps.passkeys(connection, account.id))
    asked = passkeys.to_show(known)
    return render_template("entrance/second_step.html", form=form, has_app=account.app_sealed is not None, asked=asked)


def _password_page(kind: str, account: Row[Any], form: PasswordForm) -> str:
    return render_template("entrance/password.html", account=account, form=form, is_invited=kind == INVITATION)


def _dead_link() -> ResponseReturnValue:
    return render_template("entrance/dead_link.html"), 404
