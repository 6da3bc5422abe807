"""Until when a consent form is wanted, and papers that somebody still has to shred."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Add the column and the table."""
    op.add_column("customer_document", sa.Column("destroy_by", sa.String(length=10)))
    op.create_index(op.f("ix_customer_document_destroy_by"), "customer_document", ["destroy_by"])
    op.create_table(
        "shredding",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("binder", sa.String(length=100), nullable=False),
        sa.Column("page", sa.String(length=50)),
        sa.Column("due_on", sa.String(length=10), nullable=False),
        sa.Column("destroyed_on", sa.String(length=10)),
        sa.Column("destroyed_by", sa.String(length=100)),
        sa.CheckConstraint(
            "(destroyed_on IS NULL) = (destroyed_by IS NULL)", name=op.f("ck_shredding_destroyed_by_somebody")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shredding")),
    )
    op.create_index(op.f("ix_shredding_destroyed_on"), "shredding", ["destroyed_on"])
