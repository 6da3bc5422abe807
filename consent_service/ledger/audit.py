"""The audit: reads the whole ledger and says what is not as it was sealed, where, and since which checkpoint.

Goes from the checkpoints kept outside the database to the tiles, from the tiles to the events, from each event to
its payload, and from a person's payloads to their row. Wants a snapshot and changes nothing.
"""

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, func, select

from consent_service.ledger import evidence, merkle, seal, tiles
from consent_service.ledger.anchors import Anchor
from consent_service.ledger.checkpoint import CheckpointRefused, KeyUnknown, Verifier
from consent_service.ledger.evidence import Event
from consent_service.ledger.merkle import HASH
from consent_service.ledger.replay import COLUMNS, replay
from consent_service.ledger.seal import Opening
from consent_service.ledger.vault import Vault, VaultRefused
from consent_service.models import (
    checkpoint,
    consent_event,
    erased_leaf,
    log_tile,
    shown_text,
    subject_key,
    subscriber,
)

SKEW = timedelta(minutes=5)  # between clocks, and between an event's time and its commit
LONGEST_UNSEALED = timedelta(hours=1)
LONGEST_UNLISTED = timedelta(hours=48)  # a day's erasures are listed together in one sealed event
BATCH = 1000


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be: its kind, what it says, and the event, place and checkpoint if known."""

    kind: str
    says: str
    event: str | None = None
    place: int | None = None
    checkpoint: int | None = None

    def __str__(self) -> str:
        """The finding in one line."""
        where = [f"event {self.event}"] if self.event else []
        where += [f"place {self.place}"] if self.place is not None else []
        where += [f"sealed by checkpoint {self.checkpoint}"] if self.checkpoint else []
        return f"{self.kind}: {self.says}" + (f" ({', '.join(where)})" if where else "")


@dataclass(frozen=True)
class Mark:
    """A checkpoint the log is held against: its size, its root and when it was signed."""

    size: int
    root: bytes
    signed_at: datetime


@dataclass
class Audit:
    """One audit: what it reads with, the checkpoints it holds the log against, and what it has found so far."""

    connection: Connection
    keys: Vault
    now: datetime
    step: Callable[[int], None]
    marks: list[Mark] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    end: int = 0

    def find(self, kind: str, says: str, event: str | None = None, place: int | None = None) -> None:
        """Note something that is wrong, with the first checkpoint over its place."""
        over = next((mark.size for mark in self.marks if place is not None and mark.size > place), None)
        self.findings.append(Finding(kind, says, event, place, over))


def audit(
    connection: Connection,
    keys: Vault,
    verifier: Verifier,
    anchors: Iterable[Anchor],
    now: datetime,
    step: Callable[[int], None] = lambda count: None,
) -> list[Finding]:
    """Return everything that is wrong with a ledger; `step` is told how many events were read, each twice in all.

    Read the anchors before the snapshot is taken: every anchor is a checkpoint that was committed before.
    """
    found = Audit(connection, keys, now, step)
    _read_marks(found, verifier, anchors)
    _check_log(found)
    _check_upper_tiles(found)
    _check_waiting(found)
    _check_people(found)
    _check_emptied(found)
    _check_texts(found)
    return found.findings


def count(connection: Connection) -> int:
    """Return how many events there are."""
    return connection.execute(select(func.count()).select_from(consent_event)).scalar_one()


def _read_marks(found: Audit, verifier: Verifier, anchors: Iterable[Anchor]) -> None:
    kept = {anchor.checkpoint.size: anchor for anchor in anchors}
    marks = {size: Mark(size, anchor.checkpoint.root, anchor.signed_at) for size, anchor in kept.items()}
    rows = found.connection.execute(select(checkpoint).order_by(checkpoint.c.size)).all()
    is_ours = False
    for row in rows:
        is_ours = _check_note(found, verifier, row, is_ours=is_ours)
        marks.setdefault(row.size, Mark(row.size, row.root, row.signed_at))
    found.marks = [marks[size] for size in sorted(marks)]
    found.end = rows[-1].size if rows else 0
    for size in sorted(kept.keys() - {row.size for row in rows}):
        when = f"{kept[size].signed_at:%Y-%m-%d %H:%M:%S} UTC"
        found.find("log cut", f"checkpoint {size}, signed at {when}, is not in the database")
    if rewritten := [row.size for row in rows if marks[row.size].root != row.root]:
        found.find("log rewritten", f"checkpoint {rewritten[0]} is not the one kept outside the database")


def _check_note(found: Audit, verifier: Verifier, row: Row[Any], *, is_ours: bool) -> bool:
    """Check a note's signature, and return whether it is by our key; before the first that is, an older key signed."""
    try:
        said = verifier.check(row.note)
        if (said.size, said.root) != (row.size, row.root):
            found.find("checkpoint changed", f"checkpoint {row.size} says something else than its signed note")
        return True
    except KeyUnknown:
        if is_ours:
            found.find("checkpoint changed", f"checkpoint {row.size} is not signed by the key of those before it")
    except CheckpointRefused as error:
        found.find("checkpoint changed", f"checkpoint {row.size}: {error}")
    return is_ours


