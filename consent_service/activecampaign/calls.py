"""Calls to ActiveCampaign's API v3: each takes its turn, goes out, and ends as data or as an outcome for the outbox.

An answer is believed only as far as it can be read. There is no idempotency key over there: whoever calls again must
be right also when the call before took effect and only its answer was lost. Must not know what a call is for.
"""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, NoReturn

import requests
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import HTTPError

from consent_service.activecampaign.pacing import CallBudget, Unpaced
from consent_service.delivery.outbox import Hold, Outcome, Rejected, Retry

TIMEOUT_S = 10
LONGEST_ANSWER_S = 20  # from its first byte to its last
LARGEST_ANSWER = 1024 * 1024
LONGEST_WISH = timedelta(days=1)  # a slip of theirs in `Retry-After` must not stop forwarding for years
TAKEN = "duplicate"
PAGE, MOST_PAGES = 100, 50
REFUSED_FOR_GOOD = (400, 405, 413, 415, 422)


class Ended(Exception):
    """A call that brought nothing to go on with; `outcome` says what the outbox is to make of it.

    `status` is what was answered, None when nothing was.
    """

    def __init__(self, outcome: Outcome, status: int | None = None):
        super().__init__(getattr(outcome, "reason", "no usable answer"))
        self.outcome, self.status = outcome, status


class _Transport(requests.adapters.HTTPAdapter):
    """The adapter of `requests` without its session, to one place, which is not worked out anew at each call.

    No cookies, no redirects, and no proxy or .netrc of the machine sees the key.
    """

    _place: ConnectionPool | None = None

    def get_connection_with_tls_context(self, *given: Any, **how: Any) -> ConnectionPool:
        """Return the connections to the place."""
        if self._place is None:
            self._place = super().get_connection_with_tls_context(*given, **how)
        return self._place

    def request_url(self, request: requests.PreparedRequest, proxies: object) -> str:
        """Return what is asked for there."""
        return request.path_url

    def close(self) -> None:
        """Close the connections; the next call opens one."""
        self._place = None
        super().close()


class Calls:
    """The line to one account: base address without `/api/3`, key, and the call budget that all relays share."""

    def __init__(self, url: str, token: str, budget: CallBudget | Unpaced, *, timeout_s: float = TIMEOUT_S):
        self._base = f"{url}/api/3"
        self._budget = budget
        self._timeout_s = timeout_s
        self._http = _Transport()
        self._headers = {"Api-Token": token, "Accept": "application/json", "User-Agent": "consent-service"}

    def close(self) -> None:
        """Close the connection kept open."""
        self._http.close()

    def now(self) -> datetime:
        """The time, as the call budget has it."""
        return self._budget.now()

    def call(
        self, method: str, path: str, body: object = None, *, is_taken: bool = False, is_explained: bool = False
    ) -> tuple[int, Any]:
        """Return the status and the parsed body, None when it cannot be read.

        Anything but 2xx and 404 raises Ended. With `is_taken` a 422 is returned too that says that another contact has
        the address, or another field the title; with `is_explained` a 400 by which imports say what is wrong, or that
        it is too much.
        """
        if not self._budget.take_turn():
            raise Ended(Hold(self._budget.now(), "the relay was stopped before its turn to call"))
        try:
            with self._http.send(self._wanted(method, path, body), stream=True, timeout=self._timeout_s) as answer:
                content = _read(answer, time.monotonic() + LONGEST_ANSWER_S)
        except requests.RequestException as error:
            raise Ended(Retry(f"ActiveCampaign: {type(error).__name__}", peer_down=True)) from None
        except (ValueError, RecursionError):  # not JSON, or JSON that nobody in their right mind sends
            content = None
        is_expected = is_taken and answer.status_code == 422 and _error_code(content) == TAKEN
        is_expected |= is_explained and answer.status_code == 400
        if not (200 <= answer.status_code < 300 or answer.status_code == 404 or is_expected):
            self._end(answer, content)
        return answer.status_code, content

    @cached_property
    def _blank(self) -> requests.PreparedRequest:
        """What all calls have in common, checked once; raises RequestException for what cannot be sent."""
        return requests.Request("GET", self._base, self._headers).prepare()

    def _wanted(self, method: str, path: str, body: object) -> requests.PreparedRequest:
        wanted = self._blank.copy()
        wanted.method, wanted.url = method, f"{self._base}/{path}"
        wanted.prepare_body(None, None, json=body)
        return wanted

    def _end(self, answer: requests.Response, content: object) -> NoReturn:
        code = _error_code(content)
        reason = f"ActiveCampaign answered {answer.status_code}" + (f" ({code})" if code else "")
        if answer.status_code in REFUSED_FOR_GOOD:
            raise Ended(Rejected(reason), answer.status_code)
        wish = _wish(answer.headers.get("Retry-After", ""), self._budget.now())
        if wish is not None:
            self._budget.rest(wish)
        raise Ended(Retry(reason, after=wish, peer_down=True), answer.status_code)


