"""Staff pages for how long things are kept: what goes when, and the yearly look at customers ten years passive.

Nothing goes on the page that shows the list: a page of its own says what will go and asks for its number. Contains no
rule.
"""

from typing import Any

from flask import Blueprint, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_security import current_user
from flask_wtf import FlaskForm
from sqlalchemy import Row
from wtforms import HiddenField, StringField
from wtforms.validators import ValidationError

from consent_service import retention
from consent_service import service as services
from consent_service.language import HELSINKI, mark
from consent_service.register import reviews
from consent_service.register.keeping import years_after
from consent_service.register.reviews import Review
from consent_service.web.forms import LineField
from consent_service.web.pages import link_to
from consent_service.web.visitor import service

pages = Blueprint("retention", __name__, url_prefix="/retention")

MOST = 1000  # counted; of more than that it is enough to know that they are many


class EraseForm(FlaskForm):
    """How many go, typed, and by which list."""

    number = StringField()
    fingerprint = HiddenField()

    def __init__(self, review: Review):
        super().__init__()
        self.number_meant = str(len(review.going))

    def validate_number(self, field: StringField) -> None:
        """Whoever types the number has read it."""
        if (field.data or "").strip() != self.number_meant:
            raise ValidationError(mark("Write the number of customers as it stands above."))


class KeepForm(FlaskForm):
    """Why a customer is kept for another year."""

    reason = LineField(mark("Say why, in at most 100 characters."))  # the customer may see it


@pages.get("")
def show() -> ResponseReturnValue:
    """What goes when, and how the yearly review stands."""
    now, today = _now()
    with service().reading() as connection:
        kept = [
            (
                rule,
                retention.due(connection, rule, now, MOST),
                retention.coming(connection, rule, now, reviews.AHEAD, MOST),
            )
            for rule in retention.RULES
        ]
        standing, reports = reviews.standing(connection, now, today), reviews.reports(connection)
        purged_at = retention.purged_at(connection)
    did = next((one for one in reports if one.id == request.args.get("did")), None)
    return render_template(
        "console/retention.html", kept=kept, standing=standing, reports=reports, purged_at=purged_at, did=did, most=MOST
    )


@pages.get("/review")
def show_review() -> ResponseReturnValue:
    """The customers ten years passive: who is to go, who is kept, who is restricted."""
    return render_template("console/retention_review.html", review=_review())


@pages.get("/review/erase")
def show_erase() -> ResponseReturnValue:
    """Show what will go, before anything does."""
    review = _review()
    return _erase_page(review, EraseForm(review))


@pages.post("/review/erase")
def erase() -> ResponseReturnValue:
    """Erase the customers on the list that was shown, and keep a report."""
    now, today = _now()
    with service().transaction() as connection:
        review = reviews.look(connection, now, today, locks=True)
        form = EraseForm(review)
        if form.fingerprint.data != review.fingerprint:
            return _erase_page(review, EraseForm(review), has_changed=True), 409
        if not form.validate():
            return _erase_page(review, form), 400
        report_id = reviews.carry_out(connection, now, today, review, current_user.name)
    return redirect(link_to("console.retention.show", did=report_id))


@pages.get("/review/<uuid:customer_id>/keep")
def show_keep(customer_id: Any) -> ResponseReturnValue:
    """Ask why a customer is kept for another year."""
    return _keep_page(_customer(customer_id), KeepForm())


@pages.post("/review/<uuid:customer_id>/keep")
def keep(customer_id: Any) -> ResponseReturnValue:
    """Keep a customer for another year."""
    customer, form = _customer(customer_id), KeepForm()
    if not form.validate():
        return _keep_page(customer, form), 400
    now, today = _now()
    with service().transaction() as connection:
        reviews.keep(connection, now, today, customer.id, form.reason.data, current_user.name)
    return redirect(link_to("console.retention.show_review"))


def _now() -> tuple[Any, Any]:
    now = services.now()
    return now, now.astimezone(HELSINKI).date()


def _review() -> Review:
    with service().reading() as connection:
        return reviews.look(connection, *_now())


def _customer(customer_id: Any) -> Row[Any]:
    with service().reading() as connection:
        found: Row[Any] = reviews.find(connection, services.now(), str(customer_id)) or abort(404)
    return found


def _erase_page(review: Review, form: EraseForm, *, has_changed: bool = False) -> str:
    return render_template("console/retention_erase.html", review=review, form=form, has_changed=has_changed)


def _keep_page(customer: Row[Any], form: KeepForm) -> str:
    until_on = years_after(_now()[1], 1).isoformat()
    return render_template("console/retention_keep.html", customer=customer, form=form, until_on=until_on)
