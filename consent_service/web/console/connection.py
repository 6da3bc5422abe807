"""Staff pages for the connection to ActiveCampaign: does it work, what did the comparisons find, begin another.

The relay carries out what is begun here. Contains no rule; what is healthy is decided in `watch/connection_state`.
"""

from flask import Blueprint, abort, redirect, render_template
from flask.typing import ResponseReturnValue

from consent_service import service as services
from consent_service import subscribers
from consent_service.activecampaign import forwarding
from consent_service.comparison import drift, runs
from consent_service.delivery.lanes import lane_states
from consent_service.language import mark
from consent_service.watch import connection_state
from consent_service.web.outbox_words import KINDS
from consent_service.web.pages import LARGEST_ID, link_to
from consent_service.web.visitor import service

connection = Blueprint("connection", __name__, url_prefix="/activecampaign")

HISTORY, FIRST_FOUND, MOST_FOUND = 30, 5, 500
PASSIVE, OFF_LIST = mark("made passive here"), mark("taken off the list there")
# What a comparison finds, and what putting it right means.
FOUND = {
    drift.LEFT_THERE: (mark("Unsubscribed at ActiveCampaign"), PASSIVE),
    drift.BOUNCED_THERE: (mark("The mailbox refuses newsletters"), PASSIVE),
    drift.MISSING_THERE: (mark("Gone from the list at ActiveCampaign"), PASSIVE),
    drift.LEFT_HERE: (mark("Left here, but still on the list there"), OFF_LIST),
    drift.NOT_FORWARDED: (mark("Confirmed here, but not sent to ActiveCampaign"), mark("sent there")),
    drift.STRANGER: (mark("On the list there without permission here"), OFF_LIST),
    drift.RESTORED: (mark("Erased here, but restored at ActiveCampaign"), mark("deleted there again")),
    drift.OTHER_ADDRESS: (
        mark("Another address there than here"),
        mark("by hand: correct it there, or ask the person"),
    ),
    drift.TO_BE_ASKED: (
        mark("On the list there from an earlier list, being asked to confirm"),
        mark("nothing, before they have answered or their time is up"),
    ),
}


@connection.get("")
def show() -> ResponseReturnValue:
    """Does the connection work, and what waits for somebody?"""
    return _page()


@connection.post("/compare")
def compare() -> ResponseReturnValue:
    """Begin a comparison that only reports."""
    return _begin(applies=False)


@connection.get("/put-right")
def show_put_right() -> ResponseReturnValue:
    """What putting right does, before it is done."""
    return render_template("console/put_right.html", forwards=service().forwards)


@connection.post("/put-right")
def put_right() -> ResponseReturnValue:
    """Begin a comparison that puts right what the rules allow."""
    return _begin(applies=True)


@connection.get(f"/runs/<int(max={LARGEST_ID}):run_id>")
def show_run(run_id: int) -> ResponseReturnValue:
    """One comparison, with everything it found."""
    with service().reading() as database:
        compared = connection_state.find(database, run_id) or abort(404)
        findings = drift.findings(database, run_id, MOST_FOUND)
    return render_template(
        "console/run.html",
        compared=compared,
        findings=findings,
        left_alone=connection_state.left_alone(compared),
        found=FOUND,
        now=services.now(),
    )


def _begin(*, applies: bool) -> ResponseReturnValue:
    if not service().forwards:
        return _page(), 409
    with service().transaction() as database:
        if runs.begin(database, services.now(), applies=applies, by_hand=True):
            return redirect(link_to("console.connection.show"))
    return _page(is_refused=True), 409


def _page(*, is_refused: bool = False) -> str:
    current, now = service(), services.now()
    with current.reading() as database:
        state = connection_state.state(database, lane_states(database), forwards=current.forwards)
        history = connection_state.history(database, HISTORY)
        last = next((one for one in history if not one.run.is_open), None)
        findings = drift.findings(database, last.run.id, FIRST_FOUND) if last else []
        dead = subscribers.dead_messages(database, connection_state.LANES)
        taken_at, heard_at = connection_state.last_taken_at(database), forwarding.last_hint_at(database)
    return render_template(
        "console/connection.html",
        state=state,
        faults=state.faults(now),
        history=history,
        last=last,
        findings=findings,
        dead=dead,
        taken_at=taken_at,
        heard_at=heard_at,
        hears=bool(current.settings.activecampaign_webhook_secret),
        found=FOUND,
        kinds=KINDS,
        is_refused=is_refused,
        now=now,
    )
