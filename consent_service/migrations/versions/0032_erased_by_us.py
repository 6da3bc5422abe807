"""What shows that we emptied an event, until a signed list names it; what was emptied before has nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Add the message authentication code of an emptied leaf."""
    op.add_column("erased_leaf", sa.Column("mac", sa.String(64), nullable=True))
