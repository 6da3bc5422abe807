"""How many deliveries came to which end, by lane: counted in each relay, added up in the database.

Counting a delivery writes nothing; a relay adds what it has counted every few seconds, so that many relays and any
number of readers share one sum. What a killed relay had not added yet is lost: these numbers are for watching only.
"""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import Connection, select, update

from consent_service.database import insert_if_absent
from consent_service.models.delivery import delivery_tally


class Tally:
    """What one relay has counted and not added yet."""

    def __init__(self) -> None:
        self._counted: Counter[tuple[str, str]] = Counter()
        self._turn = threading.Lock()

    def count(self, lane: str, outcome: str) -> None:
        """Count one delivery under the word for how it ended."""
        with self._turn:
            self._counted[lane, outcome] += 1

    def add(self, transaction: Callable[..., AbstractContextManager[Connection]]) -> None:
        """Add what was counted to the sums; when that fails, it stays counted."""
        with self._turn:
            counted, self._counted = self._counted, Counter()
        if not counted:
            return
        try:
            with transaction(lasting=False) as connection:
                for (lane, outcome), number in sorted(counted.items()):
                    _add(connection, lane, outcome, number)
        except BaseException:
            with self._turn:
                self._counted.update(counted)
            raise


def read(connection: Connection) -> dict[tuple[str, ...], float]:
    """Return how many deliveries there have been, by lane and outcome."""
    rows = connection.execute(select(delivery_tally.c.lane, delivery_tally.c.outcome, delivery_tally.c.number))
    return {(lane, outcome): number for lane, outcome, number in rows}


def _add(connection: Connection, lane: str, outcome: str, number: int) -> None:
    insert_if_absent(connection, delivery_tally, {"lane": lane, "outcome": outcome, "number": 0})
    mine = (delivery_tally.c.lane == lane, delivery_tally.c.outcome == outcome)
    connection.execute(update(delivery_tally).where(*mine).values(number=delivery_tally.c.number + number))
