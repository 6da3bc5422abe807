"""Random lives of requests: never disclosed or erased without verification, never closed too early, never late in
silence.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, select

from consent_service import retention
from consent_service.ledger.evidence import Occasion
from consent_service.models.customers import customer, customer_document, publication_permission
from consent_service.models.delivery import outbox_message
from consent_service.models.requests import data_request, data_request_letter, data_request_task
from consent_service.people import read_address
from consent_service.register import customers
from consent_service.register.customers import Details
from consent_service.rights import data_requests as requests
from consent_service.rights import handover, request_rows
from consent_service.rights.data_requests import METHODS, Closing, RequestRefused, Told
from consent_service.rights.request_acts import KeptByHold, NotVerified
from consent_service.rights.request_tasks import KINDS, PLACES

REFUSALS = (RequestRefused, NotVerified, KeptByHold)
BEGAN = datetime(2026, 1, 30, 10, tzinfo=UTC)
OWNER = "staff:1"


@dataclass
class Seen:
    """What a life has shown so far of one request."""

    kind: str
    customer_id: str
    verified: bool = False


class Lives(RuleBasedStateMachine):
    """A desk where anything is tried in any order, while days go by."""

    house: ClassVar

    @initialize()
    def begin(self):
        self.now, self.requests = BEGAN, {}
        with self.house.service.transaction() as connection:
            for table in (data_request_letter, data_request_task, data_request, outbox_message):
                connection.execute(delete(table))
            for table in (publication_permission, customer_document, customer):
                connection.execute(delete(table))

    @property
    def today(self) -> date:
        return self.now.date()

    @property
    def occasion(self) -> Occasion:
        return replace(self.house.occasion(OWNER, "console"), now=self.now)

    def tried(self, act) -> bool:
        try:
            with self.house.service.transaction() as connection:
                act(connection)
        except REFUSALS:
            return False
        return True

    @rule(kind=st.sampled_from(sorted(KINDS)), has_document=st.booleans(), ago=st.integers(0, 40))
    def take(self, kind, has_document, ago):
        email = read_address(f"aino.{len(self.requests)}@example.com")
        known = Details(
            kind="consumer", source="phone", language="fi", last_name="Mäkelä", phone="+3581", address=email
        )
        with self.house.service.transaction() as connection:
            customer_id = customers.add(connection, self.occasion, known, "Heidi")
            if has_document:
                connection.execute(customer_document.insert().values(**_invoice(customer_id, self.now)))
            number = customers.find(connection, customer_id).number
            received = self.today - timedelta(days=ago)
            told = Told(
                kind=kind,
                channel="phone",
                received_on=received,
                language="fi",
                name=f"Aino {number}",
                customer_number=number,
            )
            taken = requests.take(connection, self.occasion, told, "Heidi")
        self.requests[taken] = Seen(kind, customer_id)

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), method=st.sampled_from([*METHODS, "made up"]))
    def verify(self, data, method):
        number = data.draw(st.sampled_from(sorted(self.requests)))
        if self.tried(lambda c: requests.verify(c, self.now, number, method, None, "Heidi")):
            self.requests[number].verified = True

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def doubt(self, data):
        number = data.draw(st.sampled_from(sorted(self.requests)))
        self.tried(lambda c: requests.doubt(c, self.now, number, "outo ääni", "Heidi"))

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def carry_out(self, data):
        number = data.draw(st.sampled_from(sorted(self.requests)))
        done = self.tried(lambda c: requests.carry_out(c, self.occasion, number, self.today, "Heidi"))
        assert not done or self.requests[number].verified

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), place=st.sampled_from(sorted(PLACES)))
    def tick(self, data, place):
        number = data.draw(st.sampled_from(sorted(self.requests)))
        done = self.tried(lambda c: requests.tick(c, self.now, number, place, "tehty", "Heidi"))
        assert not done or self.requests[number].verified

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def hand_over(self, data):
        number, keys = data.draw(st.sampled_from(sorted(self.requests))), self.house.service.vault
        with self.house.service.reading() as connection:
            asked = request_rows.find(connection, number)
            if asked is None or asked.name is None:
                return
            try:
                handover.gather(connection, keys, asked, self.now)
            except NotVerified:
                assert not self.requests[number].verified
            else:
                assert self.requests[number].verified

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def extend(self, data):
        number = data.draw(st.sampled_from(sorted(self.requests)))
        row = self.row(number)
        done = self.tried(lambda c: requests.extend(c, self.occasion, number, "paljon tietoja", self.today))
        assert not done or (row.extended_to is None and self.today.isoformat() <= row.due_on)

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), outcome=st.sampled_from(["done", "part", "refused"]))
    def close(self, data, outcome):
        number = data.draw(st.sampled_from(sorted(self.requests)))
        ground = None if outcome == "done" else "law"
        self.tried(lambda c: requests.close(c, self.occasion, number, Closing(outcome, ground), self.today, "Heidi"))

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def finish(self, data):
        """Do all that is open, as a tidy person would, so that lives reach their end."""
        number = data.draw(st.sampled_from(sorted(self.requests)))
        for place in [task.place for task in self.tasks(number) if not task.is_automatic]:
            self.tried(lambda c, place=place: requests.tick(c, self.now, number, place, "tehty", "Heidi"))
        self.tried(lambda c: requests.carry_out(c, self.occasion, number, self.today, "Heidi"))

    @rule(days=st.integers(1, 20))
    def wait(self, days):
        """Days go by; every day the relay does its chores."""
        for _ in range(days):
            self.now += timedelta(days=1)
            with self.house.service.transaction() as connection:
                request_rows.warn(connection, self.now, self.today)
            soon = (self.today + timedelta(days=3)).isoformat()
            near = [row for row in self.open_ones() if (row.extended_to or row.due_on) <= soon]
            assert all(row.alarmed_at for row in near), "the owner is mailed three days before"

    @rule()
    def purge(self):
        with self.house.service.transaction() as connection:
            for key in (request_rows.NAMES_RULE, request_rows.RULE):
                retention.purge_due(connection, self.occasion, retention.BY_KEY[key], 100)

    @invariant()
    def nothing_is_done_for_whoever_is_not_verified(self):
        for number, seen in self.requests.items():
            if seen.verified:
                continue
            assert all(task.done_at is None for task in self.tasks(number))
            kept = next(row for row in self.house.rows(customer) if row.id == seen.customer_id)
            assert kept.erased_at is None and kept.restricted_at is None and kept.last_name == "Mäkelä"
            row = self.row(number)
            assert row is None or row.outcome in (None, "refused")

    @invariant()
    def nothing_is_closed_with_something_open(self):
        for row in self.house.rows(data_request):
            if row.closed_at is not None:
                assert all(task.done_at for task in self.tasks(row.number))
                assert row.identity is not None and (row.outcome == "refused" or row.identity == "verified")

    @invariant()
    def nothing_is_late_in_silence(self):
        deadlines = {row.number: row.extended_to or row.due_on for row in self.open_ones()}
        late = [number for number, day in deadlines.items() if day < self.today.isoformat()]
        with self.house.service.reading() as connection:
            assert request_rows.alarms(connection, self.today).late == len(late)
            assert {row.number for row in request_rows.near(connection, self.today)} >= set(late)

    def open_ones(self):
        return [row for row in self.house.rows(data_request) if row.closed_at is None]

    def row(self, number):
        with self.house.service.reading() as connection:
            return request_rows.find(connection, number)

    def tasks(self, number):
        with self.house.service.reading() as connection:
            mine = select(data_request_task).where(data_request_task.c.request_number == number)
            return connection.execute(mine).all()


def _invoice(customer_id: str, now: datetime) -> dict[str, object]:
    return {
        "id": customer_id,
        "customer_id": customer_id,
        "kind": "invoice",
        "dated_on": "2026-01-01",
        "retention_class": "voucher",
        "keep_until": "2032-12-31",
        "binder": "Laskut",
        "added_at": now,
        "added_by": "Heidi",
    }


def test_lives_of_requests(house):
    lives = type("LivesHere", (Lives,), {"house": house})
    limits = settings(
        max_examples=10,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lives, settings=limits)
