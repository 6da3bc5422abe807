"""Consent events: append one, read a person's story back, keep the exact bytes of every text that was shown.

An event is one INSERT whose two compartments are blinded, committed to and encrypted under the person's own key. Its
place in the log is given later by the sealer, so writers never wait for each other. Must never update or delete an
event's place.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, ScalarSelect, bindparam, insert, select

from consent_service.database import insert_if_absent
from consent_service.ids import new_id
from consent_service.ledger import merkle, seal, vault
from consent_service.ledger.seal import Compartment, Opening, Payload
from consent_service.ledger.vault import Vault, VaultRefused
from consent_service.models.ledger import consent_event, shown_text, subject_key
from consent_service.notices import statements
from consent_service.notices.statements import ConsentText, ShownText
from consent_service.sql.prepared import Prepared, PreparedList

KEPT_TEXTS = "texts known to be kept"  # of a connection's info
NEW = timedelta(minutes=1)  # longer than any transaction takes

# Built once: what is done for every subscriber pays for building a statement as much as for executing it.
_APPEND = Prepared(insert(consent_event))
_KEPT = Prepared(select(shown_text).where(shown_text.c.sha256 == bindparam("sha256")))
_KNOWN = PreparedList(
    lambda texts: select(shown_text.c.sha256, shown_text.c.first_used_at).where(shown_text.c.sha256.in_(texts))
)
_WRAPPED_KEY = select(subject_key.c.wrapped).where(subject_key.c.subscriber_id == bindparam("person"))
_WRAPPED = Prepared(_WRAPPED_KEY)
_KEEP_KEY = Prepared(insert(subject_key))
_NEWEST = Prepared(
    select(consent_event.c.recorded_at, consent_event.c.leaf_hash, _WRAPPED_KEY.scalar_subquery().label("wrapped"))
    .where(consent_event.c.subscriber_id == bindparam("person"))
    .order_by(consent_event.c.recorded_at.desc())
    .limit(1)
)


@dataclass(frozen=True)
class Occasion:
    """When, by whom and through which door something happens; made by the door, read by every room below.

    `actor` is `visitor`, `subscriber`, `relay`, `activecampaign`, `terminal`, `staff:<id>` or `api:<id of a key>`;
    `door` is `form`, `contact`, `link`, `confirm-link`, `one-click`, `my-data`, `activecampaign`, `console`, `api`,
    `terminal`, `restore`, `relay`, `banner` or `cookies`; `tech` holds what the evidence may say about the sender's
    device; `forwards` is false when ActiveCampaign is not connected, so that nobody there can be told anything.
    """

    now: datetime
    actor: str
    door: str
    vault: Vault
    tech: Payload = field(default_factory=dict)
    forwards: bool = field(kw_only=True)


@dataclass(frozen=True)
class Event:
    """One opened consent event of a person."""

    id: str
    at: datetime
    leaf_hash: bytes
    core: Payload
    tech: Payload | None


@dataclass(frozen=True)
class Recorded:
    """The id (32 hex digits) and time of an event just appended; columns that tell the same use this time."""

    id: str
    at: datetime


def append(connection: Connection, occasion: Occasion, subscriber_id: str, core: Payload) -> Recorded:
    """Append a consent event about a person, later than the one before even if a clock says otherwise.

    The caller holds the person's row, so `previous` and the rising time cannot be raced.
    """
    event_id = new_id(occasion.now)
    previous = _NEWEST.row(connection, {"person": subscriber_id})
    at = max(occasion.now, previous.recorded_at + timedelta(microseconds=1)) if previous else occasion.now
    told = core | {
        "actor": occasion.actor,
        "at": seal.timestamp(at),
        "door": occasion.door,
        "previous": previous.leaf_hash.hex() if previous else None,
        "subscriber": subscriber_id,
    }
    wrapped = previous.wrapped if previous else None
    key = occasion.vault.unwrap(wrapped, subscriber_id) if wrapped else _new_key(connection, occasion, subscriber_id)
    core_opening = Opening(told, seal.new_blind())
    tech_opening = Opening(occasion.tech, seal.new_blind()) if occasion.tech else None
    leaf = seal.leaf(
        event_id,
        at,
        seal.commitment("core", core_opening),
        seal.commitment("tech", tech_opening) if tech_opening else seal.new_blind(),
    )
    values = {
        "id": event_id,
        "subscriber_id": subscriber_id,
        "recorded_at": at,
        "leaf": leaf,
        "leaf_hash": merkle.leaf_hash(leaf),
        "core_sealed": _close(key, event_id, "core", core_opening),
        "tech_sealed": _close(key, event_id, "tech", tech_opening) if tech_opening else None,
    }
    _APPEND.write(connection, values)
    return Recorded(event_id, at)


def append_filler(connection: Connection, occasion: Occasion) -> None:
    """Append an event that says nothing, where another state of an address would append one that says something.

    Anybody may read how many events the log has; it must not tell what became of an address somebody typed.
    """
    append_plain(connection, occasion, {"kind": "filler"})


def append_plain(connection: Connection, occasion: Occasion, core: Payload) -> Recorded:
    """Append an event about the log itself, or a visitor nobody knows; its payload stays readable for the audit."""
    event_id = new_id(occasion.now)
    told = core | {"actor": occasion.actor, "at": seal.timestamp(occasion.now), "door": occasion.door}
    opening = Opening(told, seal.new_blind())
    leaf = seal.leaf(event_id, occasion.now, seal.commitment("core", opening), seal.new_blind())
    values = {"id": event_id, "recorded_at": occasion.now, "leaf": leaf, "leaf_hash": merkle.leaf_hash(leaf)}
    _APPEND.write(connection, values | {"core_plain": _content(opening)})
    return Recorded(event_id, occasion.now)


def story(connection: Connection, keys: Vault, subscriber_id: str) -> Iterator[Event]:
    """Yield a person's events, oldest first, opened; raises VaultRefused when one was changed."""
    rows = connection.execute(
        select(consent_event)
        .where(consent_event.c.subscriber_id == subscriber_id)
        .order_by(consent_event.c.recorded_at)
    ).all()
    key = known_key(connection, keys, subscriber_id) if rows else b""
    for row in rows:
        core = opened(key, row.id, "core", row.core_sealed)
        tech = opened(key, row.id, "tech", row.tech_sealed) if row.tech_sealed else None
        yield Event(row.id, row.recorded_at, row.leaf_hash, core.payload, tech.payload if tech else None)


