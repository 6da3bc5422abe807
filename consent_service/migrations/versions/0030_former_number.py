"""Numbers of customers who were merged into others, and finding customers by their phone."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0028"


def upgrade() -> None:
    """Add the table and the index."""
    op.create_table(
        "former_number",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("former_id", sa.String(length=36), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("merged_by", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_former_number_customer_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_former_number")),
        sa.UniqueConstraint("former_id", name=op.f("uq_former_number_former_id")),
    )
    op.create_index(op.f("ix_former_number_customer_id"), "former_number", ["customer_id"], unique=False)
    op.create_index(op.f("ix_customer_phone"), "customer", ["phone"], unique=False)
