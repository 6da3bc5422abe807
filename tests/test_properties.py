"""Random lives of a few people, with crashes between any two steps: ten things stay true whatever happens.

The seed is fixed so that every run walks the same ways; `make soak` walks new ones and prints a failing one.
"""

import contextlib
import shutil
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import func, select

from consent_service import asks, corrections, erasure, subscriptions
from consent_service.activecampaign import departures, forwarding
from consent_service.activecampaign.pacing import CallBudget
from consent_service.asks import Ask, LinkDead, LinkExpired, StaffRequest
from consent_service.delivery.relaying import Relay
from consent_service.language import language
from consent_service.ledger import evidence, replay
from consent_service.models.delivery import outbox_message
from consent_service.models.newsletter import confirmation, departure, subscriber
from consent_service.notices import statements
from consent_service.people import read_address
from consent_service.service import Service
from consent_service.subscriptions import Asked
from tests import household, made_once
from tests.servers.activecampaign import ActiveCampaign
from tests.servers.smtp import MailServer

PEOPLE = st.sampled_from(("aino", "eero"))
CRASH = st.sampled_from((None, None, None, 0, 1, 2, 3))  # after how many transaction edges, if at all
AGE = st.sampled_from((1, 1, 1, 2, 3))  # which of a person's links they press: mostly the newest
BEGINNING = datetime(2026, 11, 24, 10, tzinfo=UTC)
FINNISH = language("fi")


class Crash(BaseException):
    """kill -9, as far as one thread can tell."""


class World:
    """The servers that all walks of a test share, and a folder for their databases."""

    def __init__(self, folder: Path):
        self.folder, self.walks = folder, 0
        self.mail, self.contacts = MailServer(), ActiveCampaign()
        self.contacts.rate_limit = None


