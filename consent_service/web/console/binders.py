"""Staff pages for what lies on paper: every binder's pages with the day each is to be shredded, and noting that it was.

Contains no rule.
"""

from typing import Any

from flask import Blueprint, abort, redirect, render_template
from flask.typing import ResponseReturnValue
from flask_security import current_user

from consent_service.register import binders as papers
from consent_service.register.documents import CustomerClosed, DocumentKept
from consent_service.web.accounts import by_staff
from consent_service.web.pages import link_to, one_of, searched
from consent_service.web.visitor import service, today

binders = Blueprint("binders", __name__, url_prefix="/binders")


@binders.get("")
def show() -> ResponseReturnValue:
    """The papers in one binder or all, those to be shredded first."""
    with service().reading() as connection:
        names = papers.names(connection)
        binder = one_of("binder", names)
        found = papers.papers(connection, today(), binder, searched()[1])
    return render_template("console/binders.html", found=found, names=names, binder=binder)


@binders.get("/shredded")
def show_shredded() -> ResponseReturnValue:
    """The papers that were shredded."""
    with service().reading() as connection:
        found = papers.shredded(connection, searched()[1])
    return render_template("console/binders_shredded.html", found=found)


@binders.post("/papers/<uuid:paper_id>/destroy")
def destroy(paper_id: Any) -> ResponseReturnValue:
    """Note that a paper was shredded; what keeps it is told on the list."""
    try:
        with service().transaction() as connection:
            if not papers.destroy(connection, by_staff(), str(paper_id), current_user.name, today()):
                abort(404)
    except (CustomerClosed, DocumentKept):
        return redirect(link_to("console.binders.show"))
    return redirect(link_to("console.binders.show_shredded"))
