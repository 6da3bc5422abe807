"""Messages from the contact form: taken, shown to staff, closed, and gone with their time or at their writer's wish.

Whose they are is known by the address alone, which nobody has confirmed: they change nothing about a subscriber. The
mail to the owner is a row in the outbox and holds the message's id. Must not send anything.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, select, update

from consent_service.database import insert_if_absent
from consent_service.delivery import outbox
from consent_service.erasure_notes import note_erased
from consent_service.language import mark
from consent_service.limits import allowance, caps
from consent_service.limits.allowance import Window
from consent_service.models.delivery import outbox_message
from consent_service.models.inbox import contact_message
from consent_service.models.newsletter import subscriber
from consent_service.paging import Found, has_words, page_of
from consent_service.people import Address

TO_OWNER = "contact"  # the mail about a new message
MORE_TO_OWNER = "contact_more"  # the one mail in an hour that says that more wait in the inbox
MAILS_TO_OWNER = (Window(20, timedelta(hours=1)),)  # a flood may fill neither their mailbox nor the lane of mails
MORE_MAILS = (Window(1, timedelta(hours=1)),)
RULE = "contact_message"  # how long they are kept, and why one was erased before its time
REASONS = {
    "coaching": mark("Coaching or training"),
    "offer": mark("I would like an offer"),
    "invoice": mark("An invoice"),
    "newsletter": mark("The newsletter"),
    "other": mark("Something else"),
}
OPEN, CLOSED = "open", "closed"
STATES = {OPEN: mark("Still open"), CLOSED: mark("Already closed")}


class TooManyMessages(Exception):
    """So many have come that the inbox takes no more until a time."""

    def __init__(self, until: datetime):
        super().__init__()
        self.until = until


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a visitor wrote, each part already read; `form_token` is the render token of the form it came from."""

    address: Address
    first_name: str
    last_name: str
    phone: str | None
    reason: str
    message: str
    language: str
    form_token: str

    @property
    def sent_key(self) -> str:
        """The same for the same words from the same page, so that a second press brings no second message."""
        parts = (self.form_token, self.address.key, self.first_name, self.last_name, self.phone, self.reason)
        return sha256(repr((*parts, self.message)).encode()).hexdigest()


@dataclass(frozen=True)
class Search:
    """What staff look for: words in a name or address, `OPEN`, `CLOSED` or None for all, and the page from 1."""

    words: str
    state: str | None
    page: int


def take(connection: Connection, now: datetime, written: Written, allowed: Sequence[Window]) -> bool:
    """Keep a message and have the owner told of it; False, and nothing done, when it has been sent before.

    Raises TooManyMessages when that would be more than `allowed` of all writers together; then nothing may be kept.
    """
    message_id = str(uuid.uuid4())
    values = {
        "id": message_id,
        "received_at": now,
        "sent_key": written.sent_key,
        "first_name": written.first_name,
        "last_name": written.last_name,
        "email": written.address.email,
        "email_key": written.address.key,
        "phone": written.phone,
        "reason": written.reason,
        "message": written.message,
        "language": written.language,
    }
    is_new = insert_if_absent(connection, contact_message, values)
    if is_new:
        until = caps.take(connection, "messages", allowed, now)
        if until > now:
            raise TooManyMessages(until)
        _tell_owner(connection, now, message_id)
    return is_new


def _tell_owner(connection: Connection, now: datetime, message_id: str) -> None:
    """Have the owner told of a message by mail; of many in a while, that more wait in the inbox."""
    if caps.take(connection, "mails-to-owner", MAILS_TO_OWNER, now) <= now:
        outbox.enqueue(connection, outbox.MAIL, TO_OWNER, now, contact_message_id=message_id)
    elif allowance.spend(connection, "more-to-owner", MORE_MAILS, now) <= now:
        outbox.enqueue(connection, outbox.MAIL, MORE_TO_OWNER, now)


def find(connection: Connection, message_id: str | None) -> Row[Any] | None:
    """Return one message, or None."""
    return connection.execute(select(contact_message).where(contact_message.c.id == message_id)).one_or_none()


def from_address(connection: Connection, email_key: str) -> Sequence[Row[Any]]:
    """Return every message that came under an address, the newest first."""
    mine = select(contact_message).where(contact_message.c.email_key == email_key)
    return connection.execute(mine.order_by(contact_message.c.received_at.desc())).all()


