"""Visitors: each opens the form, sends it, waits for the mail, opens its link, confirms, and waits to be on the list.

One connection per visitor, kept open between their requests. Times every step on the clock of one process.
"""

import asyncio
import email
import html
import itertools
import random
import re
import secrets
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from bench.doubles import LOOPBACK, Arrival, OtherSide

STEPS = ("form", "post", "mail", "page", "confirm", "forward")
LEADING_ON = (302, 303)  # to a page that a browser opens with GET (RFC 9110, section 15.4)
MOST_LED_ON = 5
PATIENCE_S = 60
RUN = secrets.token_hex(4)  # a database that is kept knows those of earlier runs
Took = dict[str, list[float]]


@dataclass(frozen=True)
class Ways:
    """How one program is used: where its form is, what goes into it, and how its link and its hidden fields look.

    A program without a link in the mail is only asked the same four requests.
    """

    form: str
    fields: dict[str, str]
    link: re.Pattern[str] | None = None
    hidden: re.Pattern[str] | None = None
    confirms_with: dict[str, str] = field(default_factory=dict)
    email_field: str = "email"
    host: str = "bench.example"
    mails: int = 1
    forwards: bool = True


class Refused(Exception):
    """A program did not answer as it should."""


class Line:
    """One visitor's connection; opened again when the server has closed it meanwhile."""

    def __init__(self, port: int, host: str):
        self._port, self._host = port, host
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._cookies = ""

    async def ask(self, path: str, fields: dict[str, str] | None = None) -> str:
        """GET a path, or POST fields to it, and go on to where the answer leads; returns the page.

        Raises Refused on anything but a page.
        """
        for _ in range(MOST_LED_ON):
            status, head, body = await self._answer(path, fields)
            there = re.search(r"(?im)^location: *(/\S*)", head) if status in LEADING_ON else None
            if there is None:
                break
            path, fields = there[1], None
        if not 200 <= status < 300:
            raise Refused(f"{path.partition('/')[2][:20]}: {status}\n{body.decode(errors='replace')[:2000]}")
        return body.decode()

    def close(self) -> None:
        """Hang up."""
        if self._streams:
            self._streams[1].close()
            self._streams = None

    async def _answer(self, path: str, fields: dict[str, str] | None) -> tuple[int, str, bytes]:
        request = self._request(path, None if fields is None else urlencode(fields).encode())
        try:
            status, head, body = await self._exchange(request)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.close()
            status, head, body = await self._exchange(request)
        for cookie in re.findall(r"(?i)^set-cookie: ([^;\r]+)", head, re.MULTILINE):
            self._cookies = f"Cookie: {cookie}\r\n"
        return status, head, body

    def _request(self, path: str, body: bytes | None) -> bytes:
        kind = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n" if body else ""
        head = f"{'POST' if body is not None else 'GET'} {path} HTTP/1.1\r\nHost: {self._host}\r\n"
        usual = "Accept-Language: fi\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0\r\n"
        return f"{head}{usual}{self._cookies}{kind}\r\n".encode() + (body or b"")

    async def _exchange(self, request: bytes) -> tuple[int, str, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(LOOPBACK, self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = re.search(r"(?i)\r\ncontent-length: *(\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        if re.search(r"(?i)\r\nconnection: *close", head):
            self.close()
        return int(head.split(" ", 2)[1]), head, body


class Visitor:
    """One person on their way; the steps are taken in order, and how long each took is noted."""

    _numbers = itertools.count(1)

    def __init__(self, name: str, ways: Ways, port: int, other_side: OtherSide, took: Took):
        self._address = f"{name.replace(' ', '-')}-{RUN}-{next(self._numbers)}@example.com"
        self._ways, self._other_side, self._took = ways, other_side, took
        self._line = Line(port, ways.host)
        self._page, self._link = "", "/confirm/hello"

    async def form(self) -> None:
        """Open the form."""
        began = time.perf_counter()
        self._page = await self._line.ask(self._ways.form)
        self._note("form", began)

    async def post(self) -> None:
        """Send the form, and wait for the mail."""
        ways, mails = self._ways, self._other_side.mails
        mail = mails.expect(self._address) if ways.link else None
        began = time.perf_counter()
        wanted = ways.fields | {ways.email_field: self._address} | self._hidden()
        await self._line.ask(ways.form.partition("?")[0], wanted)
        self._note("post", began)
        if mail is not None and ways.link is not None:
            arrival = await asyncio.wait_for(mail, PATIENCE_S)
            self._took["mail"].append(arrival.at - began)
            self._link = _path(arrival, ways.link)

    async def page(self) -> None:
        """Open the link."""
        began = time.perf_counter()
        self._page = await self._line.ask(self._link)
        self._note("page", began)

    async def confirm(self, *, awaits_list: bool = True) -> None:
        """Press the button, and wait to be on the list."""
        listed = self._other_side.listed.expect(self._address) if self._ways.forwards and awaits_list else None
        began = time.perf_counter()
        await self._line.ask(self._link, self._ways.confirms_with | self._hidden())
        self._note("confirm", began)
        if listed is not None:
            self._took["forward"].append((await asyncio.wait_for(listed, PATIENCE_S)).at - began)

    def leave(self) -> None:
        """Hang up."""
        self._line.close()

    def _note(self, step: str, began: float) -> None:
        self._took[step].append(time.perf_counter() - began)

    def _hidden(self) -> dict[str, str]:
        if self._ways.hidden is None:
            return {}
        found = {name: html.unescape(value) for name, value in self._ways.hidden.findall(self._page)}
        if not found:
            raise Refused("no form token in the page")
        return found


class Crowd:
    """The visitors of one program."""

    def __init__(self, name: str, ways: Ways, port: int, other_side: OtherSide):
        self.name, self.ways = name, ways
        self._port, self._other_side = port, other_side

    def visitors(self, number: int, took: Took) -> list[Visitor]:
        """So many new people, who have done nothing yet."""
        return [Visitor(self.name, self.ways, self._port, self._other_side, took) for _ in range(number)]

    async def come(self, number: int, at_once: int, *, awaits_list: bool = True, pause_s: float = 0) -> Took:
        """Let so many complete their double opt-in, some at once; the seconds each step took.

        With a pause each waits so long at most, at random, so that nobody keeps step with a program that polls.
        """
        took: Took = defaultdict(list)

        async def opt_in(visitor: Visitor) -> None:
            await asyncio.sleep(random.uniform(0, pause_s))  # noqa: S311 - no secret
            await visitor.form()
            await visitor.post()
            await visitor.page()
            await visitor.confirm(awaits_list=awaits_list)
            visitor.leave()

        await in_turn(opt_in, self.visitors(number, took), at_once)
        return took

    async def settled(self, mails: int) -> None:
        """Wait until so many mails in all have arrived: those of the last visitors belong to their visit."""
        end = time.monotonic() + PATIENCE_S
        while self._other_side.mails.count < mails:
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name}: {mails - self._other_side.mails.count} mails have not come")
            await asyncio.sleep(0.005)


async def in_turn(act: Callable[[Visitor], Awaitable[None]], visitors: list[Visitor], at_once: int) -> None:
    """Let each visitor act, so many at once."""
    left = iter(visitors)

    async def some() -> None:
        for visitor in left:
            await act(visitor)

    await asyncio.gather(*(some() for _ in range(at_once)))


def _path(arrival: Arrival, link: re.Pattern[str]) -> str:
    mail = email.message_from_bytes(arrival.content)
    text = next(part for part in mail.walk() if part.get_content_type() == "text/plain").get_payload(decode=True)
    assert isinstance(text, bytes)
    found = link.search(text.decode())
    if found is None:
        raise Refused("no link in the mail")
    parts = urlsplit(found[0])
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
