"""ActiveCampaign's API v3: bring one contact there in line with the state here.

Every call is an upsert, so a lost answer is answered by doing it again. The list status is read from the body of an
answer, never from 200 alone. Must not query the database or decide consent.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from consent_service.activecampaign.calls import Calls, Ended, by_address, id_of, is_of, number, part, rows
from consent_service.activecampaign.contacts import (
    DELETED,
    NOT_THERE,
    SUBSCRIBED,
    UNSUBSCRIBED,
    ContactState,
    Leaving,
    Look,
    Membership,
    Parcel,
    Seen,
    Stranger,
)
from consent_service.activecampaign.own_link import LinkField
from consent_service.activecampaign.places import read_place
from consent_service.activecampaign.tags import Tags
from consent_service.delivery.outbox import Delivered, Outcome, Rejected, Retry

RESUBSCRIBE_SOURCE = 4  # documented for a contact that left and comes back with a fresh confirmation
SEARCH_AGAIN = timedelta(minutes=10)
FORBIDDEN = 403


class Account:
    """What this service does in one ActiveCampaign account, with the contacts of one list."""

    def __init__(self, calls: Calls, list_id: int):
        self._calls = calls
        self._list_id = list_id
        self._field = LinkField(calls)
        self._tags = Tags(calls)

    def deliver(self, contact: Parcel) -> Outcome:
        """Bring the contact in line, delete it or look at it; returns Delivered with its id there, Retry or Rejected.

        Who left there is not put back on the list without a newer confirmation: then the answer is Seen.
        """
        try:
            match contact:
                case Leaving():
                    return self._delete(contact)
                case Stranger():
                    return self._take_off(contact)
                case Look():
                    return self._look(contact.contact)
            known = self._readdress(contact, contact.former_email) if contact.former_email else contact
            outcome = self._subscribe(known) if known.is_active else self._unsubscribe(known)
            return self._finish(contact, outcome)
        except Ended as ended:
            return ended.outcome

    def check(self) -> str | None:
        """Return what is wrong with the address, the key or the list, or None."""
        try:
            status, _ = self._calls.call("GET", f"lists/{self._list_id}")
        except Ended as ended:
            return str(ended)
        return None if status == 200 else f"list {self._list_id} does not exist there"

    def close(self) -> None:
        """Close the connection kept open."""
        self._calls.close()

    def _finish(self, contact: ContactState, outcome: Outcome) -> Outcome:
        """Bring the tag in line too, once the list is, and say which field has the person's own link now."""
        if not isinstance(outcome, Delivered):
            return outcome
        if (wanted := contact.wants_tag(outcome)) is not None:
            self._tags.set(str(outcome.contact_id), is_tagged=wanted)
        return replace(outcome, link_field=self._field.id) if contact.is_active else outcome

    def _readdress(self, contact: ContactState, former: str) -> ContactState:
        """Give the contact its new address there; a sync with the new address alone would make a second contact."""
        contact_id = contact.contact_id
        if contact_id is None and contact.was_forwarded:
            contact_id = self._find(former) or self._sync(replace(contact, email=former))
        if contact_id is None:
            return contact
        if not contact.is_active:  # first: the address may be refused, or its change take many tries
            self._take_off_list(contact_id)
        path, wanted = f"contacts/{quote(contact_id, safe='')}", {"contact": {"email": contact.email}}
        status, body = self._calls.call("PUT", path, wanted, is_taken=True)
        # Where the company knew the new address already, that contact is the one to go on with.
        if status == 422:
            self._leave_behind(contact, contact_id)
        if status in (404, 422):
            return replace(contact, contact_id=None, was_forwarded=False)
        if not is_of(part(body, "contact"), contact.email):
            raise Ended(Retry("ActiveCampaign's answer to a change of address cannot be read"))
        return replace(contact, contact_id=contact_id)

    def _leave_behind(self, contact: ContactState, contact_id: str) -> None:
        """Take a contact off the list that is not the person's any more, and the tag off it."""
        self._take_off_list(contact_id)
        if contact.tagging:
            self._tags.set(contact_id, is_tagged=False)

    def _subscribe(self, contact: ContactState) -> Outcome:
        if contact.basis and contact.basis.is_forwarded and contact.was_forwarded:
            return self._update(contact)
        contact_id = self._sync(contact)
        if contact.contact_id not in (None, contact_id):  # somebody there gave it an address that was not confirmed
            self._leave_behind(contact, contact.contact_id)
        is_imported = contact.basis is not None and contact.basis.is_imported
        if contact.basis and (contact.was_forwarded or contact.basis.may_be_outdated(self._calls.now())):
            found = self._place(contact_id)
            if contact.basis.is_outdated_by(found):
                return Seen(contact_id=contact_id, membership=found)
        # Whoever was only imported has made no new wish by which the account could let them come back, unless they
        # never left: this service had taken them off.
        may_come_back = contact.basis is None or not is_imported or contact.basis.taken_off_at is not None
        source = {"sourceid": RESUBSCRIBE_SOURCE} if may_come_back else {}
        status = self._set_status(contact_id, SUBSCRIBED, **source)
        if status == SUBSCRIBED:
            return Delivered(contact_id=contact_id)
        return Retry("ActiveCampaign did not take the contact onto the list")

    def _update(self, contact: ContactState) -> Outcome:
        """Bring the names of somebody in line whose confirmation was taken over; their status there is only read."""
        contact_id = contact.contact_id or self._find(contact.email)
        found = self._place(contact_id) if contact_id else Membership()
        if contact_id and found.status == SUBSCRIBED:
            contact_id = self._correct(contact, contact_id)
        return Seen(contact_id=contact_id, membership=found)

    def _unsubscribe(self, contact: ContactState) -> Outcome:
        if contact.contact_id and self._set_status(contact.contact_id, UNSUBSCRIBED) == UNSUBSCRIBED:
            return Delivered(contact_id=contact.contact_id)
        contact_id = self._find(contact.email)
        if contact_id is None and (contact.contact_id or not contact.was_forwarded):
            return Delivered("no such contact there")
        # An answer that held the id was lost, and a new contact may not be found by searching yet: sync knows it.
        contact_id = contact_id or self._sync(contact)
        if self._set_status(contact_id, UNSUBSCRIBED) == UNSUBSCRIBED:
            return Delivered(contact_id=contact_id)
        return Retry("ActiveCampaign did not take the contact off the list")

    def _look(self, contact: ContactState) -> Outcome:
        contact_id = contact.contact_id or self._find(contact.email)
        if contact_id is None:
            return Delivered(NOT_THERE)
        return Seen(contact_id=contact_id, membership=self._place(contact_id))

    def _take_off(self, stranger: Stranger) -> Outcome:
        if self._place(stranger.contact_id).status != SUBSCRIBED:
            return Delivered(NOT_THERE)
        self._take_off_list(stranger.contact_id)
        return Delivered()

    def _delete(self, leaving: Leaving) -> Outcome:
        known = leaving.contact_id
        removed = known if known and self._remove(known) else None
        found = self._find(leaving.email, strictly=True)
        if found is not None:  # also what became of a deleted contact that somebody there made again
            removed = found if self._remove(found) else removed
        elif known is None and not leaving.is_settled:
            return Retry("not found yet; a contact just made may be found later", after=SEARCH_AGAIN)
        return Delivered(DELETED if removed else NOT_THERE, contact_id=removed or known)

    def _remove(self, contact_id: str) -> bool:
        try:
            code, body = self._calls.call("DELETE", f"contacts/{quote(contact_id, safe='')}")
        except Ended as ended:
            if ended.status != FORBIDDEN or not isinstance(ended.outcome, Retry):
                raise
            # A right of its own, and counted by the month: everything else may get through, and need not wait.
            raise Ended(replace(ended.outcome, peer_down=False), FORBIDDEN) from None
        if code != 404 and not isinstance(body, dict):  # a page of something in between, which deleted nothing
            raise Ended(Retry("ActiveCampaign's answer to a deletion cannot be read"))
        return code != 404

    def _sync(self, contact: ContactState) -> str:
        """Make the contact of an address or bring it in line, and return its id."""

        def tell(wanted: dict[str, Any]) -> str | None:
            body = {"contact": {"email": contact.email} | wanted}
            found = part(self._calls.call("POST", "contact/sync", body)[1], "contact")
            return id_of(found) if is_of(found, contact.email) else None

        return self._tell(contact, tell)

    def _correct(self, contact: ContactState, contact_id: str) -> str:
        """Bring a contact in line by its id: where somebody gave it another address, a sync would make a second one."""

        def tell(wanted: dict[str, Any]) -> str | None:
            if not wanted:
                return contact_id
            path = f"contacts/{quote(contact_id, safe='')}"
            found = id_of(part(self._calls.call("PUT", path, {"contact": wanted})[1], "contact"))
            return found if found == contact_id else None

        return self._tell(contact, tell)

    def _tell(self, contact: ContactState, tell: Callable[[dict[str, Any]], str | None]) -> str:
        """Tell a person's names, with their own link where there is a field for it; the id of the contact told of."""
        names = {"firstName": contact.first_name, "lastName": contact.last_name}
        known: dict[str, Any] = {name: value for name, value in names.items() if value}  # empty, it would blank one
        field = self._field.look_up() if contact.own_link else None
        link = {"fieldValues": [{"field": field, "value": contact.own_link.url}]} if contact.own_link and field else {}
        try:
            told = tell(known | link)
        except Ended as ended:
            if not link or not isinstance(ended.outcome, Rejected):
                raise
            # What a value for a field that is gone does is written nowhere, and the person matters more than the link.
            told = tell(known)
            self._field.forget()
        if told is None:
            raise Ended(Retry("ActiveCampaign's answer about a contact names another one or none"))
        return told

    def _find(self, email: str, *, strictly: bool = False) -> str | None:
        if not email:  # an empty filter brings everybody, and a contact may have no address
            return None
        _, body = self._calls.call("GET", f"contacts?email={quote(email, safe='')}")
        found = by_address(body, email)
        if strictly and found is None and rows(body, "contacts"):
            raise Ended(Retry("ActiveCampaign's search did not look for the address"))
        return str(found["id"]) if found else None

    def _set_status(self, contact_id: str, status: int, **extra: int) -> int | None:
        wanted = {"list": self._list_id, "contact": contact_id, "status": status} | extra
        code, body = self._calls.call("POST", "contactLists", {"contactList": wanted})
        if code == 404:
            return None
        answered = number(part(body, "contactList").get("status"))
        return answered if answered is not None else self._place(contact_id).status

    def _take_off_list(self, contact_id: str) -> None:
        """Unsubscribe a contact unless it is gone; raises Ended when it is not known to be off the list."""
        if self._set_status(contact_id, UNSUBSCRIBED) not in (UNSUBSCRIBED, None):
            raise Ended(Retry("ActiveCampaign did not take the contact off the list"))

    def _place(self, contact_id: str) -> Membership:
        return read_place(self._calls, self._list_id, contact_id)
