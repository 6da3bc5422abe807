"""Tables of subscribers: who they are, what they were asked, what they refused, and what an erasure leaves.

Plain SQLAlchemy tables; the rules a function could forget are constraints. No queries, no JSON shapes, no Flask.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

from consent_service.models.columns import UtcDateTime, metadata, partial

subscriber = Table(
    "subscriber",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("email", String(320), nullable=False),
    Column("email_key", String(320), nullable=False, unique=True),
    Column("first_name", String(100), nullable=False),
    Column("last_name", String(100), nullable=False),
    Column("language", String(2), nullable=False),
    Column("status", String(7), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("active_since", UtcDateTime),
    Column("passive_since", UtcDateTime),
    Column("basis_event_id", String(32)),
    Column("open_confirmation_id", String(32)),
    Column("contact_id", String(20)),
    Column("forwarded_at", UtcDateTime),
    Column("forwarded_event_id", String(32)),  # the basis that ActiveCampaign has taken over
    Column("seen_in_run", BigInteger),  # the newest comparison that found the person on the list there
    Column("forwarded_link", String(40)),  # the field there and the edition of the own link it holds
    Column("left_reason", String(20)),
    Column("hold_reason", String(200)),
    Column("held_since", UtcDateTime),
    Column("tracking_since", UtcDateTime),
    Column("tracking_event_id", ForeignKey("consent_event.id")),
    Column("tagged_at", UtcDateTime),  # since when the tag for tracking may be on the contact there
    Column("tagged_event_id", String(32)),  # the permission to track that ActiveCampaign has taken over
    CheckConstraint("status IN ('pending', 'active', 'passive')", name="status_known"),
    CheckConstraint("(status = 'active') = (basis_event_id IS NOT NULL)", name="active_has_basis"),
    CheckConstraint("status <> 'active' OR active_since IS NOT NULL", name="active_has_time"),
    CheckConstraint("status <> 'passive' OR passive_since IS NOT NULL", name="passive_has_time"),
    # Whatever code may do: an active person's basis is the event of a confirmation of their own that was used.
    ForeignKeyConstraint(
        ["id", "basis_event_id"],
        ["confirmation.subscriber_id", "confirmation.used_event_id"],
        name="fk_subscriber_basis",
        use_alter=True,
    ),
    CheckConstraint("(hold_reason IS NULL) = (held_since IS NULL)", name="hold_has_reason"),
    CheckConstraint("(tracking_since IS NULL) = (tracking_event_id IS NULL)", name="tracking_has_event"),
    CheckConstraint("tracking_since IS NULL OR status = 'active'", name="only_active_tracked"),
    Index(None, "status", "asked_at", "id"),
    Index(None, "asked_at", "id"),
    Index(None, "status", "passive_since"),
    Index(None, "contact_id"),
)
partial("ix_subscriber_held", subscriber.c.hold_reason.is_not(None), subscriber.c.id)

confirmation = Table(
    "confirmation",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("subscriber_id", ForeignKey("subscriber.id", ondelete="CASCADE"), nullable=False),
    Column("purpose", String(20), nullable=False),
    Column("purpose_version", Integer, nullable=False, server_default="1"),
    Column("statement_sha256", ForeignKey("shown_text.sha256"), nullable=False),
    Column("tracking_sha256", ForeignKey("shown_text.sha256")),  # None when its box was not ticked
    Column("language", String(2), nullable=False),
    Column("source", String(10), nullable=False),
    Column("staff_id", String(36)),
    Column("staff_name", String(100)),
    Column("channel", String(20)),
    Column("occasion", String(100)),
    Column("occasion_on", String(10)),
    Column("email", String(320)),
    Column("email_key", String(320)),
    Column("first_name", String(100), nullable=False),
    Column("last_name", String(100), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Column("used_event_id", ForeignKey("consent_event.id"), unique=True),
    Column("declined_at", UtcDateTime),
    Column("import_batch_id", ForeignKey("import_batch.id")),
    CheckConstraint("(used_at IS NULL) = (used_event_id IS NULL)", name="use_has_event"),
    CheckConstraint("source IN ('form', 'staff', 'link', 'my-data', 'api', 'import')", name="source_known"),
    CheckConstraint("(email IS NULL) = (email_key IS NULL)", name="new_address_is_whole"),
    CheckConstraint("source <> 'staff' OR (staff_id IS NOT NULL AND channel IS NOT NULL)", name="staff_says_how"),
    CheckConstraint("used_at IS NULL OR declined_at IS NULL", name="one_answer"),
    UniqueConstraint("subscriber_id", "used_event_id", name="uq_confirmation_subscriber_id_used_event_id"),
    Index(None, "statement_sha256", "purpose_version"),
)
partial("ix_confirmation_import_batch_id", confirmation.c.import_batch_id.is_not(None), confirmation.c.import_batch_id)
partial("ix_confirmation_agreed", confirmation.c.used_event_id.is_not(None), confirmation.c.purpose_version)
partial("ix_confirmation_new_address", confirmation.c.email.is_not(None), confirmation.c.asked_at)

suppression = Table(
    "suppression",
    metadata,
    Column("address_hash", String(64), primary_key=True),
    Column("reason", String(20), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime),
    CheckConstraint("reason IN ('declined', 'objected')", name="reason_known"),
)
partial("ix_suppression_until", suppression.c.until.is_not(None), suppression.c.until)

# A withdrawal or an objection until it is kept outside the database too, where an older one can be told of it.
refusal = Table(
    "refusal",
    metadata,
    Column("subscriber_id", String(36), primary_key=True),
    Column("said_at", UtcDateTime, primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("address_hash", String(64)),
    CheckConstraint("(kind = 'objected') = (address_hash IS NOT NULL)", name="objection_has_address"),
    Index(None, "said_at"),
)

# What an erasure leaves: its reason, under the id of the person, customer, document, contact message, cookie choice or
# place on an earlier list.
erasure = Table(
    "erasure",
    metadata,
    Column("subscriber_id", String(36), primary_key=True),
    Column("rule", String(30), nullable=False),
    Column("erased_at", UtcDateTime, nullable=False),
    Column("address_hash", String(64)),
    Column("there_at", UtcDateTime),
    Column("there_answer", String(200)),
    Column("copied_at", UtcDateTime),
    Index(None, "erased_at"),
)
partial("ix_erasure_uncopied", erasure.c.copied_at.is_(None), erasure.c.erased_at)

# The address of somebody already erased, for as long as ActiveCampaign has to be told and the person answered.
departure = Table(
    "departure",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("subscriber_id", String(36), nullable=False),
    Column("email", String(320), nullable=False),
    Column("email_key", String(320), nullable=False, index=True),
    Column("language", String(2), nullable=False),
    Column("contact_id", String(20)),
    Column("is_told", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
