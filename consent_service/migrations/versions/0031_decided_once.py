"""What a comparison may do to strangers and to those missing there is decided once, for all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Add what was decided."""
    op.add_column("reconcile_run", sa.Column("takes_off", sa.Boolean(), nullable=True))
    op.add_column("reconcile_run", sa.Column("believes_gone", sa.Boolean(), nullable=True))
