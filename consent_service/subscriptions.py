"""The life of a subscription: ask, confirm, decline, leave, come back.

    none -> pending -> active -> passive -> (new ask, confirmed) -> active

Only the person makes themselves active, by confirming the newest ask sent to their mailbox. Every change, its consent
event and its outbox messages belong to the one transaction that the caller holds. Must not import web or a channel.
"""

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from consent_service import people, statements
from consent_service.database import insert_if_absent
from consent_service.delivery import allowance, outbox, suppression
from consent_service.delivery.allowance import Window
from consent_service.delivery.suppression import Suppressed
from consent_service.ledger import evidence
from consent_service.ledger.evidence import Occasion
from consent_service.ledger.seal import Payload
from consent_service.models import confirmation, subscriber
from consent_service.people import Address
from consent_service.statements import ShownText

LINK_LIFETIME = timedelta(days=7)
ASK_GAP = timedelta(minutes=5)
REASONS = ("too_many", "not_for_me", "never_asked", "other")


class LinkDead(Exception):
    """The link was used up, replaced by a newer one, withdrawn, or names nobody."""


class LinkExpired(Exception):
    """The confirmation was asked for too long ago; the same person may ask again."""


@dataclass(frozen=True)
class StaffRequest:
    """How a person asked a member of staff to be added, and who that was."""

    staff_id: str
    staff_name: str
    channel: str
    occasion: str
    asked_on: date


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request for permission: whom, in which language, and with which words; `staff` when staff were asked."""

    address: Address
    first_name: str
    last_name: str
    language: str
    consent: ShownText
    staff: StaffRequest | None = None


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
    """This address has been written to as often as it may be for now."""


Requested = Asked | AlreadyActive | OverLimit | Suppressed


def address_windows(limit: str) -> tuple[Window, ...]:
    """Return how often one address may be written to: the limit's windows and at least five minutes apart."""
    windows = allowance.windows(limit)
    return (Window(1, ASK_GAP), *windows) if windows else ()


def request(connection: Connection, occasion: Occasion, ask: Ask, allowed: Sequence[Window]) -> Requested:
    """Ask a person who filled in the form; a subscriber is told that they are one, and nothing of theirs changes."""
    result = _ask(connection, occasion, ask, "form", allowed)
    if isinstance(result, AlreadyActive):
        outbox.enqueue(connection, outbox.MAIL, "already", occasion.now, subscriber_id=result.subscriber_id)
    return result


def add_by_staff(connection: Connection, occasion: Occasion, ask: Ask, allowed: Sequence[Window]) -> Requested:
    """Ask on behalf of a person who asked a member of staff: pending and a mail that says so, never more."""
    if ask.staff is None:
        raise ValueError("staff must say how the person asked")
    return _ask(connection, occasion, ask, "staff", allowed)


def ask_again(
    connection: Connection, occasion: Occasion, subscriber_id: str, consent: ShownText, allowed: Sequence[Window]
) -> Requested | None:
    """Send a new confirmation to somebody who holds a link of ours; None when they are not known any more.

    The door `confirm-link` says that the link came in a confirmation mail, which nobody forwards: it undoes a decline.
    """
    person = connection.execute(select(subscriber).where(subscriber.c.id == subscriber_id)).one_or_none()
    if person is None:
        return None
    ask = Ask(
        address=address_of(person),
        first_name=person.first_name,
        last_name=person.last_name,
        language=consent.language,
        consent=consent,
    )
    return _ask(connection, occasion, ask, "link", allowed)


def confirm(connection: Connection, occasion: Occasion, confirmation_id: str, page: ShownText) -> str:
    """Make a person active by their own press of a button, and return their id; a second press changes nothing.

    Raises LinkDead or LinkExpired.
    """
    seen = find_ask(connection, confirmation_id)
    if is_confirmed(*seen):
        return str(seen[1].id)
    _forgive(connection, occasion, address_of(seen[1]))  # before the person is locked, as every ask does
    ask, person = _ask_and_person(connection, confirmation_id)
    if is_confirmed(ask, person):
        return str(person.id)
    if person.open_confirmation_id != ask.id:
        raise LinkDead
    if ask.expires_at <= occasion.now:
        raise LinkExpired
    _activate(connection, occasion, ask, person, page)
    return str(person.id)


