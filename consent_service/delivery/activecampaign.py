"""ActiveCampaign's API v3: bring one contact there in line with the state here.

Every call is an upsert, so a lost answer is answered by doing it again. An answer is believed only as far as it can be
read: the list status is read from the body, never from 200 alone. Must not query the database or decide consent.
"""

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn
from urllib.parse import quote

import requests

from consent_service.delivery.outbox import Delivered, Hold, Outcome, Rejected, Retry
from consent_service.delivery.pacing import CallBudget, Unpaced

TIMEOUT_S = 10
LARGEST_ANSWER = 1024 * 1024
SUBSCRIBED, UNSUBSCRIBED, BOUNCED = 1, 2, 3
LEFT = (UNSUBSCRIBED, BOUNCED)
LONGEST_REASON = 200
CLOCKS_DIFFER = timedelta(seconds=5)  # nobody gets a newsletter and leaves it sooner after confirming
RESUBSCRIBE_SOURCE = 4  # documented for a contact that left and comes back with a fresh confirmation
SEARCH_AGAIN = timedelta(minutes=10)
LONGEST_WISH = timedelta(days=1)  # a slip of theirs in `Retry-After` must not stop forwarding for years
TAKEN = "duplicate"
DELETED, NOT_THERE = "deleted", "no such contact there"
REFUSED_FOR_GOOD = (400, 405, 413, 415, 422)


@dataclass(frozen=True)
class Membership:
    """What a contact's place on the list says: its status, and of one who left when, from which campaign and why."""

    status: int | None = None
    left_at: datetime | None = None
    campaign: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Basis:
    """The confirmation that makes somebody active: its event, its time, and whether it was taken over there."""

    event_id: str
    confirmed_at: datetime
    is_forwarded: bool

    def is_outdated_by(self, found: Membership) -> bool:
        """Whether somebody left there after this confirmation, as far as can be told."""
        is_later = found.left_at is not None and found.left_at - self.confirmed_at > CLOCKS_DIFFER
        return found.status in LEFT and (self.is_forwarded or is_later)


@dataclass(frozen=True)
class ContactState:
    """What a contact there has to look like: active on the list, or unsubscribed from it.

    `contact_id` is the id its last answer named; `was_forwarded` without one means that an answer may have been lost.
    `former_email` is the address it still has there, when the person has moved to another one since.
    """

    email: str
    first_name: str
    last_name: str
    is_active: bool
    contact_id: str | None
    was_forwarded: bool
    former_email: str | None = None
    basis: Basis | None = None


@dataclass(frozen=True)
class Look:
    """A contact whose status there has to be read, because something there said that it changed."""

    contact: ContactState


@dataclass(frozen=True)
class Seen(Delivered):
    """The contact's place on the list was read and not changed."""

    membership: Membership = Membership()


@dataclass(frozen=True)
class Leaving:
    """A contact that has to be deleted there: by its id, and by its address as long as a search finds one.

    `is_settled` says that enough time has passed for a search that finds nobody to be believed.
    """

    email: str
    contact_id: str | None
    is_settled: bool


class _Ended(Exception):
    def __init__(self, outcome: Outcome):
        self.outcome = outcome


