"""The connections of one process to its database, some of them ready for their next transaction.

Must not know which database it is, nor what is asked of it.
"""

import contextlib
import time
from collections import deque
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.pool import QueuePool

KEPT_CONNECTIONS = 16  # more are opened when more threads ask at once, and closed again
ASKED_AFTER_S = 1  # a connection that nobody has used for so long is asked whether it still stands


class Pool(QueuePool):
    """A pool that also keeps connections which are ready for their next transaction.

    To give one back to the pool and to ask for it again costs as much as a statement or two. One that is refused
    anything goes back all the same, where it is looked after.
    """

    def __init__(self, *given: Any, **options: Any):
        super().__init__(*given, **options)
        self._ready: deque[tuple[Connection, float]] = deque()

    def take(self) -> Connection | None:
        """Return the one that was used last, unless it has ended since; None when there is none."""
        with contextlib.suppress(IndexError):  # there is none
            connection, used_at = self._ready.pop()
            if time.monotonic() - used_at < ASKED_AFTER_S or _stands(connection):
                return connection
            _end(connection)
            self.drop()
        return None

    def keep(self, connection: Connection) -> None:
        """Have it ready for the next one who asks."""
        # Once the engine has another pool, nobody asks this one any more.
        if len(self._ready) < KEPT_CONNECTIONS and connection.engine.pool is self:
            self._ready.append((connection, time.monotonic()))
        else:
            _end(connection)

    def drop(self) -> None:
        """End those that are ready."""
        with contextlib.suppress(IndexError):  # no other is left
            while True:
                _end(self._ready.pop()[0])

    def dispose(self) -> None:
        """End them all."""
        self.drop()
        super().dispose()


def _end(connection: Connection) -> None:
    connection.invalidate()
    connection.close()


def _stands(connection: Connection) -> bool:
    """Whether a connection that nobody has used for a while still reaches its database."""
    driver: Any = connection.connection.driver_connection
    try:
        return connection.dialect.do_ping(driver)
    except connection.dialect.loaded_dbapi.Error:
        return False
