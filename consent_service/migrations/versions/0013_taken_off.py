"""Whom this service took off the list at ActiveCampaign for an import that was undone, and who waits and is on it."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the table and the column."""
    op.create_table(
        "taken_off",
        sa.Column("address_hash", sa.String(length=64), nullable=False),
        sa.Column("contact_id", sa.String(length=20), nullable=False),
        sa.Column("undone_at", MOMENT, nullable=False),
        sa.Column("taken_off_at", MOMENT),
        sa.PrimaryKeyConstraint("address_hash", name=op.f("pk_taken_off")),
    )
    for column in ("contact_id", "undone_at"):
        op.create_index(f"ix_taken_off_{column}", "taken_off", [column])
    op.add_column("import_row", sa.Column("contact_id", sa.String(length=20)))
