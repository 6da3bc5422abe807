"""The JSON API for the company's other programs: show the texts, ask for a subscription, withdraw, read how one stands.

Every request brings a key, and its scope decides; nothing here makes anybody active. No cookies, so nothing that a
browser could be made to send. A request with an `Idempotency-Key` is carried out once. Contains no rule.
"""

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, current_app, g, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection, Row

from consent_service import api_answers, api_keys, subscribers, subscriptions
from consent_service import service as services
from consent_service.api_answers import Answer, OtherRequest, Sent, UnderWay
from consent_service.api_keys import ApiKey
from consent_service.asks import Ask, ProgramRequest
from consent_service.earlier_list import imports
from consent_service.language import language
from consent_service.ledger.evidence import Occasion
from consent_service.limits import proof_of_work
from consent_service.limits.rate_limit import RateLimit
from consent_service.notices.statements import ConsentText, Terms
from consent_service.web.api_messages import (
    Accepted,
    Message,
    OneAddress,
    Standing,
    Subscription,
    Text,
    Texts,
    TextsAsked,
    Withdrawn,
    checked,
    read,
)
from consent_service.web.openapi import LONGEST_KEY, OPERATIONS, PREFIX, document
from consent_service.web.problems import Challenge, FieldError, Refused, refuse
from consent_service.web.rendered import read_shown, shown_terms
from consent_service.web.visitor import occasion, service

api = Blueprint("api", __name__, url_prefix=PREFIX)
api.register_error_handler(Refused, refuse)

OPEN = "api.describe"
SECONDS_TO_ANSWER = "1"
SINCE = {"pending": "asked_at", "active": "active_since", "passive": "passive_since"}
NOT_SHOWN = "does not prove that today's texts were shown: fetch them again, and show them, within a day"
OTHER_LANGUAGE = "must be the language of the texts that were shown"
USED = "stood on another request before"
KEY_SHAPE = f"must be 1 to {LONGEST_KEY} visible ASCII characters"


@api.before_request
def require_key() -> None:
    """The guard of every address but the description: a key in force, not too often, with the scope it takes."""
    if request.endpoint == OPEN:
        return
    needed = OPERATIONS[str(request.endpoint).rpartition(".")[2]].scope
    scheme, _, written = request.headers.get("Authorization", "").partition(" ")
    with service().reading() as connection:
        key = api_keys.find(connection, written) if scheme.lower() == "bearer" else None
    if key is None:
        raise Refused(401, WWW_Authenticate="Bearer")
    limit: RateLimit = current_app.extensions["api-limit"]
    if wait := limit.take("api", key.id):
        raise Refused(429, Retry_After=str(wait))
    if needed not in key.scopes:
        raise Refused(403)
    g.api_key, g.api_secret = key, written
    if request.method == "POST":
        _note_use(key)


@api.get("/openapi.json", provide_automatic_options=False)
def describe() -> ResponseReturnValue:
    """The whole API as an OpenAPI document."""
    return jsonify(document(service().settings.public_url))


@api.get("/consent-texts", provide_automatic_options=False)
def consent_texts() -> ResponseReturnValue:
    """Today's texts in a language, with the token that proves which ones were given out."""
    asked = {name: values if len(values) > 1 else values[0] for name, values in request.args.lists()}
    lang = checked(TextsAsked, asked).lang
    spoken = language(lang)
    consent, tracking = service().consent_text(spoken), service().tracking_text(spoken)
    return _json(
        Texts(
            language=lang,
            consent=_text(consent),
            tracking=_text(tracking),
            privacy_url=f"{service().settings.public_url}/privacy?lang={spoken.code}",
            token=service().tokens.for_form(consent.shown.sha256, spoken.code, tracking.shown.sha256),
            challenge=_challenge() if service().proof_of_work.is_due(proof_of_work.SUBSCRIBE) else None,
        )
    )


@api.post("/subscriptions", provide_automatic_options=False)
def subscribe() -> ResponseReturnValue:
    """Ask somebody who ticked the box elsewhere: pending and a mail, never more; the same answer for every address."""
    said: Subscription = _said(Subscription)
    is_proof_asked = service().proof_of_work.count_form(proof_of_work.SUBSCRIBE)

    def carry_out(connection: Connection) -> None:
        ask = _ask(said, _terms(connection, said))
        if is_proof_asked and not _pays(connection, said):
            raise Refused(403, challenge=_challenge())
        subscriptions.request(connection, _occasion(), ask, service().address_limit)

    return _once(carry_out, Accepted())


@api.post("/withdrawals", provide_automatic_options=False)
def withdraw() -> ResponseReturnValue:
    """End a subscription at once; staff trust whoever has such a key to pass on what the person themselves wants."""
    said: OneAddress = _said(OneAddress)
    by_program = _occasion()

    def carry_out(connection: Connection) -> None:
        imports.withdraw(connection, by_program, said.address, _key().name)

    return _once(carry_out, Withdrawn())


