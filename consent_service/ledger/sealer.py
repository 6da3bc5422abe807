"""The sealer: gives waiting events their places in the log and signs what the log is now.

Rows are chosen by having no place yet, never by a highest number, since commits may come out of order. Nothing is
signed that does not continue the last checkpoint kept outside the database. One sealer works at a time, and writers
never wait for it longer than for any other writer.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from consent_service import database
from consent_service.ledger import merkle, tiles
from consent_service.ledger.anchors import Anchor, Anchors
from consent_service.ledger.checkpoint import Checkpoint, Signer, parse
from consent_service.ledger.merkle import Node, ProofFails
from consent_service.ledger.tiles import TilesMissing
from consent_service.models.ledger import checkpoint, consent_event
from consent_service.sql.prepared import Prepared

_PLACE = update(consent_event).where(consent_event.c.id == bindparam("event")).values(log_index=bindparam("place"))
_NEWEST = Prepared(select(checkpoint).order_by(checkpoint.c.size.desc()).limit(1))
LONGEST_WAIT = timedelta(minutes=15)
LOOK = "run: consent-service audit, and read docs/evidence.md"
MOST = 2000  # events that one checkpoint adds; so large a step says to the audit that more were waiting


class SealRefused(Exception):
    """The log does not continue what was signed before: it was changed, or an older database or key was put back."""


def seal(connection: Connection, signers: Sequence[Signer], anchors: Anchors, now: datetime) -> Checkpoint | None:
    """Give the events that have waited longest a place and sign the log; None when none waits. Raises SealRefused.

    The first of the signers signs; the others are the log's older keys. Costs as much as the events that wait and the
    logarithm of those that are sealed. At most `MOST` are taken, so that nobody who writes has to wait long after an
    outage.
    """
    database.hold_log(connection)
    waiting = connection.execute(
        select(consent_event.c.id, consent_event.c.leaf_hash)
        .where(consent_event.c.log_index.is_(None))
        .order_by(consent_event.c.recorded_at, consent_event.c.id)
        .limit(MOST)
    ).all()
    if not waiting:
        return None
    signer, before = signers[0], newest(connection)
    _follow(connection, before, signers)
    anchor(connection, signer, anchors)
    start = before.size if before else 0
    _give_places(connection, start, waiting)
    size, node = start + len(waiting), tiles.reader(connection)
    try:
        root = merkle.root(size, node)
    except TilesMissing as error:
        raise SealRefused(f"{error}; {LOOK}") from error
    _continue(size, root, anchors, node)
    row = {"size": size, "root": root, "note": signer.sign(size, root), "signed_at": now}
    connection.execute(insert(checkpoint).values(**row))
    return Checkpoint(signer.origin, size, root)


def anchor(connection: Connection, signer: Signer, anchors: Anchors) -> None:
    """Append the checkpoints that the file does not have yet; raises SealRefused."""
    database.hold_log(connection)
    last = anchors.newest()
    behind = select(checkpoint).where(checkpoint.c.size > (last.checkpoint.size if last else 0))
    rows, node = connection.execute(behind.order_by(checkpoint.c.size)).all(), tiles.reader(connection)
    # Each one is kept before the next is signed: a crash leaves one behind at most, and more say that the file is gone.
    if last is None and [parse(row.note).origin for row in rows].count(signer.origin) > 1:
        raise SealRefused(f"{anchors.path} is gone; give it back, or see docs/evidence.md")
    for row in rows:
        _continue(row.size, row.root, anchors, node)
        anchors.append(Anchor(row.note, row.signed_at))


def newest(connection: Connection) -> Row[Any] | None:
    """Return the last checkpoint that was signed, or None."""
    return _NEWEST.row(connection)


def newest_lines(connection: Connection) -> dict[str, str | None]:
    """Return what the last signed checkpoint says, line by line: the log, its size and root, and the signature."""
    found = newest(connection)
    log, size, root, _, signature = found.note.decode().split("\n")[:5] if found else [None] * 5
    return {"log_name": log, "log_size": size, "log_root": root, "log_signature": signature}


def keep_stamp(connection: Connection, size: int, token: bytes) -> None:
    """Keep an authority's time stamp over a checkpoint."""
    connection.execute(update(checkpoint).where(checkpoint.c.size == size).values(timestamp_token=token))


def oldest_waiting_at(connection: Connection) -> datetime | None:
    """Return since when the longest waiting event has waited for its place."""
    waiting = select(consent_event.c.recorded_at).where(consent_event.c.log_index.is_(None))
    return connection.execute(waiting.order_by(consent_event.c.recorded_at).limit(1)).scalar_one_or_none()


def is_late(connection: Connection, now: datetime) -> bool:
    """Whether an event waits for its place for over 15 minutes: no relay runs, or the sealer refuses."""
    waits_since = oldest_waiting_at(connection)
    return waits_since is not None and now - waits_since > LONGEST_WAIT


def _follow(connection: Connection, before: Row[Any] | None, signers: Sequence[Signer]) -> None:
    """Refuse to sign with a former key behind one that is not known here and followed it; raises SealRefused.

    A key that is new here may sign: whoever lost the old one has nothing else. The audit tells of it.
    """
    last = _who(before.note) if before else None
    if last is None or last in {signer.origin for signer in signers}:
        return
    if signers[0].origin in {_who(note) for note in connection.execute(select(checkpoint.c.note)).scalars()}:
        raise SealRefused(
            f"{last} signed last, and its key is not in CONSENT_LOG_KEY here; put the newest key first there, and the "
            "one before it behind it"
        )


def _who(note: bytes) -> str:
    return note.partition(b"\n")[0].decode("utf-8", "replace")


def _give_places(connection: Connection, start: int, waiting: Sequence[Row[str, bytes]]) -> None:
    places = [{"event": row.id, "place": start + number} for number, row in enumerate(waiting)]
    connection.execute(_PLACE, places)
    tiles.grow(connection, start, [row.leaf_hash for row in waiting])


def _continue(size: int, root: bytes, anchors: Anchors, node: Node) -> None:
    """Prove that a tree begins with the one last kept outside the database; raises SealRefused."""
    kept = anchors.newest()
    if kept is None:
        return
    old = kept.checkpoint
    if old.size > size:
        raise SealRefused(
            f"the log has {size} events, but {old.size} were signed at {kept.signed_at:%Y-%m-%d %H:%M} UTC; {LOOK}"
        )
    try:
        path = merkle.consistency(old.size, size, node)
        merkle.check_consistency(old.size, size, path, old.root, root)
    except (TilesMissing, ProofFails) as error:
        raise SealRefused(f"the log does not go on from what was signed: {error}; {LOOK}") from error
