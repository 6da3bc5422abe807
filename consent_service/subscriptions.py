"""The life of a subscription: ask, confirm, decline, leave, come back.

    none -> pending -> active -> passive -> (new ask, confirmed) -> active

Only the person makes themselves active, by confirming the newest ask sent to their mailbox. Every change, its consent
event and its outbox messages belong to the one transaction that the caller holds. Must not import web or a channel.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from consent_service import asks, corrections
from consent_service.activecampaign.contacts import BOUNCED, UNSUBSCRIBED, Membership
from consent_service.address_changes import MOVE
from consent_service.asks import Ask, LinkDead, LinkExpired
from consent_service.database import insert_if_new
from consent_service.delivery import outbox, suppression
from consent_service.delivery.suppression import Suppressed
from consent_service.earlier_list import import_rows
from consent_service.ledger import evidence, seal
from consent_service.ledger.evidence import Occasion
from consent_service.ledger.seal import Payload
from consent_service.limits.allowance import Window
from consent_service.models.newsletter import confirmation, refusal, subscriber
from consent_service.notices.statements import LEAVING_REASONS, ShownText, Terms
from consent_service.people import Address
from consent_service.sql.prepared import Prepared

IMPORTED = "import"  # the source of an ask to somebody on an earlier list
THERE = "activecampaign"  # the door of what somebody did or said at ActiveCampaign
API = "api"  # the source, and the door, of what another program of the company passes on

_ANSWER = Prepared(update(confirmation).where(confirmation.c.id == bindparam("ask")))
_KNOWN_BY = select(subscriber).where(subscriber.c.email_key == bindparam("email_key"))
_KNOWN, _LOCK_KNOWN = Prepared(_KNOWN_BY), Prepared(_KNOWN_BY.with_for_update())


@dataclass(frozen=True)
class Asked:
    """A confirmation mail is on its way."""

    subscriber_id: str


@dataclass(frozen=True)
class AlreadyActive:
    """The person is a subscriber; nothing changed."""

    subscriber_id: str


@dataclass(frozen=True)
class OverLimit:
    """This address has been written to as often as it may be, until a time."""

    until: datetime

    @property
    def from_minute(self) -> datetime:
        """The first minute that is free as a whole: people are told no seconds."""
        begun = self.until.replace(second=0, microsecond=0)
        return begun if begun == self.until else begun + timedelta(minutes=1)


Requested = Asked | AlreadyActive | OverLimit | Suppressed


def request(connection: Connection, occasion: Occasion, ask: Ask, allowed: Sequence[Window]) -> Requested:
    """Ask a person who filled in a form, here or in another program of the company: pending and a mail, never more.

    A subscriber is told that they are one, and nothing of theirs changes. One who agreed to an earlier purpose is
    asked for today's, and stays what they are until they confirm.
    """
    result = _ask(connection, occasion, ask, API if ask.program else "form", allowed)
    if isinstance(result, AlreadyActive):
        outbox.enqueue(connection, outbox.MAIL, outbox.ALREADY, occasion.now, subscriber_id=result.subscriber_id)
    elif not isinstance(result, Asked):
        outbox.enqueue(connection, outbox.MAIL, outbox.NO_ANSWER, occasion.now)
    if not isinstance(result, Asked):  # an ask has an event now, and another once its mail has left
        evidence.append_filler(connection, occasion)
    return result


def add_by_staff(connection: Connection, occasion: Occasion, ask: Ask, allowed: Sequence[Window]) -> Requested:
    """Ask on behalf of a person who asked a member of staff: pending and a mail that says so, never more."""
    if ask.staff is None:
        raise ValueError("staff must say how the person asked")
    return _ask(connection, occasion, ask, "staff", allowed)


def invite(connection: Connection, occasion: Occasion, ask: Ask) -> Requested | None:
    """Ask somebody on an earlier list for the permission nobody can prove; None when they are known here by now."""
    known = select(subscriber.c.id).where(subscriber.c.email_key == ask.address.key)
    if connection.execute(known).first() is not None:
        return None
    return _ask(connection, occasion, ask, IMPORTED, ())


def ask_again(
    connection: Connection, occasion: Occasion, subscriber_id: str, terms: Terms, allowed: Sequence[Window]
) -> Requested | None:
    """Send a new confirmation to somebody who holds a link of ours; None when they are not known any more.

    The door `confirm-link` says that the link came in a confirmation mail, which nobody forwards: it undoes a decline.
    """
    person = connection.execute(select(subscriber).where(subscriber.c.id == subscriber_id)).one_or_none()
    if person is None:
        return None
    ask = Ask(
        address=asks.address_of(person),
        first_name=person.first_name,
        last_name=person.last_name,
        language=terms.consent.language,
        terms=terms,
    )
    return _ask(connection, occasion, ask, "link", allowed)


def confirm(
    connection: Connection,
    occasion: Occasion,
    seen: tuple[Row[Any], Row[Any]],
    page: ShownText,
    *,
    tracks: bool,
) -> str:
    """Make a person active by their own press of a button, and return their id; a second press changes nothing.

    `seen` is what `asks.find` says of the link, in this transaction. With `tracks` they confirm the box for tracking
    too, if it was ticked in the ask. Of somebody active it is the owner of their new address who presses. Raises
    LinkDead, LinkExpired or AddressTaken.
    """
    if asks.is_confirmed(*seen):
        return str(seen[1].id)
    asks.forgive(connection, occasion, asks.asked_address(*seen))  # before the person is locked, as every ask does
    ask, person = asks.lock(connection, seen)
    standing = asks.standing(ask, person, occasion.now)
    if standing == asks.CONFIRMED:
        return str(person.id)
    if standing != asks.OPEN:
        raise LinkExpired if standing == asks.EXPIRED else LinkDead
    if ask.source == MOVE:
        corrections.move(connection, occasion, ask, person, page)
    else:
        _activate(connection, occasion, ask, person, _agreed_texts(connection, occasion, ask, page, tracks=tracks))
    return str(person.id)


def decline(connection: Connection, occasion: Occasion, confirmation_id: str) -> None:
    """Take "I did not ask, do not write to me": close the ask and write to the address no more; raises LinkDead."""
    seen, seen_person = asks.find(connection, confirmation_id)
    if seen.declined_at is not None:
        return
    address = asks.asked_address(seen, seen_person)
    asks.forgive(connection, occasion, address)  # who pressed by mistake may ask again at once
    ask, person = asks.lock(connection, (seen, seen_person))
    if ask.declined_at is not None:
        return
    is_past = ask.email is None if ask.source == MOVE else person.status == "active"
    if ask.used_at is not None or is_past:
        raise LinkDead
    declined = evidence.append(connection, occasion, person.id, {"kind": "declined", "confirmation": ask.id})
    _ANSWER.write(connection, {"ask": ask.id, "declined_at": declined.at})
    asks.change_person(connection, person.id, open_confirmation_id=None)
    corrections.forget_move(connection, person)
    suppression.decline(connection, occasion.vault, address.key, occasion.now)


def unsubscribe(connection: Connection, occasion: Occasion, subscriber_id: str) -> None:
    """Withdraw at once (GDPR article 7(3)): passive, open asks dead; unknown and passive people change nothing."""
    person = asks.lock_person(connection, subscriber_id)
    if person is None or _is_quiet(person):
        return
    _refuse(connection, occasion, person, {"kind": "withdrawn"})


def withdraw(connection: Connection, occasion: Occasion, address: Address, key_name: str) -> None:
    """Withdraw at once for somebody whose wish a trusted program passes on, and note whose key it had.

    Like `unsubscribe`; where that changes nothing the log grows all the same, so that its size tells nothing.
    """
    person = _LOCK_KNOWN.row(connection, {"email_key": address.key})
    if person is None or _is_quiet(person):
        evidence.append_filler(connection, occasion)
    else:
        _refuse(connection, occasion, person, {"kind": "withdrawn", "api_key": key_name})


def leave_there(connection: Connection, occasion: Occasion, subscriber_id: str, found: Membership) -> None:
    """Take what ActiveCampaign told of somebody active: they unsubscribed, their mailbox refused, or they are gone."""
    person = asks.lock_person(connection, subscriber_id)
    if person is None or person.status != "active":
        return
    left_at = seal.timestamp(found.left_at) if found.left_at else None
    told: Payload = {"left_there_at": left_at, "campaign": found.campaign, "reason_there": found.reason}
    kind = {UNSUBSCRIBED: "withdrawn", BOUNCED: "bounced"}.get(found.status or 0, "removed")
    _refuse(connection, occasion, person, {"kind": kind, **{name: value for name, value in told.items() if value}})


def object_for_good(connection: Connection, occasion: Occasion, subscriber_id: str) -> bool:
    """Take an objection to marketing (GDPR article 21(2) and (3)): passive, open asks dead, and never asked again.

    False when they have objected before.
    """
    person = asks.lock_person(connection, subscriber_id)
    if person is None or _has_objected(connection, occasion, person):
        return False
    suppression.object_for_good(connection, occasion.vault, person.email_key, occasion.now)
    _refuse(connection, occasion, person, {"kind": "objected"}, occasion.vault.address_hash(person.email_key))
    return True


def object_unknown(connection: Connection, occasion: Occasion, email_key: str) -> None:
    """Take the objection to marketing (GDPR article 21(2) and (3)) of somebody who is no subscriber."""
    suppression.object_for_good(connection, occasion.vault, email_key, occasion.now)
    named = {"subscriber_id": str(uuid.uuid4()), "address_hash": occasion.vault.address_hash(email_key)}  # nobody's id
    connection.execute(insert(refusal).values(said_at=occasion.now, kind="objected", **named))


def repeat(connection: Connection, occasion: Occasion, subscriber_id: str, kind: str, said_at: datetime) -> bool:
    """Stop again somebody whose `withdrawn` or `objected` an older database forgot; False when there was nothing to do.

    They have been passive since they said it. Whoever said yes later than that stays what they are.
    """
    person = asks.lock_person(connection, subscriber_id)
    if person is None:
        return False
    yes_at = asks.said_yes(connection, [person.id]).get(person.id)
    is_done = kind != "objected" or _has_objected(connection, occasion, person)
    if (yes_at is None and is_done) or (yes_at is not None and yes_at > said_at):
        return False
    if kind == "objected":  # it was said at another address, if they have moved since the older database was made
        suppression.object_for_good(connection, occasion.vault, person.email_key, said_at)
    evidence.append(connection, occasion, person.id, {"kind": kind, "since": seal.timestamp(said_at)})
    _stop(connection, occasion, person, said_at)
    return True


def explain(connection: Connection, occasion: Occasion, subscriber_id: str, reason: str) -> None:
    """Keep why a person left, one of `LEAVING_REASONS`, once for each time they leave."""
    person = asks.lock_person(connection, subscriber_id)
    if person is not None and person.status == "passive" and person.left_reason is None and reason in LEAVING_REASONS:
        evidence.append(connection, occasion, person.id, {"kind": "explained", "reason": reason})
        asks.change_person(connection, person.id, left_reason=reason)


def request_unsubscribe_link(
    connection: Connection, occasion: Occasion, address: Address, allowed: Sequence[Window]
) -> None:
    """Mail an active person their unsubscribe link; typing an address never takes anybody off."""
    free_at = asks.spend(connection, occasion, "leave", address, allowed)
    person = connection.execute(select(subscriber).where(subscriber.c.email_key == address.key)).one_or_none()
    if person is not None and person.status == "active" and free_at <= occasion.now:
        outbox.enqueue(connection, outbox.MAIL, outbox.UNSUBSCRIBE_LINK, occasion.now, subscriber_id=person.id)
    else:
        outbox.enqueue(connection, outbox.MAIL, outbox.NO_LINK, occasion.now)


def _ask(connection: Connection, occasion: Occasion, ask: Ask, source: str, allowed: Sequence[Window]) -> Requested:
    known = _KNOWN.row(connection, {"email_key": ask.address.key})
    limits = asks.without_idle_gap(known, allowed)
    free_at = asks.spend(connection, occasion, "ask", ask.address, limits)
    refused = suppression.find(connection, occasion.vault, ask.address.key, occasion.now)
    if refused and not (occasion.door == "confirm-link" and refused.reason == "declined"):
        return refused
    if free_at > occasion.now:
        return OverLimit(free_at)
    person = _person(connection, occasion, ask)
    if (asks.agreed_version(connection, person) or 0) >= ask.terms.purpose_version:
        return AlreadyActive(person.id)
    if refused:
        suppression.lift_declined(connection, occasion.vault, person.email_key)
    corrections.forget_move(connection, person)
    asks.mail_link(connection, occasion.now, person.id, asks.write_down(connection, occasion, person, ask, source))
    return Asked(person.id)


def _refuse(
    connection: Connection, occasion: Occasion, person: Row[Any], core: Payload, address_hash: str | None = None
) -> None:
    said = evidence.append(connection, occasion, person.id, core)
    told = {"subscriber_id": person.id, "said_at": said.at, "kind": core["kind"], "address_hash": address_hash}
    connection.execute(insert(refusal).values(**told))
    _stop(connection, occasion, person, said.at)


def _stop(connection: Connection, occasion: Occasion, person: Row[Any], at: datetime) -> None:
    corrections.forget_move(connection, person)
    asks.change_person(connection, person.id, open_confirmation_id=None)
    if person.status == "active":
        without = dict.fromkeys(("basis_event_id", "left_reason", "tracking_since", "tracking_event_id"))
        asks.change_person(connection, person.id, status="passive", passive_since=at, **without)
        # What was said there need not be told there; a tag that allows tracking has to go all the same.
        if occasion.door != THERE or person.tagged_at is not None:
            outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, outbox.SYNC, occasion.now, subscriber_id=person.id)


def _has_objected(connection: Connection, occasion: Occasion, person: Row[Any]) -> bool:
    refused = suppression.find(connection, occasion.vault, person.email_key, occasion.now)
    return _is_quiet(person) and refused is not None and refused.reason == "objected"


def _is_quiet(person: Row[Any]) -> bool:
    """Whether there is nothing to stop: no subscription, and no question that waits for an answer."""
    return person.status != "active" and person.open_confirmation_id is None


def _agreed_texts(
    connection: Connection, occasion: Occasion, ask: Row[Any], page: ShownText, *, tracks: bool
) -> dict[str, str]:
    texts = {"confirm": evidence.keep_text(connection, occasion, page), "consent": ask.statement_sha256}
    return texts | {"tracking": ask.tracking_sha256} if tracks and ask.tracking_sha256 else texts


def _activate(
    connection: Connection, occasion: Occasion, ask: Row[Any], person: Row[Any], texts: dict[str, str]
) -> None:
    names: Payload = {"first_name": ask.first_name, "last_name": ask.last_name, "language": ask.language}
    core: Payload = {"kind": "confirmed", "confirmation": ask.id, "email": person.email, "texts": {**texts}}
    basis = evidence.append(connection, occasion, person.id, core | names)
    tracked = basis if "tracking" in texts else None
    _ANSWER.write(connection, {"ask": ask.id, "used_at": basis.at, "used_event_id": basis.id})
    asks.change_person(
        connection,
        person.id,
        **names,
        status="active",
        active_since=basis.at,
        passive_since=None,
        left_reason=None,
        basis_event_id=basis.id,
        open_confirmation_id=None,
        tracking_since=tracked.at if tracked else None,
        tracking_event_id=tracked.id if tracked else None,
    )
    outbox.enqueue(connection, outbox.MAIL, outbox.WELCOME, occasion.now, subscriber_id=person.id)
    outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, outbox.SYNC, occasion.now, subscriber_id=person.id)


def _person(connection: Connection, occasion: Occasion, ask: Ask) -> Row[Any]:
    values = {
        "id": str(uuid.uuid4()),
        "email": ask.address.email,
        "email_key": ask.address.key,
        "first_name": ask.first_name,
        "last_name": ask.last_name,
        "language": ask.language,
        "status": "pending",
        "asked_at": occasion.now,
    }
    while True:  # again, if they were erased between the two: then the row is new and nobody else's
        person = insert_if_new(connection, subscriber, values)
        person = person or _LOCK_KNOWN.row(connection, {"email_key": ask.address.key})
        if person is not None:
            import_rows.forget(connection, person.email_key, occasion.now)  # they need not be asked any more
            return person
