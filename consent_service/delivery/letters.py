"""What each mail says: reads what it needs when it is due and writes it in the person's language.

One template per mail is rendered twice, as text and as HTML, so that both say the same. A mail whose reason has passed
is not written. Nothing a visitor typed goes into a mail to an address that is not confirmed. Must not send anything.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache, cached_property
from hashlib import sha256
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from sqlalchemy import Connection, Row, bindparam, select

from consent_service import address_changes, asks, contact_messages
from consent_service import language as languages
from consent_service.activecampaign import departures
from consent_service.activecampaign.own_link import OwnLinks
from consent_service.address_changes import MOVE
from consent_service.config import TEMPLATES
from consent_service.controller import Controller
from consent_service.delivery import account_letters, outbox, owner_letters, suppression
from consent_service.delivery.account_letters import AccountLetters
from consent_service.delivery.mail import Knock, Letter
from consent_service.delivery.outbox import Delivered, Hold, Message, Nothing
from consent_service.delivery.owner_letters import DIGEST, OWNER_HELD, OwnerLetters
from consent_service.delivery.request_letters import ABOUT_REQUEST, RequestLetters
from consent_service.language import Language, day_of
from consent_service.ledger import evidence, sealer
from consent_service.ledger.evidence import KeptConsents, Occasion
from consent_service.ledger.seal import Payload
from consent_service.ledger.vault import Vault
from consent_service.limits import allowance, caps
from consent_service.limits.allowance import Window
from consent_service.look import design
from consent_service.models.earlier_list import import_row
from consent_service.models.newsletter import confirmation, subscriber
from consent_service.notices import statements
from consent_service.notices.privacy import Kept
from consent_service.notices.statements import TRACKING, ConsentText, ShownText
from consent_service.people import key_of
from consent_service.sql.prepared import Prepared
from consent_service.tokens import Tokens

SERVICE = "service"
OWNER_TOLD = "owner-told"
LIMIT_REACHED = "the service's own limit of confirmation mails is reached"
ONCE_A_DAY = (Window(1, timedelta(days=1)),)
LIST_MAIL = (outbox.ALREADY, outbox.WELCOME)
TO_MANY = (outbox.CONFIRMATION, *LIST_MAIL)  # their words are written once, and filled for each person
DECIDING = ("source",)
MARK = re.compile(r"\{([a-z_]+)\}")


_PERSON = Prepared(select(subscriber).where(subscriber.c.id == bindparam("person")))
_ASK = Prepared(
    select(confirmation, evidence.wrapped_key_of(confirmation.c.subscriber_id).label("wrapped_key")).where(
        confirmation.c.id == bindparam("ask")
    )
)
_AGREED = Prepared(select(confirmation).where(confirmation.c.used_event_id == bindparam("basis")))


@dataclass(frozen=True)
class Form:
    """What a mail says, as text and as HTML, with `{name}` where a value of one person may stand."""

    subject: str
    text: str
    html: str

    def filled(self, values: Mapping[str, Any]) -> "Form":
        """Return it with one person's values; what they hold is not looked at for marks."""
        shown = {name: str(values.get(name, f"{{{name}}}")) for parts in self._parts for name in parts[1::2]}
        escaped = {name: escape(value) for name, value in shown.items()}
        subject, text, html = (parts.copy() for parts in self._parts)
        for parts, said in ((subject, shown), (text, shown), (html, escaped)):
            parts[1::2] = [said[name] for name in parts[1::2]]
        return Form("".join(subject), "".join(text), "".join(html))

    @cached_property
    def _parts(self) -> list[list[str]]:
        """Subject, text and HTML, cut where a value may stand; every other part is its name."""
        return [MARK.split(words) for words in (self.subject, self.text, self.html)]

    @cached_property
    def content(self) -> bytes:
        """What is kept of it as evidence."""
        return f"{self.subject}\n\n{self.text}".encode()


