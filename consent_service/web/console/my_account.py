"""Everybody's page for their own account: an authenticator app, recovery codes, passkeys.

The secret of an app that is being set up lies, encrypted, in the form alone until a first code has shown that it
works. Recovery codes are shown once. Contains no rule.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import qrcode
from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_security import current_user
from flask_wtf import FlaskForm
from sqlalchemy.exc import IntegrityError
from wtforms import HiddenField, StringField

from consent_service import service as services
from consent_service.language import mark
from consent_service.ledger.vault import VaultRefused
from consent_service.people import read_address
from consent_service.staff import second_steps, staff_accounts
from consent_service.staff.staff_accounts import ROLES
from consent_service.web import passkeys, tries
from consent_service.web.forms import NameField
from consent_service.web.pages import link_to
from consent_service.web.visitor import service

my_account = Blueprint("my_account", __name__, url_prefix="/my-account")

WRONG_CODE = mark("That code is not right. Write the one the app shows now.")
NO_PASSKEY = mark("No passkey was received. Try again, on a device that can make one.")


class AppForm(FlaskForm):
    """A first code of the app, and the secret it was made with, which only we can read."""

    sealed = HiddenField()
    code = StringField()


class PasskeyForm(FlaskForm):
    """How its owner calls a passkey, and what the device answered."""

    name = NameField(mark("Write a name by which you know the device."))
    passkey = HiddenField()


@my_account.get("")
def show() -> ResponseReturnValue:
    """What my account is opened with."""
    with service().reading() as connection:
        mine = staff_accounts.find(connection, current_user.id)
        known = second_steps.passkeys(connection, current_user.id)
        left = second_steps.codes_left(connection, current_user.id)
    return render_template(
        "console/my_account.html",
        mine=mine,
        known=known,
        left=left,
        roles=ROLES,
        passkeys_are_possible=passkeys.are_possible(),
        did=request.args.get("did"),
    )


@my_account.get("/app")
def show_app() -> ResponseReturnValue:
    """The square code to scan with an app."""
    return _app_page(AppForm(), second_steps.new_secret())


@my_account.post("/app")
def set_app() -> ResponseReturnValue:
    """Let the app open the account, once a first code is right."""
    form, keys = AppForm(), service().settings.secret_keys
    secret = _secret(form.sealed.data or "")
    if not form.validate() or secret is None:
        return _app_page(AppForm(formdata=None), second_steps.new_secret()), 400
    if (refusal := tries.take(current_user.email, tries.PROOF)) is not None:
        return refusal
    step = second_steps.step_of(secret, form.code.data or "", services.now())
    if step is None:
        form.code.errors = [WRONG_CODE]
        return _app_page(form, secret), 400
    tries.give_back(current_user.email, tries.PROOF)
    with service().transaction() as connection:
        second_steps.set_app(connection, current_user.id, second_steps.seal(keys, secret, current_user.id), step)
        codes = _first_codes(connection)
    return _codes_page(codes) if codes else redirect(link_to("console.my_account.show", did="app"))


@my_account.post("/app/remove")
def remove_app() -> ResponseReturnValue:
    """Let no app open the account any more."""
    with service().transaction() as connection:
        second_steps.remove_app(connection, current_user.id)
    return redirect(link_to("console.my_account.show", did="app-removed"))


@my_account.post("/codes")
def make_codes() -> ResponseReturnValue:
    """Make ten new recovery codes; the earlier ones open nothing any more."""
    with service().transaction() as connection:
        codes = second_steps.new_codes(connection, current_user.id)
    return _codes_page(codes)


@my_account.get("/passkey")
def show_passkey() -> ResponseReturnValue:
    """The form for a new passkey."""
    return _passkey_page(PasskeyForm())


@my_account.post("/passkey")
def add_passkey() -> ResponseReturnValue:
    """Let a passkey open the account."""
    form = PasskeyForm()
    if not form.validate():
        return _passkey_page(form), 400
    try:
        with service().transaction() as connection:
            made = passkeys.made(connection, form.passkey.data or "")
            if made is not None:
                second_steps.add_passkey(connection, current_user.id, form.name.data or "", made, services.now())
                codes = _first_codes(connection)
    except IntegrityError:  # the device has given us this one before
        return _passkey_page(form, NO_PASSKEY), 409
    if made is None:
        return _passkey_page(form, NO_PASSKEY), 400
    return _codes_page(codes) if codes else redirect(link_to("console.my_account.show", did="passkey"))


@my_account.post("/passkey/<uuid:passkey_id>/remove")
def remove_passkey(passkey_id: Any) -> ResponseReturnValue:
    """Let a passkey open nothing any more."""
    with service().transaction() as connection:
        second_steps.remove_passkey(connection, current_user.id, str(passkey_id))
    return redirect(link_to("console.my_account.show", did="passkey-removed"))


@my_account.post("/password")
def mail_link() -> ResponseReturnValue:
    """Mail me a link to set another password."""
    if (refusal := tries.take(current_user.email, "recovery")) is not None:
        return refusal
    with service().transaction() as connection:
        address, keys = read_address(current_user.email), service().vault
        staff_accounts.ask_recovery(connection, keys, address, services.now())
    return redirect(link_to("console.my_account.show", did="link"))


def _first_codes(connection: Any) -> list[str]:
    """Recovery codes, with the first second step."""
    left = second_steps.codes_left(connection, current_user.id)
    return [] if left else second_steps.new_codes(connection, current_user.id)


def _secret(sealed: str) -> bytes | None:
    try:
        return second_steps.unseal(service().settings.secret_keys, urlsafe_b64decode(sealed.encode()), current_user.id)
    except (VaultRefused, ValueError):
        return None


def _app_page(form: AppForm, secret: bytes) -> str:
    company = service().controller.name
    form.sealed.data = urlsafe_b64encode(
        second_steps.seal(service().settings.secret_keys, secret, current_user.id)
    ).decode()
    square = qrcode.QRCode(border=4)
    square.add_data(second_steps.address(secret, current_user.email, company))
    modules = square.get_matrix()
    drawn = "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(modules) for x, dark in enumerate(row) if dark)
    typed = second_steps.written(secret)
    spaced = " ".join(typed[at : at + 4] for at in range(0, len(typed), 4))
    return render_template("console/app.html", form=form, drawn=drawn, size=len(modules), typed=spaced)


def _codes_page(codes: list[str]) -> str:
    return render_template("console/codes.html", codes=codes)


def _passkey_page(form: PasskeyForm, trouble: str | None = None) -> str:
    with service().reading() as connection:
        known = list(second_steps.passkeys(connection, current_user.id))
    asked = passkeys.to_make(current_user, known)
    return render_template("console/passkey.html", form=form, asked=asked, trouble=trouble)
