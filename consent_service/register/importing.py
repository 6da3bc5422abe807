"""The relay's work on imports of customers: reads files, checks rows, takes batches into the register and out of it.

A file may take minutes, so it is gone through in small pieces, each a transaction of its own, and nobody who subscribes
meanwhile waits for more than one of them; only what has to be seen at once is one piece. Logs how many, never whom.
"""

import secrets
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

import structlog
from sqlalchemy import Connection, Row

from consent_service import service as services
from consent_service.log import failure
from consent_service.register import customer_file, import_batches, import_steps
from consent_service.register.customer_file import FileRefused, Line
from consent_service.register.customer_imports import ADD, APPLIED, APPLYING, CHECKING, READING, UNDOING
from consent_service.register.customer_matching import Known
from consent_service.register.import_steps import ClaimLost, Tally
from consent_service.service import Service

SLICE = 200
REST_S = 1

log = structlog.get_logger()


class Importing:
    """The imports one relay works on, one after another; stops between two pieces when it is told to."""

    def __init__(self, service: Service, stop: threading.Event):
        self._service, self._stop = service, stop
        self._relay = secrets.token_hex(8)
        self._work: dict[str, Callable[[Row[Any]], None]] = {
            READING: self._read,
            CHECKING: self._check,
            APPLYING: self._apply,
            APPLIED: self._settle,
            UNDOING: self._undo,
        }

    def run(self) -> None:
        """Work until told to stop; trouble with one import is logged, and tried again when its claim has run out."""
        while not self._stop.is_set():
            try:
                worked = self.step()
            except Exception as error:
                log.error("import stumbled", **failure(error))
                worked = False
            self._stop.wait(0 if worked else REST_S)

    def step(self) -> bool:
        """Bring one import a stage farther; False when none waits."""
        with self._service.reading() as connection:
            if not import_steps.waiting(connection, services.now()):
                return False
        with self._service.transaction() as connection:
            found = import_steps.claim(connection, services.now(), self._relay)
        if found is None:
            return False
        try:
            self._work[found.state](found)
        except (ClaimLost, _Stopped):
            return False
        log.info("import a stage farther", was=found.state, rows=found.total)
        return True

    def _read(self, found: Row[Any]) -> None:
        with self._service.transaction() as connection:
            import_steps.begin_reading(connection, services.now(), found.id, self._relay)
            content = import_steps.content(connection, found.id)
        seen = Tally()
        try:
            for lines in self._pieces(customer_file.lines(content)):
                self._keep(found, seen, lines)
        except FileRefused as refused:
            with self._service.transaction() as connection:
                import_steps.refuse(connection, found.id, self._relay, refused.message)
            return
        with self._service.transaction() as connection:
            import_steps.end_reading(connection, found.id, self._relay, seen)

    def _keep(self, found: Row[Any], seen: Tally, lines: list[Line]) -> None:
        with self._service.transaction() as connection:
            import_steps.keep_lines(connection, services.now(), found.id, self._relay, seen.total, lines)
        for line in lines:
            seen.add(line)

    def _check(self, found: Row[Any]) -> None:
        with self._service.snapshot() as connection:
            looked_at, known = services.now(), Known(connection)
            meaning = import_steps.meaning_of(connection, found)
        after, done = -1, 0
        while rows := self._unchecked(found, after):
            results = list(import_steps.checked(rows, meaning, known))
            after, done = rows[-1].position, done + len(rows)
            with self._service.transaction() as connection:
                import_steps.keep_checked(connection, services.now(), found.id, self._relay, done, results)
        with self._service.transaction() as connection:
            import_steps.end_checking(connection, looked_at, found.id, self._relay)

    def _unchecked(self, found: Row[Any], after: int) -> Any:
        if self._stop.is_set():
            raise _Stopped
        with self._service.reading() as connection:
            return import_steps.unchecked(connection, found, after, SLICE)

    def _apply(self, found: Row[Any]) -> None:
        """Written down in pieces, then taken over at once: the longest others wait is for the last step."""
        with self._service.transaction() as connection:
            numbers = import_batches.prepare(connection, found, self._relay, services.now())
        after = -1
        while rows := self._chosen(found, after):
            with self._service.transaction() as connection:
                import_batches.arrive(connection, services.now(), self._relay, rows, numbers)
            after = rows[-1].position
        with self._service.transaction() as connection:
            import_batches.apply(connection, services.now(), found, self._relay)

    def _chosen(self, found: Row[Any], after: int) -> Any:
        if self._stop.is_set():
            raise _Stopped
        with self._service.reading() as connection:
            return import_batches.chosen(connection, found.id, ADD, after)

    def _settle(self, found: Row[Any]) -> None:
        self._repeat(found, import_batches.settle)
        with self._service.transaction() as connection:
            import_batches.end_settling(connection, services.now(), found, self._relay)

    def _undo(self, found: Row[Any]) -> None:
        self._repeat(found, import_batches.undo)
        with self._service.transaction() as connection:
            import_batches.end_undoing(connection, services.now(), found, self._relay)

    def _repeat(self, found: Row[Any], act: Callable[[Connection, datetime, Row[Any], str], int]) -> None:
        """Do something for one piece after another, each a transaction of its own, until nothing is left."""
        rows = 1
        while rows:
            if self._stop.is_set():
                raise _Stopped
            with self._service.transaction() as connection:
                rows = act(connection, services.now(), found, self._relay)

    def _pieces(self, lines: Iterator[Line]) -> Iterator[list[Line]]:
        while piece := list(islice(lines, SLICE)):
            if self._stop.is_set():
                raise _Stopped
            yield piece


class _Stopped(Exception):
    """The relay was told to stop in the middle; another one goes on when the claim has run out."""
