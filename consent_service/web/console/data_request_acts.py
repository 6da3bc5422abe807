"""Staff pages for what is done with one request about data, a page for each step; only a POST acts.

Who asks, which customer that is, more time, carrying it out, what is done by hand, closing it. Contains no rule.
"""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, abort, g, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_security import current_user
from flask_wtf import FlaskForm
from sqlalchemy import Connection, Row
from wtforms import IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, ValidationError

from consent_service import asks
from consent_service import service as services
from consent_service.language import mark
from consent_service.people import is_same_name
from consent_service.register import customers, held
from consent_service.register.customer_erasure import CustomerRestricted
from consent_service.register.customers import Search
from consent_service.rights import data_requests as requests
from consent_service.rights import personal_data, request_rows
from consent_service.rights.data_requests import (
    GROUNDS,
    METHODS,
    MORE,
    OUTCOMES,
    AlreadyClosed,
    Closing,
    RequestRefused,
)
from consent_service.rights.request_acts import KeptByHold, NotVerified
from consent_service.rights.request_tasks import ERASE, KINDS, PLACES, TASKS
from consent_service.web.accounts import by_staff
from consent_service.web.console.data_requests import (
    NO_CUSTOMER,
    NO_NUMBER,
    ONE,
    find,
    known_of,
)
from consent_service.web.forms import LongTextField
from consent_service.web.pages import LARGEST_ID, link_to
from consent_service.web.visitor import service, today

data_request_acts = Blueprint("data_request_acts", __name__, url_prefix=f"/data-requests{ONE}")

LONGEST_NOTE, LONGEST_ANSWER = 500, 2000
DOUBT = "doubt"
NO_METHOD = mark("Choose how you checked who is asking.")
NO_NOTE, NO_REASON = mark("Say what you did."), mark("Say why, in words that the person understands.")
NO_OUTCOME, NO_GROUND = mark("Choose how it ended."), mark("Choose why not all was done.")
NOT_THE_NAME = mark("Write the name as it stands above.")
KEPT = mark(
    "Nothing was erased: the person's data is kept for a legal claim. Lift the hold first, or refuse the request."
)
RESTRICTED = mark(
    "This customer cannot be erased while the use of their data is restricted. Lift the restriction first."
)


class NoteForm(FlaskForm):
    """What was done by hand, or why something takes longer."""

    note = LongTextField(LONGEST_NOTE)

    def __init__(self, missing: str):
        super().__init__()
        self.note.missing = missing


class IdentityForm(FlaskForm):
    """How it was made sure who asks, or that it could not be."""

    method = SelectField(validate_choice=False, validators=[InputRequired(NO_METHOD)])
    note = LongTextField(LONGEST_NOTE)

    def validate_note(self, field: LongTextField) -> None:
        """More than usual, and a doubt, need a reason."""
        if field.data is None and self.method.data in (MORE, DOUBT):
            raise ValidationError(mark("Say why you doubt it."))


class CustomerForm(FlaskForm):
    """Which customer asks."""

    customer_number = IntegerField(validators=[InputRequired(NO_NUMBER)], invalid_value_message=NO_NUMBER)

    def validate_customer_number(self, field: IntegerField) -> None:
        """A number that the database can hold."""
        if field.data is not None and not 0 < field.data <= LARGEST_ID:
            raise ValidationError(NO_CUSTOMER)


class CarryOutForm(FlaskForm):
    """What is to be erased cannot be brought back, so the name is typed as a proof that this one is meant."""

    name = StringField()

    def __init__(self, asked: Row[Any]):
        super().__init__()
        self._meant = asked.name if asked.kind == ERASE else None

    def validate_name(self, field: StringField) -> None:
        """That of whom the page is about."""
        if self._meant is not None and not is_same_name(field.data, self._meant):
            raise ValidationError(NOT_THE_NAME)


