"""The first page of staff: is everything all right?

Contains no rule.
"""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from consent_service import connection_state, contact_messages, request_rows, retention, subscribers
from consent_service import service as services
from consent_service.delivery.lanes import lane_states
from consent_service.language import HELSINKI
from consent_service.ledger import sealer
from consent_service.web.console.words import GROUPS
from consent_service.web.visitor import service

overview = Blueprint("overview", __name__)


@overview.get("/")
def show() -> ResponseReturnValue:
    """Is everything all right?"""
    with service().reading() as connection:
        lanes = {lane.lane: lane for lane in lane_states(connection)}
        counts = subscribers.counts(connection)
        stale = subscribers.stale(connection, service().controller.purpose_version)
        overdue = retention.overdue(connection, services.now())
        contact_open = contact_messages.open_count(connection)
        unsealed = sealer.is_late(connection, services.now())
        requests = request_rows.alarms(connection, services.now().astimezone(HELSINKI).date())
        there = connection_state.state(connection, list(lanes.values()), forwards=service().forwards)
    return render_template(
        "console/overview.html",
        lanes=lanes,
        counts=counts,
        stale=stale,
        most_stale=subscribers.MOST_STALE,
        overdue=overdue,
        unsealed=unsealed,
        contact_open=contact_open,
        requests=requests,
        there=there,
        faults=there.faults(services.now()),
        now=services.now(),
        groups=GROUPS,
    )
