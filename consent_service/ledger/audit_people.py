"""The audit's second half: people. Every payload opens to what its leaf commits to, and their rows are what it tells.

Follows each person's chain of events, then holds their row, their asks and their objection against the replay.
Changes nothing.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Row, select

from consent_service import people
from consent_service.delivery import suppression
from consent_service.ledger import evidence, replay, seal
from consent_service.ledger.evidence import Event
from consent_service.ledger.findings import Audit, leaf_of
from consent_service.ledger.seal import Opening, Payload
from consent_service.ledger.vault import VaultRefused
from consent_service.models.ledger import consent_event, subject_key
from consent_service.models.newsletter import confirmation, subscriber

PERSON = [subscriber.c[name].label(f"person_{name}") for name in ("id", "email_key", *replay.COLUMNS)]


def check_people(found: Audit) -> None:
    """Check everybody's events, rows, asks and objections."""
    keys, event = subject_key.c.subscriber_id, consent_event.c.subscriber_id
    rows = (
        select(consent_event, subject_key.c.wrapped, *PERSON)
        .join_from(consent_event, subject_key, keys == event, isouter=True)
        .join(subscriber, subscriber.c.id == event, isouter=True)
        .where(event.is_not(None))
        .order_by(event, consent_event.c.recorded_at, consent_event.c.id)
    )
    for _, group in groupby(found.stream(rows), lambda row: row.subscriber_id):
        _check_person(found, list(group))
    told = select(consent_event.c.id).where(event == subscriber.c.id).exists()
    for row in found.connection.execute(select(subscriber.c.id).where(~told)):
        found.find("row without evidence", f"no event tells of subscriber {row.id}")


def _check_person(found: Audit, rows: Sequence[Row[Any]]) -> None:
    events = _events(found, rows)
    if len(events) < len(rows):
        return  # what was found there is enough
    _check_row(found, rows[0], events)
    _check_asks(found, rows[0].subscriber_id, events)


def _events(found: Audit, rows: Sequence[Row[Any]]) -> list[Event]:
    """A person's events, opened; fewer than there are rows when one does not open, with a finding."""
    key, events, previous = _key(found, rows[0]), [], None
    for row in rows if key else ():
        core = _opened(found, key, row)
        if core is None:
            break
        if core.payload.get("previous") != previous:
            found.find("event missing", "the person's event before it is gone or another one", row.id, row.log_index)
        previous = row.leaf_hash.hex()
        events.append(Event(row.id, row.recorded_at, row.leaf_hash, core.payload, None))
        check_named_texts(found, row, core.payload)
    return events


def _key(found: Audit, row: Row[Any]) -> bytes:
    if row.person_id is None or row.wrapped is None:
        what = "row" if row.person_id is None else "key"
        found.find("opening missing", f"the {what} of subscriber {row.subscriber_id} is gone", row.id, row.log_index)
        return b""
    try:
        return found.keys.unwrap(row.wrapped, row.subscriber_id)
    except VaultRefused as error:
        found.find("key changed", f"subscriber {row.subscriber_id}: {error}", row.id, row.log_index)
        return b""


def _opened(found: Audit, key: bytes, row: Row[Any]) -> Opening | None:
    """The core of an event, or None with a finding; its `tech` is checked on the way while it is kept."""
    try:
        core = evidence.opened(key, row.id, "core", row.core_sealed or b"")
        tech = evidence.opened(key, row.id, "tech", row.tech_sealed) if row.tech_sealed else None
    except VaultRefused:
        what = "does not open" if row.core_sealed else "is gone"
        found.find("payload changed", f"its payload {what}", row.id, row.log_index)
        return None
    leaf = leaf_of(row)
    holds = seal.base64url(seal.commitment("core", core)) == leaf.core and (
        tech is None or seal.base64url(seal.commitment("tech", tech)) == leaf.tech
    )
    if holds and core.payload.get("subscriber") == row.subscriber_id:
        return core
    found.find("payload changed", "its payload is not the one that was sealed", row.id, row.log_index)
    return None


def check_named_texts(found: Audit, row: Row[Any], payload: Payload) -> None:
    """Every text that an event names is kept."""
    named = payload.get("texts")
    for sha256 in named.values() if isinstance(named, dict) else ():
        if sha256 not in found.texts:
            found.find("text missing", f"the text {sha256} that it names is gone", row.id, row.log_index)


def _check_row(found: Audit, row: Row[Any], events: Sequence[Event]) -> None:
    told = replay.person(events)
    wrong = [name for name in replay.COLUMNS if told[name] != getattr(row, f"person_{name}")]
    if row.person_email_key != people.key_of(row.person_email):
        wrong.append("email_key")
    for name in wrong:
        found.find("row changed", f"{name} of subscriber {row.subscriber_id} is not what the events tell")
    if any(event.core["kind"] == "objected" for event in events):
        known = suppression.find(found.connection, found.keys, row.person_email_key, found.now)
        if known is None or known.reason != "objected":
            found.find("row changed", f"the objection of subscriber {row.subscriber_id} is not kept any more")


def _check_asks(found: Audit, subscriber_id: str, events: Sequence[Event]) -> None:
    told = replay.asks(events)
    mine = select(confirmation).where(confirmation.c.subscriber_id == subscriber_id)
    rows = {row.id: row for row in found.connection.execute(mine)}
    for ask in told.keys() ^ rows.keys():
        found.find("row changed", f"ask {ask} of subscriber {subscriber_id} is gone or was never made")
    for ask in told.keys() & rows.keys():
        if replay.is_late(told[ask]):
            found.find("row changed", f"ask {ask} of subscriber {subscriber_id} was confirmed after its link had ended")
        for name, value in told[ask].items():
            if getattr(rows[ask], name) != value:
                found.find("row changed", f"{name} of ask {ask} of subscriber {subscriber_id} is not what was asked")
