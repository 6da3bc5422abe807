"""The relay's lane to ActiveCampaign on a clock that only waiting moves, and what may never have happened there."""

from collections import Counter
from dataclasses import fields
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import select

from consent_service import service as services
from consent_service.activecampaign.pacing import GAP, CallBudget
from consent_service.delivery.outbox import ACTIVECAMPAIGN
from consent_service.delivery.relaying import Channel
from consent_service.models.delivery import outbox_message
from consent_service.relay import Lane
from tests.household import Household

SUBSCRIBED, UNSUBSCRIBED, BOUNCED = 1, 2, 3


class Forwarding:
    """One relay, and the clock of the test it runs in; `together` says whether many may go in one call."""

    def __init__(self, house: Household, clock, *, together=True):
        self.house, self.clock = house, clock
        budget = CallBudget(house.service.transaction, services.now, self._sleep)
        self._channels = house.service.channels(budget)
        channel = next(one for one in self._channels if one.lane == ACTIVECAMPAIGN)
        alone = Channel(**{one.name: getattr(channel, one.name) for one in fields(Channel)})
        self.lane = Lane(house.relay, channel if together else alone, 0.01)
        self.called, self.changed = len(house.contacts.calls), len(house.contacts.history)

    def close(self):
        for channel in self._channels:
            channel.close()

    def _sleep(self, seconds):
        self.clock.shift(timedelta(seconds=seconds))
        return False

    def waiting(self):
        """The messages to ActiveCampaign that are neither done nor dead."""
        undone = (outbox_message.c.done_at.is_(None), outbox_message.c.dead_at.is_(None))
        with self.house.service.reading() as connection:
            wanted = select(outbox_message).where(*undone, outbox_message.c.lane == ACTIVECAMPAIGN)
            return connection.execute(wanted).all()

    def drain(self, at_most=40):
        """Deliver, and wait whenever nothing is due, until nothing waits; return how long that took."""
        began = services.now()
        for _ in range(at_most):
            while self.lane.step() is not None:
                pass
            waiting = [row.due_at for row in self.waiting()]
            if not waiting:
                return services.now() - began
            later = [due for due in waiting if due > services.now()]  # what is due already waits for an earlier one
            self.clock.move_to(min(later) if later else services.now() + timedelta(minutes=1))
        raise AssertionError(Counter(row.last_error for row in self.waiting()))

    def calls(self):
        """The calls since this relay began."""
        return self.house.contacts.calls[self.called :]

    def history(self, email):
        """The statuses a contact has had on the list since this relay began."""
        return [status for one, status in self.house.contacts.history[self.changed :] if one == email]


def check_pace(calls, retry_after: timedelta):
    """Nobody called faster than the budget, nor before the time was over that a refusal asked for."""
    assert all(later.when - earlier.when >= GAP for earlier, later in pairwise(calls))
    for place, call in enumerate(calls):
        if call.status == 429:
            too_soon: list[datetime] = [one.when for one in calls[place + 1 :] if one.when < call.when + retry_after]
            assert not too_soon, (call.when, too_soon)
