"""kill -9 at random moments amid every other trouble: what was acknowledged is kept, and nothing is doubled.

Nobody is named at ActiveCampaign who did not confirm. What befalls the house: calamity.py.
"""

import contextlib
import json
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import requests
from sqlalchemy.exc import DBAPIError

from consent_service import service as services
from consent_service.delivery import outbox
from tests import postgres, small_disk
from tests.actors import CONFIRM, Visitor, fi
from tests.calamity import Calamity
from tests.conftest import DATABASES
from tests.processes import running

SUBSCRIBED, UNSUBSCRIBED = 1, 2
PATIENCE_S = 600  # for each thing a person waits for, through everything that happens meanwhile
IMPATIENT_S = 5
LEAST = 3  # people of each life, however soon it is over
DRAINED_S = 300  # a message tried in vain at the last moment waits two minutes
MOST_S = 1  # for each message that waits beside it: four calls at most, of which ActiveCampaign takes four a second
WALKS = ("stays", "leaves", "never confirms", "looks", "comes back")


class Life(threading.Thread):
    """People who come one after another until it is over, noting only what was acknowledged."""

    def __init__(self, house, number: int, over: threading.Event):
        super().__init__(name=f"life{number}")
        self.house, self.number, self.over = house, number, over
        self.acknowledged = 0
        self.ended: dict[str, str] = {}
        self.confirmed: Counter[str] = Counter()
        self.left: Counter[str] = Counter()

    def run(self):
        turn = 0
        while not self.over.is_set() or turn < LEAST:
            walk = WALKS[(turn + self.number) % len(WALKS)]
            visitor = Visitor(self.house, f"p{self.number}.{turn}@{walk.replace(' ', '-')}.example")
            self._walk(visitor, walk)
            self.ended[visitor.email] = walk
            turn += 1

    def _walk(self, visitor, walk):
        self._until_acknowledged(visitor.subscribe)
        if walk == "never confirms":
            return
        self._confirm(visitor)
        if walk in ("leaves", "comes back"):
            self._until(lambda: visitor.has_link("unsubscribe"))
            self._until_acknowledged(visitor.leave)
            self.left[visitor.email] += 1
        if walk == "looks":
            self._until_acknowledged(lambda: self._ask_for_own_page(visitor))
            self._until(lambda: visitor.has_link("my-data"))
            self._until_acknowledged(lambda: self.house.get(visitor.link("my-data"), visitor.http))
        if walk == "comes back":
            old = visitor.link("confirm")
            self._until_acknowledged(visitor.subscribe)
            self._until(lambda: visitor.link("confirm") != old)
            self._confirm(visitor)

    def _ask_for_own_page(self, visitor):
        page = self.house.get("/my-data?lang=fi", visitor.http)
        return page.press(fi("Send me the link"), email=visitor.email)

    def _confirm(self, visitor):
        """Whoever gets no mail for a while fills in the form again."""
        asked_at = time.monotonic()
        while not (visitor.has_link("confirm") and self._acknowledged(lambda: self._press(visitor))):
            if time.monotonic() > asked_at + IMPATIENT_S:
                self._until_acknowledged(visitor.subscribe)
                asked_at = time.monotonic()
            time.sleep(0.05)
        self.confirmed[visitor.email] += 1

    def _press(self, visitor):
        """Press the button; whoever's answer was lost sees on opening the link again that they had been heard."""
        page = self.house.get(visitor.link("confirm"), visitor.http)
        return page if fi("Your subscription is confirmed") in page.words else page.press(CONFIRM)

    def _until_acknowledged(self, act):
        self._until(lambda: self._acknowledged(act))

    def _until(self, holds):
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, "what is not acknowledged must not be counted as if it were"
            time.sleep(0.05)

    def _acknowledged(self, act) -> bool:
        try:
            done = act().status == 200
        except (requests.RequestException, AssertionError):  # no answer, or an error page where the form should be
            return False
        self.acknowledged += done
        return done


def hurry(house, drained: threading.Event) -> None:
    """Let the time pass that a message waits after a try in vain: minutes at first, and then hours."""
    while not drained.wait(0.3):
        with contextlib.suppress(DBAPIError), house.service.transaction() as connection:
            for lane in outbox.LANES:
                outbox.hasten(connection, lane, services.now())


