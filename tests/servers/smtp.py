"""A mail server that keeps what it gets and can be slow, refuse, hang up or be down.

What it stores and what it answers are two things, on purpose: the mails lost or doubled in life are those whose
answer got lost. Mail is stored first; `delay_s` and `cut_after_accept` act between storing and answering.
"""

import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

from .certificate import Certificate
from .port import LOOPBACK, LoopbackPort
from .smtp_line import Line

Stage = Literal["connect", "mail", "rcpt", "data"]

LINK = re.compile(r"https?://[^\s<>\"]+")


@dataclass(frozen=True)
class Received:
    """One mail as the server took it: envelope, bytes, and when (monotonic clock)."""

    mail_from: str
    recipients: list[str]
    data: bytes
    at: float

    @cached_property
    def message(self) -> EmailMessage:
        """The parsed mail."""
        return message_from_bytes(self.data, policy=policy.default)

    @property
    def text(self) -> str:
        """The plain text part, decoded; empty when there is none."""
        return self._part("plain")

    @property
    def html(self) -> str:
        """The HTML part, decoded; empty when there is none."""
        return self._part("html")

    @cached_property
    def links(self) -> list[str]:
        """The addresses in the plain text part, without the punctuation of the sentence around them."""
        return [found.rstrip(".,;:!?)]'") for found in LINK.findall(self.text)]

    def _part(self, kind: Literal["plain", "html"]) -> str:
        part = self.message.get_body((kind,))
        return str(part.get_content()) if part is not None else ""


class MailServer:
    """An SMTP server on a free loopback port; use it with `with`. Every switch may be turned while it runs."""

    def __init__(self, *, auth: tuple[str, str] | None = None, starttls: bool = False, smtputf8: bool = False) -> None:
        self.auth, self.starttls, self.smtputf8 = auth, starttls, smtputf8
        self.pipelining = True
        self.delay_s = 0.0
        self._changed = threading.Condition()
        self._mails: list[Received] = []
        self._connections = 0
        self._next: dict[str, deque[str]] = {}
        self._certificate: Certificate | None = None
        self._port: LoopbackPort | None = None
        self._line: Line | None = None

    def __enter__(self) -> Self:
        self._port = LoopbackPort()
        self._certificate = Certificate() if self.starttls else None
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        assert self._port is not None
        self._port.release()
        if self._certificate is not None:
            self._certificate.remove()

    # Up and down

    def start(self) -> None:
        """Listen, under the same number as before; nothing happens when it listens already."""
        assert self._port is not None, "use the mail server with `with`"
        if self._line is not None:
            return
        self._port.release()
        context = self._certificate.context() if self._certificate is not None else None
        self._line = Line(self, LOOPBACK, self._port.number, context)
        self._line.start()

    def stop(self) -> None:
        """Drop every open line and refuse new ones until `start`; mails and switches stay."""
        if self._line is None or self._port is None:
            return
        self._line.stop()
        self._line = None
        self._port.hold()

    @property
    def refuse_connections(self) -> bool:
        """Whether the port is closed; settable."""
        return self._line is None

    @refuse_connections.setter
    def refuse_connections(self, refuse: bool) -> None:
        if refuse:
            self.stop()
        else:
            self.start()

    @property
    def port(self) -> int:
        """The port number, the same through stop and start."""
        assert self._port is not None, "use the mail server with `with`"
        return self._port.number

    @property
    def url(self) -> str:
        """Where to deliver, with user name and password when the server wants them."""
        login = "".join((quote(self.auth[0], ""), ":", quote(self.auth[1], ""), "@")) if self.auth else ""
        return f"smtp://{login}{LOOPBACK}:{self.port}"

    @property
    def certificate_path(self) -> Path:
        """The certificate a client has to trust; only with `starttls`."""
        assert self._certificate is not None, "made without starttls"
        return self._certificate.path

    # What arrived

    @property
    def mails(self) -> list[Received]:
        """Every mail stored so far, oldest first."""
        with self._changed:
            return list(self._mails)

    @property
    def connections(self) -> int:
        """How many lines were opened so far; fewer than mails when a sender keeps its line."""
        with self._changed:
            return self._connections

    def to(self, address: str) -> list[Received]:
        """Return the mails that had this address among their recipients, whatever its case."""
        wanted = address.lower()
        return [mail for mail in self.mails if wanted in (one.lower() for one in mail.recipients)]

    def wait_for(self, count: int, timeout: float = 10) -> list[Received]:
        """Return all mails as soon as there are at least so many, or fail and say what there is."""
        with self._changed:
            if self._changed.wait_for(lambda: len(self._mails) >= count, timeout):
                return list(self._mails)
            told = [f"{mail.message['Subject']!r} to {', '.join(mail.recipients)}" for mail in self._mails]
        listed = "; ".join(told) or "none"
        raise AssertionError(f"expected {count} mails within {timeout} s, received {len(told)}: {listed}")

    # Switches

    def answer_next(self, stage: Stage, code: int, text: str, times: int = 1) -> None:
        """Answer the next commands of this stage so; after a refused greeting or a 421 the line is closed."""
        if stage not in ("connect", "mail", "rcpt", "data"):
            raise ValueError(f"no such stage: {stage}")
        self._queue(stage, f"{code} {text}", times)

    def cut_after_accept(self, times: int = 1) -> None:
        """Store the next mails but hang up where the 250 belongs."""
        self._queue("after", "cut", times)

    def cut_before_accept(self, times: int = 1) -> None:
        """Hang up on the next mails once their content is in, and store nothing."""
        self._queue("before", "cut", times)

    def clear_faults(self) -> None:
        """Forget what is still to go wrong."""
        with self._changed:
            self._next.clear()

    def _queue(self, stage: str, what: str, times: int) -> None:
        with self._changed:
            self._next.setdefault(stage, deque()).extend([what] * times)

    # For the line

    def take(self, stage: str) -> str | None:
        """Return what was ordered for this stage, once for each time it was ordered."""
        with self._changed:
            waiting = self._next.get(stage)
            return waiting.popleft() if waiting else None

    def connected(self) -> None:
        """Count a line."""
        with self._changed:
            self._connections += 1

    def keep(self, envelope: Any) -> None:
        """Store a mail."""
        sender = "" if envelope.mail_from == "<>" else envelope.mail_from
        mail = Received(sender, list(envelope.rcpt_tos), bytes(envelope.original_content), time.monotonic())
        with self._changed:
            self._mails.append(mail)
            self._changed.notify_all()
