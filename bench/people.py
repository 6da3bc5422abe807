"""Fills an empty database with as many people as a national newsletter has, and with all that is kept of them.

Everything is as the service itself would have written it: encrypted events with their leaves, a sealed log of them,
used confirmations, done messages, counted asks. Only the way in is another one, since a million people by the use
cases would take hours. Run with `python -m bench.people --help`.
"""

import hmac
import json
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any

import click
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, Table, insert

from bench.loading import loading
from consent_service import config, schema
from consent_service import service as services
from consent_service.language import language
from consent_service.ledger import merkle, seal, sealer, tiles, vault
from consent_service.ledger.evidence import Occasion, keep_text
from consent_service.models.activecampaign import deleted_contact
from consent_service.models.delivery import outbox_message
from consent_service.models.earlier_list import import_batch, import_row
from consent_service.models.ledger import checkpoint, consent_event, subject_key
from consent_service.models.limits import allowance
from consent_service.models.newsletter import confirmation, erasure, subscriber, suppression
from consent_service.notices import statements
from consent_service.notices.statements import ShownText
from consent_service.service import Service

BATCH = 5000
ACTIVE, PENDING, PASSIVE, DUE = "active", "pending", "passive", "due"
TECH = '{"ip":"192.0.2.0/24","user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}'
SENT_TECH = '{"message_id":"<%s@keinuma.example>","smtp_answer":"250 2.0.0 Ok: queued as 4c8Yt21Xz9"}'
FIRST_NAMES = ("Aino", "Eino", "Helmi", "Väinö", "Sofia", "Onni", "Åsa", "Björn", "Emily", "Leo")
LAST_NAMES = ("Mäkelä", "Korhonen", "Virtanen", "Nieminen", "Lindström", "Holm", "Laine", "Heikkinen", "Smith")
OTHERS = 0.1
BATCH_ID = "b1"
HOSTS = ("posti.example", "kirje.example", "mejl.example", "example.com", "example.org")

canonical: Callable[[object], str] = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


@dataclass(frozen=True)
class Population:
    """How many people there are to be, and how many of them have been passive for so long that the purge takes them."""

    people: int
    due: int = 0

    def status_of(self, number: int) -> str:
        """What the so-manieth person is: three in four active, one in twenty still to confirm, the others have left."""
        if number * self.due // self.people != (number + 1) * self.due // self.people:
            return DUE
        return PENDING if number % 20 == 7 else PASSIVE if number % 5 == 3 else ACTIVE


COLUMNS = {
    subscriber: (
        "id", "email", "email_key", "first_name", "last_name", "language", "status", "asked_at", "active_since",
        "passive_since", "basis_event_id", "open_confirmation_id", "contact_id", "forwarded_at", "forwarded_event_id",
        "left_reason",
    ),
    subject_key: ("subscriber_id", "wrapped"),
    consent_event: (
        "id", "subscriber_id", "recorded_at", "leaf", "leaf_hash", "core_sealed", "tech_sealed", "log_index",
    ),
    confirmation: (
        "id", "subscriber_id", "purpose", "statement_sha256", "language", "source", "first_name", "last_name",
        "asked_at", "expires_at", "used_at", "used_event_id",
    ),
    outbox_message: (
        "key", "lane", "kind", "subscriber_id", "confirmation_id", "created_at", "due_at", "attempts", "done_at",
    ),
    allowance: ("key", "times", "asked_at"),
    suppression: ("address_hash", "reason", "created_at", "until"),
    erasure: ("subscriber_id", "rule", "erased_at", "there_at", "there_answer", "copied_at"),
    deleted_contact: ("subscriber_id", "address_hash", "contact_id", "erased_at"),
    import_row: ("batch_id", "email", "email_key", "first_name", "last_name", "language", "created_at"),
}  # fmt: skip


