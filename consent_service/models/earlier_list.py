"""Tables of the list from before this service: what was brought over at once, and who waits to be asked.

As `newsletter.py`: plain tables, the rules a function could forget as constraints; no queries, no Flask.
"""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, String, Table

from consent_service.models.columns import Count, UtcDateTime, metadata

import_batch = Table(
    "import_batch",
    metadata,
    Column("id", String(8), primary_key=True),
    Column("source", String(20), nullable=False),
    Column("grade", String(20), nullable=False),
    Column("imported_by", String(100), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("undone_at", UtcDateTime),
    Column("imported", Integer, nullable=False, server_default="0"),
    Column("waiting", Integer, nullable=False, server_default="0"),
    Column("skipped", Integer, nullable=False, server_default="0"),
    CheckConstraint("source IN ('file', 'activecampaign')", name="source_known"),
)

# Somebody on an earlier list whose permission nobody can prove: no subscriber, until they are asked.
import_row = Table(
    "import_row",
    metadata,
    Column("id", Count, primary_key=True, autoincrement=True),
    Column("batch_id", ForeignKey("import_batch.id"), nullable=False, index=True),
    Column("email", String(320), nullable=False),
    Column("email_key", String(320), nullable=False, unique=True),
    Column("first_name", String(100), nullable=False),
    Column("last_name", String(100), nullable=False),
    Column("language", String(2), nullable=False),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    Column("invited_at", UtcDateTime, index=True),
    Column("contact_id", String(20)),  # of one who is on the list at ActiveCampaign
)
