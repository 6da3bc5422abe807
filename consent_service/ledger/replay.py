"""A person's row as their consent events alone tell it: the second opinion that the audit holds the row against.

Naive on purpose: it follows the events and shares no code with the use cases that write them. Must not read a table.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from consent_service.ledger.evidence import Event

COLUMNS = (
    "status", "first_name", "last_name", "language", "email", "asked_at",
    "active_since", "passive_since", "basis_event_id", "open_confirmation_id", "left_reason",
    "hold_reason", "held_since", "tracking_since", "tracking_event_id",
)  # fmt: skip


ASKED = (
    "purpose", "purpose_version", "source", "first_name", "last_name", "language",
    "staff_id", "staff_name", "channel", "occasion", "occasion_on", "import_batch_id",
)  # fmt: skip
STOPPED = ("withdrawn", "bounced", "removed", "objected")
NAMES = ("first_name", "last_name")
ANSWERED = ("used_at", "used_event_id", "declined_at")
LINK_WORKS_FOR = timedelta(days=7)
WRITTEN_WITHIN = timedelta(minutes=5)  # an event bears the time after those before it, not when the button was pressed
NOT_TRACKED: dict[str, object] = dict.fromkeys(("tracking_since", "tracking_event_id"))


def person(events: Sequence[Event]) -> dict[str, object]:
    """Return the columns in `COLUMNS` as the events tell them."""
    state: dict[str, object] = dict.fromkeys(COLUMNS)
    for event in events:
        core, at = event.core, datetime.fromisoformat(str(event.core["at"]))
        if core["kind"] == "requested":
            if state["status"] is None:
                state |= {"status": "pending", "email": core["email"]}
                state |= {name: core[name] for name in ("first_name", "last_name", "language")}
            state |= {"open_confirmation_id": core["confirmation"], "asked_at": at}
        elif core["kind"] == "imported":  # only ever somebody's first event
            state |= {name: core[name] for name in ("first_name", "last_name", "language", "email")}
            state |= {"status": "active", "asked_at": at, "active_since": at, "basis_event_id": event.id}
        elif core["kind"] == "confirmed":
            state |= {name: core[name] for name in ("first_name", "last_name", "language")}
            if "replaces" not in core:  # who moves to another address has been active all the while
                state |= {"active_since": at, **_tracking(event)}
            state |= {"status": "active", "passive_since": None, "email": core["email"]}
            state |= {"basis_event_id": event.id, "open_confirmation_id": None, "left_reason": None}
        elif core["kind"] == "corrected":
            state |= {name: core[name] for name in ("first_name", "last_name")}
        elif core["kind"] in ("declined", "cancelled"):
            state["open_confirmation_id"] = None
        elif core["kind"] in STOPPED:
            state["open_confirmation_id"] = None
            if state["status"] == "active":
                since = datetime.fromisoformat(str(core.get("since") or core["at"]))  # repeated after a restore
                state |= {"status": "passive", "passive_since": since, "basis_event_id": None, "left_reason": None}
                state |= NOT_TRACKED
        elif core["kind"] == "tracking_allowed":
            state |= _tracking(event)
        elif core["kind"] == "tracking_withdrawn":
            state |= NOT_TRACKED
        elif core["kind"] == "explained":
            state["left_reason"] = core["reason"]
        elif core["kind"] == "held":
            state |= {"hold_reason": core["reason"], "held_since": at}
        elif core["kind"] == "released":
            state |= {"hold_reason": None, "held_since": None}
    return state


def asks(events: Sequence[Event]) -> dict[str, dict[str, object]]:
    """Return the columns of each of the person's asks, by its id, as the events tell them."""
    found: dict[str, dict[str, object]] = {}
    open_ask: dict[str, object] = {}
    for event in events:
        core: dict[str, Any] = dict(event.core)
        at, answered = datetime.fromisoformat(core["at"]), found.get(core.get("confirmation", ""), {})
        if core["kind"] == "requested":
            told: dict[str, object] = {name: core.get(name) for name in ASKED}
            told |= {"asked_at": at, "statement_sha256": core["texts"]["consent"]} | dict.fromkeys(ANSWERED)
            told |= {"tracking_sha256": core["texts"].get("tracking"), "expires_at": at + LINK_WORKS_FOR}
            open_ask = found[core["confirmation"]] = told
        elif core["kind"] == "imported":
            claimed: dict[str, object] = {name: core.get(name) for name in ASKED}
            claimed |= {"asked_at": at, "statement_sha256": core["texts"]["import"], "tracking_sha256": None}
            used = {"expires_at": at, "used_at": at, "used_event_id": event.id, "declined_at": None}
            found[core["confirmation"]] = claimed | used
        elif core["kind"] == "corrected":
            open_ask.update({name: core[name] for name in NAMES})
        elif core["kind"] == "confirmed":
            answered.update({"used_at": at, "used_event_id": event.id})
        elif core["kind"] == "declined":
            answered.update({"declined_at": at})
        if core["kind"] in ("confirmed", "declined", "cancelled", *STOPPED):
            open_ask = {}
    return found


def is_late(ask: Mapping[str, Any]) -> bool:
    """Whether an ask, as `asks` tells it, was confirmed when its link worked no more."""
    return ask["used_at"] is not None and ask["used_at"] > ask["expires_at"] + WRITTEN_WITHIN


def _tracking(event: Event) -> dict[str, object]:
    """What an event that names the texts agreed to makes of the permission to track."""
    core: dict[str, Any] = dict(event.core)
    if "tracking" not in core["texts"]:
        return NOT_TRACKED
    return {"tracking_since": datetime.fromisoformat(core["at"]), "tracking_event_id": event.id}
