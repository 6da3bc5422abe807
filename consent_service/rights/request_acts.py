"""Carrying out a data subject's request, place by place, with the use cases that are there for it.

Each act refuses whoever has not been verified, whatever called it. What ActiveCampaign has to answer first is not done
before it has. Must not commit, read a clock or send anything.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, select

from consent_service import asks, contact_messages, erasure, subscribers, subscriptions
from consent_service import language as languages
from consent_service.activecampaign import departures, held_there
from consent_service.earlier_list import import_rows, imports
from consent_service.erasure import BY_PERSON
from consent_service.language import mark
from consent_service.ledger.evidence import Occasion
from consent_service.models.newsletter import departure, subscriber
from consent_service.models.newsletter import erasure as erased
from consent_service.people import key_of, stored_address
from consent_service.register import customer_erasure, customers
from consent_service.rights import personal_data
from consent_service.rights.request_rows import VERIFIED
from consent_service.rights.request_tasks import (
    ACCESS,
    BACKUPS,
    CUSTOMER,
    DOCUMENTS,
    ERASE,
    MESSAGES,
    NEWSLETTER,
    OBJECT,
    PORTABILITY,
    RESTRICT,
    THERE,
)

RESTRICTED = mark("Restricted at your request, number %(number)s")

Act = Callable[[Connection, Occasion, Row[Any], date], object]


class NotVerified(Exception):
    """Nobody has made sure yet who asks (GDPR article 12(6))."""


class KeptByHold(Exception):
    """The person's data is kept for a legal claim, so nothing was erased."""


def require_verified(request: Row[Any]) -> None:
    """Refuse to go on with a request unless its identity is verified; raises NotVerified."""
    if request.identity != VERIFIED:
        raise NotVerified


def act(connection: Connection, occasion: Occasion, request: Row[Any], place: str, today: date) -> bool:
    """Do what a request wants done in one place; True when it is done, False while ActiveCampaign has to answer."""
    require_verified(request)
    if place == THERE:
        if request.kind == ACCESS and not is_answered(connection, occasion, request):
            personal_data.ask_there(connection, occasion, request.subscriber_id)
        return is_answered(connection, occasion, request)
    ACTS[request.kind, place](connection, occasion, request, today)
    return True


def is_answered(connection: Connection, occasion: Occasion, request: Row[Any]) -> bool:
    """Whether nothing has to be heard from ActiveCampaign for a request any more."""
    if request.kind == ERASE and request.subscriber_id is None:  # they may wait on an earlier list
        key = key_of(request.mail_to or "")
        return not (import_rows.waits(connection, key) or departures.is_awaited(connection, key))
    if request.kind == ERASE:
        leaving = select(departure.c.id).where(departure.c.subscriber_id == request.subscriber_id)
        answer = select(erased.c.there_answer).where(erased.c.subscriber_id == request.subscriber_id)
        has_answered = connection.execute(answer).scalar_one_or_none() is not None
        return has_answered or connection.execute(leaving).first() is None
    if request.kind == ACCESS and occasion.forwards and _is_here(connection, request.subscriber_id):
        there = held_there.find(connection, occasion.vault, request.subscriber_id)
        return there.fetched_at is not None and there.request is None
    return True


def _erase_subscriber(connection: Connection, occasion: Occasion, request: Row[Any], today: date) -> None:
    if erasure.erase(connection, occasion, request.subscriber_id, BY_PERSON, tell=False) is not None:
        raise KeptByHold


def _erase_customer(connection: Connection, occasion: Occasion, request: Row[Any], today: date) -> None:
    customer_erasure.erase(connection, occasion.now, request.customer_id, today)


def _erase_messages(connection: Connection, occasion: Occasion, request: Row[Any], today: date) -> None:
    """What came from the address, its place on an earlier list, and whoever was asked from there since."""
    key = key_of(request.mail_to)
    if request.subscriber_id is None:
        _erase_asked_since(connection, occasion, request.mail_to)
    contact_messages.forget(connection, occasion.now, [key])
    if contact_messages.from_address(connection, key):
        raise KeptByHold
    imports.erase(connection, occasion, key, objects=False)


def _erase_asked_since(connection: Connection, occasion: Occasion, email: str) -> None:
    address = stored_address(email, key_of(email))
    asks.lock_act(connection, occasion, "ask", address)  # so that nobody is asked until this is over
    person = subscribers.find_by_key(connection, address.key)
    if person is not None and person.status == "pending":
        erasure.erase(connection, occasion, person.id, BY_PERSON, tell=False)


def _restrict_subscriber(connection: Connection, occasion: Occasion, request: Row[Any], today: date) -> None:
    """A restricted subscription is one that has ended, and that the purge leaves alone."""
    subscriptions.unsubscribe(connection, occasion, request.subscriber_id)
    erasure.hold(connection, occasion, request.subscriber_id, _why_restricted(request))


def _restrict_customer(connection: Connection, occasion: Occasion, request: Row[Any], today: date) -> None:
    customers.restrict(connection, occasion, request.customer_id, _why_restricted(request))


def _object(connection: Connection, occasion: Occasion, request: Row[Any], today: date) -> None:
    if request.subscriber_id and _is_here(connection, request.subscriber_id):
        subscriptions.object_for_good(connection, occasion, request.subscriber_id)
        return
    key = key_of(request.mail_to)
    if imports.forget(connection, occasion, key, objects=True) is None:
        subscriptions.object_unknown(connection, occasion, key)


def _done_elsewhere(connection: Connection, occasion: Occasion, request: Row[Any], today: date) -> None:
    """Documents and backups go with their customer and their time; a file is made when it is asked for."""


def _why_restricted(request: Row[Any]) -> str:
    return languages.language(request.language).say(RESTRICTED, number=request.number)


def _is_here(connection: Connection, subscriber_id: str) -> bool:
    return connection.execute(select(subscriber.c.id).where(subscriber.c.id == subscriber_id)).first() is not None


# A row for each task that the service does itself, so that none is taken for done because nothing is known of it.
ACTS: Mapping[tuple[str, str], Act] = {
    **{(ACCESS, place): _done_elsewhere for place in (NEWSLETTER, CUSTOMER, DOCUMENTS, MESSAGES)},
    **{(PORTABILITY, place): _done_elsewhere for place in (NEWSLETTER, CUSTOMER, MESSAGES)},
    (ERASE, NEWSLETTER): _erase_subscriber,
    (ERASE, CUSTOMER): _erase_customer,
    (ERASE, MESSAGES): _erase_messages,
    (ERASE, DOCUMENTS): _done_elsewhere,
    (ERASE, BACKUPS): _done_elsewhere,
    (RESTRICT, NEWSLETTER): _restrict_subscriber,
    (RESTRICT, CUSTOMER): _restrict_customer,
    (OBJECT, NEWSLETTER): _object,
}
