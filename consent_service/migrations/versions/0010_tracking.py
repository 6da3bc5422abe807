"""The permission to follow what a subscriber reads: a consent of its own, and the tag that stands for it there."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

MOMENT = sa.DateTime(timezone=True)
HAS_EVENT = "(tracking_since IS NULL) = (tracking_event_id IS NULL)"
ONLY_ACTIVE = "tracking_since IS NULL OR status = 'active'"


def upgrade() -> None:
    """Add each column with its constraint in one statement, which both databases take; nobody has permitted it yet."""
    _add(
        "confirmation",
        "tracking_sha256",
        sa.String(length=64),
        _key("confirmation_tracking_sha256", "shown_text (sha256)"),
    )
    active = f"CONSTRAINT ck_subscriber_only_active_tracked CHECK ({ONLY_ACTIVE})"
    _add("subscriber", "tracking_since", MOMENT, active)
    event = _key("subscriber_tracking_event_id", "consent_event (id)")
    has_event = f"CONSTRAINT ck_subscriber_tracking_has_event CHECK ({HAS_EVENT})"
    _add("subscriber", "tracking_event_id", sa.String(length=32), f"{event} {has_event}")
    _add("subscriber", "tagged_at", MOMENT)
    _add("subscriber", "tagged_event_id", sa.String(length=32))


def _key(name: str, target: str) -> str:
    return f"CONSTRAINT fk_{name} REFERENCES {target}"


def _add(table: str, column: str, kind: sa.types.TypeEngine[Any], constraint: str = "") -> None:
    op.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind.compile(op.get_bind().dialect)} {constraint}")
