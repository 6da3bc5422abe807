"""One human in every register: subscribers, customers, messages, requests, and who of an earlier list is to be asked.

What belongs together is known by the e-mail address alone, and nobody has proved that one address is one person: it is
shown as the same address, never merged. Choices about cookies are joined to nobody. A register more is a field of
`Held`. Changes nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select

from consent_service import contact_messages, people, subscribers
from consent_service.delivery import suppression
from consent_service.delivery.suppression import Suppressed
from consent_service.earlier_list import import_rows
from consent_service.ledger.vault import Vault
from consent_service.models.earlier_list import import_row
from consent_service.paging import Found
from consent_service.register import customers
from consent_service.rights import request_rows

SUBSCRIBERS, CUSTOMERS, MESSAGES, WAITING = "subscribers", "customers", "contact-messages", "waiting"
LONGEST_ID = 18  # digits of a row's number that every database takes


@dataclass(frozen=True)
class Held:
    """What is held of whoever has an address, or of one customer without any: then `email` is None."""

    email: str | None
    subscriber: Row[Any] | None
    customers: Sequence[Row[Any]]
    messages: Sequence[Row[Any]]
    waiting: Row[Any] | None
    suppressed: Suppressed | None
    requests: Sequence[Row[Any]]

    @property
    def called(self) -> str:
        """What they are called in the register that knows them best."""
        known = [self.subscriber, *self.customers, *self.messages, self.waiting]
        return name_of(next(row for row in known if row is not None))


@dataclass(frozen=True)
class Hit:
    """Somebody who was found: a row by which their page is found, what they are called there, and where they are."""

    register: str
    key: str
    name: str
    email: str | None
    registers: tuple[str, ...]


@dataclass(frozen=True)
class Hits:
    """Who was found; `is_whole` when nobody was left out; `suppressed` when one whole address was looked for."""

    people: Sequence[Hit]
    is_whole: bool
    suppressed: Suppressed | None


def find(connection: Connection, keys: Vault, now: datetime, register: str, key: str) -> Held | None:
    """Return everything held of whoever a row of a register is about, or None when there is no such row."""
    row = _ROW[register](connection, key) if register in _ROW and _is_key(register, key) else None
    if row is None:
        return None
    if row.email_key is None:
        return Held(None, None, [row], [], None, None, _requests(connection, None, [row]))
    subscriber = subscribers.find_by_key(connection, row.email_key)
    of_customers = customers.of_address(connection, row.email_key)
    return Held(
        row.email,
        subscriber,
        of_customers,
        contact_messages.from_address(connection, row.email_key),
        import_rows.find(connection, row.email_key),
        suppression.find(connection, keys, row.email_key, now),
        _requests(connection, subscriber, of_customers),
    )


def rows_of(held: Held) -> Iterator[tuple[str, Row[Any]]]:
    """Yield each row that tells of a person, with the register it stands in."""
    for register, rows in (
        (SUBSCRIBERS, [held.subscriber]),
        (CUSTOMERS, held.customers),
        (MESSAGES, held.messages),
        (WAITING, [held.waiting]),
    ):
        yield from ((register, row) for row in rows if row is not None)


def search(connection: Connection, keys: Vault, now: datetime, words: str) -> Hits:
    """Return who has all the words in a name or address, in any register; each address once."""
    found: dict[str, Found] = {
        SUBSCRIBERS: subscribers.search(connection, subscribers.Search(words, None, 1, 1)),
        CUSTOMERS: customers.search(connection, customers.Search(words)),
        MESSAGES: contact_messages.search(connection, contact_messages.Search(words, None, 1)),
    }
    rows = [(register, row) for register, one in found.items() for row in one.rows]
    address = _address(words)
    waiting = import_rows.find(connection, address.key) if address else None
    rows += [(WAITING, waiting)] if waiting is not None else []
    return Hits(
        list(_by_address(rows)),
        all(one.pages == 1 for one in found.values()),
        suppression.find(connection, keys, address.key, now) if address else None,
    )


def name_of(row: Row[Any]) -> str:
    """What a row of any register calls its person or company."""
    company = getattr(row, "company_name", None)
    name = f"{row.first_name or ''} {row.last_name or ''}".strip()
    return company or name or row.email


def _requests(
    connection: Connection, subscriber: Row[Any] | None, of_customers: Sequence[Row[Any]]
) -> Sequence[Row[Any]]:
    """Return the requests about a subscriber and customers, each once, the newest first."""
    made = [request_rows.of_person(connection, customer_id=row.id) for row in of_customers]
    if subscriber is not None:
        made.append(request_rows.of_person(connection, subscriber_id=subscriber.id))
    numbered = {row.number: row for rows in made for row in rows}
    return [numbered[number] for number in sorted(numbered, reverse=True)]


def _by_address(rows: Sequence[tuple[str, Row[Any]]]) -> Iterator[Hit]:
    together: dict[str, list[tuple[str, Row[Any]]]] = {}
    for register, row in rows:
        together.setdefault(row.email_key or str(row.id), []).append((register, row))
    for mine in together.values():
        register, row = mine[0]
        where = tuple(dict.fromkeys(register for register, _ in mine))
        yield Hit(register, str(row.id), name_of(row), row.email, where)


def _address(words: str) -> people.Address | None:
    try:
        return people.read_address(words)
    except people.AddressRefused:
        return None


def _customer(connection: Connection, key: str) -> Row[Any] | None:
    found = customers.find(connection, key)
    return None if found is None or found.erased_at is not None else found


def _is_key(register: str, key: str) -> bool:
    """Whether a row of a register can have this key: a random id as it is stored, or the number of a line."""
    if register == WAITING:
        return key.isascii() and key.isdecimal() and len(key) <= LONGEST_ID
    try:
        return str(UUID(key)) == key
    except ValueError:
        return False


def _waiting(connection: Connection, key: str) -> Row[Any] | None:
    return connection.execute(select(import_row).where(import_row.c.id == int(key))).one_or_none()


_ROW: dict[str, Callable[[Connection, str], Row[Any] | None]] = {
    SUBSCRIBERS: subscribers.find,
    CUSTOMERS: _customer,
    MESSAGES: contact_messages.find,
    WAITING: _waiting,
}
