"""Setting right what is held of a person (GDPR article 16): their name, and the address they are written to.

A name is what the person says it is. An address is theirs once its owner has confirmed it, like any first address;
until then nothing changes. ActiveCampaign is told of either (GDPR article 19). Must not import web or a channel.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.exc import IntegrityError

from consent_service import asks, contact_messages
from consent_service.address_changes import MOVE, READDRESS
from consent_service.asks import Ask
from consent_service.delivery import outbox, suppression
from consent_service.delivery.outbox import ADDRESS_ASKED, ADDRESS_CHANGED, ALREADY, WELCOME
from consent_service.ledger import evidence
from consent_service.ledger.evidence import Occasion
from consent_service.ledger.seal import Payload
from consent_service.limits.allowance import Window
from consent_service.models.newsletter import confirmation, subscriber
from consent_service.notices.statements import ShownText, Terms
from consent_service.people import Address

NAME_CHANGES = (Window(5, timedelta(days=1)),)


class AddressTaken(Exception):
    """The new address has become somebody else's, or has a subscription of its own; nothing changed."""


def correct_name(
    connection: Connection,
    occasion: Occasion,
    subscriber_id: str,
    first_name: str,
    last_name: str,
    allowed: Sequence[Window] = NAME_CHANGES,
) -> datetime | None:
    """Give a person the name they say is theirs; when that was too often, from when on they may change it again.

    The same name again changes nothing. Every change leaves entries in the log for good and a call to ActiveCampaign.
    """
    seen = connection.execute(select(subscriber).where(subscriber.c.id == subscriber_id)).one_or_none()
    if seen is None or (seen.first_name, seen.last_name) == (first_name, last_name):
        return None
    free_at = asks.spend(connection, occasion, "name", asks.address_of(seen), allowed)
    if free_at > occasion.now:
        return free_at
    _rename(connection, occasion, subscriber_id, first_name, last_name)
    return None


def request_move(
    connection: Connection,
    occasion: Occasion,
    subscriber_id: str,
    address: Address,
    terms: Terms,
    allowed: Sequence[Window],
) -> None:
    """Ask the owner of a new address whether this subscriber may be written to there, unless they must not be asked.

    What is kept of the subscriber is the same whosever the address is: their own page must not tell. If the new address
    belongs to another subscriber, their data stays as it is; they are only told again that they are subscribed.
    """
    seen = connection.execute(select(subscriber).where(subscriber.c.id == subscriber_id)).one_or_none()
    if seen is None or seen.email_key == address.key:
        return
    own_free_at = asks.spend(connection, occasion, "move", asks.address_of(seen), allowed)
    new_free_at = asks.spend(connection, occasion, "ask", address, allowed)
    person = asks.lock_person(connection, subscriber_id)
    if person is None or person.status != "active" or own_free_at > occasion.now:
        return
    confirmation_id = _write_down(connection, occasion, person, address, terms)
    if new_free_at <= occasion.now:
        _write_to_new(connection, occasion, person, address, confirmation_id)


def cancel_move(connection: Connection, occasion: Occasion, subscriber_id: str) -> None:
    """Take a change of address back that nobody has confirmed."""
    person = asks.lock_person(connection, subscriber_id)
    if person is not None and forget_move(connection, person):
        told: Payload = {"kind": "cancelled", "confirmation": person.open_confirmation_id}
        evidence.append(connection, occasion, person.id, told)
        asks.change_person(connection, person.id, open_confirmation_id=None)


def move(connection: Connection, occasion: Occasion, ask: Row[Any], person: Row[Any], page: ShownText) -> None:
    """Let a person be written to at the address whose owner has just confirmed; raises AddressTaken.

    The old address is named in the event alone, encrypted, until its owner and ActiveCampaign have been told.
    """
    try:
        with connection.begin_nested():  # somebody else may have come to the address a moment ago
            mine = update(subscriber).where(subscriber.c.id == person.id)
            connection.execute(mine.values(email=ask.email, email_key=ask.email_key))
    except IntegrityError:
        raise AddressTaken from None
    texts = {"confirm": evidence.keep_text(connection, occasion, page), "consent": ask.statement_sha256}
    names: Payload = {name: getattr(person, name) for name in ("first_name", "last_name", "language")}
    core: Payload = {"kind": "confirmed", "confirmation": ask.id, "email": ask.email, "replaces": person.email}
    basis = evidence.append(connection, occasion, person.id, core | names | {"texts": dict(texts)})
    contact_messages.follow(connection, person.email_key, ask.email_key)
    used = {"used_at": basis.at, "used_event_id": basis.id, "email": None, "email_key": None}
    connection.execute(update(confirmation).where(confirmation.c.id == ask.id).values(**used))
    asks.change_person(connection, person.id, basis_event_id=basis.id, open_confirmation_id=None)
    for lane, kind in ((outbox.MAIL, WELCOME), (outbox.MAIL, ADDRESS_CHANGED), (outbox.ACTIVECAMPAIGN, READDRESS)):
        outbox.enqueue(connection, lane, kind, occasion.now, subscriber_id=person.id, confirmation_id=ask.id)


def forget_move(connection: Connection, person: Row[Any]) -> bool:
    """Forget the new address of a person's open ask, which may be a stranger's; False when none waits."""
    if person.open_confirmation_id is None:
        return False
    waiting = (confirmation.c.id == person.open_confirmation_id, confirmation.c.email.is_not(None))
    nothing = {"email": None, "email_key": None}
    return connection.execute(update(confirmation).where(*waiting).values(**nothing)).rowcount == 1


def _rename(connection: Connection, occasion: Occasion, subscriber_id: str, first_name: str, last_name: str) -> None:
    person = asks.lock_person(connection, subscriber_id)
    if person is None or (person.first_name, person.last_name) == (first_name, last_name):
        return
    names: Payload = {"first_name": first_name, "last_name": last_name}
    evidence.append(connection, occasion, person.id, names | {"kind": "corrected"})
    asks.change_person(connection, person.id, **names)
    # Confirming takes the name out of the ask: the one that waits must not bring the old name back.
    waiting = confirmation.c.id == person.open_confirmation_id
    connection.execute(update(confirmation).where(waiting).values(**names))
    if person.status == "active":
        outbox.enqueue_once(connection, outbox.ACTIVECAMPAIGN, outbox.SYNC, occasion.now, person.id)


def _write_down(connection: Connection, occasion: Occasion, person: Row[Any], address: Address, terms: Terms) -> str:
    forget_move(connection, person)
    ask = Ask(
        address=address,
        first_name=person.first_name,
        last_name=person.last_name,
        language=terms.consent.language,
        terms=terms,
    )
    confirmation_id = asks.write_down(connection, occasion, person, ask, MOVE)
    told = {"subscriber_id": person.id, "confirmation_id": confirmation_id}
    outbox.enqueue(connection, outbox.MAIL, ADDRESS_ASKED, occasion.now, **told)
    return confirmation_id


def _write_to_new(
    connection: Connection, occasion: Occasion, person: Row[Any], address: Address, confirmation_id: str
) -> None:
    if suppression.find(connection, occasion.vault, address.key, occasion.now):
        return
    owner = connection.execute(select(subscriber).where(subscriber.c.email_key == address.key)).one_or_none()
    if owner is None:
        asks.mail_link(connection, occasion.now, person.id, confirmation_id)
    elif owner.status == "active":
        told = {"subscriber_id": owner.id, "confirmation_id": confirmation_id}
        outbox.enqueue(connection, outbox.MAIL, ALREADY, occasion.now, **told)