def opening(connection: Connection, keys: Vault, row: Row[Any]) -> Opening:
    """Return the opened core of one event's row, with its blind; raises VaultRefused."""
    if row.core_plain is not None:
        return read_plain(row.core_plain)
    return opened(known_key(connection, keys, row.subscriber_id), row.id, "core", row.core_sealed)


def opened(key: bytes, event_id: str, compartment: Compartment, sealed: bytes) -> Opening:
    """Return one compartment of an event, opened with the person's key; raises VaultRefused."""
    return read_plain(vault.decrypt(key, sealed, _context(event_id, compartment)))


def read_plain(content: bytes) -> Opening:
    """Return the payload and blind of a compartment that is not, or no longer, encrypted; raises VaultRefused."""
    try:
        found = json.loads(content)
        return Opening(dict(found["payload"]), bytes.fromhex(found["blind"]))
    except (KeyError, TypeError, ValueError) as error:
        raise VaultRefused("the content of an event cannot be read") from error


def keep_text(connection: Connection, occasion: Occasion, shown: ShownText) -> str:
    """Store the exact bytes of a shown text under their SHA-256, once and for ever, and return that (hex)."""
    keep_texts(connection, occasion, [shown])
    return shown.sha256


def keep_texts(connection: Connection, occasion: Occasion, shown: Collection[ShownText]) -> None:
    """Store the exact bytes of several shown texts, each under its SHA-256, once and for ever."""
    kept: set[str] = connection.info.setdefault(KEPT_TEXTS, set())
    asked = [one for one in shown if one.sha256 not in kept]
    if not asked:
        return
    known = {row.sha256: row.first_used_at for row in _KNOWN.rows(connection, [one.sha256 for one in asked])}
    # What is new may come from this very transaction, which can still be undone; all else is there for ever.
    kept.update(sha256 for sha256, at in known.items() if at < occasion.now - NEW)
    for one in asked:
        if one.sha256 not in known:
            values = {"sha256": one.sha256, "kind": one.kind, "language": one.language, "content": one.content}
            insert_if_absent(connection, shown_text, values | {"first_used_at": occasion.now})


def kept_text(connection: Connection, sha256: str) -> ShownText | None:
    """Return a text shown earlier, or None when no person was ever asked with it."""
    row = _KEPT.row(connection, {"sha256": sha256})
    return ShownText(row.kind, row.language, row.content) if row else None


class KeptConsents:
    """The texts people were asked with, each read once: what a hash names never changes."""

    def __init__(self) -> None:
        self._read: dict[str, ConsentText] = {}

    def find(self, connection: Connection, sha256: str) -> ConsentText:
        """Return the text that an ask or an event names; raises LookupError when it is not kept."""
        if sha256 not in self._read:
            kept = kept_text(connection, sha256)
            if kept is None:
                raise LookupError("the text a person was asked with is gone")  # the foreign key forbids it
            self._read[sha256] = statements.kept_consent(kept)
        return self._read[sha256]


def kept_versions(connection: Connection, kind: str, language: str) -> list[tuple[str, datetime]]:
    """Return the hash and the first use of every kept text of a kind in a language, newest first."""
    rows = connection.execute(
        select(shown_text.c.sha256, shown_text.c.first_used_at)
        .where(shown_text.c.kind == kind, shown_text.c.language == language)
        .order_by(shown_text.c.first_used_at.desc(), shown_text.c.sha256)
    )
    return [(row.sha256, row.first_used_at) for row in rows]


def wrapped_key_of(subscriber_id: ColumnElement[Any]) -> ScalarSelect[Any]:
    """Return the person's wrapped key, for a statement that reads more about them."""
    return select(subject_key.c.wrapped).where(subject_key.c.subscriber_id == subscriber_id).scalar_subquery()


def known_key(connection: Connection, keys: Vault, subscriber_id: str) -> bytes:
    """Return the key under which everything about a person is encrypted; raises VaultRefused when it is gone."""
    wrapped = _WRAPPED.value(connection, {"person": subscriber_id})
    if wrapped is None:
        raise VaultRefused("the key of this person is gone")
    return keys.unwrap(wrapped, subscriber_id)


def _new_key(connection: Connection, occasion: Occasion, subscriber_id: str) -> bytes:
    key = vault.new_person_key()
    wrapped = occasion.vault.wrap(key, subscriber_id)
    _KEEP_KEY.write(connection, {"subscriber_id": subscriber_id, "wrapped": wrapped})
    return key


def _close(key: bytes, event_id: str, compartment: Compartment, opening: Opening) -> bytes:
    return vault.encrypt(key, _content(opening), _context(event_id, compartment))


def _content(opening: Opening) -> bytes:
    # As RFC 8785 has it, which sorts the two names like this; the payload is canonical already.
    return b'{"blind":"%s","payload":%s}' % (opening.blind.hex().encode(), opening.canonical)


def _context(event_id: str, compartment: Compartment) -> bytes:
    return f"{event_id}/{compartment}/{seal.VERSION}".encode()
