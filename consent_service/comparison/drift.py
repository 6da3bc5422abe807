"""What differs between the list at ActiveCampaign and the people here, and what the rules let be done about it.

A run walks the list there page by page, then asks about everybody here whom no page showed. Every page and answer is
taken in one transaction with how far the run has come, so a run that is killed goes on where it stopped. What is found
there takes permission away, never gives any. Must not talk to the network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, func, insert, or_, select, update

from consent_service import people, subscriptions
from consent_service.activecampaign import departures, forwarding, strangers
from consent_service.activecampaign.calls import PAGE
from consent_service.activecampaign.contacts import BOUNCED, LEFT, SUBSCRIBED, ContactState, Membership
from consent_service.activecampaign.listing import Found
from consent_service.comparison import caution, runs
from consent_service.delivery import outbox
from consent_service.earlier_list import import_rows
from consent_service.ledger.evidence import Occasion
from consent_service.ledger.vault import Vault
from consent_service.models.activecampaign import deleted_contact
from consent_service.models.comparison import drift
from consent_service.models.delivery import outbox_message
from consent_service.models.newsletter import confirmation, subscriber

LEFT_THERE, BOUNCED_THERE, MISSING_THERE = "left-there", "bounced-there", "missing-there"
LEFT_HERE, NOT_FORWARDED, STRANGER = "left-here", "not-forwarded", "stranger"
RESTORED, OTHER_ADDRESS, TO_BE_ASKED = "restored", "other-address", "to-be-asked"
KINDS = (
    LEFT_THERE, BOUNCED_THERE, MISSING_THERE, LEFT_HERE, NOT_FORWARDED, STRANGER, RESTORED, OTHER_ADDRESS,
    TO_BE_ASKED,
)  # fmt: skip


@dataclass(frozen=True)
class Summary:
    """What a run found: how many of each kind, and how many of them were put right."""

    found: dict[str, int]
    repaired: dict[str, int]


def open_list(connection: Connection, run: Row[Any], list_id: int) -> Row[Any]:
    """Note which list a run is about; the first night after another list was set only reports."""
    is_other = not run.by_hand and caution.is_other_list(connection, run, list_id)
    runs.advance(connection, run, list_id=list_id, applies=run.applies and not is_other)
    return runs.find(connection, run.id)


def take_page(connection: Connection, occasion: Occasion, run: Row[Any], *, page: Sequence[Found], calls: int) -> None:
    """Hold one page of the list against the people here; an empty page is the end of the list."""
    if not page:
        runs.advance(connection, run, phase=runs.PEOPLE, cursor="", calls=run.calls + calls)
        return
    seen = []
    for one, person in _owners(connection, page):
        if person is None or person.active_since is None:
            _unknown(connection, occasion, run, one, person)
        elif person.status != "active":
            _left_here(connection, occasion, run, one, person)
        else:
            if person.email_key != people.key_of(one.email):
                _note(connection, run, OTHER_ADDRESS, subscriber_id=person.id, contact_id=one.contact_id)
            seen.append(person.id)
    mine = subscriber.c.id.in_(seen)
    # Everybody who locks several people does so in this order, or two of them could wait for each other.
    connection.execute(select(subscriber.c.id).where(mine).order_by(subscriber.c.id).with_for_update())
    connection.execute(update(subscriber).where(mine).values(seen_in_run=run.id))
    total = {"contacts": run.contacts + len(page), "calls": run.calls + calls}
    runs.advance(connection, run, cursor=page[-1].contact_id, **total)


@dataclass(frozen=True)
class Unseen:
    """Somebody active whom no page showed."""

    subscriber_id: str
    contact: ContactState


def unseen(connection: Connection, keys: Vault, run: Row[Any]) -> Unseen | None:
    """Return the next person who was taken over there and whom no page showed; None after the last."""
    not_seen = subscriber.c.seen_in_run.is_distinct_from(run.id) & (subscriber.c.id > run.cursor)
    found = select(subscriber).where(_in_line_before(run), not_seen)
    person = connection.execute(found.order_by(subscriber.c.id).limit(1)).one_or_none()
    return Unseen(person.id, forwarding.state_of(keys, connection, person)) if person else None


def late(connection: Connection, run: Row[Any]) -> Sequence[str]:
    """Return a hundred who have confirmed and wait in no queue, since the message was lost or set aside.

    Looks through everybody active.
    """
    found = select(subscriber.c.id).where(*_is_late(run)).order_by(subscriber.c.id).limit(PAGE)
    return connection.execute(found).scalars().all()


def take_late(connection: Connection, occasion: Occasion, run: Row[Any], *, people: Sequence[str]) -> None:
    """Forward those who are late; fewer than a hundred are the last."""
    is_late = and_(*_is_late(run)).label("is_late")  # as a condition, SQLite would look through everybody active
    found = select(subscriber.c.id, is_late).where(subscriber.c.id.in_(people)).order_by(subscriber.c.id)
    rows = connection.execute(found.with_for_update(of=subscriber)).all()
    for person_id in (row.id for row in rows if row.is_late):
        _note(connection, run, NOT_FORWARDED, subscriber_id=person_id, is_repaired=run.applies)
        if run.applies:
            outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, outbox.SYNC, occasion.now, subscriber_id=person_id)
    if len(people) < PAGE:
        runs.advance(connection, run, phase=runs.DELETED, cursor="")


def take_answer(connection: Connection, occasion: Occasion, run: Row[Any], *, asked: Unseen, place: Membership) -> None:
    """Take what a contact's place on the list says of somebody whom no page showed."""
    still = (subscriber.c.id == asked.subscriber_id, _in_line_before(run))
    person = connection.execute(select(subscriber).where(*still).with_for_update()).one_or_none()
    if person is not None and place.status in LEFT:
        kind = BOUNCED_THERE if place.status == BOUNCED else LEFT_THERE
        _note(connection, run, kind, subscriber_id=person.id, contact_id=person.contact_id, is_repaired=run.applies)
        if run.applies:
            subscriptions.leave_there(connection, occasion, person.id, place)
    elif person is not None and place.status != SUBSCRIBED:
        _note(connection, run, MISSING_THERE, subscriber_id=person.id, contact_id=person.contact_id)
    runs.advance(connection, run, cursor=asked.subscriber_id, calls=run.calls + 1)


