"""Imports of customers out of a spreadsheet."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "customer_import",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("file_name", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.String(length=100), nullable=False),
        sa.Column("sheets", sa.Text()),
        sa.Column("sheet", sa.Integer()),
        sa.Column("header", sa.Integer()),
        sa.Column("columns", sa.Text()),
        sa.Column("source", sa.String(length=20)),
        sa.Column("waiting_since", MOMENT, nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=200)),
        sa.Column("checked_at", MOMENT),
        sa.Column("applied_at", MOMENT),
        sa.Column("settled_at", MOMENT),
        sa.Column("undone_at", MOMENT),
        sa.Column("emptied_at", MOMENT),
        sa.Column("claimed_by", sa.String(length=32)),
        sa.Column("claimed_until", MOMENT),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(state = 'refused') = (reason IS NOT NULL)", name=op.f("ck_customer_import_refused_for_a_reason")
        ),
        sa.CheckConstraint(
            "state IN ('reading', 'refused', 'columns', 'checking', 'checked', 'applying', 'applied',"
            " 'undoing', 'undone')",
            name=op.f("ck_customer_import_state_known"),
        ),
        sa.CheckConstraint(
            "(claimed_by IS NULL) = (claimed_until IS NULL)", name=op.f("ck_customer_import_claim_is_whole")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_import")),
    )
    op.create_index(op.f("ix_customer_import_created_at"), "customer_import", ["created_at"], unique=False)
    op.create_index(op.f("ix_customer_import_state"), "customer_import", ["state"], unique=False)
    op.create_table(
        "customer_mapping",
        sa.Column("headers_hash", sa.String(length=64), nullable=False),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("headers_hash", name=op.f("pk_customer_mapping")),
    )
    op.create_table(
        "customer_import_file",
        sa.Column("import_id", sa.String(length=36), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"], ["customer_import.id"], name=op.f("fk_customer_import_file_import_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_id", name=op.f("pk_customer_import_file")),
    )
    op.create_table(
        "customer_import_row",
        sa.Column("import_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sheet", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("cells", sa.Text()),
        sa.Column("details", sa.Text()),
        sa.Column("problems", sa.Text()),
        sa.Column("given_number", sa.Integer()),
        sa.Column("state", sa.String(length=8)),
        sa.Column("customer_id", sa.String(length=36)),
        sa.Column("match_id", sa.String(length=36)),
        sa.Column("match_by", sa.String(length=11)),
        sa.Column("choice", sa.String(length=8)),
        sa.Column("outcome", sa.String(length=9)),
        sa.Column("filled", sa.Text()),
        sa.CheckConstraint("choice IN ('add', 'complete', 'leave')", name=op.f("ck_customer_import_row_choice_known")),
        sa.CheckConstraint(
            "outcome IN ('added', 'completed', 'left', 'stayed')", name=op.f("ck_customer_import_row_outcome_known")
        ),
        sa.CheckConstraint(
            "state IN ('new', 'known', 'partly', 'unusable')", name=op.f("ck_customer_import_row_state_known")
        ),
        sa.ForeignKeyConstraint(
            ["import_id"], ["customer_import.id"], name=op.f("fk_customer_import_row_import_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_id", "position", name=op.f("pk_customer_import_row")),
    )
    op.create_index(op.f("ix_customer_import_row_customer_id"), "customer_import_row", ["customer_id"], unique=False)
    op.create_index(
        op.f("ix_customer_import_row_import_id_state_position"),
        "customer_import_row",
        ["import_id", "state", "position"],
        unique=False,
    )
    op.create_index(op.f("ix_customer_import_row_match_id"), "customer_import_row", ["match_id"], unique=False)
    op.create_table(
        "customer_arrival",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("import_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer()),
        sa.Column("kind", sa.String(length=8)),
        sa.Column("company_name", sa.String(length=200)),
        sa.Column("business_id", sa.String(length=9)),
        sa.Column("first_name", sa.String(length=100)),
        sa.Column("last_name", sa.String(length=100)),
        sa.Column("phone", sa.String(length=20)),
        sa.Column("email", sa.String(length=320)),
        sa.Column("email_key", sa.String(length=320)),
        sa.Column("street", sa.String(length=200)),
        sa.Column("postal_code", sa.String(length=20)),
        sa.Column("city", sa.String(length=100)),
        sa.Column("country", sa.String(length=2)),
        sa.Column("billing_email", sa.String(length=320)),
        sa.Column("billing_address", sa.String(length=300)),
        sa.Column("billing_reference", sa.String(length=100)),
        sa.Column("einvoice_address", sa.String(length=35)),
        sa.Column("einvoice_operator", sa.String(length=35)),
        sa.Column("source", sa.String(length=20)),
        sa.Column("source_note", sa.String(length=200)),
        sa.Column("notes", sa.String(length=4000)),
        sa.Column("language", sa.String(length=2)),
        sa.Column("search_text", sa.String(length=2000)),
        sa.ForeignKeyConstraint(
            ["import_id"], ["customer_import.id"], name=op.f("fk_customer_arrival_import_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_arrival")),
    )
    op.create_index(op.f("ix_customer_arrival_import_id"), "customer_arrival", ["import_id"], unique=False)
