"""Which own link ActiveCampaign holds for somebody, so that a set-up knows who has none, or one of an earlier key."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column; nobody has a link there yet."""
    op.add_column("subscriber", sa.Column("forwarded_link", sa.String(length=40)))
