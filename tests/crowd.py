"""Many people at once: they ask through the use case and not page by page, which would take minutes."""

import hashlib
import secrets
import uuid
from collections.abc import Iterable, Sequence

from sqlalchemy import bindparam, insert, select, update

from consent_service import asks, subscriptions
from consent_service import service as services
from consent_service.activecampaign import forwarding
from consent_service.asks import Ask
from consent_service.delivery import outbox
from consent_service.language import language
from consent_service.ledger import evidence
from consent_service.models.delivery import outbox_message
from consent_service.models.ledger import consent_event
from consent_service.models.newsletter import confirmation, subscriber
from consent_service.notices import statements
from consent_service.people import read_address
from tests.household import Household

FINNISH = language("fi")


def ask(house: Household, emails: Iterable[str]) -> list[str]:
    """Let people with these addresses ask for the newsletter, all in one transaction; their ids."""
    terms, ids = house.service.terms(FINNISH), []
    with house.service.transaction() as connection:
        for email in emails:
            names = {"first_name": "Aino", "last_name": "Mäkelä", "language": "fi"}
            wish = Ask(address=read_address(email), terms=terms, **names)
            ids.append(subscriptions.request(connection, house.occasion("visitor", "form"), wish, ()).subscriber_id)
    return ids


def confirmed(house: Household, emails: Sequence[str]) -> None:
    """Put people into the tables as if each had just confirmed, with an update that waits to be forwarded.

    Their events hold no evidence, which forwarding does not read.
    """
    if not emails:
        return
    now, terms = services.now(), house.service.terms(FINNISH)
    people = [{"person": str(uuid.uuid4()), "event": secrets.token_hex(16), "address": email} for email in emails]
    names = {"first_name": "Aino", "last_name": "Mäkelä", "language": "fi"}
    with house.service.transaction() as connection:
        evidence.keep_text(connection, house.occasion(), terms.consent)
        connection.execute(insert(subscriber), [_pending(one, now) | names for one in people])
        connection.execute(insert(consent_event), [_event(one, now) for one in people])
        text = {"purpose": "newsletter", "statement_sha256": terms.consent.sha256, "source": "form"}
        connection.execute(insert(confirmation), [_used(one, now) | names | text for one in people])
        active = {"status": "active", "active_since": now, "basis_event_id": bindparam("event")}
        connection.execute(update(subscriber).where(subscriber.c.id == bindparam("person")).values(active), people)
        connection.execute(insert(outbox_message), [_update(one, now) for one in people])


def confirm(house: Household, email: str) -> None:
    """Let somebody who was asked confirm, also after having left."""
    page, ask = statements.confirm(FINNISH, house.service.consent_text(FINNISH)), house.asks(email)[-1]
    with house.service.transaction() as connection:
        subscriptions.confirm(connection, house.occasion(), asks.find(connection, ask.id), page, tracks=True)


def leave(house: Household, email: str) -> None:
    """Let somebody leave."""
    person = house.person(email).id
    with house.service.transaction() as connection:
        subscriptions.unsubscribe(connection, house.occasion(), person)


def _pending(one, now):
    address = {"email": one["address"], "email_key": read_address(one["address"]).key}
    return {"id": one["person"], "status": "pending", "asked_at": now} | address


def _event(one, now):
    leaf = one["event"].encode()
    digest = hashlib.sha256(leaf).digest()
    return {"id": one["event"], "subscriber_id": one["person"], "recorded_at": now, "leaf": leaf, "leaf_hash": digest}


def _used(one, now):
    times = {"asked_at": now, "expires_at": now, "used_at": now}
    return {"id": secrets.token_hex(16), "subscriber_id": one["person"], "used_event_id": one["event"]} | times


def _update(one, now):
    message = {"key": secrets.token_hex(16), "lane": "activecampaign", "kind": "sync", "subscriber_id": one["person"]}
    return message | {"created_at": now, "due_at": now}


def become_active(house: Household, emails: Iterable[str]) -> None:
    """Let people with these addresses ask and confirm, and be forwarded to ActiveCampaign."""
    page = house.service.consent_text(FINNISH).shown
    for subscriber_id in ask(house, emails):
        with house.service.transaction() as connection:
            mine = select(confirmation.c.id).where(confirmation.c.subscriber_id == subscriber_id)
            ask_id = connection.execute(mine).scalar_one()
            occasion, seen = house.occasion("subscriber", "confirm-link"), asks.find(connection, ask_id)
            subscriptions.confirm(connection, occasion, seen, page, tracks=True)
    forward(house)


def forward(house: Household, at_most: int = 10_000) -> None:
    """Deliver to ActiveCampaign what is due, and leave the mails."""
    for _ in range(at_most):
        if house.lanes[outbox.ACTIVECAMPAIGN].step() is None:
            return


def hear(house: Household, hints: Iterable[tuple[str, str]]) -> None:
    """Let ActiveCampaign tell that contacts with these numbers and addresses changed, but not over the network."""
    with house.service.transaction() as connection:
        for contact_id, email in hints:
            forwarding.look_at(connection, contact_id, email, services.now())
