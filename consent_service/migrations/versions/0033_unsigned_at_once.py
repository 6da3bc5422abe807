"""Emptied leaves from before lists were signed, found without reading through all that wait for a list."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """Add an index of those few alone."""
    some = sa.text("mac IS NULL")
    op.create_index("ix_erased_leaf_unsigned", "erased_leaf", ["event_id"], sqlite_where=some, postgresql_where=some)
