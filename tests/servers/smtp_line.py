"""The protocol side of the mail server: aiosmtpd in a thread of its own, taught to refuse and to hang up.

aiosmtpd leaves open lines to the garbage collector when it stops, which warns about them. Here they are
registered, so that stopping drops them first.
"""

import asyncio
import ssl
from typing import Any, Protocol

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

# A dropped transport closes its socket some rounds of the loop later; with TLS it takes more of them.
ROUNDS_TO_CLOSE = 8
AUTHENTICATE_FIRST = "530 5.7.0 Authentication required"


class Desk(Protocol):
    """What the line needs of the mail server."""

    auth: tuple[str, str] | None
    smtputf8: bool
    pipelining: bool
    delay_s: float

    def take(self, stage: str) -> str | None:
        """Return what was ordered for this stage, if anything."""

    def connected(self) -> None:
        """Count a line."""

    def keep(self, envelope: Any) -> None:
        """Store a mail."""


class Line(Controller):
    """A listening server with its event loop and thread; made anew for every start."""

    def __init__(self, desk: Desk, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self.desk = desk
        self.talks: set[_Talk] = set()
        self.is_open = False
        self._context = context
        super().__init__(_Clerk(desk), hostname=host, port=port)

    def factory(self) -> SMTP:
        """Return the protocol for one new line."""
        if self.is_open:
            self.desk.connected()
        return _Talk(self, self._context)

    def start(self) -> None:
        """Listen. The first line is aiosmtpd's own trial, which must not use up an order."""
        super().start()
        self.is_open = True

    def stop(self, no_assert: bool = False) -> None:
        """Drop all lines, then end loop and thread."""
        self.is_open = False
        asyncio.run_coroutine_threadsafe(self._hang_up(), self.loop).result(10)
        super().stop(no_assert)

    async def _hang_up(self) -> None:
        assert self.server is not None
        self.server.close()
        for talk in list(self.talks):
            talk.hang_up()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for _ in range(ROUNDS_TO_CLOSE):
            await asyncio.sleep(0)


class _Talk(SMTP):
    """One line to one sender."""

    def __init__(self, line: Line, context: ssl.SSLContext | None) -> None:
        self._line, self._greeted = line, False
        known = line.desk.auth
        super().__init__(
            line.handler,
            hostname="mail.test",
            enable_SMTPUTF8=line.desk.smtputf8,
            tls_context=context,
            auth_require_tls=context is not None or known is None,
            auth_exclude_mechanism=() if known else ("LOGIN", "PLAIN"),
            authenticator=line.handler.check,
            loop=line.loop,
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the line; called a second time when TLS begins."""
        super().connection_made(transport)
        self._line.talks.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the line."""
        super().connection_lost(error)
        self._line.talks.discard(self)

    def hang_up(self) -> None:
        """Drop the line with whatever is still unsent."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()

    async def push(self, status: Any) -> None:
        """Send an answer, unless another greeting was ordered; RFC 5321 section 3.8 closes the line after 421."""
        refusal = self._ordered_greeting()
        await super().push(refusal or status)
        if self.transport is not None and (refusal or str(status).startswith("421")):
            self.transport.close()

    def _ordered_greeting(self) -> str | None:
        first, self._greeted = not self._greeted, True
        return self._line.desk.take("connect") if first and self._line.is_open else None


class _Clerk:
    """Answers the commands; the names of the methods are aiosmtpd's."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def check(self, server: SMTP, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
        """Compare user name and password."""
        assert isinstance(login, LoginPassword)
        given = (login.login.decode(), login.password.decode())
        return AuthResult(success=given == self._desk.auth, handled=False)

    async def handle_EHLO(
        self, server: SMTP, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        """Say what is offered."""
        session.host_name = hostname
        return ["250-PIPELINING", *responses] if self._desk.pipelining else responses

    async def handle_MAIL(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        """Take the sender."""
        if self._desk.auth is not None and not session.authenticated:
            return AUTHENTICATE_FIRST
        refusal = self._desk.take("mail")
        if refusal is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return refusal or "250 OK"

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        """Take a recipient."""
        refusal = self._desk.take("rcpt")
        if refusal is None:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        return refusal or "250 OK"

    async def handle_DATA(self, server: _Talk, session: Any, envelope: Any) -> str:
        """Store the mail or not, wait, then answer or hang up."""
        cut = self._desk.take("before")
        refusal = None if cut else self._desk.take("data")
        if not cut and not refusal:
            self._desk.keep(envelope)
            cut = self._desk.take("after")
        await asyncio.sleep(self._desk.delay_s)
        if cut:
            server.hang_up()
            await asyncio.get_running_loop().create_future()  # cancelled when the line is gone
        return refusal or "250 OK"
