"""The API described by itself (OpenAPI 3.1): from the operations that are served and the models that check them.

Each operation says which scope a key needs for it; the door asks here, so what the document promises is what holds.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from consent_service import api_keys
from consent_service.web.api_messages import (
    Accepted,
    Message,
    OneAddress,
    Standing,
    Subscription,
    Texts,
    TextsAsked,
    Withdrawn,
)
from consent_service.web.problems import DETAILS, SOLVE_FIRST, TYPE, Problem, ProofNeeded

PREFIX = "/api/v1"
VERSION = "1.0.0"
REFERENCE = "#/components/schemas/{model}"
JSON = "application/json"
LONGEST_KEY = 255
ALWAYS = (400, 401, 403, 422, 429, 500, 503)
WITH_BODY = (413, 415)
TWICE = 409
ABOUT = """Start and end subscriptions to the newsletter, and read how one stands, from another program of the company.

Nobody becomes a subscriber through this API: whoever is asked gets a message and confirms it themselves. Staff make a
key on the page “API keys” and choose what it permits. Send it as a bearer token, from a server, never from a page."""
IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Any word of your own for this request, such as a UUID. The same key with the same body is carried "
    "out once, and answered as the first time, for 24 hours.",
    "schema": {"type": "string", "pattern": f"^[!-~]{{1,{LONGEST_KEY}}}$"},
}
RETRY_AFTER = {"Retry-After": {"description": "seconds to wait", "required": True, "schema": {"type": "string"}}}
HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
    409: RETRY_AFTER,
    429: RETRY_AFTER,
    503: RETRY_AFTER,
}


@dataclass(frozen=True)
class Operation:
    """One thing a program may ask for: at which address, with which scope, what it sends, what it is answered."""

    method: str
    path: str
    scope: str
    summary: str
    sends: type[Message]
    answer: type[Message]
    status: int = 200
    is_repeatable: bool = False
    may_cost: bool = False

    @property
    def has_body(self) -> bool:
        """Whether what it sends stands in the body; if not, in the address."""
        return self.method == "post"


OPERATIONS = {
    "consent_texts": Operation(
        "get", "/consent-texts", api_keys.SUBSCRIBE, "Today's texts, to be shown beside a box", TextsAsked, Texts
    ),
    "subscribe": Operation(
        "post",
        "/subscriptions",
        api_keys.SUBSCRIBE,
        "Ask somebody who ticked the box to confirm",
        Subscription,
        Accepted,
        202,
        is_repeatable=True,
        may_cost=True,
    ),
    "withdraw": Operation(
        "post",
        "/withdrawals",
        api_keys.WITHDRAW,
        "End somebody's subscription at once, at their wish",
        OneAddress,
        Withdrawn,
        is_repeatable=True,
    ),
    "status": Operation("post", "/status", api_keys.READ, "How one address stands", OneAddress, Standing),
}


def document(public_url: str) -> dict[str, Any]:
    """Return the whole description, for the service at an address."""
    paths: dict[str, dict[str, Any]] = {}
    for name, operation in OPERATIONS.items():
        paths.setdefault(operation.path, {})[operation.method] = _described(name, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Consent Service", "version": VERSION, "description": ABOUT},
        "servers": [{"url": public_url + PREFIX}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def _described(name: str, operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": name,
        "summary": operation.summary,
        "description": f"Needs a key with the scope `{operation.scope}`.",
        "parameters": [IDEMPOTENCY] if operation.is_repeatable else [],
        "responses": _answers(operation),
    }
    if operation.has_body:
        described["requestBody"] = {"required": True, "content": _content(JSON, operation.sends)}
    else:
        described["parameters"] += _parameters(operation.sends)
    return described


def _answers(operation: Operation) -> dict[str, Any]:
    failures = [*ALWAYS, *(WITH_BODY if operation.has_body else ()), *((TWICE,) if operation.is_repeatable else ())]
    told: dict[str, Any] = {
        str(operation.status): {"description": _says(operation.answer), "content": _content(JSON, operation.answer)}
    }
    for status in sorted(failures):
        told[str(status)] = {"description": DETAILS[status], "content": _content(TYPE, Problem)}
        if status in HEADERS:
            told[str(status)]["headers"] = HEADERS[status]
    if operation.may_cost:
        told["403"] = {
            "description": f"{DETAILS[403]} Or, with a `challenge`: {SOLVE_FIRST}",
            "content": {TYPE: {"schema": {"oneOf": [_reference(Problem), _reference(ProofNeeded)]}}},
        }
    return told


def _parameters(model: type[Message]) -> list[dict[str, Any]]:
    fields = model.model_json_schema()
    needed = fields.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in needed, "schema": schema}
        for name, schema in fields["properties"].items()
    ]


def _content(kind: str, model: type[BaseModel]) -> dict[str, Any]:
    return {kind: {"schema": _reference(model)}}


def _reference(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _schemas() -> dict[str, Any]:
    sent: set[type[BaseModel]] = {operation.sends for operation in OPERATIONS.values() if operation.has_body}
    answered: set[type[BaseModel]] = {Problem, ProofNeeded, *(operation.answer for operation in OPERATIONS.values())}
    modes: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in _ordered(sent)]
    modes += [(model, "serialization") for model in _ordered(answered)]
    _, found = models_json_schema(modes, ref_template=REFERENCE)
    schemas: dict[str, Any] = found["$defs"]
    return schemas


def _ordered(models: set[type[BaseModel]]) -> list[type[BaseModel]]:
    return sorted(models, key=lambda model: model.__name__)


def _says(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").partition("\n")[0]
