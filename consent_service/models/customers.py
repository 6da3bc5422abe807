"""Tables of the customer register: customers, their documents, and what may be published about them.

As `newsletter.py`: plain tables, the rules a function could forget as constraints; no queries, no Flask. Days are ISO
dates (`2026-11-29`) as text.
"""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from consent_service.models.columns import UtcDateTime, metadata

customer = Table(
    "customer",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("kind", String(8), nullable=False),
    Column("company_name", String(200)),
    Column("business_id", String(9)),
    Column("first_name", String(100)),  # of a company, its contact person's
    Column("last_name", String(100)),
    Column("phone", String(20)),  # as E.164 has it
    Column("email", String(320)),
    Column("email_key", String(320)),
    Column("street", String(200)),
    Column("postal_code", String(20)),
    Column("city", String(100)),
    Column("country", String(2)),
    Column("billing_email", String(320)),
    Column("billing_address", String(300)),
    Column("billing_reference", String(100)),
    Column("einvoice_address", String(35)),
    Column("einvoice_operator", String(35)),
    Column("source", String(20), nullable=False),
    Column("source_note", String(200)),
    Column("notes", String(4000)),
    Column("language", String(2), nullable=False),
    Column("search_text", String(2000), nullable=False),  # all that is searched, in the form it is compared in
    Column("status", String(7), nullable=False),
    Column("passive_since", UtcDateTime),
    Column("restricted_at", UtcDateTime),
    Column("restriction_reason", String(200)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(100), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("erased_at", UtcDateTime),  # all but the number and documents that the law keeps is gone
    CheckConstraint("kind IN ('consumer', 'company')", name="kind_known"),
    CheckConstraint("status IN ('active', 'passive')", name="status_known"),
    CheckConstraint("(status = 'passive') = (passive_since IS NOT NULL)", name="passive_has_time"),
    CheckConstraint("(email IS NULL) = (email_key IS NULL)", name="address_is_whole"),
    CheckConstraint("(restricted_at IS NULL) = (restriction_reason IS NULL)", name="restriction_has_reason"),
    CheckConstraint("erased_at IS NOT NULL OR last_name IS NOT NULL OR company_name IS NOT NULL", name="has_a_name"),
    CheckConstraint(
        "erased_at IS NULL OR (company_name IS NULL AND business_id IS NULL AND first_name IS NULL AND"
        " last_name IS NULL AND phone IS NULL AND email IS NULL AND street IS NULL AND notes IS NULL AND"
        " billing_email IS NULL AND billing_address IS NULL AND search_text = '')",
        name="erased_is_empty",
    ),
    Index(None, "email_key"),
    Index(None, "business_id"),
    Index(None, "phone"),
    Index(None, "status", "passive_since"),
)

# The number the next customer gets: none is given twice, even when the newest customer is gone.
customer_number = Table(
    "customer_number",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("next", Integer, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

# The number of a customer who was merged into another: it leads to that one, as long as they are here.
former_number = Table(
    "former_number",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("former_id", String(36), nullable=False, unique=True),
    Column("customer_id", ForeignKey("customer.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("merged_at", UtcDateTime, nullable=False),
    Column("merged_by", String(100), nullable=False),
)

# The key under which a customer's files are encrypted, wrapped as people's keys are.
customer_key = Table(
    "customer_key",
    metadata,
    Column("customer_id", ForeignKey("customer.id", ondelete="CASCADE"), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
)

customer_document = Table(
    "customer_document",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("customer_id", ForeignKey("customer.id"), nullable=False, index=True),
    Column("kind", String(30), nullable=False),
    Column("title", String(200)),
    Column("dated_on", String(10), nullable=False),
    Column("financial_year_end", String(10)),  # of the year the document belongs to
    Column("ended_on", String(10)),  # when what it agrees on ended
    Column("retention_class", String(10), nullable=False),
    Column("keep_until", String(10)),  # the last day it has to be kept; None while no law or claim asks for it
    Column("destroy_by", String(10)),  # the day on which a consent form is to be destroyed
    Column("binder", String(100)),
    Column("page", String(50)),
    Column("file_name", String(200)),
    Column("media_type", String(100)),
    Column("size", Integer),
    Column("added_at", UtcDateTime, nullable=False),
    Column("added_by", String(100), nullable=False),
    CheckConstraint("retention_class IN ('voucher', 'book', 'contract', 'other')", name="class_known"),
    CheckConstraint("(binder IS NULL) <> (file_name IS NULL)", name="on_paper_or_a_file"),
    CheckConstraint(
        "(file_name IS NULL) = (media_type IS NULL) AND (file_name IS NULL) = (size IS NULL)", name="file_is_whole"
    ),
    Index(None, "keep_until"),
    Index(None, "destroy_by"),
)

document_file = Table(
    "document_file",
    metadata,
    Column("document_id", ForeignKey("customer_document.id", ondelete="CASCADE"), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),  # AES-256-GCM under the customer's key
)

publication_permission = Table(
    "publication_permission",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("customer_id", ForeignKey("customer.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("what", String(500), nullable=False),
    Column("places", String(500), nullable=False),
    Column("given_on", String(10), nullable=False),
    Column("until_on", String(10)),
    Column("withdrawn_on", String(10)),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("recorded_by", String(100), nullable=False),
)

# A paper whose entry is gone: it names nobody, only the place where somebody finds it and has to take it out.
shredding = Table(
    "shredding",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(30), nullable=False),
    Column("binder", String(100), nullable=False),
    Column("page", String(50)),
    Column("due_on", String(10), nullable=False),
    Column("destroyed_on", String(10)),
    Column("destroyed_by", String(100)),
    CheckConstraint("(destroyed_on IS NULL) = (destroyed_by IS NULL)", name="destroyed_by_somebody"),
    Index(None, "destroyed_on"),
)