class Person:
    """One person's story, told as it happened; its rows go to the writer."""

    def __init__(self, writer: "Writer", number: int):
        self._writer, self._chance = writer, writer.chance
        self.id, self._raw_key = str(uuid.UUID(bytes=self._chance.randbytes(16), version=4)), self._chance.randbytes(32)
        self._key = AESGCM(self._raw_key)
        self._first, self._last = self._chance.choice(FIRST_NAMES), self._chance.choice(LAST_NAMES)
        self._names = {"first_name": self._first, "last_name": self._last, "language": "fi"}
        self._email = f"{self._chance.randbytes(3).hex()}.p{number}@{self._chance.choice(HOSTS)}"
        self._at = writer.now
        self._previous: str | None = None
        self._asked: list[dict[str, Any]] = []
        self._columns: dict[str, Any] = {}

    def live(self, status: str) -> None:
        """Ask twice and then be what the status says."""
        days = {DUE: 353 + self._chance.random() * 5, PENDING: self._chance.random() * 13}
        ago = days.get(status, self._chance.random() * (1000 if status == ACTIVE else 345))
        self._at = self._writer.now - timedelta(days=ago, hours=3)
        self._ask()
        self._ask()
        if status != PENDING:
            self._confirm()
        if status in (PASSIVE, DUE):
            self._leave()
        self._write(PASSIVE if status == DUE else status)

    def _ask(self) -> None:
        """Ask, and have the mail sent."""
        texts, ask_id = self._writer.texts, self._id(self._at)
        core = {"kind": "requested", "confirmation": ask_id, "purpose": statements.PURPOSE, "purpose_version": 1}
        shown = {"consent": texts["consent"], "privacy": texts["privacy"]}
        asked = core | self._names | {"source": "form", "texts": shown, "email": self._email}
        _, at = self._append(asked, "visitor", "form", TECH)
        letter = {"kind": "sent", "confirmation": ask_id, "letter": "0" * 64, "texts": {"mail": texts["mail"]}}
        self._append(letter, "relay", "relay", SENT_TECH % ask_id)
        self._asked.append({"id": ask_id, "asked_at": at, "used_at": None, "used_event_id": None})
        self._columns |= {"open_confirmation_id": ask_id, "asked_at": at}

    def _confirm(self) -> None:
        texts, ask = self._writer.texts, self._asked[-1]
        core = {"kind": "confirmed", "confirmation": ask["id"], "email": self._email} | self._names
        agreed = core | {"texts": {"confirm": texts["confirm"], "consent": texts["consent"]}}
        event_id, at = self._append(agreed, "subscriber", "link", TECH)
        ask |= {"used_at": at, "used_event_id": event_id}
        there = {"contact_id": str(self._chance.randrange(10**9)), "forwarded_at": at, "forwarded_event_id": event_id}
        self._columns |= {"active_since": at, "basis_event_id": event_id, "open_confirmation_id": None} | there

    def _leave(self) -> None:
        _, at = self._append({"kind": "withdrawn"}, "subscriber", "one-click", TECH)
        self._columns |= {"passive_since": at, "basis_event_id": None}

    def _append(self, core: dict[str, Any], actor: str, door: str, tech: str) -> tuple[str, datetime]:
        """Add an event as `evidence.append` makes it, and return its id and time."""
        event_id, at, writer = self._id(self._at), self._at, self._writer
        self._at += timedelta(seconds=self._chance.randrange(30, 600))
        told = {"actor": actor, "at": seal.timestamp(at), "door": door, "previous": self._previous}
        payload, blind = canonical(core | told | {"subscriber": self.id}), self._chance.randbytes(seal.BLIND)
        tech_blind, keeps_tech = self._chance.randbytes(seal.BLIND), at > writer.now - timedelta(days=89)
        commitments = [_commit("core", blind, payload), _commit("tech", tech_blind, tech)]
        leaf = canonical({"v": seal.VERSION, "id": event_id, "t": seal.timestamp(at), "c": commitments}).encode()
        leaf_hash = merkle.leaf_hash(leaf)
        core_sealed = self._close(f"{event_id}/core/{seal.VERSION}", blind, payload)
        tech_sealed = self._close(f"{event_id}/tech/{seal.VERSION}", tech_blind, tech) if keeps_tech else None
        place, self._previous = len(writer.leaves), leaf_hash.hex()
        writer.add(consent_event, event_id, self.id, at, leaf, leaf_hash, core_sealed, tech_sealed, place)
        writer.leaves.append(leaf_hash)
        return event_id, at

    def _write(self, status: str) -> None:
        writer, columns = self._writer, self._columns
        mine = (self.id, self._email, self._email, self._first, self._last, "fi", status)
        writer.add(subscriber, *mine, *(columns.get(name) for name in COLUMNS[subscriber][len(mine) :]))
        writer.add(subject_key, self.id, writer.service.vault.wrap(self._raw_key, self.id))
        ways, done = ("form", self._first, self._last), writer.now - timedelta(days=self._chance.random() * 29)
        for ask in self._asked:
            asked = (ask["id"], self.id, statements.PURPOSE, writer.texts["consent"], "fi", *ways)
            until = ask["asked_at"] + timedelta(days=7)
            writer.add(confirmation, *asked, ask["asked_at"], until, ask["used_at"], ask["used_event_id"])
            writer.add(outbox_message, self._id(done), "mail", "confirmation", self.id, ask["id"], done, done, 1, done)
        if status != PENDING:
            writer.add(outbox_message, self._id(done), "activecampaign", "sync", self.id, None, done, done, 1, done)
        hashed = writer.service.vault.address_hash(self._email)
        writer.add(allowance, f"ask:{hashed}", json.dumps([[done.timestamp(), hashed]]), done)
        if self._chance.random() < OTHERS:
            writer.add_others(done)

    def _close(self, context: str, blind: bytes, payload: str) -> bytes:
        nonce, content = self._chance.randbytes(vault.NONCE), f'{{"blind":"{blind.hex()}","payload":{payload}}}'
        return nonce + self._key.encrypt(nonce, content.encode(), context.encode())

    def _id(self, at: datetime) -> str:
        """An id as `ids.new_id` makes it."""
        return f"{int(at.timestamp() * 1000):012x}{self._chance.randbytes(10).hex()}"


