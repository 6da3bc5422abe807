"""The page that asks whoever is logged in for the password, or a passkey, once more, and leads on to what was wanted.

The guard shows it (see `web.access`); this takes its answer. What had been sent comes along and is sent again by the
browser itself (307), so nothing is lost. Contains no rule.
"""

import re

from flask import Blueprint, abort, redirect, request, session
from flask.typing import ResponseReturnValue
from flask_security import current_user

from consent_service import service as services
from consent_service.web import access, accounts, passkeys, tries
from consent_service.web.pages import link_to
from consent_service.web.visitor import service

proof = Blueprint("proof", __name__, url_prefix="/proof")

OURS = re.compile(r"/staff/[\w/.?=&%+~:@!$'()*,;-]*")


@proof.get("")
def show() -> ResponseReturnValue:
    """Nothing is wanted: whoever comes back to this address begins at the first page."""
    return redirect(link_to("console.overview.show"))


@proof.post("")
def prove() -> ResponseReturnValue:
    """Take the password or passkey, and lead on."""
    onwards, is_sent = request.form.get("proof_onwards", ""), bool(request.form.get("proof_sent"))
    if not OURS.fullmatch(onwards):
        abort(400)
    if (refusal := tries.take(current_user.email, tries.PROOF)) is not None:
        return refusal
    if not _is_them():
        access.write("refused", "proof")
        return access.proof_page(onwards, is_sent=is_sent, is_wrong=True), 400
    tries.give_back(current_user.email, tries.PROOF)
    session["proved_at"] = int(services.now().timestamp())
    return redirect(onwards, 307 if is_sent else 303)


def _is_them() -> bool:
    if not request.form.get("proof_passkey"):
        return accounts.is_password(current_user, request.form.get("proof_password", ""))
    with service().transaction() as connection:
        found = passkeys.shown(connection, request.form["proof_passkey"])
    return found is not None and found.staff_id == current_user.id
