"""One ask for permission: written down, found again by its link, answered once; and how often an address is asked.

The newest ask of a person is the open one; only its link works. An ask for a change of address carries the new
address, which is nobody's until its owner confirms. What an answer changes is for the rooms that use this one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update
from sqlalchemy.engine import result_tuple

from consent_service import people
from consent_service.address_changes import MOVE
from consent_service.database import locks_rows
from consent_service.delivery import outbox
from consent_service.ids import new_id
from consent_service.ledger import evidence
from consent_service.ledger.evidence import Occasion
from consent_service.ledger.seal import Payload
from consent_service.limits import allowance
from consent_service.limits.allowance import Window
from consent_service.models.newsletter import confirmation, subscriber
from consent_service.notices import statements
from consent_service.notices.statements import Terms
from consent_service.people import Address
from consent_service.sql.prepared import Prepared

LINK_LIFETIME = timedelta(days=7)
TO_THE_KNOWN = ("data", "leave", "name")  # what only people we know get a mail or an entry for
ASK_GAP = Window(1, timedelta(minutes=5))
DAY = timedelta(days=1)
RIGHTS = ("leave", "data")
CONFIRMED, DECLINED, CLOSED = "confirmed", "declined", "closed"  # closed: by a newer one, or by leaving
EXPIRED, OPEN = "expired", "open"

# Built once: what is done for every subscriber pays for building a statement as much as for executing it.
_WRITE_DOWN = Prepared(insert(confirmation))
_PERSON_OF = select(subscriber).where(subscriber.c.id == bindparam("person"))
_LOCK_PERSON = Prepared(_PERSON_OF.with_for_update())
_OWNER = select(confirmation.c.subscriber_id).where(confirmation.c.id == bindparam("ask"))
_LOCK_OWNER = Prepared(select(subscriber.c.id).where(subscriber.c.id == _OWNER.scalar_subquery()).with_for_update())
_CHANGE_PERSON = Prepared(update(subscriber).where(subscriber.c.id == bindparam("person")))
_MOVED = confirmation.alias("moved")
_MOVED_SINCE = (  # whoever reads the old mailbox has no say over the new one
    select(_MOVED.c.id)
    .where(_MOVED.c.subscriber_id == confirmation.c.subscriber_id, _MOVED.c.source == MOVE)
    .where(_MOVED.c.id != confirmation.c.id, _MOVED.c.used_at > confirmation.c.asked_at)
    .exists()
)
_THEIRS = [column.label(f"person_{column.key}") for column in subscriber.c]
_SEEN = Prepared(
    select(confirmation, _MOVED_SINCE.label("is_to_former_address"), *_THEIRS)
    .join(subscriber, subscriber.c.id == confirmation.c.subscriber_id)
    .where(confirmation.c.id == bindparam("ask"))
)
_AS_PERSON = result_tuple(subscriber.c.keys())


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


@dataclass(frozen=True)
class ProgramRequest:
    """Through which other program of the company a person asked: its key's name, the host that showed the text."""

    key_name: str
    site: str
    occasion: str | None


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request for permission: whom, in which language, and on which terms.

    `staff` when staff were asked, `program` when another program was; `batch_id` when their address comes from an
    earlier list; `site` is the host of the web site that showed the form or led to it.
    """

    address: Address
    first_name: str
    last_name: str
    language: str
    terms: Terms
    staff: StaffRequest | None = None
    program: ProgramRequest | None = None
    batch_id: str | None = None
    site: str | None = None


def address_windows(limit: str) -> tuple[Window, ...]:
    """Return how often one address may be written to: the limit's windows and at least five minutes apart."""
    windows = allowance.windows(limit)
    return (ASK_GAP, *windows) if windows else ()


def without_idle_gap(person: Row[Any] | None, allowed: Sequence[Window]) -> Sequence[Window]:
    """Return the limits without the five minutes for a person who closed their newest ask themselves, by leaving.

    The gap lets a message arrive before the next one makes it worthless; that message is worthless already.
    """
    if person is None or person.status == "active" or person.open_confirmation_id is not None:
        return allowed
    return [window for window in allowed if window != ASK_GAP]


