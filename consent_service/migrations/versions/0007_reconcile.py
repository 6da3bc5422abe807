"""What comparing with the list at ActiveCampaign needs: its progress and findings, and how a contact is known again."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

MOMENT = sa.DateTime(timezone=True)
COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NONE_YET = sa.text("0")
PHASES = "'list', 'people', 'deleted', 'settle', 'done', 'given up'"


def upgrade() -> None:
    """Add the tables and the two columns."""
    op.add_column("subscriber", sa.Column("seen_in_run", sa.BigInteger()))
    op.add_column("outbox_message", sa.Column("contact_id", sa.String(length=20)))
    _runs()
    _contacts()
    op.create_table(
        "pulse",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_pulse"),
    )


def _runs() -> None:
    op.create_table(
        "reconcile_run",
        sa.Column("id", COUNT, autoincrement=True, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("applies", sa.Boolean(), nullable=False),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("phase", sa.String(length=10), nullable=False),
        sa.Column("cursor", sa.String(length=36), nullable=False),
        sa.Column("contacts", sa.BigInteger(), server_default=NONE_YET, nullable=False),
        sa.Column("calls", sa.BigInteger(), server_default=NONE_YET, nullable=False),
        sa.Column("claimed_by", sa.String(length=32)),
        sa.Column("claimed_until", MOMENT),
        sa.Column("trouble", sa.String(length=200)),
        sa.Column("ended_at", MOMENT),
        sa.Column("is_open", sa.Boolean()),
        sa.CheckConstraint("(is_open IS NULL) = (ended_at IS NOT NULL)", name="ck_reconcile_run_open_until_end"),
        sa.CheckConstraint(f"phase IN ({PHASES})", name="ck_reconcile_run_phase_known"),
        sa.PrimaryKeyConstraint("id", name="pk_reconcile_run"),
        sa.UniqueConstraint("is_open", name="uq_reconcile_run_is_open"),
    )
    op.create_table(
        "drift",
        sa.Column("id", COUNT, autoincrement=True, nullable=False),
        sa.Column("run_id", COUNT, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("subscriber_id", sa.String(length=36)),
        sa.Column("contact_id", sa.String(length=20)),
        sa.Column("is_repaired", sa.Boolean(), nullable=False),
        _cascading("drift", "run_id", "reconcile_run"),
        _cascading("drift", "subscriber_id", "subscriber"),
        sa.PrimaryKeyConstraint("id", name="pk_drift"),
    )
    op.create_index("ix_drift_run_id", "drift", ["run_id"])
    op.create_index("ix_drift_subscriber_id", "drift", ["subscriber_id"])


def _contacts() -> None:
    op.create_table(
        "stranger",
        sa.Column("contact_id", sa.String(length=20), nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("found_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("contact_id", name="pk_stranger"),
    )
    op.create_index("ix_stranger_email_key", "stranger", ["email_key"])
    op.create_table(
        "deleted_contact",
        sa.Column("subscriber_id", sa.String(length=36), nullable=False),
        sa.Column("address_hash", sa.String(length=64), nullable=False),
        sa.Column("contact_id", sa.String(length=20)),
        sa.Column("erased_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("subscriber_id", name="pk_deleted_contact"),
    )
    for column in ("address_hash", "contact_id", "erased_at"):
        op.create_index(f"ix_deleted_contact_{column}", "deleted_contact", [column])


def _cascading(table: str, column: str, to: str) -> Any:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=f"fk_{table}_{column}", ondelete="CASCADE")
