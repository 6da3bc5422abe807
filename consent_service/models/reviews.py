"""Tables of the yearly look at the customer register: who was kept, and what came of it.

As `newsletter.py`: plain tables, no queries, no Flask. Days are ISO dates as text.
"""

from sqlalchemy import Column, ForeignKey, Integer, String, Table

from consent_service.models.columns import UtcDateTime, metadata

# A customer ten years passive who is kept for a while yet, and why.
kept_customer = Table(
    "kept_customer",
    metadata,
    Column("customer_id", ForeignKey("customer.id", ondelete="CASCADE"), primary_key=True),
    Column("until_on", String(10), nullable=False),
    Column("reason", String(200), nullable=False),
    Column("kept_at", UtcDateTime, nullable=False),
    Column("kept_by", String(100), nullable=False),
)

# What a look through the customers ten years passive came to, in numbers.
retention_review = Table(
    "retention_review",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("year", Integer, nullable=False, index=True),
    Column("done_at", UtcDateTime, nullable=False),
    Column("done_by", String(100), nullable=False),
    Column("erased", Integer, nullable=False),  # nothing is left of them
    Column("emptied", Integer, nullable=False),  # only documents that the law keeps are
    Column("kept", Integer, nullable=False),
    Column("restricted", Integer, nullable=False),
)
