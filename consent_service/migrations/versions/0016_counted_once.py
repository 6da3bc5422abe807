"""Since when a mail counts against what the whole service may send, which is counted by slots of time from now on."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the column, and forget what was counted one by one: at most a day's mails are counted anew."""
    op.add_column("outbox_message", sa.Column("counted_at", sa.DateTime(timezone=True)))
    op.execute("DELETE FROM allowance WHERE key IN ('service', 'invitations')")