@api.post("/status", provide_automatic_options=False)
def status() -> ResponseReturnValue:
    """How one address stands, noted in the log; it comes in the body, since addresses of pages end up in logs."""
    said: OneAddress = _said(OneAddress)
    with service().transaction() as connection:
        person = subscribers.read_for_program(connection, _occasion(), said.address.key)
    return _json(_standing(person))


def _said(model: type[Message]) -> Any:
    """What the body says; raises Refused."""
    if request.mimetype != "application/json":
        raise Refused(415)
    return read(model, request.get_data())


def _ask(said: Subscription, terms: Terms) -> Ask:
    return Ask(
        address=said.address,
        first_name=said.first_name,
        last_name=said.last_name,
        language=said.language,
        terms=terms,
        program=ProgramRequest(_key().name, said.consent.site, said.consent.occasion),
    )


def _terms(connection: Connection, said: Subscription) -> Terms:
    """What the person was shown; raises Refused when the token does not prove it."""
    shown = read_shown(said.consent.token)
    terms = shown_terms(connection, shown, with_tracking=said.consent.tracking) if shown else None
    if shown is None or terms is None:
        raise Refused(422, [FieldError(field="consent.token", message=NOT_SHOWN)])
    if said.language != shown.language:
        raise Refused(422, [FieldError(field="language", message=OTHER_LANGUAGE)])
    return terms


def _pays(connection: Connection, said: Subscription) -> bool:
    """Whether a proof came along that counts, which it does once."""
    proof = service().proof_of_work.read(said.proof or "", services.now())
    return proof is not None and proof_of_work.spend(
        connection, proof, services.now(), f"{said.consent.token}\n{said.address.key}"
    )


def _challenge() -> Challenge:
    return Challenge.model_validate(service().proof_of_work.task(services.now()))


def _once(carry_out: Callable[[Connection], None], message: Message) -> Response:
    """Do it and answer; with an `Idempotency-Key`, not again what has been done before."""
    answer = Answer(_operation_status(), message.model_dump_json().encode())
    sent = _sent()
    if sent is None:
        with service().transaction() as connection:
            carry_out(connection)
    else:
        answer = _repeated(sent, carry_out, answer)
    return Response(answer.body, answer.status, mimetype="application/json")


def _repeated(sent: Sent, carry_out: Callable[[Connection], None], answer: Answer) -> Answer:
    """The answer from before, or this one once it is carried out; raises Refused."""
    claimant = secrets.token_hex(16)
    try:
        with service().transaction(lasting=False) as connection:
            before = api_answers.claim(connection, sent, claimant, services.now())
        if before is None:
            _carry_out(sent, claimant, carry_out, answer)
    except UnderWay:
        raise Refused(409, Retry_After=SECONDS_TO_ANSWER) from None
    except OtherRequest:
        raise Refused(422, [FieldError(field="Idempotency-Key", message=USED)]) from None
    return before or answer


def _carry_out(sent: Sent, claimant: str, carry_out: Callable[[Connection], None], answer: Answer) -> None:
    try:
        with service().transaction() as connection:
            carry_out(connection)
            api_answers.keep(connection, sent, claimant, answer)
    except Exception:
        with contextlib.suppress(Exception), service().transaction() as connection:  # if not, the claim runs out
            api_answers.let_go(connection, sent, claimant)
        raise


def _sent() -> Sent | None:
    """How this request is known again, if it wants to be; raises Refused."""
    word = request.headers.get("Idempotency-Key")
    if word is None:
        return None
    if not (0 < len(word) <= LONGEST_KEY and all("!" <= character <= "~" for character in word)):
        raise Refused(400, [FieldError(field="Idempotency-Key", message=KEY_SHAPE)])
    says = f"{request.endpoint}\n".encode() + request.get_data()
    return api_answers.sent(_key().id, g.api_secret, word, says)


def _note_use(key: ApiKey) -> None:
    """A day once; losing it in a power cut is no harm."""
    if key.last_used_on != services.now().date().isoformat():
        with service().transaction(lasting=False) as connection:
            api_keys.note_use(connection, key, services.now())


def _key() -> ApiKey:
    key: ApiKey = g.api_key
    return key


def _occasion() -> Occasion:
    """This request's occasion, without the network it came from, which is a program's and not the person's."""
    return replace(occasion(f"api:{_key().id}", subscriptions.API), tech={})


def _operation_status() -> int:
    return OPERATIONS[str(request.endpoint).rpartition(".")[2]].status


def _standing(person: Row[Any] | None) -> Standing:
    if person is None:
        return Standing(status="none", since=None, tracking=False)
    since = getattr(person, SINCE[person.status])
    return Standing(status=person.status, since=since, tracking=person.tracking_since is not None)


def _text(shown: ConsentText) -> Text:
    return Text(sentence=shown.sentence, privacy=shown.privacy, sha256=shown.shown.sha256)


def _json(message: Message) -> Response:
    return Response(message.model_dump_json(), mimetype="application/json")