class Account:
    """One ActiveCampaign account: base address without `/api/3`, key, the list's id, and the shared call budget."""

    def __init__(self, url: str, token: str, list_id: int, budget: CallBudget | Unpaced):
        self._base = f"{url}/api/3"
        self._list_id = list_id
        self._budget = budget
        self._http = requests.Session()
        self._http.trust_env = False  # neither a proxy nor a .netrc of the machine gets to see the key
        self._http.headers.update({"Api-Token": token, "Accept": "application/json"})

    def deliver(self, contact: ContactState | Leaving | Look) -> Outcome:
        """Bring the contact in line, delete it or look at it; returns Delivered with its id there, Retry or Rejected.

        Who left there is not put back on the list without a newer confirmation: then the answer is Seen.
        """
        try:
            if isinstance(contact, Leaving):
                return self._delete(contact)
            if isinstance(contact, Look):
                return self._look(contact.contact)
            if contact.former_email:
                contact = self._readdress(contact, contact.former_email)
            return self._subscribe(contact) if contact.is_active else self._unsubscribe(contact)
        except _Ended as ended:
            return ended.outcome

    def check(self) -> str | None:
        """Return what is wrong with the address, the key or the list, or None."""
        try:
            status, _ = self._call("GET", f"lists/{self._list_id}")
        except _Ended as ended:
            return getattr(ended.outcome, "reason", "no usable answer")
        return None if status == 200 else f"list {self._list_id} does not exist there"

    def close(self) -> None:
        """Close the connection kept open."""
        self._http.close()

    def _readdress(self, contact: ContactState, former: str) -> ContactState:
        """Give the contact its new address there; a sync with the new address alone would make a second contact."""
        contact_id = contact.contact_id
        if contact_id is None and contact.was_forwarded:
            contact_id = self._find(former) or self._sync(replace(contact, email=former))
        if contact_id is None:
            return contact
        path, wanted = f"contacts/{quote(contact_id, safe='')}", {"contact": {"email": contact.email}}
        status, body = self._call("PUT", path, wanted, is_taken=True)
        # Where the company knew the new address already, that contact is the one to go on with.
        if status == 422 and self._set_status(contact_id, UNSUBSCRIBED) not in (UNSUBSCRIBED, None):
            raise _Ended(Retry("ActiveCampaign did not take the former address off the list"))
        if status in (404, 422):
            return replace(contact, contact_id=None, was_forwarded=False)
        if not _is_of(_part(body, "contact"), contact.email):
            raise _Ended(Retry("ActiveCampaign's answer to a change of address cannot be read"))
        return replace(contact, contact_id=contact_id)

    def _subscribe(self, contact: ContactState) -> Outcome:
        contact_id = self._sync(contact)
        if contact.basis and contact.was_forwarded:  # who left there since is not put back
            found = self._membership(contact_id)
            is_in_line = contact.basis.is_forwarded and found.status == SUBSCRIBED
            if is_in_line or contact.basis.is_outdated_by(found):
                return Seen(contact_id=contact_id, membership=found)
        status = self._set_status(contact_id, SUBSCRIBED, sourceid=RESUBSCRIBE_SOURCE)
        if status == SUBSCRIBED:
            return Delivered(contact_id=contact_id)
        return Retry("ActiveCampaign did not take the contact onto the list")

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
        return Seen(contact_id=contact_id, membership=self._membership(contact_id))

    def _delete(self, leaving: Leaving) -> Outcome:
        was_there = bool(leaving.contact_id and self._remove(leaving.contact_id))
        contact_id = self._find(leaving.email, strictly=True)
        if contact_id is not None:  # also what became of a deleted contact that somebody there made again
            was_there |= self._remove(contact_id)
        elif leaving.contact_id is None and not leaving.is_settled:
            return Retry("not found yet; a contact just made may be found later", after=SEARCH_AGAIN)
        return Delivered(DELETED if was_there else NOT_THERE)

    def _remove(self, contact_id: str) -> bool:
        code, body = self._call("DELETE", f"contacts/{quote(contact_id, safe='')}")
        if code != 404 and not isinstance(body, dict):  # a page of something in between, which deleted nothing
            raise _Ended(Retry("ActiveCampaign's answer to a deletion cannot be read"))
        return code != 404

    def _sync(self, contact: ContactState) -> str:
        names = {"firstName": contact.first_name, "lastName": contact.last_name}
        _, body = self._call("POST", "contact/sync", {"contact": {"email": contact.email} | names})
        found = _part(body, "contact")
        if not _is_of(found, contact.email):
            raise _Ended(Retry("ActiveCampaign's answer to contact/sync names another contact or none"))
        return str(found["id"])

    def _find(self, email: str, *, strictly: bool = False) -> str | None:
        _, body = self._call("GET", f"contacts?email={quote(email, safe='')}")
        contacts = body.get("contacts") if isinstance(body, dict) else None
        if not isinstance(contacts, list):
            raise _Ended(Retry("ActiveCampaign's answer to a search cannot be read"))
        # An unknown filter is ignored there and everybody comes back, so only the address itself counts.
        found = next((str(one["id"]) for one in contacts if _is_of(one, email)), None)
        if strictly and contacts and found is None:
            raise _Ended(Retry("ActiveCampaign's search did not look for the address"))
        return found

    def _set_status(self, contact_id: str, status: int, **extra: int) -> int | None:
        wanted = {"list": self._list_id, "contact": contact_id, "status": status} | extra
        code, body = self._call("POST", "contactLists", {"contactList": wanted})
        if code == 404:
            return None
        answered = _number(_part(body, "contactList").get("status"))
        return answered if answered is not None else self._membership(contact_id).status

    def _membership(self, contact_id: str) -> Membership:
        code, body = self._call("GET", f"contacts/{quote(contact_id, safe='')}/contactLists")
        rows = body.get("contactLists") if isinstance(body, dict) else None
        if not isinstance(rows, list) and code != 404:
            raise _Ended(Retry("ActiveCampaign's answer to a question about the list cannot be read"))
        for row in rows or []:
            if isinstance(row, dict) and str(row.get("list")) == str(self._list_id):
                return _as_membership(row)
        return Membership()

    def _call(self, method: str, path: str, body: object = None, *, is_taken: bool = False) -> tuple[int, Any]:
        """Return the status and the parsed body, None when it cannot be read; but for 2xx and 404 anything ends.

        With `is_taken` also the 422 comes back that says that another contact has the address.
        """
        if not self._budget.take_turn():
            raise _Ended(Hold(self._budget.now(), "the relay was stopped before its turn to call"))
        try:
            with self._http.request(
                method, f"{self._base}/{path}", json=body, timeout=TIMEOUT_S, allow_redirects=False, stream=True
            ) as answer:
                content = _read(answer)
        except requests.RequestException as error:
            raise _Ended(Retry(f"ActiveCampaign: {type(error).__name__}", peer_down=True)) from None
        except (ValueError, RecursionError):  # not JSON, or JSON that nobody in their right mind sends
            content = None
        is_expected = is_taken and answer.status_code == 422 and _error_code(content) == TAKEN
        if not (200 <= answer.status_code < 300 or answer.status_code == 404 or is_expected):
            self._end(answer, content)
        return answer.status_code, content

    def _end(self, answer: requests.Response, content: object) -> NoReturn:
        code = _error_code(content)
        reason = f"ActiveCampaign answered {answer.status_code}" + (f" ({code})" if code else "")
        if answer.status_code in REFUSED_FOR_GOOD:
            raise _Ended(Rejected(reason))
        wish = _wish(answer.headers.get("Retry-After", ""), self._budget.now())
        if wish is not None:
            self._budget.rest(wish)
        raise _Ended(Retry(reason, after=wish, peer_down=True))


