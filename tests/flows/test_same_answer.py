"""A stranger cannot learn from the form who subscribes: page, status, headers and waiting are alike in every state."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from consent_service import service as services
from consent_service.delivery import outbox
from consent_service.delivery.letters import SERVICE
from consent_service.limits import caps
from consent_service.models.limits import allowance
from tests.actors import SUBSCRIBE, Visitor, fi

STATES = ("new", "pending", "active", "passive", "declined", "over-limit")
ROUNDS = 2


@pytest.fixture
def addresses(open_house, database_url):
    house = open_house(database_url)
    found = {}
    for state in STATES:
        found[state] = [f"{state}{number:02}@example.com" for number in range(ROUNDS)]
    people = [(state, Visitor(house, address)) for state in STATES for address in found[state]]
    for state, visitor in people:
        if state != "new":
            visitor.subscribe()
    house.deliver()
    for state, visitor in people:
        if state in ("active", "passive"):
            visitor.confirm()
        if state == "declined":
            visitor.decline()
    house.deliver()
    for state, visitor in people:
        if state == "passive":
            visitor.leave()
    house.deliver()
    limited = open_house(database_url, limit_address="1/30 days")
    for address in found["over-limit"]:
        Visitor(limited, address).subscribe()
    return limited, found


def last_asks(house):
    with house.service.reading() as connection:
        asks = allowance.c.key.startswith("ask:")
        return connection.execute(select(allowance.c.asked_at).where(asks)).scalars().all()


def test_page_status_and_headers_are_the_same_and_everybody_waits_for_one_write(addresses):
    house, found = addresses
    form = Visitor(house).open_form()
    answers = {}
    before = (len(house.mail.mails), house.mail.connections, len(house.contacts.calls))
    began_at = services.now()
    for number in range(ROUNDS):
        for state in STATES:
            address = found[state][number]
            page = form.press(SUBSCRIBE, first_name="A", last_name="B", email=address, consent="yes")
            headers = {name: value for name, value in page.answer.headers.items() if name != "Date"}
            headers["Content-Length"] = str(int(headers["Content-Length"]) - len(address) * page.html.count(address))
            answers[address] = (page.status, page.html.replace(address, "…"), headers)
    first, *others = answers.values()
    assert first[0] == 200 and len(others) == len(STATES) * ROUNDS - 1
    assert all(answer == first for answer in others)
    assert (len(house.mail.mails), house.mail.connections, len(house.contacts.calls)) == before, (
        "no state opens a connection while the visitor waits"
    )
    asked_at = last_asks(house)
    assert len(asked_at) == len(answers) and min(asked_at) > began_at, "every state commits a write, so each one waits"


def test_asking_for_the_link_is_as_silent(addresses):
    house, found = addresses
    form = house.get("/unsubscribe?lang=fi")
    pages = {
        state: form.press(fi("Send me the link"), email=found[state][0]).html.replace(found[state][0], "…")
        for state in STATES
    }
    assert set(pages.values()) == {pages["new"]}


def log_size(house):
    return house.service.verifiers.check(house.get("/log/checkpoint").answer.content).size


def test_the_log_grows_alike_and_whoever_reads_its_size_learns_nothing(addresses):
    house, found = addresses
    house.deliver()
    house.service.seal()
    grown = {}
    for state in STATES:
        before = log_size(house)
        Visitor(house, found[state][0]).subscribe()
        house.deliver()
        house.service.seal()
        grown[state] = log_size(house) - before
    assert set(grown.values()) == {2}, grown


@pytest.mark.parametrize("why", ["the limit of the service", "a mail server that is away"])
def test_nor_while_no_mail_leaves(addresses, open_house, database_url, why):
    house, found = addresses
    if why == "the limit of the service":
        house = open_house(database_url, limit_address="1/30 days", limit_global="100/hour")
        with house.service.transaction() as connection:
            while caps.take(connection, SERVICE, house.service.letters.global_limit, services.now()) <= services.now():
                pass
    else:
        house.mail.refuse_connections = True
    house.service.seal()
    seen, links = {}, {}
    for state in STATES:
        before, waiting = log_size(house), len(undone(house))
        Visitor(house, found[state][0]).subscribe()
        house.deliver()
        house.service.seal()
        seen[state] = (log_size(house) - before, len(undone(house)) - waiting)
        waiting = len(undone(house))
        house.get("/my-data?lang=fi").press(fi("Send me the link"), email=found[state][1])
        house.get("/unsubscribe?lang=fi").press(fi("Send me the link"), email=found[state][1])
        links[state] = len(undone(house)) - waiting
        house.deliver()
    assert set(seen.values()) == {(1, 1)}, seen
    assert set(links.values()) == {2}, links


@pytest.mark.parametrize("why", ["the limit of the service", "a mail server that is away"])
def test_nor_does_whoever_asks_twice_before_a_mail_has_left(addresses, open_house, database_url, why):
    (before, found), is_held = addresses, why == "the limit of the service"
    before.deliver()
    house, seen = open_house(database_url, limit_global="100/hour"), {}
    with time_machine.travel(services.now(), tick=False) as clock:
        for state in ("new", "pending", "active", "passive", "declined"):
            house.mail.refuse_connections = not is_held
            with house.service.transaction() as connection:
                for _ in range(100 if is_held else 0):
                    caps.take(connection, SERVICE, house.service.letters.global_limit, services.now())
            house.service.seal()
            size, counted = log_size(house), count_sent(house)
            for _ in range(2):
                Visitor(house, found[state][0]).subscribe()
                house.deliver()
            clock.shift(timedelta(hours=3))
            house.mail.refuse_connections = False
            house.deliver()
            house.service.seal()
            seen[state] = (log_size(house) - size, count_sent(house) - counted, len(undone(house)))
    assert set(seen.values()) == {(4, 2, 0)}, seen


def count_sent(house):
    """How many messages the service's own limit has counted."""
    return len([message for message in house.messages() if message.counted_at is not None])


def undone(house):
    return [message for message in house.messages() if message.done_at is None and message.lane == outbox.MAIL]
