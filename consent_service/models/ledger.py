"""Tables of the sealed log: events, tiles, checkpoints, people's keys, and the texts they were shown.

As `newsletter.py`: plain tables, the rules a function could forget as constraints; no queries, no Flask.
"""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from consent_service.models.columns import UtcDateTime, metadata, partial

consent_event = Table(
    "consent_event",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("subscriber_id", String(36)),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary(32), nullable=False, unique=True),
    Column("core_sealed", LargeBinary),
    Column("tech_sealed", LargeBinary),
    Column("core_plain", LargeBinary),
    Column("log_index", BigInteger, unique=True),
    CheckConstraint("core_plain IS NULL OR subscriber_id IS NULL", name="plain_is_about_nobody"),
    Index(None, "subscriber_id", "recorded_at"),
)
_unsealed = consent_event.c.log_index.is_(None)
partial("ix_consent_event_unsealed", _unsealed, consent_event.c.recorded_at, consent_event.c.id)
partial("ix_consent_event_tech", consent_event.c.tech_sealed.is_not(None), consent_event.c.recorded_at)

log_tile = Table(
    "log_tile",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("signed_at", UtcDateTime, nullable=False),
    Column("timestamp_token", LargeBinary),
)

# How the log went on under another key: a note by both, which a sealed event holds too.
log_key_change = Table(
    "log_key_change",
    metadata,
    Column("event_id", ForeignKey("consent_event.id"), primary_key=True),
    Column("note", LargeBinary, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
)

subject_key = Table(
    "subject_key",
    metadata,
    Column("subscriber_id", ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
)

shown_text = Table(
    "shown_text",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("language", String(2), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("first_used_at", UtcDateTime, nullable=False),
)

erased_leaf = Table(
    "erased_leaf",
    metadata,
    Column("event_id", ForeignKey("consent_event.id"), primary_key=True),
    Column("rule", String(30), nullable=False),
    Column("erased_at", UtcDateTime, nullable=False),
    Column("mac", String(64)),
)
partial("ix_erased_leaf_unsigned", erased_leaf.c.mac.is_(None), erased_leaf.c.event_id)
