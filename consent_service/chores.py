"""What the relay does besides delivering: seal the log, keep notes outside the database, purge once a day, tidy up.

Each piece is a transaction of its own, or several, and the trouble of one is not another's. Also repeats erasures,
withdrawals and objections that an older database has lost. Logs how many, never whom. Must not hold a rule.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from time import perf_counter, sleep

import structlog
from sqlalchemy import Connection, update

from consent_service import database, erasure, retention, rotation
from consent_service import service as services
from consent_service.activecampaign import departures, own_link, renewal
from consent_service.backup import repeating
from consent_service.backup.notes_file import NOTES, NotesFile
from consent_service.backup.repeating import Note
from consent_service.comparison import runs
from consent_service.database import insert_if_absent, insert_or_replace
from consent_service.delivery import outbox
from consent_service.delivery.owner_letters import ANCHOR, DIGEST
from consent_service.earlier_list import imports
from consent_service.language import HELSINKI, day_of
from consent_service.ledger.sealer import SealRefused
from consent_service.ledger.timestamps import StampRefused
from consent_service.log import failure
from consent_service.models.watch import daily_run
from consent_service.retention import NOON, PURGE
from consent_service.retention_rule import Rule
from consent_service.rights import request_rows
from consent_service.service import Service
from consent_service.watch import pulses, weeks
from consent_service.watch.connection_state import NIGHT, NIGHTLY

SLICE, LEAST_SLICE = 200, 10
SLICE_S = 0.02  # so long a slice of the purge is to keep other writers waiting
REST = 3  # so many times as long others may write after it, and the disk get done with what it wrote
TRIES_TO_EMPTY = 20
INVITED_AT_ONCE = 5
FIELD_IS_KNOWN = 2 * own_link.LOOK_AGAIN  # by then a running relay has seen the field
MORNING = time(7, tzinfo=HELSINKI)  # of Monday, when the week before is summed up
STAMP_PAUSE = timedelta(hours=1)
NIGHT_ENDS = time(6, tzinfo=HELSINKI)
TIDY, STAMP = "tidy", "stamp"

log = structlog.get_logger()


class PurgeIncomplete(Exception):
    """Something whose time is up is still there; what and how often is in the log of the process."""


class Chores:
    """The chores of one relay; stops between two slices when it is told to."""

    def __init__(self, service: Service, stop: threading.Event):
        self._service = service
        self._stop = stop
        self._has_traces = False
        self._stamp_after = services.now()

    def run(self) -> None:
        """Do once what is to be done; whatever befalls one piece is logged, and tried again the next time."""
        pieces: tuple[Callable[[], None], ...] = (
            self._purge_daily,
            self._seal,
            self._copy_notes,
            self._settle,
            self._invite,
            self._tidy_daily,
            self._wipe,
            self._stamp_daily,
            self._compare_nightly,
            self._sum_up_weekly,
            self._warn_of_requests,
        )
        for piece in pieces:
            if self._stop.is_set():
                return
            self._do(piece)

    def end(self) -> None:
        """Note what was said since the last turn: whoever stops the relay may be about to put a backup back."""
        self._do(self._copy_notes)

    def _do(self, piece: Callable[[], None]) -> None:
        try:
            piece()
        except (SealRefused, StampRefused, PurgeIncomplete) as refused:
            log.error("chore refused", chore=piece.__name__.strip("_"), reason=str(refused))
        except Exception as error:
            log.error("chore stumbled", chore=piece.__name__.strip("_"), **failure(error))

    def _purge_daily(self) -> None:
        """May take many minutes; the log is sealed, and notes are kept, as often as ever meanwhile."""
        day, ended, since = _newest(NOON, services.now()), Counter[str](), perf_counter()
        if _done_on(self._service, PURGE) >= day.isoformat():
            return
        self._do(self._recall)
        try:
            for rule, rows in purge(self._service):
                ended[rule.key] += rows
                if self._stop.is_set():
                    return
                if perf_counter() - since > self._service.settings.seal_every_s:
                    self._do(self._seal)
                    self._do(self._copy_notes)
                    since = perf_counter()
        finally:
            for key, rows in (+ended).items():
                log.info("purged", rule=key, rows=rows)
        with self._service.transaction() as connection:
            if _is_first(connection, PURGE, day):
                outbox.enqueue(connection, outbox.MAIL, ANCHOR, services.now())

    def _recall(self) -> None:
        with self._service.transaction() as connection:
            if put_off := outbox.recall(connection, services.now()):
                log.warning("messages that a wrong clock had put off are due now", messages=put_off)

    def _compare_nightly(self) -> None:
        """Have the list at ActiveCampaign compared; a new installation waits for its first night."""
        night, known = _newest(NIGHT, services.now()), _done_on(self._service, NIGHTLY)
        if not self._service.forwards or known >= night.isoformat():
            return
        with self._service.transaction() as connection:
            if runs.is_busy(connection, services.now()):  # then later in the same night
                return
            if _is_first(connection, NIGHTLY, night) and known:
                runs.begin(connection, services.now(), applies=True, by_hand=False)

    def _sum_up_weekly(self) -> None:
        """Keep what last week brought, and have its digest mailed; a new installation waits for its first Monday."""
        monday, known = _newest_monday(services.now()), _done_on(self._service, DIGEST)
        if known >= monday.isoformat():
            return
        with self._service.transaction() as connection:
            if _is_first(connection, DIGEST, monday) and known:
                weeks.keep(connection, weeks.count(connection, monday - weeks.SPAN))
                outbox.enqueue(connection, outbox.MAIL, DIGEST, services.now())

    def _warn_of_requests(self) -> None:
        """Tell the owner once of each request about data that has to be answered in a few days."""
        today = day_of(services.now())
        with self._service.reading() as connection:
            is_new = request_rows.has_untold(connection, today)
        if is_new:
            with self._service.transaction() as connection:
                request_rows.warn(connection, services.now(), today)

    def _tidy_daily(self) -> None:
        """After the day's purge, or in the night after it where that takes long; in case of trouble again."""
        purged = _done_on(self._service, PURGE)
        if purged <= _done_on(self._service, TIDY) or not (_is_night() or is_tidied_fast(self._service)):
            return
        if not tidy(self._service):
            self._has_traces = True
        with self._service.transaction() as connection:
            insert_or_replace(connection, daily_run, ["name"], {"name": TIDY, "done_on": purged})

    def _seal(self) -> None:
        if found := self._service.seal():
            log.info("sealed", size=found.size)

    def _stamp_daily(self) -> None:
        """Once a day only: what is under a stamped checkpoint is stamped with it."""
        today = _today()
        if not self._service.settings.tsa_url or _done_on(self._service, STAMP) >= today:
            return
        if services.now() < self._stamp_after:
            return
        self._stamp_after = services.now() + STAMP_PAUSE  # one that fails is not asked all day long
        self._service.stamp()
        with self._service.transaction() as connection:
            insert_or_replace(connection, daily_run, ["name"], {"name": STAMP, "done_on": today})

    def _copy_notes(self) -> None:
        copied = SLICE
        while copied >= SLICE:
            if copied := copy_notes(self._service):
                self._has_traces = True
                log.info("notes copied", rows=copied)

    def _settle(self) -> None:
        """Looks at some at a time: after a large purge very many wait, for hours.

        On SQLite the log of changes cannot begin anew as long as somebody reads.
        """
        ids: list[str] = []
        after: str | None = ""
        while after is not None and not self._stop.is_set():
            with self._service.reading() as connection:
                found, after = departures.settled(connection, services.now(), after, SLICE)
            ids += found
            if ids and (len(ids) >= SLICE or after is None):
                with self._service.transaction() as connection:
                    over = departures.settle(connection, ids, services.now())
                self._has_traces, ids = True, []
                log.info("departures over", rows=over)

    def _invite(self) -> None:
        """Ask a few of those who came over without proof of their permission."""
        asked = 0
        while asked < INVITED_AT_ONCE and not self._stop.is_set() and invite_next(self._service):
            asked += 1
        if asked:
            log.info("asked for permission", people=asked)

    def _wipe(self) -> None:
        if self._has_traces and database.empty_wal(self._service.engine):
            self._has_traces = False


