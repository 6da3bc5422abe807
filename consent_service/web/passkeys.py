"""Passkeys (WebAuthn level 2) between a page's script and the tables: what a device is asked, and whether it answered.

The name a passkey is bound to comes from CONSENT_PUBLIC_URL, never from a header. A challenge lies in the session,
holds for five minutes, and is used up by the first true answer, in every copy of the session. The device has to verify
its owner, so a passkey is two steps in one. Decides nothing about who may do what.
"""

import ipaddress
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import webauthn
from flask import g, session
from sqlalchemy import Connection, Row
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from consent_service import service as services
from consent_service.limits import proof_of_work
from consent_service.staff import second_steps
from consent_service.web.visitor import service

WITHIN = timedelta(minutes=5)
LONGEST_ANSWER = 16 * 1024
REQUIRED = UserVerificationRequirement.REQUIRED
MALFORMED = (WebAuthnException, ValueError, KeyError, TypeError, AttributeError)


def are_possible() -> bool:
    """Whether the service has a name that passkeys can be bound to: a number is none."""
    try:
        ipaddress.ip_address(_host())
    except ValueError:
        return True
    return False


def to_make(account: Any, known: list[Any]) -> str | None:
    """Return what the page's script asks a device that is to make a passkey; None where there can be none."""
    if not are_possible():
        return None
    options = webauthn.generate_registration_options(
        rp_id=_host(),
        rp_name=service().controller.name,
        user_id=str(account.id).encode(),
        user_name=account.email,
        user_display_name=account.name,
        exclude_credentials=[_described(one) for one in known],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=REQUIRED
        ),
    )
    return _asked(options)


def to_show(known: list[Any] | None = None) -> str | None:
    """Return what the script asks for a passkey, of those known if given; None where there can be none."""
    if not are_possible() or known == []:
        return None
    wanted = [_described(one) for one in known] if known else None
    options = webauthn.generate_authentication_options(
        rp_id=_host(), allow_credentials=wanted, user_verification=REQUIRED
    )
    return _asked(options)


def made(connection: Connection, answer: str) -> VerifiedRegistration | None:
    """Return the passkey a device has made; None unless this is the first true answer to what was asked."""
    challenge = _take_challenge(answer)
    found: VerifiedRegistration | None = challenge and _true(
        lambda: webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=_host(),
            expected_origin=_origin(),
            require_user_verification=True,
        )
    )
    return found if found and _spend(connection, challenge) else None


def shown(connection: Connection, answer: str) -> Row[Any] | None:
    """Return the passkey that a device has signed with, and note that; None unless this is the first true answer."""
    challenge = _take_challenge(answer)
    known: Row[Any] | None = challenge and _true(lambda: second_steps.find_passkey(connection, _credential_id(answer)))
    if not known:
        return None
    verified = _true(
        lambda: webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=_host(),
            expected_origin=_origin(),
            credential_public_key=known.public_key,
            credential_current_sign_count=known.sign_count,
            require_user_verification=True,
        )
    )
    if verified is None or not _spend(connection, challenge):
        return None
    second_steps.note_passkey_used(connection, known.id, verified.new_sign_count, services.now())
    return known


def _asked(options: Any) -> str:
    g.runs_script = True
    session["passkey"] = [bytes_to_base64url(options.challenge), int(services.now().timestamp())]
    return webauthn.options_to_json(options)


def _take_challenge(answer: str) -> Any:
    challenge, asked_at = session.pop("passkey", ["", 0])
    is_late = services.now() - datetime.fromtimestamp(asked_at, UTC) > WITHIN
    return None if is_late or len(answer) > LONGEST_ANSWER else base64url_to_bytes(challenge)


def _spend(connection: Connection, challenge: bytes) -> bool:
    """Use a challenge up; False when it was before: a copied session has it still."""
    return proof_of_work.spend(
        connection, f"passkey:{sha256(challenge).hexdigest()}"[:64], services.now(), str(uuid.uuid4())
    )


def _credential_id(answer: str) -> bytes:
    return base64url_to_bytes(json.loads(answer)["rawId"])


def _described(one: Any) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(id=one.credential_id)


def _true(verify: Callable[[], Any]) -> Any:
    """What is verified; None for whatever a stranger may have sent instead."""
    try:
        return verify()
    except MALFORMED:
        return None


def _host() -> str:
    return urlsplit(service().settings.public_url).hostname or ""


def _origin() -> str:
    parts = urlsplit(service().settings.public_url)
    return f"{parts.scheme}://{parts.netloc}"
