"""Putting a backup back: into an empty database, in one transaction, and nothing is served before all else is done.

What was said since the backup is repeated first: erasures and refusals from the notes beside the database, departures
from ActiveCampaign. One key must not sign two histories, so an older log goes on only under a key that signed none.
"""

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, column, func, insert, select, table, update

from consent_service import api_keys, database, schema
from consent_service import service as services
from consent_service.activecampaign.pacing import CallBudget
from consent_service.backup import backups, encrypted_file
from consent_service.backup.backup_file import FILE, BackupRefused, Reader, Section, Step
from consent_service.backup.backup_file import Row as Line
from consent_service.backup.backups import Facts
from consent_service.backup.encrypted_file import Keys
from consent_service.backup.notes_file import NOTES
from consent_service.comparison import runs
from consent_service.comparison.caution import RESTORED
from consent_service.comparison.reconcile import Comparison
from consent_service.delivery import outbox
from consent_service.earlier_list import import_rows
from consent_service.ledger import sealer
from consent_service.ledger.anchors import ANCHORS, Anchors
from consent_service.ledger.checkpoint import CheckpointRefused
from consent_service.ledger.vault import VaultRefused
from consent_service.line_file import LineFile
from consent_service.models.columns import metadata
from consent_service.models.comparison import reconcile_run
from consent_service.models.delivery import outbox_message
from consent_service.schema import SchemaNewer
from consent_service.service import Service
from consent_service.watch import pulses

OURS = {*metadata.tables, "role", "staff_role"}  # those two are in older backups
RESTORING = "restoring"
ASIDE = "anchors-until-*.jsonl"
NOT_SENT = "not sent: a backup was put back, and it may have been sent before"
NEW_KEY = (
    "One key must not sign two histories of the log, and what was signed after this backup was made is not in it. Put "
    "a new key before the old one in CONSENT_LOG_KEY, with a comma between (openssl rand -base64 32), then give this "
    "command again."
)
SAME_KEY = (
    "Another key stood first in CONSENT_LOG_KEY when this was begun, and the log goes on under that one only. Put it "
    "first again, then give this command again; if it is lost, name another empty database and put a new key first."
)


class Unfinished(Exception):
    """A backup is being put back; nothing is served or sent before that is done."""

    def __init__(self) -> None:
        super().__init__("A backup is being put back here. Give the same command again: consent-service restore FILE")


@dataclass(frozen=True)
class Plan:
    """A backup that may be put back, and whether nothing can have happened since it was made (a move)."""

    path: Path
    keys: Keys
    facts: Facts
    is_move: bool


@dataclass(frozen=True)
class Stopped:
    """How many mails, and invitations of people who came with an import, waited in a backup and do not go out."""

    mails: int = 0
    invitations: int = 0


def refuse_unfinished(service: Service) -> None:
    """Raise Unfinished when a backup was not put back to the end."""
    with service.reading() as connection:
        if _begun(connection) is not None:
            raise Unfinished


def prepare(service: Service, path: Path, keys: Keys, opened: Step) -> Plan:
    """Read a backup through and hold it against what is here, changing nothing; raises BackupRefused and others.

    `opened` is told how many bytes of the file were read.
    """
    if not keys.identities:
        raise BackupRefused("To open a backup the key file has to hold the secret key, AGE-SECRET-KEY-1…")
    kept = service.anchors.newest()
    size = kept.checkpoint.size if kept else 0
    facts = backups.check(path, keys, lambda rows: None, opened=opened, size_before=size)
    _check_keys(service, facts)
    if kept and kept.checkpoint.size <= facts.size and kept.checkpoint.root != facts.root_before:
        raise BackupRefused(f"{service.anchors.path} is of another log than this backup. Is it the right folder?")
    is_move = kept is not None and kept.note == facts.note and not _lost_since(service, facts.header.made_at)
    return Plan(path, keys, facts, is_move)