def purge(service: Service) -> Iterator[tuple[Rule, int]]:
    """End what is due, slice by slice, each in a transaction of its own, and yield the rule and number of each slice.

    At the end, emptied leaves are listed in the sealed log, which ends nothing, and the purge is noted as done. Raises
    PurgeIncomplete when a rule could not be carried out, after all the others have been.
    """
    failed = []
    for rule in retention.RULES:
        try:
            yield from _end(service, rule)
        except Exception as error:
            log.error("rule not carried out", rule=rule.key, **failure(error))
            failed.append(rule.key)
    for _ in list_leaves(service):
        yield retention.BY_KEY["leaf"], 0
    if failed:
        raise PurgeIncomplete(f"not everything whose time is up could be ended: {', '.join(failed)}")
    with service.transaction() as connection:
        pulses.beat(connection, PURGE, services.now())


def _end(service: Service, rule: Rule) -> Iterator[tuple[Rule, int]]:
    """End what is due by a rule in slices that are as large as the time they may take lets them be.

    After each one, others may write for longer: on SQLite nobody does meanwhile. However slow the disk is,
    none is smaller than `LEAST_SLICE`: a slice takes some time whatever its size, and very many tiny ones would keep
    others waiting for longer.
    """
    limit = LEAST_SLICE
    while True:
        with service.transaction() as connection:
            began = perf_counter()
            ended = retention.purge_due(connection, service.occasion("relay", "relay"), rule, limit)
        took_s = perf_counter() - began
        if ended:
            yield rule, ended
        if ended < limit:
            return
        sleep(REST * took_s)
        limit = max(LEAST_SLICE, min(SLICE, int(limit * SLICE_S / took_s)))


