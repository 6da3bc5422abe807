"""Subscribers of an earlier list: who becomes active, who has to be asked, who is left alone; and taking it back.

Only somebody new is made active, on a claim that the evidence repeats as what it is; whoever is known here, in whatever
state, stays as they are. Whose permission nobody can prove waits in `import_rows`. Must not commit, read a clock or
open a file.
"""

import secrets
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from consent_service import asks, erasure, people, subscriptions
from consent_service.activecampaign import departures, strangers
from consent_service.asks import Ask
from consent_service.controller import Controller
from consent_service.database import insert_if_absent
from consent_service.delivery import outbox, suppression
from consent_service.delivery.letters import SERVICE
from consent_service.earlier_list import import_claims, import_rows
from consent_service.earlier_list.import_claims import UNKNOWN, Candidate, Claim, RowRefused
from consent_service.earlier_list.import_file import Line
from consent_service.erasure import IMPORT_UNDONE
from consent_service.ids import new_id
from consent_service.language import language
from consent_service.ledger import evidence
from consent_service.ledger.evidence import Occasion
from consent_service.ledger.seal import Payload
from consent_service.limits import caps
from consent_service.limits.allowance import Window
from consent_service.models.earlier_list import import_batch
from consent_service.models.newsletter import confirmation, subscriber
from consent_service.notices import statements
from consent_service.notices.statements import Terms
from consent_service.people import Address

FILE, ACCOUNT = "file", "activecampaign"
IMPORTED, WAITING = "imported", "waiting"
BUSY, ACTED, UNDONE = "busy", "acted", "undone"
INVITATIONS = "invitations"
FIRST_PURPOSE = 1  # a permission from before this service cannot cover what its purpose was widened to later
REASONS = {
    "bad_address": "not an e-mail address that can be written to",
    "bad_name": "a name has more than 100 characters, or signs that do not belong in one",
    "bad_language": "a language other than fi, sv or en",
    "bad_grade": f"a grade other than {', '.join(import_claims.GRADES)}",
    "bad_day": "not a day, or one that has not been",
    "bad_form_number": "a form number with more than 40 characters, or signs that do not belong in one",
    "no_day": "its grade needs the day the permission was given",
    "no_form_number": "a paper form needs its number",
    "broken": "more cells than the first row has columns",
    "duplicate": "the same address as in an earlier row",
    "pending": "known here: has been asked and has not answered",
    "active": "known here: subscribes already",
    "passive": "known here: has left",
    "declined": "said here that they did not ask",
    "objected": "has objected here to marketing, for good",
    "erased": "erased here, and still to be deleted at ActiveCampaign",
    "being_taken_off": "is being taken off the list at ActiveCampaign just now: run this again in a minute",
    "left_there": "was off the list at ActiveCampaign when an earlier import was undone: may subscribe anew",
    "waits": "waits already to be asked",
}


@dataclass(frozen=True)
class Outcome:
    """What became of a row: `imported`, `waiting`, or a key of `REASONS`."""

    number: str
    what: str


@dataclass(frozen=True)
class Forgotten:
    """Somebody who waited to be asked was erased; whether they are being taken off the list at ActiveCampaign."""

    is_told: bool


@dataclass(frozen=True)
class Batch:
    """One list that is brought over: where from, by whom, what is claimed of rows that say nothing themselves."""

    source: str
    imported_by: str
    otherwise: Claim
    language: str
    controller: Controller
    today: date
    id: str = field(default_factory=lambda: secrets.token_hex(4))
    seen: set[str] = field(default_factory=set)


def begin(connection: Connection, occasion: Occasion, batch: Batch) -> None:
    """Note that a list begins to be brought over."""
    values = {"id": batch.id, "source": batch.source, "grade": batch.otherwise.grade, "started_at": occasion.now}
    connection.execute(insert(import_batch).values(**values, imported_by=batch.imported_by))


