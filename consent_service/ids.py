"""Ids of rows that are only ever added: they sort by the time they were made.

A new one then lands beside the last one in its index. With random ids each lands on a page of its own, and in a large
table everybody's commit writes that many more pages (docs/decisions/017). Of no use as a secret: whoever may not guess
something gets it signed. Imports nothing of ours.
"""

import secrets
from datetime import datetime


def new_id(now: datetime) -> str:
    """Return 32 hex digits: the milliseconds since 1970 as twelve, and 80 random bits."""
    return f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}"