class CloseForm(FlaskForm):
    """How the request ended, why not all was done, and our own words to the person."""

    outcome = SelectField(
        choices=["", *OUTCOMES], validators=[InputRequired(NO_OUTCOME)], invalid_choice_message=NO_OUTCOME
    )
    ground = SelectField(choices=["", *GROUNDS], invalid_choice_message=NO_GROUND)
    answer = LongTextField(LONGEST_ANSWER)  # goes into the letter as it is

    def validate_ground(self, field: SelectField) -> None:
        """Whoever does not get all gets a reason."""
        if self.outcome.data == request_rows.DONE:
            field.data = ""
        elif self.outcome.data and not field.data:
            raise ValidationError(NO_GROUND)


@data_request_acts.get("/identity")
def show_identity(number: int) -> ResponseReturnValue:
    """Ask how it was made sure who asks."""
    return _identity_page(number, IdentityForm())


@data_request_acts.post("/identity")
def verify(number: int) -> ResponseReturnValue:
    """Note how it was made sure who asks, or that it could not be."""
    form = IdentityForm()
    if not form.validate():
        return _identity_page(number, form), 400
    method, note = form.method.data, form.note.data

    def act(connection: Connection) -> None:
        if method == DOUBT:
            requests.doubt(connection, services.now(), number, note, current_user.name)
        else:
            requests.verify(connection, services.now(), number, method, note, current_user.name)

    trouble = _try(number, act)
    return (_identity_page(number, form, trouble), 409) if trouble else _back(number)


@data_request_acts.post("/own-page-link")
def send_link(number: int) -> ResponseReturnValue:
    """Mail a subscriber the link to their own page, where they can do it themselves, or prove their mailbox."""
    with service().transaction() as connection:
        person = known_of(connection, find(connection, number))["person"] or abort(404)
        personal_data.request_link(connection, by_staff(), asks.address_of(person), service().address_limit)
    return _back(number, did="mailed")


@data_request_acts.get("/customer")
def show_customer(number: int) -> ResponseReturnValue:
    """Ask which customer it is."""
    return _customer_page(number, CustomerForm())


@data_request_acts.post("/customer")
def link(number: int) -> ResponseReturnValue:
    """Note which customer asks, by their number."""
    form = CustomerForm()
    if not form.validate():
        return _customer_page(number, form), 400

    def act(connection: Connection) -> None:
        if not requests.link(connection, number, form.customer_number.data):
            form.customer_number.errors = [NO_CUSTOMER]

    trouble = _try(number, act)
    if form.customer_number.errors:
        return _customer_page(number, form), 400
    return (_customer_page(number, form, trouble), 409) if trouble else _back(number)


@data_request_acts.get("/extension")
def show_extension(number: int) -> ResponseReturnValue:
    """Ask why it takes longer."""
    return _page("console/data_request_extension.html", number, NoteForm(NO_REASON))


@data_request_acts.post("/extension")
def extend(number: int) -> ResponseReturnValue:
    """Take two more months, and have it told."""
    form, template = NoteForm(NO_REASON), "console/data_request_extension.html"
    if not form.validate():
        return _page(template, number, form), 400
    trouble = _try(number, lambda connection: requests.extend(connection, by_staff(), number, form.note.data, today()))
    return (_page(template, number, form, trouble), 409) if trouble else _back(number)


@data_request_acts.get("/carry-out")
def show_carry_out(number: int) -> ResponseReturnValue:
    """Say what the service is about to do."""
    return _page("console/data_request_carry_out.html", number, CarryOutForm(_asked(number)))


@data_request_acts.post("/carry-out")
def carry_out(number: int) -> ResponseReturnValue:
    """Do here what the request asks for; what is erased cannot be brought back."""
    form, template = CarryOutForm(_asked(number)), "console/data_request_carry_out.html"
    if not form.validate():
        return _page(template, number, form), 400

    def act(connection: Connection) -> None:
        requests.carry_out(connection, by_staff(), number, today(), current_user.name)

    trouble = _try(number, act)
    return (_page(template, number, form, trouble), 409) if trouble else _back(number)


@data_request_acts.get("/tasks/<place>")
def show_task(number: int, place: str) -> ResponseReturnValue:
    """What a person has to do somewhere."""
    return _task_page(number, place, NoteForm(NO_NOTE))