def finish(connection: Connection, batch_id: str, now: datetime) -> None:
    """Note that every row has been looked at."""
    connection.execute(update(import_batch).where(import_batch.c.id == batch_id).values(finished_at=now))


def preview(connection: Connection, occasion: Occasion, batch: Batch, lines: Sequence[Line]) -> list[Outcome]:
    """Return what would become of rows; changes nothing."""
    return [_each(connection, occasion, batch, line, _verdict) for line in lines]


def add(connection: Connection, occasion: Occasion, batch: Batch, lines: Sequence[Line]) -> list[Outcome]:
    """Bring rows over and return what became of each; whoever is known here stays as they are."""

    def take(connection: Connection, occasion: Occasion, person: Candidate) -> str:
        return _take(connection, occasion, batch, person)

    outcomes = [_each(connection, occasion, batch, line, take) for line in lines]
    counted = Counter(one.what if one.what in (IMPORTED, WAITING) else "skipped" for one in outcomes)
    more = {name: import_batch.c[name] + number for name, number in counted.items()}
    connection.execute(update(import_batch).where(import_batch.c.id == batch.id).values(**more))
    return outcomes


def batches(connection: Connection) -> Sequence[Row[Any]]:
    """Return every batch, the newest first."""
    return connection.execute(select(import_batch).order_by(import_batch.c.started_at.desc())).all()


def find(connection: Connection, batch_id: str) -> Row[Any] | None:
    """Return a batch, or None."""
    return connection.execute(select(import_batch).where(import_batch.c.id == batch_id)).one_or_none()


def members(connection: Connection, batch_id: str) -> Sequence[str]:
    """Return the ids of the people a batch made subscribers or had asked, as far as they are still here."""
    mine = select(confirmation.c.subscriber_id).where(confirmation.c.import_batch_id == batch_id).distinct()
    return connection.execute(mine.order_by(confirmation.c.subscriber_id)).scalars().all()


def begin_undo(connection: Connection, occasion: Occasion, batch_id: str) -> int:
    """Take a batch back as far as it waits to be asked, so that nobody is asked any more; returns how many waited."""
    connection.execute(update(import_batch).where(import_batch.c.id == batch_id).values(undone_at=occasion.now))
    return import_rows.forget_batch(connection, batch_id)


def undo(connection: Connection, occasion: Occasion, subscriber_id: str) -> str | None:
    """Erase somebody whom a batch brought here and who has done nothing since; says UNDONE, ACTED, BUSY, or None.

    Nobody is deleted at ActiveCampaign for it: they may have been there before us.
    """
    person = asks.lock_person(connection, subscriber_id)
    if person is None:
        return None
    if not all(map(_is_ours, evidence.story(connection, occasion.vault, person.id))):
        return ACTED
    if _is_on_the_way(connection, occasion, person):
        return BUSY
    return ACTED if erasure.erase(connection, occasion, person.id, IMPORT_UNDONE, tell=False) else UNDONE


def forget(connection: Connection, occasion: Occasion, email_key: str, *, objects: bool) -> Forgotten | None:
    """Ask somebody who waits no more, at their wish, and take them off the list there; None when nobody waits."""
    waiting = _forget(connection, occasion, email_key, objects=objects)
    if waiting is None:
        return None
    is_told = waiting.contact_id is not None and occasion.forwards
    if is_told:
        strangers.note(connection, waiting.contact_id, email_key, occasion.now)
        strangers.take_off(connection, waiting.contact_id, occasion.now)
    return Forgotten(is_told)


def erase(connection: Connection, occasion: Occasion, email_key: str, *, objects: bool) -> Forgotten | None:
    """Erase somebody who waits to be asked, at their wish, and have their contact deleted there; None for nobody."""
    waiting = _forget(connection, occasion, email_key, objects=objects)
    if waiting is None:
        return None
    is_told = waiting.contact_id is not None and occasion.forwards
    if is_told:
        erasure.delete_there(connection, occasion, import_rows.name(waiting.batch_id, waiting.id), waiting)
    return Forgotten(is_told)


