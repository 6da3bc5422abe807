"""Each person's own unsubscribe link, and the custom field in which ActiveCampaign holds it for the newsletters.

Every user of the account can read the link and it never expires: it unsubscribes one person and opens nothing else.
Taking a key out of `CONSENT_SECRET_KEYS` revokes every link it signed; the next set-up gives people new ones.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256

from consent_service.activecampaign.calls import Calls, Ended, pages, rows
from consent_service.activecampaign.contacts import OwnLink
from consent_service.delivery.outbox import Rejected
from consent_service.tokens import Tokens

TITLE, PERSTAG = "Unsub URL", "UNSUB_URL"
EVERY_LIST = "0"
LOOK_AGAIN = timedelta(minutes=1)  # so that a running relay notices a set-up soon
PATIENCE = 3


@dataclass(frozen=True)
class OwnLinks:
    """Maker of people's own links."""

    public_url: str
    tokens: Tokens

    def of(self, subscriber_id: str, language: str) -> OwnLink:
        """Return a person's own link; it shows a page with a button in their language."""
        return OwnLink(self.url(subscriber_id, language), self.edition)

    def url(self, subscriber_id: str, language: str) -> str:
        """Return the address of a person's own link."""
        return f"{self.public_url}/unsubscribe/{self.tokens.for_unsubscribing(subscriber_id)}?lang={language}"

    def mark(self, field_id: str) -> str:
        """Return what says that a contact has a link of today in this field there."""
        return OwnLink("", self.edition).mark(field_id)

    @cached_property
    def edition(self) -> str:
        """What all links made with the same key and public address have in common; it tells neither."""
        return sha256(self.url("nobody", "").encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Field:
    """The custom field there, and the ids of the lists it is shown for."""

    id: str
    lists: frozenset[str]

    def is_shown_for(self, list_id: int) -> bool:
        """Whether the field can be used in newsletters to a list."""
        return bool(self.lists & {EVERY_LIST, str(list_id)})


def find_field(calls: Calls) -> Field | None:
    """Return the field by its personalization tag, or None; raises Ended."""
    # The documented filter by tag is not relied on, since unknown filters are ignored there: every page is looked at.
    for page in pages(calls, "fields"):
        for one in rows(page, "fields"):
            if _is_ours(one):
                shown = [rel for rel in page.get("fieldRels") or () if isinstance(rel, dict)]
                lists = (str(rel.get("relid")) for rel in shown if str(rel.get("field")) == str(one["id"]))
                return Field(str(one["id"]), frozenset(lists))
    return None


class LinkField:
    """The field's id as one connection knows it, looked up again every minute while people are forwarded."""

    def __init__(self, calls: Calls):
        self._calls = calls
        self._look_at = datetime.min.replace(tzinfo=UTC)
        self._failures = 0
        self.id: str | None = None

    def look_up(self) -> str | None:
        """Return the id, or None where there is no such field; raises Ended when that cannot be known yet.

        After three failures in a row people are forwarded without a link: the link must not hold back consent.
        """
        now = self._calls.now()
        if now < self._look_at:
            return self.id
        try:
            found = find_field(self._calls)
        except Ended as ended:
            self._failures += 1
            if self._failures < PATIENCE and not isinstance(ended.outcome, Rejected):
                raise
            found = None
        self.id = found.id if found else None
        self._failures, self._look_at = 0, now + LOOK_AGAIN
        return self.id

    def forget(self) -> None:
        """Do without the field until the next look: ActiveCampaign refused a value for it."""
        self.id = None


def _is_ours(one: object) -> bool:
    if not isinstance(one, dict) or not re.fullmatch(r"[0-9]{1,20}", str(one.get("id"))):
        return False
    return str(one.get("perstag")).strip("%").upper() == PERSTAG
