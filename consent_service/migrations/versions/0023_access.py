"""One role for each account of staff, their second steps, links by mail, and the log of who looked at what."""

from datetime import UTC, datetime
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"

MOMENT = sa.DateTime(timezone=True)
ROLE = "CONSTRAINT ck_staff_role_known CHECK (role IN ('owner', 'staff', 'reader'))"
STAFF = sa.table(
    "staff",
    sa.column("id", sa.String),
    sa.column("active", sa.Boolean),
    sa.column("role", sa.String),
    sa.column("link_state", sa.String),
    sa.column("ended_at", MOMENT),
)


def upgrade() -> None:
    """Whoever has an account could do everything, and goes on: they are owners."""
    # With its constraint in one statement, which both databases take.
    op.execute(f"ALTER TABLE staff ADD COLUMN role VARCHAR(10) NOT NULL DEFAULT 'reader' {ROLE}")
    op.execute("ALTER TABLE staff ADD COLUMN language VARCHAR(2) NOT NULL DEFAULT 'fi'")
    op.execute("ALTER TABLE staff ADD COLUMN link_state VARCHAR(32) NOT NULL DEFAULT ''")
    for column in ("ended_at", MOMENT), ("app_sealed", sa.LargeBinary()), ("app_step", sa.BigInteger()):
        op.add_column("staff", sa.Column(*column))
    op.create_index("ix_staff_ended_at", "staff", ["ended_at"])
    connection = op.get_bind()
    connection.execute(STAFF.update().values(role="owner"))
    connection.execute(STAFF.update().where(~STAFF.c.active).values(ended_at=datetime.now(UTC)))
    for staff_id in connection.execute(sa.select(STAFF.c.id)).scalars().all():
        connection.execute(STAFF.update().where(STAFF.c.id == staff_id).values(link_state=uuid4().hex))
    op.drop_table("staff_role")
    op.drop_table("role")
    _second_steps()
    _log_of_access()
    _letters()


def _second_steps() -> None:
    op.create_table(
        "passkey",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("staff_id", sa.String(length=36), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_passkey_staff_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkey")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkey_credential_id")),
    )
    op.create_index("ix_passkey_staff_id", "passkey", ["staff_id"])
    op.create_table(
        "recovery_code",
        sa.Column("staff_id", sa.String(length=36), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_recovery_code_staff_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("staff_id", "code_hash", name=op.f("pk_recovery_code")),
    )


def _log_of_access() -> None:
    op.create_table(
        "access",
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=50), nullable=False),
        sa.Column("noted_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["consent_event.id"], name=op.f("fk_access_event_id")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_access")),
    )
    op.create_index("ix_access_noted_at", "access", ["noted_at"])
    op.create_index("ix_access_actor_noted_at", "access", ["actor", "noted_at"])


def _letters() -> None:
    key = "CONSTRAINT fk_outbox_message_staff_id REFERENCES staff (id)"
    op.execute(f"ALTER TABLE outbox_message ADD COLUMN staff_id VARCHAR(36) {key}")
    some = sa.text("staff_id IS NOT NULL")
    op.create_index(
        "ix_outbox_message_staff_id", "outbox_message", ["staff_id"], sqlite_where=some, postgresql_where=some
    )
