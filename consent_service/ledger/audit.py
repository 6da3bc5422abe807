"""The audit: reads the whole ledger and says what is not as it was sealed, where, and since which checkpoint.

Goes from the checkpoints kept outside the database to the tiles, from the tiles to the events, from each event to
its payload, and from a person's payloads to their row. Wants a snapshot and changes nothing.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from hashlib import sha256
from math import inf
from typing import Any

from sqlalchemy import Connection, Row, func, select

from consent_service.ledger import erased_list, evidence, merkle, seal, sealer, tiles
from consent_service.ledger.anchors import Anchor
from consent_service.ledger.audit_people import check_named_texts, check_people
from consent_service.ledger.checkpoint import Checker, CheckpointRefused
from consent_service.ledger.findings import BATCH, Audit, Finding, Mark, leaf_of
from consent_service.ledger.merkle import HASH
from consent_service.ledger.seal import Payload
from consent_service.ledger.vault import Vault, VaultRefused
from consent_service.models.ledger import checkpoint, consent_event, erased_leaf, log_tile, shown_text
from consent_service.models.site import cookie_choice
from consent_service.models.staff import ACCESS_KINDS, access

SKEW = timedelta(minutes=5)  # between clocks, and between an event's time and its commit
LONGEST_UNSEALED = timedelta(hours=1)
LONGEST_UNLISTED = timedelta(hours=48)  # a day's erasures are listed together in one sealed event


def audit(
    connection: Connection,
    keys: Vault,
    verifier: Checker,
    anchors: Iterable[Anchor],
    now: datetime,
    step: Callable[[int], None] = lambda count: None,
) -> list[Finding]:
    """Return everything that is wrong with a ledger; `step` is told how many events were read, each twice in all.

    Read the anchors before the snapshot is taken: every anchor is a checkpoint that was committed before.
    """
    found = Audit(connection, keys, now, step)
    _read_marks(found, verifier, anchors)
    _check_texts(found)
    _check_log(found)
    _check_upper_tiles(found)
    _check_waiting(found)
    check_people(found)
    _check_emptied(found, verifier)
    return found.findings


def count(connection: Connection) -> int:
    """Return how many events there are."""
    return connection.execute(select(func.count()).select_from(consent_event)).scalar_one()


def _read_marks(found: Audit, verifier: Checker, anchors: Iterable[Anchor]) -> None:
    """Take the checkpoints kept outside first, and hold those in the database against them."""
    marks: dict[int, Mark] = {}
    for anchor in anchors:
        said = anchor.checkpoint
        if _is_signed(found, verifier, anchor.note, said.size, "kept outside"):
            first = marks.setdefault(said.size, Mark(said.size, said.root, anchor.signed_at))
            if first.root != said.root:
                found.find("log rewritten", f"checkpoint {said.size} was kept outside twice, with two roots")
    rows = found.connection.execute(select(checkpoint).order_by(checkpoint.c.size)).all()
    if rows and not marks:
        found.find("anchors missing", "no checkpoint is kept outside the database any more")
    _find_cut(found, marks, {row.size for row in rows})
    for row in rows:
        if _is_signed(found, verifier, row.note, row.size, "in the database"):
            marks.setdefault(row.size, Mark(row.size, row.root, row.signed_at))
    found.marks = [marks[size] for size in sorted(marks)]
    found.end = rows[-1].size if rows else 0
    if rewritten := [row.size for row in rows if row.size in marks and marks[row.size].root != row.root]:
        found.find("log rewritten", f"checkpoint {rewritten[0]} is not the one kept outside the database")


def _find_cut(found: Audit, kept: dict[int, Mark], known: set[int]) -> None:
    for size in sorted(kept.keys() - known):
        when = f"{kept[size].signed_at:%Y-%m-%d %H:%M:%S} UTC"
        found.find("log cut", f"checkpoint {size}, signed at {when}, is not in the database")


def _is_signed(found: Audit, verifier: Checker, note: bytes, size: int, where: str) -> bool:
    """Whether a note is by one of our keys and says what it stands for; else a finding."""
    try:
        if verifier.check(note).size == size:
            return True
        reason = "it says another size than its signed note"
    except CheckpointRefused as error:
        reason = str(error)
    found.find("checkpoint changed", f"checkpoint {size} {where}: {reason}")
    return False


def _check_log(found: Audit) -> None:
    """Every place holds the event whose hash was sealed there, and every checkpoint has the root of the tiles."""
    tree, marks = merkle.Frontier(), iter(found.marks)
    mark, since, size, is_whole = next(marks, None), None, 0, True
    with closing(_sealed_hashes(found)) as hashes:
        for index, row in _places(found, found.end):
            wanted = next(hashes, b"")
            tree.add(wanted or bytes(HASH))
            if row is None:
                found.find("event missing", "the event in this place is gone", index=index)
            else:
                _check_event(found, row, wanted)
                _check_time(found, row, since, mark)
            if mark and tree.size == mark.size:
                if is_whole and tree.root() != mark.root:  # those after it do not fit either
                    found.find(
                        "log rewritten", f"the log does not lead to checkpoint {mark.size} any more", index=index
                    )
                    is_whole = False
                if mark.size - size != sealer.MOST:  # after a full step, what follows may have waited as long
                    since = mark.signed_at
                size, mark = mark.size, next(marks, None)


def _places(found: Audit, end: int) -> Iterator[tuple[int, Row[Any] | None]]:
    expected = 0
    sealed = select(consent_event).where(consent_event.c.log_index.is_not(None)).order_by(consent_event.c.log_index)
    for row in found.stream(sealed):
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
                found.find("tile missing", f"tile {missing} of the log's hashes is gone", index=missing * tiles.WIDTH)
                yield from (b"" for _ in range(tiles.WIDTH))
            yield from (tile.hashes[at : at + HASH] for at in range(0, tiles.WIDTH * HASH, HASH))
            expected = tile.number + 1


def _check_upper_tiles(found: Audit) -> None:
    """Every tile above the lowest holds the roots of the full ones below it."""
    level, full = 1, found.end // tiles.WIDTH
    while full:
        for number in range(-(-full // tiles.WIDTH)):
            below = range(number * tiles.WIDTH, min((number + 1) * tiles.WIDTH, full))
            roots = [tiles.fold(tiles.read(found.connection, level - 1, one)) for one in below]
            if tiles.read(found.connection, level, number) != b"".join(roots):
                found.find("tile changed", f"tile {number} of level {level} does not follow from those below it")
        level, full = level + 1, full // tiles.WIDTH


def _check_event(found: Audit, row: Row[Any], wanted: bytes) -> None:
    """The row's columns are those of its leaf, and its leaf is the one that was sealed in its place."""
    if merkle.leaf_hash(row.leaf) != wanted:
        found.find("event changed", "it is not the one that was sealed in this place", row.id, row.log_index)
    if row.leaf_hash != merkle.leaf_hash(row.leaf):
        found.find("column changed", "leaf_hash is not the hash of its leaf", row.id, row.log_index)
    leaf = leaf_of(row)
    if leaf.id != row.id:
        found.find("column changed", "id is another one than in its leaf", row.id, row.log_index)
    if leaf.at != seal.timestamp(row.recorded_at):
        found.find("column changed", "recorded_at is another time than in its leaf", row.id, row.log_index)


