"""A message to somebody who only waits to be asked: what is held of them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Let a message be about a row of an earlier list."""
    kind = COUNT.compile(op.get_bind().dialect)
    # With its constraint in one statement, which both databases take.
    key = "CONSTRAINT fk_outbox_message_import_row_id REFERENCES import_row (id)"
    op.execute(f"ALTER TABLE outbox_message ADD COLUMN import_row_id {kind} {key}")
    op.create_index("ix_outbox_message_import_row_id", "outbox_message", ["import_row_id"])
