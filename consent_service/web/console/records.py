"""The staff page with the records of processing activities (GDPR article 30), for reading and for paper.

Contains no rule.
"""

from flask import Blueprint, g, render_template
from flask.typing import ResponseReturnValue

from consent_service import service as services
from consent_service.notices import privacy_customers, processing_records
from consent_service.web.visitor import service

records = Blueprint("records", __name__, url_prefix="/records")


@records.get("")
def show() -> ResponseReturnValue:
    """The records of today."""
    sources = service().privacy_sources
    return render_template(
        "console/records.html",
        activities=processing_records.activities(g.language, sources),
        accounting=privacy_customers.accounting(g.language.say),
        measures=processing_records.measures(g.language, sources),
        now=services.now(),
    )