def part(body: object, name: str) -> dict[str, Any]:
    """Return the object an answer wraps under a name; empty when there is none."""
    part = body.get(name) if isinstance(body, dict) else None
    return part if isinstance(part, dict) else {}


def rows(body: object, name: str) -> list[Any]:
    """Return the list an answer holds under a name; raises Ended when there is none."""
    found = body.get(name) if isinstance(body, dict) else None
    if not isinstance(found, list):
        raise Ended(Retry("ActiveCampaign's answer cannot be read"))
    return found


def id_of(contact: object) -> str | None:
    """Return the id of a contact as text, None for anything that has none."""
    found = str(contact.get("id")) if isinstance(contact, dict) else ""
    return found if re.fullmatch(r"[0-9]{1,20}", found) else None


def is_of(contact: Any, *emails: str) -> bool:
    """Whether this is a contact with one of these addresses; how their case is kept there is not known."""
    return id_of(contact) is not None and str(contact.get("email", "")).lower() in {email.lower() for email in emails}


def by_address(body: object, email: str) -> dict[str, Any] | None:
    """Return the contact with an address from an answer to a search for it, None when there is none; raises Ended.

    An unknown filter is ignored there and everybody comes back, so only the address itself counts.
    """
    return next((one for one in rows(body, "contacts") if is_of(one, email)), None)


def pages(calls: Calls, collection: str) -> Iterator[dict[str, Any]]:
    """Yield the answers about a whole collection, page by page, until one brings nothing new; raises Ended."""
    seen: set[str] = set()
    for _ in range(MOST_PAGES):
        _, body = calls.call("GET", f"{collection}?limit={PAGE}&offset={len(seen)}")
        found = {str(row.get("id")) for row in rows(body, collection) if isinstance(row, dict)}
        if found <= seen:
            return
        seen |= found
        yield body
        if number(part(body, "meta").get("total")) == len(seen):
            return


def number(value: object) -> int | None:
    """Return a small number, given as text or number; None for anything else."""
    return int(value) if isinstance(value, (int, str)) and re.fullmatch(r"[0-9]{1,4}", str(value)) else None


def _read(answer: requests.Response, deadline: float) -> Any:
    """The parsed body; raises ValueError for one that is no JSON or larger than any honest answer."""
    content = b""
    try:
        while piece := answer.raw.read1(64 * 1024, decode_content=True):  # what has arrived: it may only drip
            content += piece
            if len(content) > LARGEST_ANSWER:
                raise ValueError("too large")
            if time.monotonic() > deadline:
                raise requests.ReadTimeout
    except HTTPError as error:
        raise requests.ConnectionError from error
    return json.loads(content)


def _wish(after: str, now: datetime) -> timedelta | None:
    """How long a `Retry-After` asks us to wait, given in seconds or as a date (RFC 9110 section 10.2.3)."""
    if re.fullmatch(r"[0-9]+", after):
        return min(timedelta(seconds=int(after[:9])), LONGEST_WISH)
    try:
        until = parsedate_to_datetime(after)
    except (ValueError, OverflowError):
        return None
    return min(max(until.replace(tzinfo=until.tzinfo or UTC) - now, timedelta(0)), LONGEST_WISH)


def _error_code(content: object) -> str:
    errors = content.get("errors") if isinstance(content, dict) else None
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    code = str(first.get("code", ""))
    return code if re.fullmatch(r"[a-z_]{1,40}", code) else ""  # a title could hold the address