def list_leaves(service: Service) -> Iterator[None]:
    """List emptied leaves in the sealed log; hands over between two events, where there are too many for one.

    Then others may write, as after a slice of the purge.
    """
    listed = erasure.BATCH
    while listed:
        with service.transaction() as connection:
            began = perf_counter()
            listed = erasure.record_leaves(connection, service.occasion("relay", "relay"), service.signer)
        took_s = perf_counter() - began
        if listed == erasure.BATCH:
            yield
            sleep(REST * took_s)


def invite_next(service: Service) -> bool:
    """Ask the next one of those who came over without proof of their permission; False when nobody is to be now."""
    with service.transaction() as connection:
        allowed = service.letters.global_limit
        return imports.invite_next(connection, service.occasion("relay", "relay"), service.terms_in, allowed)


def tidy(service: Service) -> bool:
    """After a purge: keep the notes outside the database, those whose time is up no longer, and leave no traces.

    False when traces are left in the log of changes because somebody is reading it.
    """
    while copy_notes(service) >= SLICE:
        pass
    _file(service).forget(services.now())
    return database.scrub(service.engine)


def is_tidied_fast(service: Service) -> bool:
    """Whether nobody has to wait long for `tidy`."""
    return database.is_scrubbed_fast(service.engine)


def renew_links(service: Service, mark: str) -> Iterator[int]:
    """Have people's own links brought to ActiveCampaign who have none of this mark there; yields how many at a time."""
    first_at, after, queued = services.now() + FIELD_IS_KNOWN, "", SLICE
    while queued == SLICE:
        with service.transaction() as connection:
            people = renewal.renew(connection, mark, after, first_at, services.now(), SLICE)
        queued, after = len(people), max(people, default="")
        first_at += queued * renewal.PACE
        yield queued


def rewrap(service: Service) -> Iterator[int]:
    """Wrap people's keys under the newest data key; yields how many were looked at. May be stopped and begun again."""
    after, keys = "", service.vault
    while True:
        with service.reading() as connection:
            rows = rotation.read_slice(connection, after, SLICE)
        if not rows:
            break
        after = rows[-1].owner
        if old := [row for row in rows if not row.wrapped.startswith(keys.newest)]:
            with service.transaction() as connection:
                rotation.rewrap(connection, keys, old)
        yield len(rows)
    for _ in range(TRIES_TO_EMPTY):  # the relay may just be moving the log of changes
        if database.empty_wal(service.engine):
            return
        sleep(SLICE_S)


def copy_notes(service: Service) -> int:
    """Keep new notes outside the database, so that a restored older one can be told of them; returns how many."""
    with service.transaction() as connection:
        notes = repeating.uncopied(connection, SLICE)
        if notes:
            _file(service).append(notes)
            repeating.copied(connection, notes, services.now())
    return len(notes)


def repeat_notes(service: Service) -> int:
    """Repeat erasures, withdrawals and objections that an older database has lost; returns for how many people.

    Has to be done before anything is served or sent. Raises LineUnreadable when the file cannot be relied on.
    """
    kept = [note for one in _file(service).read() if (note := repeating.left_of(one, services.now()))]
    again = 0
    for first in range(0, len(kept), SLICE):
        with service.reading() as connection:
            forgotten = repeating.forgotten(connection, kept[first : first + SLICE])
        for note in forgotten:
            again += _repeat(service, note)
    if again:
        log.warning("an older database came back; erased or stopped again", people=again)
    return again


def _repeat(service: Service, note: Note) -> bool:
    with service.transaction() as connection:
        return repeating.repeat(connection, service.occasion("relay", "restore"), note)


def _file(service: Service) -> NotesFile:
    return NotesFile(service.folder / NOTES)


def _done_on(service: Service, name: str) -> str:
    """The newest day whose work is done; none when a clock that was ahead has written down a day to come."""
    with service.reading() as connection:
        day = pulses.done_on(connection, name)
    return day if day <= _today() else ""


def _is_first(connection: Connection, name: str, day: date) -> bool:
    """Note that a day's work is done; False when another relay has noted it."""
    insert_if_absent(connection, daily_run, {"name": name, "done_on": ""})
    noted = daily_run.c.done_on
    undone = (daily_run.c.name == name, (noted < day.isoformat()) | (noted > _today()))
    return connection.execute(update(daily_run).where(*undone).values(done_on=day.isoformat())).rowcount == 1


def _today() -> str:
    return day_of(services.now()).isoformat()


def _is_night() -> bool:
    return NIGHT <= services.now().astimezone(HELSINKI).timetz() < NIGHT_ENDS


def _newest(hour: time, now: datetime) -> date:
    """The day of the newest such hour in Helsinki that has been."""
    local = now.astimezone(HELSINKI)
    return local.date() if local.timetz() >= hour else local.date() - timedelta(days=1)


def _newest_monday(now: datetime) -> date:
    day = _newest(MORNING, now)
    return day - timedelta(days=day.weekday())
