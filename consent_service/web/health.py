"""For whoever watches the service: whether the process is alive, and whether the work gets done.

`/healthz` asks nothing of anybody; `/readyz` is 503 as soon as the database does not answer or something waits too
long. Both tell states only, no person and no number of people. `security.txt` says whom to tell of a weakness.
"""

from datetime import timedelta

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from consent_service import retention, schema
from consent_service import service as services
from consent_service.delivery.lanes import lane_states, served
from consent_service.language import CODES
from consent_service.ledger import sealer
from consent_service.service import Service
from consent_service.web.visitor import is_counting_alone, service

health = Blueprint("health", __name__)


@health.get("/healthz")
def alive() -> ResponseReturnValue:
    """200 as long as the process answers; asks nothing of the database."""
    return jsonify(status="ok")


@health.get("/readyz")
def ready() -> ResponseReturnValue:
    """200 when the database answers, its tables fit, nothing is 15 minutes late and no erasure days; else 503."""
    try:
        found = _state(service())
    except SQLAlchemyError:
        found = {"database": "unreachable", "ready": False}
    return jsonify(found), 200 if found["ready"] else 503


@health.get("/.well-known/security.txt")
def security_contact() -> ResponseReturnValue:
    """Whom to tell of a weakness (RFC 9116); it holds for half a year from the day it is read."""
    current, ends = service(), services.now().date() + timedelta(days=182)
    lines = (
        f"Contact: mailto:{current.controller.contact_email}",
        f"Expires: {ends.isoformat()}T00:00:00Z",
        f"Preferred-Languages: {', '.join(CODES)}",
        f"Canonical: {current.settings.public_url}/.well-known/security.txt",
    )
    return Response("".join(f"{line}\n" for line in lines), content_type="text/plain; charset=utf-8")


def _state(current: Service) -> dict[str, object]:
    with current.reading() as connection:
        if not schema.is_migrated(connection):
            return {"database": "ok", "migrations": "pending", "ready": False}
        lanes = lane_states(connection)
        overdue = retention.overdue(connection, services.now())
        unsealed = sealer.is_late(connection, services.now())
    now = services.now()
    delivered = served(lanes, forwards=current.forwards)
    is_moving = not any(lane.is_late(now) for lane in delivered)
    oldest = max((now - lane.oldest_at for lane in delivered if lane.oldest_at), default=timedelta(0))
    return {
        "database": "ok",
        "migrations": "ok",
        # In whole minutes: to the second it would tell a stranger whether the address they just typed has a mail due.
        "oldest_undone_min": int(oldest.total_seconds() // 60),
        "erasures": "late" if overdue else "ok",
        "seal": "late" if unsealed else "ok",
        # Merely said: every process still counts, each for itself.
        "limits": "counted alone" if is_counting_alone() else "ok",
        "ready": is_moving and not overdue and not unsealed,
    }
