"""The customer register: customers, their documents, and what may be published about them."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "customer",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
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
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("source_note", sa.String(length=200)),
        sa.Column("notes", sa.String(length=4000)),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("search_text", sa.String(length=2000), nullable=False),
        sa.Column("status", sa.String(length=7), nullable=False),
        sa.Column("passive_since", MOMENT),
        sa.Column("restricted_at", MOMENT),
        sa.Column("restriction_reason", sa.String(length=200)),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.String(length=100), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("erased_at", MOMENT),
        sa.CheckConstraint(
            "(status = 'passive') = (passive_since IS NOT NULL)", name=op.f("ck_customer_passive_has_time")
        ),
        sa.CheckConstraint(
            "erased_at IS NULL OR (company_name IS NULL AND business_id IS NULL AND first_name IS NULL AND"
            " last_name IS NULL AND phone IS NULL AND email IS NULL AND street IS NULL AND notes IS NULL AND"
            " billing_email IS NULL AND billing_address IS NULL AND search_text = '')",
            name=op.f("ck_customer_erased_is_empty"),
        ),
        sa.CheckConstraint("kind IN ('consumer', 'company')", name=op.f("ck_customer_kind_known")),
        sa.CheckConstraint("status IN ('active', 'passive')", name=op.f("ck_customer_status_known")),
        sa.CheckConstraint("(email IS NULL) = (email_key IS NULL)", name=op.f("ck_customer_address_is_whole")),
        sa.CheckConstraint(
            "(restricted_at IS NULL) = (restriction_reason IS NULL)", name=op.f("ck_customer_restriction_has_reason")
        ),
        sa.CheckConstraint(
            "erased_at IS NOT NULL OR last_name IS NOT NULL OR company_name IS NOT NULL",
            name=op.f("ck_customer_has_a_name"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer")),
        sa.UniqueConstraint("number", name=op.f("uq_customer_number")),
    )
    op.create_index(op.f("ix_customer_business_id"), "customer", ["business_id"], unique=False)
    op.create_index(op.f("ix_customer_email_key"), "customer", ["email_key"], unique=False)
    op.create_index(op.f("ix_customer_status_passive_since"), "customer", ["status", "passive_since"], unique=False)
    op.create_table(
        "customer_number",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_customer_number_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_number")),
    )
    op.create_table(
        "customer_document",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("title", sa.String(length=200)),
        sa.Column("dated_on", sa.String(length=10), nullable=False),
        sa.Column("financial_year_end", sa.String(length=10)),
        sa.Column("ended_on", sa.String(length=10)),
        sa.Column("retention_class", sa.String(length=10), nullable=False),
        sa.Column("keep_until", sa.String(length=10)),
        sa.Column("binder", sa.String(length=100)),
        sa.Column("page", sa.String(length=50)),
        sa.Column("file_name", sa.String(length=200)),
        sa.Column("media_type", sa.String(length=100)),
        sa.Column("size", sa.Integer()),
        sa.Column("added_at", MOMENT, nullable=False),
        sa.Column("added_by", sa.String(length=100), nullable=False),
        sa.CheckConstraint(
            "retention_class IN ('voucher', 'book', 'contract', 'other')", name=op.f("ck_customer_document_class_known")
        ),
        sa.CheckConstraint(
            "(binder IS NULL) <> (file_name IS NULL)", name=op.f("ck_customer_document_on_paper_or_a_file")
        ),
        sa.CheckConstraint(
            "(file_name IS NULL) = (media_type IS NULL) AND (file_name IS NULL) = (size IS NULL)",
            name=op.f("ck_customer_document_file_is_whole"),
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name=op.f("fk_customer_document_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_document")),
    )
    op.create_index(op.f("ix_customer_document_customer_id"), "customer_document", ["customer_id"], unique=False)
    op.create_index(op.f("ix_customer_document_keep_until"), "customer_document", ["keep_until"], unique=False)
    op.create_table(
        "customer_key",
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_customer_key_customer_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_customer_key")),
    )
    op.create_table(
        "publication_permission",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("what", sa.String(length=500), nullable=False),
        sa.Column("places", sa.String(length=500), nullable=False),
        sa.Column("given_on", sa.String(length=10), nullable=False),
        sa.Column("until_on", sa.String(length=10)),
        sa.Column("withdrawn_on", sa.String(length=10)),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("recorded_by", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_publication_permission_customer_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publication_permission")),
    )
    op.create_index(
        op.f("ix_publication_permission_customer_id"), "publication_permission", ["customer_id"], unique=False
    )
    op.create_table(
        "document_file",
        sa.Column("document_id", sa.String(length=36), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["customer_document.id"], name=op.f("fk_document_file_document_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_document_file")),
    )
