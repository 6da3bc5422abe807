"""Staff pages for the keys of the company's other programs: which there are, make one, disable one.

A new key is shown once, in the answer to the press that made it, and stands nowhere else. Contains no rule.
"""

import re
from typing import Any

from flask import Blueprint, abort, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_security import current_user
from flask_wtf import FlaskForm
from sqlalchemy import Row
from wtforms import BooleanField, HiddenField, ValidationError

from consent_service import api_keys
from consent_service import service as services
from consent_service.api_keys import SCOPES
from consent_service.language import mark
from consent_service.web.forms import LineField
from consent_service.web.pages import link_to
from consent_service.web.visitor import service

keys = Blueprint("api_keys", __name__, url_prefix="/api-keys")

NO_SCOPE = mark("Choose what it may do.")
IN_SHORT = {
    api_keys.SUBSCRIBE: mark("start subscriptions"),
    api_keys.WITHDRAW: mark("end subscriptions"),
    api_keys.READ: mark("read how an address stands"),
}
KEY_ID = re.compile(r"[0-9a-f]{16}")


class KeyForm(FlaskForm):
    """Which program a key is for, and what it may do; the id makes a second press of the button a repeat."""

    key_id = HiddenField(default=api_keys.new_id)
    name = LineField(mark("Write which program it is for, in at most 100 characters."))  # stands in the evidence
    subscribe = BooleanField()
    withdraw = BooleanField()
    read = BooleanField()

    def validate_subscribe(self, field: BooleanField) -> None:
        """A key that permits nothing is none."""
        if not self.scopes:
            raise ValidationError(NO_SCOPE)

    def validate_key_id(self, field: HiddenField) -> None:
        """It came with the form, and nobody types it."""
        if not KEY_ID.fullmatch(field.data or ""):
            field.data = api_keys.new_id()

    @property
    def scopes(self) -> frozenset[str]:
        """What was ticked."""
        return frozenset(scope for scope in SCOPES if self[scope].data)


@keys.get("")
def show() -> ResponseReturnValue:
    """Every key there has been."""
    with service().reading() as connection:
        known = api_keys.known(connection)
    return render_template("console/api_keys.html", known=known, scopes=IN_SHORT)


@keys.get("/make")
def show_make() -> ResponseReturnValue:
    """The form for a new key."""
    return _make_page(KeyForm())


@keys.post("/make")
def make() -> ResponseReturnValue:
    """Make a key and show it, once."""
    form = KeyForm()
    if not form.validate():
        return _make_page(form), 400
    name, scopes, now = form.name.data, form.scopes, services.now()
    with service().transaction() as connection:
        written = api_keys.make(connection, form.key_id.data, name, scopes, current_user.name, now)
    place = f"{service().settings.public_url}/api/v1/openapi.json"
    return render_template("console/api_key_made.html", name=name, written=written, place=place)


@keys.get("/<key_id>/disable")
def show_disable(key_id: str) -> ResponseReturnValue:
    """Ask whether the key is really to be disabled."""
    return render_template("console/api_key_disable.html", key=_key(key_id))


@keys.post("/<key_id>/disable")
def disable(key_id: str) -> ResponseReturnValue:
    """Disable a key for good."""
    key = _key(key_id)
    with service().transaction() as connection:
        api_keys.disable(connection, key.id, current_user.name, services.now())
    return redirect(link_to("console.api_keys.show"))


def _key(key_id: str) -> Row[Any]:
    if not KEY_ID.fullmatch(key_id):
        abort(404)
    with service().reading() as connection:
        found: Row[Any] = api_keys.named(connection, key_id) or abort(404)
    return found


def _make_page(form: KeyForm) -> str:
    return render_template("console/api_key_make.html", form=form, scopes=SCOPES)
