"""Subscribers of an earlier list: the batches they were brought over in, and those who still have to be asked."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

COUNTED = ("imported", "waiting", "skipped")
MOMENT = sa.DateTime(timezone=True)
COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the two tables, and let an ask name the batch it comes from."""
    op.create_table(
        "import_batch",
        sa.Column("id", sa.String(length=8), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("grade", sa.String(length=20), nullable=False),
        sa.Column("imported_by", sa.String(length=100), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.Column("undone_at", MOMENT),
        *(sa.Column(name, sa.Integer(), nullable=False, server_default="0") for name in COUNTED),
        sa.CheckConstraint("source IN ('file', 'activecampaign')", name="ck_import_batch_source_known"),
        sa.PrimaryKeyConstraint("id", name="pk_import_batch"),
    )
    op.create_table(
        "import_row",
        sa.Column("id", COUNT, autoincrement=True, nullable=False),
        sa.Column("batch_id", sa.String(length=8), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("first_name", sa.String(length=100), nullable=False),
        sa.Column("last_name", sa.String(length=100), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("invited_at", MOMENT),
        sa.ForeignKeyConstraint(["batch_id"], ["import_batch.id"], name="fk_import_row_batch_id"),
        sa.PrimaryKeyConstraint("id", name="pk_import_row"),
        sa.UniqueConstraint("email_key", name="uq_import_row_email_key"),
    )
    for column in ("batch_id", "created_at", "invited_at"):
        op.create_index(f"ix_import_row_{column}", "import_row", [column])
    # With its constraint in one statement, which both databases take.
    key = "CONSTRAINT fk_confirmation_import_batch_id REFERENCES import_batch (id)"
    op.execute(f"ALTER TABLE confirmation ADD COLUMN import_batch_id VARCHAR(8) {key}")
    op.create_index("ix_confirmation_import_batch_id", "confirmation", ["import_batch_id"])
