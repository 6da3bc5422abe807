"""Tables beside ActiveCampaign: comparisons with its list, contacts and data known there, and when it was called.

As `newsletter.py`: plain tables, the rules a function could forget as constraints; no queries, no Flask.
"""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, LargeBinary, String, Table

from consent_service.models.columns import Count, UtcDateTime, metadata

# How a contact that was deleted at ActiveCampaign is known again if somebody there restores it.
deleted_contact = Table(
    "deleted_contact",
    metadata,
    Column("subscriber_id", String(36), primary_key=True),
    Column("address_hash", String(64), nullable=False, index=True),
    Column("contact_id", String(20), index=True),
    Column("erased_at", UtcDateTime, nullable=False, index=True),
)

# What ActiveCampaign holds about a person who asked for it, under their own key, for a few days.
held_there = Table(
    "held_there",
    metadata,
    Column("subscriber_id", ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True),
    Column("fetched_at", UtcDateTime, nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
)

# One comparison of the list at ActiveCampaign with the people here: how far it has come, and who is at it.
reconcile_run = Table(
    "reconcile_run",
    metadata,
    Column("id", Count, primary_key=True, autoincrement=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("applies", Boolean, nullable=False),
    Column("by_hand", Boolean, nullable=False),
    Column("list_id", BigInteger),
    Column("phase", String(10), nullable=False),
    Column("cursor", String(36), nullable=False),
    Column("contacts", BigInteger, nullable=False, server_default="0"),
    Column("calls", BigInteger, nullable=False, server_default="0"),
    Column("takes_off", Boolean),  # whether strangers may be taken off the list; decided when all are counted
    Column("believes_gone", Boolean),  # whether who is missing there may become passive; decided then too
    Column("claimed_by", String(32)),
    Column("claimed_until", UtcDateTime),
    Column("trouble", String(200)),
    Column("ended_at", UtcDateTime),
    Column("is_open", Boolean, unique=True),  # true or nothing: there is one at a time
    CheckConstraint("(is_open IS NULL) = (ended_at IS NOT NULL)", name="open_until_end"),
    CheckConstraint("phase IN ('list', 'people', 'deleted', 'settle', 'done', 'given up')", name="phase_known"),
)

drift = Table(
    "drift",
    metadata,
    Column("id", Count, primary_key=True, autoincrement=True),
    Column("run_id", Count, ForeignKey("reconcile_run.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String(20), nullable=False),
    Column("subscriber_id", ForeignKey("subscriber.id", ondelete="CASCADE"), index=True),
    Column("contact_id", String(20)),
    Column("is_repaired", Boolean, nullable=False),
)

# A contact on the list there without permission here: its address, until it has been taken off the list.
stranger = Table(
    "stranger",
    metadata,
    Column("contact_id", String(20), primary_key=True),
    Column("email_key", String(320), nullable=False, index=True),
    Column("found_at", UtcDateTime, nullable=False),
)

# Whom this service took off the list there, since an import was undone: `taken_off_at` once it surely was our doing.
taken_off = Table(
    "taken_off",
    metadata,
    Column("address_hash", String(64), primary_key=True),
    Column("contact_id", String(20), nullable=False, index=True),
    Column("undone_at", UtcDateTime, nullable=False, index=True),
    Column("taken_off_at", UtcDateTime),
)

call_budget = Table(
    "call_budget",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("next_at", UtcDateTime, nullable=False),
)
