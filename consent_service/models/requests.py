"""Tables of data subject requests: who asked for what, until when, what has to be done where, which letters went out.

As `newsletter.py`: plain tables, the rules a function could forget as constraints; no queries, no Flask. Days are ISO
dates as text. `subscriber_id` and `customer_id` are no foreign keys: a request outlives whom it erases.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Table,
    UniqueConstraint,
)

from consent_service.models.columns import Count, UtcDateTime, metadata, partial

data_request = Table(
    "data_request",
    metadata,
    Column("number", Count, primary_key=True, autoincrement=True),
    Column("kind", String(12), nullable=False),
    Column("channel", String(5), nullable=False),
    Column("received_on", String(10), nullable=False),
    Column("received_by", String(100)),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("name", String(200)),  # from here to the customer, as they told it; forgotten some time after the answer
    Column("email", String(320)),
    Column("email_key", String(320)),
    Column("phone", String(30)),
    Column("wish", String(2000)),
    Column("subscriber_id", String(36)),
    Column("customer_id", String(36)),
    Column("mail_to", String(320)),  # where letters may go: an address on file, or a mailbox that was proved
    Column("language", String(2), nullable=False),
    Column("due_on", String(10), nullable=False),
    Column("extended_to", String(10)),
    Column("extension_reason", String(500)),
    Column("extension_told_on", String(10)),
    Column("alarmed_at", UtcDateTime),  # when the owner was told by mail that the day is near
    Column("identity", String(8)),
    Column("identity_method", String(20)),
    Column("identity_note", String(500)),
    Column("identity_at", UtcDateTime),
    Column("identity_by", String(100)),
    Column("closed_at", UtcDateTime),
    Column("closed_on", String(10)),
    Column("closed_by", String(100)),
    Column("outcome", String(7)),
    Column("ground", String(20)),  # why not all was done, a chosen word, because it stays
    Column("answer", String(2000)),  # the same in words to the person
    Column("forgotten_at", UtcDateTime),  # since when it no longer says who asked
    CheckConstraint("kind IN ('access', 'rectify', 'erase', 'restrict', 'portability', 'object')", name="kind_known"),
    CheckConstraint("channel IN ('page', 'mail', 'phone', 'paper')", name="channel_known"),
    CheckConstraint("(channel = 'page') = (received_by IS NULL)", name="received_by_somebody"),
    CheckConstraint("due_on > received_on", name="due_later"),
    CheckConstraint("(email IS NULL) = (email_key IS NULL)", name="address_is_whole"),
    CheckConstraint("(extended_to IS NULL) = (extension_told_on IS NULL)", name="extension_is_told"),
    CheckConstraint(
        "extended_to IS NULL OR extension_reason IS NOT NULL OR forgotten_at IS NOT NULL", name="extension_has_reason"
    ),
    CheckConstraint("extension_told_on <= due_on AND extended_to > due_on", name="extended_in_the_first_month"),
    CheckConstraint("identity IN ('verified', 'refused')", name="identity_known"),
    CheckConstraint(
        "(identity IS NULL) = (identity_at IS NULL) AND (identity IS NULL) = (identity_by IS NULL)",
        name="identity_is_whole",
    ),
    CheckConstraint("identity <> 'verified' OR identity_method IS NOT NULL", name="verified_by_a_method"),
    CheckConstraint(
        "(closed_at IS NULL) = (outcome IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL)"
        " AND (closed_at IS NULL) = (closed_on IS NULL)",
        name="closed_is_whole",
    ),
    CheckConstraint("closed_at IS NULL OR identity IS NOT NULL", name="closed_with_identity"),
    CheckConstraint("outcome IN ('done', 'part', 'refused')", name="outcome_known"),
    CheckConstraint("outcome = 'refused' OR identity = 'verified' OR outcome IS NULL", name="done_for_the_verified"),
    CheckConstraint("outcome IS NULL OR (outcome = 'done') = (ground IS NULL)", name="less_has_ground"),
    CheckConstraint("forgotten_at IS NULL OR closed_at IS NOT NULL", name="forgotten_once_closed"),
    CheckConstraint("(name IS NULL) = (forgotten_at IS NOT NULL)", name="names_somebody_until_forgotten"),
    CheckConstraint(
        "forgotten_at IS NULL OR (email IS NULL AND phone IS NULL AND wish IS NULL AND mail_to IS NULL AND"
        " extension_reason IS NULL AND identity_note IS NULL AND answer IS NULL)",
        name="forgotten_is_empty",
    ),
    # What tasks point to: a task is done only under a request whose identity is verified, and stays so.
    UniqueConstraint("number", "identity"),
    Index(None, "received_on"),
)
_request = data_request.c
for _name, _where, _columns in (
    ("open", _request.closed_at.is_(None), (_request.due_on, _request.number)),
    ("closed_at", _request.closed_at.is_not(None), (_request.closed_at,)),
    ("named", _request.closed_at.is_not(None) & _request.forgotten_at.is_(None), (_request.closed_at,)),
    ("email_key", _request.email_key.is_not(None), (_request.email_key,)),
    ("subscriber_id", _request.subscriber_id.is_not(None), (_request.subscriber_id,)),
    ("customer_id", _request.customer_id.is_not(None), (_request.customer_id,)),
):
    partial(f"ix_data_request_{_name}", _where, *_columns)

data_request_task = Table(
    "data_request_task",
    metadata,
    Column("request_number", ForeignKey("data_request.number", ondelete="CASCADE"), primary_key=True),
    Column("place", String(20), primary_key=True),
    Column("is_automatic", Boolean, nullable=False),
    Column("done_at", UtcDateTime),
    Column("done_by", String(100)),
    Column("done_identity", String(8)),  # always `verified`, which the key below holds against the request
    Column("note", String(500)),
    CheckConstraint(
        "(done_at IS NULL) = (done_by IS NULL) AND (done_at IS NULL) = (done_identity IS NULL)", name="done_is_whole"
    ),
    CheckConstraint("done_identity = 'verified'", name="done_for_the_verified"),
    ForeignKeyConstraint(
        ["request_number", "done_identity"],
        ["data_request.number", "data_request.identity"],
        ondelete="CASCADE",
        name="fk_data_request_task_done_identity",
    ),
)

data_request_letter = Table(
    "data_request_letter",
    metadata,
    Column("request_number", ForeignKey("data_request.number", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("made_at", UtcDateTime, nullable=False),
    Column("message_key", String(32), unique=True),  # of the mail in the outbox; None when it goes out on paper
    CheckConstraint("kind IN ('received', 'extended', 'answer')", name="kind_known"),
)
