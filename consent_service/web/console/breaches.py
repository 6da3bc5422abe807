"""Staff pages for breaches of personal data: the log, noting one, the 72-hour clock, and who was told.

Contains no rule.
"""

from dataclasses import asdict
from datetime import date, datetime, time
from typing import Any

from flask import Blueprint, abort, g, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_security import current_user
from flask_wtf import FlaskForm
from wtforms import DateField, HiddenField, IntegerField, SelectField, TimeField
from wtforms.validators import InputRequired, NumberRange, Optional, ValidationError

from consent_service import breaches as cases
from consent_service import service as services
from consent_service.breaches import RISKS, WHOM, Breach, Facts, Notice
from consent_service.language import HELSINKI, mark
from consent_service.web.forms import EARLIEST, LineField, LongTextField, read_moment
from consent_service.web.pages import link_to
from consent_service.web.visitor import service

breaches = Blueprint("breaches", __name__, url_prefix="/breaches")

NO_DAY, NO_TIME = mark("Give the day."), mark("Give the time, like 14:30.")
CHANGED = mark(
    "Somebody else has changed this breach while you were writing. Nothing of yours was saved yet: open its page "
    "beside this one, set right what is needed here and save again."
)
NO_RISK, NO_WHOM = mark("Choose how large the risk is."), mark("Choose who was told.")
LONGEST, LONGEST_SHORT = 4000, 1000


class WhenForm(FlaskForm):
    """A day and a time in Helsinki that have been."""

    day = DateField(validators=[InputRequired(NO_DAY)], invalid_value_message=NO_DAY)
    at = TimeField(validators=[InputRequired(NO_TIME)], invalid_value_message=NO_TIME)

    def validate_day(self, field: DateField) -> None:
        """Its year was typed in full."""
        if field.data and field.data < EARLIEST:
            raise ValidationError(NO_DAY)

    def validate_at(self, field: TimeField) -> None:
        """Nobody has noticed or told anything tomorrow."""
        if self.day.data and field.data and self.moment > services.now():
            raise ValidationError(mark("Enter a time in the past."))

    @property
    def moment(self) -> datetime:
        """The two as a moment."""
        day: date = self.day.data
        at: time = self.at.data
        return datetime.combine(day, at, HELSINKI)


class FactsForm(WhenForm):
    """What is known of a breach; `changed_at` says how it was when the form was opened."""

    what = LineField(mark("Say it in one line of at most 100 characters."))
    happened = LongTextField(LONGEST, mark("Write what happened."))
    kinds_of_data = LongTextField(LONGEST_SHORT, mark("Write which data it is about."))
    people = IntegerField(
        validators=[Optional(), NumberRange(0, 2**31 - 1, mark("Write a number, or leave it out."))],
        invalid_value_message=mark("Write a number, or leave it out."),
    )
    consequences = LongTextField(LONGEST)
    measures = LongTextField(LONGEST)
    risk = SelectField(choices=["", *RISKS], validators=[InputRequired(NO_RISK)], invalid_choice_message=NO_RISK)
    risk_reason = LongTextField(LONGEST_SHORT)
    changed_at = HiddenField()

    def validate_risk_reason(self, field: LongTextField) -> None:
        """That nobody is at risk has to be shown (article 33(1), (5))."""
        if self.risk.data == cases.NONE and field.data is None:
            raise ValidationError(mark("Say why nobody is at risk."))

    @property
    def seen(self) -> datetime | None:
        """When the breach was last changed, as whoever opened the form saw it."""
        return read_moment(self.changed_at.data)

    @property
    def facts(self) -> Facts:
        """What was written, once the form is valid."""
        return Facts(
            noticed_at=self.moment,
            what=self.what.data,
            happened=self.happened.data,
            kinds_of_data=self.kinds_of_data.data,
            people=self.people.data,
            consequences=self.consequences.data,
            measures=self.measures.data,
            risk=self.risk.data,
            risk_reason=self.risk_reason.data,
        )


