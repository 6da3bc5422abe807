"""What each finished week brought, as numbers, for the weeks after it to be compared with."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the table, empty."""
    op.create_table(
        "week",
        sa.Column("monday", sa.String(length=10), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("confirmed", sa.Integer(), nullable=False),
        sa.Column("stopped", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("monday", name=op.f("pk_week")),
    )