def decline(connection: Connection, occasion: Occasion, confirmation_id: str) -> None:
    """Take "I did not ask, do not write to me": close the ask and write to the address no more; raises LinkDead."""
    seen, seen_person = find_ask(connection, confirmation_id)
    if seen.declined_at is not None:
        return
    _forgive(connection, occasion, address_of(seen_person))  # who pressed by mistake may ask again at once
    ask, person = _ask_and_person(connection, confirmation_id)
    if ask.declined_at is not None:
        return
    if ask.used_at is not None or person.status == "active":
        raise LinkDead
    declined = evidence.append(connection, occasion, person.id, {"kind": "declined", "confirmation": ask.id})
    connection.execute(update(confirmation).where(confirmation.c.id == ask.id).values(declined_at=declined.at))
    _change(connection, person.id, open_confirmation_id=None)
    suppression.decline(connection, occasion.vault, person.email_key, occasion.now)


def unsubscribe(connection: Connection, occasion: Occasion, subscriber_id: str) -> None:
    """Withdraw at once (GDPR article 7(3)): passive, open asks dead; unknown and passive people change nothing."""
    person = _locked(connection, subscriber_id)
    if person is None or (person.status != "active" and person.open_confirmation_id is None):
        return
    left = evidence.append(connection, occasion, person.id, {"kind": "withdrawn"})
    _change(connection, person.id, open_confirmation_id=None)
    if person.status == "active":
        _change(connection, person.id, status="passive", passive_since=left.at, basis_event_id=None, left_reason=None)
        outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, "sync", occasion.now, subscriber_id=person.id)


def explain(connection: Connection, occasion: Occasion, subscriber_id: str, reason: str) -> None:
    """Keep why a person left, one of `REASONS`, once for each time they leave."""
    person = _locked(connection, subscriber_id)
    if person is not None and person.status == "passive" and person.left_reason is None and reason in REASONS:
        evidence.append(connection, occasion, person.id, {"kind": "explained", "reason": reason})
        _change(connection, person.id, left_reason=reason)


def request_unsubscribe_link(
    connection: Connection, occasion: Occasion, address: Address, allowed: Sequence[Window]
) -> None:
    """Mail an active person their unsubscribe link; typing an address never takes anybody off."""
    key, who = _leave_key(occasion, address), _who(occasion, address)
    free_at = allowance.spend(connection, key, allowed, occasion.now, who)
    person = connection.execute(select(subscriber).where(subscriber.c.email_key == address.key)).one_or_none()
    if person is not None and person.status == "active" and free_at <= occasion.now:
        outbox.enqueue(connection, outbox.MAIL, "unsubscribe_link", occasion.now, subscriber_id=person.id)


def find_ask(connection: Connection, confirmation_id: str) -> tuple[Row[Any], Row[Any]]:
    """Return an ask and its person for showing only; raises LinkDead."""
    ask = connection.execute(select(confirmation).where(confirmation.c.id == confirmation_id)).one_or_none()
    if ask is None:
        raise LinkDead
    return ask, connection.execute(select(subscriber).where(subscriber.c.id == ask.subscriber_id)).one()


def is_confirmed(ask: Row[Any], person: Row[Any]) -> bool:
    """Whether this ask is the one the person's present permission rests on."""
    return bool(person.status == "active" and person.basis_event_id == ask.used_event_id)


def address_of(person: Row[Any]) -> Address:
    """Return a stored person's address in all its forms."""
    return people.stored_address(person.email, person.email_key)


def _ask(connection: Connection, occasion: Occasion, ask: Ask, source: str, allowed: Sequence[Window]) -> Requested:
    key, who = _ask_key(occasion, ask.address), _who(occasion, ask.address)
    free_at = allowance.spend(connection, key, allowed, occasion.now, who)
    refused = suppression.find(connection, occasion.vault, ask.address.key, occasion.now)
    if refused and not (occasion.door == "confirm-link" and refused.reason == "declined"):
        return refused
    if free_at > occasion.now:
        return OverLimit()
    person = _person(connection, occasion, ask)
    if person.status == "active":
        return AlreadyActive(person.id)
    if refused:
        suppression.lift_declined(connection, occasion.vault, person.email_key)
    _open_confirmation(connection, occasion, person, ask, source)
    return Asked(person.id)


