"""A loopback port that stays ours while its server is down.

A server that plays dead must come back under the same number. While nobody listens, a socket that is bound but not
listening keeps the number: callers are refused, and the system gives the port to nobody else.
"""

import socket
import time

LOOPBACK, PATIENCE_S = "127.0.0.1", 10


class LoopbackPort:
    """Take a free port of 127.0.0.1 and keep it until `release`."""

    def __init__(self) -> None:
        self._holder: socket.socket | None = _bound(0)
        self.number: int = self._holder.getsockname()[1]

    def hold(self) -> None:
        """Refuse callers, and let nobody else have the port."""
        if self._holder is None:
            self._holder = _bound(self.number)

    def release(self) -> None:
        """Let a server bind the port, or give it back for good."""
        if self._holder is not None:
            self._holder.close()
            self._holder = None


def _bound(number: int) -> socket.socket:
    end = time.monotonic() + PATIENCE_S
    while True:
        holder = socket.socket()
        # Lines that were open a moment ago linger in TIME_WAIT and would forbid the bind.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind((LOOPBACK, number))
        except OSError:  # a process that was just killed has still to let go of it
            holder.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return holder
