"""Tables of limits: what was done under a key, and proofs of work that were used up.

As `newsletter.py`: plain tables, the rules a function could forget as constraints; no queries, no Flask.
"""

from sqlalchemy import JSON, Column, String, Table

from consent_service.models.columns import UtcDateTime, metadata

# What was done under a key: single times (`limits/allowance`), or numbers by slot of time (`limits/caps`).
allowance = Table(
    "allowance",
    metadata,
    Column("key", String(80), primary_key=True),
    Column("times", JSON, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False, index=True),
)

# What a form cost when unusually many were sent, and what a device was asked for a passkey: kept for a while, so that
# each counts once.
spent_proof = Table(
    "spent_proof",
    metadata,
    Column("proof", String(64), primary_key=True),
    Column("spent_on", String(64), nullable=False),  # what is sent twice is not paid twice
    Column("spent_at", UtcDateTime, nullable=False, index=True),
)
