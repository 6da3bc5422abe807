"""Tables beside ActiveCampaign: contacts and data known there, strangers on the list, and when it was called.

As `newsletter.py`: plain tables, the rules a function could forget as constraints; no queries, no Flask.
"""

from sqlalchemy import Column, ForeignKey, LargeBinary, String, Table

from consent_service.models.columns import UtcDateTime, metadata

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
