"""One running service: what every door needs, built once for each process from the settings.

Holds the engine, the signing and encrypting keys, and the letters. Doors ask it for transactions and texts, so that
none of them builds its own. Must not know a request or a command.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path

from sqlalchemy import Connection, Engine

from consent_service import asks, database, retention, subscriptions
from consent_service import language as languages
from consent_service.activecampaign import bulk_people, held_there
from consent_service.activecampaign.account import Account
from consent_service.activecampaign.account_setup import Wanted
from consent_service.activecampaign.bulk import Bulk
from consent_service.activecampaign.calls import Calls
from consent_service.activecampaign.contacts import BulkLook, Membership
from consent_service.activecampaign.holdings import Reader
from consent_service.activecampaign.listing import Listing
from consent_service.activecampaign.own_link import OwnLinks
from consent_service.activecampaign.pacing import CallBudget, Unpaced
from consent_service.bell import Bell
from consent_service.config import VAR, Settings
from consent_service.controller import Controller
from consent_service.delivery import outbox
from consent_service.delivery.batches import BatchChannel
from consent_service.delivery.letters import Letters
from consent_service.delivery.mail import FolderMail, SmtpMail
from consent_service.delivery.relaying import Channel
from consent_service.language import Language
from consent_service.ledger import key_changes, sealer, timestamps
from consent_service.ledger.anchors import ANCHORS, Anchors
from consent_service.ledger.checkpoint import Checkpoint, Signer, Verifiers
from consent_service.ledger.evidence import KeptConsents, Occasion
from consent_service.ledger.vault import Vault
from consent_service.limits import allowance
from consent_service.limits.allowance import Window
from consent_service.limits.proof_of_work import ProofOfWork, free_forms
from consent_service.limits.rate_limit import RateLimit
from consent_service.notices import cookie_notice, privacy, statements
from consent_service.notices.cookie_notice import Notice
from consent_service.notices.privacy import Sources
from consent_service.notices.statements import ConsentText, ShownText, Terms
from consent_service.rights.consent_record import Place
from consent_service.rights.data_package import Origin
from consent_service.tokens import Tokens
from consent_service.watch import digest

MAIL_FOLDER = VAR / "mail"
MAILS_AT_ONCE = 16
CONTACTS_AT_ONCE = 4  # two calls each, and four calls are allowed in a second


@dataclass(frozen=True, kw_only=True)
class Texts:
    """What is shown today in one language."""

    consent: ConsentText
    tracking: ConsentText
    privacy: ShownText


@dataclass(frozen=True)
class Service:
    """Settings, controller and the folder for what must lie outside the database, with everything made from them."""

    settings: Settings
    controller: Controller
    folder: Path = VAR

    @cached_property
    def engine(self) -> Engine:
        """The database."""
        return database.make_engine(self.settings.database_url)

    @cached_property
    def tokens(self) -> Tokens:
        """Signer and reader of links and form tokens."""
        return Tokens(self.settings.secret_keys)

    @cached_property
    def vault(self) -> Vault:
        """Keeper of people's keys."""
        return Vault(self.settings.data_keys)

    @cached_property
    def signer(self) -> Signer:
        """Signer of the log's checkpoints, with the newest key."""
        return Signer.named_after_key(self.settings.log_key[0])

    @cached_property
    def former_signers(self) -> tuple[Signer, ...]:
        """The log's older keys, newest first."""
        return tuple(Signer.named_after_key(key) for key in self.settings.log_key[1:])

    @cached_property
    def verifiers(self) -> Verifiers:
        """Checker of the log's checkpoints, with every key in the settings."""
        return Verifiers([Signer.named_after_key(key).verifier for key in self.settings.log_key])

    @cached_property
    def anchors(self) -> Anchors:
        """The checkpoints kept outside the database."""
        return Anchors(self.folder / ANCHORS)

    @cached_property
    def bell(self) -> Bell:
        """What wakes a relay on this machine."""
        return Bell(self.folder / "bell")

    @cached_property
    def letters(self) -> Letters:
        """Writer of mails."""
        return Letters(
            controller=self.controller,
            public_url=self.settings.public_url,
            sender=self.settings.mail_from,
            tokens=self.tokens,
            vault=self.vault,
            forwards=self.forwards,
            global_limit=self.global_limit,
            kept=retention.BY_KEY,
            digest=partial(digest.finished, forwards=self.forwards),
            consents=self.consents,
        )

    @cached_property
    def consents(self) -> KeptConsents:
        """The texts people were asked with."""
        return KeptConsents()

    @cached_property
    def global_limit(self) -> tuple[Window, ...]:
        """How much the whole service may send."""
        return allowance.windows(self.settings.limit_global)

    @cached_property
    def proof_of_work(self) -> ProofOfWork:
        """Maker and checker of what a form costs while unusually many are sent."""
        free = RateLimit(self.settings.redis_url, free_forms(self.global_limit))
        return ProofOfWork(self.settings.secret_keys, self.tokens, free)

    @cached_property
    def own_links(self) -> OwnLinks:
        """Maker of the links people leave with out of the newsletter."""
        return OwnLinks(self.settings.public_url, self.tokens)

    @cached_property
    def address_limit(self) -> tuple[Window, ...]:
        """How often one address may be written to."""
        return asks.address_windows(self.settings.limit_address)

    @property
    def forwards(self) -> bool:
        """Whether ActiveCampaign is configured; if not, its messages wait."""
        return bool(self.settings.activecampaign_url)

    def occasion(self, actor: str, door: str) -> Occasion:
        """The occasion of what is done now, by whom and through which door, for doors off the web."""
        return Occasion(now(), actor, door, self.vault, forwards=self.forwards)

    @contextmanager
    def transaction(self, *, lasting: bool = True, single: bool = False) -> Iterator[Connection]:
        """One transaction that may write; the relay is woken if it leaves something to deliver.

        A power cut may undo one that is not `lasting`, or is for a `single` statement.
        """
        with database.transaction(self.engine, lasting=lasting, single=single) as connection:
            lanes = outbox.due_at_once(connection)
            yield connection
        if lanes:
            self.bell.ring(lanes)

    def reading(self) -> AbstractContextManager[Connection]:
        """Read only; questions that have to see one moment need a `snapshot`."""
        return database.reading(self.engine)

    def snapshot(self) -> AbstractContextManager[Connection]:
        """One transaction that only reads, and sees one moment however many questions it asks."""
        return database.snapshot(self.engine)

    def consent_text(self, language: Language) -> ConsentText:
        """The consent text of today in a language."""
        return self._texts[language.code].consent

    def tracking_text(self, language: Language) -> ConsentText:
        """Today's text about following what a subscriber reads, in a language."""
        return self._texts[language.code].tracking

    @property
    def privacy_sources(self) -> Sources:
        """What the privacy statement is written from."""
        return Sources(self.controller, retention.RULES, self.settings.evidence_ip)

    def privacy_text(self, language: Language) -> ShownText:
        """The privacy statement of today in a language."""
        return self._texts[language.code].privacy

    def cookie_notice(self, language: Language) -> Notice:
        """What visitors of the web site are told about its cookies today, in a language."""
        return cookie_notice.notice(language, self.controller)

    @cached_property
    def _texts(self) -> dict[str, Texts]:
        """By the code of a language; they change with the program and the controller file alone."""
        spoken = [languages.language(code) for code in languages.CODES]
        return {
            one.code: Texts(
                consent=statements.consent(one, self.controller),
                tracking=statements.tracking(one, self.controller),
                privacy=privacy.statement(one, self.privacy_sources),
            )
            for one in spoken
        }

    def terms(self, language: Language) -> Terms:
        """What a person who is asked today is asked on."""
        consent = self.consent_text(language).shown
        return Terms(consent, self.privacy_text(language), self.controller.purpose_version)

    def terms_in(self, code: str) -> Terms:
        """What a person who is asked today is asked on, in the language of a code."""
        return self.terms(languages.language(code))

    def origin(self) -> Origin:
        """Where a person's data comes from, as it is said in the file they get."""
        return Origin(Place(self.controller, self.settings.public_url), self.verifiers, self.forwards)

    def seal(self) -> Checkpoint | None:
        """Seal what waits and keep each checkpoint outside the database too; raises SealRefused.

        With a new key, the note by which the old one hands over to it is sealed before anything that comes later.
        """
        if self.former_signers:
            with self.transaction() as connection:
                occasion = self.occasion("relay", "relay")
                key_changes.announce(connection, occasion, self.signer, self.former_signers)
        found, newest = None, self._seal_some()
        while newest is not None:
            found, newest = newest, self._seal_some()
        return found

    def _seal_some(self) -> Checkpoint | None:
        with self.transaction() as connection:
            sealed = sealer.seal(connection, (self.signer, *self.former_signers), self.anchors, now())
        with self.transaction() as connection:
            sealer.anchor(connection, self.signer, self.anchors)
        return sealed

    def stamp(self) -> None:
        """Have the newest checkpoint time-stamped, unless it is already; raises StampRefused."""
        roots = timestamps.read_roots(self.settings.tsa_root_file or Path())
        with self.reading() as connection:
            newest = sealer.newest(connection)
        if newest is None or newest.timestamp_token is not None:
            return
        token = timestamps.stamp(self.settings.tsa_url, roots, newest.note)
        with self.transaction() as connection:
            sealer.keep_stamp(connection, newest.size, token)

    def mailer(self) -> SmtpMail | FolderMail:
        """A new hand-over for letters: the SMTP server, or the folder that development reads mail from."""
        return SmtpMail(self.settings.smtp_url) if self.settings.smtp_url else FolderMail(MAIL_FOLDER)

    def calls(self, budget: CallBudget | Unpaced) -> Calls:
        """A new line to ActiveCampaign."""
        return Calls(self.settings.activecampaign_url, self.settings.activecampaign_token, budget)

    def account(self, calls: Calls) -> Account:
        """What is done with single contacts over a line to ActiveCampaign; only when it is configured."""
        return Account(calls, self.list_id)

    def listing(self, calls: Calls) -> Listing:
        """The whole list, read over a line to ActiveCampaign; only when it is configured."""
        return Listing(calls, self.list_id)

    def wanted_there(self) -> Wanted:
        """What the account at ActiveCampaign has to have; only when it is configured."""
        place = f"{self.settings.public_url}/webhooks/activecampaign/"
        return Wanted(self.list_id, place, self.settings.activecampaign_webhook_secret)

    @property
    def list_id(self) -> int:
        """The number of the list this service fills; only when ActiveCampaign is configured."""
        if self.settings.activecampaign_list_id is None:
            raise ValueError("ActiveCampaign is not configured")
        return self.settings.activecampaign_list_id

    def _left_there(self, connection: Connection, subscriber_id: str, found: Membership, at: datetime) -> None:
        occasion = replace(self.occasion("activecampaign", subscriptions.THERE), now=at)
        subscriptions.leave_there(connection, occasion, subscriber_id, found)

    def channels(self, budget: CallBudget) -> list[Channel]:
        """The lanes that can be delivered, each with its channel."""
        mailer = self.mailer()
        mail = Channel(
            outbox.MAIL,
            self.letters.load,
            mailer.deliver,
            self.letters.record,
            mailer.close,
            at_once=MAILS_AT_ONCE,
            load_lasts=False,
        )
        if not self.forwards:
            return [mail]
        return [mail, self._forwarding(budget), self._access(budget)]

    def _forwarding(self, budget: CallBudget) -> BatchChannel:
        calls = self.calls(budget)
        account, bulk = self.account(calls), Bulk(calls, self.list_id, budget.for_bulk())
        return BatchChannel(
            outbox.ACTIVECAMPAIGN,
            partial(bulk_people.load, self.vault, self.own_links),
            lambda parcel: bulk.look(parcel) if isinstance(parcel, BulkLook) else account.deliver(parcel),
            partial(bulk_people.record, self._left_there),
            account.close,
            mend=partial(bulk_people.mend, self.vault),
            at_once=CONTACTS_AT_ONCE,
            may_join=bulk_people.may_join(),
            load_all=partial(bulk_people.load_all, self.own_links),
            deliver_all=bulk.deliver,
            handed=bulk_people.handed,
        )

    def _access(self, budget: CallBudget) -> Channel:
        reader = Reader(self.calls(budget), budget)
        load, record = partial(held_there.load, self.vault), partial(held_there.record, self.vault)
        return Channel(outbox.ACCESS, load, reader.deliver, record, reader.close)


def now() -> datetime:
    """The clock, for doors only."""
    return datetime.now(UTC)
