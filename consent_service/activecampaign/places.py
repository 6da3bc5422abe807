"""A contact's place on the list, read of the contact itself: the one answer about it that is believed.

Must not query the database or change anything.
"""

import re
from datetime import UTC, datetime
from typing import Any

from consent_service.activecampaign.calls import PAGE, Calls, number, rows
from consent_service.activecampaign.contacts import Membership

LONGEST_REASON = 200


def read_place(calls: Calls, list_id: int, contact_id: str) -> Membership:
    """Return what a contact's place on a list says, one without a status when it has none or is gone; raises Ended."""
    code, body = calls.call("GET", f"contacts/{contact_id}/contactLists?limit={PAGE}")  # in case it comes in pages
    for row in rows(body, "contactLists") if code != 404 else ():
        if isinstance(row, dict) and str(row.get("list")) == str(list_id):
            return _as_membership(row)
    return Membership()


def _as_membership(row: dict[str, Any]) -> Membership:
    campaign, reason = str(row.get("campaign") or ""), str(row.get("unsubreason") or "")
    return Membership(
        number(row.get("status")),
        _moment(str(row.get("udate") or "")),
        campaign if re.fullmatch(r"[1-9][0-9]{0,19}", campaign) else "",
        "".join(filter(str.isprintable, reason))[:LONGEST_REASON],
    )


def _moment(text: str) -> datetime | None:
    """A time with its offset; None for any other, since a time of no known place is none."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None
