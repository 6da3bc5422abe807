"""What ActiveCampaign has taken over, so that a later answer from there can be told from an earlier one."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# Who is active, has a contact there and waits for no update was taken over as they are.
TAKEN_OVER = """
UPDATE subscriber SET forwarded_event_id = basis_event_id
WHERE status = 'active' AND contact_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM outbox_message
    WHERE outbox_message.subscriber_id = subscriber.id AND lane = 'activecampaign' AND done_at IS NULL
)
"""


def upgrade() -> None:
    """Add the column and fill it, and let a contact be found by its id there."""
    op.add_column("subscriber", sa.Column("forwarded_event_id", sa.String(length=32)))
    op.execute(TAKEN_OVER)
    op.create_index("ix_subscriber_contact_id", "subscriber", ["contact_id"])