class Lives(RuleBasedStateMachine):
    """One walk. `world` is set on a subclass by the test."""

    world: World

    def __init__(self):
        super().__init__()
        self.world.walks += 1
        self.number = self.world.walks
        path = self.world.folder / f"walk{self.number}.db"
        self.service = Service(
            household.settings(
                f"sqlite:///{path}", smtp_url=self.world.mail.url, activecampaign_url=self.world.contacts.url,
                activecampaign_token=self.world.contacts.token, activecampaign_list_id=self.world.contacts.list_id,
            ),
            household.CONTROLLER,
        )  # fmt: skip
        made_once.migrate(self.service)
        made_once.compile_statements_once(self.service.engine)
        self.now, self.crash_after, self.relays, self.stumbles = BEGINNING, None, 0, 0
        self.channels = self.service.channels(CallBudget(self.transaction, self.clock, lambda _: False))
        self.ends = {"aino": "com", "eero": "com"}  # where each person's mailbox is: they move between two
        self.ever_confirmed, self.acknowledged, self.dead_links, self.left_there = set(), set(), set(), set()
        self.world.contacts.clock = lambda: self.now

    # --- the world around the walk

    def clock(self):
        self.now += timedelta(milliseconds=7)
        return self.now

    @contextlib.contextmanager
    def transaction(self, **how):
        self.maybe_crash()
        with self.service.transaction(**how) as connection:
            yield connection
            self.maybe_crash()
        self.maybe_crash()

    def maybe_crash(self):
        if self.crash_after is not None:
            self.crash_after -= 1
            if self.crash_after < 0:
                self.crash_after = None
                raise Crash

    @contextlib.contextmanager
    def crashing(self, after):
        self.crash_after = after
        try:
            yield
        except Crash:
            pass
        finally:
            self.crash_after = None

    def address(self, name):
        return read_address(f"{name}.{self.number}@example.{self.ends[name]}")

    def occasion(self, actor="subscriber"):
        return replace(self.service.occasion(actor, "link"), now=self.clock(), tech={"ip": "192.0.2.0/24"})

    def person(self, name):
        with self.service.reading() as connection:
            key = self.address(name).key
            return connection.execute(select(subscriber).where(subscriber.c.email_key == key)).one_or_none()

    def mailed(self, name):
        """Every confirmation a person has a mail about, oldest first."""
        links = [link for mail in self.world.mail.to(self.address(name).email) for link in mail.links]
        tokens = [link.split("/confirm/")[1].partition("?")[0] for link in links if "/confirm/" in link]
        return list(dict.fromkeys(self.service.tokens.read_confirmation(token) for token in tokens))

    def ask(self, name, staff=None):
        return Ask(
            address=self.address(name), first_name=name.title(), last_name="Mäkelä", language="fi",
            terms=self.service.terms(FINNISH), staff=staff,
        )  # fmt: skip

    # --- what people do

    @rule(name=PEOPLE, crash=CRASH)
    def subscribe(self, name, crash):
        before = self.person(name)
        with self.crashing(crash):
            with self.transaction() as connection:
                result = subscriptions.request(connection, self.occasion("visitor"), self.ask(name), ())
            if isinstance(result, Asked):
                self.acknowledged.add(self.person(name).open_confirmation_id)
        if before is not None and before.status != "pending":
            assert self.person(name).status == before.status, "an ask alone changes nobody's status"

    @rule(name=PEOPLE)
    def add_by_staff(self, name):
        how = StaffRequest("s1", "Heidi", "meeting", "valmennuspäivä", self.now.date())
        with self.transaction() as connection:
            subscriptions.add_by_staff(connection, self.occasion("staff:s1"), self.ask(name, how), ())

    @rule(name=PEOPLE, crash=CRASH, age=AGE)
    def confirm(self, name, crash, age):
        if not (links := self.mailed(name)):
            return
        link = links[-min(age, len(links))]
        before, page = self.person(name), statements.confirm(FINNISH, self.service.consent_text(FINNISH))
        done = False
        with self.crashing(crash), contextlib.suppress(LinkDead, LinkExpired), self.transaction() as connection:
            subscriptions.confirm(connection, self.occasion(), asks.find(connection, link), page, tracks=True)
            done = True
        after = self.person(name)
        if after and after.status == "active" and before.status != "active":
            assert link == before.open_confirmation_id, "only the newest ask makes anybody active"
            assert link not in self.dead_links, "a link from before leaving or declining is dead"
            self.ever_confirmed.add(self.address(name).email)
        assert done or after == before

    @rule(name=PEOPLE, crash=CRASH)
    def leave(self, name, crash):
        if (person := self.person(name)) is None:
            return
        links = self.mailed(name)
        with self.crashing(crash), self.transaction() as connection:
            subscriptions.unsubscribe(connection, self.occasion(), person.id)
        if self.person(name).status == "passive":
            self.dead_links.update(links)

    @rule(name=PEOPLE, age=AGE)
    def decline(self, name, age):
        if not (links := self.mailed(name)):
            return
        link = links[-min(age, len(links))]
        with contextlib.suppress(LinkDead), self.transaction() as connection:
            subscriptions.decline(connection, self.occasion(), link)
            self.dead_links.add(link)

    @rule(name=PEOPLE)
    def come_back(self, name):
        if (person := self.person(name)) is None:
            return
        terms = self.service.terms(FINNISH)
        with self.transaction() as connection:
            subscriptions.ask_again(connection, self.occasion(), person.id, terms, ())

    @rule(name=PEOPLE, crash=CRASH, tell=st.booleans())
    def erase(self, name, crash, tell):
        if (person := self.person(name)) is None:
            return
        with self.crashing(crash), self.transaction() as connection:
            erasure.erase(connection, self.occasion(), person.id, "person", tell=tell)

    @rule(name=PEOPLE, first=st.sampled_from(("Aino", "Eero", "Anni")))
    def correct_name(self, name, first):
        if (person := self.person(name)) is not None:
            with self.transaction() as connection:
                free_at = corrections.correct_name(connection, self.occasion(), person.id, first, "Mäki")
            assert self.person(name).first_name == (first if free_at is None else person.first_name)

    @rule(name=PEOPLE, crash=CRASH)
    def move(self, name, crash):
        if (person := self.person(name)) is None or person.status != "active":
            return
        here, there = self.ends[name], {"com": "org", "org": "com"}[self.ends[name]]
        self.ends[name] = there
        new, terms = self.address(name), self.service.terms(FINNISH)
        with self.transaction() as connection:
            corrections.request_move(connection, self.occasion(), person.id, new, terms, ())
        self.relay_works()
        page = statements.confirm(FINNISH, self.service.consent_text(FINNISH), is_move=True)
        with self.crashing(crash), contextlib.suppress(LinkDead), self.transaction() as connection:
            link = (self.mailed(name) or [""])[-1]
            subscriptions.confirm(connection, self.occasion(), asks.find(connection, link), page, tracks=True)
        if self.person(name) is None:
            self.ends[name] = here
        else:
            assert self.person(name).id == person.id
            self.ever_confirmed.add(new.email)

    @rule(name=PEOPLE)
    def leave_there(self, name):
        """By the newsletter's own link, some time after confirming; ActiveCampaign tells of it once."""
        person, there = self.person(name), self.world.contacts
        if person is None or person.status != "active" or there.status_of(person.email) != 1:
            return
        self.now += timedelta(minutes=1)
        there.set_status(person.email, 2)
        self.left_there.add(person.basis_event_id)
        with self.transaction() as connection:
            forwarding.look_at(connection, there.contacts[person.email].id, person.email, self.clock())

    # --- what the relay does, and how it dies

    @rule(lane=st.integers(0, 1), crash=CRASH, effect_first=st.booleans())
    def relay_dies(self, lane, crash, effect_first):
        def dying(parcel):
            outcome = self.channels[lane].deliver(parcel) if effect_first else None
            self.maybe_crash()
            return outcome or self.channels[lane].deliver(parcel)

        with self.crashing(crash):
            self.step(replace(self.channels[lane], deliver=dying))

    @rule()
    def relay_works(self):
        for channel in self.channels:
            for _ in range(5):
                self.step(channel)

    @rule(crash=CRASH)
    def relay_tidies_up(self, crash):
        with self.crashing(crash), self.transaction() as connection:
            departures.settle(connection, departures.settled(connection, self.clock(), "", 1000)[0], self.clock())

    @rule(name=PEOPLE, crash=CRASH)
    def the_whole_job(self, name, crash):
        self.subscribe(name, None)
        self.relay_works()
        self.confirm(name, crash, 1)

    @rule(span=st.sampled_from((timedelta(seconds=20), timedelta(hours=3), timedelta(days=4))))
    def time_passes(self, span):
        self.now += span

    @precondition(lambda self: self.stumbles < 6)  # twelve in a row would rightly end in a dead letter
    @rule(kind=st.sampled_from(("500", "429", "403", "reset", "cut")), when=st.sampled_from(("before", "after")))
    def activecampaign_stumbles(self, kind, when):
        self.stumbles += 1
        self.world.contacts.fault(kind, when=when)

    @precondition(lambda self: self.stumbles < 6)
    @rule()
    def mail_server_cuts_the_line(self):
        self.stumbles += 1
        self.world.mail.cut_after_accept()

    def step(self, channel):
        self.relays += 1  # a fresh name each time: whoever starts again is another relay
        relay = Relay(f"relay{self.relays}", self.transaction, self.clock, lambda: 0.5)
        return household.relay_once(relay, channel)

    # --- what stays true

    @invariant()
    def nobody_is_active_without_a_used_confirmation(self):
        with self.service.reading() as connection:
            rows = connection.execute(
                select(subscriber.c.id, confirmation.c.used_at)
                .join_from(subscriber, confirmation, confirmation.c.used_event_id == subscriber.c.basis_event_id,
                           isouter=True)
                .where(subscriber.c.status == "active")
            ).all()  # fmt: skip
        assert all(row.used_at is not None for row in rows)

    @invariant()
    def nobody_unconfirmed_is_known_at_activecampaign(self):
        mine = {email for email in self.world.contacts.contacts if f".{self.number}@" in email}
        assert mine <= self.ever_confirmed

    @invariant()
    def the_tables_are_what_the_events_tell(self):
        with self.service.reading() as connection:
            for person in connection.execute(select(subscriber)).all():
                told = replay.person(list(evidence.story(connection, self.service.vault, person.id)))
                assert {name: getattr(person, name) for name in replay.COLUMNS} == told

    @invariant()
    def one_confirmation_gives_one_event_and_its_messages(self):
        with self.service.reading() as connection:
            used = connection.execute(
                select(func.count()).select_from(confirmation).where(confirmation.c.used_at.is_not(None))
            ).scalar_one()
            welcomes = connection.execute(
                select(func.count()).select_from(outbox_message).where(outbox_message.c.kind == "welcome")
            ).scalar_one()
            events = [
                event.core["kind"]
                for (person_id,) in connection.execute(select(subscriber.c.id)).all()
                for event in evidence.story(connection, self.service.vault, person_id)
            ]
        assert events.count("confirmed") == used == welcomes

    def teardown(self):
        self.world.contacts.clear_faults()
        self.world.mail.clear_faults()  # else what one walk left over would fall upon a later one
        for channel in (*self.channels, self.channels[0]):  # who was erased is written to after ActiveCampaign
            for _ in range(400):
                if self.step(channel) is None:
                    self.now += timedelta(hours=35)
                    if self.step(channel) is None:
                        break
        with self.service.transaction() as connection:
            departures.settle(connection, departures.settled(connection, self.now, "", 1000)[0], self.now)
        self.everything_has_arrived()
        for channel in self.channels:
            channel.close()
        self.service.engine.dispose()

    def everything_has_arrived(self):
        with self.service.reading() as connection:
            undone = outbox_message.c.done_at.is_(None)
            assert connection.execute(select(outbox_message).where(undone)).all() == []
            assert connection.execute(select(departure)).all() == [], "no address of anybody erased is left"
            people = connection.execute(select(subscriber)).all()
            expired = confirmation.c.expires_at <= self.now
            late = set(connection.execute(select(confirmation.c.id).where(expired)).scalars())
        known = {email for email in self.world.contacts.contacts if f".{self.number}@" in email}
        assert known <= {person.email for person in people if person.active_since}, (
            "whoever was erased is gone there too, and nobody is there twice"
        )
        active_on = {person.basis_event_id for person in people if person.status == "active"}
        assert not active_on & self.left_there, "whoever left there is active only on a newer confirmation"
        for person in people:
            there = self.world.contacts.status_of(person.email)
            assert there == (1 if person.status == "active" else there and 2), (person.status, there)
            mailed = self.mailed(person.email.partition(".")[0])
            open_ask = person.open_confirmation_id
            assert open_ask not in self.acknowledged or open_ask in mailed or open_ask in late


@pytest.fixture(scope="module")
def world():
    folder = Path(tempfile.mkdtemp(prefix="walks-"))
    made = World(folder)
    with made.mail, made.contacts:
        yield made
    shutil.rmtree(folder, ignore_errors=True)


def walk(world, **options):
    class InThisWorld(Lives):
        pass

    InThisWorld.world = world
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        InThisWorld, settings=settings(deadline=None, database=None, suppress_health_check=quiet, **options)
    )


def test_ten_things_stay_true_whatever_happens(world):
    walk(world, max_examples=20, stateful_step_count=40, derandomize=True)


@pytest.mark.soak
def test_ten_things_stay_true_for_a_long_time(world):
    walk(world, max_examples=1500, stateful_step_count=60, print_blob=True)
