"""Tables of the breach log: what happened to personal data, and who was told of it.

As `newsletter.py`: plain tables, the rules a function could forget as constraints; no queries, no Flask.
"""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, String, Table

from consent_service.models.columns import UtcDateTime, metadata

# A breach of personal data (GDPR article 33(5)). What is written here names no person.
breach = Table(
    "breach",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("noticed_at", UtcDateTime, nullable=False, index=True),
    Column("what", String(200), nullable=False),
    Column("happened", String(4000), nullable=False),
    Column("kinds_of_data", String(1000), nullable=False),
    Column("people", Integer),  # about how many are affected; None while nobody knows
    Column("consequences", String(4000)),
    Column("measures", String(4000)),
    Column("risk", String(10), nullable=False),
    Column("risk_reason", String(1000)),
    Column("written_at", UtcDateTime, nullable=False),
    Column("written_by", String(100), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("changed_by", String(100), nullable=False),
    CheckConstraint("risk IN ('unknown', 'none', 'some', 'high')", name="risk_known"),
    CheckConstraint("risk <> 'none' OR risk_reason IS NOT NULL", name="no_risk_has_reason"),
    CheckConstraint("people IS NULL OR people >= 0", name="people_counted"),
)

# Who was told of a breach, and when (articles 33 and 34).
breach_notice = Table(
    "breach_notice",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("breach_id", ForeignKey("breach.id"), nullable=False, index=True),
    Column("whom", String(10), nullable=False),
    Column("told_at", UtcDateTime, nullable=False),
    Column("how", String(1000), nullable=False),
    Column("noted_at", UtcDateTime, nullable=False),
    Column("noted_by", String(100), nullable=False),
    CheckConstraint("whom IN ('ombudsman', 'people', 'other')", name="whom_known"),
)
