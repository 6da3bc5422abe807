"""Letters as bytes and their hand-over: by SMTP, or into a folder in development.

Text and HTML alike, lines short enough for any server (RFC 5321 section 4.5.3.1.6), `Auto-Submitted` on everything
(RFC 3834), the one-click pair on list mail (RFC 8058, RFC 2369). The connection is kept open and opened again when
the server has closed it. Must never query the database.
"""

import binascii
import io
import itertools
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, formataddr, parseaddr
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from consent_service.delivery.outbox import Delivered, Outcome, Rejected, Retry
from consent_service.notices.statements import ShownText

TIMEOUT_S = 10  # of one read
PATIENCE_S = 30  # of one delivery: a server that says a letter every nine seconds keeps within every read's time
SUBMISSION_PORT, TLS_PORT = 587, 465
ENCODED_LINE = 72  # RFC 2047 section 2 allows 76; Header counts a few letters too few
LONGEST_LINE = 998  # bytes, without its end
LINE_OF_DOTS = re.compile(rb"^\.", re.MULTILINE)  # RFC 5321 section 4.5.2: one alone would end the mail
TAKEN = (250, 251)
OUR_OWN = ("127.0.0.1", "::1", "localhost")  # hosts on the way to which nobody listens
PERMANENT = range(500, 600)
ABOUT_THE_SESSION = (421, 500, 502, 503, 504, 521, 530, 534, 535, 538)  # RFC 5321 section 4.2, RFC 4954 section 6

Answers = Iterator[tuple[int, bytes]]


@dataclass(frozen=True)
class Letter:
    """One mail to one person. `key` makes the Message-ID, so a letter sent twice is known as the same one.

    `shown` is the text as evidence keeps it, of a letter that asks for consent; `reply_to` is whom an answer goes to.
    """

    key: str
    sender: str
    recipient: str
    subject: str
    text: str
    html: str
    language: str
    written_at: datetime
    unsubscribe_url: str | None = None
    reply_to: str | None = None
    shown: ShownText | None = None

    @property
    def message_id(self) -> str:
        """The Message-ID (RFC 5322 section 3.6.4), the same at every try."""
        return f"<{self.key}@{_address(self.sender).rpartition('@')[2]}>"


@dataclass(frozen=True)
class Knock:
    """No mail, only the question whether the server answers, so that it has to wait for the same as a mail."""


def as_bytes(letter: Letter) -> bytes:
    """Return the letter as it goes over the wire; raises ValueError when a header would hold a line break."""
    headers = {
        "From": _named(letter.sender),
        "To": letter.recipient,
        "Subject": letter.subject,
        "Date": format_datetime(letter.written_at),
        "Message-ID": letter.message_id,
        "Auto-Submitted": "auto-generated",
        "Content-Language": letter.language,
    }
    if letter.reply_to:
        headers["Reply-To"] = letter.reply_to
    if letter.unsubscribe_url:
        headers["List-Unsubscribe"] = f"<{letter.unsubscribe_url}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    headers |= {"MIME-Version": "1.0", "Content-Type": f'multipart/alternative; boundary="={letter.key}"'}
    bodies = [*_part(letter, "plain"), *_part(letter, "html"), f"--={letter.key}--", ""]
    return "\n".join([*_lines(headers), "", *bodies]).replace("\n", "\r\n").encode()


class FolderMail:
    """Writes letters into a folder, for development; the same letter again is the same file."""

    def __init__(self, folder: Path):
        self._folder = folder

    def deliver(self, letter: Letter | Knock) -> Outcome:
        """Write `<key>.eml` and return Delivered."""
        if isinstance(letter, Knock):
            return Delivered("nothing was to be written")
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._folder / f".{letter.key}"
        draft.write_bytes(as_bytes(letter))
        draft.rename(self._folder / f"{letter.key}.eml")
        return Delivered("written to the mail folder")

    def close(self) -> None:
        """Nothing is kept open."""


class NotEncrypted(smtplib.SMTPNotSupportedError):
    """The password would go in plain to another machine."""


class _Answers(io.RawIOBase):
    """What a server says, each read with as much time as is left."""

    def __init__(self, line: socket.socket, left_s: Callable[[], float]):
        self._line, self._left_s = line, left_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._line.settimeout(self._left_s())
        return self._line.recv_into(buffer)