def is_under_way(service: Service, plan: Plan) -> bool:
    """Whether this very backup was loaded here, but not put back to the end; raises BackupRefused.

    If not, the database has to be empty, and the log's key one that may go on with the log. If so, the key has to
    be the one it was begun with: what tells whether another may sign is put aside or out of date by now.
    """
    made_at = plan.facts.header.made_at
    with service.reading() as connection:
        if _begun(connection) == made_at:
            if pulses.last(connection, _under(service)) != made_at:
                raise BackupRefused(SAME_KEY)
            return True
        _refuse_filled(connection)
    known = chain.from_iterable(anchors.all() for anchors in (service.anchors, *_put_aside(service)))
    used = plan.facts.origins | {anchor.checkpoint.origin for anchor in known}
    if not plan.is_move and service.signer.origin in used:
        raise BackupRefused(NEW_KEY)
    return False


def load(service: Service, plan: Plan, step: Step) -> Stopped:
    """Take every row in, in one transaction, and return what waited in the backup and does not go out."""
    files = {name: _copy(service, name) for name in (ANCHORS, NOTES)}
    with _or_none(service, plan, files.values()), database.remaking(service.engine) as connection:
        _refuse_filled(connection)
        database.drop_tables(connection)
        _migrate(connection, plan.facts.header.revision)
        with encrypted_file.reading(plan.path, plan.keys) as stream, database.unordered(connection):
            _fill(connection, Reader(stream), files, step)
        _migrate(connection, "head")
        made_at = plan.facts.header.made_at
        for name, at in ((RESTORING, made_at), (_under(service), made_at), (RESTORED, services.now())):
            pulses.beat(connection, name, at)
        _let_go(connection, services.now())
        return Stopped() if plan.is_move else _withhold(connection, services.now())


def put_files(service: Service) -> Path | None:
    """Join the backup's files with those beside the database; returns the name anchors were put aside under, if any.

    Notes are only added. Anchors of what is lost with the old database are kept, under a name of their own.
    """
    notes, copy = LineFile(_copy(service, NOTES)), _copy(service, ANCHORS)
    known = {_spelt(line) for line in LineFile(service.folder / NOTES).read()}
    if missing := [line for line in notes.read() if _spelt(line) not in known]:
        LineFile(service.folder / NOTES).append(missing)
    notes.path.unlink(missing_ok=True)
    with service.reading() as connection:
        newest = sealer.newest(connection)
    kept, aside = service.anchors.newest(), None
    if kept and kept.checkpoint.size > (newest.size if newest else 0):
        aside = service.anchors.path.with_name(ASIDE.replace("*", f"{kept.signed_at:%Y%m%dT%H%M%SZ}"))
        service.anchors.path.rename(aside)
    if copy.exists() and not service.anchors.path.exists():
        copy.rename(service.anchors.path)
    copy.unlink(missing_ok=True)
    return aside


def compare(service: Service, stop: threading.Event) -> Iterator[Row[Any]]:
    """Take less permission from ActiveCampaign: who left there leaves here. Yields how far it is; raises Unreachable.

    Contacts nobody here knows are left alone, since they may have joined after the backup was made.
    """
    comparison = Comparison(service, CallBudget(service.transaction, services.now, stop.wait), stop)
    try:
        while not comparison.begin(applies=True, by_hand=False):  # one that was killed a moment ago still has it
            if stop.wait(1):
                return
        yield from comparison.run()
    finally:
        comparison.close()


def active_staff(service: Service) -> list[str]:
    """Return the addresses of all who may log in."""
    staff = table("staff", column("email"), column("active"))
    with service.reading() as connection:
        return list(connection.execute(select(staff.c.email).where(staff.c.active).order_by(staff.c.email)).scalars())


def active_keys(service: Service) -> list[str]:
    """Return the programs whose API keys are in force."""
    with service.reading() as connection:
        return [key.name for key in api_keys.known(connection) if key.disabled_at is None]


def finish(service: Service) -> None:
    """Let the service be served again."""
    with service.transaction() as connection:
        for name in (RESTORING, _under(service)):
            pulses.forget(connection, name)


def _put_aside(service: Service) -> Iterator[Anchors]:
    """The anchors of every log that was lost with an older database."""
    yield from map(Anchors, sorted(service.folder.glob(ASIDE)))


def _lost_since(service: Service, made_at: datetime) -> bool:
    """Whether more was signed after a backup was made, and its anchors put aside when it was put back before."""
    return any(last.signed_at > made_at for anchors in _put_aside(service) if (last := anchors.newest()))


