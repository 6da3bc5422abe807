"""What a person may ask about themselves: the mailed link to their own page, and everything that is held of them.

The page, the download, the evidence sheet and the consent record are all made from what is gathered here, so that
none of them tells more or less than another. Whoever holds the mailbox is believed (GDPR articles 11(2) and 12(6)).
Changes nothing but the queue of messages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from operator import attrgetter
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Row, select

from consent_service import asks, contact_messages
from consent_service.activecampaign import held_there
from consent_service.activecampaign.held_there import HeldThere
from consent_service.address_changes import MOVE
from consent_service.asks import LinkDead
from consent_service.delivery import outbox, suppression
from consent_service.delivery.outbox import CONFIRMATION, CONTACT_DATA, LIST_DATA, MY_DATA_LINK, NO_LINK
from consent_service.delivery.suppression import Suppressed
from consent_service.earlier_list import import_rows
from consent_service.ledger import evidence, proof, receipt
from consent_service.ledger.checkpoint import Checker
from consent_service.ledger.evidence import Occasion
from consent_service.ledger.proof import ReceiptRefused
from consent_service.ledger.seal import Payload
from consent_service.ledger.vault import Vault
from consent_service.limits.allowance import Window
from consent_service.models.delivery import outbox_message
from consent_service.models.ledger import checkpoint, consent_event, shown_text
from consent_service.models.newsletter import confirmation, subscriber
from consent_service.notices.statements import TRACKING
from consent_service.people import Address
from consent_service.rights import request_rows
from consent_service.tokens import MyDataLink

Held = TypeVar("Held")


@dataclass(frozen=True)
class Person:
    """The subscriber's own row."""

    id: str
    email: str
    email_key: str
    first_name: str
    last_name: str
    language: str
    status: str
    asked_at: datetime
    active_since: datetime | None
    passive_since: datetime | None
    left_reason: str | None
    contact_id: str | None
    forwarded_at: datetime | None
    hold_reason: str | None
    held_since: datetime | None
    open_confirmation_id: str | None
    tracking_since: datetime | None
    tracking_event_id: str | None
    tagged_at: datetime | None


@dataclass(frozen=True)
class HeldAsk:
    """One time this person was asked for permission; `email` is a new address that still waits for its owner."""

    id: str
    purpose: str
    purpose_version: int
    statement_sha256: str
    tracking_sha256: str | None
    language: str
    source: str
    staff_name: str | None
    channel: str | None
    occasion: str | None
    occasion_on: str | None
    email: str | None
    asked_at: datetime
    expires_at: datetime
    used_at: datetime | None
    used_event_id: str | None
    declined_at: datetime | None


@dataclass(frozen=True)
class Seal:
    """The oldest checkpoint that an event lies under: how many events it covers, its root, and when it was signed."""

    size: int
    root: bytes
    signed_at: datetime


@dataclass(frozen=True)
class HeldEvent:
    """One consent event, opened, with its place in the sealed log; `seal` is None while it has none."""

    id: str
    at: datetime
    core: Payload
    tech: Payload | None
    leaf_hash: bytes
    log_index: int | None
    seal: Seal | None


@dataclass(frozen=True)
class HeldText:
    """A text that was shown, word for word, under its SHA-256."""

    sha256: str
    kind: str
    language: str
    content: str
    first_used_at: datetime


@dataclass(frozen=True)
class HeldMessage:
    """A mail to this person, or an update of them at ActiveCampaign, without its content."""

    lane: str
    kind: str
    created_at: datetime
    done_at: datetime | None


@dataclass(frozen=True)
class HeldContactMessage:
    """What came with the contact form under this person's address."""

    received_at: datetime
    first_name: str
    last_name: str
    email: str
    phone: str | None
    reason: str
    message: str
    language: str
    closed_at: datetime | None
    closed_by: str | None


@dataclass(frozen=True)
class HeldRequest:
    """What the person asked for about their data by phone, mail or paper; who asked is not sure before it is done."""

    number: int
    kind: str
    channel: str
    received_on: str
    deadline: str
    outcome: str | None
    closed_on: str | None


