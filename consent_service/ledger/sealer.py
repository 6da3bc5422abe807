"""The sealer: gives waiting events their places in the log and signs what the log is now.

Rows are chosen by having no place yet, never by a highest number, since commits may come out of order. Nothing is
signed that does not continue the last checkpoint kept outside the database. One sealer works at a time, and writers
never wait for it longer than for any other writer.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from consent_service import database
from consent_service.ledger import merkle, tiles
from consent_service.ledger.anchors import Anchor, Anchors
from consent_service.ledger.checkpoint import Checkpoint, CheckpointRefused, Signer
from consent_service.ledger.merkle import Node, ProofFails
from consent_service.ledger.tiles import TilesMissing
from consent_service.models import checkpoint, consent_event

_PLACE = update(consent_event).where(consent_event.c.id == bindparam("event")).values(log_index=bindparam("place"))


class SealRefused(Exception):
    """The log does not continue what was signed before: it was changed, or an older database was put back."""


def seal(connection: Connection, signer: Signer, anchors: Anchors, now: datetime) -> Checkpoint | None:
    """Give every waiting event a place and sign the log; None when none waits. Raises SealRefused.

    Costs as much as the events that wait and the logarithm of those that are sealed.
    """
    database.hold_log(connection)
    waiting = connection.execute(
        select(consent_event.c.id, consent_event.c.leaf_hash)
        .where(consent_event.c.log_index.is_(None))
        .order_by(consent_event.c.recorded_at, consent_event.c.id)
    ).all()
    if not waiting:
        return None
    before = newest(connection)
    start = before.size if before else 0
    _give_places(connection, start, waiting)
    size, node = start + len(waiting), tiles.reader(connection)
    try:
        found = Checkpoint(signer.origin, size, merkle.root(size, node))
        _continue(found, anchors, node)
    except (TilesMissing, CheckpointRefused, ProofFails) as error:
        raise SealRefused(str(error)) from error
    note = signer.sign(found.size, found.root)
    row = {"size": found.size, "root": found.root, "note": note, "signed_at": now}
    connection.execute(insert(checkpoint).values(**row))
    return found


def anchor(connection: Connection, anchors: Anchors) -> int:
    """Append every checkpoint the file does not have yet, and return how many; raises SealRefused."""
    database.hold_log(connection)
    last = anchors.newest()
    behind = select(checkpoint).where(checkpoint.c.size > (last.checkpoint.size if last else 0))
    rows, node = connection.execute(behind.order_by(checkpoint.c.size)).all(), tiles.reader(connection)
    for row in rows:
        try:
            _continue(Checkpoint("", row.size, row.root), anchors, node)
        except (TilesMissing, CheckpointRefused, ProofFails) as error:
            raise SealRefused(str(error)) from error
        anchors.append(Anchor(row.note, row.signed_at))
    return len(rows)


def newest(connection: Connection) -> Row[int, bytes, bytes, datetime, bytes] | None:
    """Return the last checkpoint that was signed, or None."""
    return connection.execute(select(checkpoint).order_by(checkpoint.c.size.desc()).limit(1)).one_or_none()


def keep_stamp(connection: Connection, size: int, token: bytes) -> None:
    """Keep an authority's time stamp over a checkpoint."""
    connection.execute(update(checkpoint).where(checkpoint.c.size == size).values(timestamp_token=token))


def oldest_waiting_at(connection: Connection) -> datetime | None:
    """Return since when the longest waiting event has waited for its place."""
    waiting = select(consent_event.c.recorded_at).where(consent_event.c.log_index.is_(None))
    return connection.execute(waiting.order_by(consent_event.c.recorded_at).limit(1)).scalar_one_or_none()


def _give_places(connection: Connection, start: int, waiting: Sequence[Row[str, bytes]]) -> None:
    places = [{"event": row.id, "place": start + number} for number, row in enumerate(waiting)]
    connection.execute(_PLACE, places)
    tiles.grow(connection, start, [row.leaf_hash for row in waiting])


def _continue(found: Checkpoint, anchors: Anchors, node: Node) -> None:
    """Prove that a tree begins with the one last kept outside the database."""
    kept = anchors.newest()
    if kept is None:
        return
    old = kept.checkpoint
    if old.size > found.size:
        raise ProofFails(
            f"the log has {found.size} events, but {old.size} were signed at {kept.signed_at:%Y-%m-%d %H:%M} UTC"
        )
    path = merkle.consistency(old.size, found.size, node)
    merkle.check_consistency(old.size, found.size, path, old.root, found.root)