def deleted(connection: Connection, run: Row[Any]) -> Sequence[Row[Any]]:
    """Return the next hundred contacts that were deleted there and might have been restored."""
    later = (deleted_contact.c.subscriber_id > run.cursor, deleted_contact.c.contact_id.is_not(None))
    found = select(deleted_contact).where(*later).order_by(deleted_contact.c.subscriber_id)
    return connection.execute(found.limit(PAGE)).all()


def take_deleted(
    connection: Connection, occasion: Occasion, run: Row[Any], *, asked: Sequence[Row[Any]], found: Sequence[Found]
) -> None:
    """Have those deleted again that somebody there restored; when none was asked about, all have been."""
    if not asked:
        runs.advance(connection, run, phase=runs.SETTLE, cursor="0")
        return
    owners = {row.contact_id: row.subscriber_id for row in asked}
    for one in found:
        owner = owners.get(one.contact_id)
        if owner is not None and _deleted_owner(connection, occasion, one) == owner:
            _restored(connection, occasion, run, one, owner)
    runs.advance(connection, run, cursor=asked[-1].subscriber_id, calls=run.calls + 1)


def settle(connection: Connection, occasion: Occasion, run: Row[Any]) -> None:
    """Do to the next hundred who are missing, or are strangers, what may be done now that all are counted."""
    open_still = (drift.c.run_id == run.id, drift.c.kind.in_((MISSING_THERE, STRANGER)), drift.c.id > int(run.cursor))
    rows = connection.execute(select(drift).where(*open_still).order_by(drift.c.id).limit(PAGE)).all()
    if not rows:
        strangers.forget_settled(connection)
        caution.remember(connection, run, occasion.now)
        runs.end(connection, run, runs.DONE, occasion.now, None)
        return
    if run.takes_off is None:
        run = _decided(connection, run)
    may = {MISSING_THERE: run.believes_gone, STRANGER: run.takes_off}
    for row in rows:
        if may[row.kind]:
            _apply(connection, occasion, run, row)
    runs.advance(connection, run, cursor=str(rows[-1].id))


