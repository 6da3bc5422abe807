"""Keep what people write with the contact form, and let a message of the outbox be about it."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the table and the column."""
    op.create_table(
        "contact_message",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_key", sa.String(length=64), nullable=False),
        sa.Column("first_name", sa.String(length=100), nullable=False),
        sa.Column("last_name", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("phone", sa.String(length=30)),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("message", sa.String(length=4000), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("closed_by", sa.String(length=100)),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (closed_by IS NULL)", name=op.f("ck_contact_message_closed_by_somebody")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_message")),
        sa.UniqueConstraint("sent_key", name=op.f("uq_contact_message_sent_key")),
    )
    op.create_index("ix_contact_message_received_at", "contact_message", ["received_at"])
    op.create_index("ix_contact_message_email_key_received_at", "contact_message", ["email_key", "received_at"])
    # With its constraint in one statement, which both databases take.
    key = "CONSTRAINT fk_outbox_message_contact_message_id REFERENCES contact_message (id)"
    op.execute(f"ALTER TABLE outbox_message ADD COLUMN contact_message_id VARCHAR(36) {key}")
    some = sa.text("contact_message_id IS NOT NULL")
    op.create_index(
        "ix_outbox_message_contact_message_id",
        "outbox_message",
        ["contact_message_id"],
        sqlite_where=some,
        postgresql_where=some,
    )
