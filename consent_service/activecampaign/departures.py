"""People already erased, as long as somebody else has to hear of it: ActiveCampaign first, then the person.

Holds the one copy of the address that is left, and lets go of it as soon as both are done. Must not talk to anybody.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from consent_service.activecampaign.contacts import DELETED
from consent_service.delivery import outbox, suppression
from consent_service.delivery.outbox import Delivered
from consent_service.ledger.vault import Vault
from consent_service.models.activecampaign import deleted_contact
from consent_service.models.delivery import outbox_message
from consent_service.models.newsletter import departure, erasure, subscriber
from consent_service.people import key_of

DELETE, ERASED = "delete", "erased"
GIVE_UP_TELLING = timedelta(days=30)
PACE = timedelta(seconds=1)
STAYS, DELETED_CONTACT = ("leaf", "erasure", "access", "allowance"), "deleted_contact"


def start(
    connection: Connection,
    people: Sequence[Row[Any]],
    now: datetime,
    *,
    told_there: Collection[str],
    waits: bool,
    told: bool,
) -> None:
    """Have ActiveCampaign delete the contacts of these people (of the ids in `told_there`), and tell them if `told`.

    They are told after the deletion when `waits`, else at once. Where nobody is told, nobody waits: deletions
    follow each other slowly then, so that a purge of many holds nobody up who leaves meanwhile.
    """
    if not people:
        return
    leaving = {person.id: secrets.token_hex(16) for person in people}
    rows = [_row(leaving[person.id], now, _address(person) | {"is_told": told}) for person in people]
    connection.execute(insert(departure), rows)
    if told_there:
        busy = outbox.busy_until(connection, outbox.ACTIVECAMPAIGN, [*leaving], now)
        due_at = {leaving[one]: busy[one] for one in leaving if one in told_there}
        due = due_at if told else _behind_others(connection, now, due_at)
        outbox.enqueue_departures(connection, outbox.ACTIVECAMPAIGN, DELETE, now, due)
    if told:
        at_once = [leaving[one] for one in leaving if not (waits and one in told_there)]
        _tell(connection, now, departure.c.id.in_(at_once))


def delete_by_address(
    connection: Connection, subscriber_id: str, email: str, now: datetime, going: Collection[str] = ()
) -> None:
    """Have a contact deleted that was left behind under an address, unless somebody else is known there by it by now.

    Somebody who was only asked there does not count, since anybody can bring that about with the form; nor do those
    who are `going`.
    """
    known_there = (subscriber.c.email_key == key_of(email), subscriber.c.active_since.is_not(None))
    known = connection.execute(select(subscriber.c.id).where(*known_there)).scalar_one_or_none()
    if known is not None and (known == subscriber_id or known not in going):
        return
    values = {"subscriber_id": subscriber_id, "email": email, "email_key": key_of(email)}
    _delete_there(connection, now, values)


def delete_contact(connection: Connection, subscriber_id: str, email: str, contact_id: str, now: datetime) -> None:
    """Have a contact deleted whose owner was erased here: one that somebody there restored, or of no subscriber."""
    values = {"subscriber_id": subscriber_id, "email": email, "email_key": key_of(email), "contact_id": contact_id}
    _delete_there(connection, now, values)


def find(connection: Connection, departure_id: str | None) -> Row[Any] | None:
    """Return a departure, or None when it is over."""
    return connection.execute(select(departure).where(departure.c.id == departure_id)).one_or_none()


def is_awaited(connection: Connection, email_key: str) -> bool:
    """Whether ActiveCampaign has still to delete a contact of somebody erased who had this address."""
    return bool(connection.execute(select(is_awaited_of(email_key))).scalar_one())


def is_awaited_of(email_key: Any) -> Any:
    """What `is_awaited` asks, as a condition, of an address or a column of them."""
    return select(departure.c.id).where(departure.c.email_key == email_key, _has_open_deletion()).exists()


def deleted_there(connection: Connection, departure_id: str, answer: Delivered, now: datetime) -> None:
    """Note that ActiveCampaign has deleted the contact, and go on to telling the person."""
    leaving = find(connection, departure_id)
    if leaving is None:
        return
    # Somebody who moved may have left a second contact behind: one that was found is what they are told.
    better = erasure.c.there_answer.is_distinct_from(DELETED)
    of_person = (erasure.c.subscriber_id == leaving.subscriber_id, better)
    connection.execute(update(erasure).where(*of_person).values(there_at=now, there_answer=answer.answer))
    if answer.contact_id is not None:
        gone = update(deleted_contact).where(deleted_contact.c.subscriber_id == leaving.subscriber_id)
        connection.execute(gone.values(contact_id=answer.contact_id))
    _tell(connection, now, departure.c.id == departure_id)


def settled(connection: Connection, now: datetime, after: str, limit: int) -> tuple[list[str], str | None]:
    """Look at so many departures after an id, in the order of their ids.

    Returns the ids of those for which somebody can be told, or nothing is left to do; and the id to go on after, None
    when fewer were left.
    """
    # In two steps: asked in one, PostgreSQL expects so many that it reads the whole outbox.
    these = select(departure.c.id).where(departure.c.id > after).order_by(departure.c.id).limit(limit)
    ids = connection.execute(these).scalars().all()
    done = connection.execute(select(departure.c.id).where(departure.c.id.in_(ids), _is_settled(now))).scalars().all()
    return list(done), ids[-1] if len(ids) == limit else None


def settle(connection: Connection, ids: Sequence[str], now: datetime) -> int:
    """Forget those of these addresses for which nothing is left to do, and return how many they were.

    Who waits for an answer about a deletion that staff set aside gets it now. A letter that no server took for a month
    is given up; a deletion never is.
    """
    these = departure.c.id.in_(ids)
    _tell(connection, now, these & ~_has_open_deletion())
    over = connection.execute(select(departure.c.id).where(these, ~_is_open(now))).scalars().all()
    connection.execute(delete(outbox_message).where(outbox_message.c.departure_id.in_(over)))
    connection.execute(delete(departure).where(departure.c.id.in_(over)))
    return len(over)


def deletion(connection: Connection, leaving: Row[Any]) -> str | None:
    """Return what ActiveCampaign answered, `pending` or `set aside` when it has not, None when it was not asked."""
    answer: str | None = connection.execute(
        select(erasure.c.there_answer).where(erasure.c.subscriber_id == leaving.subscriber_id)
    ).scalar_one_or_none()
    if answer is not None:
        return answer
    asked = select(outbox_message.c.done_at).where(
        outbox_message.c.departure_id == leaving.id, outbox_message.c.kind == DELETE
    )
    states = connection.execute(asked).scalars().all()
    return None if not states else "pending" if None in states else "set aside"


def _behind_others(connection: Connection, now: datetime, due_at: Mapping[str, datetime]) -> dict[str, datetime]:
    """When deletions that nobody waits for may leave, each of them due no earlier than this."""
    mine = (outbox_message.c.lane == outbox.ACTIVECAMPAIGN, outbox_message.c.kind == DELETE, outbox.undone())
    last = select(outbox_message.c.due_at).where(*mine).order_by(outbox_message.c.due_at.desc()).limit(1)
    latest: datetime = connection.execute(last).scalar_one_or_none() or now - PACE
    behind = {}
    for departure_id, at in due_at.items():
        behind[departure_id] = latest = max(at, latest + PACE)
    return behind


def _is_settled(now: datetime) -> Any:
    return ~_is_open(now) | (departure.c.is_told & ~_has_open_deletion())


def _is_open(now: datetime) -> Any:
    """Whether ActiveCampaign has still to delete the contact, or a letter has still to be taken by a server."""
    given_up = (outbox_message.c.lane == outbox.MAIL) & (outbox_message.c.dead_at <= now - GIVE_UP_TELLING)
    return (
        select(outbox_message.c.id)
        .where(outbox_message.c.departure_id == departure.c.id, outbox_message.c.done_at.is_(None))
        .where(outbox_message.c.dead_at.is_(None) | ~given_up)
        .exists()
    )


def _tell(connection: Connection, now: datetime, which: Any) -> None:
    """Answer those who wait for it; once, however many relays try, since only one takes the mark off a row."""
    waits = update(departure).where(which, departure.c.is_told)
    for departure_id in connection.execute(waits.values(is_told=False).returning(departure.c.id)).scalars().all():
        outbox.enqueue(connection, outbox.MAIL, ERASED, now, departure_id=departure_id)


def _delete_there(connection: Connection, now: datetime, values: dict[str, Any]) -> None:
    """Have a contact deleted of whom nobody is told."""
    departure_id = secrets.token_hex(16)
    connection.execute(insert(departure), _row(departure_id, now, values | {"language": "fi", "is_told": False}))
    outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, DELETE, now, departure_id=departure_id)


def _row(departure_id: str, now: datetime, values: dict[str, Any]) -> dict[str, Any]:
    return {"id": departure_id, "created_at": now, **values}


def _address(person: Row[Any]) -> dict[str, Any]:
    values = {name: getattr(person, name) for name in ("email", "email_key", "language", "contact_id")}
    return values | {"subscriber_id": person.id}


def _has_open_deletion() -> Any:
    return (
        select(outbox_message.c.id)
        .where(outbox_message.c.departure_id == departure.c.id, outbox_message.c.kind == DELETE)
        .where(outbox_message.c.done_at.is_(None))
        .exists()
    )


def staying(connection: Connection, keys: Vault, email_key: str, now: datetime) -> list[str]:
    """Return the retention rules of what stays of somebody erased; their own no comes first."""
    refused = suppression.find(connection, keys, email_key, now)
    refusals = [refused.reason] if refused else []
    return [*refusals, *STAYS, *([DELETED_CONTACT] if _is_known_there(connection, keys, email_key) else [])]


def _is_known_there(connection: Connection, keys: Vault, email_key: str) -> bool:
    """Whether somebody has a contact at ActiveCampaign, or had one that was deleted with them."""
    mine = (subscriber.c.email_key == email_key, subscriber.c.active_since.is_not(None))
    was_mine = deleted_contact.c.address_hash.in_(keys.address_hashes(email_key))
    known = select(subscriber.c.id).where(*mine).union_all(select(deleted_contact.c.subscriber_id).where(was_mine))
    return connection.execute(known.limit(1)).first() is not None
