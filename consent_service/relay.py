"""The relay: a thread a lane that empties the outbox, and one for each of its other works.

Those are leases, chores, imports, the comparison, the bell, and moving SQLite's log of changes. A lane whose other
side is down rests and tries again by itself, longer each time up to a minute; the others do not notice. Stops after
the delivery under way, or in the middle of one that does not end. Must not know what is delivered.
"""

import gc
import random
import secrets
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from consent_service import database
from consent_service import service as services
from consent_service.activecampaign.pacing import CallBudget
from consent_service.chores import Chores
from consent_service.comparison import reconcile
from consent_service.delivery import batches, outbox, relaying
from consent_service.delivery.batches import BatchChannel
from consent_service.delivery.outbox import Delivered, Outcome, Retry
from consent_service.delivery.relaying import Channel, Relay
from consent_service.log import failure
from consent_service.register.importing import Importing
from consent_service.service import Service

LONGEST_REST_S = 60
OUTAGE = 3  # so many failures in a row are the other side's trouble, not one message's
LONGEST_END_S = 20  # to end what is under way when told to stop, as the pages have too
MOVE_WAL_S = 0.2  # the less there is to move at a time, the shorter the disk keeps those waiting who commit meanwhile
HEARTBEAT_S = relaying.LEASE.total_seconds() / 3

log = structlog.get_logger()


def run(service: Service, stop: threading.Event) -> None:
    """Deliver until `stop` is set."""
    relay = Relay(secrets.token_hex(8), service.transaction, services.now, random.random, stop.is_set)
    budget = CallBudget(service.transaction, services.now, stop.wait)
    channels, ended = service.channels(budget), threading.Event()
    heartbeat = threading.Thread(target=_heartbeat, args=(relay, ended), name="heartbeat")
    lanes = {channel.lane: Lane(relay, channel, service.settings.relay_poll_s) for channel in channels}
    work = [threading.Thread(target=lane.run, args=(stop,), name=name, daemon=True) for name, lane in lanes.items()]
    woken = {name: lane.woken for name, lane in lanes.items()}
    work.append(threading.Thread(target=_listen, args=(service, woken, stop), name="bell", daemon=True))
    work.append(threading.Thread(target=_chores, args=(service, stop), name="chores", daemon=True))
    work.append(threading.Thread(target=Importing(service, stop).run, name="imports", daemon=True))
    work.append(threading.Thread(target=_move_wal, args=(service, stop), name="wal", daemon=True))
    if service.forwards:
        carry = partial(reconcile.carry_out, service, budget, stop)
        work.append(threading.Thread(target=carry, name="reconcile", daemon=True))
    gc.freeze()  # what is there now stays, and need not be looked through for garbage
    log.info("relay started", lanes=[*lanes])
    for thread in (heartbeat, *work):
        thread.start()
    stop.wait()
    unended = _join(work)
    ended.set()  # only now: a delivery that was under way kept its lease to its end
    heartbeat.join()
    _add_up(relay)
    if unended:  # its lease runs out by itself; given back now, another relay could act before its late effect
        log.warning("relay stopped in the middle", work=unended)
        return
    for channel in channels:
        channel.close()
    log.info("relay stopped")


def _join(threads: Sequence[threading.Thread]) -> list[str]:
    """Wait until all have ended, or too long; the names of those that have not."""
    end = time.monotonic() + LONGEST_END_S
    for thread in threads:
        thread.join(max(0, end - time.monotonic()))
    return [thread.name for thread in threads if thread.is_alive()]


class Lane:
    """Empties one lane, and rests while its other side is down."""

    def __init__(self, relay: Relay, channel: Channel, poll_s: float):
        self._relay = relay
        self._channel = channel
        self._poll_s = poll_s
        self._failures = 0
        self._is_busy = False
        self.woken = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Deliver what is due, wait until something comes or for a while, and look again, until `stop` is set."""
        while not stop.is_set():
            self.woken.clear()
            try:
                outcome = self.step()
                waits = stop if outcome else self.woken
                waits.wait(self.rest_s(outcome))
            except Exception as error:  # a lane must outlive whatever befalls one message or the database
                log.error("lane stumbled", lane=self._channel.lane, **failure(error))
                stop.wait(1)

    def step(self) -> Outcome | None:
        """Deliver what is due first, together with others when many wait that may go so.

        Once the other side is back, the others need not wait any longer.
        """
        outcome = self._batch() or self._some()
        if isinstance(outcome, Retry) and outcome.peer_down:
            self._failures += 1
        elif isinstance(outcome, Delivered):
            was_down, self._failures = self._failures >= OUTAGE, 0
            if was_down:
                with self._relay.transaction() as connection:
                    outbox.hasten(connection, self._channel.lane, self._relay.now())
        return outcome

    def _some(self) -> Outcome | None:
        """Deliver a few, and return what matters most for what follows: whether the other side is down."""
        # Whether it is back is tried with one message, not with many.
        at_most = 1 if self._failures else self._channel.at_once
        outcomes = relaying.relay_some(self._relay, self._channel, at_most)
        self._is_busy = len(outcomes) == at_most
        is_down = (one for one in outcomes if isinstance(one, Retry) and one.peer_down)
        arrived = (one for one in outcomes if isinstance(one, Delivered))
        return next(is_down, next(arrived, outcomes[0] if outcomes else None))

    def _batch(self) -> Outcome | None:
        # A lane that kept up need not ask.
        if not self._is_busy or self._failures or not isinstance(self._channel, BatchChannel):
            return None
        return batches.relay_batch(self._relay, self._channel)

    def rest_s(self, outcome: Outcome | None) -> float:
        """Return how many seconds to wait after an outcome."""
        if outcome is None:
            return self._poll_s
        if isinstance(outcome, Retry) and outcome.peer_down:
            wish = (outcome.after or timedelta(0)).total_seconds()
            return max(wish, min(LONGEST_REST_S, 2.0 ** (self._failures - 1)))
        return 0


def _listen(service: Service, woken: dict[str, threading.Event], stop: threading.Event) -> None:
    try:
        service.bell.listen(woken, stop)
    except OSError as error:
        log.warning("nobody can wake this relay; it looks by itself", error=type(error).__name__)
        stop.wait()
        for event in woken.values():
            event.set()


def _chores(service: Service, stop: threading.Event) -> None:
    chores = Chores(service, stop)
    while not stop.is_set():
        chores.run()
        stop.wait(service.settings.seal_every_s)
    chores.end()


def _move_wal(service: Service, stop: threading.Event) -> None:
    while not stop.wait(MOVE_WAL_S):
        try:
            database.move_wal(service.engine)
        except SQLAlchemyError as error:
            log.error("log of changes not moved", error=type(error).__name__)


def _heartbeat(relay: Relay, ended: threading.Event) -> None:
    while not ended.wait(HEARTBEAT_S):
        try:
            relaying.extend_leases(relay)
        except SQLAlchemyError as error:
            log.error("leases not extended", error=type(error).__name__)
        _add_up(relay)


def _add_up(relay: Relay) -> None:
    try:
        relay.tally.add(relay.transaction)
    except SQLAlchemyError as error:
        log.error("deliveries not added up", error=type(error).__name__)