def _check_time(found: Audit, row: Row[Any], since: datetime | None, mark: Mark | None) -> None:
    if since and row.recorded_at < since - SKEW:
        found.find("back-dated", "it is older than the checkpoint before it", row.id, row.log_index)
    if mark and row.recorded_at > mark.signed_at + SKEW:
        found.find("post-dated", "it is newer than the checkpoint over it", row.id, row.log_index)


def _check_waiting(found: Audit) -> None:
    for row in found.stream(select(consent_event).where(consent_event.c.log_index.is_(None))):
        _check_event(found, row, merkle.leaf_hash(row.leaf))
        if found.now - row.recorded_at > LONGEST_UNSEALED:
            found.find("not sealed", "it has waited for its place in the log for over an hour", row.id)


def _check_emptied(found: Audit, verifier: Checker) -> None:
    """A leaf without a payload is covered by a sealed event that lists what was erased, or will be within two days."""
    lists: list[tuple[Row[Any], Payload]] = []
    kept = (cookie_choice.c.choice_id, cookie_choice.c.sequence, access.c.actor, access.c.noted_at)
    beside = consent_event.outerjoin(cookie_choice).outerjoin(access, access.c.event_id == consent_event.c.id)
    plain = select(consent_event, *kept).select_from(beside).where(consent_event.c.core_plain.is_not(None))
    for row in found.stream(plain):
        if payload := _plain(found, row):
            _check_choice(found, row, payload)
            _check_access(found, row, payload)
            if payload.get("kind") == erased_list.KIND:
                lists.append((row, payload))
    listed = _listed(found, verifier, lists)
    nobody = consent_event.c.subscriber_id.is_(None) & consent_event.c.core_plain.is_(None)
    for row in found.stream(select(consent_event).where(nobody)):
        if row.id not in listed:
            found.find("opening missing", "its payload is gone and no sealed erasure says why", row.id, row.log_index)
    held = consent_event.c.core_sealed.is_not(None) | consent_event.c.core_plain.is_not(None)
    ids = select(consent_event.c.id, consent_event.c.log_index).where(held)
    for event, index in found.connection.execute(ids, execution_options={"yield_per": BATCH}):
        if event in listed:
            found.find("erased and here", "it was erased, but its payload is here again", event, index)


