"""What programs send and what they are answered: the models that check it, and describe it in the OpenAPI document.

One definition for both, so that the document stays true. A field that nobody offered is refused, and no value is taken
for another kind. Messages are for those who write programs. Contains no rule.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, WithJsonSchema
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from consent_service.people import (
    LONGEST_ADDRESS,
    LONGEST_NAME,
    Address,
    AddressRefused,
    NameRefused,
    read_address,
    read_name,
)
from consent_service.web.problems import Challenge, FieldError, Refused, field_error

HOST_PATTERN = r"^[a-z0-9]([a-z0-9.-]{0,190}[a-z0-9])?(:[0-9]{1,5})?$"
LONGEST_PROOF = 2000
SUBSCRIPTION: JsonDict = {
    "first_name": "Aino",
    "last_name": "Mäkelä",
    "email": "aino@example.com",
    "language": "fi",
    "consent": {
        "token": "WyIyYzI2YjQ2YiIsImZpIiwxNzY0NDM1NjAwMDAwXQ.example",
        "tracking": False,
        "site": "www.example.com",
        "occasion": "first appointment",
    },
}
WORDS = {
    "missing": "is required",
    "extra_forbidden": "is no field of this request",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "string_unicode": "must be text in Unicode",
}


def _line(value: object) -> str:
    try:
        return read_name(value if isinstance(value, str) else "")
    except NameRefused:
        told = "must be one line of 1 to 100 characters that can be seen, without control characters"
        raise PydanticCustomError("line", told) from None


def _email(value: object) -> str:
    email = value if isinstance(value, str) else ""
    try:
        read_address(email)
    except AddressRefused:
        raise PydanticCustomError("address", "must be one e-mail address like name@example.com") from None
    return email


def _text(longest: int, kind: str | None = None) -> WithJsonSchema:
    described: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": longest}
    return WithJsonSchema(described | ({"format": kind} if kind else {}))


Line = Annotated[str, PlainValidator(_line), _text(LONGEST_NAME)]
Email = Annotated[str, PlainValidator(_email), _text(LONGEST_ADDRESS, "email")]
Code = Literal["fi", "sv", "en"]


class Message(BaseModel):
    """What all of them share."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, json_schema_serialization_defaults_required=True
    )


class TextsAsked(Message):
    """In which language the texts are wanted."""

    lang: Code


class Consent(Message):
    """What the person agreed to, and where they did."""

    token: str = Field(min_length=1, max_length=1000, description="the token of the texts they were shown, as it came")
    tracking: bool = Field(default=False, description="whether they ticked the box beside the text about tracking too")
    site: str = Field(pattern=HOST_PATTERN, description="the host of the web site that showed the texts")
    occasion: Line | None = Field(default=None, description="what it was about, as `first appointment`")


class _OfOne(Message):
    email: Email

    @property
    def address(self) -> Address:
        """The address in all its forms."""
        return read_address(self.email)


class Subscription(_OfOne):
    """Somebody who ticked the box."""

    model_config = ConfigDict(json_schema_extra={"examples": [SUBSCRIPTION]})

    first_name: Line
    last_name: Line
    language: Code = Field(description="the language of the texts they were shown; they are written to in it")
    consent: Consent
    proof: str | None = Field(
        default=None,
        max_length=LONGEST_PROOF,
        description="the solution of a challenge, when one is asked for; each counts once",
    )


class OneAddress(_OfOne):
    """The address of one person."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "aino@example.com"}]})


class Text(Message):
    """A text to show beside a box."""

    sentence: str = Field(description="what stands beside the box, word for word")
    privacy: str = Field(description="what stands under it, word for word")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="by which evidence names the text")


class Texts(Message):
    """Today's texts, each beside a box of its own that is not ticked, and the proof that they were given out."""

    language: Code
    consent: Text
    tracking: Text = Field(description="beside a second box, which may stay empty; show it or leave it out")
    privacy_url: str = Field(description="the privacy statement, to be linked to")
    token: str = Field(description="sent back with the subscription, within 24 hours")
    challenge: Challenge | None = Field(
        description="what has to be solved for the next subscription, for ten minutes; null while nothing has to be"
    )


class Accepted(Message):
    """The same for every address: if it may be written to, a message is on its way that its owner has to confirm."""

    result: Literal["accepted"] = "accepted"


class Withdrawn(Message):
    """The same for every address: from now on it gets no newsletter, unless its owner subscribes anew."""

    result: Literal["withdrawn"] = "withdrawn"


class Standing(Message):
    """How an address stands."""

    status: Literal["none", "pending", "active", "passive"] = Field(
        description="only who is active gets the newsletter; none also for who was erased"
    )
    since: datetime | None = Field(description="since when; null with none")
    tracking: bool = Field(description="whether the person permits to be followed while reading")


def read(model: type[Message], body: bytes) -> Any:
    """Return what a body says; raises Refused: 400 when it is no JSON, 422 when it says something else."""
    try:
        said = json.loads(body.decode("utf-8"), object_pairs_hook=_once_each, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Refused(400) from None
    return checked(model, said)


def checked(model: type[Message], said: object) -> Any:
    """Return it as the model has it; raises Refused, with every fault."""
    try:
        return model.model_validate(said)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        raise Refused(422, [_told(fault["loc"], fault["type"], fault["msg"]) for fault in faults]) from None


def _told(place: Sequence[object], kind: str, message: str) -> FieldError:
    return field_error(place, WORDS.get(kind, message))


def _once_each(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")
