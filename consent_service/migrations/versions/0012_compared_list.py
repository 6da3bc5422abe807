"""Remember which list a comparison was about: what was seen of another list says nothing of this one."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the column."""
    op.add_column("reconcile_run", sa.Column("list_id", sa.BigInteger()))