class Writer:
    """What all people share, and the rows that wait to be written."""

    def __init__(self, service: Service, texts: dict[str, str], now: datetime):
        self.service, self.texts, self.now, self.chance = service, texts, now, Random(1)  # noqa: S311
        self.leaves: list[bytes] = []
        self.rows: dict[Table, list[tuple[Any, ...]]] = {table: [] for table in COLUMNS}

    def add(self, table: Table, *values: Any) -> None:
        """Add a row, its values in the order of `COLUMNS`."""
        self.rows[table].append(values)

    def add_others(self, at: datetime) -> None:
        """Add somebody who declined, somebody who was erased, and somebody on an earlier list who waits to be asked."""
        hashed, gone = self.chance.randbytes(32).hex(), str(uuid.UUID(bytes=self.chance.randbytes(16), version=4))
        self.add(suppression, hashed, "declined", at, at + timedelta(days=365))
        self.add(erasure, gone, "passive", at, at, "deleted", at)
        self.add(deleted_contact, gone, hashed, str(self.chance.randrange(10**9)), at)
        waits = f"{hashed[:20]}@example.com"
        self.add(import_row, BATCH_ID, waits, waits, "Aino", "Mäkelä", "fi", at)


def fill(service: Service, crowd: Population, step: Callable[[int], None] = lambda people: None) -> None:
    """Fill an empty, migrated database; `step` is told how many people more there are."""
    now = services.now()
    with service.transaction() as connection:
        batch = {"id": BATCH_ID, "source": "file", "grade": "unknown", "imported_by": "bench", "started_at": now}
        connection.execute(insert(import_batch).values(**batch, finished_at=now))
        writer = Writer(service, _keep_texts(connection, service, now), now)
    with loading(service.engine) as load:
        for number in range(crowd.people):
            Person(writer, number).live(crowd.status_of(number))
            if (number + 1) % BATCH == 0 or number + 1 == crowd.people:
                for table, rows in writer.rows.items():
                    load(table.name, COLUMNS[table], rows)
                    rows.clear()
                step(number % BATCH + 1)
    with service.transaction() as connection:
        _sign(connection, service, writer)
    with service.transaction() as connection:
        sealer.anchor(connection, service.signer, service.anchors)


def _sign(connection: Connection, service: Service, writer: Writer) -> None:
    size = len(writer.leaves)
    for start in range(0, size, BATCH):
        tiles.grow(connection, start, writer.leaves[start : start + BATCH])
    root = merkle.root(size, tiles.reader(connection))
    row = {"size": size, "root": root, "note": service.signer.sign(size, root), "signed_at": writer.now}
    connection.execute(insert(checkpoint).values(**row))


def _keep_texts(connection: Connection, service: Service, now: datetime) -> dict[str, str]:
    finnish = language("fi")
    terms, page = service.terms(finnish), statements.confirm(finnish, service.consent_text(finnish))
    mail = ShownText("mail", "fi", b"Vahvista uutiskirjeen tilaus")
    occasion = Occasion(now, "terminal", "terminal", service.vault, forwards=service.forwards)
    kept = {"consent": terms.consent, "privacy": terms.privacy, "mail": mail, "confirm": page}
    return {name: keep_text(connection, occasion, text) for name, text in kept.items()}


def _commit(compartment: str, blind: bytes, payload: str) -> str:
    content = f"consent-log/v{seal.VERSION}/{compartment}".encode() + b"\x00" + payload.encode()
    return seal.base64url(hmac.new(blind, content, sha256).digest())


@click.command()
@click.argument("people", type=int)
@click.option("--due", default=0, help="So many of them have been passive for so long that the purge takes them.")
def main(people: int, due: int) -> None:
    """Fill the empty database that the settings of the service name with so many PEOPLE."""
    service = Service(*config.load())
    schema.upgrade(service.engine)
    with click.progressbar(length=people, label=f"Writing {people:,} people", file=sys.stderr) as bar:
        fill(service, Population(people, due), bar.update)


if __name__ == "__main__":
    main()
