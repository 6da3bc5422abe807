"""Receipts: takes an event, its opening, its texts and its place out of the database and writes them as one file.

What the file is and how it is checked stands in `proof.py`. Must not change anything.
"""

from sqlalchemy import Connection, select

from consent_service.ledger import evidence, merkle, proof, sealer, tiles
from consent_service.ledger.proof import Opened
from consent_service.ledger.vault import Vault
from consent_service.models.ledger import consent_event, shown_text


def compose(connection: Connection, keys: Vault, event_id: str) -> bytes | None:
    """Return the receipt of an event under the newest checkpoint, or None while it has no place in the log."""
    row = connection.execute(select(consent_event).where(consent_event.c.id == event_id)).one_or_none()
    signed = sealer.newest(connection)
    if row is None or row.log_index is None or (row.core_sealed or row.core_plain) is None or signed is None:
        return None
    core = evidence.opening(connection, keys, row)
    named = core.payload.get("texts")
    kept = select(shown_text.c.sha256, shown_text.c.content).where(
        shown_text.c.sha256.in_(list(named.values()) if isinstance(named, dict) else [])
    )
    texts = {sha256: content.decode() for sha256, content in connection.execute(kept)}
    path = merkle.inclusion(row.log_index, signed.size, tiles.reader(connection))
    return proof.write(Opened(row.leaf, core, texts), row.log_index, path, signed.note)