def _copy(service: Service, name: str) -> Path:
    """Where a file of the backup lies until it is joined with the one that is here."""
    return service.folder / f"{name}.restored"


@contextmanager
def _or_none(service: Service, plan: Plan, files: Iterable[Path]) -> Iterator[None]:
    """Leave no copy behind unless all goes well, or the database took everything in and its answer was lost."""
    for file in files:
        file.unlink(missing_ok=True)
    try:
        yield
    except BaseException:
        # If it does not answer now either, the copies stay: the next try makes new ones.
        with service.reading() as connection:
            is_in = _begun(connection) == plan.facts.header.made_at
        for file in () if is_in else files:
            file.unlink(missing_ok=True)
        raise


def _begun(connection: Connection) -> datetime | None:
    if not schema.is_migrated(connection):
        return None
    return pulses.last(connection, RESTORING)


def _under(service: Service) -> str:
    """The pulse that names the log's key a backup is put back under; as much of it as fits into the name."""
    return f"{RESTORING} {service.signer.origin[-10:]}"


def _check_keys(service: Service, facts: Facts) -> None:
    try:
        for wrapped, owner in facts.data_keys.values():
            service.vault.unwrap(wrapped, owner)
    except VaultRefused:
        raise BackupRefused("CONSENT_DATA_KEYS lacks a key that people in this backup need; give it back.") from None
    try:
        if facts.note is not None:
            service.verifiers.check(facts.note)
    except CheckpointRefused:
        raise BackupRefused(
            "CONSENT_LOG_KEY lacks the key that signed this backup's log; put it behind the newest one."
        ) from None
    if not facts.log_holds:
        raise BackupRefused("The log in this backup does not lead to its newest checkpoint; take an older backup.")


def _refuse_filled(connection: Connection) -> None:
    for there in schema.tables(connection):
        if there.name not in OURS:
            raise BackupRefused(
                f"The database has a table {there.name}, which is not this service's. Name an empty one."
            )
        if connection.execute(select(func.count()).select_from(there)).scalar_one():
            raise BackupRefused(f"The database is not empty ({there.name} has rows). Name an empty one.")


def _migrate(connection: Connection, revision: str) -> None:
    try:
        schema.migrate(connection, revision)
    except SchemaNewer:
        raise BackupRefused("The backup was made by a newer version of this program; install that.") from None


def _fill(connection: Connection, reader: Reader, files: dict[str, Path], step: Step) -> None:
    there = {one.name: one for one in schema.tables(connection)}
    for section, batch in reader.batches():
        if section.kind == FILE:
            _write(files, section, batch)
        elif section.name not in there:
            raise BackupRefused(f"The backup has a table {section.name} that its revision has not.")
        elif batch:
            rows = [dict(zip(section.columns, row, strict=True)) for row in batch]
            connection.execute(insert(there[section.name]), rows)
        step(len(batch))
    database.catch_up_counters(connection, there.values())


def _write(files: dict[str, Path], section: Section, batch: list[Line]) -> None:
    if batch and section.name in files:
        LineFile(files[section.name]).append(backups.read_lines(section, batch))


def _let_go(connection: Connection, now: datetime) -> None:
    """Free what was claimed in the old database: nobody is at work on it any more."""
    free = {"claimed_by": None, "claimed_until": None}
    connection.execute(update(outbox_message).where(outbox_message.c.claimed_by.is_not(None)).values(free))
    for run in connection.execute(select(reconcile_run).where(reconcile_run.c.is_open)).all():
        runs.give_up(connection, run, now, "a backup was put back")


def _withhold(connection: Connection, now: datetime) -> Stopped:
    """Send nothing that has most likely been sent since the backup was made, and ask nobody who may have said no."""
    waiting = update(outbox_message).where(outbox_message.c.lane == outbox.MAIL, outbox.undone())
    mails = connection.execute(waiting.values(done_at=now, last_error=NOT_SENT)).rowcount
    return Stopped(mails, import_rows.call_back(connection))


def _spelt(line: Any) -> str:
    return json.dumps(line, sort_keys=True)