def _activate(connection: Connection, occasion: Occasion, ask: Row[Any], person: Row[Any], page: ShownText) -> None:
    texts = {"confirm": evidence.keep_text(connection, occasion, page), "consent": ask.statement_sha256}
    names: Payload = {"first_name": ask.first_name, "last_name": ask.last_name, "language": ask.language}
    core: Payload = {"kind": "confirmed", "confirmation": ask.id, "email": person.email, "texts": dict(texts)}
    basis = evidence.append(connection, occasion, person.id, core | names)
    used = update(confirmation).where(confirmation.c.id == ask.id).values(used_at=basis.at, used_event_id=basis.id)
    connection.execute(used)
    _change(
        connection,
        person.id,
        **names,
        status="active",
        active_since=basis.at,
        passive_since=None,
        left_reason=None,
        basis_event_id=basis.id,
        open_confirmation_id=None,
    )
    outbox.enqueue(connection, outbox.MAIL, "welcome", occasion.now, subscriber_id=person.id)
    outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, "sync", occasion.now, subscriber_id=person.id)


def _person(connection: Connection, occasion: Occasion, ask: Ask) -> Row[Any]:
    insert_if_absent(
        connection,
        subscriber,
        {
            "id": str(uuid.uuid4()),
            "email": ask.address.email,
            "email_key": ask.address.key,
            "first_name": ask.first_name,
            "last_name": ask.last_name,
            "language": ask.language,
            "status": "pending",
            "asked_at": occasion.now,
        },
    )
    return connection.execute(
        select(subscriber).where(subscriber.c.email_key == ask.address.key).with_for_update()
    ).one()


def _open_confirmation(connection: Connection, occasion: Occasion, person: Row[Any], ask: Ask, source: str) -> None:
    confirmation_id, staff = secrets.token_hex(16), _staff_values(ask.staff)
    consent = evidence.keep_text(connection, occasion, ask.consent)
    names: Payload = {"first_name": ask.first_name, "last_name": ask.last_name, "language": ask.language}
    core: Payload = {
        "kind": "requested",
        "confirmation": confirmation_id,
        "email": person.email,
        "purpose": statements.PURPOSE,
        "purpose_version": statements.PURPOSE_VERSION,
        "source": source,
        "texts": {"consent": consent},
    }
    asked = evidence.append(connection, occasion, person.id, core | names | staff)
    connection.execute(
        insert(confirmation).values(
            id=confirmation_id,
            subscriber_id=person.id,
            purpose=statements.PURPOSE,
            statement_sha256=consent,
            source=source,
            asked_at=asked.at,
            expires_at=asked.at + LINK_LIFETIME,
            **names,
            **staff,
        )
    )
    _change(connection, person.id, open_confirmation_id=confirmation_id, asked_at=asked.at)
    outbox.enqueue(
        connection, outbox.MAIL, "confirmation", occasion.now, subscriber_id=person.id, confirmation_id=confirmation_id
    )


def _staff_values(staff: StaffRequest | None) -> Payload:
    if staff is None:
        return {}
    return {
        "staff_id": staff.staff_id,
        "staff_name": staff.staff_name,
        "channel": staff.channel,
        "occasion": staff.occasion,
        "occasion_on": staff.asked_on.isoformat(),
    }


def _ask_and_person(connection: Connection, confirmation_id: str) -> tuple[Row[Any], Row[Any]]:
    owner = select(confirmation.c.subscriber_id).where(confirmation.c.id == confirmation_id)
    person = connection.execute(
        select(subscriber).where(subscriber.c.id == owner.scalar_subquery()).with_for_update()
    ).one_or_none()
    if person is None:
        raise LinkDead
    return connection.execute(select(confirmation).where(confirmation.c.id == confirmation_id)).one(), person


def _locked(connection: Connection, subscriber_id: str) -> Row[Any] | None:
    return connection.execute(
        select(subscriber).where(subscriber.c.id == subscriber_id).with_for_update()
    ).one_or_none()


def _change(connection: Connection, subscriber_id: str, **values: object) -> None:
    connection.execute(update(subscriber).where(subscriber.c.id == subscriber_id).values(**values))


def _ask_key(occasion: Occasion, address: Address) -> str:
    return f"ask:{occasion.vault.address_hash(address.folded)}"


def _leave_key(occasion: Occasion, address: Address) -> str:
    return f"leave:{occasion.vault.address_hash(address.folded)}"


def _who(occasion: Occasion, address: Address) -> str:
    return occasion.vault.address_hash(address.key)


def _forgive(connection: Connection, occasion: Occasion, address: Address) -> None:
    for key in (_ask_key(occasion, address), _leave_key(occasion, address)):
        allowance.forgive(connection, key, _who(occasion, address))
