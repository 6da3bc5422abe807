"""What the mails to the owner say: a contact message, mails held back, the checkpoint, the digest, requests.

They go to the contact address of the controller file, in Finnish. What a visitor typed stands in the text only, and
whom to answer in a header by an address that was read as one. Must not send anything.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from consent_service import contact_messages
from consent_service import language as languages
from consent_service.contact_messages import MORE_TO_OWNER, REASONS, TO_OWNER
from consent_service.delivery.mail import Letter
from consent_service.delivery.outbox import Message, Nothing
from consent_service.language import Language, day_of
from consent_service.ledger import sealer
from consent_service.rights import request_rows
from consent_service.rights.request_tasks import KINDS as REQUEST_KINDS

OWNER_HELD, ANCHOR, DIGEST = "owner_held", "anchor", "digest"
REQUESTS_DUE = request_rows.TO_OWNER
KINDS = (TO_OWNER, MORE_TO_OWNER, OWNER_HELD, ANCHOR, DIGEST, REQUESTS_DUE)
ANCHOR_AGE = timedelta(hours=36)


@dataclass(frozen=True)
class OwnerLetters:
    """Writes what goes to one address.

    `write(message, to, language, values)` makes a letter of a template; `digest(connection, now)` says how the week was
    and how the service stands, None when no week has ended yet.
    """

    write: Callable[[Message, str, Language, dict[str, Any]], Letter]
    to: str
    public_url: str
    digest: Callable[[Connection, datetime], Any]

    def load(self, connection: Connection, message: Message, now: datetime) -> Letter | Nothing:
        """Return the letter of a message of `KINDS`, Nothing when its reason has passed."""
        if message.kind == TO_OWNER:
            return self._contact(connection, message)
        if message.kind == MORE_TO_OWNER:
            return self._more(connection, message)
        if message.kind == ANCHOR:
            return self._anchor(connection, message, now)
        if message.kind == DIGEST:
            return self._digest(connection, message, now)
        if message.kind == REQUESTS_DUE:
            return self._requests_due(connection, message, now)
        return self._write(message, {"console_url": f"{self.public_url}/staff/"})

    def digest_values(self, digest: object) -> dict[str, Any]:
        """What the template of a digest is filled with."""
        return {"digest": digest, "console_url": f"{self.public_url}/staff/"}

    def _contact(self, connection: Connection, message: Message) -> Letter | Nothing:
        """A contact message whole, so that it can be answered from the mailbox; nothing once it has been closed."""
        written = contact_messages.find(connection, message.contact_message_id)
        if written is None or written.closed_at is not None:
            return Nothing()
        values = {
            "written": written,
            "reason": REASONS[written.reason],
            "came_at": _spoken().moment(written.received_at),
            "message_url": f"{self.public_url}/staff/contact-messages/{written.id}",
        }
        return replace(self._write(message, values), reply_to=written.email)

    def _more(self, connection: Connection, message: Message) -> Letter | Nothing:
        """That more messages have come than mails about them; nothing once all of them have been closed."""
        values = {
            "count": contact_messages.open_count(connection),
            "inbox_url": f"{self.public_url}/staff/contact-messages",
        }
        return self._write(message, values) if values["count"] else Nothing()

    def _anchor(self, connection: Connection, message: Message, now: datetime) -> Letter | Nothing:
        newest = sealer.newest(connection)
        if newest is None or now - newest.signed_at > ANCHOR_AGE:
            return Nothing()  # the owner has it already
        values = {
            "checkpoint": newest.note.decode().strip().split("\n"),
            "signed_at": _spoken().moment(newest.signed_at),
        }
        return self._write(message, values)

    def _requests_due(self, connection: Connection, message: Message, now: datetime) -> Letter | Nothing:
        """The requests that have to be answered in a few days, by number; nothing once they have been."""
        spoken, near = _spoken(), request_rows.near(connection, day_of(now))
        told = [
            (
                spoken.say("Request %(number)s", number=one.number),
                f"{spoken.say(REQUEST_KINDS[one.kind])}, {spoken.day(date.fromisoformat(one.deadline))}",
            )
            for one in near
        ]
        values = {"requests": told, "requests_url": f"{self.public_url}/staff/data-requests"}
        return self._write(message, values) if told else Nothing()

    def _digest(self, connection: Connection, message: Message, now: datetime) -> Letter | Nothing:
        found = self.digest(connection, now)
        return Nothing() if found is None else self._write(message, self.digest_values(found))

    def _write(self, message: Message, values: dict[str, Any]) -> Letter:
        return self.write(message, self.to, _spoken(), values)


def _spoken() -> Language:
    return languages.language(languages.DEFAULT)
