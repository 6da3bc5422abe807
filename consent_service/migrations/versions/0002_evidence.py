"""The sealed log, erasure, legal hold, the change of an address, and what must outlive a restored backup."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

MOMENT = sa.DateTime(timezone=True)
SOURCES = "'form', 'staff', 'link', 'my-data', 'api', 'import'"
# As the step before made it: SQLite does not tell its constraints, and making it anew without them would lose them.
CONFIRMATION = sa.Table(
    "confirmation",
    sa.MetaData(),
    sa.Column("id", sa.String(length=32), nullable=False),
    sa.Column("subscriber_id", sa.String(length=36), nullable=False),
    sa.Column("purpose", sa.String(length=20), nullable=False),
    sa.Column("statement_sha256", sa.String(length=64), nullable=False),
    sa.Column("language", sa.String(length=2), nullable=False),
    sa.Column("source", sa.String(length=10), nullable=False),
    sa.Column("staff_id", sa.String(length=36)),
    sa.Column("staff_name", sa.String(length=100)),
    sa.Column("channel", sa.String(length=20)),
    sa.Column("occasion", sa.String(length=100)),
    sa.Column("occasion_on", sa.String(length=10)),
    sa.Column("first_name", sa.String(length=100), nullable=False),
    sa.Column("last_name", sa.String(length=100), nullable=False),
    sa.Column("asked_at", MOMENT, nullable=False),
    sa.Column("expires_at", MOMENT, nullable=False),
    sa.Column("used_at", MOMENT),
    sa.Column("used_event_id", sa.String(length=32)),
    sa.Column("declined_at", MOMENT),
    sa.CheckConstraint(
        "source <> 'staff' OR (staff_id IS NOT NULL AND channel IS NOT NULL)",
        name="ck_confirmation_staff_says_how",
    ),
    sa.CheckConstraint("source IN ('form', 'staff', 'link')", name="ck_confirmation_source_known"),
    sa.CheckConstraint("(used_at IS NULL) = (used_event_id IS NULL)", name="ck_confirmation_use_has_event"),
    sa.CheckConstraint("used_at IS NULL OR declined_at IS NULL", name="ck_confirmation_one_answer"),
    sa.ForeignKeyConstraint(["statement_sha256"], ["shown_text.sha256"], name="fk_confirmation_statement_sha256"),
    sa.ForeignKeyConstraint(
        ["subscriber_id"], ["subscriber.id"], name="fk_confirmation_subscriber_id", ondelete="CASCADE"
    ),
    sa.ForeignKeyConstraint(["used_event_id"], ["consent_event.id"], name="fk_confirmation_used_event_id"),
    sa.PrimaryKeyConstraint("id", name="pk_confirmation"),
    sa.UniqueConstraint("subscriber_id", "used_event_id", name="uq_confirmation_subscriber_id_used_event_id"),
    sa.UniqueConstraint("used_event_id", name="uq_confirmation_used_event_id"),
    sa.Index("ix_confirmation_subscriber_id", "subscriber_id"),
)


def upgrade() -> None:
    """Make the new tables, then add to the old ones.

    A column is added with its constraint in one statement, which both databases take; the check of a confirmation's
    source has to change, for which SQLite makes the table anew.
    """
    _log()
    _erasure()
    _refusal()
    _add("subscriber", "hold_reason", sa.String(length=200))
    _add(
        "subscriber",
        "held_since",
        MOMENT,
        "CONSTRAINT ck_subscriber_hold_has_reason CHECK ((hold_reason IS NULL) = (held_since IS NULL))",
    )
    op.create_index("ix_subscriber_status_passive_since", "subscriber", ["status", "passive_since"])
    _confirmation()
    _consent_event()
    key = "CONSTRAINT fk_outbox_message_departure_id REFERENCES departure (id)"
    _add("outbox_message", "departure_id", sa.String(length=32), key)


def _add(table: str, column: str, kind: sa.types.TypeEngine[Any], constraint: str = "") -> None:
    op.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind.compile(op.get_bind().dialect)} {constraint}")


def _log() -> None:
    op.create_table(
        "log_tile",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "number", name="pk_log_tile"),
    )
    op.create_table(
        "checkpoint",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("signed_at", MOMENT, nullable=False),
        sa.Column("timestamp_token", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("size", name="pk_checkpoint"),
    )
    op.create_table(
        "daily_run",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("done_on", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_daily_run"),
    )


def _erasure() -> None:
    op.create_table(
        "erasure",
        sa.Column("subscriber_id", sa.String(length=36), nullable=False),
        sa.Column("rule", sa.String(length=30), nullable=False),
        sa.Column("erased_at", MOMENT, nullable=False),
        sa.Column("address_hash", sa.String(length=64)),
        sa.Column("there_at", MOMENT),
        sa.Column("there_answer", sa.String(length=200)),
        sa.Column("copied_at", MOMENT),
        sa.PrimaryKeyConstraint("subscriber_id", name="pk_erasure"),
    )
    op.create_index("ix_erasure_copied_at", "erasure", ["copied_at"])
    op.create_table(
        "erased_leaf",
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("rule", sa.String(length=30), nullable=False),
        sa.Column("erased_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_erased_leaf"),
        sa.ForeignKeyConstraint(["event_id"], ["consent_event.id"], name="fk_erased_leaf_event_id"),
    )
    op.create_table(
        "departure",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("subscriber_id", sa.String(length=36), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("contact_id", sa.String(length=20)),
        sa.Column("is_told", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_departure"),
    )
    op.create_index("ix_departure_email_key", "departure", ["email_key"])


def _refusal() -> None:
    op.create_table(
        "refusal",
        sa.Column("subscriber_id", sa.String(length=36), nullable=False),
        sa.Column("said_at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("address_hash", sa.String(length=64)),
        sa.CheckConstraint("(kind = 'objected') = (address_hash IS NOT NULL)", name="ck_refusal_objection_has_address"),
        sa.PrimaryKeyConstraint("subscriber_id", "said_at", name="pk_refusal"),
    )


def _confirmation() -> None:
    with op.batch_alter_table("confirmation", copy_from=CONFIRMATION) as table:
        table.add_column(sa.Column("purpose_version", sa.Integer(), nullable=False, server_default="1"))
        table.add_column(sa.Column("email", sa.String(length=320)))
        table.add_column(sa.Column("email_key", sa.String(length=320)))
        table.drop_constraint("ck_confirmation_source_known", type_="check")
        table.create_check_constraint("ck_confirmation_source_known", f"source IN ({SOURCES})")
        table.create_check_constraint("ck_confirmation_new_address_is_whole", "(email IS NULL) = (email_key IS NULL)")


def _consent_event() -> None:
    check = "CONSTRAINT ck_consent_event_plain_is_about_nobody CHECK (core_plain IS NULL OR subscriber_id IS NULL)"
    _add("consent_event", "core_plain", sa.LargeBinary(), check)
    for name, columns, where in (
        ("ix_consent_event_unsealed", ["recorded_at", "id"], sa.text("log_index IS NULL")),
        ("ix_consent_event_tech", ["recorded_at"], sa.text("tech_sealed IS NOT NULL")),
    ):
        op.create_index(name, "consent_event", columns, sqlite_where=where, postgresql_where=where)