def summary(connection: Connection, run_id: int) -> Summary:
    """Return what a run found, by kind."""
    counted = select(drift.c.kind, func.count(), repaired())
    rows = connection.execute(counted.where(drift.c.run_id == run_id).group_by(drift.c.kind)).all()
    return Summary({kind: number for kind, number, _ in rows}, {kind: number for kind, _, number in rows})


def repaired() -> Any:
    """How many of some findings were put right."""
    return func.count().filter(drift.c.is_repaired)


def findings(connection: Connection, run_id: int, limit: int) -> Sequence[Row[Any]]:
    """Return the first findings of a run with the names of the people they are about."""
    names = select(drift, subscriber.c.first_name, subscriber.c.last_name)
    joined = names.join(subscriber, subscriber.c.id == drift.c.subscriber_id, isouter=True)
    return connection.execute(joined.where(drift.c.run_id == run_id).order_by(drift.c.id).limit(limit)).all()


def _owners(connection: Connection, page: Sequence[Found]) -> list[tuple[Found, Row[Any] | None]]:
    """Pair each contact with the person of its address, or else with the subscriber who has its number."""
    keys, ids = [people.key_of(one.email) for one in page], [one.contact_id for one in page]
    told = or_(subscriber.c.email_key.in_(keys), subscriber.c.contact_id.in_(ids))
    known = connection.execute(select(subscriber).where(told)).all()
    by_address = {row.email_key: row for row in known}
    by_contact = {row.contact_id: row for row in known if row.status == "active"}
    return [
        (one, by_address.get(people.key_of(one.email)) or by_contact.get(one.contact_id)) for one in page if one.email
    ]


def _left_here(connection: Connection, occasion: Occasion, run: Row[Any], one: Found, person: Row[Any]) -> None:
    if _waits(connection, person.id):  # it is on its way
        return
    _note(connection, run, LEFT_HERE, subscriber_id=person.id, contact_id=one.contact_id, is_repaired=run.applies)
    if run.applies and person.contact_id not in (None, one.contact_id):  # an update would go to the contact known here
        strangers.note(connection, one.contact_id, person.email_key, occasion.now)
        strangers.take_off_unasked(connection, occasion.vault, one.contact_id, occasion.now)
    elif run.applies:
        outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, outbox.SYNC, occasion.now, subscriber_id=person.id)


def _unknown(connection: Connection, occasion: Occasion, run: Row[Any], one: Found, person: Row[Any] | None) -> None:
    owner = _deleted_owner(connection, occasion, one)
    if person is None and owner is not None:
        _restored(connection, occasion, run, one, owner)
        return
    if _is_asked(connection, people.key_of(one.email), person):
        _note(connection, run, TO_BE_ASKED, subscriber_id=person.id if person else None, contact_id=one.contact_id)
        return
    strangers.note(connection, one.contact_id, people.key_of(one.email), occasion.now)
    _note(connection, run, STRANGER, subscriber_id=person.id if person else None, contact_id=one.contact_id)


def _deleted_owner(connection: Connection, occasion: Occasion, one: Found) -> str | None:
    """Whose contact this was before it was deleted: told by its address, for the number may be somebody else's."""
    if not one.email:
        return None
    hashes = occasion.vault.address_hashes(people.key_of(one.email))
    such = select(deleted_contact.c.subscriber_id).where(deleted_contact.c.address_hash.in_(hashes))
    return connection.execute(such.order_by(deleted_contact.c.erased_at.desc()).limit(1)).scalar_one_or_none()


