"""A whole service in a test: its database, its pages on a real port, a real mail server and a real ActiveCampaign.

`deliver()` does what the relay does, one message after another, until nothing is due.
"""

import base64
import random
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import structlog
from flask import Flask
from sqlalchemy import select
from werkzeug.serving import WSGIRequestHandler, make_server

from consent_service import config, erasure, relay, subscriptions
from consent_service import service as services
from consent_service.activecampaign.pacing import CallBudget
from consent_service.chores import Chores
from consent_service.comparison import drift, runs
from consent_service.comparison.reconcile import Comparison
from consent_service.config import Settings
from consent_service.delivery.outbox import Outcome
from consent_service.delivery.relaying import Channel, Relay, relay_some
from consent_service.ledger import evidence
from consent_service.ledger.evidence import Occasion
from consent_service.models.columns import metadata
from consent_service.models.delivery import outbox_message
from consent_service.models.ledger import consent_event
from consent_service.models.newsletter import confirmation, subscriber
from consent_service.models.staff import access
from consent_service.people import read_address
from consent_service.service import Service
from consent_service.staff import staff_accounts
from consent_service.web import create_app
from tests import made_once
from tests.page import Page
from tests.servers.activecampaign import ActiveCampaign
from tests.servers.smtp import MailServer

DATA_KEY = base64.b64encode(b"data key for tests, 32 bytes ok!").decode()
LOG_KEY = base64.b64encode(b"log key for tests, 32 bytes long").decode()
SECRET = "a secret for tests that is long enough"
CONTROLLER = config.read_controller(config.EXAMPLE_CONTROLLER)
ANSWER = "tests.answer"  # where a request's environment keeps what is sent


class _Silent(WSGIRequestHandler):
    def log_request(self, *_: object, **__: object) -> None:
        pass

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        """Close what was sent to a browser that hung up: Werkzeug's server forgets it, and a file stays open."""
        if environ is not None and ANSWER in environ:
            environ[ANSWER].close()


