"""Tables beside the company's own web site: what its visitors chose about cookies.

As `newsletter.py`: plain tables, the rules a function could forget as constraints; no queries, no Flask.
"""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, String, Table, UniqueConstraint

from consent_service.models.columns import UtcDateTime, metadata

# Where the sealed event of a choice is found again by the id that only the visitor's browser knows. What was chosen
# stands in the event alone, so that the two cannot tell different things.
cookie_choice = Table(
    "cookie_choice",
    metadata,
    Column("event_id", ForeignKey("consent_event.id"), primary_key=True),
    Column("choice_id", String(32), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    UniqueConstraint("choice_id", "sequence", name="uq_cookie_choice_choice_id_sequence"),
    CheckConstraint("sequence > 0", name="sequence_counts"),
)
