"""The log for strangers: its newest checkpoint and public key, a page that checks a receipt, and the receipt itself.

Nothing here needs a login, since nothing here says anything about anybody but to the holder of a confirmation link.
"""

from flask import Blueprint, Response, make_response, render_template
from flask.typing import ResponseReturnValue

from consent_service import asks
from consent_service.ledger import key_changes, receipt, sealer
from consent_service.web import policy
from consent_service.web.pages import link_to
from consent_service.web.visitor import service

evidence = Blueprint("evidence", __name__)

RECEIPT_TYPE = "application/vnd.c2sp.tlog-proof"


@evidence.get("/log/checkpoint")
def show_checkpoint() -> ResponseReturnValue:
    """The newest signed checkpoint, for whoever wants to keep it; 404 while nothing is sealed."""
    with service().reading() as connection:
        newest = sealer.newest(connection)
    return _plain(newest.note) if newest else (_plain(b"Nothing is sealed yet.\n"), 404)


@evidence.get("/log/key")
def show_key() -> ResponseReturnValue:
    """The log's public key, in the form of C2SP signed notes."""
    return _plain(f"{service().signer.verifier}\n".encode())


@evidence.get("/log/key-changes")
def show_key_changes() -> ResponseReturnValue:
    """How the log went on under another key each time, oldest first, in notes signed by both."""
    with service().reading() as connection:
        return _plain(b"\n".join(key_changes.notes(connection)))


@evidence.get("/verify")
def verify() -> ResponseReturnValue:
    """A page whose script checks a receipt in the browser; nothing is sent anywhere."""
    with service().reading() as connection:
        has_changed = key_changes.last_at(connection) is not None
    key = str(service().signer.verifier)
    response = make_response(render_template("public/verify.html", key=key, has_changed=has_changed))
    response.headers["Content-Security-Policy"] = policy.WITH_SCRIPT_ALONE
    return response


@evidence.get("/confirm/<token>/receipt")
def show_receipt(token: str) -> ResponseReturnValue:
    """The receipt of a consent, for the person whose confirmation link this is; until it is sealed, a page says so."""
    with service().reading() as connection:
        ask, person = asks.find(connection, service().tokens.read_confirmation(token))
        if not asks.is_confirmed(ask, person):
            raise asks.LinkDead
        file = receipt.compose(connection, service().vault, person.basis_event_id)
    return hand_over(file, person.basis_event_id, link_to("evidence.show_receipt", token=token))


def hand_over(file: bytes | None, event_id: str, again: str) -> ResponseReturnValue:
    """Answer with the receipt of an event, to be kept; while it has none, with a page that leads to it `again`."""
    if file is None:
        return render_template("public/not_sealed.html", again=again), 404, {"Retry-After": "60"}
    response = Response(file, mimetype=RECEIPT_TYPE)
    response.headers["Content-Disposition"] = f'attachment; filename="consent-{event_id[:8]}.tlog-proof"'
    return response


def _plain(content: bytes) -> Response:
    return Response(content, content_type="text/plain; charset=utf-8")
