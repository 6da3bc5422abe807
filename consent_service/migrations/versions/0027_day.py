"""The breach log, the yearly look at customers ten years passive, and how many subscribers each week began with.

The index by which staff leaf through the people of one status holds their ids too: no row has to be read for it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Add the tables, and the id to the index."""
    op.drop_index("ix_subscriber_status_asked_at", "subscriber")
    op.create_index("ix_subscriber_status_asked_at_id", "subscriber", ["status", "asked_at", "id"])
    op.create_table(
        "breach",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("noticed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("what", sa.String(length=200), nullable=False),
        sa.Column("happened", sa.String(length=4000), nullable=False),
        sa.Column("kinds_of_data", sa.String(length=1000), nullable=False),
        sa.Column("people", sa.Integer(), nullable=True),
        sa.Column("consequences", sa.String(length=4000), nullable=True),
        sa.Column("measures", sa.String(length=4000), nullable=True),
        sa.Column("risk", sa.String(length=10), nullable=False),
        sa.Column("risk_reason", sa.String(length=1000), nullable=True),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("written_by", sa.String(length=100), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(length=100), nullable=False),
        sa.CheckConstraint("risk <> 'none' OR risk_reason IS NOT NULL", name=op.f("ck_breach_no_risk_has_reason")),
        sa.CheckConstraint("risk IN ('unknown', 'none', 'some', 'high')", name=op.f("ck_breach_risk_known")),
        sa.CheckConstraint("people IS NULL OR people >= 0", name=op.f("ck_breach_people_counted")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_breach")),
    )
    op.create_index(op.f("ix_breach_noticed_at"), "breach", ["noticed_at"], unique=False)
    op.create_table(
        "headcount",
        sa.Column("monday", sa.String(length=10), nullable=False),
        sa.Column("active", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("monday", name=op.f("pk_headcount")),
    )
    op.create_table(
        "retention_review",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_by", sa.String(length=100), nullable=False),
        sa.Column("erased", sa.Integer(), nullable=False),
        sa.Column("emptied", sa.Integer(), nullable=False),
        sa.Column("kept", sa.Integer(), nullable=False),
        sa.Column("restricted", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_review")),
    )
    op.create_index(op.f("ix_retention_review_year"), "retention_review", ["year"], unique=False)
    op.create_table(
        "breach_notice",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("breach_id", sa.String(length=36), nullable=False),
        sa.Column("whom", sa.String(length=10), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("how", sa.String(length=1000), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("noted_by", sa.String(length=100), nullable=False),
        sa.CheckConstraint("whom IN ('ombudsman', 'people', 'other')", name=op.f("ck_breach_notice_whom_known")),
        sa.ForeignKeyConstraint(["breach_id"], ["breach.id"], name=op.f("fk_breach_notice_breach_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_breach_notice")),
    )
    op.create_index(op.f("ix_breach_notice_breach_id"), "breach_notice", ["breach_id"], unique=False)
    op.create_table(
        "kept_customer",
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("until_on", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept_by", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_kept_customer_customer_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_kept_customer")),
    )
