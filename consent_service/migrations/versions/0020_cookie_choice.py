"""What visitors of the company's web site chose about cookies."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "cookie_choice",
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("choice_id", sa.String(length=32), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("sequence > 0", name=op.f("ck_cookie_choice_sequence_counts")),
        sa.ForeignKeyConstraint(["event_id"], ["consent_event.id"], name=op.f("fk_cookie_choice_event_id")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_cookie_choice")),
        sa.UniqueConstraint("choice_id", "sequence", name="uq_cookie_choice_choice_id_sequence"),
    )
    op.create_index("ix_cookie_choice_expires_at", "cookie_choice", ["expires_at"])
