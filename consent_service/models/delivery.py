"""Tables of what leaves the house: the messages that wait or have left, and how many came to which end.

As `newsletter.py`: plain tables, the rules a function could forget as constraints; no queries, no Flask.
"""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, String, Table

from consent_service.models.columns import Count, UtcDateTime, metadata, partial

outbox_message = Table(
    "outbox_message",
    metadata,
    Column("id", Count, primary_key=True, autoincrement=True),
    Column("key", String(32), nullable=False, unique=True),
    Column("lane", String(20), nullable=False),
    Column("kind", String(30), nullable=False),
    Column("subscriber_id", ForeignKey("subscriber.id", ondelete="CASCADE")),
    Column("confirmation_id", ForeignKey("confirmation.id", ondelete="CASCADE")),
    Column("departure_id", ForeignKey("departure.id")),
    Column("bulk_id", String(64)),  # the bulk import there that carries it, or "alone" when none may
    Column("import_row_id", Count, ForeignKey("import_row.id")),
    Column("contact_message_id", ForeignKey("contact_message.id")),
    Column("contact_id", String(20)),  # of a contact there that is nobody's here
    Column("staff_id", ForeignKey("staff.id")),
    Column("created_at", UtcDateTime, nullable=False),
    Column("counted_at", UtcDateTime),  # since when it counts against what the whole service may send
    Column("due_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("claimed_by", String(32)),
    Column("claimed_until", UtcDateTime),
    Column("last_error", String(200)),
    Column("done_at", UtcDateTime),
    Column("dead_at", UtcDateTime),
    CheckConstraint("done_at IS NULL OR dead_at IS NULL", name="one_end"),
)
_message = outbox_message.c
_undone = _message.done_at.is_(None) & _message.dead_at.is_(None)
partial("ix_outbox_message_undone", _undone, _message.lane, _message.due_at, _message.id)
partial("ix_outbox_message_done_at", _message.done_at.is_not(None), _message.done_at)
partial("ix_outbox_message_dead", _message.dead_at.is_not(None), _message.dead_at)
Index("ix_outbox_message_subscriber_id", _message.subscriber_id, _message.lane, _message.id)
for _name in ("confirmation_id", "departure_id", "bulk_id", "import_row_id", "contact_message_id", "contact_id"):
    partial(f"ix_outbox_message_{_name}", _message[_name].is_not(None), _message[_name])

# How many deliveries came to which end, by lane, for whoever watches.
delivery_tally = Table(
    "delivery_tally",
    metadata,
    Column("lane", String(20), primary_key=True),
    Column("outcome", String(20), primary_key=True),
    Column("number", BigInteger, nullable=False),
)
