"""The customer register as a spreadsheet: the whole of it, or what a search finds.

Asked for on a page that says what will be in the file and what not. Contains no rule.
"""

from flask import Blueprint, g, redirect, render_template, request, send_file
from flask.typing import ResponseReturnValue

from consent_service import service as services
from consent_service.language import HELSINKI
from consent_service.register import customer_exports as exports
from consent_service.register.customer_file import SHEET_TYPE
from consent_service.register.customers import KINDS, STATUSES, Search
from consent_service.web.pages import link_to
from consent_service.web.visitor import service

customer_exports = Blueprint("customer_exports", __name__, url_prefix="/customers/export")


@customer_exports.get("")
def show() -> ResponseReturnValue:
    """What the file will hold."""
    asked = _asked()
    with service().reading() as connection:
        taken, left_out = exports.counted(connection, asked)
    return render_template(
        "console/customer_export.html",
        asked=asked,
        taken=taken,
        left_out=left_out,
        kinds=KINDS,
        statuses=STATUSES,
    )


@customer_exports.post("")
def download() -> ResponseReturnValue:
    """Make the file and send it."""
    asked, now = _asked(), services.now()
    with service().snapshot() as connection:
        if not exports.counted(connection, asked)[0]:
            filters = {"q": asked.words or None, "kind": asked.kind, "status": asked.status}
            return redirect(link_to("console.customer_exports.show", **filters))
        file = exports.write(connection, asked, g.language, g.language.moment(now))
    name = g.language.say("customers")
    day = now.astimezone(HELSINKI).date().isoformat()
    return send_file(file, SHEET_TYPE, as_attachment=True, download_name=f"{name}-{day}.xlsx")


def _asked() -> Search:
    given = request.values
    words = given.get("q", "").replace("\0", "").strip()[:100]
    kind = given.get("kind") if given.get("kind") in KINDS else None
    return Search(words, kind, given.get("status") if given.get("status") in STATUSES else None)
