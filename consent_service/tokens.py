"""Signed links and form tokens: one salt and one age for each purpose.

The only user of itsdangerous. A token carries an id or a small fact, never an address. Old keys still verify, so
that links outlive a key rotation. The clock can be given. Must not touch the database.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from itsdangerous import BadData, Serializer, URLSafeSerializer, base64_encode

FORM_LIFETIME = timedelta(hours=24)
CLOCK_SKEW = timedelta(minutes=5)
MY_DATA_LIFETIME = timedelta(hours=1)
STAFF_LIFETIMES = {"staff_invitation": timedelta(days=2), "staff_recovery": timedelta(minutes=30)}


class TokenRefused(Exception):
    """The token is forged, cut short or made for another purpose."""


class FormTokenExpired(Exception):
    """The form was shown too long ago and has to be shown again; `shown` is what it showed."""

    def __init__(self, shown: "ShownForm"):
        super().__init__()
        self.shown = shown


@dataclass(frozen=True)
class MyDataLink:
    """Whose page a link opens, the mark of the address it was mailed to, and until when (aware UTC)."""

    subscriber_id: str
    address_mark: str
    until: datetime


@dataclass(frozen=True)
class StaffLink:
    """Whose account a mailed link opens, and the state of the account it was made for."""

    account_id: str
    state: str


class MyDataLinkExpired(Exception):
    """The link was mailed over an hour ago; `link` says to whom, so that a new one can be mailed."""

    def __init__(self, link: MyDataLink):
        super().__init__()
        self.link = link


@dataclass(frozen=True)
class ShownForm:
    """What a form token proves: which text was shown, in which language, and when (aware UTC).

    `tracking` is the text beside a second box, if there was one; `site` the web site that showed the form or led to it,
    if it was not this service alone.
    """

    statement: str
    language: str
    shown_at: datetime
    tracking: str | None = None
    site: str | None = None


@dataclass(frozen=True)
class Waiting:
    """Since when (aware UTC) somebody has been waiting, and under which random id."""

    id: str
    since: datetime


class Tokens:
    """Signs and reads the tokens of one service; `secret_keys` newest first."""

    def __init__(self, secret_keys: Sequence[str], clock: Callable[[], datetime] = lambda: datetime.now(UTC)):
        oldest_first = list(reversed(secret_keys))
        self._clock = clock
        self._confirm = _serializer(oldest_first, "confirm")
        self._unsubscribe = _serializer(oldest_first, "unsubscribe")
        self._form = _serializer(oldest_first, "form")
        self._my_data = _serializer(oldest_first, "my-data")
        self._waiting = _serializer(oldest_first, "waiting")
        self._staff = {kind: _serializer(oldest_first, kind) for kind in STAFF_LIFETIMES}

    def for_confirmation(self, confirmation_id: str) -> str:
        """Return the token of a confirmation link; how long it lives stands in the confirmation itself."""
        return str(self._confirm.dumps(confirmation_id))

    def read_confirmation(self, token: str) -> str:
        """Return the confirmation id in a token; raises TokenRefused."""
        return str(_read(self._confirm, token))

    def for_unsubscribing(self, subscriber_id: str) -> str:
        """Return the token of a person's unsubscribe link; it never expires and is always the same."""
        return str(self._unsubscribe.dumps(subscriber_id))

    def read_unsubscribing(self, token: str) -> str:
        """Return the subscriber id in a token; raises TokenRefused."""
        return str(_read(self._unsubscribe, token))

    def for_my_data(self, subscriber_id: str, address_mark: str) -> str:
        """Return the token of a link to the person's own page, which opens it for an hour from now."""
        return str(self._my_data.dumps([subscriber_id, address_mark, int(self._clock().timestamp())]))

    def read_my_data(self, token: str) -> MyDataLink:
        """Return whose page a link opens; raises TokenRefused, or MyDataLinkExpired after an hour."""
        try:
            subscriber_id, address_mark, seconds = _read(self._my_data, token)
            made_at = datetime.fromtimestamp(seconds, UTC)
        except (TypeError, ValueError, OverflowError) as error:
            raise TokenRefused from error
        if self._clock() - made_at < -CLOCK_SKEW:
            raise TokenRefused
        link = MyDataLink(str(subscriber_id), str(address_mark), made_at + MY_DATA_LIFETIME)
        if self._clock() > link.until:
            raise MyDataLinkExpired(link)
        return link

    def for_staff(self, kind: str, account_id: str, state: str) -> str:
        """Return the token of a link to set the password of an account; `kind` is one of `STAFF_LIFETIMES`."""
        return str(self._staff[kind].dumps([account_id, state, int(self._clock().timestamp())]))

    def read_staff(self, kind: str, token: str) -> StaffLink:
        """Return whose account a link opens; raises TokenRefused, also when its time is up."""
        try:
            account_id, state, seconds = _read(self._staff[kind], token)
            age = self._clock() - datetime.fromtimestamp(seconds, UTC)
        except (TypeError, ValueError, OverflowError) as error:
            raise TokenRefused from error
        if not -CLOCK_SKEW <= age <= STAFF_LIFETIMES[kind]:
            raise TokenRefused
        return StaffLink(str(account_id), str(state))

    def for_waiting(self) -> str:
        """Return a token that says since when somebody has been waiting: since now."""
        return str(self._waiting.dumps([secrets.token_hex(8), int(self._clock().timestamp() * 1000)]))

    def read_waiting(self, token: str) -> Waiting:
        """Return since when somebody has been waiting; raises TokenRefused."""
        try:
            waiting_id, milliseconds = _read(self._waiting, token)
            return Waiting(str(waiting_id), datetime.fromtimestamp(milliseconds / 1000, UTC))
        except (TypeError, ValueError, OverflowError) as error:
            raise TokenRefused from error

    def for_form(
        self,
        statement: str,
        language: str,
        tracking: str | None = None,
        site: str | None = None,
        *,
        shown_at: datetime | None = None,
    ) -> str:
        """Return the render token of a form shown now, or at a time.

        `statement` names what was shown: the SHA-256 (hex) of a consent text, or a fixed word for forms without one.
        `tracking` is the SHA-256 of the text beside a second box; `site` the host of the web site it is shown on.
        """
        shown: list[object] = [statement, language, int((shown_at or self._clock()).timestamp() * 1000)]
        others = [tracking, site] if site else [tracking] if tracking else []
        return str(self._form.dumps([*shown, *others]))

    def read_form(self, token: str) -> ShownForm:
        """Return what was shown; raises TokenRefused, or FormTokenExpired after 24 hours."""
        try:
            statement, language, milliseconds, *others = _read(self._form, token)
            shown_at = datetime.fromtimestamp(milliseconds / 1000, UTC)
        except (TypeError, ValueError, OverflowError) as error:
            raise TokenRefused from error
        shown, age = ShownForm(statement, language, shown_at, *others[:2]), self._clock() - shown_at
        if age < -CLOCK_SKEW:
            raise TokenRefused
        if age > FORM_LIFETIME:
            raise FormTokenExpired(shown)
        return shown


class _Serializer(URLSafeSerializer):
    """The library's own, which does not try to press the few bytes of a token; one that was pressed can be read."""

    def dump_payload(self, obj: Any) -> bytes:
        """Return what a token says, as it stands in an address."""
        return base64_encode(Serializer.dump_payload(self, obj))


def _serializer(keys: list[str], purpose: str) -> URLSafeSerializer:
    return _Serializer(keys, salt=f"consent-service/{purpose}", signer_kwargs={"digest_method": sha256})


def _read(serializer: URLSafeSerializer, token: str) -> Any:
    try:
        return serializer.loads(token)
    except (BadData, UnicodeError) as error:
        raise TokenRefused from error
