"""Keys of the company's other programs, and the answers they were given."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("scopes", sa.String(length=60), nullable=False),
        sa.Column("made_by", sa.String(length=100), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("last_used_on", sa.String(length=10)),
        sa.Column("disabled_by", sa.String(length=100)),
        sa.Column("disabled_at", MOMENT),
        sa.CheckConstraint(
            "(disabled_by IS NULL) = (disabled_at IS NULL)", name=op.f("ck_api_key_somebody_disabled_it")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
    )
    op.create_table(
        "api_answer",
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("api_key_id", sa.String(length=16), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("claimed_by", sa.String(length=32), nullable=False),
        sa.Column("claimed_until", MOMENT, nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("body", sa.LargeBinary()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("(status IS NULL) = (body IS NULL)", name=op.f("ck_api_answer_answer_is_whole")),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_key.id"], name=op.f("fk_api_answer_api_key_id")),
        sa.PrimaryKeyConstraint("key_hash", "api_key_id", name=op.f("pk_api_answer")),
    )
    op.create_index("ix_api_answer_created_at", "api_answer", ["created_at"])
