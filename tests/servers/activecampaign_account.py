"""What an ActiveCampaign account remembers: contacts, their list statuses, and the order in which these changed.

Knows no HTTP. The properties of the real service that nobody could establish are switches here, so that a test can
run the same story both ways.
"""

import copy
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from .activecampaign_imports import Imports, land
from .activecampaign_webhooks import OF_STATUS, By, Webhooks

ACCOUNT_ZONE = timezone(timedelta(hours=-5))
RESUBSCRIBED_BY_PERSON = 4
SUBSCRIBED, UNSUBSCRIBED = 1, 2


@dataclass
class Contact:
    """A person there. `lists` maps a list id to 0 unconfirmed, 1 active, 2 unsubscribed or 3 bounced."""

    id: str
    email: str
    first_name: str = ""
    last_name: str = ""
    phone: str = ""
    lists: dict[int, int] = field(default_factory=dict)
    sources: dict[int, int] = field(default_factory=dict)
    left_at: dict[int, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    created_at: float = field(default_factory=time.monotonic)
    cdate: str = field(default_factory=lambda: datetime.now(ACCOUNT_ZONE).isoformat(timespec="seconds"))


@dataclass
class CustomField:
    """A custom field; `relids` are the lists it is shown for, "0" being all."""

    id: str
    title: str
    type: str
    perstag: str
    visible: str = "1"
    relids: list[str] = field(default_factory=list)

    @property
    def is_shown(self) -> bool:
        """Whether anybody sees it."""
        return bool(self.relids)


@dataclass
class Held:
    """What is held about contacts besides: rows by (contact id, part) instead of the usual ones, and the switches.

    `troubles` are statuses that parts answer instead; 200 stands for a body that makes no sense.
    """

    rows: dict[tuple[str, str], Any] = field(default_factory=dict)
    troubles: dict[str, int] = field(default_factory=dict)
    tells_total: bool = True
    hears_offset: bool = True
    hears_filter: bool = True


@dataclass
class Tag:
    """A tag there."""

    id: str
    name: str
    created_at: float = field(default_factory=time.monotonic)


class Account:
    """The state of one account, what its people do there by hand, and how it decides where the real one is unknown."""

    def __init__(self, lists: Mapping[int, str] | None = None) -> None:
        self.list_names: dict[int, str] = dict(lists or {1: "Newsletter"})
        self.list_id = min(self.list_names)
        self.resubscribe_needs_sourceid = True
        self.email_case: Literal["kept", "lowered"] = "kept"
        self.refused_addresses: set[str] = set()
        self.search_delay_s = 0.0
        self.empty_filter_returns_everybody = True
        self.ignores_field_filters = False
        self.unknown_field: Literal["ignored", "refused"] = "ignored"
        self.fields: dict[str, CustomField] = {}
        self.webhooks = Webhooks()
        self.ignored_filters: frozenset[str] = frozenset()
        self.imports = Imports()
        self.held = Held()
        self.ignores_tag_search = False
        self.tag_search_delay_s = 0.0
        self.refuses_second_tagging = False
        self.mixes_contact_tags = False
        self.tags: dict[str, Tag] = {}
        self.tagged: dict[str, tuple[str, str]] = {}
        self.tag_history: list[tuple[str, str]] = []
        self.clock: Callable[[], datetime] = lambda: datetime.now(ACCOUNT_ZONE)
        self.changed = threading.Condition()
        self._known: dict[str, Contact] = {}
        self._by_id: dict[str, Contact] = {}
        self._history: list[tuple[str, int]] = []
        self._last_id = self._last_field = 0
        self._last_tag = 100

    # What a test reads; copies, so that it may look in peace

    @property
    def contacts(self) -> dict[str, Contact]:
        """The contacts by lower-cased e-mail, as they are now."""
        with self.changed:
            return copy.deepcopy(self._known)

    @property
    def history(self) -> list[tuple[str, int]]:
        """Each change of a status on `list_id`, oldest first: lower-cased e-mail and new status."""
        with self.changed:
            return list(self._history)

    def status_of(self, email: str) -> int | None:
        """Return the status on `list_id`; None for no contact or no membership."""
        with self.changed:
            contact = self._known.get(email.lower())
            return contact.lists.get(self.list_id) if contact is not None else None

    def tags_of(self, email: str) -> list[str]:
        """Return the names of the tags a contact has."""
        with self.changed:
            contact = self._known.get(email.lower())
            tags = [tag for one, tag in self.tagged.values() if contact is not None and one == contact.id]
            return [self.tags[tag].name for tag in tags]

    # Somebody acts there by hand

    def add(
        self, email: str, *, first_name: str = "", last_name: str = "", status: int | None = None, by: By = "admin"
    ) -> Contact:
        """Somebody adds a contact there, perhaps on the list; return a copy."""
        with self.changed:
            contact = self.put(email)
            contact.first_name, contact.last_name = first_name, last_name
            if status is not None:
                self.put_status(contact, self.list_id, status, by)
            return copy.deepcopy(contact)

    def set_status(self, email: str, status: int, by: By = "admin") -> None:
        """Somebody changes the status of a known contact on `list_id`."""
        with self.changed:
            self.put_status(self._known[email.lower()], self.list_id, status, by)

    def remove(self, email: str) -> None:
        """Somebody deletes a known contact; no webhook tells of it."""
        with self.changed:
            self.drop(self._known[email.lower()])

    def restore(self, contact: Contact) -> None:
        """An administrator gets a deleted contact back, with the number it had."""
        with self.changed:
            self._known[contact.email.lower()] = copy.deepcopy(contact)
            self.changed.notify_all()

    def put_on(self, email: str, list_id: int, status: int) -> None:
        """Somebody puts a known contact on any list."""
        with self.changed:
            self.put_status(self._known[email.lower()], list_id, status, "admin")

    def renumber(self, email: str, number: str) -> None:
        """Give a known contact another's number, as nobody can."""
        with self.changed:
            self._known[email.lower()].id = number

    def readdress(self, email: str, new: str) -> None:
        """Somebody gives a known contact another address."""
        with self.changed:
            self.rename(self._known[email.lower()], new)

    def put_field(self, title: str, perstag: str, kind: str = "text", *, visible: str = "1") -> CustomField:
        """Make a custom field, shown nowhere yet."""
        self._last_field += 1
        made = CustomField(str(self._last_field), title, kind, perstag, visible)
        self.fields[made.id] = made
        return made

    def land_imports(self) -> None:
        """Let the imports that are queued be carried out now."""
        with self.changed:
            for queued in self.imports.queue.values():
                land(self, queued)

    # For the answers; the caller holds `changed`

    def find(self, email: str) -> Contact | None:
        """Return the contact with this e-mail, whatever its case."""
        return self._known.get(email.lower())

    def by_id(self, contact_id: object) -> Contact | None:
        """Return the contact with this id, given as text or number."""
        found = self._by_id.get(str(contact_id))
        if found is not None and found.id == str(contact_id):
            return found
        return next((one for one in self._known.values() if one.id == str(contact_id)), None)

    def visible(self) -> list[Contact]:
        """Return the contacts a search can find by now."""
        latest = time.monotonic() - self.search_delay_s
        return [one for one in self._known.values() if one.created_at <= latest]

    def put(self, email: str) -> Contact:
        """Make a contact; ids are never used twice."""
        self._last_id += 1
        contact = Contact(str(self._last_id), self._spelt(email))
        self._known[email.lower()] = self._by_id[contact.id] = contact
        self.changed.notify_all()
        return contact

    def rename(self, contact: Contact, email: str) -> None:
        """Give a contact another e-mail."""
        del self._known[contact.email.lower()]
        contact.email = self._spelt(email)
        self._known[email.lower()] = contact

    def add_tag(self, name: str) -> Tag:
        """Make a tag."""
        self._last_tag += 1
        tag = self.tags[str(self._last_tag)] = Tag(str(self._last_tag), name)
        return tag

    def tag(self, contact_id: str, tag_id: str) -> str:
        """Put a tag on a contact, note it, and return the id of what lies between them."""
        self._last_tag += 1
        self.tagged[str(self._last_tag)] = (contact_id, tag_id)
        self.tag_history.append((contact_id, self.tags[tag_id].name))
        self.changed.notify_all()
        return str(self._last_tag)

    def drop(self, contact: Contact) -> None:
        """Delete a contact, and its tags with it."""
        del self._known[contact.email.lower()]
        self._by_id.pop(contact.id, None)
        self.tagged = {key: pair for key, pair in self.tagged.items() if pair[0] != contact.id}
        self.changed.notify_all()

    def subscribe(self, contact: Contact, list_id: int, status: int, source: int) -> int:
        """Set a status as the API does and return the one that holds afterwards."""
        again = contact.lists.get(list_id) == UNSUBSCRIBED and status == SUBSCRIBED
        if again and self.resubscribe_needs_sourceid and source != RESUBSCRIBED_BY_PERSON:
            return UNSUBSCRIBED
        contact.sources[list_id] = source
        self.put_status(contact, list_id, status)
        return status

    def put_status(self, contact: Contact, list_id: int, status: int, by: By | None = "api") -> None:
        """Set a status, note the change, if it is one, and tell of it; an import, which is nobody, is not told of."""
        is_change = contact.lists.get(list_id) != status
        if list_id == self.list_id and is_change:
            self._history.append((contact.email.lower(), status))
        if status == UNSUBSCRIBED:
            contact.left_at[list_id] = self.clock().astimezone(ACCOUNT_ZONE).isoformat(timespec="seconds")
        contact.lists[list_id] = status
        if is_change and by and status in OF_STATUS:
            self.tell(OF_STATUS[status], contact, by, list_id)
        self.changed.notify_all()

    def tell(self, kind: str, contact: Contact, by: By, list_id: int = 0) -> None:
        """Let the webhooks know that something happened to a contact."""
        about = {
            "contact[id]": contact.id,
            "contact[email]": contact.email,
            "contact[first_name]": contact.first_name,
            "contact[last_name]": contact.last_name,
            "contact[phone]": contact.phone,
            "contact[ip]": "127.0.0.1",
            "contact[tags]": "",
        }
        values = {f"contact[fields][{number}]": value for number, value in contact.fields.items()}
        self.webhooks.tell(kind, by, list_id, about | values, self.clock().astimezone(ACCOUNT_ZONE))

    def _spelt(self, email: str) -> str:
        return email.lower() if self.email_case == "lowered" else email
