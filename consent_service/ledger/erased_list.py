"""The list of emptied leaves in a sealed event, signed by the log's key.

Whoever can write to the database, but has no key, can empty an event and append a list of their own; the audit tells it
from ours by the signature. Must not touch the database.
"""

from collections.abc import Sequence

from consent_service.ledger.checkpoint import Checker, CheckpointRefused, Signer
from consent_service.ledger.seal import Payload

KIND = "erased"
TITLE = "consent-log/erased/v1"
Leaf = dict[str, str]  # the `id` of the event and the `rule` that emptied it


def write(signer: Signer, leaves: Sequence[Leaf]) -> Payload:
    """Return the payload of the event: the leaves, and the line by which the log's key signs them (C2SP)."""
    return unsigned(leaves) | {"signature": signer.line(_body(leaves))}


def unsigned(leaves: Sequence[Leaf]) -> Payload:
    """Return the payload as it was before lists were signed."""
    return {"kind": KIND, "leaves": [{**leaf} for leaf in leaves]}


def is_signed(verifier: Checker, payload: Payload) -> bool:
    """Whether a key of the log signed the list that a payload holds."""
    leaves, signature = read(payload), str(payload.get("signature", ""))
    body = _body(leaves)
    try:
        verifier.check_line(body, f"{body}\n{signature}".encode())
    except CheckpointRefused:
        return False
    return True


def read(payload: Payload) -> list[Leaf]:
    """Return the leaves that a payload lists, none when it is no list; what is no leaf is left out."""
    found = payload.get("leaves") if payload.get("kind") == KIND else None
    rows = found if isinstance(found, list) else []
    return [{"id": str(row.get("id")), "rule": str(row.get("rule"))} for row in rows if isinstance(row, dict)]


def _body(leaves: Sequence[Leaf]) -> str:
    return f"{TITLE}\n" + "".join(f"{leaf['id']} {leaf['rule']}\n" for leaf in leaves)