class Household:
    """One running service with its neighbours."""

    def __init__(self, service: Service, app: Flask, mail: MailServer, contacts: ActiveCampaign, url: str):
        self.app = app
        self.service, self.mail, self.contacts, self.url = service, mail, contacts, url
        self.settings = service.settings
        self.budget = CallBudget(service.transaction, services.now, lambda seconds: False)
        self.relay = Relay("tests", service.transaction, services.now, random.Random(1).random)
        self.channels: list[Channel] = service.channels(self.budget)
        self.lanes = {channel.lane: relay.Lane(self.relay, channel, 0.01) for channel in self.channels}

    def get(self, path: str, http: requests.Session | None = None, **options: object) -> Page:
        session = http or self.http
        return Page(session, session.get(self._at(path), timeout=20, **options))

    def post(self, path: str, data: object = None, http: requests.Session | None = None, **options: object) -> Page:
        session = http or self.http
        return Page(session, session.post(self._at(path), data=data, timeout=20, allow_redirects=False, **options))

    @property
    def http(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.headers["Accept-Language"] = "fi"
        return session

    def deliver(self, at_most: int = 1000) -> list[Outcome]:
        """Run both lanes until nothing is due; the outcomes in order."""
        outcomes = []
        for lane in self.lanes.values():
            while len(outcomes) < at_most:
                outcome = lane.step()
                if outcome is None:
                    break
                outcomes.append(outcome)
        return outcomes

    def do_chores(self) -> None:
        """Do what the relay does besides delivering, once; nothing may stumble."""
        with structlog.testing.capture_logs() as said:
            Chores(self.service, threading.Event()).run()
        assert not [entry for entry in said if entry["log_level"] == "error"], said

    def compare(self, *, applies: bool = True, by_hand: bool = True) -> drift.Summary:
        """Compare with the list at ActiveCampaign once, and return what was found; what follows from it waits."""
        with self.service.transaction() as connection:
            assert runs.begin(connection, services.now(), applies=applies, by_hand=by_hand)
        run = self.carry_out()
        with self.service.reading() as connection:
            return drift.summary(connection, run.id)

    def carry_out(self):
        """Carry out the comparison that waits, as the relay does, and return how it ended."""
        comparison = Comparison(self.service, self.budget, threading.Event())
        *_, run = comparison.run()
        comparison.close()
        return run

    def change_controller(self, **values: object) -> None:
        """Let the controller file say something else, as it does after a restart."""
        object.__setattr__(self.service, "controller", self.service.controller.model_copy(update=values))
        self.service.__dict__.pop("_texts", None)
        self.app.extensions.pop("filled-pages", None)

    def occasion(self, actor: str = "subscriber", door: str = "link") -> Occasion:
        """An occasion, as a door makes it."""
        return self.service.occasion(actor, door)

    def erase(self, email: str, *, tell: bool = True):
        """Erase somebody at their own wish."""
        person = self.person(email).id
        with self.service.transaction() as connection:
            return erasure.erase(connection, self.occasion(), person, "person", tell=tell)

    def object(self, email: str) -> None:
        """Take somebody's objection to marketing."""
        person = self.person(email).id
        with self.service.transaction() as connection:
            subscriptions.object_for_good(connection, self.occasion(), person)

    def close(self) -> None:
        """Close the connections the channels keep open."""
        for channel in self.channels:
            channel.close()

    def add_staff(self, email: str, name: str, password: str, role: str = staff_accounts.OWNER) -> None:
        colleague = staff_accounts.Colleague(read_address(email), name, role, "fi")
        with self.app.app_context(), self.service.transaction() as connection:
            staff_accounts.add(connection, colleague, made_once.password_hash(password), services.now())

    def invited(self, email: str, name: str = "Elina", role: str = staff_accounts.STAFF, code: str = "fi"):
        """The account of somebody just invited."""
        colleague = staff_accounts.Colleague(read_address(email), name, role, code)
        with self.service.transaction() as connection:
            staff_accounts.invite(connection, colleague, services.now())
        return self.account(email)

    def invitation(self, email: str) -> str:
        """The token of the link that somebody just invited gets."""
        account = self.invited(email)
        return self.service.tokens.for_staff(staff_accounts.INVITATION, account.id, account.link_state)

    def looks(self) -> set[str]:
        """The ids of the events that say what somebody of the staff looked at."""
        with self.service.reading() as connection:
            found = select(access.c.event_id, consent_event.c.core_plain).join(consent_event)
            rows = connection.execute(found.where(consent_event.c.core_plain.is_not(None))).all()
        return {row.event_id for row in rows if evidence.read_plain(row.core_plain).payload["kind"] == "looked"}

    def account(self, email: str):
        with self.service.reading() as connection:
            return staff_accounts.find_by_address(connection, read_address(email))

    def person(self, email: str):
        with self.service.reading() as connection:
            return connection.execute(select(subscriber).where(subscriber.c.email_key == email.lower())).one_or_none()

    def status(self, email: str) -> str | None:
        person = self.person(email)
        return person.status if person else None

    def asks(self, email: str):
        with self.service.reading() as connection:
            mine = confirmation.c.subscriber_id == self.person(email).id
            return connection.execute(select(confirmation).where(mine).order_by(confirmation.c.asked_at)).all()

    def story(self, email: str) -> list[evidence.Event]:
        with self.service.reading() as connection:
            return list(evidence.story(connection, self.service.vault, self.person(email).id))

    def kinds(self, email: str) -> list[str]:
        return [str(event.core["kind"]) for event in self.story(email)]

    def messages(self):
        with self.service.reading() as connection:
            return connection.execute(select(outbox_message).order_by(outbox_message.c.id)).all()

    def count(self, table=consent_event) -> int:
        with self.service.reading() as connection:
            return len(connection.execute(select(table)).all())

    def rows(self, table):
        with self.service.reading() as connection:
            return connection.execute(select(table)).all()

    def everything(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of every table, to see whether anything changed; but for the notes of who looked, of which one
        more is no change (decision 022)."""
        looks = self.looks()
        with self.service.reading() as connection:
            return {
                table.name: sorted(
                    (tuple(row) for row in connection.execute(select(table)) if row[0] not in looks), key=repr
                )
                for table in metadata.sorted_tables
            }

    def _at(self, path: str) -> str:
        return path if path.startswith("http") else self.url + path


def settings(database_url: str, **given: object) -> Settings:
    """Settings of a test: everything real, limits wide, no waiting before a form may be sent."""
    usual = {
        "public_url": "http://127.0.0.1:1",
        "database_url": database_url,
        "secret_keys": SECRET,
        "data_keys": DATA_KEY,
        "log_key": LOG_KEY,
        "mail_from": "Keinuma <uutiskirje@keinuma.example>",
        "limit_ip": "off",
        "limit_address": "off",
        "limit_global": "off",
        "form_min_s": 0,
    }
    return Settings(**(usual | given))


NO_ACTIVECAMPAIGN = {"activecampaign_url": "", "activecampaign_token": "", "activecampaign_list_id": None}


@contextmanager
def household(
    folder: Path,
    database_url: str,
    mail: MailServer,
    contacts: ActiveCampaign,
    controller=CONTROLLER,
    called="127.0.0.1",
    **given: object,
):
    """Start a service on a port of its own; everything is stopped again at the end."""
    neighbours = {
        "smtp_url": mail.url,
        "activecampaign_url": contacts.url,
        "activecampaign_token": contacts.token,
        "activecampaign_list_id": contacts.list_id,
    }
    wanted = settings(database_url, **(neighbours | given))
    server = make_server("127.0.0.1", 0, lambda *_: [], threaded=True, request_handler=_Silent)
    url = f"http://{called}:{server.server_port}"
    wanted = wanted.model_copy(update={"public_url": given.get("public_url", url)})
    service = Service(wanted, controller, folder / "var")
    made_once.migrate(service)
    made_once.compile_statements_once(service.engine)
    app = create_app(service)
    made_once.compile_once(app)
    made_once.hash_passwords(app)
    server.app = lambda environ, start: environ.setdefault(ANSWER, app(environ, start))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    house = Household(service, app, mail, contacts, url)
    try:
        yield house
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        house.close()
        service.engine.dispose()


def relay_once(relay: Relay, channel: Channel) -> Outcome | None:
    """Deliver the next due message of a lane and say how it went; None when nothing is due."""
    return next(iter(relay_some(relay, channel, 1)), None)
