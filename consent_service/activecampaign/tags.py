"""The tag by which ActiveCampaign knows whose reading may be followed: there when permitted, else not.

Making a tag and putting it on a contact are no upserts there, so every try looks first; removing goes by the id of the
association. A name is compared here, whatever a search brings. Must not query the database or decide consent.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from consent_service.activecampaign.calls import MOST_PAGES, PAGE, Calls, Ended, number, part, rows
from consent_service.delivery.outbox import Rejected, Retry

TRACKING_TAG = "seuranta-sallittu"
DESCRIPTION = "Opens and clicks may be followed. Set by the consent service; do not add or remove by hand."


class Tags:
    """What is done with the one tag in one account."""

    def __init__(self, calls: Calls):
        self._calls = calls

    def set(self, contact_id: str, *, is_tagged: bool) -> None:
        """Bring the tag of one contact in line; raises Ended when it is not known to be."""
        if is_tagged:
            self._put(contact_id)
        else:
            self._remove(contact_id)

    def _put(self, contact_id: str) -> None:
        tag_id = self._find() or self._make()
        if self._has(contact_id, tag_id):
            return
        wanted = {"contactTag": {"contact": contact_id, "tag": tag_id}}
        made = part(self._try("contactTags", wanted), "contactTag")
        is_answered = (str(made.get("contact")), str(made.get("tag"))) == (contact_id, tag_id)
        if not is_answered and not self._has(contact_id, tag_id):
            raise Ended(Retry("ActiveCampaign did not put the tag on the contact"))

    def _remove(self, contact_id: str) -> None:
        tag_id = self._find()
        for one in list(self._tags_of(contact_id)):  # read whole first: removing moves the pages
            # How soon a search finds a new tag is not known: without an id each tag is asked for its name.
            if str(one.get("tag")) == tag_id or (tag_id is None and self._is_ours(str(one.get("tag")))):
                self._delete(one["id"])

    def _delete(self, association: str) -> None:
        code, body = self._calls.call("DELETE", f"contactTags/{association}")
        if code != 404 and not isinstance(body, dict):  # a page of something in between, which removed nothing
            raise Ended(Retry("ActiveCampaign's answer to removing a tag cannot be read"))

    def _find(self) -> str | None:
        tags = self._all(f"tags?search={quote(TRACKING_TAG, safe='')}", "tags")
        return next((one["id"] for one in tags if _is_named(one)), None)

    def _make(self) -> str:
        tag = {"tag": TRACKING_TAG, "tagType": "contact", "description": DESCRIPTION}
        made = part(self._try("tags", {"tag": tag}), "tag")
        tag_id = str(made["id"]) if _has_id(made) and _is_named(made) else self._find()
        if tag_id is None:  # refused as known already, and not found yet
            raise Ended(Retry("ActiveCampaign neither made the tag nor knows it"))
        return tag_id

    def _is_ours(self, tag_id: str) -> bool:
        code, body = self._calls.call("GET", f"tags/{quote(tag_id, safe='')}")
        found = part(body, "tag")
        if code != 404 and not found:
            raise Ended(Retry("ActiveCampaign's answer about a tag cannot be read"))
        return _is_named(found)

    def _has(self, contact_id: str, tag_id: str) -> bool:
        return any(str(one.get("tag")) == tag_id for one in self._tags_of(contact_id))

    def _tags_of(self, contact_id: str) -> Iterator[dict[str, Any]]:
        found = self._all(f"contacts/{quote(contact_id, safe='')}/contactTags?", "contactTags")
        # A list that is not narrowed as asked would have the tags of everybody.
        return (one for one in found if str(one.get("contact") or contact_id) == contact_id)

    def _try(self, path: str, body: object) -> Any:
        """The answer to a call that makes something; None when it was refused, since another relay may have made it."""
        try:
            return self._calls.call("POST", path, body)[1]
        except Ended as ended:
            if not isinstance(ended.outcome, Rejected):
                raise
        return None

    def _all(self, path: str, name: str) -> Iterator[dict[str, Any]]:
        """Yield what a list holds, page by page; raises Ended for one without end, whose rest nobody has seen."""
        seen: set[str] = set()
        for _ in range(MOST_PAGES):
            code, body = self._calls.call("GET", f"{path}&limit={PAGE}&offset={len(seen)}".replace("?&", "?"))
            page = {str(one["id"]): one for one in rows(body, name) if _has_id(one)} if code != 404 else {}
            yield from (one | {"id": key} for key, one in page.items() if key not in seen)
            is_last = page.keys() <= seen  # whether a list heeds the offset asked for is not known of each
            seen |= page.keys()
            if is_last or number(part(body, "meta").get("total")) == len(seen):
                return
        raise Ended(Retry("ActiveCampaign's answer about tags has no end"))


def _has_id(one: object) -> bool:
    return isinstance(one, dict) and re.fullmatch(r"[0-9]{1,20}", str(one.get("id"))) is not None


def _is_named(tag: dict[str, Any]) -> bool:
    """Whether a tag there is ours; names are unique there whatever their case."""
    return str(tag.get("tag", "")).strip().casefold() == TRACKING_TAG