class _Timed(smtplib.SMTP):
    """An SMTP connection whose answers end in time."""

    def __init__(self, left_s: Callable[[], float], *where: Any, **how: Any):
        self._left_s = left_s
        super().__init__(*where, **how)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = io.BufferedReader(_Answers(self.sock, self._left_s))
        return super().getreply()


class _TimedTls(_Timed, smtplib.SMTP_SSL):
    """An SMTP connection whose answers end in time, encrypted from the first byte."""


class SmtpMail:
    """Hands letters to one SMTP server given as `smtp://user:pass@host:port?starttls=required` or `smtps://…`."""

    def __init__(self, url: str, patience_s: float = PATIENCE_S):
        self._patience_s, self._ends_at = patience_s, 0.0
        self._parts = urlsplit(url)
        self._must_encrypt = parse_qs(self._parts.query).get("starttls") == ["required"]
        self._server: smtplib.SMTP | None = None

    def deliver(self, letter: Letter | Knock) -> Outcome:
        """Send to exactly one recipient; permanent answers to that recipient reject, everything else is tried again."""
        self._begin()
        try:
            if isinstance(letter, Knock):
                return self._knock()
            return Delivered(self._send(_address(letter.sender), letter.recipient, as_bytes(letter)))
        except smtplib.SMTPRecipientsRefused as refused:
            [refusal] = refused.recipients.values()
            return self._refused("recipient", *refusal)
        except smtplib.SMTPDataError as refused:
            return self._refused("message", refused.smtp_code, refused.smtp_error)
        except smtplib.SMTPSenderRefused as refused:  # the sender is the same for every letter: none is at fault
            self.close()
            return Retry(f"mail server refused the sender: {refused.smtp_code}", peer_down=True)
        except NotEncrypted:
            return Retry("mail server offers no encryption, which the password needs", peer_down=True)
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            return Retry(f"mail server: {type(error).__name__}", peer_down=True)

    def _knock(self) -> Outcome:
        if self._server is None or not _answers(self._server):
            self.close()
            self._server = self._connect()
        return Delivered("nothing was to be sent")

    def check(self) -> None:
        """Open the connection, log in and greet; raises SMTPException or OSError when that fails."""
        self._begin()
        self._server = self._connect()
        self._server.noop()
        self.close()

    def close(self) -> None:
        """Close the connection, if any."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def _begin(self) -> None:
        self._ends_at = time.monotonic() + self._patience_s
        if self._server is not None and self._server.sock is not None:
            self._server.sock.settimeout(TIMEOUT_S)

    def _left_s(self) -> float:
        """How long the next read may take; raises TimeoutError when the delivery has had its time."""
        left_s = self._ends_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return min(TIMEOUT_S, left_s)

    def _send(self, sender: str, recipient: str, content: bytes) -> str:
        server, answers = self._begun(sender, recipient)
        code, answer = next(answers)
        if code != 250:
            raise smtplib.SMTPSenderRefused(code, answer, sender)
        code, answer = next(answers)
        if code not in TAKEN:
            raise smtplib.SMTPRecipientsRefused({recipient: (code, answer)})
        code, answer = next(answers)
        if code == 354:
            server.send(LINE_OF_DOTS.sub(b"..", content) + b".\r\n")
            code, answer = server.getreply()
        if code != 250:
            raise smtplib.SMTPDataError(code, answer)
        return f"{code}"

    def _begun(self, sender: str, recipient: str) -> tuple[smtplib.SMTP, Answers]:
        """A mail begun over the connection kept open, or over a new one where the server has ended that."""
        if self._server is not None:
            try:
                answers = self._offer(self._server, sender, recipient)
                first = next(answers)
            except (smtplib.SMTPException, OSError):
                first = 421, b""
            if first[0] != 421 and self._server is not None:  # RFC 5321 section 3.8: it closes an idle line, or
                return self._server, itertools.chain([first], answers)  # one that has brought enough
            self.close()
        server = self._server = self._connect()
        return server, self._offer(server, sender, recipient)

    def _offer(self, server: smtplib.SMTP, sender: str, recipient: str) -> Answers:
        """What a server says to MAIL, RCPT and DATA: asked one by one, or in one message if it can (RFC 2920)."""
        commands = (f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA")
        if not server.has_extn("pipelining"):
            return (server.docmd(command) for command in commands)
        server.send("".join(f"{command}\r\n" for command in commands))
        answers = [server.getreply()]
        while len(answers) < len(commands) and answers[-1][0] != 421:
            answers.append(server.getreply())
        if answers[-1][0] == 354 and answers[1][0] not in TAKEN:
            server.close()  # it waits for a mail that goes to nobody
        return iter(answers)

    def _connect(self) -> smtplib.SMTP:
        host = self._parts.hostname or ""
        if self._parts.scheme == "smtps":
            port = self._parts.port or TLS_PORT
            return self._log_in(
                _TimedTls(self._left_s, host, port, timeout=TIMEOUT_S, context=ssl.create_default_context())
            )
        server = _Timed(self._left_s, host, self._parts.port or SUBMISSION_PORT, timeout=TIMEOUT_S)
        try:
            server.ehlo()
            if self._must_encrypt or server.has_extn("starttls"):
                server.starttls(
                    context=ssl.create_default_context()
                )  # raises when not offered: a required encryption is never skipped
        except Exception:
            server.close()
            raise
        return self._log_in(server)

    def _log_in(self, server: smtplib.SMTP) -> smtplib.SMTP:
        try:
            server.ehlo()
            if self._parts.username:
                if not (isinstance(server.sock, ssl.SSLSocket) or self._parts.hostname in OUR_OWN):
                    raise NotEncrypted
                server.login(unquote(self._parts.username), unquote(self._parts.password or ""))
        except Exception:
            server.close()
            raise
        return server

    def _refused(self, what: str, code: int, answer: bytes | str) -> Outcome:
        reason = f"mail server refused the {what}: {code}"
        if code in ABOUT_THE_SESSION:
            self.close()
            return Retry(reason, peer_down=True)
        self._reset()
        text = answer.decode("latin-1") if isinstance(answer, bytes) else answer
        # A full mailbox empties again, and "relaying denied" is our setting's fault as often as the recipient's.
        may_change = what == "recipient" and (code == 552 or text.startswith("5.7."))
        return Rejected(reason) if code in PERMANENT and not may_change else Retry(reason)

    def _reset(self) -> None:
        try:
            if self._server is not None:
                self._server.rset()
        except (smtplib.SMTPException, OSError):
            self.close()


def _lines(headers: Mapping[str, str]) -> Iterator[str]:
    """Headers as they stand; links are not folded, since one broken over lines is not found by every mail program."""
    for header, value in headers.items():
        if "\r" in value or "\n" in value:
            raise ValueError(f"a line break in the header {header}")
        yield f"{header}: {value if value.isascii() else _encoded(header, value)}"


@lru_cache(64)
def _encoded(header: str, value: str) -> str:
    return Header(value, "utf-8", ENCODED_LINE, header).encode()


@lru_cache(8)
def _named(sender: str) -> str:
    name, address = parseaddr(sender)
    return formataddr((str(Header(name, "utf-8")) if not name.isascii() else name, address))


@lru_cache(8)
def _address(sender: str) -> str:
    return parseaddr(sender)[1]


def _part(letter: Letter, subtype: str) -> Iterator[str]:
    """One of the two bodies (RFC 2046 section 5.1): as it is, or quoted-printable (RFC 2045 section 6.7)."""
    content = (letter.html if subtype == "html" else letter.text).replace("\r\n", "\n").replace("\r", "\n")
    # HTML can name every letter in ASCII, and then need not be encoded.
    words = content.encode("ascii", "xmlcharrefreplace") if subtype == "html" else content.encode()
    is_plain = words.isascii() and max(map(len, words.split(b"\n"))) <= LONGEST_LINE
    encoding, body = ("7bit", words) if is_plain else ("quoted-printable", binascii.b2a_qp(words, istext=True))
    headers = {"Content-Type": f'text/{subtype}; charset="utf-8"', "Content-Transfer-Encoding": encoding}
    yield from (f"--={letter.key}", *_lines(headers), "", body.decode())


def _answers(server: smtplib.SMTP) -> bool:
    """Whether a server is still there at the other end of a line kept open."""
    try:
        return server.noop()[0] == 250
    except (smtplib.SMTPException, OSError):
        return False
