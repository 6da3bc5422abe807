"""Staff pages for requests that people make about their data: the list, adding one, one request, its letters and file.

What is done with a request has pages of its own in `data_request_acts`. Contains no rule.
"""

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, abort, g, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_security import current_user
from flask_wtf import FlaskForm
from sqlalchemy import Connection, Row
from wtforms import DateField, IntegerField, SelectField
from wtforms.validators import InputRequired, Optional, ValidationError

from consent_service import service as services
from consent_service import subscribers
from consent_service.language import HELSINKI, LANGUAGES, language, mark
from consent_service.register import customers, held
from consent_service.rights import data_requests as requests
from consent_service.rights import handover, request_rows
from consent_service.rights.data_requests import GROUNDS, METHODS, OUTCOMES, Told
from consent_service.rights.request_acts import NotVerified
from consent_service.rights.request_days import SOON
from consent_service.rights.request_rows import CHANNELS, PAGE, STATES, Search
from consent_service.rights.request_tasks import KINDS, PLACES, TASKS
from consent_service.web.accounts import by_staff
from consent_service.web.forms import AddressField, LongTextField, NameField, PhoneField
from consent_service.web.pages import LARGEST_ID, link_to, one_of, searched
from consent_service.web.visitor import service, today

data_requests = Blueprint("data_requests", __name__, url_prefix="/data-requests")

ONE = f"/<int(max={LARGEST_ID}):number>"
NO_KIND, NO_CHANNEL = mark("Choose what the person wants."), mark("Choose how the request came.")
NO_DAY = mark("Give the day on which the request came.")
NO_NUMBER = mark("Write the customer number in digits, or leave it out.")
NO_CUSTOMER = mark("There is no customer with this number.")
LONGEST_WISH, OLDEST = 2000, timedelta(days=366)
LETTERS = {
    request_rows.RECEIVED: mark("That the request came"),
    request_rows.EXTENDED: mark("That it takes longer"),
    request_rows.ANSWER: mark("The answer"),
}


class AddForm(FlaskForm):
    """A request as somebody made it, by phone, in a mail or on paper."""

    kind = SelectField(choices=["", *KINDS], validators=[InputRequired(NO_KIND)], invalid_choice_message=NO_KIND)
    channel = SelectField(
        choices=["", *(name for name in CHANNELS if name != PAGE)],
        validators=[InputRequired(NO_CHANNEL)],
        invalid_choice_message=NO_CHANNEL,
    )
    received_on = DateField(validators=[InputRequired(NO_DAY)], invalid_value_message=NO_DAY)
    name = NameField(mark("Write the name."))
    email = AddressField(None)
    phone = PhoneField()
    customer_number = IntegerField(validators=[Optional()], invalid_value_message=NO_NUMBER)
    language = SelectField(choices=list(LANGUAGES), default="fi", invalid_choice_message=mark("Choose"))
    wish = LongTextField(LONGEST_WISH)  # in their own words, if that says more

    def validate_received_on(self, field: DateField) -> None:
        """The month is counted from this day."""
        if field.data and not today() - OLDEST <= field.data <= today():
            raise ValidationError(mark("Choose today or an earlier day, at most a year ago."))

    def validate_customer_number(self, field: IntegerField) -> None:
        """A number names a customer, or it is a slip of the pen."""
        if field.data is not None and not 0 < field.data <= LARGEST_ID:
            raise ValidationError(NO_NUMBER)


@data_requests.get("")
def show_all() -> ResponseReturnValue:
    """Search and list requests, the open ones first, by the day they are due."""
    words, page = searched()
    asked = Search(words, one_of("state", STATES), page)
    with service().reading() as connection:
        found = request_rows.search(connection, asked)
        year = request_rows.year(connection, today().year)
        alarms = request_rows.alarms(connection, today())
    return render_template(
        "console/data_requests.html",
        asked=asked,
        found=found,
        year=year,
        alarms=alarms,
        kinds=KINDS,
        states=STATES,
        outcomes=OUTCOMES,
        **_days(),
    )


@data_requests.get("/add")
def show_add() -> ResponseReturnValue:
    """The form for a request that came by phone, mail or paper."""
    return _add_page(AddForm())


