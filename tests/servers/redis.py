"""A real Redis on a free loopback port, kept in memory only; it can be down, or stand still with its lines open."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Self

from .port import LOOPBACK, LoopbackPort

PATIENCE_S = 20


def is_installed() -> bool:
    """Whether the program is on this machine."""
    return shutil.which("redis-server") is not None


class Redis:
    """The server; use it with `with`."""

    def __init__(self) -> None:
        self._port = LoopbackPort()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._port.release()

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://{LOOPBACK}:{self._port.number}/0"

    def start(self) -> None:
        """Start it, with nothing in it, and wait until it listens."""
        self._port.release()
        words = ["--port", str(self._port.number), "--bind", LOOPBACK, "--save", "", "--dir", tempfile.gettempdir()]
        self._process = subprocess.Popen(["redis-server", *words], stdout=subprocess.DEVNULL, start_new_session=True)
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection((LOOPBACK, self._port.number), 1).close()
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Kill it; callers are refused."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._port.hold()

    def freeze(self) -> None:
        """Let it stand still: lines open, and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