def _check_log(found: Audit) -> None:
    """Every place holds the event whose hash was sealed there, and every checkpoint has the root of the tiles."""
    tree, marks = merkle.Frontier(), iter(found.marks)
    mark, since, is_whole = next(marks, None), None, True
    with closing(_sealed_hashes(found)) as hashes:
        for place, row in _places(found, found.end):
            wanted = next(hashes, b"")
            tree.add(wanted or bytes(HASH))
            if row is None:
                found.find("event missing", f"the event at place {place} is gone", place=place)
            else:
                _check_event(found, row, wanted)
                _check_time(found, row, since, mark)
            if mark and tree.size == mark.size:
                if is_whole and tree.root() != mark.root:  # those after it do not fit either
                    found.find(
                        "log rewritten", f"the log does not lead to checkpoint {mark.size} any more", place=place
                    )
                    is_whole = False
                since, mark = mark.signed_at, next(marks, None)


def _places(found: Audit, end: int) -> Iterator[tuple[int, Row[Any] | None]]:
    expected = 0
    sealed = select(consent_event).where(consent_event.c.log_index.is_not(None)).order_by(consent_event.c.log_index)
    for row in _stream(found, sealed):
        if not expected <= row.log_index < end:
            found.find("event outside", "its place lies outside the log that was signed", row.id, row.log_index)
            continue
        yield from ((gap, None) for gap in range(expected, row.log_index))
        yield row.log_index, row
        expected = row.log_index + 1
    yield from ((gap, None) for gap in range(expected, end))


def _sealed_hashes(found: Audit) -> Generator[bytes]:
    expected = 0
    lowest = select(log_tile).where(log_tile.c.level == 0).order_by(log_tile.c.number)
    with found.connection.execute(lowest, execution_options={"yield_per": 16}) as rows:
        for tile in rows:
            for missing in range(expected, tile.number):
                found.find("tile missing", f"tile {missing} of the log's hashes is gone", place=missing * tiles.WIDTH)
                yield from (b"" for _ in range(tiles.WIDTH))
            yield from (tile.hashes[at : at + HASH] for at in range(0, tiles.WIDTH * HASH, HASH))
            expected = tile.number + 1


def _check_upper_tiles(found: Audit) -> None:
    upper = select(log_tile).where(log_tile.c.level > 0)
    for tile in found.connection.execute(upper).all():
        below = select(log_tile.c.hashes).where(log_tile.c.level == tile.level - 1)
        numbers = log_tile.c.number.between(tile.number * tiles.WIDTH, (tile.number + 1) * tiles.WIDTH - 1)
        full = func.length(log_tile.c.hashes) == tiles.WIDTH * HASH
        rows = found.connection.execute(below.where(numbers, full).order_by(log_tile.c.number)).scalars()
        if b"".join(tiles.fold(hashes) for hashes in rows) != tile.hashes:
            found.find("tile changed", f"tile {tile.number} of level {tile.level} does not follow from those below it")


def _check_event(found: Audit, row: Row[Any], wanted: bytes) -> None:
    """The row's columns are those of its leaf, and its leaf is the one that was sealed in its place."""
    if merkle.leaf_hash(row.leaf) != wanted:
        found.find("event changed", "it is not the one that was sealed in this place", row.id, row.log_index)
    if row.leaf_hash != merkle.leaf_hash(row.leaf):
        found.find("column changed", "leaf_hash is not the hash of its leaf", row.id, row.log_index)
    leaf = _leaf(row)
    if leaf.get("id") != row.id:
        found.find("column changed", "id is another one than in its leaf", row.id, row.log_index)
    if leaf.get("t") != seal.timestamp(row.recorded_at):
        found.find("column changed", "recorded_at is another time than in its leaf", row.id, row.log_index)


def _check_time(found: Audit, row: Row[Any], since: datetime | None, mark: Mark | None) -> None:
    if since and row.recorded_at < since - SKEW:
        found.find("back-dated", "it is older than the checkpoint before it", row.id, row.log_index)
    if mark and row.recorded_at > mark.signed_at + SKEW:
        found.find("post-dated", "it is newer than the checkpoint over it", row.id, row.log_index)


