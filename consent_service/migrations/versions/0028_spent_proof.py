"""Proofs of work that were used, in a table of their own: they need not be kept as long as what addresses asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Add the table; those noted so far are forgotten, since a proof holds for ten minutes only."""
    op.create_table(
        "spent_proof",
        sa.Column("proof", sa.String(length=64), nullable=False),
        sa.Column("spent_on", sa.String(length=64), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("proof", name=op.f("pk_spent_proof")),
    )
    op.create_index("ix_spent_proof_spent_at", "spent_proof", ["spent_at"])
    op.execute("DELETE FROM allowance WHERE key LIKE 'proof:%'")
