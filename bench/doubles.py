"""The other side, as light as it can be: a mail server and an ActiveCampaign that only take note of who was served.

Both live in the process of the load, so that a visitor can wait for their mail and their place on the list without
asking around. Their CPU is nobody's. How ActiveCampaign really behaves is the business of `tests/servers`, not theirs.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

LOOPBACK = "127.0.0.1"
LIST_ID, TOKEN = 1, "bench-token"
LINK_FIELD = {"fields": [{"id": "7", "perstag": "UNSUB_URL"}], "fieldRels": [{"field": "7", "relid": "0"}]}
IMPORTED = {"Success": 1, "queued_contacts": 1, "batchId": "bench", "message": "Contact import queued"}


@dataclass(frozen=True)
class Arrival:
    """Something that arrived for somebody, and when (`perf_counter`)."""

    content: bytes
    at: float


@dataclass
class Notes:
    """What arrived for whom: the first thing for each address can be waited for, all of it is counted."""

    count: int = 0
    _waiting: dict[str, asyncio.Future[Arrival]] = field(default_factory=dict)

    def expect(self, address: str) -> asyncio.Future[Arrival]:
        """Return what will hold the first arrival for this address."""
        return self._waiting.setdefault(address, asyncio.get_running_loop().create_future())

    def arrived(self, address: str, content: bytes = b"") -> None:
        """Note an arrival."""
        self.count += 1
        waiting = self._waiting.pop(address, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(Arrival(content, time.perf_counter()))


class _Smtp(asyncio.Protocol):
    """One line to the mail server (RFC 5321): takes everything from everybody, each mail after some seconds."""

    def __init__(self, mails: Notes, delay_s: float):
        self._mails, self._held, self._in_content, self._delay_s = mails, b"", False, delay_s
        self._recipients: list[str] = []

    def connection_made(self, transport: Any) -> None:
        self._line = transport
        self._line.write(b"220 bench.example\r\n")

    def data_received(self, data: bytes) -> None:
        self._held += data
        while True:
            end = b"\r\n.\r\n" if self._in_content else b"\r\n"
            found, ended, left = self._held.partition(end)
            if not ended:
                return
            self._held = left
            self._take(found)

    def _take(self, found: bytes) -> None:
        if self._in_content:
            self._in_content = False
            asyncio.get_running_loop().call_later(self._delay_s, self._line.write, b"250 stored\r\n")
            for address in self._recipients:
                self._mails.arrived(address, found)
            return
        verb = found[:4].upper()
        if verb == b"EHLO":
            self._line.write(b"250-bench.example\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 SIZE 10000000\r\n")
        elif verb == b"MAIL":
            self._recipients = []
            self._line.write(b"250 ok\r\n")
        elif verb == b"RCPT":
            self._recipients.append(found.partition(b"<")[2].partition(b">")[0].decode())
            self._line.write(b"250 ok\r\n")
        elif verb == b"DATA":
            self._in_content = True
            self._line.write(b"354 go on\r\n")
        elif verb == b"QUIT":
            self._line.write(b"221 bye\r\n")
            self._line.close()
        else:
            self._line.write(b"250 ok\r\n")


@dataclass
class Manner:
    """How an account answers: after how many seconds, and with a failure at every how many calls (0: never)."""

    delay_s: float = 0
    fails_every: int = 0


class _ActiveCampaign(asyncio.Protocol):
    """One line to an account: contacts are synced and put on the list, nothing is kept but their addresses."""

    def __init__(self, account: "Account"):
        self._account, self._held = account, b""

    def connection_made(self, transport: Any) -> None:
        self._line = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        while b"\r\n\r\n" in self._held:
            head, _, rest = self._held.partition(b"\r\n\r\n")
            size = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            length = int(size or 0)
            if len(rest) < length:
                return
            self._held = rest[length:]
            method, target, _ = head.partition(b"\r\n")[0].decode().split(" ")
            answer = self._account.answer(method, target, rest[:length])
            asyncio.get_running_loop().call_later(self._account.manner.delay_s, self._line.write, answer)


class Account:
    """One account at ActiveCampaign, with who came onto its list."""

    def __init__(self, listed: Notes, manner: Manner):
        self.manner, self._listed = manner, listed
        self._calls, self._addresses = 0, [""]

    def answer(self, method: str, target: str, body: bytes) -> bytes:
        """Act and return the answer as it goes over the wire."""
        self._calls += 1
        if self.manner.fails_every and self._calls % self.manner.fails_every == 0:
            return _http("500 Internal Server Error", {"message": "bench"})
        path = target.partition("?")[0].removeprefix("/api/3/")
        match method, path:
            case "POST", "contact/sync":
                return self._sync(json.loads(body)["contact"])
            case "POST", "contactLists":
                return self._put_on_list(json.loads(body)["contactList"])
            case "POST", "import/bulk_import":
                return _http("200 OK", IMPORTED)
            case "GET", "fields":
                return _http("200 OK", LINK_FIELD | {"meta": {"total": "1"}})
            case "GET", _ if path.startswith("lists/"):
                return _http("200 OK", {"list": {"id": str(LIST_ID), "name": "bench"}})
        return _http("404 Not Found", {"message": "No Result found"})

    def _sync(self, wanted: dict[str, Any]) -> bytes:
        self._addresses.append(wanted["email"])
        number = str(len(self._addresses) - 1)
        contact = wanted | {
            "cdate": "2026-11-20T03:04:05-06:00",
            "udate": "2026-11-20T03:04:05-06:00",
            "phone": "",
            "orgid": "0",
            "ip": "0",
            "ua": None,
            "hash": f"{len(self._addresses):032x}",
            "bounced_hard": "0",
            "bounced_soft": "0",
            "bounced_date": None,
            "deleted": "0",
            "anonymized": "0",
            "links": {
                name: f"https://account.example/api/3/contacts/{number}/{name}" for name in ("bounceLogs", "org")
            },
            "id": number,
        }
        return _http("201 Created", {"fieldValues": wanted.get("fieldValues", []), "contact": contact})

    def _put_on_list(self, wanted: dict[str, Any]) -> bytes:
        number = int(wanted["contact"])
        membership = wanted | {"id": f"{number}001", "sdate": None, "udate": None, "unsubreason": ""}
        self._listed.arrived(self._addresses[number])
        return _http("201 Created", {"contacts": [{"id": str(number)}], "contactList": membership})


@dataclass
class OtherSide:
    """The mail server and any number of accounts, listening in this event loop."""

    mails: Notes = field(default_factory=Notes)
    listed: Notes = field(default_factory=Notes)
    smtp_url: str = ""
    _servers: list[asyncio.Server] = field(default_factory=list)

    async def start(self, delay_s: float = 0) -> None:
        """Open the mail server."""
        self.smtp_url = f"smtp://{LOOPBACK}:{await self._listen(lambda: _Smtp(self.mails, delay_s))}"

    async def open_account(self, manner: Manner | None = None) -> str:
        """Open an account and return its base address."""
        account = Account(self.listed, manner or Manner())
        return f"http://{LOOPBACK}:{await self._listen(lambda: _ActiveCampaign(account))}"

    def stop(self) -> None:
        """Listen no longer."""
        for server in self._servers:
            server.close()

    async def _listen(self, protocol: Any) -> int:
        server = await asyncio.get_running_loop().create_server(protocol, LOOPBACK, 0)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])


def _http(status: str, body: object) -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content
