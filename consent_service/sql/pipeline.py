"""Prepared statements run by libpq itself, several in one message to the server, whose answers come back together.

What nobody waits for goes with the next statement whose answer somebody needs: a trip to the server and back costs the
program as much as all that goes along. Must not know what the server is asked, nor which driver is in between.
"""

import re
import select
from collections.abc import Callable, Mapping
from typing import Any

MOST = 64  # so many wait at most: their answers have to fit where the system keeps them until they are read
PLACE = re.compile(r"%\((\w+)\)s")  # of a value in a statement, as SQLAlchemy writes it for the driver
COMMIT = "COMMIT"


class Statements:
    """The statements that a server keeps prepared for one connection, and the transaction they are in.

    A cursor of the driver costs the program as much again as the statement does. All that it knows about values stays:
    `values` is its transformer, `form(value)` how a value is told, and `check(answer)` raises what an answer says went
    wrong.
    """

    def __init__(self, line: Any, values: Any, form: Callable[[Any], Any], check: Callable[[Any], Any]):
        self._line, self._values, self._form, self._check = line, values, form, check
        self._pipeline = _Pipeline(line, check)
        self._known: dict[str, tuple[bytes, list[str]]] = {}
        self._found: Any = None
        self._is_block, self._is_untouched = False, True
        self.rowcount = 0

    def begin(self, *statements: str) -> None:
        """Begin a transaction with the first statement that is sent: it is a block unless none of these is a BEGIN."""
        for statement in statements:
            self.defer(statement, {})
        self._is_block, self._is_untouched = any(one.startswith("BEGIN") for one in statements), True

    def execute(self, statement: str, values: Mapping[str, Any]) -> "Statements":
        """Run a statement with places `%(name)s`; what came of it can be read until the next one."""
        self.defer(statement, values)
        self._found = self._pipeline.send()
        self.rowcount = self._found.command_tuples
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Its rows."""
        self._values.set_pgresult(self._found)
        rows: list[tuple[Any, ...]] = self._values.load_rows(0, self._found.ntuples, tuple)
        return rows

    def defer(self, statement: str, values: Mapping[str, Any]) -> None:
        """Run a statement with the next one, or with the end of the transaction; there its refusal is raised too."""
        name, places = self._known.get(statement) or self._prepare(statement)
        given = [values[place] for place in places]
        told = self._values.dump_sequence(given, [self._form(one) for one in given])
        self._pipeline.add(name, told, self._values.formats)
        self._is_untouched = False

    def send(self) -> None:
        """Run what waits, if anything does."""
        if self._pipeline.waiting:
            self._pipeline.send()
            self._is_untouched = False

    def commit(self) -> bool:
        """Run what waits and end the transaction; nothing of one in which nobody asked anything.

        False when the server undid it instead, since something in it had been refused before.
        """
        if self._is_untouched:
            self._pipeline.waiting.clear()
        elif self._is_block:
            self.execute(COMMIT, {})
        else:
            self.send()
        is_kept = self._is_untouched or not self._is_block or self._found.command_status == COMMIT.encode()
        self._is_block, self._is_untouched = False, True
        return is_kept

    def forget(self) -> None:
        """Run nothing of what waits; the driver undoes the rest."""
        self._pipeline.waiting.clear()
        self._is_block, self._is_untouched = False, True

    def _prepare(self, statement: str) -> tuple[bytes, list[str]]:
        places = list(dict.fromkeys(PLACE.findall(statement)))
        numbered = PLACE.sub(lambda place: f"${places.index(place[1]) + 1}", statement).replace("%%", "%")
        name = b"consent_%d" % len(self._known)
        self._check(self._line.prepare(name, numbered.encode()))
        self._known[statement] = name, places
        return name, places


class _Pipeline:
    """What waits to be sent over one line; what fails undoes all that was sent with it."""

    def __init__(self, line: Any, check: Callable[[Any], Any]):
        self._line, self._check = line, check
        self._arrivals, self._either = select.poll(), select.poll()
        self._arrivals.register(line.socket, select.POLLIN)
        self._either.register(line.socket, select.POLLIN | select.POLLOUT)
        self.waiting: list[tuple[bytes, Any, Any]] = []

    def add(self, *prepared: Any) -> None:
        """Have a statement wait: the name it is prepared under, its values, and their formats."""
        if len(self.waiting) >= MOST:
            self.send()
        self.waiting.append(prepared)

    def send(self) -> Any:
        """Send all that waits, in its order, and return the answer to the last; raises what the first refusal says."""
        waiting, self.waiting = self.waiting, []
        answers: list[Any] = []
        try:
            self._line.enter_pipeline_mode()
            for prepared in waiting:
                self._line.send_query_prepared(*prepared)
            self._line.pipeline_sync()
            self._flush()
            while len(answers) <= len(waiting):  # behind them comes one that says only that all have come
                self._read(answers)
            self._line.exit_pipeline_mode()
        except BaseException as error:  # what comes later would be taken for the answer to something else
            self._line.finish()
            if isinstance(error, Exception):  # what the server said before it hung up says more
                self._look_at(answers)
            raise
        self._look_at(answers[:-1])
        return answers[-2]

    def _flush(self) -> None:
        """Wait until the system has taken all, and take in meanwhile what comes: else both sides could wait."""
        while self._line.flush():
            self._either.poll()
            self._line.consume_input()

    def _read(self, answers: list[Any]) -> None:
        line = self._line
        while line.is_busy():
            self._arrivals.poll()
            line.consume_input()
        answer = line.get_result()
        if answer is not None:
            answers.append(answer)
        elif line.status:  # it has ended; this says why
            line.consume_input()

    def _look_at(self, answers: list[Any]) -> None:
        for answer in answers:
            self._check(answer)
