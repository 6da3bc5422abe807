"""Staff pages for one person's rights: a legal hold, erasure, and what ActiveCampaign holds about them. A page each.

The page of a grave act names the person and the consequence and wants a word typed; only a POST acts. Contains no rule.
"""

from typing import Any

from flask import Blueprint, abort, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from sqlalchemy import Row
from wtforms import SelectField
from wtforms.validators import InputRequired

from consent_service import erasure, subscribers
from consent_service.activecampaign import held_there, holdings
from consent_service.erasure import BY_PERSON
from consent_service.language import mark
from consent_service.rights import personal_data
from consent_service.web.accounts import by_staff
from consent_service.web.forms import LastNameField, LineField
from consent_service.web.pages import link_to
from consent_service.web.visitor import service

# The log of access holds the names of doors for years: this one is older than the room's.
subscriber_rights = Blueprint("rights", __name__, url_prefix="/subscribers/<uuid:subscriber_id>")

NO_CHOICE = mark("Choose why.")
# A chosen word, because it stays for years in a record that must not tell who was erased.
WHY_ERASED = {
    BY_PERSON: mark("The person asked for it: tell them when it is done"),
    "mistake": mark("It was entered by mistake: tell nobody"),
}


class HoldForm(FlaskForm):
    """Why somebody's data has to be kept."""

    reason = LineField(mark("Say why, in at most 100 characters."))  # shown to the person


class EraseForm(FlaskForm):
    """Why somebody is erased, and their last name typed as a proof that it is really them who is meant."""

    why = SelectField(
        choices=["", *WHY_ERASED], validators=[InputRequired(NO_CHOICE)], invalid_choice_message=NO_CHOICE
    )
    last_name = LastNameField()

    def __init__(self, person: Row[Any]):
        super().__init__()
        self.last_name_meant = person.last_name


@subscriber_rights.get("/hold")
def show_hold(subscriber_id: Any) -> ResponseReturnValue:
    """Ask why the person's data has to be kept."""
    return _page("console/hold.html", _person(subscriber_id), HoldForm())


@subscriber_rights.post("/hold")
def hold(subscriber_id: Any) -> ResponseReturnValue:
    """Keep the person's data until the hold is lifted."""
    person, form = _person(subscriber_id), HoldForm()
    if not form.validate():
        return _page("console/hold.html", person, form), 400
    with service().transaction() as connection:
        erasure.hold(connection, by_staff(), person.id, form.reason.data)
    return redirect(link_to("console.subscribers.show", subscriber_id=person.id, did="held"))


@subscriber_rights.get("/release")
def show_release(subscriber_id: Any) -> ResponseReturnValue:
    """Ask whether the hold may be lifted."""
    return render_template("console/release.html", person=_person(subscriber_id))


@subscriber_rights.post("/release")
def release(subscriber_id: Any) -> ResponseReturnValue:
    """Lift the hold."""
    person = _person(subscriber_id)
    with service().transaction() as connection:
        erasure.release(connection, by_staff(), person.id)
    return redirect(link_to("console.subscribers.show", subscriber_id=person.id, did="released"))


@subscriber_rights.get("/erase")
def show_erase(subscriber_id: Any) -> ResponseReturnValue:
    """Ask whether the person is really to be erased."""
    person = _person(subscriber_id)
    return _page("console/erase.html", person, EraseForm(person))


@subscriber_rights.post("/erase")
def erase(subscriber_id: Any) -> ResponseReturnValue:
    """Erase the person, here and at ActiveCampaign."""
    person = _person(subscriber_id)
    form = EraseForm(person)
    if not form.validate():
        return _page("console/erase.html", person, form), 400
    why = form.why.data
    with service().transaction() as connection:
        held = erasure.erase(connection, by_staff(), person.id, why, tell=why == BY_PERSON)
    if held is not None:
        return _page("console/erase.html", _person(subscriber_id), form), 409
    return redirect(link_to("console.subscribers.show_all", did="erased"))


@subscriber_rights.get("/there")
def show_there(subscriber_id: Any) -> ResponseReturnValue:
    """What ActiveCampaign holds about the person, as far as it was fetched."""
    person = _person(subscriber_id)
    with service().reading() as connection:
        there = held_there.find(connection, service().vault, person.id)
    return render_template(
        "console/there.html",
        person=person,
        there=there,
        state=there.state(forwards=service().forwards),
        parts=holdings.TITLES,
        why_missing=holdings.REASONS,
    )


@subscriber_rights.post("/there")
def fetch_there(subscriber_id: Any) -> ResponseReturnValue:
    """Have fetched what ActiveCampaign holds about the person."""
    person = _person(subscriber_id)
    with service().transaction() as connection:
        personal_data.ask_there(connection, by_staff(), person.id)
    return redirect(link_to("console.rights.show_there", subscriber_id=person.id))


def _person(subscriber_id: Any) -> Row[Any]:
    with service().reading() as connection:
        found: Row[Any] = subscribers.find(connection, str(subscriber_id)) or abort(404)
    return found


def _page(template: str, person: Row[Any], form: FlaskForm) -> str:
    return render_template(template, person=person, form=form, reasons=WHY_ERASED)