@data_requests.post("/add")
def add() -> ResponseReturnValue:
    """Take the request; the month is running."""
    form = AddForm()
    if not form.validate():
        return _add_page(form), 400
    with service().transaction() as connection:
        if form.customer_number.data is not None and not _is_customer(connection, form.customer_number.data):
            form.customer_number.errors = [NO_CUSTOMER]
            return _add_page(form), 400
        number = requests.take(connection, by_staff(), _told(form), current_user.name)
    return redirect(link_to("console.data_requests.show", number=number))


@data_requests.get(ONE)
def show(number: int) -> ResponseReturnValue:
    """One request: who, what, until when, and what comes next."""
    with service().reading() as connection:
        asked = find(connection, number)
        tasks, letters = request_rows.tasks(connection, number), request_rows.letters(connection, number)
        documents = held.staying(connection, today(), asked.customer_id)
        who = known_of(connection, asked)
    return render_template(
        "console/data_request.html",
        asked=asked,
        tasks=tasks,
        letters=letters,
        documents=documents,
        titles=LETTERS,
        words=TASKS[asked.kind],
        places=PLACES,
        kinds=KINDS,
        channels=CHANNELS,
        methods=METHODS,
        outcomes=OUTCOMES,
        grounds=GROUNDS,
        handed_over=asked.kind in handover.HANDED_OVER,
        left=[task for task in tasks if task.done_at is None],
        **who,
        **_days(),
    )


@data_requests.get(f"{ONE}/letters/<kind>")
def show_letter(number: int, kind: str) -> ResponseReturnValue:
    """A letter of the request, to read and to print."""
    with service().reading() as connection:
        asked = find(connection, number)
        made = {letter.kind: letter for letter in request_rows.letters(connection, number)}
        if kind not in made or asked.name is None:
            abort(404)
        letter = service().letters.requests.about(connection, asked, kind, services.now())
    spoken, written_on = language(asked.language), made[kind].made_at.astimezone(HELSINKI).date()
    return render_template(
        "console/data_request_letter.html", asked=asked, letter=letter, spoken=spoken, written_on=written_on
    )


@data_requests.get(f"{ONE}/file")
def show_file(number: int) -> ResponseReturnValue:
    """The file to hand over; there is none before it is sure who asks."""
    with service().snapshot() as connection:
        asked = find(connection, number)
        if asked.kind not in handover.HANDED_OVER or asked.name is None:
            abort(404)
        try:
            held = handover.gather(connection, service().vault, asked, services.now())
        except NotVerified:
            abort(404)
    made = handover.package(held, asked, service().origin(), service().reading, service().vault)
    response = Response(made, mimetype="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="tiedot-{asked.number}.zip"'
    return response


def find(connection: Connection, number: int) -> Row[Any]:
    """The request with a number, or the page that there is none; the log of access says that this page is about it."""
    found: Row[Any] = request_rows.find(connection, number) or abort(404)
    g.about = f"data_request:{number}"
    return found


def known_of(connection: Connection, asked: Row[Any]) -> dict[str, Any]:
    """Who here is meant, as far as they are still here."""
    person = subscribers.find(connection, asked.subscriber_id) if asked.subscriber_id else None
    customer = customers.find(connection, asked.customer_id) if asked.customer_id else None
    return {"person": person, "customer": customer}


def _is_customer(connection: Connection, number: int) -> bool:
    return customers.of_number(connection, str(number)) is not None


def _told(form: AddForm) -> Told:
    return Told(
        kind=form.kind.data,
        channel=form.channel.data,
        received_on=form.received_on.data,
        language=form.language.data,
        name=form.name.data,
        address=form.email.address,
        phone=form.phone.data,
        customer_number=form.customer_number.data,
        wish=form.wish.data,
    )


def _days() -> dict[str, str]:
    return {"today": today().isoformat(), "soon": (today() + SOON).isoformat()}


def _add_page(form: AddForm) -> str:
    return render_template(
        "console/data_request_add.html",
        form=form,
        kinds=KINDS,
        channels={name: words for name, words in CHANNELS.items() if name != PAGE},
        languages=LANGUAGES,
        today=today(),
        longest=LONGEST_WISH,
    )