def _is_asked(connection: Connection, email_key: str, person: Row[Any] | None) -> bool:
    """Whether somebody of an earlier list is, or is about to be, asked to confirm: they stay until that is over."""
    if person is None:
        return import_rows.waits(connection, email_key)
    mine = (confirmation.c.id == person.open_confirmation_id, confirmation.c.source == "import")
    return connection.execute(select(confirmation.c.id).where(*mine)).first() is not None


def _restored(connection: Connection, occasion: Occasion, run: Row[Any], one: Found, owner: str) -> None:
    theirs = select(subscriber.c.id).where(subscriber.c.email_key == people.key_of(one.email))
    if departures.is_awaited(connection, people.key_of(one.email)) or connection.execute(theirs).first():
        return
    known = (drift.c.run_id == run.id, drift.c.kind == RESTORED, drift.c.contact_id == one.contact_id)
    if connection.execute(select(drift.c.id).where(*known)).first():
        return
    _note(connection, run, RESTORED, contact_id=one.contact_id, is_repaired=run.applies)
    if run.applies:
        departures.delete_contact(connection, owner, one.email, one.contact_id, occasion.now)


def _is_late(run: Row[Any]) -> tuple[Any, ...]:
    noted = select(drift.c.id).where(drift.c.run_id == run.id, drift.c.subscriber_id == subscriber.c.id).exists()
    is_behind = subscriber.c.forwarded_event_id.is_distinct_from(subscriber.c.basis_event_id)
    return (
        subscriber.c.status == "active",
        is_behind,
        subscriber.c.active_since < run.started_at,
        ~_has_message(),
        ~noted,
    )


def _decided(connection: Connection, run: Row[Any]) -> Row[Any]:
    number = summary(connection, run.id).found.get
    runs.advance(connection, run, **caution.decide(connection, run, number(STRANGER, 0), number(MISSING_THERE, 0)))
    return runs.find(connection, run.id)


def _apply(connection: Connection, occasion: Occasion, run: Row[Any], row: Row[Any]) -> None:
    if row.kind == STRANGER:
        strangers.take_off_unasked(connection, occasion.vault, row.contact_id, occasion.now)
    else:
        still = select(subscriber.c.id).where(subscriber.c.id == row.subscriber_id, _in_line_before(run))
        if connection.execute(still.with_for_update()).first() is None:
            return
        subscriptions.leave_there(connection, occasion, row.subscriber_id, Membership())
    connection.execute(update(drift).where(drift.c.id == row.id).values(is_repaired=True))


def _in_line_before(run: Row[Any]) -> Any:
    """Whether somebody is active by a confirmation from before the run that was taken over there."""
    taken_over = subscriber.c.forwarded_event_id == subscriber.c.basis_event_id
    return (subscriber.c.status == "active") & taken_over & (subscriber.c.active_since < run.started_at)


def _has_message() -> Any:
    """Whether something about the person waits to be forwarded, or was given up and waits for staff."""
    mine = (outbox_message.c.subscriber_id == subscriber.c.id, outbox_message.c.lane == outbox.ACTIVECAMPAIGN)
    return select(outbox_message.c.id).where(*mine, outbox_message.c.done_at.is_(None)).exists()


def _waits(connection: Connection, subscriber_id: str) -> bool:
    found = select(subscriber.c.id).where(subscriber.c.id == subscriber_id, _has_message())
    return connection.execute(found).first() is not None


def _note(
    connection: Connection,
    run: Row[Any],
    kind: str,
    *,
    subscriber_id: str | None = None,
    contact_id: str | None = None,
    is_repaired: bool = False,
) -> None:
    values = {"subscriber_id": subscriber_id, "contact_id": contact_id, "is_repaired": is_repaired}
    connection.execute(insert(drift).values(run_id=run.id, kind=kind, **values))
