"""The queue as staff see it: what waits, what could not be delivered, and trying it again.

Contains no rule.
"""

from flask import Blueprint, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue

from consent_service import service as services
from consent_service import subscribers
from consent_service.delivery import outbox
from consent_service.web.outbox_words import KINDS
from consent_service.web.pages import LARGEST_ID, link_to
from consent_service.web.visitor import service

queue = Blueprint("queue", __name__)


@queue.get("/queue")
def show() -> ResponseReturnValue:
    """What waits, and what could not be delivered."""
    with service().reading() as connection:
        waiting, dead = subscribers.waiting_messages(connection), subscribers.dead_messages(connection)
    return render_template(
        "console/queue.html",
        waiting=waiting,
        dead=dead,
        kinds=KINDS,
        forwards=service().forwards,
        now=services.now(),
    )


@queue.post(f"/queue/<int(max={LARGEST_ID}):message_id>/retry")
def retry(message_id: int) -> ResponseReturnValue:
    """Give a dead letter all its tries again."""
    with service().transaction() as connection:
        if not outbox.retry_dead(connection, message_id, services.now()):
            abort(404)
    return redirect(_list_of_messages())


@queue.post(f"/queue/<int(max={LARGEST_ID}):message_id>/set-aside")
def set_aside(message_id: int) -> ResponseReturnValue:
    """Take a dead letter off the list: nothing can be done about it."""
    with service().transaction() as connection:
        if not outbox.set_aside(connection, message_id, services.now()):
            abort(404)
    return redirect(_list_of_messages())


def _list_of_messages() -> str:
    """The page on which the button was pressed."""
    came_from = request.form.get("from")
    return link_to("console.connection.show" if came_from == "activecampaign" else "console.queue.show")
