"""Tables of comparisons with the list at ActiveCampaign: how far each is, and what it found.

As `newsletter.py`: plain tables, the rules a function could forget as constraints; no queries, no Flask.
"""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, String, Table

from consent_service.models.columns import Count, UtcDateTime, metadata

# One comparison of the list at ActiveCampaign with the people here: how far it has come, and who is at it.
reconcile_run = Table(
    "reconcile_run",
    metadata,
    Column("id", Count, primary_key=True, autoincrement=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("applies", Boolean, nullable=False),
    Column("by_hand", Boolean, nullable=False),
    Column("list_id", BigInteger),
    Column("phase", String(10), nullable=False),
    Column("cursor", String(36), nullable=False),
    Column("contacts", BigInteger, nullable=False, server_default="0"),
    Column("calls", BigInteger, nullable=False, server_default="0"),
    Column("takes_off", Boolean),  # whether strangers may be taken off the list; decided when all are counted
    Column("believes_gone", Boolean),  # whether who is missing there may become passive; decided then too
    Column("claimed_by", String(32)),
    Column("claimed_until", UtcDateTime),
    Column("trouble", String(200)),
    Column("ended_at", UtcDateTime),
    Column("is_open", Boolean, unique=True),  # true or nothing: there is one at a time
    CheckConstraint("(is_open IS NULL) = (ended_at IS NOT NULL)", name="open_until_end"),
    CheckConstraint("phase IN ('list', 'people', 'deleted', 'settle', 'done', 'given up')", name="phase_known"),
)

drift = Table(
    "drift",
    metadata,
    Column("id", Count, primary_key=True, autoincrement=True),
    Column("run_id", Count, ForeignKey("reconcile_run.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String(20), nullable=False),
    Column("subscriber_id", ForeignKey("subscriber.id", ondelete="CASCADE"), index=True),
    Column("contact_id", String(20)),
    Column("is_repaired", Boolean, nullable=False),
)
