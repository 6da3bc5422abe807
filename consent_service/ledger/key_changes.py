"""How the log goes on under another key: a note signed by both, sealed as an event and open to anybody.

Whoever kept the old key follows the notes to the one in use; whoever has the new one learns the old ones by them, so
that an old secret can be dropped. Must not know where keys come from.
"""

import base64
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from consent_service import database
from consent_service.ledger import checkpoint, evidence, sealer
from consent_service.ledger.checkpoint import Checkpoint, CheckpointRefused, Signer, Verifier, Verifiers
from consent_service.ledger.evidence import Occasion
from consent_service.models.ledger import log_key_change

TITLE = "consent-log/key-change/v1"
KIND = "key_changed"
_BODY = re.compile(rf"{TITLE}\n(\S+)\n(\S+)\n(0|[1-9]\d{{0,18}})\n([A-Za-z0-9+/]{{43}}=)\n", re.ASCII)


@dataclass(frozen=True)
class KeyChange:
    """The log as its old key signed it last, and the two keys."""

    old: Verifier
    new: Verifier
    size: int
    root: bytes


def write(old: Signer, new: Signer, last: Checkpoint) -> bytes:
    """Return the note: a C2SP signed note by both keys, over both of them and the last checkpoint of the old one."""
    root = base64.b64encode(last.root).decode()
    body = f"{TITLE}\n{old.verifier}\n{new.verifier}\n{last.size}\n{root}\n"
    return f"{body}\n{old.line(body)}{new.line(body)}".encode()


def read(note: bytes) -> KeyChange:
    """Return what a note says if both its keys signed it; raises CheckpointRefused."""
    body = note.decode("utf-8", "replace").partition("\n\n")[0] + "\n"
    found = _BODY.fullmatch(body)
    if found is None:
        raise CheckpointRefused("this is no note about another key of the log")
    old, new = Verifier.read(found[1]), Verifier.read(found[2])
    old.check_line(body, note)
    new.check_line(body, note)
    return KeyChange(old, new, int(found[3]), checkpoint.decode(found[4]))


def announce(connection: Connection, occasion: Occasion, signer: Signer, former: Sequence[Signer]) -> bool:
    """Append the event by which the log goes on under `signer`, once, if one of its former keys signed it last."""
    database.hold_log(connection)
    newest = sealer.newest(connection)
    last = checkpoint.parse(newest.note) if newest else None
    old = next((one for one in former if last and one.origin == last.origin), None)
    if last is None or old is None or _is_announced(connection, old, signer):
        return False
    note = write(old, signer, last)
    said = evidence.append_plain(connection, occasion, {"kind": KIND, "note": note.decode()})
    connection.execute(insert(log_key_change).values(event_id=said.id, note=note, changed_at=said.at))
    return True


def notes(connection: Connection) -> Sequence[bytes]:
    """Return every note there is, oldest first."""
    return connection.execute(select(log_key_change.c.note).order_by(log_key_change.c.changed_at)).scalars().all()


def last_at(connection: Connection) -> datetime | None:
    """Return when the log went on under another key last, None if it never has."""
    newest = select(log_key_change.c.changed_at).order_by(log_key_change.c.changed_at.desc()).limit(1)
    return connection.execute(newest).scalar_one_or_none()


def with_former(connection: Connection, known: Verifiers) -> Verifiers:
    """Return known keys and those before them, as told by notes that a known key signed; no other note is believed."""
    found, changes = {str(verifier): verifier for verifier in known.known}, []
    for note in notes(connection):
        with suppress(CheckpointRefused):
            changes.append(read(note))
    # From key to key, not by their times: a clock may have been wrong.
    while more := [change for change in changes if str(change.new) in found and str(change.old) not in found]:
        found |= {str(change.old): change.old for change in more}
    return Verifiers([*found.values()])


def _is_announced(connection: Connection, old: Signer, new: Signer) -> bool:
    pair = f"{old.verifier}\n{new.verifier}\n".encode()
    return any(pair in note for note in notes(connection))
