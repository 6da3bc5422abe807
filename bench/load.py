"""Visitors: each opens the form, sends it, waits for the mail, opens its link, confirms, and waits to be on the list.

One connection per visitor, kept open between their requests. Times every step on the clock of one process.
"""

import asyncio
import email
import itertools
import re
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from bench.doubles import LOOPBACK, Arrival, OtherSide

STEPS = ("form", "post", "mail", "page", "confirm", "forward")
PATIENCE_S = 60
Took = dict[str, list[float]]


@dataclass(frozen=True)
class Ways:
    """How one program is used: where its form is, what goes into it, and how its link and its token look.

    A program without a link in the mail is only asked the same four requests.
    """

    form: str
    fields: dict[str, str]
    link: re.Pattern[str] | None = None
    token: re.Pattern[str] | None = None
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
        """GET a path, or POST fields to it; returns the page. Raises Refused on anything but 2xx and 3xx."""
        request = self._request(path, None if fields is None else urlencode(fields).encode())
        try:
            status, head, body = await self._exchange(request)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.close()
            status, head, body = await self._exchange(request)
        if not 200 <= status < 400:
            raise Refused(f"{path.partition('/')[2][:20]}: {status}\n{body.decode(errors='replace')[:2000]}")
        for cookie in re.findall(r"(?i)^set-cookie: ([^;\r]+)", head, re.MULTILINE):
            self._cookies = f"Cookie: {cookie}\r\n"
        return body.decode()

    def close(self) -> None:
        """Hang up."""
        if self._streams:
            self._streams[1].close()
            self._streams = None

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


class Crowd:
    """The visitors of one program."""

    _numbers = itertools.count(1)

    def __init__(self, name: str, ways: Ways, port: int, other_side: OtherSide):
        self._name, self.ways, self._port, self._other = name, ways, port, other_side
        self._mails_due, self._lists_due = 0, 0

    async def come(self, number: int, at_once: int, *, awaits_list: bool = True) -> Took:
        """Let so many complete their double opt-in, some at once; the seconds each step took."""
        took: Took = defaultdict(list)
        left = iter(range(number))
        await asyncio.gather(*(self._one_after_another(left, took, awaits_list) for _ in range(at_once)))
        return took

    async def _one_after_another(self, left: Iterable[int], took: Took, awaits_list: bool) -> None:
        for _ in left:
            await asyncio.wait_for(self._opt_in(took, awaits_list), PATIENCE_S)

    async def _opt_in(self, took: Took, awaits_list: bool) -> None:
        address = f"{self._name.replace(' ', '-')}-{next(self._numbers)}@example.com"
        line = Line(self._port, self.ways.host)
        try:
            link = await self.subscribe(line, address, took)
            await self.confirm(line, address, link, took, awaits_list)
        finally:
            line.close()

    async def subscribe(self, line: Line, address: str, took: Took) -> str:
        """Send the form; returns the path that the mail's link leads to."""
        ways = self.ways
        began = time.perf_counter()
        page = await line.ask(ways.form)
        took["form"].append(time.perf_counter() - began)
        mail = self._other.mails.expect(address) if ways.link else None
        began = time.perf_counter()
        await line.ask(ways.form.partition("?")[0], ways.fields | {ways.email_field: address} | self._token(page))
        took["post"].append(time.perf_counter() - began)
        if mail is None or ways.link is None:
            return "/confirm/hello"
        arrival = await mail
        took["mail"].append(arrival.at - began)
        return _path(arrival, ways.link)

    async def confirm(self, line: Line, address: str, link: str, took: Took, awaits_list: bool) -> None:
        """Open the link and press the button."""
        listed = self._other.listed.expect(address) if self.ways.forwards else None
        began = time.perf_counter()
        page = await line.ask(link)
        took["page"].append(time.perf_counter() - began)
        began = time.perf_counter()
        await line.ask(link, self.ways.confirms_with | self._token(page))
        took["confirm"].append(time.perf_counter() - began)
        if listed is not None and awaits_list:
            took["forward"].append((await listed).at - began)

    def _token(self, page: str) -> dict[str, str]:
        if self.ways.token is None:
            return {}
        found = self.ways.token.search(page)
        if found is None:
            raise Refused(f"no form token in the page of {self._name}")
        return {found[1]: found[2]}


def _path(arrival: Arrival, link: re.Pattern[str]) -> str:
    mail = email.message_from_bytes(arrival.content)
    text = next(part for part in mail.walk() if part.get_content_type() == "text/plain").get_payload(decode=True)
    assert isinstance(text, bytes)
    found = link.search(text.decode())
    if found is None:
        raise Refused("no link in the mail")
    parts = urlsplit(found[0])
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
