"""Breaches of personal data: noted, counted down to the Ombudsman's 72 hours, and who was told (GDPR articles 33, 34).

What is written names no person: how many people, which kinds of data. A breach is open until the Ombudsman has been
told or it is decided, with the reason, that nobody is at risk; and where the risk is high, until the people know. Must
not commit or read a clock.
"""

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from consent_service.controller import Controller
from consent_service.database import one_at_a_time
from consent_service.language import Language, mark
from consent_service.models.breaches import breach, breach_notice

CLOCK = timedelta(hours=72)  # article 33(1)
UNKNOWN, NONE, SOME, HIGH = "unknown", "none", "some", "high"
RISKS = {
    UNKNOWN: mark("Not judged yet"),
    NONE: mark("No risk to anybody: need not be reported"),
    SOME: mark("A risk: has to be reported"),
    HIGH: mark("A high risk: has to be reported, and the people told"),
}
OMBUDSMAN, PEOPLE, OTHER = "ombudsman", "people", "other"
WHOM = {
    OMBUDSMAN: mark("The Data Protection Ombudsman"),
    PEOPLE: mark("The people concerned"),
    OTHER: mark("Somebody else"),
}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a breach, each part already read; None where it is not known yet."""

    noticed_at: datetime
    what: str
    happened: str
    kinds_of_data: str
    people: int | None
    consequences: str | None
    measures: str | None
    risk: str
    risk_reason: str | None


@dataclass(frozen=True)
class Notice:
    """Who was told (a key of `WHOM`), when, and how; why late, if it was."""

    whom: str
    told_at: datetime
    how: str


@dataclass(frozen=True)
class Breach:
    """One breach and who was told of it, the first one first."""

    row: Row[Any]
    notices: Sequence[Row[Any]]

    @property
    def due_at(self) -> datetime:
        """When the Ombudsman has to know at the latest."""
        at: datetime = self.row.noticed_at + CLOCK
        return at

    @property
    def reported_at(self) -> datetime | None:
        """When the Ombudsman was told."""
        return self.told_at(OMBUDSMAN)

    @property
    def waits_for_report(self) -> bool:
        """Whether the clock runs."""
        return self.row.risk != NONE and self.reported_at is None

    @property
    def waits_for_people(self) -> bool:
        """Whether the people concerned have still to be told."""
        return self.row.risk == HIGH and self.told_at(PEOPLE) is None

    @property
    def is_open(self) -> bool:
        """Whether somebody has still to do something."""
        return self.waits_for_report or self.waits_for_people

    def told_at(self, whom: str) -> datetime | None:
        """Return when somebody was first told."""
        return min((one.told_at for one in self.notices if one.whom == whom), default=None)

    def left(self, now: datetime) -> timedelta:
        """Return how much time is left, less than nothing when it is over."""
        return self.due_at - now

    def hours_left(self, now: datetime) -> int:
        """Return the same in hours begun; of a clock that has run out, for how many whole hours it has."""
        seconds = self.left(now).total_seconds()
        return int(-(-seconds // 3600)) if seconds > 0 else int(-seconds // 3600)


def add(connection: Connection, now: datetime, facts: Facts, staff_name: str) -> str:
    """Note a breach and return its id; noted twice in the same words, it is the same breach."""
    one_at_a_time(connection, "note a breach")
    same = select(breach.c.id).where(*(breach.c[name] == value for name, value in asdict(facts).items()))
    known: str | None = connection.execute(same.limit(1)).scalar_one_or_none()
    if known is not None:
        return known
    breach_id = str(uuid.uuid4())
    written = {"id": breach_id, "written_at": now, "written_by": staff_name}
    connection.execute(insert(breach).values(asdict(facts) | written | _changed(now, staff_name)))
    return breach_id


def change(
    connection: Connection, now: datetime, breach_id: str, facts: Facts, staff_name: str, seen: datetime | None
) -> bool:
    """Write anew what is known of a breach; False, and nothing done, when `seen` is not its `changed_at` any more."""
    values = asdict(facts) | _changed(now, staff_name)
    as_seen = (breach.c.id == breach_id, breach.c.changed_at == seen)
    return connection.execute(update(breach).where(*as_seen).values(values)).rowcount == 1


def tell(connection: Connection, now: datetime, breach_id: str, notice: Notice, staff_name: str) -> None:
    """Note who was told of a breach; noted twice, it stands there once."""
    one_at_a_time(connection, "note who was told of a breach")
    said = (breach_notice.c.whom == notice.whom, breach_notice.c.how == notice.how)
    known = select(breach_notice.c.id).where(breach_notice.c.breach_id == breach_id, *said)
    if connection.execute(known.where(breach_notice.c.told_at == notice.told_at)).first() is None:
        noted = {"id": str(uuid.uuid4()), "breach_id": breach_id, "noted_at": now, "noted_by": staff_name}
        connection.execute(insert(breach_notice).values(asdict(notice) | noted))


def find(connection: Connection, breach_id: str) -> Breach | None:
    """Return one breach, or None."""
    return next(iter(_read(connection, breach.c.id == breach_id)), None)


def everything(connection: Connection) -> list[Breach]:
    """Return every breach there was, the newest first: the log of article 33(5)."""
    return _read(connection)


def open_count(connection: Connection) -> int:
    """Return how many are open."""
    unreported = (breach.c.risk != NONE) & ~_has_told(OMBUDSMAN)
    untold = (breach.c.risk == HIGH) & ~_has_told(PEOPLE)
    counted = select(func.count()).select_from(breach).where(unreported | untold)
    return connection.execute(counted).scalar_one()


def report(language: Language, found: Breach, controller: Controller) -> str:
    """Return a text to begin the Ombudsman's form with, from what has been written down (article 33(3))."""
    say, row = language.say, found.row
    unknown = say("Not known yet. We will tell as soon as we know (article 33(4)).")
    address = f"{controller.street}, {controller.postal_code} {controller.city}"
    who = f"{controller.name}, {say('business id')} {controller.business_id}, {address}"
    parts = [
        (say("Controller"), who),
        (say("Whom to ask"), ", ".join(filter(None, (controller.contact_email, controller.phone)))),
        (say("Noticed"), language.moment(row.noticed_at)),
        (say("What happened"), f"{row.what}\n{row.happened}"),
        (say("Which data"), row.kinds_of_data),
        (say("About how many people"), unknown if row.people is None else str(row.people)),
        (say("What may follow from it"), row.consequences or unknown),
        (say("What has been done"), row.measures or unknown),
        (say("Risk"), "\n".join(filter(None, (say(RISKS[row.risk]), row.risk_reason)))),
        (say("The people concerned"), _told(language, found)),
    ]
    return "\n\n".join(f"{title}\n{words}" for title, words in parts)


def _told(language: Language, found: Breach) -> str:
    told_at = found.told_at(PEOPLE)
    if told_at:
        return language.say("were told on %(at)s.", at=language.moment(told_at))
    return language.say("have not been told.")


def _changed(now: datetime, staff_name: str) -> dict[str, Any]:
    return {"changed_at": now, "changed_by": staff_name}


def _has_told(whom: str) -> ColumnElement[bool]:
    mine = (breach_notice.c.breach_id == breach.c.id, breach_notice.c.whom == whom)
    return select(breach_notice.c.id).where(*mine).exists()


def _read(connection: Connection, *which: ColumnElement[bool]) -> list[Breach]:
    rows = connection.execute(select(breach).where(*which).order_by(breach.c.noticed_at.desc(), breach.c.id)).all()
    theirs = select(breach_notice).where(breach_notice.c.breach_id.in_([row.id for row in rows]))
    notices = connection.execute(theirs.order_by(breach_notice.c.told_at, breach_notice.c.id)).all()
    return [Breach(row, [one for one in notices if one.breach_id == row.id]) for row in rows]
