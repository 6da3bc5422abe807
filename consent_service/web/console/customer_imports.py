"""Customers out of a spreadsheet: send the file, say what its columns are, look through it, add, and take out again.

The relay does what takes long; a page that waits for it opens itself anew, unless somebody wants it to hold still.
Nothing is in the register before the button under the numbers is pressed. Contains no rule.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from flask import Blueprint, abort, g, make_response, redirect, render_template, request, send_file
from flask.typing import ResponseReturnValue
from flask_security import current_user
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from sqlalchemy import Connection, Row
from wtforms import SelectField, ValidationError

from consent_service import service as services
from consent_service.language import mark
from consent_service.register import customer_exports, customer_file, import_batches
from consent_service.register import customer_imports as imports
from consent_service.register.customer_columns import MEANINGS, NAME, NAME_REVERSED
from consent_service.register.customer_file import SHEET_TYPE, FileRefused
from consent_service.register.customer_imports import (
    APPLIED,
    CHECKED,
    CHOICES,
    COLUMNS,
    REFUSED,
    ROWS,
    STATES,
    UNDONE,
    WORKING,
    ChoiceRefused,
)
from consent_service.register.customer_matching import ALIKE
from consent_service.register.customers import SOURCES
from consent_service.web import pages
from consent_service.web.pages import link_to
from consent_service.web.visitor import service

customer_imports = Blueprint("customer_imports", __name__, url_prefix="/customers/imports")

NO_FILE = mark("Choose the file.")
TWICE = mark("Another column is called the same. Choose one of them.")
NO_NAMES = mark("Choose the column in which the last name or the company stands.")
TOO_LATE = mark("That is not possible any more. This is how the import stands now.")
REFRESH_S = 2
LONGEST_FILE_NAME, MOST_SHOWN = 200, 500
STALLED = timedelta(seconds=20)  # since nobody has worked on it: then the relay may not be running
NAMED = {"last_name", "company_name", NAME, NAME_REVERSED}


class FileForm(FlaskForm):
    """The file somebody sends."""

    file = FileField()
    content = b""

    def validate_file(self, field: FileField) -> None:
        """A spreadsheet, or a clear word about what to do."""
        if not field.data or not field.data.filename:
            raise ValidationError(NO_FILE)
        self.content = field.data.read(customer_file.LARGEST_FILE + 1)
        try:
            customer_file.check(self.content)
        except FileRefused as refused:
            raise ValidationError(refused.message) from None

    @property
    def file_name(self) -> str:
        """The name of the file, without its folder, as one plain line."""
        name = str(self.file.data.filename).replace("\\", "/").rpartition("/")[2]
        return "".join(one if one.isprintable() else " " for one in name)[-LONGEST_FILE_NAME:].strip() or "?"


class ColumnsForm(FlaskForm):
    """What the columns of a sheet are; one field for each."""

    source = SelectField(choices=list(SOURCES), default="other")

    def __init__(self, table: imports.Table):
        super().__init__()
        sent = request.form if request.method == "POST" else None
        known = [sent.get(f"column-{at}", "") for at in range(len(table.columns))] if sent else table.columns
        self.columns = [one if one in MEANINGS else "" for one in known]
        self.wrong: dict[int, str] = {}
        self.trouble: str | None = None

    def validate(self, extra_validators: Any = None) -> bool:
        """No column is there twice, and one tells a name."""
        if not super().validate(extra_validators):
            return False
        chosen = [one for one in self.columns if one]
        self.wrong = {at: TWICE for at, one in enumerate(self.columns) if one and chosen.count(one) > 1}
        self.trouble = None if NAMED & set(chosen) else NO_NAMES
        return not (self.wrong or self.trouble)


@customer_imports.errorhandler(413)
def too_large(_error: Exception) -> ResponseReturnValue:
    """A file so large that it was not even read."""
    return pages.error(413, customer_file.TOO_LARGE)


@customer_imports.get("")
def show_all() -> ResponseReturnValue:
    """The form for a file, and the imports there have been."""
    return _list_page(FileForm())


@customer_imports.post("")
def add() -> ResponseReturnValue:
    """Take a file, to be read by the relay."""
    form = FileForm()
    if not form.validate():
        return _list_page(form), 400
    with service().transaction() as connection:
        import_id = imports.take(connection, services.now(), form.file_name, form.content, current_user.name)
    return redirect(link_to("console.customer_imports.show", import_id=import_id))


@customer_imports.get("/<uuid:import_id>")
def show(import_id: Any) -> ResponseReturnValue:
    """How an import stands, and what is to be done now."""
    found = _import(import_id)
    if found.state == COLUMNS or (found.state == CHECKED and "columns" in request.args):
        return _columns_page(found)
    return _page(found)


@customer_imports.post("/<uuid:import_id>/columns")
def set_columns(import_id: Any) -> ResponseReturnValue:
    """Say what the columns are; then the rows are checked."""
    found = _import(import_id)
    if not imports.sheets(found):  # the file has not been read yet, or cannot be
        return _page(found, TOO_LATE)
    chosen = _chosen(found, request.form)
    form = ColumnsForm(_table(found, chosen))
    if not form.validate():
        return _columns_page(found, form), 400
    return _act(
        found, lambda at: imports.set_columns(at, services.now(), found.id, chosen, form.columns, form.source.data)
    )


@customer_imports.get("/<uuid:import_id>/rows/<state>")
def show_rows(import_id: Any, state: str) -> ResponseReturnValue:
    """The rows of one kind, fifty a page, with what is wrong or whom they look like, and a choice for each."""
    found = _import(import_id)
    if state not in ROWS:
        abort(404)
    with service().reading() as connection:
        rows = imports.rows_of(connection, found.id, state, max(1, request.args.get("page", 1, int)))
        alike = imports.look_alikes(connection, found.id, [row.match_id for row in rows.rows if row.match_id])
    return render_template(
        "console/customer_import_rows.html",
        found=found,
        rows=rows,
        state=state,
        alike=alike,
        choices=CHOICES.get(state, {}),
        sheets=imports.sheets(found),
        reasons=lambda row: customer_exports.reasons(row, imports.meanings(found), g.language),
        called=imports.called,
        kinds=ROWS,
        by=ALIKE,
    )


@customer_imports.post("/<uuid:import_id>/rows/<state>")
def choose(import_id: Any, state: str) -> ResponseReturnValue:
    """Say what is to become of rows: of each of a page, or of all of a kind."""
    found = _import(import_id)
    for_all = request.form.get("for_all")
    back = link_to("console.customer_imports.show_rows", import_id=found.id, state=state, page=request.args.get("page"))
    if for_all:
        return _act(found, lambda connection: imports.choose_for_all(connection, found.id, state, for_all), back)
    given = {
        name.removeprefix("choice-"): choice for name, choice in request.form.items() if name.startswith("choice-")
    }
    choices = {int(position): choice for position, choice in given.items() if _is_number(position)}
    return _act(found, lambda connection: imports.choose(connection, found.id, choices), back)


@customer_imports.get("/<uuid:import_id>/problems.xlsx")
def download_problems(import_id: Any) -> ResponseReturnValue:
    """Every row with a problem as a spreadsheet, to be put right in the file it came from."""
    found = _import(import_id)
    with service().snapshot() as connection:
        file = customer_exports.write_problems(connection, found, g.language)
    name = g.language.say("rows to look at")
    return send_file(file, SHEET_TYPE, as_attachment=True, download_name=f"{name}.xlsx")


@customer_imports.post("/<uuid:import_id>/apply")
def apply(import_id: Any) -> ResponseReturnValue:
    """Have the rows taken into the register."""
    found = _import(import_id)
    return _act(found, lambda connection: imports.apply(connection, services.now(), found.id))


@customer_imports.post("/<uuid:import_id>/cancel")
def cancel(import_id: Any) -> ResponseReturnValue:
    """Erase what was read of the file; nothing of it was in the register."""
    found = _import(import_id)
    back = link_to("console.customer_imports.show_all", did="cancelled")
    return _act(found, lambda connection: imports.cancel(connection, found.id), back)


@customer_imports.get("/<uuid:import_id>/undo")
def show_undo(import_id: Any) -> ResponseReturnValue:
    """Ask whether the import is really to be taken out of the register again."""
    found = _import(import_id)
    with service().reading() as connection:
        counts = imports.counts(connection, found)
    return render_template("console/customer_import_undo.html", found=found, outcomes=_by_choice(counts))


@customer_imports.post("/<uuid:import_id>/undo")
def undo(import_id: Any) -> ResponseReturnValue:
    """Have the import taken out of the register again."""
    found = _import(import_id)
    return _act(found, lambda connection: imports.undo(connection, services.now(), found.id))


def _act(found: Row[Any], act: Callable[[Connection], None], back: str | None = None) -> ResponseReturnValue:
    try:
        with service().transaction() as connection:
            act(connection)
    except ChoiceRefused:
        return _page(_import(found.id), TOO_LATE)
    return redirect(back or link_to("console.customer_imports.show", import_id=found.id))


def _import(import_id: Any) -> Row[Any]:
    with service().reading() as connection:
        found: Row[Any] = imports.find(connection, str(import_id)) or abort(404)
    return found


def _list_page(form: FileForm) -> str:
    with service().reading() as connection:
        found = imports.search(connection, max(1, request.args.get("page", 1, int)))
    did = request.args.get("did")
    return render_template("console/customer_imports.html", form=form, found=found, states=STATES, did=did)


def _page(found: Row[Any], refusal: str | None = None) -> ResponseReturnValue:
    with service().reading() as connection:
        counts = imports.counts(connection, found) if found.state in (CHECKED, APPLIED, UNDONE) else {}
        stayed = import_batches.stayed(connection, found.id, MOST_SHOWN) if found.state == UNDONE else []
    is_working, holds = found.state in WORKING, "hold" in request.args
    worked_at = found.claimed_until or found.waiting_since
    page = render_template(
        "console/customer_import.html",
        found=found,
        is_working=is_working,
        is_stalled=is_working and services.now() - worked_at > STALLED,
        holds=holds,
        is_refused=found.state == REFUSED,
        total=imports.sheets(found)[found.sheet].rows if found.sheet is not None else found.total,
        refusal=refusal,
        states=STATES,
        kinds=ROWS,
        by_kind={kind: sum(number for (state, _), number in counts.items() if state == kind) for kind in ROWS},
        outcomes=_by_choice(counts),
        stayed=stayed,
        called=imports.called,
    )
    response = make_response(page, 409 if refusal else 200)
    if is_working and not holds:
        response.headers["Refresh"] = str(REFRESH_S)
    return response


def _by_choice(counts: Mapping[tuple[str, str | None], int]) -> dict[str | None, int]:
    return {chosen: sum(n for (_, one), n in counts.items() if one == chosen) for _, chosen in counts}


def _columns_page(found: Row[Any], form: ColumnsForm | None = None) -> str:
    chosen = _chosen(found, request.form if form else request.args)
    table = _table(found, chosen)
    return render_template(
        "console/customer_import_columns.html",
        found=found,
        form=form or ColumnsForm(table),
        table=table,
        sheets=imports.sheets(found),
        sheet=chosen[0],
        header=chosen[1],
        meanings=MEANINGS,
        sources=SOURCES,
        letter=customer_file.letter,
    )


def _chosen(found: Row[Any], given: Mapping[str, str]) -> tuple[int, int]:
    """Which sheet, and which of its rows has the headings; what makes no sense is as if nothing had been said."""
    sheets = imports.sheets(found)
    told = given.get("sheet", "")
    sheet = int(told) if _is_number(told) and int(told) < len(sheets) else imports.likeliest(found)
    header = given.get("header", "")
    known = found.header if found.sheet == sheet and found.header else sheets[sheet].header
    return sheet, int(header) if _is_number(header) else known


def _is_number(text: str) -> bool:
    """Whether text can be a position in a file; longer ones stand in none."""
    return text.isdecimal() and len(text) < 8


def _table(found: Row[Any], chosen: tuple[int, int]) -> imports.Table:
    with service().reading() as connection:
        try:
            return imports.table(connection, found, *chosen)
        except ChoiceRefused:
            return imports.table(connection, found, chosen[0], imports.sheets(found)[chosen[0]].header)
