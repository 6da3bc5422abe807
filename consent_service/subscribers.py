"""Reading for staff: counts, search, one person, and the messages that wait or died; and for programs, which is noted.

Changes nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from consent_service import people
from consent_service.delivery import outbox
from consent_service.language import mark
from consent_service.ledger import evidence
from consent_service.ledger.evidence import Occasion
from consent_service.models.delivery import outbox_message
from consent_service.models.newsletter import confirmation, departure, subscriber
from consent_service.paging import Found, has_words, page_of
from consent_service.staff import access_log

STATUSES = {"pending": mark("Unconfirmed"), "active": mark("Active"), "passive": mark("Passive")}
LONGEST_LIST = 200
STALE, MOST_STALE = "stale", 1000


@dataclass(frozen=True)
class Search:
    """What staff look for: words in a name or address, a status or None for all, and the page from 1.

    `STALE` is looked for like a status: consents given before the purpose got `purpose_version`.
    """

    words: str
    status: str | None
    page: int
    purpose_version: int


def counts(connection: Connection) -> dict[str, int]:
    """Return how many subscribers have each status."""
    rows = connection.execute(select(subscriber.c.status, func.count()).group_by(subscriber.c.status))
    return {"pending": 0, "active": 0, "passive": 0} | dict(rows.all())


def stale(connection: Connection, purpose_version: int) -> int:
    """Return how many active people agreed to an earlier purpose than today's (GDPR article 6(4)).

    Not counted beyond one more than `MOST_STALE`: right after a change of the purpose that is everybody.
    """
    is_basis = (subscriber.c.id == confirmation.c.subscriber_id) & (
        subscriber.c.basis_event_id == confirmation.c.used_event_id
    )
    some = select(subscriber.c.id).select_from(confirmation).join(subscriber, is_basis)
    some = some.where(*_agreed_before(purpose_version)).limit(MOST_STALE + 1)
    return connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()


def search(connection: Connection, asked: Search) -> Found:
    """Return a page of what was looked for, the newest ask first, `is_stale` with each person."""
    wanted: list[Any] = []
    if asked.status == STALE:
        earlier = select(confirmation.c.used_event_id).where(*_agreed_before(asked.purpose_version))
        wanted.append(subscriber.c.basis_event_id.in_(earlier))
    elif asked.status:
        wanted.append(subscriber.c.status == asked.status)
    wanted += _has_words(connection, asked.words)
    counted = select(func.count()).select_from(subscriber).where(*wanted)
    order = (subscriber.c.asked_at.desc(), subscriber.c.id.desc())  # as an index has it, so that no page is sorted for
    found = page_of(connection, counted, select(subscriber.c.id).where(*wanted).order_by(*order), asked.page)
    listed = select(subscriber, _is_stale(asked.purpose_version).label("is_stale"))
    theirs = listed.where(subscriber.c.id.in_([row.id for row in found.rows]))
    return Found(connection.execute(theirs.order_by(*order)).all(), found.total, found.page)


def find(connection: Connection, subscriber_id: str) -> Row[Any] | None:
    """Return one subscriber, or None."""
    return connection.execute(select(subscriber).where(subscriber.c.id == subscriber_id)).one_or_none()


def find_by_key(connection: Connection, email_key: str) -> Row[Any] | None:
    """Return the subscriber who has an address, or None."""
    return connection.execute(select(subscriber).where(subscriber.c.email_key == email_key)).one_or_none()


def read_for_program(connection: Connection, occasion: Occasion, email_key: str) -> Row[Any] | None:
    """Return the subscriber who has an address to another program, and note in the log which key read about whom.

    The log gets ids and nothing else. For an address that nobody has it grows too, so that its size tells nothing.
    """
    person = find_by_key(connection, email_key)
    if person is None:
        evidence.append_filler(connection, occasion)
    else:
        access_log.note(connection, occasion, "looked", "api.status", f"subscriber:{person.id}")
    return person


def forwarding(connection: Connection, subscriber_id: str) -> str | None:
    """Return whether a person's newest update to ActiveCampaign is `waiting` or `refused`; None when neither."""
    mine = (outbox_message.c.subscriber_id == subscriber_id) & (outbox_message.c.lane == outbox.ACTIVECAMPAIGN)
    newest = select(outbox_message.c.done_at, outbox_message.c.dead_at).where(mine)
    update = connection.execute(newest.order_by(outbox_message.c.id.desc()).limit(1)).one_or_none()
    if update is None or update.done_at is not None:
        return None
    return "waiting" if update.dead_at is None else "refused"


def waiting_messages(connection: Connection) -> Sequence[Row[Any]]:
    """Return the messages still to deliver, the first due first, with the name or, of an erased person, the address.

    One that is not `is_first` goes after an earlier one of the same person, whenever it is due itself.
    """
    waiting = _messages().add_columns(outbox.is_first().label("is_first")).where(outbox.undone())
    waiting = waiting.order_by(outbox_message.c.due_at, outbox_message.c.id)
    return connection.execute(waiting.limit(LONGEST_LIST)).all()


def dead_messages(connection: Connection, lanes: Sequence[str] = outbox.LANES) -> Sequence[Row[Any]]:
    """Return the messages that could not be delivered, the newest first, with the person's name."""
    dead = outbox_message.c.dead_at.is_not(None) & outbox_message.c.lane.in_(lanes)
    return connection.execute(
        _messages().where(dead).order_by(outbox_message.c.dead_at.desc()).limit(LONGEST_LIST)
    ).all()


def _is_stale(purpose_version: int) -> Any:
    is_basis = confirmation.c.used_event_id == subscriber.c.basis_event_id
    return select(confirmation.c.id).where(is_basis, confirmation.c.purpose_version < purpose_version).exists()


def _agreed_before(purpose_version: int) -> tuple[Any, ...]:
    return (confirmation.c.used_event_id.is_not(None), confirmation.c.purpose_version < purpose_version)


def _has_words(connection: Connection, words: str) -> list[ColumnElement[bool]]:
    """Whether all words stand in a name or address; a whole address that is somebody's is looked for by itself."""
    try:
        is_theirs = subscriber.c.email_key == people.read_address(words).key
    except people.AddressRefused:
        is_theirs = None
    if is_theirs is not None and connection.execute(select(subscriber.c.id).where(is_theirs)).first():
        return [is_theirs]
    whole = subscriber.c.email + "\n" + subscriber.c.first_name + "\n" + subscriber.c.last_name
    return has_words(whole, words)


def _messages() -> Any:
    names = (subscriber.c.first_name, subscriber.c.last_name, subscriber.c.email, subscriber.c.status)
    person = (*names, departure.c.email.label("leaving"))
    of_person = select(outbox_message, *person).join_from(outbox_message, subscriber, isouter=True)
    return of_person.join(departure, outbox_message.c.departure_id == departure.c.id, isouter=True)
