"""What is said of one contact between the tables here and ActiveCampaign, in plain values.

The statuses are those of a contact on the list there. Must not talk to the database or the network.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from consent_service.delivery.outbox import Delivered

SUBSCRIBED, UNSUBSCRIBED, BOUNCED = 1, 2, 3
LEFT = (UNSUBSCRIBED, BOUNCED)
DELETED, NOT_THERE = "deleted", "no such contact there"
CLOCKS_DIFFER = timedelta(seconds=5)  # nobody gets a newsletter and leaves it sooner after confirming


@dataclass(frozen=True)
class Membership:
    """What a contact's place on the list says: its status, and of one who left when, from which campaign and why."""

    status: int | None = None
    left_at: datetime | None = None
    campaign: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Basis:
    """The confirmation that makes somebody active: its event, its time, and whether it was taken over there.

    `is_imported` says that nobody confirmed: the person comes from an earlier list, which may be behind. `taken_off_at`
    says when this service took the contact off the list itself, without anybody's wish.
    """

    event_id: str
    confirmed_at: datetime
    is_forwarded: bool
    is_imported: bool = False
    taken_off_at: datetime | None = None

    def may_be_outdated(self, now: datetime) -> bool:
        """Whether somebody may have left there since; then it is looked at before they are put on the list."""
        return self.is_imported or now - self.confirmed_at > CLOCKS_DIFFER

    def is_outdated_by(self, found: Membership) -> bool:
        """Whether somebody left there after this confirmation, as far as can be told."""
        if found.status not in LEFT or self._was_taken_off(found):
            return False
        is_later = found.left_at is not None and found.left_at - self.confirmed_at > CLOCKS_DIFFER
        return self.is_forwarded or self.is_imported or is_later

    def _was_taken_off(self, found: Membership) -> bool:
        """Whether it was this service, and nobody since, that made them unsubscribed there."""
        if self.is_forwarded or self.taken_off_at is None or found.status != UNSUBSCRIBED:
            return False
        return found.left_at is None or found.left_at - self.taken_off_at <= CLOCKS_DIFFER


@dataclass(frozen=True)
class OwnLink:
    """A person's own unsubscribe link, and the edition of links it is one of."""

    url: str
    edition: str

    def mark(self, field_id: str) -> str:
        """Return what says that the contact has this link in this field there."""
        return f"{field_id}:{self.edition}"


@dataclass(frozen=True)
class Tagging:
    """What the tag for tracking stands for: the event that permits it or None, and whether it was taken over there."""

    event_id: str | None
    is_forwarded: bool


@dataclass(frozen=True)
class ContactState:
    """What a contact there has to look like: active on the list, or unsubscribed from it.

    `contact_id` is the id its last answer named; `was_forwarded` without one means that an answer may have been lost.
    `former_email` is the address it still has there, when the person has moved to another one since. `own_link` is what
    an active person unsubscribes with from the newsletter. Without `tagging` tracking was never permitted and nothing
    has to be done about it.
    """

    email: str
    first_name: str
    last_name: str
    is_active: bool
    contact_id: str | None
    was_forwarded: bool
    former_email: str | None = None
    basis: Basis | None = None
    own_link: OwnLink | None = None
    tagging: Tagging | None = None

    def wants_tag(self, answer: Delivered) -> bool | None:
        """Whether the tag has to be put on or taken off, after this answer about the list; None for neither."""
        if self.tagging is None or answer.contact_id is None:
            return None
        if self.tagging.event_id is None:  # taken back, it has to go whatever the list says of the contact
            return False
        has_left = isinstance(answer, Seen) and answer.membership.status != SUBSCRIBED
        is_there = self.tagging.is_forwarded and answer.contact_id == self.contact_id
        return None if has_left or is_there else True


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


@dataclass(frozen=True)
class BulkLook:
    """A bulk import, sent so long ago, of which has to be read how it went."""

    bulk_id: str
    age: timedelta


@dataclass(frozen=True)
class Carried(Delivered):
    """Whom a bulk import brought onto the list, as was read there: contact ids by lower-case address.

    `link_mark` says which link it gave each of them, as far as that is known.
    """

    contacts: Mapping[str, str] = field(default_factory=dict)
    link_mark: str | None = None


@dataclass(frozen=True)
class Stranger:
    """A contact on the list there that nobody here gave permission for: it has to be taken off."""

    contact_id: str


Parcel = ContactState | Leaving | Look | Stranger