def _forget(connection: Connection, occasion: Occasion, email_key: str, *, objects: bool) -> Row[Any] | None:
    waiting = import_rows.find(connection, email_key)
    if waiting is not None:
        import_rows.forget(connection, email_key, occasion.now)
        if objects:
            subscriptions.object_unknown(connection, occasion, email_key)
    return waiting


def withdraw(connection: Connection, occasion: Occasion, address: Address, key_name: str) -> None:
    """Withdraw for somebody whose wish a trusted program passes on; who only waited need not be asked any more."""
    subscriptions.withdraw(connection, occasion, address, key_name)
    forget(connection, occasion, address.key, objects=False)


def invite_next(
    connection: Connection, occasion: Occasion, terms: Callable[[str], Terms], allowed: Sequence[Window]
) -> bool:
    """Ask the next one of those who may be asked; False when nobody is to be asked now.

    Takes at most half of what the whole service may send, so that whoever fills in the form need not wait.
    """
    half = [Window(max(1, window.amount // 2), window.span) for window in allowed]
    if caps.free_at(connection, SERVICE, half, occasion.now) > occasion.now:
        return False
    if caps.free_at(connection, INVITATIONS, half, occasion.now) > occasion.now:
        return False
    waiting = import_rows.next_invited(connection)
    if waiting is None:
        return False
    address = people.stored_address(waiting.email, waiting.email_key)
    asks.lock_act(connection, occasion, "ask", address)  # before the row, as whoever fills in the form does
    if import_rows.take_invited(connection, waiting.id, occasion.now) is None:
        return False
    ask = Ask(
        address=address,
        first_name=waiting.first_name,
        last_name=waiting.last_name,
        language=waiting.language,
        terms=terms(waiting.language),
        batch_id=waiting.batch_id,
    )
    if isinstance(subscriptions.invite(connection, occasion, ask), subscriptions.Asked):
        caps.take(connection, INVITATIONS, half, occasion.now)
    return True


Judge = Callable[[Connection, Occasion, Candidate], str]


def _each(connection: Connection, occasion: Occasion, batch: Batch, line: Line, judge: Judge) -> Outcome:
    try:
        person = import_claims.read(line, batch.otherwise, batch.language, batch.today)
    except RowRefused as refused:
        return Outcome(line.number, refused.reason)
    if person.address.key in batch.seen:
        return Outcome(line.number, "duplicate")
    batch.seen.add(person.address.key)
    return Outcome(line.number, judge(connection, occasion, person))


def _verdict(connection: Connection, occasion: Occasion, person: Candidate) -> str:
    refused = suppression.find(connection, occasion.vault, person.address.key, occasion.now)
    if refused is not None:
        return refused.reason
    if status := _status(connection, person.address.key):
        return status
    if departures.is_awaited(connection, person.address.key):
        return "erased"
    if strangers.is_awaited(connection, person.address.key):
        return "being_taken_off"
    if _had_left_there(connection, occasion, person):
        return "left_there"
    if person.claim.grade != UNKNOWN:
        return IMPORTED
    return "waits" if import_rows.waits(connection, person.address.key) else WAITING


def _take(connection: Connection, occasion: Occasion, batch: Batch, person: Candidate) -> str:
    verdict = _verdict(connection, occasion, person)
    if verdict == IMPORTED:
        return _make_active(connection, occasion, batch, person)
    if verdict == WAITING:
        address = {"email": person.address.email, "email_key": person.address.key}
        known = {**address, **_names(person), "contact_id": person.contact_id}
        return WAITING if import_rows.keep(connection, batch.id, known, occasion.now) else "waits"
    return verdict


def _make_active(connection: Connection, occasion: Occasion, batch: Batch, person: Candidate) -> str:
    """Make somebody new active on a claim; their status here instead, when somebody else was faster."""
    subscriber_id, confirmation_id = str(uuid.uuid4()), new_id(occasion.now)
    known = {"email": person.address.email, "email_key": person.address.key} | _names(person)
    row = {"id": subscriber_id, "status": "pending", "asked_at": occasion.now, **known}
    if not insert_if_absent(connection, subscriber, row):
        return _status(connection, person.address.key) or "active"
    import_rows.forget(connection, person.address.key, occasion.now)
    text = statements.imported(language(person.language), batch.controller, batch.source, person.claim.grade)
    sha256 = evidence.keep_text(connection, occasion, text)
    core = _core(batch, person, confirmation_id) | {"texts": {statements.IMPORT: sha256}}
    basis = evidence.append(connection, occasion, subscriber_id, core)
    connection.execute(
        insert(confirmation).values(
            id=confirmation_id,
            subscriber_id=subscriber_id,
            purpose=statements.PURPOSE,
            purpose_version=FIRST_PURPOSE,
            statement_sha256=sha256,
            source=subscriptions.IMPORTED,
            import_batch_id=batch.id,
            asked_at=basis.at,
            expires_at=basis.at,
            used_at=basis.at,
            used_event_id=basis.id,
            **_names(person),
        )
    )
    _settle(connection, occasion, person, subscriber_id, basis)
    return IMPORTED


def _settle(
    connection: Connection, occasion: Occasion, person: Candidate, subscriber_id: str, basis: evidence.Recorded
) -> None:
    active = {"status": "active", "asked_at": basis.at, "active_since": basis.at, "basis_event_id": basis.id}
    asks.change_person(connection, subscriber_id, **active)
    if person.contact_id is None:
        outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, outbox.SYNC, occasion.now, subscriber_id=subscriber_id)
        return
    there = {"contact_id": person.contact_id, "forwarded_at": occasion.now, "forwarded_event_id": basis.id}
    asks.change_person(connection, subscriber_id, **there)  # they are on the list there already


def _core(batch: Batch, person: Candidate, confirmation_id: str) -> Payload:
    claim = person.claim
    claimed: Payload = {"claimed_on": claim.day.isoformat()} if claim.day else {}
    claimed |= {"form_number": claim.form_number} if claim.form_number else {}
    return {
        "kind": "imported",
        "confirmation": confirmation_id,
        "purpose": statements.PURPOSE,
        "purpose_version": FIRST_PURPOSE,
        "source": subscriptions.IMPORTED,
        "import_batch_id": batch.id,
        "imported_from": batch.source,
        "imported_by": batch.imported_by,
        "grade": claim.grade,
        "email": person.address.email,
        **_names(person),
        **claimed,
    }


def _names(person: Candidate) -> dict[str, str]:
    return {"first_name": person.first_name, "last_name": person.last_name, "language": person.language}


def _status(connection: Connection, email_key: str) -> str | None:
    status = select(subscriber.c.status).where(subscriber.c.email_key == email_key)
    return connection.execute(status).scalar_one_or_none()


def _had_left_there(connection: Connection, occasion: Occasion, person: Candidate) -> bool:
    """Whether somebody whose import was undone was off the list before this service surely took them off."""
    known = strangers.known_again(connection, occasion.vault.address_hashes(person.address.key))
    return known is not None and known.taken_off_at is None and person.contact_id is None


def _is_on_the_way(connection: Connection, occasion: Occasion, person: Row[Any]) -> bool:
    """Whether an update of somebody may be taking effect at ActiveCampaign without its answer being known here."""
    if outbox.busy_until(connection, outbox.ACTIVECAMPAIGN, [person.id], occasion.now)[person.id] > occasion.now:
        return True
    has_begun = person.forwarded_at is not None and person.contact_id is None
    return has_begun and outbox.waits(connection, outbox.ACTIVECAMPAIGN, person.id)


def _is_ours(event: evidence.Event) -> bool:
    """Whether an event tells of nothing but the import and what we did for it."""
    kind, source = event.core["kind"], event.core.get("source")
    return kind in ("imported", "sent") or (kind == "requested" and source == subscriptions.IMPORTED)