def spend(
    connection: Connection, occasion: Occasion, act: str, address: Address, allowed: Sequence[Window]
) -> datetime:
    """Count one `ask`, `leave`, `data`, `move` or `name` of an address; the first time it is allowed, now or later.

    Of what anybody has a right to (GDPR articles 7(3) and 12(2)) no window longer than a day counts: a stranger who
    types the address could use it up for weeks, while the mails of a day bring its owner the links.
    """
    if act in RIGHTS:
        allowed = [window for window in allowed if window.span <= DAY]
    return allowance.spend(connection, _key(occasion, act, address), allowed, occasion.now, _who(occasion, address))


def lock_act(connection: Connection, occasion: Occasion, act: str, address: Address) -> None:
    """Let nobody else count an act of an address before this transaction has ended."""
    allowance.lock(connection, _key(occasion, act, address), occasion.now)


def forgive(connection: Connection, occasion: Occasion, address: Address) -> None:
    """Forget what was counted for somebody who has just shown that the mailbox is theirs."""
    keys = [_key(occasion, act, address) for act in ("ask", "leave")]
    allowance.forgive(connection, keys, _who(occasion, address))


def write_down(connection: Connection, occasion: Occasion, person: Row[Any], ask: Ask, source: str) -> str:
    """Make this the person's open ask and return its id; nothing else of theirs changes."""
    confirmation_id = new_id(occasion.now)
    extra = _staff_values(ask.staff) | _batch_values(ask) | _occasion_there(ask.program)
    evidence.keep_texts(connection, occasion, ask.terms.shown.values())
    names: Payload = {"first_name": ask.first_name, "last_name": ask.last_name, "language": ask.language}
    texts = {name: shown.sha256 for name, shown in ask.terms.shown.items()}
    core: Payload = {
        "kind": "requested",
        "confirmation": confirmation_id,
        "purpose": statements.PURPOSE,
        "purpose_version": ask.terms.purpose_version,
        "source": source,
        "texts": {**texts},
    }
    # An address that nobody has confirmed may be a stranger's: it must not stay in evidence that is kept for years.
    whose: Payload = {} if source == MOVE else {"email": person.email}
    new_address = {"email": ask.address.email, "email_key": ask.address.key} if source == MOVE else {}
    through: Payload = {"site": ask.site} if ask.site else {}
    told = core | whose | names | extra | through | _program_values(ask.program)
    asked = evidence.append(connection, occasion, person.id, told)
    values = {
        "id": confirmation_id,
        "subscriber_id": person.id,
        "purpose": statements.PURPOSE,
        "purpose_version": ask.terms.purpose_version,
        "statement_sha256": texts["consent"],
        "tracking_sha256": texts.get("tracking"),
        "source": source,
        "asked_at": asked.at,
        "expires_at": asked.at + LINK_LIFETIME,
    }
    _WRITE_DOWN.write(connection, values | names | extra | new_address)
    change_person(connection, person.id, open_confirmation_id=confirmation_id, asked_at=asked.at)
    return confirmation_id


def mail_link(connection: Connection, now: datetime, subscriber_id: str, confirmation_id: str) -> None:
    """Have the link of an open ask mailed to the address that is asked."""
    outbox.enqueue(
        connection, outbox.MAIL, outbox.CONFIRMATION, now, subscriber_id=subscriber_id, confirmation_id=confirmation_id
    )


def find(connection: Connection, confirmation_id: str) -> tuple[Row[Any], Row[Any]]:
    """Return an ask and its person; whoever changes either of them takes `lock` first.

    Raises LinkDead, also when the link went to an address that the person has since left for another one.
    """
    seen = _SEEN.row(connection, {"ask": confirmation_id})
    if seen is None or seen.is_to_former_address:
        raise LinkDead
    return seen, _AS_PERSON(seen[-len(_THEIRS) :])


def lock(connection: Connection, seen: tuple[Row[Any], Row[Any]]) -> tuple[Row[Any], Row[Any]]:
    """Return what `find` found in this transaction as it is now that nobody else changes it; raises LinkDead."""
    if not locks_rows(connection):
        return seen
    _LOCK_OWNER.write(connection, {"ask": seen[0].id})
    return find(connection, seen[0].id)


def lock_person(connection: Connection, subscriber_id: str) -> Row[Any] | None:
    """Return a person, whom nobody else changes meanwhile, or None."""
    return _LOCK_PERSON.row(connection, {"person": subscriber_id})


