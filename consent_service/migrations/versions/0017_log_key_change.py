"""Keep how the log went on under another key, for readers who know the one before."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "log_key_change",
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["consent_event.id"], name=op.f("fk_log_key_change_event_id")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_log_key_change")),
    )
