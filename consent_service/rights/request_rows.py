"""Data subject requests as rows: found, listed, counted, forgotten, and which of them are nearly or really late.

What is done with a request stands in `data_requests`; this is what rooms below need of it. Must not commit, read a
clock or know what a request sets going.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, false, func, insert, or_, select, update

from consent_service.delivery import outbox
from consent_service.language import mark
from consent_service.models.delivery import outbox_message
from consent_service.models.requests import data_request, data_request_letter, data_request_task
from consent_service.paging import Found, has_words, page_of
from consent_service.rights import request_days
from consent_service.rights.request_days import LAST_CALL, SOON
from consent_service.rights.request_tasks import ERASE, PLACES

RULE, NAMES_RULE = "data_request", "data_request_name"
OPEN, CLOSED = "open", "closed"
STATES = {OPEN: mark("Still open"), CLOSED: mark("Already closed")}
PAGE = "page"
CHANNELS = {
    "phone": mark("By phone"),
    "mail": mark("By e-mail"),
    "paper": mark("On paper or in person"),
    PAGE: mark("On their own page"),
}
RECEIVED, EXTENDED, ANSWER = "received", "extended", "answer"  # which letter
VERIFIED, REFUSED, DONE, PART = "verified", "refused", "done", "part"  # the identity, and how a request ended
LAW, CLAIMS, OTHERS, BEYOND = "law", "claims", "others", "beyond"  # why not all was done, and so are the next two
EXCESSIVE, IDENTITY = "excessive", "identity"
TO_OWNER = "requests_due"  # the mail that says which requests are nearly due
_NAMES = ("name", "email", "email_key", "phone", "wish", "mail_to", "extension_reason", "identity_note", "answer")


@dataclass(frozen=True)
class Search:
    """What staff look for: words in a name or address, `OPEN`, `CLOSED` or None for all, and the page from 1."""

    words: str
    state: str | None
    page: int


@dataclass(frozen=True)
class Alarms:
    """How many open requests are late, and how many are due within a week."""

    late: int
    soon: int


@dataclass(frozen=True)
class Year:
    """How the requests of a year stand: how many came, were closed, and were closed too late."""

    year: int
    received: int
    closed: int
    late: int


def deadline() -> ColumnElement[str]:
    """The day until which a request has to be answered, as a column."""
    return func.coalesce(data_request.c.extended_to, data_request.c.due_on)


_LISTED = select(data_request, deadline().label("deadline"))


def find(connection: Connection, number: int) -> Row[Any] | None:
    """Return one request with its `deadline`, or None."""
    return connection.execute(_LISTED.where(data_request.c.number == number)).one_or_none()


def tasks(connection: Connection, number: int) -> Sequence[Row[Any]]:
    """Return what has to be done for a request, in the order of places."""
    mine = select(data_request_task).where(data_request_task.c.request_number == number)
    order = list(PLACES)
    return sorted(connection.execute(mine).all(), key=lambda task: order.index(task.place))


def letters(connection: Connection, number: int) -> Sequence[Row[Any]]:
    """Return the letters of a request in order, each with `sent_at` when a mail server took it."""
    sent_at = select(outbox_message.c.done_at).where(outbox_message.c.key == data_request_letter.c.message_key)
    mine = select(data_request_letter, sent_at.scalar_subquery().label("sent_at"))
    mine = mine.where(data_request_letter.c.request_number == number)
    return connection.execute(mine.order_by(data_request_letter.c.made_at, data_request_letter.c.kind.desc())).all()


def letter_of(connection: Connection, message_key: str) -> Row[Any] | None:
    """Return the letter that a message of the outbox is about, or None."""
    mine = select(data_request_letter).where(data_request_letter.c.message_key == message_key)
    return connection.execute(mine).one_or_none()


def search(connection: Connection, asked: Search) -> Found:
    """Return a page of what was looked for: the open requests first, by their day, then the closed, newest first."""
    closed = data_request.c.closed_at
    told = [func.coalesce(data_request.c[name], "") for name in ("name", "email", "phone")]
    wanted = has_words(told[0] + "\n" + told[1] + "\n" + told[2], asked.words)
    if asked.state:
        wanted.append(closed.is_(None) if asked.state == OPEN else closed.is_not(None))
    counted = select(func.count()).select_from(data_request).where(*wanted)
    listed = _LISTED.where(*wanted)
    still = case((closed.is_(None), deadline()), else_="9999")
    return page_of(connection, counted, listed.order_by(still, closed.desc(), data_request.c.number.desc()), asked.page)


def alarms(connection: Connection, today: date) -> Alarms:
    """Return how many open requests are late on a day, and how many are due within a week of it."""
    is_late, is_soon = deadline() < today.isoformat(), deadline() <= (today + SOON).isoformat()
    counted = select(func.count(case((is_late, 1))), func.count(case((is_soon & ~is_late, 1))))
    return Alarms(*connection.execute(counted.where(data_request.c.closed_at.is_(None))).one())


def near(connection: Connection, today: date) -> Sequence[Row[Any]]:
    """Return the open requests that the owner hears of by mail: late, or due within three days, by their day."""
    return connection.execute(_LISTED.where(_is_near(today)).order_by(deadline(), data_request.c.number)).all()


def has_untold(connection: Connection, today: date) -> bool:
    """Whether a request is near that the owner has not been told of."""
    return connection.execute(select(data_request.c.number).where(_is_untold(today)).limit(1)).first() is not None


def warn(connection: Connection, now: datetime, today: date) -> None:
    """Mail the owner when a request is near that they have not been told of."""
    told = connection.execute(update(data_request).where(_is_untold(today)).values(alarmed_at=now))
    if told.rowcount > 0:
        outbox.enqueue(connection, outbox.MAIL, TO_OWNER, now)


def year(connection: Connection, number: int) -> Year:
    """Return how the requests received in a year stand, those made on people's own pages too."""
    is_late = data_request.c.closed_on > deadline()
    counted = select(func.count(), func.count(data_request.c.closed_at), func.count(case((is_late, 1))))
    first, after = date(number, 1, 1).isoformat(), date(number + 1, 1, 1).isoformat()
    mine = (data_request.c.received_on >= first, data_request.c.received_on < after)
    return Year(number, *connection.execute(counted.where(*mine)).one())