def lock_newest(connection: Connection, email_key: str) -> Row[Any] | None:
    """Return the newest message that came under an address, which nobody erases meanwhile, or None."""
    mine = select(contact_message).where(contact_message.c.email_key == email_key)
    newest = mine.order_by(contact_message.c.received_at.desc()).limit(1)
    return connection.execute(newest.with_for_update()).one_or_none()


def search(connection: Connection, asked: Search) -> Found:
    """Return a page of what was looked for, the open messages first and each kind newest first."""
    closed = contact_message.c.closed_at
    name = contact_message.c.first_name + "\n" + contact_message.c.last_name
    wanted = has_words(contact_message.c.email + "\n" + name, asked.words)
    if asked.state:
        wanted.append(closed.is_(None) if asked.state == OPEN else closed.is_not(None))
    counted = select(func.count()).select_from(contact_message).where(*wanted)
    listed = select(contact_message).where(*wanted)
    order = (closed.is_not(None), contact_message.c.received_at.desc(), contact_message.c.id)
    return page_of(connection, counted, listed.order_by(*order), asked.page)


def open_count(connection: Connection) -> int:
    """Return how many messages nobody has closed yet."""
    waiting = select(func.count()).select_from(contact_message).where(contact_message.c.closed_at.is_(None))
    return connection.execute(waiting).scalar_one()


def close(connection: Connection, now: datetime, message_id: str, staff_name: str) -> None:
    """Note that a message has been dealt with, and by whom; who closed it first stays named."""
    still_open = (contact_message.c.id == message_id, contact_message.c.closed_at.is_(None))
    connection.execute(update(contact_message).where(*still_open).values(closed_at=now, closed_by=staff_name))


def reopen(connection: Connection, message_id: str) -> None:
    """Note that a closed message needs somebody again."""
    mine = contact_message.c.id == message_id
    connection.execute(update(contact_message).where(mine).values(closed_at=None, closed_by=None))


def is_free() -> Any:
    """Whether no legal hold on whoever has the address keeps a message, as a condition (GDPR article 17(3)(e))."""
    held = (subscriber.c.email_key == contact_message.c.email_key, subscriber.c.hold_reason.is_not(None))
    return ~select(subscriber.c.id).where(*held).exists()


def erase(connection: Connection, now: datetime, message_id: str) -> bool:
    """Erase one message before its time and note it, so that no backup brings it back; False when a hold keeps it."""
    return _erase(connection, now, (contact_message.c.id == message_id) & is_free()) or not find(connection, message_id)


def erase_again(connection: Connection, message_id: str) -> bool:
    """Erase one that came back with an older database; False when there is none."""
    return bool(_end(connection, contact_message.c.id == message_id))


def forget(connection: Connection, now: datetime, email_keys: Collection[str]) -> None:
    """Erase every message that came under these addresses, since who has one wants everything erased; note each.

    A hold keeps those of whoever is held.
    """
    _erase(connection, now, contact_message.c.email_key.in_(email_keys) & is_free())


def forget_overdue(connection: Connection, ids: Sequence[str]) -> None:
    """Erase those whose time is up."""
    _end(connection, contact_message.c.id.in_(ids))


def follow(connection: Connection, former_key: str, email_key: str) -> None:
    """Let a person keep what they wrote under an address they have just given up; it is shown as they wrote it."""
    mine = contact_message.c.email_key == former_key
    connection.execute(update(contact_message).where(mine).values(email_key=email_key))


def _erase(connection: Connection, now: datetime, which: ColumnElement[bool]) -> bool:
    gone = _end(connection, which)
    note_erased(connection, gone, RULE, now)
    return bool(gone)


def _end(connection: Connection, which: ColumnElement[bool]) -> Sequence[str]:
    """Delete messages with the mails about them that wait; returns their ids.

    They are locked first, so that no mail about one comes into the outbox in between.
    """
    ids = select(contact_message.c.id).where(which).order_by(contact_message.c.received_at)
    gone = connection.execute(ids.with_for_update()).scalars().all()
    if gone:
        connection.execute(delete(outbox_message).where(outbox_message.c.contact_message_id.in_(gone)))
        connection.execute(delete(contact_message).where(contact_message.c.id.in_(gone)))
    return gone
