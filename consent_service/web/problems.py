"""Failures as programs read them: problem details (RFC 9457) for every address under `/api/`, whatever went wrong.

In English, for those who write programs. Holds nothing of what was sent but the names of fields.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Literal

from flask import Response, g, request
from pydantic import BaseModel, ConfigDict, Field

ADDRESSES = "/api/"
TYPE = "application/problem+json"
LONGEST_NAME = 100
PROOF_NEEDED = "/api/v1/openapi.json#/components/schemas/ProofNeeded"  # where the type of the problem is described
SOLVE_FIRST = (
    "Unusually many forms are being sent just now. Solve `challenge`, a proof of work of ALTCHA, version 2, and send "
    "the request again with the solution as `proof`."
)
DETAILS = {
    400: "The request cannot be read. Send one JSON object in UTF-8, each of its fields once.",
    401: "Send a key that is in force, as: Authorization: Bearer <key>",
    403: "This key does not permit that. Staff can make one that does.",
    404: "There is nothing at this address.",
    405: "The address takes another method.",
    409: "The same request is being carried out at this moment. Send it again in a moment.",
    413: "The request is too large.",
    415: "Send the body as application/json.",
    422: "The request cannot be carried out as it is; `errors` says why.",
    429: "The key has asked too often. Wait as long as Retry-After says.",
    500: "It is our fault. The reference finds what happened in our log.",
    503: "The service cannot answer for a moment. Nothing was done; send the request again.",
}


class FieldError(BaseModel):
    """What is wrong with one field."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(description="where it stands: `consent.token`; for a header its name; empty for the whole body")
    message: str


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    reference: str = Field(description="finds the request in the service's log")
    errors: list[FieldError] = []


class Task(BaseModel):
    """What a proof of work has to be found for: the first counter whose key begins as it should."""

    model_config = ConfigDict(extra="forbid")

    algorithm: Literal["PBKDF2/SHA-256"] = Field(description="the key derived from password and `salt`")
    nonce: str = Field(
        pattern="^[0-9a-f]+$", description="in hex; with the counter as four bytes after it, the password"
    )
    salt: str = Field(pattern="^[0-9a-f]+$", description="in hex")
    cost: int = Field(description="iterations")
    keyLength: int = Field(description="of the key, in bytes")  # noqa: N815 - ALTCHA's name
    keyPrefix: str = Field(pattern="^[0-9a-f]+$", description="how the key begins, in hex")  # noqa: N815
    expiresAt: int = Field(description="in seconds since 1970")  # noqa: N815


class Challenge(BaseModel):
    """A task of ALTCHA's proof of work, version 2; a proof is base64 of JSON of `challenge` and `solution`."""

    model_config = ConfigDict(extra="forbid")

    parameters: Task
    signature: str = Field(description="goes back with the solution as it came")


class ProofNeeded(Problem):
    """The request has to bring a proof of work, while unusually many forms are sent; nothing was done."""

    type: Literal["/api/v1/openapi.json#/components/schemas/ProofNeeded"] = PROOF_NEEDED
    challenge: Challenge


class Refused(Exception):
    """A request that is refused with a status of `DETAILS`, saying which of its fields are wrong.

    With a `challenge` it lacks nothing but a proof of work.
    """

    def __init__(
        self, status: int, errors: Sequence[FieldError] = (), challenge: Challenge | None = None, **headers: str
    ):
        super().__init__(status)
        self.status, self.errors, self.challenge, self.headers = status, errors, challenge, headers


def is_told_to_a_program() -> bool:
    """Whether this request's failures are for a program to read."""
    return request.path.startswith(ADDRESSES)


def problem(status: int, errors: Sequence[FieldError] = ()) -> Response:
    """The answer to a request that failed."""
    detail = DETAILS.get(status, DETAILS[400 if status < 500 else 500])
    return _told(
        Problem(
            title=HTTPStatus(status).phrase, status=status, detail=detail, reference=_reference(), errors=list(errors)
        )
    )


def refuse(refused: Refused) -> Response:
    """The answer to a request that was refused."""
    if refused.challenge:
        return _told(_proof_needed(refused.status, refused.challenge))
    response = problem(refused.status, refused.errors)
    response.headers.extend({name.replace("_", "-"): value for name, value in refused.headers.items()})
    return response


def field_error(place: Sequence[object], message: str) -> FieldError:
    """One fault, by its place; a name that no field has may be anything, and is cut and made writable."""
    name = ".".join(str(step) for step in place)[:LONGEST_NAME]
    return FieldError(field=name.encode("utf-8", "replace").decode(), message=message)


def _proof_needed(status: int, challenge: Challenge) -> ProofNeeded:
    return ProofNeeded(
        title="A proof of work is needed",
        status=status,
        detail=SOLVE_FIRST,
        reference=_reference(),
        challenge=challenge,
    )


def _told(told: Problem) -> Response:
    return Response(told.model_dump_json(), told.status, mimetype=TYPE)


def _reference() -> str:
    return str(g.get("request_id", ""))
