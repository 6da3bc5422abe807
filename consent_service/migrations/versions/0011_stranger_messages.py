"""Find the message about a contact that is nobody's here without reading the whole outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

IS_STRANGERS = sa.text("contact_id IS NOT NULL")


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        "ix_outbox_message_contact_id",
        "outbox_message",
        ["contact_id"],
        sqlite_where=IS_STRANGERS,
        postgresql_where=IS_STRANGERS,
    )