def _check_waiting(found: Audit) -> None:
    for row in _stream(found, select(consent_event).where(consent_event.c.log_index.is_(None))):
        _check_event(found, row, merkle.leaf_hash(row.leaf))
        if found.now - row.recorded_at > LONGEST_UNSEALED:
            found.find("not sealed", "it has waited for its place in the log for over an hour", row.id)


def _check_people(found: Audit) -> None:
    """Every payload opens to what its leaf commits to, follows the person's one before, and leads to their row."""
    person = [subscriber.c[name].label(f"person_{name}") for name in ("id", *COLUMNS)]
    rows = (
        select(consent_event, subject_key.c.wrapped, *person)
        .join_from(
            consent_event, subject_key, subject_key.c.subscriber_id == consent_event.c.subscriber_id, isouter=True
        )
        .join(subscriber, subscriber.c.id == consent_event.c.subscriber_id, isouter=True)
        .where(consent_event.c.subscriber_id.is_not(None))
        .order_by(consent_event.c.subscriber_id, consent_event.c.recorded_at, consent_event.c.id)
    )
    for _, group in groupby(_stream(found, rows), lambda row: row.subscriber_id):
        _check_person(found, list(group))
    told = select(consent_event.c.id).where(consent_event.c.subscriber_id == subscriber.c.id).exists()
    for row in found.connection.execute(select(subscriber.c.id).where(~told)):
        found.find("row without evidence", f"no event tells of subscriber {row.id}")


def _check_person(found: Audit, rows: Sequence[Row[Any]]) -> None:
    events = _person_events(found, rows)
    if len(events) < len(rows):
        return  # what was found there is enough
    told = replay(events)
    for name in COLUMNS:
        if told[name] != getattr(rows[0], f"person_{name}"):
            found.find("row changed", f"{name} of subscriber {rows[0].subscriber_id} is not what the events tell")


def _person_events(found: Audit, rows: Sequence[Row[Any]]) -> list[Event]:
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
    committed = _leaf(row).get("c", ["", ""])
    holds = seal.base64url(seal.commitment("core", core)) == committed[0] and (
        tech is None or seal.base64url(seal.commitment("tech", tech)) == committed[1]
    )
    if holds and core.payload.get("subscriber") == row.subscriber_id:
        return core
    found.find("payload changed", "its payload is not the one that was sealed", row.id, row.log_index)
    return None


def _check_emptied(found: Audit) -> None:
    """A leaf without a payload is covered by a sealed event that lists what was erased, or will be within two days."""
    listed: set[str] = set()
    for row in _stream(found, select(consent_event).where(consent_event.c.core_plain.is_not(None))):
        opening = evidence.read_plain(row.core_plain)
        if seal.base64url(seal.commitment("core", opening)) != _leaf(row).get("c", [""])[0]:
            found.find("payload changed", "its payload is not the one that was sealed", row.id, row.log_index)
        else:
            leaves: Any = opening.payload.get("leaves") or []
            listed |= {leaf["id"] for leaf in leaves}
    recent = erased_leaf.c.erased_at > found.now - LONGEST_UNLISTED
    listed |= set(found.connection.execute(select(erased_leaf.c.event_id).where(recent)).scalars())
    nobody = consent_event.c.subscriber_id.is_(None) & consent_event.c.core_plain.is_(None)
    for row in _stream(found, select(consent_event).where(nobody)):
        if row.id not in listed:
            found.find("opening missing", "its payload is gone and no sealed erasure says why", row.id, row.log_index)
    held = select(consent_event.c.id, consent_event.c.log_index).where(consent_event.c.core_sealed.is_not(None))
    for event, place in found.connection.execute(held, execution_options={"yield_per": BATCH}):
        if event in listed:
            found.find("erased and here", "it was erased, but its payload is here again", event, place)


def _check_texts(found: Audit) -> None:
    for row in found.connection.execute(select(shown_text), execution_options={"yield_per": BATCH}):
        if sha256(row.content).hexdigest() != row.sha256:
            found.find("text changed", f"the text {row.sha256} is not the one that was shown")


def _leaf(row: Row[Any]) -> dict[str, Any]:
    try:
        leaf = json.loads(row.leaf)
    except ValueError:
        return {}
    return leaf if isinstance(leaf, dict) else {}


def _stream(found: Audit, rows: Any) -> Iterator[Row[Any]]:
    with found.connection.execute(rows, execution_options={"yield_per": BATCH}) as result:
        for batch in result.partitions():
            found.step(len(batch))
            yield from batch