def _plain(found: Audit, row: Row[Any]) -> Payload | None:
    """What an event about nobody says; None, with a finding, when it was changed."""
    try:
        opening = evidence.read_plain(row.core_plain)
        if seal.base64url(seal.commitment("core", opening)) == leaf_of(row).core:
            return opening.payload
    except (VaultRefused, ValueError):
        pass
    found.find("payload changed", "its payload is not the one that was sealed", row.id, row.log_index)
    return None


def _listed(found: Audit, verifier: Checker, lists: Sequence[tuple[Row[Any], Payload]]) -> set[str]:
    """The events that were emptied by us: lists are signed by the log's key, what waits for one is known by its MAC.

    Earlier versions did neither: what bears neither counts if it stands before the first list that is signed.
    """
    signed = {row.id: _order(row) for row, payload in lists if erased_list.is_signed(verifier, payload)}
    first, listed = min(signed.values(), default=None), set[str]()
    for row, payload in lists:
        if row.id in signed or ((first is None or _order(row) < first) and "signature" not in payload):
            listed |= {leaf["id"] for leaf in erased_list.read(payload)}
        else:
            found.find("list unsigned", "it lists erasures, but no key of the log signed it", row.id, row.log_index)
    recent = select(erased_leaf).where(erased_leaf.c.erased_at > found.now - LONGEST_UNLISTED)
    for row in found.connection.execute(recent):
        is_ours = first is None if row.mac is None else found.keys.is_our_erasure(row.event_id, row.rule, row.mac)
        if is_ours:
            listed.add(row.event_id)
    return listed


def _order(row: Row[Any]) -> tuple[float, datetime]:
    """What sorts events by their places in the log, those that wait for one behind all others."""
    return (inf if row.log_index is None else float(row.log_index)), row.recorded_at


def _check_choice(found: Audit, row: Row[Any], payload: Payload) -> None:
    """A cookie choice is found by exactly what its event says, and names a text that is kept; nothing else is found."""
    told = (payload.get("choice"), payload.get("sequence")) if payload.get("kind") == "cookie_choice" else (None, None)
    if told != (row.choice_id, row.sequence):
        found.find("row changed", "the row of a cookie choice is not what its event tells", row.id, row.log_index)
    check_named_texts(found, row, payload)


def _check_access(found: Audit, row: Row[Any], payload: Payload) -> None:
    """What staff did is found by who did it and when, exactly as its event says; nothing else is found."""
    told = (payload["actor"], row.recorded_at) if payload.get("kind") in ACCESS_KINDS else (None, None)
    if told != (row.actor, row.noted_at):
        found.find("row changed", "the row of the log of access is not what its event tells", row.id, row.log_index)


def _check_texts(found: Audit) -> None:
    for row in found.connection.execute(select(shown_text), execution_options={"yield_per": BATCH}):
        found.texts.add(row.sha256)
        if sha256(row.content).hexdigest() != row.sha256:
            found.find("text changed", f"the text {row.sha256} is not the one that was shown")
