"""A program that only passes wishes on cannot learn who subscribes: not from its answer, nor from the log's growth."""

import pytest

from tests.actors import Visitor
from tests.flows.test_same_answer import STATES, addresses, log_size
from tests.machine import Machine

__all__ = ["addresses"]  # the fixture


def asked(answer):
    headers = {name: value for name, value in answer.headers.items() if name != "Date"}
    return answer.status_code, answer.content, headers


@pytest.mark.parametrize("act", ["subscribe", "withdraw"])
def test_the_answer_is_the_same_in_every_state(addresses, act):
    house, found = addresses
    program = Machine(house, "subscribe", "withdraw")
    before = (len(house.mail.mails), house.mail.connections, len(house.contacts.calls))
    answers = {state: asked(getattr(program, act)(found[state][0])) for state in STATES}
    assert all(answer == answers["new"] for answer in answers.values())
    assert (len(house.mail.mails), house.mail.connections, len(house.contacts.calls)) == before


@pytest.mark.parametrize(("act", "growth"), [("subscribe", 2), ("withdraw", 1)])
def test_the_log_grows_alike(addresses, act, growth):
    house, found = addresses
    program = Machine(house, "subscribe", "withdraw")
    house.deliver()
    house.service.seal()
    grown = {}
    for state in STATES:
        before = log_size(house)
        getattr(program, act)(found[state][0])
        house.deliver()
        house.service.seal()
        grown[state] = log_size(house) - before
    assert set(grown.values()) == {growth}, grown


def test_who_is_subscribed_already_is_told_so_by_mail_and_changed_in_nothing(sqlite_house):
    aino = Visitor(sqlite_house).becomes_active()
    before = sqlite_house.story(aino.email)
    Machine(sqlite_house).subscribe(aino.email, first_name="Somebody", last_name="Else")
    assert sqlite_house.story(aino.email) == before
    assert [message.kind for message in sqlite_house.messages()][-1] == "already"
    assert sqlite_house.person(aino.email).first_name == "Aino"
