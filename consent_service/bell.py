"""Waking the relay: whoever has left it something rings, and it need not look all the time whether there is any.

Each relay listens at a named pipe in a folder that the processes of one machine share. A ring that nobody hears is no
loss: a relay also looks by itself, only later. Must not know what there is to do.
"""

import contextlib
import os
import secrets
import select
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

LOOK_FOR_STOP_S = 0.25
LOOK_FOR_RELAYS_S = 1
LONGEST_RING = 4096


class Bell:
    """The pipes of the relays on this machine, in `folder`; whoever rings keeps them open."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._lock = threading.Lock()  # a pipe that one thread closes must not be another's to write to
        self._pipes: dict[str, int] = {}
        self._looked_at = 0.0

    def ring(self, lanes: Iterable[str]) -> None:
        """Wake one relay for these lanes; the others go on sleeping, as one is enough."""
        told = "".join([f"{lane}\n" for lane in sorted(lanes)]).encode()
        with self._lock:
            if time.monotonic() - self._looked_at > LOOK_FOR_RELAYS_S:
                self._look()
            if not self._tell_one(told):
                self._look()
                self._tell_one(told)

    def _tell_one(self, told: bytes) -> bool:
        while self._pipes:
            name = secrets.choice([*self._pipes])
            with contextlib.suppress(OSError):
                os.write(self._pipes[name], told)
                return True
            os.close(self._pipes.pop(name))  # killed, or so far behind that its pipe is full
        return False

    def _look(self) -> None:
        """Open the pipes of new relays, and close those of the ones that have ended."""
        self._looked_at, names = time.monotonic(), self._relays()
        for gone in self._pipes.keys() - names:
            os.close(self._pipes.pop(gone))
        for new in names - self._pipes.keys():
            with contextlib.suppress(OSError):
                self._pipes[new] = os.open(self.folder / new, os.O_WRONLY | os.O_NONBLOCK)

    def _relays(self) -> set[str]:
        try:
            return {name for name in os.listdir(self.folder) if not name.startswith(".")}
        except OSError:  # no relay has ever listened on this machine
            return set()

    def listen(self, woken: Mapping[str, threading.Event], stop: threading.Event) -> None:
        """Set the event of each lane that is rung for, until `stop` is set; then set them all."""
        self._tidy()
        path = self.folder / secrets.token_hex(8)
        draft = path.with_name(f".{path.name}")
        os.mkfifo(draft, 0o600)
        pipe = os.open(draft, os.O_RDWR | os.O_NONBLOCK)  # open for writing too, so that it never ends
        draft.rename(path)  # only now: nobody rings at a pipe that is not open, or takes it for a killed relay's
        try:
            while not stop.is_set():
                if select.select([pipe], [], [], LOOK_FOR_STOP_S)[0]:
                    for lane in os.read(pipe, LONGEST_RING).decode("ascii", "replace").split():
                        woken.get(lane, threading.Event()).set()
        finally:
            path.unlink(missing_ok=True)
            os.close(pipe)
            for event in woken.values():
                event.set()

    def _tidy(self) -> None:
        """Take away the pipes of relays that were killed."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in self._relays():
            try:
                os.close(os.open(self.folder / name, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                (self.folder / name).unlink(missing_ok=True)
