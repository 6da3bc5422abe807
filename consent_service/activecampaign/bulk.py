"""ActiveCampaign's bulk import: many contacts onto the list in one call, and what became of them, read later.

An import is queued there, never subscribes somebody who unsubscribed there, and fires no webhooks. It says who was
taken, and that is not believed: only who is seen on the list afterwards was brought there. Sent twice it makes nobody
twice, since contacts are matched by address. Must not query the database.
"""

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from consent_service.activecampaign.calls import PAGE, Calls, Ended, number, rows
from consent_service.activecampaign.contacts import SUBSCRIBED, UNSUBSCRIBED, BulkLook, Carried, ContactState
from consent_service.activecampaign.listing import Listing
from consent_service.activecampaign.own_link import LinkField
from consent_service.activecampaign.pacing import CallBudget
from consent_service.delivery.outbox import ALONE, Hold, Outcome, Rejected, Retry

LARGEST = 399_999  # bytes of one call
FEWEST = 10  # the smallest group the bulk import is meant for
MOST_CALLS = 12  # to find out whom a call is refused for; then each goes alone
FULL = timedelta(minutes=1)  # the limit counts calls in a minute
PATIENCE = timedelta(minutes=10)  # then single calls do what an import has not done
FIRST_LOOK = timedelta(seconds=2)
UNKNOWN = timedelta(minutes=1)  # so long an import may be too new to be known
UNSEEN = timedelta(minutes=2)  # so long a search may not show contacts just made
FORGOTTEN = timedelta(days=1)


