"""What ActiveCampaign calls by itself: a hint that a contact changed, which the relay then looks at over the API.

The calls are not signed and never repeated, so nothing in one is believed: a hint names whom to look at, no more.
"""

import re
from hmac import compare_digest

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from consent_service import service as services
from consent_service.activecampaign import forwarding
from consent_service.web.visitor import service

webhooks = Blueprint("webhooks", __name__)

CHANGES_CONSENT = ("subscribe", "unsubscribe", "bounce", "update", "list_add")
LIST = re.compile(r"list(\[[0-9]*\]\[id\])?")
CONTACT_ID = re.compile(r"[0-9]{1,20}")


@webhooks.post("/webhooks/activecampaign/<secret>")
def take_hint(secret: str) -> ResponseReturnValue:
    """Note whom to look at; 404 without the right secret, 400 for what is no hint. Never 410: that would end them."""
    known = service().settings.activecampaign_webhook_secret
    if not known or not compare_digest(secret.encode(), known.encode()):
        abort(404)
    told = request.form
    if not told.get("type") or not CONTACT_ID.fullmatch(told.get("contact[id]", "")):
        abort(400)
    if told["type"] in CHANGES_CONSENT and _is_about_our_list(told):
        email = "".join(filter(str.isprintable, told.get("contact[email]", "")))
        with service().transaction() as connection:
            forwarding.look_at(connection, told["contact[id]"], email, services.now())
    return "", 204


def _is_about_our_list(told: MultiDict[str, str]) -> bool:
    named = {value for name, values in told.lists() if LIST.fullmatch(name) for value in values} - {"", "0"}
    return not named or str(service().settings.activecampaign_list_id) in named
