"""Who of the staff looked at what, changed what, and came in: sealed events that hold ids only.

That somebody's data was looked at is noted for their protection (GDPR articles 5(1)(f) and 32), in the log that nobody
can change unnoticed. Names and addresses stand in no event: once a person is erased, what is left is a random number.
Must not commit or read a clock.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from consent_service import erasure as erasing
from consent_service.ledger import evidence
from consent_service.ledger.evidence import Occasion
from consent_service.models.ledger import consent_event
from consent_service.models.staff import AccessKind, access

RULE = "access"
Kind = AccessKind


@dataclass(frozen=True)
class Noted:
    """One line: when, which of `Kind`, at which page or act, and about whom (`subscriber:<id>`), if about anybody."""

    at: datetime
    kind: str
    what: str
    thing: str | None


def note(
    connection: Connection,
    occasion: Occasion,
    kind: Kind,
    what: str,
    thing: str | None = None,
    more: Mapping[str, str] | None = None,
) -> None:
    """Note what the actor of the occasion did: ids only, and in `more` names of classes."""
    event = evidence.append_plain(connection, occasion, {"kind": kind, "thing": thing, "what": what, **(more or {})})
    row = {"event_id": event.id, "actor": occasion.actor, "noted_at": event.at}
    connection.execute(insert(access).values(**row))


def latest(connection: Connection, actor: str, limit: int) -> Sequence[Noted]:
    """Return what somebody did last, newest first."""
    rows = connection.execute(
        select(consent_event.c.recorded_at, consent_event.c.core_plain)
        .join(access, access.c.event_id == consent_event.c.id)
        .where(access.c.actor == actor)
        .order_by(access.c.noted_at.desc())
        .limit(limit)
    )
    return [_noted(row.recorded_at, row.core_plain) for row in rows if row.core_plain is not None]


def about(connection: Connection, things: Collection[str]) -> list[Noted]:
    """Return what was done with any of these things (`subscriber:<id>`), oldest first: who asks may know (article 15).

    Reads through the whole log of access, a thousand lines at a time: nothing in it can be looked up by a person.
    """
    all_of_it = (
        select(consent_event.c.recorded_at, consent_event.c.core_plain)
        .join(access, access.c.event_id == consent_event.c.id)
        .order_by(access.c.noted_at)
        .execution_options(yield_per=1000)
    )
    wanted = [f'"{one}"'.encode() for one in things]
    lines = (row for row in connection.execute(all_of_it) if row.core_plain is not None)
    return [_noted(row.recorded_at, row.core_plain) for row in lines if any(one in row.core_plain for one in wanted)]


def forget(connection: Connection, occasion: Occasion, rule: str, event_ids: Collection[str]) -> None:
    """Empty these events by a rule, and forget where they are."""
    if event_ids:
        erasing.empty_leaves(connection, occasion, consent_event.c.id.in_(event_ids), rule)
        connection.execute(delete(access).where(access.c.event_id.in_(event_ids)))


def _noted(at: datetime, content: bytes) -> Noted:
    told: dict[str, Any] = dict(evidence.read_plain(content).payload)
    return Noted(at, told["kind"], told["what"], told["thing"])