class Bulk:
    """Bulk imports onto one list of an account; `pace` is the budget of these calls alone."""

    def __init__(self, calls: Calls, list_id: int, pace: CallBudget):
        self._calls = calls
        self._list_id = list_id
        self._listing = Listing(calls, list_id)
        self._pace = pace
        self._field = LinkField(calls)
        self._link_marks: dict[str, str] = {}  # of imports under way; what a restart forgets, the next set-up renews
        self._full_until: datetime | None = None

    def deliver(self, contacts: Sequence[ContactState]) -> list[Outcome]:
        """Hand contacts over, and return for each, in order, what its message has to wait for.

        A contact because of which the others are refused goes alone.
        """
        try:
            self._field.look_up()
        except Ended as ended:
            return [ended.outcome] * len(contacts)
        told: dict[str, Outcome] = {}
        groups = [list(contacts)]
        for _ in range(MOST_CALLS):
            if not groups:
                break
            group = groups.pop()
            answer = self._hand_over(group) if len(group) >= FEWEST else []
            if isinstance(answer, Retry):  # nothing else would get through either
                group, groups = [*group, *(one for rest in groups for one in rest)], []
            if isinstance(answer, list):
                groups += answer
            else:
                told |= {one.email: answer for one in group}
        alone = self._alone()
        return [told.get(one.email, alone) for one in contacts]

    def look(self, sent: BulkLook) -> Outcome:
        """Return whom an import brought onto the list, or when to look again."""
        if sent.age >= FORGOTTEN:
            return Carried("never told how it went")
        try:
            ids = self._taken(sent)
            contacts = self._on_list(ids) if ids else {}
        except Ended as ended:
            return Carried(ended.outcome.reason) if isinstance(ended.outcome, Rejected) else ended.outcome
        if ids is None or (ids and not contacts and sent.age < UNSEEN):
            again = self._pace.now() + max(FIRST_LOOK, sent.age / 2)
            return Hold(again, "ActiveCampaign has not finished the import")
        return Carried(contacts=contacts, link_mark=self._link_marks.pop(sent.bulk_id, None))

    def _hand_over(self, group: list[ContactState]) -> Outcome | list[list[ContactState]]:
        """An outcome for the whole group, or smaller groups to try instead; who is in none of them goes alone."""
        if self._full_until and self._pace.now() < self._full_until:
            return self._full(self._full_until)
        wanted = {"contacts": [self._entry(one) for one in group]}
        if len(json.dumps(wanted)) > LARGEST:
            return _halves(group)
        if not self._pace.take_turn():
            return Hold(self._pace.now(), "the relay was stopped before its turn to call")
        try:
            status, answer = self._calls.call("POST", "import/bulk_import", wanted, is_explained=True)
        except Ended as ended:
            return self._alone() if isinstance(ended.outcome, Rejected) else ended.outcome
        return self._refused(group, answer) if status == 400 else self._accepted(group, status, answer)

    def _accepted(self, group: list[ContactState], status: int, answer: Any) -> Outcome:
        if status == 404:  # an account without it
            return self._alone()
        bulk_id = str(answer.get("batchId")) if isinstance(answer, dict) else ""
        if not re.fullmatch(r"[0-9A-Za-z-]{8,64}", bulk_id):
            return Retry("ActiveCampaign's answer to an import cannot be read")
        if self._field.id and group[0].own_link:
            self._link_marks[bulk_id] = group[0].own_link.mark(self._field.id)
        return Hold(self._pace.now() + PATIENCE, "ActiveCampaign has not finished the import", bulk_id)

    def _refused(self, group: list[ContactState], answer: Any) -> Outcome | list[list[ContactState]]:
        said = answer if isinstance(answer, dict) else {}
        if "rate limit" in str(said.get("message", "")).lower():
            self._full_until = self._pace.now() + FULL
            return self._full(self._full_until)
        named = _named(said.get("failureReasons"))
        rest = [one for place, one in enumerate(group) if place not in named]
        return [rest] if len(rest) < len(group) else _halves(group)

    def _taken(self, sent: BulkLook) -> list[str] | None:
        """The ids of the contacts an import says it took; None while it is under way."""
        asked = urlencode({"batchId": sent.bulk_id})
        status, answer = self._calls.call("GET", f"import/info?{asked}", is_explained=True)
        if status in (400, 404):
            return None if sent.age < UNKNOWN else []
        if not isinstance(answer, dict):
            raise Ended(Retry("ActiveCampaign's answer about an import cannot be read"))
        if answer.get("status") != "completed":
            return None
        ids = (str(one) for one in rows(answer, "success"))
        return [one for one in dict.fromkeys(ids) if re.fullmatch(r"[0-9]{1,20}", one)]

    def _on_list(self, ids: list[str]) -> dict[str, str]:
        """Which of these contacts are active on the list; nobody unless the search was seen to do as it was asked."""
        pages = [ids[start : start + PAGE] for start in range(0, len(ids), PAGE)]
        found: dict[str, str] = {}
        for page in pages:
            seen = {one.contact_id: one.email.lower() for one in self._listing.among(page, SUBSCRIBED)}
            if seen.keys() - set(page):  # an unknown filter is ignored there and everybody comes back
                return {}
            found |= seen
        gone = {one.contact_id for one in self._listing.among(pages[0], UNSUBSCRIBED)} if found else set()
        if not found or gone & found.keys() or not self._listing.is_active(next(iter(found))):
            return {}
        return {email: contact_id for contact_id, email in found.items()}

    def _entry(self, contact: ContactState) -> dict[str, Any]:
        names = {"first_name": contact.first_name, "last_name": contact.last_name}
        known: dict[str, Any] = {name: value for name, value in names.items() if value}
        if self._field.id and contact.own_link:
            known["fields"] = [{"id": int(self._field.id), "value": contact.own_link.url}]
        return {"email": contact.email, "subscribe": [{"listid": self._list_id}]} | known

    def _alone(self) -> Hold:
        return Hold(self._pace.now(), "the bulk import does not take it", ALONE)

    def _full(self, until: datetime) -> Hold:
        return Hold(until, "ActiveCampaign takes no more imports for a minute")


def _halves(group: list[ContactState]) -> list[list[ContactState]]:
    middle = len(group) // 2
    return [group[:middle], group[middle:]]


def _named(reasons: object) -> set[int]:
    """The places in a group of those a refusal names; nobody says whether they are counted from 0 or from 1."""
    told = [one.get("contact") for one in reasons if isinstance(one, dict)] if isinstance(reasons, list) else []
    places = [place for one in told if (place := number(one)) is not None]
    return {*places, *(place - 1 for place in places)}