def note_page(connection: Connection, now: datetime, today: date, kind: str, language: str) -> None:
    """Count what somebody has done on their own page as a request that was met at once; it names nobody."""
    values = {
        "kind": kind,
        "channel": PAGE,
        "received_on": today.isoformat(),
        "recorded_at": now,
        "language": language,
        "due_on": request_days.due_on(today).isoformat(),
        "identity": VERIFIED,
        "identity_method": "own_page",
        "identity_at": now,
        "identity_by": PAGE,
        "closed_at": now,
        "closed_on": today.isoformat(),
        "closed_by": PAGE,
        "outcome": DONE,
        "forgotten_at": now,
    }
    connection.execute(insert(data_request).values(**values))


def of_person(
    connection: Connection, *, subscriber_id: str | None = None, customer_id: str | None = None
) -> Sequence[Row[Any]]:
    """Return the requests about a person's data, the newest first; an address that was only named makes none theirs."""
    known = {"subscriber_id": subscriber_id, "customer_id": customer_id}
    mine = _is_one_of(**{name: [value] for name, value in known.items() if value is not None})
    return connection.execute(_LISTED.where(mine).order_by(data_request.c.number.desc())).all()


def forget_people(
    connection: Connection,
    now: datetime,
    *,
    subscriber_ids: Sequence[str] = (),
    customer_ids: Sequence[str] = (),
    email_keys: Sequence[str] = (),
) -> None:
    """Forget who made closed requests, because those people are being erased; open ones are still to be answered."""
    closed = data_request.c.closed_at.is_not(None)
    by_row = {"subscriber_id": subscriber_ids, "customer_id": customer_ids}
    mine = _is_one_of(**by_row, email_key=email_keys) & closed
    numbers = select(data_request.c.number).where(mine, data_request.c.forgotten_at.is_(None))
    forget(connection, now, connection.execute(numbers).scalars().all())
    for name, ids in by_row.items():
        if ids:
            connection.execute(update(data_request).where(data_request.c[name].in_(ids), closed).values({name: None}))


def forget(connection: Connection, now: datetime, numbers: Sequence[int]) -> None:
    """Forget who made closed requests: number, days, kind, outcome and what was done stay."""
    if not numbers:
        return
    mine = data_request.c.number.in_(numbers)
    emptied: dict[str, Any] = dict.fromkeys(_NAMES) | {"forgotten_at": now}
    connection.execute(update(data_request).where(mine).values(**emptied))
    erased = {"subscriber_id": None, "customer_id": None}
    connection.execute(update(data_request).where(mine, data_request.c.kind == ERASE).values(**erased))
    notes = update(data_request_task).where(data_request_task.c.request_number.in_(numbers))
    connection.execute(notes.values(note=None))


def may_be_forgotten(now: datetime, after: timedelta) -> ColumnElement[bool]:
    """Whether who made a request is no longer needed, as a condition: the answer has left, or some time ago."""
    letter = data_request_letter.c
    answer = (letter.request_number == data_request.c.number, letter.kind == ANSWER)
    sent = select(outbox_message.c.done_at).join_from(
        data_request_letter, outbox_message, letter.message_key == outbox_message.c.key
    )
    left_at = (
        sent.where(*answer).limit(1).correlate(data_request).scalar_subquery()
    )  # a limit: or both are read through
    is_named = data_request.c.closed_at.is_not(None) & data_request.c.forgotten_at.is_(None)
    return is_named & (
        (data_request.c.closed_at <= now - after) | ((data_request.c.kind == ERASE) & left_at.is_not(None))
    )


def _is_untold(today: date) -> ColumnElement[bool]:
    return _is_near(today) & data_request.c.alarmed_at.is_(None)


def _is_near(today: date) -> ColumnElement[bool]:
    return data_request.c.closed_at.is_(None) & (deadline() <= (today + LAST_CALL).isoformat())


def _is_one_of(**known: Sequence[str]) -> ColumnElement[bool]:
    return or_(false(), *(data_request.c[name].in_(values) for name, values in known.items() if values))
