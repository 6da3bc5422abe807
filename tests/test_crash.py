"""kill -9 at random moments under load: what was acknowledged is kept, and nothing is doubled at ActiveCampaign."""

import random
import threading
import time
from collections import Counter

import pytest
import requests

from tests.actors import CONFIRM, Visitor, fi
from tests.processes import running

SUBSCRIBED, UNSUBSCRIBED = 1, 2
PATIENCE_S = 16  # for each person; alone it takes one, a machine full of tests takes its time


class Life(threading.Thread):
    """People who subscribe, confirm and sometimes leave, one after another, noting only what was acknowledged."""

    def __init__(self, house, number: int, people: int):
        super().__init__(name=f"life{number}")
        self.house, self.number, self.people = house, number, people
        self.end = time.monotonic() + PATIENCE_S * people
        self.subscribed, self.confirmed, self.left = [], [], []

    def run(self):
        for turn in range(1, self.people + 1):
            visitor = Visitor(self.house, f"p{self.number}.{turn}@example.com")
            self._until_acknowledged(visitor.subscribe)
            self.subscribed.append(visitor.email)
            self._until(visitor.mails)
            self._until_acknowledged(lambda visitor=visitor: self._confirm(visitor))
            self.confirmed.append(visitor.email)
            if turn % 3 == 0:
                self._until(lambda visitor=visitor: visitor.has_link("unsubscribe"))
                self._until_acknowledged(visitor.leave)
                self.left.append(visitor.email)

    def _confirm(self, visitor):
        """Press the button; whoever's answer was lost sees on opening the link again that they had been heard."""
        page = self.house.get(visitor.link("confirm"), visitor.http)
        return page if fi("Your subscription is confirmed") in page.words else page.press(CONFIRM)

    def _until_acknowledged(self, act):
        self._until(lambda: self._acknowledged(act))

    def _until(self, holds):
        while not holds():
            assert time.monotonic() < self.end, "what is not acknowledged must not be counted as if it were"
            time.sleep(0.02)

    def _acknowledged(self, act) -> bool:
        try:
            return act().status == 200
        except (requests.RequestException, AssertionError):  # no answer, or an error page where the form should be
            return False


def kill_now_and_then(house, lives, seed: int, kills: int) -> None:
    """Kill one or both processes each time some more people have subscribed, at a moment nobody chose."""
    chance, share = random.Random(seed), sum(life.people for life in lives) // (kills + 1)
    for number in range(1, kills + 1):
        while sum(len(life.subscribed) for life in lives) < number * share and any(life.is_alive() for life in lives):
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.1))
        victims = chance.choice([[house.relay_process], [house.web_process], [house.relay_process, house.web_process]])
        for process in victims:
            process.kill()
        house.start()
        time.sleep(0.3)
        assert house.relay_process.runs, house.relay_process.said[-3000:]


def live_through(house, seed: int, kills: int, people: int):
    lives = [Life(house, number, people) for number in range(3)]
    for life in lives:
        life.start()
    kill_now_and_then(house, lives, seed, kills)
    for life in lives:
        life.join()
    calls_s = len(lives) * people  # four calls to ActiveCampaign a second, of which each person needs up to four
    house.wait_for(
        lambda: all(message.done_at for message in house.messages()), "everything is delivered", max(60, calls_s)
    )
    return tuple(
        [email for life in lives for email in getattr(life, what)] for what in ("subscribed", "confirmed", "left")
    )


def check(house, acknowledged, kills, people):
    subscribed, confirmed, left = acknowledged
    assert len(subscribed) == len(confirmed) == people
    for email in subscribed:
        assert house.mail.to(email), f"{email} was promised a mail"
    for email in confirmed:
        assert house.status(email) == ("passive" if email in left else "active")
    there = house.contacts.contacts
    for email in there:
        wanted = SUBSCRIBED if house.status(email) == "active" else UNSUBSCRIBED
        assert house.contacts.status_of(email) == wanted
        assert house.kinds(email).count("confirmed") == 1
        assert house.kinds(email).count("withdrawn") == (email in left)
    assert set(confirmed) - set(left) <= set(there), "who left before being forwarded need never be known there"
    ids = Counter(str(mail.message["Message-ID"]) for mail in house.mail.mails)
    doubled = sum(times - 1 for times in ids.values())
    assert doubled <= kills, "a mail is sent again only when a relay died in the middle of it"
    messages = [message for message in house.messages() if message.lane == "mail"]
    assert len(ids) <= len(messages), "the same mail again has the same Message-ID"
    created = [call for call in house.contacts.calls if call.name in ("sync", "create") and call.status == 201]
    assert len(created) == len(there), "one contact for each person, however often it was tried"


def test_kill_minus_nine_loses_nothing_and_doubles_nothing(tmp_path, database_url, mail, contacts):
    with running(tmp_path, database_url, mail, contacts) as house:
        check(house, live_through(house, seed=7, kills=3, people=6), kills=3, people=18)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_kill_minus_nine_for_a_long_time(tmp_path, database_url, mail, contacts, seed):
    with running(tmp_path, database_url, mail, contacts) as house:
        check(house, live_through(house, seed=seed, kills=50, people=150), kills=50, people=450)
