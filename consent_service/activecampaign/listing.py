"""The list at ActiveCampaign read from end to end: everybody active on it, page by page, in the order of their ids.

A page tells ids and addresses; what a contact's place on the list says beyond that has to be asked of each. An unknown
filter is ignored over there and everybody comes back, so filter and order are checked before anything is believed.
Must not query the database.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

from consent_service.activecampaign.calls import PAGE, Calls, Ended, id_of, rows
from consent_service.activecampaign.contacts import SUBSCRIBED, UNSUBSCRIBED
from consent_service.activecampaign.places import read_place
from consent_service.delivery.outbox import Rejected, Retry
from consent_service.people import LONGEST_ADDRESS

TOLD = ("email", "firstName", "lastName", "cdate")


@dataclass(frozen=True)
class Found:
    """A contact as a page shows it; one that has a telephone number only has no `email`."""

    contact_id: str
    email: str
    first_name: str = ""
    last_name: str = ""
    made_on: str = ""


class Listing:
    """Everybody on one list of an account."""

    def __init__(self, calls: Calls, list_id: int):
        self._calls = calls
        self._list_id = list_id

    def page(self, after: str) -> list[Found]:
        """Return the next hundred active contacts with an id above this one, none at the end; raises Ended."""
        found = self._read(self._on_list(SUBSCRIBED, PAGE, after))
        ids = [int(after or 0), *(int(one.contact_id) for one in found)]
        if any(later <= earlier for earlier, later in pairwise(ids)):
            raise Ended(Rejected("ActiveCampaign does not list contacts in the order asked for"))
        return found

    def first_page(self) -> list[Found]:
        """Return the first page once it is seen that the account tells active contacts from others; raises Ended."""
        if self._calls.call("GET", f"lists/{self._list_id}")[0] == 404:
            raise Ended(Rejected("the list does not exist at ActiveCampaign"))
        found, gone = self.page(""), self._read(self._on_list(UNSUBSCRIBED, 1, ""))
        if {one.contact_id for one in gone} & {one.contact_id for one in found}:
            raise Ended(Rejected("ActiveCampaign lists everybody, whatever status is asked for"))
        return found

    def among(self, ids: Sequence[str], status: int | None = None) -> list[Found]:
        """Return what a search for at most a hundred contacts shows, on any list or with a status on this one.

        A search that ignores what is asked for shows others too. Raises Ended.
        """
        on_list = [("listid", str(self._list_id)), ("status", str(status))] if status is not None else []
        return self._read(urlencode([*on_list, ("limit", str(PAGE)), *(("ids[]", one) for one in ids)]))

    def is_active(self, contact_id: str) -> bool:
        """Whether a contact is active on the list, asked of itself and not of a search; raises Ended."""
        return read_place(self._calls, self._list_id, contact_id).status == SUBSCRIBED

    def close(self) -> None:
        """Close the connection kept open."""
        self._calls.close()

    def _on_list(self, status: int, limit: int, after: str) -> str:
        wanted = {"listid": str(self._list_id), "status": str(status), "limit": str(limit), "orders[id]": "ASC"}
        return urlencode(wanted | ({"id_greater": after} if after else {}))

    def _read(self, query: str) -> list[Found]:
        code, body = self._calls.call("GET", f"contacts?{query}")
        if code == 404:
            raise Ended(Retry("ActiveCampaign does not list contacts"))
        return [_found(one) for one in rows(body, "contacts")]


def _found(one: Any) -> Found:
    contact_id = id_of(one)
    if contact_id is None:
        raise Ended(Retry("ActiveCampaign's answer about contacts cannot be read"))
    email, first_name, last_name, made_at = (str(one.get(name) or "") for name in TOLD)
    is_address = email.isprintable() and len(email) <= LONGEST_ADDRESS
    return Found(contact_id, email if is_address else "", first_name, last_name, made_at[:10])
