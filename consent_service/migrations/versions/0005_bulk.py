"""Which bulk import at ActiveCampaign carries a message of the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column, and let the messages of an import be found."""
    op.add_column("outbox_message", sa.Column("bulk_id", sa.String(length=64)))
    op.create_index("ix_outbox_message_bulk_id", "outbox_message", ["bulk_id"])
