"""Find everything by an index that a million people would make slow to look for, and index no emptiness."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

DROPPED = (
    ("outbox_message", ("undone", "dead", "bulk_id", "import_row_id")),
    ("confirmation", ("subscriber_id", "import_batch_id")),  # the first is the beginning of another one
    ("erasure", ("copied_at",)),
)
WHOLE = (
    ("confirmation", ["statement_sha256", "purpose_version"]),
    ("refusal", ["said_at"]),
    ("erasure", ["erased_at"]),
    ("allowance", ["asked_at"]),
    ("held_there", ["fetched_at"]),
)
PARTIAL = (
    ("outbox_message", "undone", ["lane", "due_at", "id"], "done_at IS NULL AND dead_at IS NULL"),
    ("outbox_message", "done_at", ["done_at"], "done_at IS NOT NULL"),
    ("outbox_message", "dead", ["dead_at"], "dead_at IS NOT NULL"),
    ("outbox_message", "confirmation_id", ["confirmation_id"], "confirmation_id IS NOT NULL"),
    ("outbox_message", "departure_id", ["departure_id"], "departure_id IS NOT NULL"),
    ("outbox_message", "bulk_id", ["bulk_id"], "bulk_id IS NOT NULL"),
    ("outbox_message", "import_row_id", ["import_row_id"], "import_row_id IS NOT NULL"),
    ("confirmation", "import_batch_id", ["import_batch_id"], "import_batch_id IS NOT NULL"),
    ("confirmation", "agreed", ["purpose_version"], "used_event_id IS NOT NULL"),
    ("confirmation", "new_address", ["asked_at"], "email IS NOT NULL"),
    ("subscriber", "held", ["id"], "hold_reason IS NOT NULL"),
    ("suppression", "until", ["until"], "until IS NOT NULL"),
    ("erasure", "uncopied", ["erased_at"], "copied_at IS NULL"),
)


def upgrade() -> None:
    """Change the indexes."""
    for table, names in DROPPED:
        for name in names:
            op.drop_index(f"ix_{table}_{name}", table)
    for table, columns in WHOLE:
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)
    for table, name, columns, condition in PARTIAL:
        where = sa.text(condition)
        op.create_index(f"ix_{table}_{name}", table, columns, sqlite_where=where, postgresql_where=where)
