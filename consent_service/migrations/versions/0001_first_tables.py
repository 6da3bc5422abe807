"""The first tables: subscribers, their confirmations and evidence, the outbox, staff."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

MOMENT = sa.DateTime(timezone=True)
BASIS = sa.ForeignKeyConstraint(
    ["id", "basis_event_id"],
    ["confirmation.subscriber_id", "confirmation.used_event_id"],
    name="fk_subscriber_basis",
)


def upgrade() -> None:
    """Create every table. SQLite takes the circular key inside CREATE TABLE, PostgreSQL only afterwards."""
    has_alter = op.get_context().dialect.supports_alter
    op.create_table(
        "allowance",
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("times", sa.JSON(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_allowance")),
    )
    op.create_table(
        "call_budget",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("next_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_call_budget")),
    )
    op.create_table(
        "consent_event",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("subscriber_id", sa.String(length=36), nullable=True),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("core_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("tech_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("log_index", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_event")),
        sa.UniqueConstraint("leaf_hash", name=op.f("uq_consent_event_leaf_hash")),
        sa.UniqueConstraint("log_index", name=op.f("uq_consent_event_log_index")),
    )
    op.create_index(
        op.f("ix_consent_event_subscriber_id_recorded_at"),
        "consent_event",
        ["subscriber_id", "recorded_at"],
        unique=False,
    )
    op.create_table(
        "role",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role")),
        sa.UniqueConstraint("name", name=op.f("uq_role_name")),
    )
    op.create_table(
        "shown_text",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("first_used_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_shown_text")),
    )
    op.create_table(
        "staff",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("password", sa.String(length=255), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("fs_uniquifier", sa.String(length=64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("email", name=op.f("uq_staff_email")),
        sa.UniqueConstraint("fs_uniquifier", name=op.f("uq_staff_fs_uniquifier")),
    )
    op.create_table(
        "subscriber",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("first_name", sa.String(length=100), nullable=False),
        sa.Column("last_name", sa.String(length=100), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("status", sa.String(length=7), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("active_since", MOMENT, nullable=True),
        sa.Column("passive_since", MOMENT, nullable=True),
        sa.Column("basis_event_id", sa.String(length=32), nullable=True),
        sa.Column("open_confirmation_id", sa.String(length=32), nullable=True),
        sa.Column("contact_id", sa.String(length=20), nullable=True),
        sa.Column("forwarded_at", MOMENT, nullable=True),
        sa.Column("left_reason", sa.String(length=20), nullable=True),
        sa.CheckConstraint(
            "(status = 'active') = (basis_event_id IS NOT NULL)", name=op.f("ck_subscriber_active_has_basis")
        ),
        sa.CheckConstraint(
            "status <> 'active' OR active_since IS NOT NULL", name=op.f("ck_subscriber_active_has_time")
        ),
        sa.CheckConstraint(
            "status <> 'passive' OR passive_since IS NOT NULL", name=op.f("ck_subscriber_passive_has_time")
        ),
        sa.CheckConstraint("status IN ('pending', 'active', 'passive')", name=op.f("ck_subscriber_status_known")),
        *([] if has_alter else [BASIS]),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriber")),
        sa.UniqueConstraint("email_key", name=op.f("uq_subscriber_email_key")),
    )
    op.create_index(op.f("ix_subscriber_asked_at_id"), "subscriber", ["asked_at", "id"], unique=False)
    op.create_index(op.f("ix_subscriber_status_asked_at"), "subscriber", ["status", "asked_at"], unique=False)
    op.create_table(
        "suppression",
        sa.Column("address_hash", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=True),
        sa.CheckConstraint("reason IN ('declined', 'objected')", name=op.f("ck_suppression_reason_known")),
        sa.PrimaryKeyConstraint("address_hash", name=op.f("pk_suppression")),
    )
    op.create_table(
        "confirmation",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("subscriber_id", sa.String(length=36), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("statement_sha256", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("staff_id", sa.String(length=36), nullable=True),
        sa.Column("staff_name", sa.String(length=100), nullable=True),
        sa.Column("channel", sa.String(length=20), nullable=True),
        sa.Column("occasion", sa.String(length=100), nullable=True),
        sa.Column("occasion_on", sa.String(length=10), nullable=True),
        sa.Column("first_name", sa.String(length=100), nullable=False),
        sa.Column("last_name", sa.String(length=100), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.Column("used_event_id", sa.String(length=32), nullable=True),
        sa.Column("declined_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "source <> 'staff' OR (staff_id IS NOT NULL AND channel IS NOT NULL)",
            name=op.f("ck_confirmation_staff_says_how"),
        ),
        sa.CheckConstraint("source IN ('form', 'staff', 'link')", name=op.f("ck_confirmation_source_known")),
        sa.CheckConstraint("(used_at IS NULL) = (used_event_id IS NULL)", name=op.f("ck_confirmation_use_has_event")),
        sa.CheckConstraint("used_at IS NULL OR declined_at IS NULL", name=op.f("ck_confirmation_one_answer")),
        sa.ForeignKeyConstraint(
            ["statement_sha256"], ["shown_text.sha256"], name=op.f("fk_confirmation_statement_sha256")
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_confirmation_subscriber_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["used_event_id"], ["consent_event.id"], name=op.f("fk_confirmation_used_event_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_confirmation")),
        sa.UniqueConstraint("subscriber_id", "used_event_id", name="uq_confirmation_subscriber_id_used_event_id"),
        sa.UniqueConstraint("used_event_id", name=op.f("uq_confirmation_used_event_id")),
    )
    op.create_index(op.f("ix_confirmation_subscriber_id"), "confirmation", ["subscriber_id"], unique=False)
    op.create_table(
        "staff_role",
        sa.Column("staff_id", sa.String(length=36), nullable=False),
        sa.Column("role_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["role_id"], ["role.id"], name=op.f("fk_staff_role_role_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_role_staff_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("staff_id", "role_id", name=op.f("pk_staff_role")),
    )
    op.create_table(
        "subject_key",
        sa.Column("subscriber_id", sa.String(length=36), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_subject_key_subscriber_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("subscriber_id", name=op.f("pk_subject_key")),
    )
    op.create_table(
        "outbox_message",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("lane", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("subscriber_id", sa.String(length=36), nullable=True),
        sa.Column("confirmation_id", sa.String(length=32), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("claimed_by", sa.String(length=32), nullable=True),
        sa.Column("claimed_until", MOMENT, nullable=True),
        sa.Column("last_error", sa.String(length=200), nullable=True),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.Column("dead_at", MOMENT, nullable=True),
        sa.CheckConstraint("done_at IS NULL OR dead_at IS NULL", name=op.f("ck_outbox_message_one_end")),
        sa.ForeignKeyConstraint(
            ["confirmation_id"], ["confirmation.id"], name=op.f("fk_outbox_message_confirmation_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name=op.f("fk_outbox_message_subscriber_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_message")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_message_key")),
    )
    op.create_index("ix_outbox_message_dead", "outbox_message", ["dead_at"], unique=False)
    op.create_index("ix_outbox_message_subscriber_id", "outbox_message", ["subscriber_id", "lane", "id"], unique=False)
    op.create_index(
        "ix_outbox_message_undone",
        "outbox_message",
        ["lane", "due_at"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL AND dead_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL AND dead_at IS NULL"),
    )
    if has_alter:
        op.create_foreign_key(
            "fk_subscriber_basis",
            "subscriber",
            "confirmation",
            ["id", "basis_event_id"],
            ["subscriber_id", "used_event_id"],
        )
