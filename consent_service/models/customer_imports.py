"""Tables of customers that come out of a spreadsheet: the import, its file, its rows, and which column was what.

As `newsletter.py`: plain tables, the rules a function could forget as constraints; no queries, no Flask. What was read
out of a row stands as JSON text, since nothing is looked for in it.
"""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from consent_service.models.columns import UtcDateTime, metadata
from consent_service.models.customers import customer

# What of a customer comes out of a row.
ARRIVING = (
    "number", "kind", "company_name", "business_id", "first_name", "last_name", "phone", "email", "email_key", "street",
    "postal_code", "city", "country", "billing_email", "billing_address", "billing_reference", "einvoice_address",
    "einvoice_operator", "source", "source_note", "notes", "language", "search_text",
)  # fmt: skip

customer_import = Table(
    "customer_import",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("file_name", String(200), nullable=False),
    Column("digest", String(64), nullable=False),  # of the file, so that one sent twice is one import
    Column("state", String(9), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    Column("created_by", String(100), nullable=False),
    Column("sheets", Text),  # of each its name, its rows, and the number of the row with the headings
    Column("sheet", Integer),
    Column("header", Integer),
    Column("columns", Text),  # what each column is, empty for one that is left out
    Column("source", String(20)),  # of customers whose row does not say where the data came from
    Column("waiting_since", UtcDateTime, nullable=False),  # when staff last had something done with it
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("reason", String(200)),  # why the file cannot be used
    Column("checked_at", UtcDateTime),
    Column("applied_at", UtcDateTime),
    Column("settled_at", UtcDateTime),  # when nothing of whom it added stood in its rows any more
    Column("undone_at", UtcDateTime),
    Column("emptied_at", UtcDateTime),  # when the last of what its rows said was erased
    Column("claimed_by", String(32)),
    Column("claimed_until", UtcDateTime),
    Column("tries", Integer, nullable=False),
    CheckConstraint(
        "state IN ('reading', 'refused', 'columns', 'checking', 'checked', 'applying', 'applied', 'undoing', 'undone')",
        name="state_known",
    ),
    CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name="refused_for_a_reason"),
    CheckConstraint("(claimed_by IS NULL) = (claimed_until IS NULL)", name="claim_is_whole"),
)

customer_import_file = Table(
    "customer_import_file",
    metadata,
    Column("import_id", ForeignKey("customer_import.id", ondelete="CASCADE"), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

customer_import_row = Table(
    "customer_import_row",
    metadata,
    Column("import_id", ForeignKey("customer_import.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("sheet", Integer, nullable=False),
    Column("number", Integer, nullable=False),  # of the row in its sheet
    Column("cells", Text),  # what stands there
    Column("details", Text),  # the same as it would be in the register
    Column("problems", Text),
    Column("given_number", Integer),  # the customer number that stands there, if it is free
    Column("state", String(8)),
    Column("customer_id", String(36), index=True),  # whom the row becomes, or became
    Column("match_id", String(36), index=True),  # whom it looks like
    Column("match_by", String(11)),
    Column("choice", String(8)),
    Column("outcome", String(9)),
    Column("filled", Text),  # which fields of somebody known were empty before
    CheckConstraint("state IN ('new', 'known', 'partly', 'unusable')", name="state_known"),
    CheckConstraint("choice IN ('add', 'complete', 'leave')", name="choice_known"),
    CheckConstraint("outcome IN ('added', 'completed', 'left', 'stayed')", name="outcome_known"),
    Index(None, "import_id", "state", "position"),
)

# Whoever comes into the register in a moment: written here little by little, taken over at once.
customer_arrival = Table(
    "customer_arrival",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("import_id", ForeignKey("customer_import.id", ondelete="CASCADE"), nullable=False, index=True),
    *(Column(name, customer.c[name].type) for name in ARRIVING),
)

customer_mapping = Table(
    "customer_mapping",
    metadata,
    Column("headers_hash", String(64), primary_key=True),
    Column("columns", Text, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
)