@dataclass(frozen=True, kw_only=True)
class Letters:
    """Writes the letters of one controller.

    `global_limit` is how many confirmations the whole service may send, `kept` the retention table by key,
    `digest(connection, now)` how the week was and how the service stands, None when no week has ended yet, `consents`
    the texts people were asked with.
    """

    controller: Controller
    public_url: str
    sender: str
    tokens: Tokens
    vault: Vault
    forwards: bool
    global_limit: Sequence[Window]
    kept: Mapping[str, Kept]
    digest: Callable[[Connection, datetime], Any]
    consents: KeptConsents

    @cached_property
    def owner(self) -> OwnerLetters:
        """Writer of what goes to the owner."""
        return OwnerLetters(self._write, self.controller.contact_email, self.public_url, self.digest)

    @cached_property
    def requests(self) -> RequestLetters:
        """Writer of what goes to whoever made a request about their data."""
        return RequestLetters(self._write, self.controller, self.public_url, self.kept, self._staying)

    def load(self, connection: Connection, message: Message, now: datetime) -> Letter | Knock | Hold | Nothing:
        """Return the letter of a message, Nothing when its reason has passed, Hold when it must wait.

        A Knock stands for a mail that is not written, so that its message takes the same way.
        """
        if message.kind in owner_letters.KINDS:
            return self.owner.load(connection, message, now)
        if message.kind in account_letters.KINDS:
            return AccountLetters(self._write, self.public_url, self.tokens).load(connection, message)
        if message.kind == departures.ERASED:
            return self._to_erased(connection, message, now)
        if message.kind == ABOUT_REQUEST:
            return self.requests.load(connection, message, now)
        if message.kind == outbox.LIST_DATA:
            return self._to_waiting(connection, message)
        if message.kind == outbox.CONTACT_DATA:
            return self._to_writer(connection, message)
        if _answers_a_form(message) and (held := self._held(connection, message, now)):  # as a confirmation would be
            return held
        if message.kind in outbox.UNSENT:
            return Knock()
        person = _PERSON.row(connection, {"person": message.subscriber_id})
        if person is None:
            return Nothing()
        if message.kind == outbox.CONFIRMATION:
            return self._confirmation(connection, message, person, now)
        if message.kind == outbox.MY_DATA_LINK:
            return self._own_page(message, person)
        if message.kind == outbox.ADDRESS_ASKED:
            return self._move_asked(connection, message, person)
        if message.kind == outbox.ADDRESS_CHANGED:
            return self._move_done(connection, message, person)
        if person.status != "active":
            return Nothing()
        return self._to_active(connection, message, person)

    def record(
        self, connection: Connection, message: Message, letter: Letter | Knock, sent: Delivered, now: datetime
    ) -> None:
        """Append the evidence that a confirmation was handed over (GDPR article 7(1)).

        Its message was settled and its person locked in this transaction: nobody who was erased meanwhile comes here.
        """
        occasion = Occasion(now, "relay", "relay", self.vault, forwards=self.forwards)
        is_confirmation = message.kind == outbox.CONFIRMATION
        if _answers_a_form(message) or (is_confirmation and isinstance(letter, Knock)):
            evidence.append_filler(connection, occasion)
        if not is_confirmation or message.subscriber_id is None or isinstance(letter, Knock) or letter.shown is None:
            return
        occasion = replace(occasion, tech={"message_id": letter.message_id, "smtp_answer": sent.answer})
        core: Payload = {
            "kind": "sent",
            "confirmation": message.confirmation_id,
            "letter": sha256(letter.text.encode()).hexdigest(),
            "texts": {"mail": evidence.keep_text(connection, occasion, letter.shown)},
        }
        evidence.append(connection, occasion, message.subscriber_id, core)

    def _confirmation(
        self, connection: Connection, message: Message, person: Row[Any], now: datetime
    ) -> Letter | Knock | Hold | Nothing:
        ask = _ASK.row(connection, {"ask": message.confirmation_id})
        if ask is None:
            return Nothing()
        recipient, key = (ask.email, ask.email_key) if ask.email else (person.email, person.email_key)
        is_over = asks.standing(ask, person, now) != asks.OPEN or suppression.find(connection, self.vault, key, now)
        if is_over and ask.source == MOVE:  # one that leaves is not noted in the log either
            return Nothing()
        if held := self._held(connection, message, now):
            return held
        if is_over:  # by a newer ask or a refusal, while it waited; two answers to a subscriber go out as well
            return Knock()
        language = languages.language(ask.language)
        url = f"{self.public_url}/confirm/{self.tokens.for_confirmation(ask.id)}?lang={language.code}"
        values: dict[str, Any] = {
            "source": ask.source,
            "is_renewal": person.status == "active" and ask.email is None,
            "asked_on": language.day(day_of(ask.asked_at)),
            "staff_name": ask.staff_name,
            "channel": language.say(statements.CHANNELS[ask.channel]) if ask.channel else None,
            "occasion": ask.occasion,
            "occasion_on": language.day(date.fromisoformat(ask.occasion_on)) if ask.occasion_on else None,
            "confirm_url": url,
            "decline_url": f"{url}#decline",
            "expires_at": language.moment(ask.expires_at),
        }
        values["consent"] = self.consents.find(connection, ask.statement_sha256)
        values["tracking"] = self.consents.find(connection, ask.tracking_sha256) if ask.tracking_sha256 else None
        letter = self._write(message, recipient, language, values)
        if ask.email:  # without an event, which would tell whoever asked that the address is free
            return letter
        self.vault.unwrap(ask.wrapped_key, person.id)  # or it would leave without evidence, and again at each try
        form = self._form(message.kind, language, values)
        return replace(letter, shown=ShownText("mail", language.code, form.content))

    def _held(self, connection: Connection, message: Message, now: datetime) -> Hold | None:
        """Hold an answer to a form back while the whole service has sent as many as it may.

        It counts once, before its first try, whichever relay it leaves from.
        """
        free_at = now if message.counted_at else caps.take(connection, SERVICE, self.global_limit, now)
        if free_at > now:
            self._tell_owner(connection, now)
            return Hold(free_at, LIMIT_REACHED)
        if message.counted_at is None:
            outbox.note_counted(connection, message, now)
        return None

    def _own_page(self, message: Message, person: Row[Any]) -> Letter:
        language = languages.language(person.language)
        return self._write(message, person.email, language, {"my_data_url": self._my_data_url(person)})

    def _to_waiting(self, connection: Connection, message: Message) -> Letter | Nothing:
        """All that is held of somebody on an earlier list who has not been asked yet (GDPR article 15)."""
        waits = connection.execute(select(import_row).where(import_row.c.id == message.import_row_id)).one_or_none()
        if waits is None:
            return Nothing()
        language = languages.language(waits.language)
        values = {
            "email": waits.email,
            "full_name": f"{waits.first_name} {waits.last_name}".strip(),
            "since": language.moment(waits.created_at),
            "kept": self.kept["import_row"],
            "messages": len(contact_messages.from_address(connection, waits.email_key)),
        }
        return self._write(message, waits.email, language, values)

    def _to_writer(self, connection: Connection, message: Message) -> Letter | Nothing:
        """Which contact messages came under an address; what they say is for a mailbox that has shown it is theirs."""
        newest = contact_messages.find(connection, message.contact_message_id)
        if newest is None:
            return Nothing()
        language = languages.language(newest.language)
        came = contact_messages.from_address(connection, newest.email_key)
        values = {
            "messages": [(language.moment(one.received_at), contact_messages.REASONS[one.reason]) for one in came],
            "kept": self.kept[contact_messages.RULE],
        }
        is_theirs = key_of(newest.email) == newest.email_key  # or a mailbox given up since: the new one gets it
        return self._write(message, newest.email if is_theirs else newest.email_key, language, values)

    def _move_asked(self, connection: Connection, message: Message, person: Row[Any]) -> Letter | Nothing:
        ask = connection.execute(select(confirmation).where(confirmation.c.id == message.confirmation_id)).one_or_none()
        if ask is None or ask.email is None or person.open_confirmation_id != ask.id:
            return Nothing()
        language = languages.language(person.language)
        asked_at, url = language.moment(ask.asked_at), self._my_data_url(person)
        values = {"new_email": ask.email, "asked_at": asked_at, "my_data_url": url}
        return self._write(message, person.email, language, values)

    def _move_done(self, connection: Connection, message: Message, person: Row[Any]) -> Letter | Nothing:
        done = address_changes.find(connection, self.vault, person.id, message.confirmation_id)
        if done is None:
            return Nothing()
        language = languages.language(person.language)
        values = {"changed_at": language.moment(done.at)}  # not the new address: the old mailbox may be lost
        return self._write(message, str(done.core["replaces"]), language, values)

    def _my_data_url(self, person: Row[Any]) -> str:
        token = self.tokens.for_my_data(person.id, self.vault.address_mark(person.email_key))
        return f"{self.public_url}/my-data/{token}?lang={person.language}"

    def _to_active(self, connection: Connection, message: Message, person: Row[Any]) -> Letter:
        language = languages.language(person.language)
        url = OwnLinks(self.public_url, self.tokens).url(person.id, language.code)
        [ask] = _AGREED.rows(connection, {"basis": person.basis_event_id})
        values = {
            "first_name": person.first_name,
            "last_name": person.last_name,
            "email": person.email,
            "agreed_at": language.moment(ask.used_at),
            "since": language.moment(person.active_since),
            "source": ask.source,
            "my_data_url": f"{self.public_url}/my-data?lang={language.code}",
            "consent": self.consents.find(connection, ask.statement_sha256),
            "tracking": self._tracking(connection, person),
            "unsubscribe_url": url,
        }
        if message.kind == outbox.WELCOME:  # so each mailbox is a witness of what the log was
            values |= sealer.newest_lines(connection)
        return self._write(message, person.email, language, values)

    def _tracking(self, connection: Connection, person: Row[Any]) -> ConsentText | None:
        """The text by which a person permits to be followed while reading, as their own event names it."""
        told = evidence.story(connection, self.vault, person.id) if person.tracking_event_id else ()
        given = next((event for event in told if event.id == person.tracking_event_id), None)
        texts: Any = given.core["texts"] if given else {}
        return self.consents.find(connection, texts[TRACKING]) if given else None

    def _to_erased(self, connection: Connection, message: Message, now: datetime) -> Letter | Nothing:
        leaving = departures.find(connection, message.departure_id)
        if leaving is None:
            return Nothing()
        values = {
            "there": departures.deletion(connection, leaving),
            "stays": [self.kept[key] for key in departures.staying(connection, self.vault, leaving.email_key, now)],
        }
        return self._write(message, leaving.email, languages.language(leaving.language), values)

    def _staying(self, connection: Connection, email_key: str, now: datetime) -> list[str]:
        return departures.staying(connection, self.vault, email_key, now)

    def digest_text(self, digest: object, language: Language) -> str:
        """A digest as the text of its letter, its subject first."""
        form = self._render(DIGEST, language, self.owner.digest_values(digest))
        return f"{form.subject}\n\n{form.text}"

    def _tell_owner(self, connection: Connection, now: datetime) -> None:
        if allowance.spend(connection, OWNER_TOLD, ONCE_A_DAY, now) <= now:
            outbox.enqueue(connection, outbox.MAIL, OWNER_HELD, now)

    def _write(self, message: Message, to: str, language: Language, values: dict[str, Any]) -> Letter:
        unsubscribe = values["unsubscribe_url"] if message.kind in LIST_MAIL else None
        if message.kind in TO_MANY:
            form = self._form(message.kind, language, values).filled(values)
        else:
            form = self._render(message.kind, language, values)
        words = (form.subject, form.text, form.html)
        return Letter(message.key, self.sender, to, *words, language.code, message.created_at, unsubscribe)

    def _form(self, kind: str, language: Language, values: dict[str, Any]) -> Form:
        """The mail with a mark for each value of one person: it is written once, and kept like this as evidence.

        Values that decide which sentences it has are filled in.
        """
        own = {name for name, value in values.items() if value and isinstance(value, str) and name not in DECIDING}
        known = (kind, language.code, *((name, name if name in own else value) for name, value in values.items()))
        if known not in self._forms:
            marks = {name: f"{{{name}}}" if name in own else value for name, value in values.items()}
            self._forms[known] = self._render(kind, language, marks)
        return self._forms[known]

    @cached_property
    def _forms(self) -> dict[tuple[object, ...], Form]:
        return {}

    def _render(self, kind: str, language: Language, values: dict[str, Any]) -> Form:
        common = {
            "_": language.say,
            "_n": language.count,
            "spoken": language,
            "language": language.code,
            "controller": self.controller,
            "possessive": self.controller.possessive[language.code],  # type: ignore[index]
            "country": self.controller.country[language.code],  # type: ignore[index]
            "look": design.in_mails(self.controller.accent),
            "privacy_url": f"{self.public_url}/privacy?lang={language.code}",
        }
        subject, bodies = "", []
        for shape in ("text", "html"):
            templates = _templates(shape)
            letter = templates.get_template(f"{kind}.jinja")
            content: Any = letter.make_module(common | values | {"pieces": f"pieces.{shape}.jinja"})
            body = Markup(str(content).strip())  # noqa: S704 - it comes out of the same environment, escaped there
            subject = str(content.subject)
            whole = common | {"subject": subject, "why": str(content.why), "content": body}
            bodies.append(templates.get_template(f"letter.{shape}.jinja").render(whole))
        return Form(subject, bodies[0], bodies[1])


def _answers_a_form(message: Message) -> bool:
    """Whether a message answers a form in the place of a confirmation."""
    return message.kind == outbox.NO_ANSWER or (message.kind == outbox.ALREADY and message.confirmation_id is None)


@cache
def _templates(shape: str) -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES / "mail"),
        undefined=StrictUndefined,
        autoescape=shape == "html",  # noqa: S701 - the other shape is plain text, where & is &
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