def _read(answer: requests.Response) -> Any:
    """The parsed body; raises ValueError for one that is no JSON or larger than any honest answer."""
    content = b""
    for piece in answer.iter_content(64 * 1024):
        content += piece
        if len(content) > LARGEST_ANSWER:
            raise ValueError("too large")
    return json.loads(content)


def _part(body: object, name: str) -> dict[str, Any]:
    part = body.get(name) if isinstance(body, dict) else None
    return part if isinstance(part, dict) else {}


def _is_of(found: object, email: str) -> bool:
    """Whether a contact there is the one with this address; how its case is kept there is not known."""
    if not isinstance(found, dict) or not re.fullmatch(r"[0-9]{1,20}", str(found.get("id"))):
        return False
    return str(found.get("email", "")).lower() == email.lower()


def _as_membership(row: dict[str, Any]) -> Membership:
    campaign, reason = str(row.get("campaign") or ""), str(row.get("unsubreason") or "")
    return Membership(
        _number(row.get("status")),
        _moment(str(row.get("udate") or "")),
        campaign if re.fullmatch(r"[1-9][0-9]{0,19}", campaign) else "",
        "".join(filter(str.isprintable, reason))[:LONGEST_REASON],
    )


def _moment(text: str) -> datetime | None:
    """A time with its offset; None for any other, since a time of no known place is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, (int, str)) and re.fullmatch(r"[0-9]{1,4}", str(value)) else None


def _wish(after: str, now: datetime) -> timedelta | None:
    """How long a `Retry-After` asks us to wait, given in seconds or as a date (RFC 9110 section 10.2.3)."""
    if re.fullmatch(r"[0-9]+", after):
        return min(timedelta(seconds=int(after[:9])), LONGEST_WISH)
    try:
        until = parsedate_to_datetime(after)
    except (ValueError, OverflowError):
        return None
    return min(max(until.replace(tzinfo=until.tzinfo or UTC) - now, timedelta(0)), LONGEST_WISH)


def _error_code(content: object) -> str:
    errors = content.get("errors") if isinstance(content, dict) else None
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    code = str(first.get("code", ""))
    return code if re.fullmatch(r"[a-z_]{1,40}", code) else ""  # a title could hold the address
