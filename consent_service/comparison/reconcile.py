"""Carries out a comparison with the list at ActiveCampaign: asks there, and has each answer taken in a transaction.

Every call takes its turn in the budget all relays share. A call that fails is tried again a few times; then the run is
let go, and whoever takes it next goes on behind the last page taken. Must not decide what a difference means.
"""

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, Row

from consent_service import service as services
from consent_service import subscriptions
from consent_service.activecampaign.calls import Ended
from consent_service.activecampaign.contacts import Look, Membership, Seen
from consent_service.activecampaign.listing import Found
from consent_service.activecampaign.pacing import CallBudget
from consent_service.comparison import drift, runs
from consent_service.comparison.runs import DELETED, LIST, PEOPLE, SETTLE, RunLost
from consent_service.delivery.outbox import Delivered, Outcome, Rejected, Retry
from consent_service.ledger.evidence import Occasion
from consent_service.log import failure
from consent_service.service import Service

FIRST_CALLS = 3  # the list itself, its first page, and whether it tells the active from others
PAUSES_S = (1, 2, 4, 8, 0)
POLL_S, LONGEST_REST_S = 5, 300

log = structlog.get_logger()


class Unreachable(Exception):
    """ActiveCampaign did not answer as it should, so the comparison is not at its end; the next one goes on with it."""


class Comparison:
    """One process's work on the run that waits."""

    def __init__(self, service: Service, budget: CallBudget, stop: threading.Event):
        self._service = service
        self._stop = stop
        self._name = secrets.token_hex(8)
        self._run: Row[Any] | None = None
        calls = service.calls(budget)
        self._listing, self._account = service.listing(calls), service.account(calls)
        self._steps = {LIST: self._page, PEOPLE: self._person, DELETED: self._restored, SETTLE: self._counted}

    def begin(self, *, applies: bool, by_hand: bool = True) -> bool:
        """Begin a run, or go on with one; False when somebody is at one."""
        with self._service.transaction() as connection:
            if runs.begin(connection, services.now(), applies=applies, by_hand=by_hand):
                self._run = runs.claim(connection, self._name, services.now())
        return self._run is not None

    def run(self) -> Iterator[Row[Any]]:
        """Go on with the run that was begun or that waits, if one does, and yield how far it is after every step.

        Raises Unreachable when it cannot go on now, and RunLost when another process has it.
        """
        is_by_hand = self._run is not None
        run, self._run = self._run or self._claim(), None
        while run is not None and run.is_open and not self._stop.is_set():
            try:
                run = self._try(run)
            except (Unreachable, RunLost):
                raise
            except Exception as error:  # staff see it, and the next one need not wait for the lease
                self._let_go(run.id, f"unexpected {type(error).__name__}")
                raise
            yield run
        if run is not None and run.is_open:  # what a person stopped only a person goes on with
            self._let_go(run.id, runs.STOPPED if is_by_hand else None)

    def close(self) -> None:
        """Close the connection kept open."""
        self._listing.close()

    def _claim(self) -> Row[Any] | None:
        with self._service.reading() as connection:
            if not runs.waits(connection, services.now()):
                return None
        with self._service.transaction() as connection:
            return runs.claim(connection, self._name, services.now())

    def _try(self, run: Row[Any]) -> Row[Any]:
        for pause_s in PAUSES_S:
            try:
                return self._steps[run.phase](run)
            except Ended as ended:
                trouble = self._trouble(run, ended.outcome)
            if self._stop.wait(pause_s):
                return run
        self._let_go(run.id, trouble)
        raise Unreachable(trouble)

    def _trouble(self, run: Row[Any], outcome: Outcome) -> str:
        """Say why there was no answer; raises Unreachable when trying again at once would be no use."""
        trouble = getattr(outcome, "reason", "no usable answer")
        if isinstance(outcome, Rejected):
            with self._service.transaction() as connection:
                runs.give_up(connection, run, services.now(), trouble)
            raise Unreachable(trouble)
        if isinstance(outcome, Retry) and outcome.after is not None and outcome.after > runs.LEASE:
            self._let_go(run.id, trouble)
            raise Unreachable(trouble)
        return trouble

    def _page(self, run: Row[Any]) -> Row[Any]:
        if run.cursor:
            page = self._listing.page(run.cursor)
            return self._take(run, partial(drift.take_page, page=page, calls=1))
        page = self._listing.first_page()
        return self._take(run, partial(self._first_page, page=page))

    def _first_page(self, connection: Connection, occasion: Occasion, run: Row[Any], *, page: Sequence[Found]) -> None:
        opened = drift.open_list(connection, run, self._service.list_id)
        drift.take_page(connection, occasion, opened, page=page, calls=FIRST_CALLS)

    def _person(self, run: Row[Any]) -> Row[Any]:
        with self._service.reading() as connection:  # both look through everybody, while others write
            found = drift.unseen(connection, self._service.vault, run)
            late = drift.late(connection, run) if found is None else ()
        if found is None:
            return self._take(run, partial(drift.take_late, people=late))
        place = _place(self._account.deliver(Look(found.contact)))
        return self._take(run, partial(drift.take_answer, asked=found, place=place))

    def _restored(self, run: Row[Any]) -> Row[Any]:
        with self._service.reading() as connection:
            asked = drift.deleted(connection, run)
        found = self._listing.among([row.contact_id for row in asked]) if asked else []
        return self._take(run, partial(drift.take_deleted, asked=asked, found=found))

    def _counted(self, run: Row[Any]) -> Row[Any]:
        return self._take(run, drift.settle)

    def _take(self, run: Row[Any], take: Callable[[Connection, Occasion, Row[Any]], None]) -> Row[Any]:
        occasion = self._service.occasion("activecampaign", subscriptions.THERE)
        with self._service.transaction() as connection:
            take(connection, occasion, runs.keep(connection, run.id, self._name, occasion.now))
            return runs.find(connection, run.id)

    def _let_go(self, run_id: int, trouble: str | None) -> None:
        with self._service.transaction() as connection:
            runs.let_go(connection, run_id, self._name, trouble)


def carry_out(service: Service, budget: CallBudget, stop: threading.Event) -> None:
    """Carry out every run that waits, until `stop` is set; the longer one cannot go on, the more seldom it is tried."""
    comparison, failures = Comparison(service, budget, stop), 0
    while not stop.wait(min(POLL_S * 2**failures, LONGEST_REST_S)):
        try:
            for run in comparison.run():
                failures = 0
                if not run.is_open:
                    log.info("compared", run=run.id, contacts=run.contacts, calls=run.calls)
        except (Unreachable, RunLost) as error:
            failures += 1
            log.warning("comparison interrupted", reason=str(error) or type(error).__name__)
        except Exception as error:  # the next one is tried whatever befell this one
            failures += 1
            log.error("comparison stumbled", **failure(error))
    comparison.close()


def _place(outcome: Outcome) -> Membership:
    if isinstance(outcome, Delivered):
        return outcome.membership if isinstance(outcome, Seen) else Membership()
    raise Ended(outcome)