@data_request_acts.post("/tasks/<place>")
def tick(number: int, place: str) -> ResponseReturnValue:
    """Note that it is done."""
    form = NoteForm(NO_NOTE)
    if not form.validate():
        return _task_page(number, place, form), 400

    def act(connection: Connection) -> None:
        requests.tick(connection, services.now(), number, place, form.note.data, current_user.name)

    trouble = _try(number, act)
    return (_task_page(number, place, form, trouble), 409) if trouble else _back(number)


@data_request_acts.get("/close")
def show_close(number: int) -> ResponseReturnValue:
    """Ask how it ended."""
    return _close_page(number, CloseForm())


@data_request_acts.post("/close")
def close(number: int) -> ResponseReturnValue:
    """Close it, and have the answer written."""
    form = CloseForm()
    if not form.validate():
        return _close_page(number, form), 400
    closing = Closing(form.outcome.data, form.ground.data or None, form.answer.data)

    def act(connection: Connection) -> None:
        requests.close(connection, by_staff(), number, closing, today(), current_user.name)

    trouble = _try(number, act)
    return (_close_page(number, form, trouble), 409) if trouble else _back(number)


def _try(number: int, act: Callable[[Connection], None]) -> str | None:
    """Do something in one transaction; what is in its way, in words, when nothing was done.

    A closed request is as whoever closed it left it: its page says so.
    """
    _asked(number)
    try:
        with service().transaction() as connection:
            act(connection)
    except NotVerified:
        return mark("First check who is asking.")
    except KeptByHold:
        return KEPT
    except CustomerRestricted:
        return RESTRICTED
    except AlreadyClosed:
        return None
    except RequestRefused as refused:
        return refused.advice
    return None


def _asked(number: int) -> Row[Any]:
    with service().reading() as connection:
        return find(connection, number)


def _back(number: int, **values: str) -> ResponseReturnValue:
    return redirect(link_to("console.data_requests.show", number=number, **values))


def _page(template: str, number: int, form: FlaskForm, trouble: str | None = None, **more: Any) -> str:
    with service().reading() as connection:
        asked = find(connection, number)
        tasks, who = request_rows.tasks(connection, number), known_of(connection, asked)
        documents = held.staying(connection, today(), asked.customer_id)
    given = {"asked": asked, "form": form, "trouble": trouble, "kinds": KINDS, "places": PLACES}
    return render_template(
        template,
        tasks=tasks,
        documents=documents,
        words=TASKS[asked.kind],
        longest=LONGEST_NOTE,
        **given,
        **who,
        **more,
    )


def _customer_page(number: int, form: CustomerForm, trouble: str | None = None) -> str:
    """The page that asks for the customer's number, with those in the register who bear the name of whoever asks."""
    with service().reading() as connection:
        name = find(connection, number).name
        named = customers.search(connection, Search(name)).rows if name else []
    page = _page("console/data_request_customer.html", number, form, trouble, named=named)
    g.about = [g.about, *(f"customer:{one.id}" for one in named)]
    return page


def _identity_page(number: int, form: IdentityForm, trouble: str | None = None) -> str:
    with service().reading() as connection:
        fit = requests.methods(connection, find(connection, number))
    choices = {method: METHODS[method] for method in fit} | {DOUBT: mark("I could not make sure")}
    return _page("console/data_request_identity.html", number, form, trouble, choices=choices)


def _task_page(number: int, place: str, form: NoteForm, trouble: str | None = None) -> str:
    with service().reading() as connection:
        mine = [task for task in request_rows.tasks(connection, number) if task.place == place]
    return _page("console/data_request_task.html", number, form, trouble, task=mine[0] if mine else abort(404))


def _close_page(number: int, form: CloseForm, trouble: str | None = None) -> str:
    more = {"outcomes": OUTCOMES, "grounds": GROUNDS, "longest_answer": LONGEST_ANSWER}
    return _page("console/data_request_close.html", number, form, trouble, **more)
