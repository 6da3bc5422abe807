"""A person's row as their consent events alone tell it: the second opinion that the audit holds the row against.

Naive on purpose: it follows the events and shares no code with the use cases that write them. Must not read a table.
"""

from datetime import datetime

from consent_service.ledger.evidence import Event

COLUMNS = (
    "status", "first_name", "last_name", "language", "email",
    "active_since", "passive_since", "basis_event_id", "open_confirmation_id", "left_reason",
    "hold_reason", "held_since",
)  # fmt: skip


def replay(events: list[Event]) -> dict[str, object]:
    """Return the columns in `COLUMNS` as the events tell them."""
    state: dict[str, object] = dict.fromkeys(COLUMNS)
    for event in events:
        core, at = event.core, datetime.fromisoformat(str(event.core["at"]))
        if core["kind"] == "requested":
            if state["status"] is None:
                state |= {"status": "pending", "email": core["email"]}
                state |= {name: core[name] for name in ("first_name", "last_name", "language")}
            state["open_confirmation_id"] = core["confirmation"]
        elif core["kind"] == "confirmed":
            state |= {name: core[name] for name in ("first_name", "last_name", "language")}
            if state["status"] != "active":  # who moves to another address has been active all the while
                state["active_since"] = at
            state |= {"status": "active", "passive_since": None, "email": core["email"]}
            state |= {"basis_event_id": event.id, "open_confirmation_id": None, "left_reason": None}
        elif core["kind"] == "corrected":
            state |= {name: core[name] for name in ("first_name", "last_name")}
        elif core["kind"] in ("declined", "cancelled"):
            state["open_confirmation_id"] = None
        elif core["kind"] in ("withdrawn", "objected"):
            state["open_confirmation_id"] = None
            if state["status"] == "active":
                state |= {"status": "passive", "passive_since": at, "basis_event_id": None, "left_reason": None}
        elif core["kind"] == "explained":
            state["left_reason"] = core["reason"]
        elif core["kind"] == "held":
            state |= {"hold_reason": core["reason"], "held_since": at}
        elif core["kind"] == "released":
            state |= {"hold_reason": None, "held_since": None}
    return state