class TellForm(WhenForm):
    """Who was told, when and how."""

    whom = SelectField(choices=["", *WHOM], validators=[InputRequired(NO_WHOM)], invalid_choice_message=NO_WHOM)
    how = LongTextField(LONGEST_SHORT, mark("Write how they were told."))  # and why late, if it was


@breaches.get("")
def show_all() -> ResponseReturnValue:
    """The log of every breach, for reading and for paper."""
    with service().reading() as connection:
        found = cases.everything(connection)
    return render_template("console/breaches.html", found=found, risks=RISKS, now=services.now())


@breaches.get("/add")
def show_add() -> ResponseReturnValue:
    """The form for noting a breach."""
    local = services.now().astimezone(HELSINKI)
    return _form_page(FactsForm(day=local.date(), at=local.time(), risk=cases.UNKNOWN))


@breaches.post("/add")
def add() -> ResponseReturnValue:
    """Note a breach; its clock runs from when it was noticed."""
    form = FactsForm()
    if not form.validate():
        return _form_page(form), 400
    with service().transaction() as connection:
        breach_id = cases.add(connection, services.now(), form.facts, current_user.name)
    return redirect(link_to("console.breaches.show", breach_id=breach_id))


@breaches.get("/<uuid:breach_id>")
def show(breach_id: Any) -> ResponseReturnValue:
    """One breach, its clock, and what has still to be done."""
    found = _breach(breach_id)
    text = cases.report(g.language, found, service().controller)
    return render_template("console/breach.html", found=found, risks=RISKS, whom=WHOM, now=services.now(), report=text)


@breaches.get("/<uuid:breach_id>/change")
def show_change(breach_id: Any) -> ResponseReturnValue:
    """The form with what is known."""
    found = _breach(breach_id)
    local = found.row.noticed_at.astimezone(HELSINKI)
    known = {
        **found.row._mapping,
        "day": local.date(),
        "at": local.time(),
        "changed_at": found.row.changed_at.isoformat(),
    }
    return _form_page(FactsForm(data=known), found)


@breaches.post("/<uuid:breach_id>/change")
def change(breach_id: Any) -> ResponseReturnValue:
    """Write anew what is known."""
    found, form = _breach(breach_id), FactsForm()
    if not form.validate():
        return _form_page(form, found), 400
    with service().transaction() as connection:
        is_done = cases.change(connection, services.now(), found.row.id, form.facts, current_user.name, form.seen)
    found = _breach(breach_id)
    if not is_done and any(found.row._mapping[name] != value for name, value in asdict(form.facts).items()):
        form.changed_at.data = found.row.changed_at.isoformat()
        return _form_page(form, found, CHANGED), 409
    return redirect(link_to("console.breaches.show", breach_id=found.row.id))


@breaches.get("/<uuid:breach_id>/tell")
def show_tell(breach_id: Any) -> ResponseReturnValue:
    """The form for noting who was told."""
    local = services.now().astimezone(HELSINKI)
    return _tell_page(_breach(breach_id), TellForm(day=local.date(), at=local.time()))


@breaches.post("/<uuid:breach_id>/tell")
def tell(breach_id: Any) -> ResponseReturnValue:
    """Note who was told."""
    found, form = _breach(breach_id), TellForm()
    if not form.validate():
        return _tell_page(found, form), 400
    notice = Notice(form.whom.data, form.moment, form.how.data)
    with service().transaction() as connection:
        cases.tell(connection, services.now(), found.row.id, notice, current_user.name)
    return redirect(link_to("console.breaches.show", breach_id=found.row.id))


def _breach(breach_id: Any) -> Breach:
    with service().reading() as connection:
        found: Breach = cases.find(connection, str(breach_id)) or abort(404)
    return found


def _form_page(form: FactsForm, found: Breach | None = None, trouble: str | None = None) -> str:
    return render_template("console/breach_form.html", form=form, found=found, risks=RISKS, trouble=trouble)


def _tell_page(found: Breach, form: TellForm) -> str:
    return render_template("console/breach_tell.html", form=form, found=found, whom=WHOM)
