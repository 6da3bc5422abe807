"""What visitors of the company's web site choose about cookies: recorded in the sealed log, shown and erased by its id.

A choice is known by a random id that is in the visitor's browser and nowhere else, and is never joined to anybody: its
event holds no person, no address and no network. Must not commit or read a clock.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from consent_service import erasure as erasing
from consent_service.database import insert_if_absent
from consent_service.erasure import BY_PERSON
from consent_service.erasure_notes import note_erased
from consent_service.ledger import evidence
from consent_service.ledger.evidence import Occasion
from consent_service.ledger.seal import Payload
from consent_service.models.ledger import consent_event
from consent_service.models.site import cookie_choice
from consent_service.notices.cookie_notice import KIND, LASTS
from consent_service.notices.statements import ShownText

ACTIONS = {"all", "necessary", "chosen", "gpc"}  # two buttons, the settings, Global Privacy Control
LAYERS = {"first", "settings", "embed"}  # where: on the banner, in the settings, in place of what comes from elsewhere


class AlreadyRecorded(Exception):
    """This choice came before: whatever this transaction did has to be undone."""


@dataclass(frozen=True)
class Choice:
    """What somebody chose, the how-many-th time, on which site (its host) and in which family of browsers."""

    id: str
    sequence: int
    action: str
    allowed: tuple[str, ...]
    layer: str
    is_gpc: bool
    site: str
    browser: str


@dataclass(frozen=True)
class Recorded:
    """A choice as the log holds it, and the text it was made before."""

    at: datetime
    choice: Choice
    text: ShownText


def means_something(choice: Choice) -> bool:
    """Whether what was allowed fits how it was chosen."""
    if choice.action == "gpc" and not choice.is_gpc:
        return False
    return choice.action == "chosen" or bool(choice.allowed) == (choice.action == "all")


def record(connection: Connection, occasion: Occasion, choice: Choice, text: ShownText) -> None:
    """Record a choice made before a text; raises AlreadyRecorded when it was recorded before.

    Times are kept to the minute, so that they do not lead to what the same visitor does a moment later.
    """
    minute = replace(occasion, now=occasion.now.replace(second=0, microsecond=0))
    evidence.keep_text(connection, minute, text)
    core: Payload = {
        "kind": "cookie_choice",
        "choice": choice.id,
        "sequence": choice.sequence,
        "action": choice.action,
        "allowed": [*choice.allowed],
        "layer": choice.layer,
        "gpc": choice.is_gpc,
        "site": choice.site,
        "browser": choice.browser,
        "texts": {KIND: text.sha256},
    }
    event = evidence.append_plain(connection, minute, core)
    values = {"event_id": event.id, "choice_id": choice.id, "sequence": choice.sequence}
    if not insert_if_absent(connection, cookie_choice, values | {"expires_at": _expires_at(minute.now)}):
        raise AlreadyRecorded


def find(connection: Connection, choice_id: str) -> Sequence[Recorded]:
    """Return everything recorded under an id, newest first."""
    rows = connection.execute(
        select(consent_event.c.recorded_at, consent_event.c.core_plain)
        .join(cookie_choice)
        .where(cookie_choice.c.choice_id == choice_id, consent_event.c.core_plain.is_not(None))
        .order_by(cookie_choice.c.sequence.desc())
    )
    return [_recorded(connection, row.recorded_at, row.core_plain) for row in rows.all()]


def erase(connection: Connection, occasion: Occasion, choice_id: str, until: datetime) -> bool:
    """Erase what was recorded under an id until a time; False when there was nothing. No old backup brings it back."""
    mine = (cookie_choice.c.choice_id == choice_id, consent_event.c.recorded_at <= until)
    event_ids = connection.execute(select(cookie_choice.c.event_id).join(consent_event).where(*mine)).scalars().all()
    if not event_ids:
        return False
    forget(connection, occasion, BY_PERSON, event_ids)
    note_erased(connection, [choice_id], BY_PERSON, occasion.now)
    return True


def forget(connection: Connection, occasion: Occasion, rule: str, event_ids: Collection[str]) -> None:
    """Empty the events of these choices by a rule, and forget where they are."""
    if event_ids:
        erasing.empty_leaves(connection, occasion, consent_event.c.id.in_(event_ids), rule)
        connection.execute(delete(cookie_choice).where(cookie_choice.c.event_id.in_(event_ids)))


def _expires_at(now: datetime) -> datetime:
    """The day on which the visitor is asked again, from its beginning."""
    return (now + LASTS).replace(hour=0, minute=0)


def _recorded(connection: Connection, at: datetime, content: bytes) -> Recorded:
    core: dict[str, Any] = dict(evidence.read_plain(content).payload)
    text = evidence.kept_text(connection, core["texts"][KIND])
    if text is None:
        raise LookupError("the text a choice was made before is gone")  # kept in the same transaction, and for good
    choice = Choice(
        core["choice"],
        core["sequence"],
        core["action"],
        tuple(core["allowed"]),
        core["layer"],
        core["gpc"],
        core["site"],
        core["browser"],
    )
    return Recorded(at, choice, text)
