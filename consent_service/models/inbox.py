"""Tables of the register's inbox: what people wrote with the contact form.

As `newsletter.py`: plain tables, the rules a function could forget as constraints; no queries, no Flask.
"""

from sqlalchemy import CheckConstraint, Column, Index, String, Table

from consent_service.models.columns import UtcDateTime, metadata

LONGEST_MESSAGE = 4000

contact_message = Table(
    "contact_message",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("received_at", UtcDateTime, nullable=False, index=True),
    Column("sent_key", String(64), nullable=False, unique=True),  # the same for whatever is sent twice from one page
    Column("first_name", String(100), nullable=False),
    Column("last_name", String(100), nullable=False),
    Column("email", String(320), nullable=False),
    Column("email_key", String(320), nullable=False),
    Column("phone", String(30)),
    Column("reason", String(20), nullable=False),
    Column("message", String(LONGEST_MESSAGE), nullable=False),
    Column("language", String(2), nullable=False),
    Column("closed_at", UtcDateTime),
    Column("closed_by", String(100)),
    Index(None, "email_key", "received_at"),
    CheckConstraint("(closed_at IS NULL) = (closed_by IS NULL)", name="closed_by_somebody"),
)