@dataclass(frozen=True)
class PersonalData:
    """Everything that is held of one person at a time (GDPR article 15); `receipts` by event, when asked for."""

    gathered_at: datetime
    person: Person
    asks: tuple[HeldAsk, ...]
    events: tuple[HeldEvent, ...]
    texts: tuple[HeldText, ...]
    messages: tuple[HeldMessage, ...]
    contact_messages: tuple[HeldContactMessage, ...]
    data_requests: tuple[HeldRequest, ...]
    suppressed: Suppressed | None
    there: HeldThere
    receipts: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def agreed(self) -> HeldAsk | None:
        """The ask that the person said yes to last, whether or not they have left since."""
        claimed = {event.id for event in self.events if event.core["kind"] == "imported"}
        answered = (ask for ask in self.asks if ask.used_at and ask.used_event_id not in claimed)
        return max(answered, key=attrgetter("used_at"), default=None)

    @property
    def imported(self) -> HeldEvent | None:
        """The event by which the person was brought over from an earlier list, if they were."""
        return next((event for event in self.events if event.core["kind"] == "imported"), None)

    @property
    def tracking(self) -> HeldText | None:
        """The text by which the person permits to be followed while reading, None when they do not."""
        given = next((event for event in self.events if event.id == self.person.tracking_event_id), None)
        return self.text(cast(dict[str, str], given.core["texts"])[TRACKING]) if given else None

    @property
    def first_ask(self) -> HeldAsk | None:
        """The ask by which the person became known."""
        return self.asks[0] if self.asks else None

    @property
    def new_address(self) -> str | None:
        """The address the person wants to be written to, while its owner has not confirmed."""
        return next((ask.email for ask in self.asks if ask.id == self.person.open_confirmation_id), None)

    @property
    def numbers(self) -> dict[str, int]:
        """A short number for every text that was shown, in the order of first use."""
        return {text.sha256: number for number, text in enumerate(self.texts, 1)}

    def text(self, sha256: str) -> HeldText:
        """Return a text that was shown to this person."""
        return next(text for text in self.texts if text.sha256 == sha256)


def request_link(connection: Connection, occasion: Occasion, address: Address, allowed: Sequence[Window]) -> None:
    """Mail the link to the person's own page to an address, if it is known; whoever asks learns nothing by it.

    Who said that they did not ask, and never was a subscriber, was promised that no message comes. Whose mailbox it is
    nobody knows before they confirm: until then all spellings of an address that may be one mailbox count as one.
    """
    mine = select(subscriber.c.id, subscriber.c.status).where(subscriber.c.email_key == address.key)
    person = connection.execute(mine).one_or_none()
    kind, about = (MY_DATA_LINK, {"subscriber_id": person.id}) if person else _without_page(connection, address)
    is_unproved = kind != NO_LINK and (person is None or person.status == "pending")
    counted = replace(address, key=f"any:{address.folded}") if is_unproved else address
    free_at = asks.spend(connection, occasion, "data", counted, allowed)
    refused = suppression.find(connection, occasion.vault, address.key, occasion.now)
    is_declined = is_unproved and refused is not None and refused.reason == "declined"
    if free_at > occasion.now or is_declined:
        kind, about = NO_LINK, {}
    outbox.enqueue(connection, outbox.MAIL, kind, occasion.now, **about)


def _without_page(connection: Connection, address: Address) -> tuple[str, dict[str, Any]]:
    """The mail to somebody who has no page: they wait on an earlier list, or wrote to us, or both; or to nobody."""
    waits = import_rows.find(connection, address.key)
    if waits is not None:
        return LIST_DATA, {"import_row_id": waits.id}
    newest = contact_messages.lock_newest(connection, address.key)
    return (CONTACT_DATA, {"contact_message_id": newest.id}) if newest is not None else (NO_LINK, {})


def find_person(connection: Connection, keys: Vault, link: MyDataLink) -> Row[Any]:
    """Return whose page a link opens; raises LinkDead when they are gone or have another address by now."""
    person = connection.execute(select(subscriber).where(subscriber.c.id == link.subscriber_id)).one_or_none()
    if person is None or not keys.is_marked(person.email_key, link.address_mark):
        raise LinkDead
    return person


def ask_there(connection: Connection, occasion: Occasion, subscriber_id: str) -> None:
    """Have fetched what ActiveCampaign holds about a person; nobody is named there for it who never confirmed."""
    person = asks.lock_person(connection, subscriber_id)
    if person is not None and person.active_since is not None and occasion.forwards:
        held_there.ask(connection, person.id, occasion.now)


