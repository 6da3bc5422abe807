"""Data subject requests: who asked for what, what has to be done where, which letters went out."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"

MOMENT = sa.DateTime(timezone=True)
COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "data_request",
        sa.Column("number", COUNT, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("channel", sa.String(length=5), nullable=False),
        sa.Column("received_on", sa.String(length=10), nullable=False),
        sa.Column("received_by", sa.String(length=100)),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("name", sa.String(length=200)),
        sa.Column("email", sa.String(length=320)),
        sa.Column("email_key", sa.String(length=320)),
        sa.Column("phone", sa.String(length=30)),
        sa.Column("wish", sa.String(length=2000)),
        sa.Column("subscriber_id", sa.String(length=36)),
        sa.Column("customer_id", sa.String(length=36)),
        sa.Column("mail_to", sa.String(length=320)),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("due_on", sa.String(length=10), nullable=False),
        sa.Column("extended_to", sa.String(length=10)),
        sa.Column("extension_reason", sa.String(length=500)),
        sa.Column("extension_told_on", sa.String(length=10)),
        sa.Column("alarmed_at", MOMENT),
        sa.Column("identity", sa.String(length=8)),
        sa.Column("identity_method", sa.String(length=20)),
        sa.Column("identity_note", sa.String(length=500)),
        sa.Column("identity_at", MOMENT),
        sa.Column("identity_by", sa.String(length=100)),
        sa.Column("closed_at", MOMENT),
        sa.Column("closed_on", sa.String(length=10)),
        sa.Column("closed_by", sa.String(length=100)),
        sa.Column("outcome", sa.String(length=7)),
        sa.Column("ground", sa.String(length=20)),
        sa.Column("answer", sa.String(length=2000)),
        sa.Column("forgotten_at", MOMENT),
        sa.CheckConstraint(
            "(channel = 'page') = (received_by IS NULL)", name=op.f("ck_data_request_received_by_somebody")
        ),
        sa.CheckConstraint("channel IN ('page', 'mail', 'phone', 'paper')", name=op.f("ck_data_request_channel_known")),
        sa.CheckConstraint(
            "identity <> 'verified' OR identity_method IS NOT NULL", name=op.f("ck_data_request_verified_by_a_method")
        ),
        sa.CheckConstraint("identity IN ('verified', 'refused')", name=op.f("ck_data_request_identity_known")),
        sa.CheckConstraint(
            "kind IN ('access', 'rectify', 'erase', 'restrict', 'portability', 'object')",
            name=op.f("ck_data_request_kind_known"),
        ),
        sa.CheckConstraint(
            "outcome = 'refused' OR identity = 'verified' OR outcome IS NULL",
            name=op.f("ck_data_request_done_for_the_verified"),
        ),
        sa.CheckConstraint("outcome IN ('done', 'part', 'refused')", name=op.f("ck_data_request_outcome_known")),
        sa.CheckConstraint(
            "outcome IS NULL OR (outcome = 'done') = (ground IS NULL)", name=op.f("ck_data_request_less_has_ground")
        ),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (outcome IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL)"
            " AND (closed_at IS NULL) = (closed_on IS NULL)",
            name=op.f("ck_data_request_closed_is_whole"),
        ),
        sa.CheckConstraint("(email IS NULL) = (email_key IS NULL)", name=op.f("ck_data_request_address_is_whole")),
        sa.CheckConstraint(
            "(extended_to IS NULL) = (extension_told_on IS NULL)", name=op.f("ck_data_request_extension_is_told")
        ),
        sa.CheckConstraint(
            "(identity IS NULL) = (identity_at IS NULL) AND (identity IS NULL) = (identity_by IS NULL)",
            name=op.f("ck_data_request_identity_is_whole"),
        ),
        sa.CheckConstraint(
            "(name IS NULL) = (forgotten_at IS NOT NULL)", name=op.f("ck_data_request_names_somebody_until_forgotten")
        ),
        sa.CheckConstraint(
            "closed_at IS NULL OR identity IS NOT NULL", name=op.f("ck_data_request_closed_with_identity")
        ),
        sa.CheckConstraint("due_on > received_on", name=op.f("ck_data_request_due_later")),
        sa.CheckConstraint(
            "extended_to IS NULL OR extension_reason IS NOT NULL OR forgotten_at IS NOT NULL",
            name=op.f("ck_data_request_extension_has_reason"),
        ),
        sa.CheckConstraint(
            "extension_told_on <= due_on AND extended_to > due_on",
            name=op.f("ck_data_request_extended_in_the_first_month"),
        ),
        sa.CheckConstraint(
            "forgotten_at IS NULL OR (email IS NULL AND phone IS NULL AND wish IS NULL AND mail_to IS NULL AND"
            " extension_reason IS NULL AND identity_note IS NULL AND answer IS NULL)",
            name=op.f("ck_data_request_forgotten_is_empty"),
        ),
        sa.CheckConstraint(
            "forgotten_at IS NULL OR closed_at IS NOT NULL", name=op.f("ck_data_request_forgotten_once_closed")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_data_request")),
        sa.UniqueConstraint("number", "identity", name=op.f("uq_data_request_number_identity")),
    )
    op.create_index(op.f("ix_data_request_received_on"), "data_request", ["received_on"])
    for name, columns, where in (
        ("open", ["due_on", "number"], "closed_at IS NULL"),
        ("closed_at", ["closed_at"], "closed_at IS NOT NULL"),
        ("named", ["closed_at"], "closed_at IS NOT NULL AND forgotten_at IS NULL"),
        ("email_key", ["email_key"], "email_key IS NOT NULL"),
        ("subscriber_id", ["subscriber_id"], "subscriber_id IS NOT NULL"),
        ("customer_id", ["customer_id"], "customer_id IS NOT NULL"),
    ):
        some = sa.text(where)
        op.create_index(f"ix_data_request_{name}", "data_request", columns, sqlite_where=some, postgresql_where=some)
    op.create_table(
        "data_request_letter",
        sa.Column("request_number", COUNT, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("message_key", sa.String(length=32)),
        sa.CheckConstraint(
            "kind IN ('received', 'extended', 'answer')", name=op.f("ck_data_request_letter_kind_known")
        ),
        sa.ForeignKeyConstraint(
            ["request_number"],
            ["data_request.number"],
            name=op.f("fk_data_request_letter_request_number"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("request_number", "kind", name=op.f("pk_data_request_letter")),
        sa.UniqueConstraint("message_key", name=op.f("uq_data_request_letter_message_key")),
    )
    op.create_table(
        "data_request_task",
        sa.Column("request_number", COUNT, nullable=False),
        sa.Column("place", sa.String(length=20), nullable=False),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("done_at", MOMENT),
        sa.Column("done_by", sa.String(length=100)),
        sa.Column("done_identity", sa.String(length=8)),
        sa.Column("note", sa.String(length=500)),
        sa.CheckConstraint("done_identity = 'verified'", name=op.f("ck_data_request_task_done_for_the_verified")),
        sa.CheckConstraint(
            "(done_at IS NULL) = (done_by IS NULL) AND (done_at IS NULL) = (done_identity IS NULL)",
            name=op.f("ck_data_request_task_done_is_whole"),
        ),
        sa.ForeignKeyConstraint(
            ["request_number", "done_identity"],
            ["data_request.number", "data_request.identity"],
            name="fk_data_request_task_done_identity",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["request_number"],
            ["data_request.number"],
            name=op.f("fk_data_request_task_request_number"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("request_number", "place", name=op.f("pk_data_request_task")),
    )
