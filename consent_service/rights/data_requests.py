"""Data subject requests (GDPR articles 12 and 15 to 21): taken, verified, carried out, answered, in this order.

Nothing is disclosed, changed or erased before the identity of whoever asks is verified, whatever else is known of the
request: each function here refuses it, and the database does. A request is closed when nothing is left to be done.
Must not commit, read a clock or send anything.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from consent_service.database import insert_if_absent, one_at_a_time
from consent_service.delivery import outbox
from consent_service.delivery.request_letters import ABOUT_REQUEST
from consent_service.earlier_list import import_rows
from consent_service.language import mark
from consent_service.ledger.evidence import Occasion
from consent_service.models.newsletter import subscriber
from consent_service.models.requests import data_request, data_request_letter, data_request_task
from consent_service.people import Address, key_of
from consent_service.register import customers, held
from consent_service.rights import request_acts, request_days, request_rows, request_tasks
from consent_service.rights.request_acts import NotVerified
from consent_service.rights.request_rows import (
    ANSWER,
    BEYOND,
    CLAIMS,
    DONE,
    EXCESSIVE,
    EXTENDED,
    IDENTITY,
    LAW,
    OTHERS,
    PART,
    RECEIVED,
    REFUSED,
    VERIFIED,
)
from consent_service.rights.request_tasks import ERASE, THERE, Known

MAILBOX, MAILBOX_AND_NUMBER, CALL_BACK = "mailbox", "mailbox_number", "call_back"
SEEN, KNOWN, MORE = "seen", "known", "more"
METHODS = {
    MAILBOX: mark("They answered from the address we have, or opened the link to their own page"),
    MAILBOX_AND_NUMBER: mark("They answered from the address we have, and knew their customer number"),
    CALL_BACK: mark("I called the phone number we have"),
    SEEN: mark("I saw them in person"),
    KNOWN: mark("I know them, and it was them"),
    MORE: mark("Something more, because there was reason to doubt"),
}
OUTCOMES = {
    DONE: mark("All was done"),
    PART: mark("Part of it was done"),
    REFUSED: mark("It is refused"),
}
GROUNDS = {
    LAW: mark("The law obliges us to keep some of it (article 17(3)(b))"),
    CLAIMS: mark("It is needed for a legal claim (article 17(3)(e))"),
    OTHERS: mark("It would tell about other people (article 15(4))"),
    BEYOND: mark("This right does not reach that data"),
    EXCESSIVE: mark("The request is manifestly unfounded or excessive (article 12(5))"),
    IDENTITY: mark("We could not make sure who is asking (article 12(6))"),
}
SAME_WITHIN = timedelta(minutes=1)  # what is written down twice in so short a time was pressed twice


class RequestRefused(Exception):
    """What was asked of a request cannot be done in the state it is in; `advice` says why, to a person."""

    advice = mark("That cannot be done with this request now.")


class RequestUnknown(RequestRefused):
    """There is no such request."""


class AlreadyClosed(RequestRefused):
    """The request has been answered, and nothing about it changes any more."""


class AlreadyVerified(RequestRefused):
    """Whose data is meant can no longer be changed."""

    advice = mark("The identity has been checked already, so this can no longer be changed.")


class MethodTooWeak(RequestRefused):
    """This way of making sure does not do for what is held of this person."""

    advice = mark("This does not do here: there is no address, number or phone number on file that it could rest on.")


class TooLateToExtend(RequestRefused):
    """A month has passed, or the request was extended before."""

    advice = mark("The time can be extended only once, and only in the first month.")


class TasksOpen(RequestRefused):
    """Something has still to be done."""

    advice = mark("Something has still to be done before the request can be closed.")


class DocumentsStay(RequestRefused):
    """Not everything was erased, so the answer has to say so."""

    advice = mark("Documents stay because the law keeps them. Choose that part of it was done.")


class AlreadyBegun(RequestRefused):
    """Something has been done, so it cannot be refused as a whole."""

    advice = mark("Something has been done already. Choose that part of it was done.")


@dataclass(frozen=True, kw_only=True)
class Told:
    """What somebody asked for and said of themselves, each part already read."""

    kind: str
    channel: str
    received_on: date
    language: str
    name: str
    address: Address | None = None
    phone: str | None = None
    customer_number: int | None = None
    wish: str | None = None


@dataclass(frozen=True)
class Closing:
    """How a request ends: outcome, why not all was done (None when it was), and words of our own to the person."""

    outcome: str
    ground: str | None = None
    answer: str | None = None


def take(connection: Connection, occasion: Occasion, told: Told, staff_name: str) -> int:
    """Take a request, note what has to be done for it, and have it acknowledged; returns its number.

    Written down twice within a minute, it is the same request.
    """
    one_at_a_time(connection, "take a request about data")
    if (again := _same(connection, occasion.now, told)) is not None:
        return again
    key = told.address.key if told.address else None
    known = _customer(connection, told.customer_number, key)
    person = _subscriber(connection, known, key)
    mail_to = _on_file(person, known)
    values: dict[str, Any] = {
        "kind": told.kind,
        "channel": told.channel,
        "received_on": told.received_on.isoformat(),
        "received_by": staff_name,
        "recorded_at": occasion.now,
        "name": told.name,
        "email": told.address.email if told.address else None,
        "email_key": key,
        "phone": told.phone,
        "wish": told.wish,
        "subscriber_id": person.id if person else None,
        "customer_id": known.id if known else None,
        "mail_to": mail_to,
        "language": told.language,
        "due_on": request_days.due_on(told.received_on).isoformat(),
    }
    taken = insert(data_request).values(**values).returning(data_request.c.number)
    number: int = connection.execute(taken).scalar_one()
    _want(connection, number, told.kind, person, known, mail_to)
    _write(connection, occasion.now, number, RECEIVED, mail_to)
    return number


def _same(connection: Connection, now: datetime, told: Told) -> int | None:
    mine = {name: getattr(told, name) for name in ("kind", "channel", "name", "phone", "wish")}
    mine |= {"received_on": told.received_on.isoformat(), "email_key": told.address.key if told.address else None}
    wanted = [data_request.c[name] == value for name, value in mine.items()]
    wanted += [data_request.c.closed_at.is_(None), data_request.c.recorded_at > now - SAME_WITHIN]
    newest = select(data_request.c.number).where(*wanted).order_by(data_request.c.number.desc()).limit(1)
    return connection.execute(newest).scalar_one_or_none()


def link(connection: Connection, number: int, customer_number: int) -> bool:
    """Say which customer asks, before their identity is checked; False when there is no such customer."""
    request = _open(connection, number)
    if request.identity is not None:
        raise AlreadyVerified
    known = _customer(connection, customer_number, None)
    if known is None:
        return False
    person, undone = _subscriber(connection, known, request.email_key), data_request_task.c.request_number == number
    mail_to = _on_file(person, known)
    _change(connection, number, customer_id=known.id, subscriber_id=person.id if person else None, mail_to=mail_to)
    connection.execute(delete(data_request_task).where(undone))  # before the identity is checked none is done
    _want(connection, number, request.kind, person, known, mail_to)
    return True


def methods(connection: Connection, request: Row[Any]) -> list[str]:
    """Return the ways of making sure that do for a request, the lightest first (GDPR articles 11(2) and 12(6))."""
    known = customers.find(connection, request.customer_id) if request.customer_id else None
    on_file = known.email_key if known else None
    fits = {
        MAILBOX: request.customer_id is None and request.email is not None and _is_theirs(connection, request),
        MAILBOX_AND_NUMBER: on_file is not None and request.email_key in (None, on_file),
        CALL_BACK: known is not None and known.phone is not None,
        SEEN: True,
        KNOWN: True,
        MORE: True,
    }
    return [method for method in METHODS if fits[method]]


def _is_theirs(connection: Connection, request: Row[Any]) -> bool:
    """Whether all that the request reaches lies under the address that it came with."""
    mine = select(subscriber.c.email_key).where(subscriber.c.id == request.subscriber_id)
    keys = list(connection.execute(mine).scalars())
    keys += [key_of(request.mail_to)] if request.mail_to else []
    return all(key == request.email_key for key in keys)


def verify(connection: Connection, now: datetime, number: int, method: str, note: str | None, staff_name: str) -> None:
    """Note how it was made sure who asks; from then on the request may be carried out."""
    request = _open(connection, number)
    if request.identity == VERIFIED:
        return
    if method not in methods(connection, request):
        raise MethodTooWeak
    mail_to = request.mail_to or (request.email if method == MAILBOX else None)
    noted = {"identity_method": method, "identity_note": note, "identity_at": now, "identity_by": staff_name}
    _change(connection, number, identity=VERIFIED, mail_to=mail_to, **noted)
    if mail_to and not request.mail_to:  # what came from a mailbox is theirs only once they have shown it is
        _want(connection, number, request.kind, None, None, mail_to)


def doubt(connection: Connection, now: datetime, number: int, note: str, staff_name: str) -> None:
    """Note that it could not be made sure who asks: the request can only be refused, unless they prove it after all."""
    request = _open(connection, number)
    if request.identity == VERIFIED:
        raise AlreadyVerified
    _change(connection, number, identity=REFUSED, identity_note=note, identity_at=now, identity_by=staff_name)


def extend(connection: Connection, occasion: Occasion, number: int, reason: str, today: date) -> None:
    """Give a complex request two more months, and tell the person with the reason (GDPR article 12(3))."""
    request = _open(connection, number)
    if request.extended_to is not None or today.isoformat() > request.due_on:
        raise TooLateToExtend
    until = request_days.extended_to(date.fromisoformat(request.due_on)).isoformat()
    told = {"extension_reason": reason, "extension_told_on": today.isoformat(), "alarmed_at": None}
    _change(connection, number, extended_to=until, **told)
    _write(connection, occasion.now, number, EXTENDED, request.mail_to)


def carry_out(connection: Connection, occasion: Occasion, number: int, today: date, staff_name: str) -> None:
    """Do all of a request that the service does itself; raises NotVerified, KeptByHold, CustomerRestricted.

    Whatever it raises, nothing is done. What ActiveCampaign has not answered yet stays open; carried out again, it is
    looked at again.
    """
    request = _verified(connection, number)
    for task in request_rows.tasks(connection, number):
        if task.is_automatic and task.done_at is None:
            is_done = request_acts.act(connection, occasion, request, task.place, today)
            if is_done:
                _tick(connection, occasion.now, number, task.place, staff_name, None)


def tick(connection: Connection, now: datetime, number: int, place: str, note: str, staff_name: str) -> None:
    """Note what a person has done in a place by hand, at ActiveCampaign too if it did not answer."""
    _verified(connection, number)
    by_hand = [task.place for task in request_rows.tasks(connection, number) if not task.is_automatic]
    if place not in (*by_hand, THERE):
        raise RequestRefused
    _tick(connection, now, number, place, staff_name, note)


def close(
    connection: Connection, occasion: Occasion, number: int, closing: Closing, today: date, staff_name: str
) -> None:
    """End a request and have the answer written; raises what `RequestRefused` has below it when it is too early."""
    request = _open(connection, number)
    _settle(connection, occasion, request, staff_name)
    _may_close(connection, request, closing, today)
    if closing.outcome == REFUSED:  # nothing of it was done, and nothing will be
        connection.execute(delete(data_request_task).where(data_request_task.c.request_number == number))
    ended = {"closed_at": occasion.now, "closed_on": today.isoformat(), "closed_by": staff_name}
    said = {"outcome": closing.outcome, "ground": closing.ground, "answer": closing.answer}
    _change(connection, number, **ended, **said)
    _write(connection, occasion.now, number, ANSWER, request.mail_to)


def _may_close(connection: Connection, request: Row[Any], closing: Closing, today: date) -> None:
    tasks = request_rows.tasks(connection, request.number)
    if request.identity is None:
        raise NotVerified
    if closing.outcome == REFUSED:
        if any(task.done_at for task in tasks):
            raise AlreadyBegun
    elif request.identity != VERIFIED:
        raise NotVerified
    elif any(task.done_at is None for task in tasks):
        raise TasksOpen
    elif closing.outcome == DONE and _stays_in_part(connection, request, today):
        raise DocumentsStay


def _stays_in_part(connection: Connection, request: Row[Any], today: date) -> bool:
    documents = held.staying(connection, today, request.customer_id)
    return request.kind == ERASE and len(documents) > 0


def _settle(connection: Connection, occasion: Occasion, request: Row[Any], staff_name: str) -> None:
    """Look once more whether ActiveCampaign has answered, where the rest of a request has been carried out."""
    tasks = request_rows.tasks(connection, request.number)
    left = [task.place for task in tasks if task.is_automatic and task.done_at is None]
    if request.identity == VERIFIED and left == [THERE] and request_acts.is_answered(connection, occasion, request):
        _tick(connection, occasion.now, request.number, THERE, staff_name, None)


def _want(
    connection: Connection,
    number: int,
    kind: str,
    person: Row[Any] | None,
    known: Row[Any] | None,
    mail_to: str | None,
) -> None:
    waiting = import_rows.find(connection, key_of(mail_to)) if mail_to and kind == ERASE else None
    there = (person is not None and person.active_since is not None) or (
        waiting is not None and waiting.contact_id is not None
    )
    found = Known(person is not None, there, known is not None, mail_to is not None)
    for place, task in request_tasks.wanted(kind, found).items():
        values = {"request_number": number, "place": place, "is_automatic": task.is_automatic}
        insert_if_absent(connection, data_request_task, values)


def _tick(connection: Connection, now: datetime, number: int, place: str, staff_name: str, note: str | None) -> None:
    mine = (data_request_task.c.request_number == number, data_request_task.c.place == place)
    done = {"done_at": now, "done_by": staff_name, "done_identity": VERIFIED, "note": note}
    undone = update(data_request_task).where(*mine, data_request_task.c.done_at.is_(None))
    connection.execute(undone.values(**done))


def _write(connection: Connection, now: datetime, number: int, kind: str, mail_to: str | None) -> None:
    """Have a letter mailed, or note that it has to be printed."""
    key = outbox.enqueue(connection, outbox.MAIL, ABOUT_REQUEST, now) if mail_to else None
    values = {"request_number": number, "kind": kind, "made_at": now, "message_key": key}
    connection.execute(insert(data_request_letter).values(**values))


def _open(connection: Connection, number: int) -> Row[Any]:
    mine = select(data_request).where(data_request.c.number == number).with_for_update()
    request = connection.execute(mine).one_or_none()
    if request is None:
        raise RequestUnknown
    if request.closed_at is not None:
        raise AlreadyClosed
    return request


def _verified(connection: Connection, number: int) -> Row[Any]:
    request = _open(connection, number)
    request_acts.require_verified(request)
    return request


def _change(connection: Connection, number: int, **values: Any) -> None:
    connection.execute(update(data_request).where(data_request.c.number == number).values(**values))


def _subscriber(connection: Connection, known: Row[Any] | None, told_key: str | None) -> Row[Any] | None:
    """Whose newsletter is meant: of a customer the one under the address on file, whatever address was told.

    Somebody who proves to be a customer has not proved to have a mailbox that they only named.
    """
    key = known.email_key if known else told_key
    mine = select(subscriber).where(subscriber.c.email_key == key)
    return connection.execute(mine).one_or_none() if key else None


def _customer(connection: Connection, number: int | None, email_key: str | None) -> Row[Any] | None:
    """The customer with a number, or else the only one with an address."""
    if number is not None:
        return customers.of_number(connection, str(number))
    found = customers.of_address(connection, email_key) if email_key else []
    return found[0] if len(found) == 1 else None


def _on_file(person: Row[Any] | None, known: Row[Any] | None) -> str | None:
    """Where letters may go before anything is proved: whoever has that mailbox is the one whose data is meant."""
    return known.email if known and known.email else person.email if person else None
