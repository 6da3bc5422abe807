"""Tables of the API: the keys of the company's other programs, and the answers they may ask for once more.

As `newsletter.py`: plain tables, the rules a function could forget as constraints; no queries, no Flask.
"""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, LargeBinary, String, Table

from consent_service.models.columns import UtcDateTime, metadata

# What another program shows that it may do what it asks; of the key itself only a hash is kept.
api_key = Table(
    "api_key",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("secret_hash", LargeBinary(32), nullable=False),
    Column("scopes", String(60), nullable=False),  # with blanks between them
    Column("made_by", String(100), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("last_used_on", String(10)),
    Column("disabled_by", String(100)),
    Column("disabled_at", UtcDateTime),
    CheckConstraint("(disabled_by IS NULL) = (disabled_at IS NULL)", name="somebody_disabled_it"),
)

# What a request with an `Idempotency-Key` was answered, or who is answering it now.
api_answer = Table(
    "api_answer",
    metadata,
    Column("key_hash", String(64), primary_key=True),
    Column("api_key_id", ForeignKey("api_key.id"), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("claimed_by", String(32), nullable=False),
    Column("claimed_until", UtcDateTime, nullable=False),
    Column("status", Integer),
    Column("body", LargeBinary),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    CheckConstraint("(status IS NULL) = (body IS NULL)", name="answer_is_whole"),
)
