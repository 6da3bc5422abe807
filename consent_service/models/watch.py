"""Tables of how the service stands: when something last happened, people by day, and what a week brought.

As `newsletter.py`: plain tables, the rules a function could forget as constraints; no queries, no Flask.
"""

from sqlalchemy import Column, Integer, String, Table

from consent_service.models.columns import UtcDateTime, metadata

daily_run = Table(
    "daily_run",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("done_on", String(10), nullable=False),
)

pulse = Table(
    "pulse",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)

# How many subscribers there were when a week began, which nobody could count afterwards.
headcount = Table(
    "headcount",
    metadata,
    Column("monday", String(10), primary_key=True),
    Column("active", Integer, nullable=False),
)

# What each finished week brought, for the weeks after it to be compared with.
week = Table(
    "week",
    metadata,
    Column("monday", String(10), primary_key=True),
    Column("asked", Integer, nullable=False),
    Column("confirmed", Integer, nullable=False),
    Column("stopped", Integer, nullable=False),
)
