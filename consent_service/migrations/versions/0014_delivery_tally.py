"""Sums for whoever watches: how deliveries ended. They hold nothing of anybody."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the table, empty."""
    op.create_table(
        "delivery_tally",
        sa.Column("lane", sa.String(length=20), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lane", "outcome", name=op.f("pk_delivery_tally")),
    )
