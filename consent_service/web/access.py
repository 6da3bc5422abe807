"""Who may open which page of staff: one table, the guard that reads it, and the log of what was looked at and changed.

An endpoint that stands in no row is refused for everybody. `fresh` pages ask for the password, or a passkey, once more
when it was longer ago than ten minutes. What shows or changes one person is noted in the sealed log; a look that
cannot be noted is not shown. Contains no other rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from flask import Flask, Response, g, make_response, redirect, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_security import current_user
from sqlalchemy.exc import DBAPIError

from consent_service import database
from consent_service import service as services
from consent_service.language import mark
from consent_service.staff import access_log, second_steps
from consent_service.staff.staff_accounts import OWNER, READER, STAFF
from consent_service.web import accounts, pages, passkeys
from consent_service.web.visitor import occasion, service

FRESH_FOR = timedelta(minutes=10)
RANKS = {READER: 0, STAFF: 1, OWNER: 2}
PROOF = "proof_"  # how the fields of the page that asks once more begin
NOT_NOTED = ("console.proof.prove", "console.people.search")  # which change nothing
KINDS: dict[str, access_log.Kind] = {"GET": "looked", "POST": "changed"}
SHOWN_TOO = (400, 409, 410)  # what was asked for is not done, but the page shows whom it is about
THINGS = {"message_id": "contact_message", "other_id": "customer"}  # others are called as their id in the address
LOG_IN = ("security.login", "entrance.take_passkey", "entrance.take_second_step")
LOGGED_OUT = mark("You have been logged out since you opened the form, so nothing was saved.")

log = structlog.get_logger()


@dataclass(frozen=True)
class Needs:
    """The least role an endpoint is for, and whether whoever opens it has to have shown lately that it is them."""

    role: str
    fresh: bool = False


NEEDS = {
    "console.overview.show": Needs(READER),
    "console.subscribers.show_all": Needs(READER),
    "console.subscribers.show": Needs(READER),
    "console.subscribers.show_add": Needs(STAFF),
    "console.subscribers.add": Needs(STAFF),
    "console.subscribers.show_evidence": Needs(STAFF, fresh=True),
    "console.rights.show_hold": Needs(STAFF),
    "console.rights.hold": Needs(STAFF),
    "console.rights.show_release": Needs(STAFF),
    "console.rights.release": Needs(STAFF),
    "console.rights.show_erase": Needs(STAFF, fresh=True),
    "console.rights.erase": Needs(STAFF, fresh=True),
    "console.rights.show_there": Needs(READER),
    "console.rights.fetch_there": Needs(STAFF),
    "console.contact_messages.show_all": Needs(READER),
    "console.contact_messages.show": Needs(READER),
    "console.contact_messages.close": Needs(STAFF),
    "console.contact_messages.reopen": Needs(STAFF),
    "console.contact_messages.show_erase": Needs(STAFF, fresh=True),
    "console.contact_messages.erase": Needs(STAFF, fresh=True),
    "console.customers.show_all": Needs(READER),
    "console.customers.show": Needs(READER),
    "console.customers.show_add": Needs(STAFF),
    "console.customers.add": Needs(STAFF),
    "console.customers.show_change": Needs(STAFF),
    "console.customers.change": Needs(STAFF),
    "console.customers.make_passive": Needs(STAFF),
    "console.customers.make_active": Needs(STAFF),
    "console.customer_merging.show_others": Needs(STAFF),
    "console.customer_merging.show": Needs(STAFF),
    "console.customer_merging.merge": Needs(STAFF, fresh=True),
    "console.customer_rights.show_restrict": Needs(STAFF),
    "console.customer_rights.restrict": Needs(STAFF),
    "console.customer_rights.show_lift": Needs(STAFF),
    "console.customer_rights.lift": Needs(STAFF),
    "console.customer_rights.show_erase": Needs(STAFF, fresh=True),
    "console.customer_rights.erase": Needs(STAFF, fresh=True),
    "console.customer_imports.show_all": Needs(STAFF),
    "console.customer_imports.add": Needs(STAFF),
    "console.customer_imports.show": Needs(STAFF),
    "console.customer_imports.set_columns": Needs(STAFF),
    "console.customer_imports.show_rows": Needs(STAFF),
    "console.customer_imports.choose": Needs(STAFF),
    "console.customer_imports.download_problems": Needs(STAFF),
    "console.customer_imports.apply": Needs(STAFF),
    "console.customer_imports.cancel": Needs(STAFF),
    "console.customer_imports.show_undo": Needs(STAFF, fresh=True),
    "console.customer_imports.undo": Needs(STAFF, fresh=True),
    "console.customer_exports.show": Needs(STAFF, fresh=True),
    "console.customer_exports.download": Needs(STAFF, fresh=True),
    "console.customer_documents.show_all": Needs(READER),
    "console.customer_documents.show_add": Needs(STAFF),
    "console.customer_documents.add": Needs(STAFF),
    "console.customer_documents.show": Needs(READER),
    "console.customer_documents.download": Needs(STAFF),
    "console.customer_documents.show_change": Needs(STAFF),
    "console.customer_documents.change": Needs(STAFF),
    "console.customer_documents.show_remove": Needs(STAFF, fresh=True),
    "console.customer_documents.remove": Needs(STAFF, fresh=True),
    "console.publication_permissions.show_all": Needs(READER),
    "console.publication_permissions.show_add": Needs(STAFF),
    "console.publication_permissions.add": Needs(STAFF),
    "console.publication_permissions.show": Needs(READER),
    "console.publication_permissions.withdraw": Needs(STAFF),
    "console.binders.show": Needs(READER),
    "console.binders.show_shredded": Needs(READER),
    "console.binders.destroy": Needs(STAFF),
    "console.data_requests.show_all": Needs(READER),
    "console.data_requests.show_add": Needs(STAFF),
    "console.data_requests.add": Needs(STAFF),
    "console.data_requests.show": Needs(READER),
    "console.data_requests.show_letter": Needs(STAFF),
    "console.data_requests.show_file": Needs(STAFF, fresh=True),
    "console.data_request_acts.show_identity": Needs(STAFF),
    "console.data_request_acts.verify": Needs(STAFF),
    "console.data_request_acts.send_link": Needs(STAFF),
    "console.data_request_acts.show_customer": Needs(STAFF),
    "console.data_request_acts.link": Needs(STAFF),
    "console.data_request_acts.show_extension": Needs(STAFF),
    "console.data_request_acts.extend": Needs(STAFF),
    "console.data_request_acts.show_carry_out": Needs(STAFF, fresh=True),
    "console.data_request_acts.carry_out": Needs(STAFF, fresh=True),
    "console.data_request_acts.show_task": Needs(STAFF),
    "console.data_request_acts.tick": Needs(STAFF),
    "console.data_request_acts.show_close": Needs(STAFF),
    "console.data_request_acts.close": Needs(STAFF),
    "console.charts.show": Needs(READER),
    "console.people.show_all": Needs(READER),
    "console.people.search": Needs(READER),
    "console.people.show": Needs(READER),
    "console.records.show": Needs(READER),
    "console.retention.show": Needs(READER),
    "console.retention.show_review": Needs(READER),
    "console.retention.show_erase": Needs(OWNER, fresh=True),
    "console.retention.erase": Needs(OWNER, fresh=True),
    "console.retention.show_keep": Needs(OWNER),
    "console.retention.keep": Needs(OWNER),
    "console.breaches.show_all": Needs(READER),
    "console.breaches.show_add": Needs(STAFF),
    "console.breaches.add": Needs(STAFF),
    "console.breaches.show": Needs(READER),
    "console.breaches.show_change": Needs(STAFF),
    "console.breaches.change": Needs(STAFF),
    "console.breaches.show_tell": Needs(STAFF),
    "console.breaches.tell": Needs(STAFF),
    "console.queue.show": Needs(READER),
    "console.queue.retry": Needs(STAFF),
    "console.queue.set_aside": Needs(STAFF),
    "console.connection.show": Needs(READER),
    "console.connection.show_run": Needs(READER),
    "console.connection.compare": Needs(STAFF),
    "console.connection.show_put_right": Needs(OWNER),
    "console.connection.put_right": Needs(OWNER),
    "console.api_keys.show": Needs(OWNER),
    "console.api_keys.show_make": Needs(OWNER, fresh=True),
    "console.api_keys.make": Needs(OWNER, fresh=True),
    "console.api_keys.show_disable": Needs(OWNER, fresh=True),
    "console.api_keys.disable": Needs(OWNER, fresh=True),
    "console.accounts.show_all": Needs(OWNER),
    "console.accounts.show": Needs(OWNER),
    "console.accounts.show_invite": Needs(OWNER, fresh=True),
    "console.accounts.invite": Needs(OWNER, fresh=True),
    "console.accounts.show_change": Needs(OWNER, fresh=True),
    "console.accounts.change_role": Needs(OWNER, fresh=True),
    "console.accounts.end": Needs(OWNER, fresh=True),
    "console.accounts.end_sessions": Needs(OWNER, fresh=True),
    "console.accounts.invite_again": Needs(OWNER, fresh=True),
    "console.my_account.show": Needs(READER),
    "console.my_account.show_app": Needs(READER, fresh=True),
    "console.my_account.set_app": Needs(READER, fresh=True),
    "console.my_account.remove_app": Needs(READER, fresh=True),
    "console.my_account.make_codes": Needs(READER, fresh=True),
    "console.my_account.show_passkey": Needs(READER, fresh=True),
    "console.my_account.add_passkey": Needs(READER, fresh=True),
    "console.my_account.remove_passkey": Needs(READER, fresh=True),
    "console.my_account.mail_link": Needs(READER),
    "console.proof.show": Needs(READER),
    "console.proof.prove": Needs(READER),
}


def install(app: Flask) -> None:
    """Let templates ask what a role may do, so that they offer nothing else."""
    app.jinja_env.globals.update(may=may)


def may(endpoint: str) -> bool:
    """Whether whoever is logged in has the role for an endpoint; raises KeyError for one that stands in no row."""
    return RANKS.get(getattr(current_user, "role", ""), -1) >= RANKS[NEEDS[endpoint].role]


def guard() -> ResponseReturnValue | None:
    """The guard of every page behind the login: a session, the role, and a fresh proof where the table wants one."""
    if (refusal := accounts.require_login()) is not None:
        return refusal
    endpoint = request.endpoint or ""
    if endpoint not in NEEDS or not may(endpoint):
        return render_template("console/refused.html"), 403
    if NEEDS[endpoint].fresh and not _is_fresh():
        return proof_page(request.full_path.rstrip("?"), is_sent=request.method == "POST"), 403
    g.is_let_in = True
    return None


def proof_page(onwards: str, *, is_sent: bool, is_wrong: bool = False) -> str:
    """The page that asks for the password once more, and holds what was sent, to send it again. A file is not held."""
    with service().reading() as connection:
        known = list(second_steps.passkeys(connection, current_user.id))
    held = {name: value for name, value in request.form.items() if name != "csrf_token" and not name.startswith(PROOF)}
    return render_template(
        "console/proof.html",
        onwards=onwards,
        is_sent=is_sent,
        is_wrong=is_wrong,
        held=held if is_sent else {},
        asked=passkeys.to_show(known),
    )


def opened_before() -> ResponseReturnValue:
    """What somebody gets whose form is not of this session: the log-in, or their own words, to be copied.

    A password is none of these words.
    """
    if request.endpoint in (*LOG_IN, "security.logout") and "csrf_token" not in session:  # which has ended by itself
        late = {"did": "too-old"} if request.endpoint in LOG_IN else {}
        return redirect(pages.link_to("security.login", **late))
    is_ours = request.headers.get("Sec-Fetch-Site") == "same-origin"  # another site's words must not stand on our page
    if request.endpoint not in NEEDS or not is_ours:
        return pages.error(400)
    typed = [text for name, text in request.form.items() if "password" not in name and len(text.split()) > 1]
    return pages.error(400, LOGGED_OUT, typed)


def note(response: Response) -> Response:
    """Note who changed what, once that has succeeded, and who looked at whom, also when it has not."""
    kind, things = _kind(response.status_code), _things()
    is_free = not g.get("is_let_in") or request.endpoint in NOT_NOTED
    if is_free or kind is None or (kind == "looked" and not things):
        return response
    try:
        write(kind, request.endpoint or "", things)
    except DBAPIError as error:
        log.error("access not noted", request=g.get("request_id"), error=database.reason(error))
        if kind == "looked":  # nobody looks unseen
            return make_response(pages.error(503))
    return response


def write(kind: access_log.Kind, what: str, things: Sequence[str] = (), account_id: str | None = None) -> None:
    """Note what somebody logged in, or with this account, does, to each of these: in a transaction of its own."""
    actor = f"staff:{account_id or current_user.id}"
    with service().transaction() as connection:
        for thing in things or (None,):
            access_log.note(connection, occasion(actor, "console"), kind, what, thing)


def _is_fresh() -> bool:
    return services.now() - datetime.fromtimestamp(session.get("proved_at", 0), UTC) < FRESH_FOR


def _kind(status: int) -> access_log.Kind | None:
    if status in SHOWN_TOO and request.method in KINDS:
        return "looked"
    return KINDS.get(request.method) if status < 400 else None


def _things() -> Sequence[str]:
    """What the page says it is about, else the address: everybody and everything about a person has an id there."""
    about: str | Sequence[str] | None = g.get("about")
    if about:
        return [about] if isinstance(about, str) else about
    named = {name: value for name, value in (request.view_args or {}).items() if isinstance(value, UUID)}
    return [f"{THINGS.get(name, name.removesuffix('_id'))}:{value}" for name, value in named.items()]