def live_through(house, calamity, kills: int, lives: int):
    over, drained = threading.Event(), threading.Event()
    people = [Life(house, number, over) for number in range(lives)]
    hurrying = threading.Thread(target=hurry, args=(house, drained))
    for thread in people if calamity.is_long else (*people, hurrying):
        thread.start()
    try:
        calamity.befall(kills, lambda: sum(life.acknowledged for life in people))
        calamity.end()
        over.set()
        if calamity.is_long:
            hurrying.start()
        for life in people:
            life.join()
        patience_s = DRAINED_S + MOST_S * undone(house)
        house.wait_for(lambda: not undone(house), "everything is delivered by itself", patience_s)
    finally:
        over.set()
        drained.set()
    return people


def undone(house) -> int:
    messages = house.messages()
    assert not [message for message in messages if message.dead_at]
    return sum(message.done_at is None for message in messages)


def check(house, people, calamity):
    ended = {email: walk for life in people for email, walk in life.ended.items()}
    confirmed, left = (
        sum((life.confirmed for life in people), Counter()),
        sum((life.left for life in people), Counter()),
    )
    for email, walk in ended.items():
        is_active = walk in ("stays", "looks", "comes back")
        wanted = "pending" if walk == "never confirms" else "active" if is_active else "passive"
        assert house.mail.to(email), f"{email} was promised a mail"
        assert house.status(email) == wanted, email
        kinds = house.kinds(email)
        assert kinds.count("confirmed") == confirmed[email] and kinds.count("withdrawn") == left[email], email
        place = house.contacts.status_of(email)
        assert place == SUBSCRIBED if is_active else place in (None, UNSUBSCRIBED), email
    named = " ".join(f"{call.path} {json.dumps(call.body)}" for call in house.contacts.calls).lower()
    assert "never-confirms.example" not in named, "nobody is named there who did not confirm"
    made = [call for call in house.contacts.calls if call.name in ("sync", "create") and call.status == 201]
    assert len(made) <= len(house.contacts.contacts), "one contact for each person, however often it was tried"
    return ended, check_mails(house, calamity)


def check_mails(house, calamity):
    ids = Counter(str(mail.message["Message-ID"]) for mail in house.mail.mails)
    doubled = sum(times - 1 for times in ids.values())
    assert doubled <= calamity.total, "a mail is sent again only when something came between it and its record"
    assert len(ids) <= sum(message.lane == "mail" for message in house.messages()), "again with the same Message-ID"
    return doubled


@contextlib.contextmanager
def endangered(kind: str, folder, mail, contacts):
    """A running service that may be cut off from everything: its disk, or its own PostgreSQL."""
    with contextlib.ExitStack() as stack:
        if kind == "sqlite":
            disk = stack.enter_context(small_disk.mounted(folder / "disk", "96m"))
            place, cluster, url = disk or folder, None, f"sqlite:///{disk or folder}/consent.db"
        else:
            disk, place = None, folder
            open_to_its_user = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="consent-pg-")))
            open_to_its_user.chmod(0o755)
            cluster = open_to_its_user / "cluster"
            url = stack.enter_context(postgres.cluster(cluster))
            postgres.keep_every_commit(url)
        yield stack.enter_context(running(place, url, mail, contacts, relays=2, seal_every_s=1)), disk, cluster


def survive(kind, folder, mail, contacts, *, seed, kills, lives, is_long, say):
    began = time.monotonic()
    with endangered(kind, folder, mail, contacts) as (house, disk, cluster):
        calamity = Calamity(house, seed, is_long=is_long, disk=disk, cluster=cluster)
        say(f"\n{kind}, seed {seed}: {kills} kills of {lives} lives at once" + ("" if disk or cluster else "; no disk"))
        people = live_through(house, calamity, kills, lives)
        ended, doubled = check(house, people, calamity)
        audit = house.run("audit")
        assert audit.returncode == 0, audit.stdout
        assert house.stop() == (0, 0, 0)
    say(f"{len(ended)} people, {Counter(ended.values())}, {doubled} mails twice, {time.monotonic() - began:.0f} s")
    say(f"{calamity.counts}")


@pytest.mark.parametrize("kind", DATABASES)
def test_what_was_acknowledged_outlives_kills_and_troubles(kind, tmp_path, mail, contacts):
    survive(kind, tmp_path, mail, contacts, seed=7, kills=3, lives=3, is_long=False, say=print)


@pytest.mark.soak
@pytest.mark.parametrize("kind", DATABASES)
def test_fifty_kills(kind, tmp_path, mail, contacts, capsys):
    with capsys.disabled():
        survive(kind, tmp_path, mail, contacts, seed=11, kills=50, lives=8, is_long=True, say=print)
