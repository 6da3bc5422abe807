"""Files encrypted with age (https://age-encryption.org/v1), written and read as streams, so that memory stays flat.

A key file holds one key a line: a secret one (`AGE-SECRET-KEY-1…`), or a public one (`age1…`), to which can be written
what only the holder of its secret reads. Must not know what a file says.
"""

import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyrage
from pyrage import x25519

from consent_service.line_file import private

MAKE_A_KEY = f"{sys.executable} -c 'from pyrage import x25519; print(x25519.Identity.generate())'"

Step = Callable[[int], None]


class EncryptionRefused(Exception):
    """A key or an encrypted file cannot be used; the message says which and why."""


@dataclass(frozen=True)
class Keys:
    """Whom a file is written to, and the secret keys at hand to open one with."""

    recipients: Sequence[x25519.Recipient]
    identities: Sequence[x25519.Identity]

    def with_one_to_check(self) -> "Keys":
        """Return these keys; where none of them is secret, with one more, made up now and known to nobody else."""
        if self.identities:
            return self
        once = x25519.Identity.generate()
        return Keys([*self.recipients, once.to_public()], [once])


def read_keys(path: Path) -> Keys:
    """Return the keys in a file, one a line, `#` before a remark; raises OSError and EncryptionRefused."""
    lines = [line.strip() for line in path.read_text("utf-8", errors="replace").splitlines()]
    told = [line for line in lines if line and not line.startswith("#")]
    try:
        identities = [x25519.Identity.from_str(line) for line in told if not line.startswith("age1")]
        recipients = [x25519.Recipient.from_str(line) for line in told if line.startswith("age1")]
    except (pyrage.IdentityError, pyrage.RecipientError):
        raise EncryptionRefused(f"{path}: not every line is an age key, AGE-SECRET-KEY-1… or age1…") from None
    if not told:
        raise EncryptionRefused(f"{path} holds no key. Make one with: {MAKE_A_KEY}")
    return Keys([*recipients, *(one.to_public() for one in identities)], identities)


@contextmanager
def writing(path: Path, keys: Keys) -> Iterator[BinaryIO]:
    """Yield a stream into a new file that only its owner reads, on the disk when the block ends; raises OSError."""
    with open(path, "xb", opener=private) as file, ThreadPoolExecutor(1) as pool:
        target, ends = _Target(file), os.pipe()
        done = pool.submit(_run, pyrage.encrypt_io, os.fdopen(ends[0], "rb"), target, keys.recipients)
        try:
            with os.fdopen(ends[1], "wb") as stream:
                yield stream
        except BrokenPipeError:
            _raise_failure(done, target)
            raise
        _raise_failure(done, target)  # the library itself says nothing of a last piece that was not taken
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def reading(path: Path, keys: Keys, step: Step = lambda count: None) -> Iterator[BinaryIO]:
    """Yield what an encrypted file says; raises OSError and, for a wrong key or changed bytes, EncryptionRefused.

    What has been read counts only when the block has ended: a cut file shows it at its end. `step` is told how many
    bytes of the file were opened.
    """
    with path.open("rb") as file, ThreadPoolExecutor(1) as pool:
        ends = os.pipe()
        with os.fdopen(ends[1], "wb", buffering=0) as inlet:
            target = _Target(inlet, step)
            done = pool.submit(_run, pyrage.decrypt_io, file, target, keys.identities, inlet)
            try:
                with os.fdopen(ends[0], "rb") as stream:
                    yield stream
            except Exception:
                _refuse_unread(path, done, target)  # what looks wrong to the reader may come from a broken file
                raise
            _refuse_unread(path, done, target)


class _Target(io.RawIOBase):
    """Takes what the library writes, and remembers why it could not."""

    def __init__(self, file: Any, step: Step = lambda count: None):
        self._file, self._step = file, step
        self.failure: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        try:
            taken: int = self._file.write(content)
        except OSError as error:
            self.failure = self.failure or error
            raise
        self._step(taken)
        return taken


def _run(
    work: Callable[[Any, Any, Any], None], source: BinaryIO, target: _Target, keys: Any, inlet: BinaryIO | None = None
) -> None:
    """Let the library work through a stream, then close both ends, so that whoever waits at the other one goes on."""
    with source:
        try:
            work(source, target, keys)
        finally:
            if inlet is not None:
                inlet.close()


def _raise_failure(done: "Future[None]", target: _Target) -> None:
    failure = done.exception()
    if target.failure or failure:
        raise target.failure or OSError(str(failure))


def _refuse_unread(path: Path, done: "Future[None]", target: _Target) -> None:
    failure = done.exception()
    if failure is None or target.failure:  # its reader went away before the end, for a reason of its own
        return
    if "No matching keys" in str(failure):
        raise EncryptionRefused(f"{path} was encrypted to another key") from failure
    raise EncryptionRefused(f"{path} is no whole encrypted file: it is cut or changed, or another kind") from failure