def gather(
    connection: Connection, keys: Vault, subscriber_id: str, now: datetime, *, with_receipts: bool = False
) -> PersonalData | None:
    """Return everything held of a person (GDPR article 15), or None when they are not known."""
    person = connection.execute(select(subscriber).where(subscriber.c.id == subscriber_id)).one_or_none()
    if person is None:
        return None
    mine = confirmation.c.subscriber_id == person.id
    asked = connection.execute(select(confirmation).where(mine).order_by(confirmation.c.asked_at)).all()
    events = tuple(_events(connection, keys, person.id))
    asked_about = request_rows.of_person(connection, subscriber_id=person.id)
    receipts = {event.id: receipt.compose(connection, keys, event.id) for event in events if with_receipts}
    return PersonalData(
        gathered_at=now,
        person=_copy(Person, person),
        asks=tuple(_copy(HeldAsk, ask) for ask in asked),
        events=events,
        texts=_texts(connection, events),
        messages=_messages(connection, person.id),
        contact_messages=_contact_messages(connection, person.email_key),
        data_requests=tuple(_copy(HeldRequest, row) for row in asked_about),
        suppressed=suppression.find(connection, keys, person.email_key, now),
        there=held_there.find(connection, keys, person.id),
        receipts={event_id: file for event_id, file in receipts.items() if file is not None},
    )


def find(connection: Connection, keys: Vault, address: Address, now: datetime) -> PersonalData | None:
    """Return everything held under an address, with receipts, or None."""
    mine = select(subscriber.c.id).where(subscriber.c.email_key == address.key)
    subscriber_id = connection.execute(mine).scalar_one_or_none()
    return gather(connection, keys, subscriber_id, now, with_receipts=True) if subscriber_id else None


def proved(held: PersonalData, verifier: Checker) -> frozenset[str]:
    """Return the events whose receipt holds when it is checked anew: payload, words, place and checkpoint agree."""
    return frozenset(event_id for event_id, file in held.receipts.items() if _holds(file, verifier))


def _holds(file: bytes, verifier: Checker) -> bool:
    try:
        proof.check(file, verifier)
    except ReceiptRefused:
        return False
    return True


def _copy(kind: type[Held], row: Row[Any]) -> Held:
    return kind(**{column.name: getattr(row, column.name) for column in fields(cast(Any, kind))})


def _events(connection: Connection, keys: Vault, subscriber_id: str) -> list[HeldEvent]:
    mine = select(consent_event.c.id, consent_event.c.log_index).where(consent_event.c.subscriber_id == subscriber_id)
    places = {row.id: (row.log_index, _seal(connection, row.log_index)) for row in connection.execute(mine).all()}
    return [
        HeldEvent(told.id, told.at, told.core, told.tech, told.leaf_hash, *places[told.id])
        for told in evidence.story(connection, keys, subscriber_id)
    ]


def _seal(connection: Connection, log_index: int | None) -> Seal | None:
    if log_index is None:
        return None
    above = select(checkpoint.c.size, checkpoint.c.root, checkpoint.c.signed_at).where(checkpoint.c.size > log_index)
    row = connection.execute(above.order_by(checkpoint.c.size).limit(1)).one_or_none()
    return Seal(*row) if row else None


def _texts(connection: Connection, events: Sequence[HeldEvent]) -> tuple[HeldText, ...]:
    named = [cast(dict[str, str], event.core.get("texts") or {}).values() for event in events]
    hashes = {sha256 for of_event in named for sha256 in of_event}
    rows = connection.execute(
        select(shown_text).where(shown_text.c.sha256.in_(hashes)).order_by(shown_text.c.first_used_at)
    ).all()
    return tuple(HeldText(row.sha256, row.kind, row.language, row.content.decode(), row.first_used_at) for row in rows)


def _contact_messages(connection: Connection, email_key: str) -> tuple[HeldContactMessage, ...]:
    return tuple(_copy(HeldContactMessage, row) for row in contact_messages.from_address(connection, email_key))


def _messages(connection: Connection, subscriber_id: str) -> tuple[HeldMessage, ...]:
    # Whether a mail went to a new address would tell whoever typed it whether we know its owner already.
    unanswered = (confirmation.c.source == MOVE, confirmation.c.used_at.is_(None))
    moves = select(confirmation.c.id).where(confirmation.c.subscriber_id == subscriber_id, *unanswered)
    to_new = (outbox_message.c.kind == CONFIRMATION) & outbox_message.c.confirmation_id.in_(moves)
    mine = (outbox_message.c.subscriber_id == subscriber_id, ~to_new)
    rows = connection.execute(select(outbox_message).where(*mine).order_by(outbox_message.c.id)).all()
    return tuple(_copy(HeldMessage, row) for row in rows)