def lock_people(connection: Connection, subscriber_ids: Sequence[str]) -> list[Row[Any]]:
    """Return those of some people who are there, in the same order, whom nobody else changes meanwhile."""
    # By their ids, so that of two who lock some of the same people none waits for the other.
    theirs = select(subscriber).where(subscriber.c.id.in_(subscriber_ids)).order_by(subscriber.c.id)
    there = {person.id: person for person in connection.execute(theirs.with_for_update())}
    return [there[subscriber_id] for subscriber_id in subscriber_ids if subscriber_id in there]


def change_person(connection: Connection, subscriber_id: str, **values: object) -> None:
    """Give columns of a locked person new values."""
    _CHANGE_PERSON.write(connection, {"person": subscriber_id, **values})


def was_asked_on(connection: Connection, consent_sha256: str, purpose_version: int) -> bool:
    """Whether somebody has been asked with this consent text for this version of the purpose."""
    such = (confirmation.c.statement_sha256 == consent_sha256, confirmation.c.purpose_version == purpose_version)
    return connection.execute(select(confirmation.c.id).where(*such).limit(1)).first() is not None


def agreed_version(connection: Connection, person: Row[Any]) -> int | None:
    """Return the version of the purpose that an active person agreed to, None for anybody else."""
    if person.basis_event_id is None:
        return None
    basis = select(confirmation.c.purpose_version).where(confirmation.c.used_event_id == person.basis_event_id)
    return int(connection.execute(basis).scalar_one())


def said_yes(connection: Connection, subscriber_ids: Sequence[str]) -> dict[str, datetime]:
    """Return when whoever is active said yes, and when whoever is only being asked was asked; others are left out."""
    basis, ask = confirmation.alias(), confirmation.alias()
    rows = connection.execute(
        select(subscriber.c.id, func.coalesce(basis.c.used_at, ask.c.asked_at))
        .join(basis, basis.c.used_event_id == subscriber.c.basis_event_id, isouter=True)
        .join(ask, ask.c.id == subscriber.c.open_confirmation_id, isouter=True)
        .where(subscriber.c.id.in_(subscriber_ids))
    ).all()
    return {subscriber_id: yes_at for subscriber_id, yes_at in rows if yes_at is not None}


def standing(ask: Row[Any], person: Row[Any], now: datetime) -> str:
    """Return how an ask stands: only of an OPEN one does the link ask for an answer."""
    has_said_no = person.status != "active" and person.open_confirmation_id is None
    if is_confirmed(ask, person):
        found = CONFIRMED
    elif ask.declined_at is not None and (ask.source == MOVE or has_said_no):
        found = DECLINED
    elif person.open_confirmation_id != ask.id:
        found = CLOSED
    else:
        found = OPEN if now < ask.expires_at else EXPIRED
    return found


def is_confirmed(ask: Row[Any], person: Row[Any]) -> bool:
    """Whether this ask is the one the person's present permission rests on."""
    return bool(person.status == "active" and person.basis_event_id == ask.used_event_id)


def asked_address(ask: Row[Any], person: Row[Any]) -> Address:
    """Return the address whose owner is asked: the person's, or the new one they want to be written to."""
    return people.stored_address(ask.email, ask.email_key) if ask.email else address_of(person)


def address_of(person: Row[Any]) -> Address:
    """Return a stored person's address in all its forms."""
    return people.stored_address(person.email, person.email_key)


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


def _program_values(program: ProgramRequest | None) -> Payload:
    return {"api_key": program.key_name, "site": program.site} if program else {}


def _occasion_there(program: ProgramRequest | None) -> Payload:
    return {"occasion": program.occasion} if program and program.occasion else {}


def _batch_values(ask: Ask) -> Payload:
    return {"import_batch_id": ask.batch_id} if ask.batch_id else {}


def _key(occasion: Occasion, act: str, address: Address) -> str:
    # A stranger who types a spelling that nobody has must not use up what those may ask whom we know.
    form = address.key if act in TO_THE_KNOWN else address.folded
    return f"{act}:{occasion.vault.address_hash(form)}"


def _who(occasion: Occasion, address: Address) -> str:
    return occasion.vault.address_hash(address.key)
