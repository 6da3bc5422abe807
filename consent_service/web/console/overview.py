"""The first page of staff: is everything all right? One sentence, what needs somebody, and how the weeks went.

What needs somebody is what the owner's letter on Monday names too. Contains no rule.
"""

from datetime import datetime

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from consent_service import contact_messages, retention, subscribers
from consent_service import service as services
from consent_service.delivery.lanes import lane_states
from consent_service.language import HELSINKI
from consent_service.ledger import sealer
from consent_service.register import reviews
from consent_service.watch import connection_state, digest, pulses
from consent_service.web.console import charts
from consent_service.web.console.words import GROUPS
from consent_service.web.visitor import service

overview = Blueprint("overview", __name__)

MOST_COMING = 10_000


@overview.get("/")
def show() -> ResponseReturnValue:
    """Is everything all right?"""
    now = services.now()
    with service().reading() as connection:
        lanes = lane_states(connection)
        there = connection_state.state(connection, lanes, forwards=service().forwards)
        found = {
            "lanes": {lane.lane: lane for lane in lanes},
            "there": there,
            "needs": digest.faults(connection, lanes, now, forwards=service().forwards),
            "counts": subscribers.counts(connection),
            "stale": subscribers.stale(connection, service().controller.purpose_version),
            "contact_open": contact_messages.open_count(connection),
            "points": charts.course(connection),
            **_past_and_coming(connection, now),
        }
    return render_template(
        "console/overview.html",
        most_stale=subscribers.MOST_STALE,
        faults=there.faults(now),
        now=now,
        groups=GROUPS,
        charts=charts.CHARTS,
        written=charts.written,
        **found,
    )


def _past_and_coming(connection: Connection, now: datetime) -> dict[str, object]:
    newest = sealer.newest(connection)
    return {
        "purged_at": retention.purged_at(connection),
        "backed_up_at": pulses.last(connection, pulses.BACKUP),
        "sealed_at": newest.signed_at if newest else None,
        "coming": retention.coming(connection, retention.BY_KEY["passive"], now, reviews.AHEAD, MOST_COMING),
        "review": reviews.standing(connection, now, now.astimezone(HELSINKI).date()),
    }
