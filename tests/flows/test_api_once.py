"""A request sent once more: carried out once, answered as the first time, and never mistaken for another."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import text

from consent_service import api_answers
from consent_service import service as services
from consent_service.api_answers import CLAIM, LIFETIME, Answer, OtherRequest, UnderWay
from consent_service.chores import purge
from consent_service.models.api import api_answer
from tests.actors import Visitor
from tests.conftest import on_both_databases
from tests.machine import Machine, refused

WORD = "7f3c1a52-9a41-4f5e-8a39-0f8f1f6f2b11"


def test_the_same_request_is_carried_out_once_and_answered_alike(house):
    program, said = Machine(house), Machine(house).says()
    first, again = (program.post("/subscriptions", said, WORD) for _ in range(2))
    assert (first.status_code, first.content) == (again.status_code, again.content) == (202, b'{"result":"accepted"}')
    assert len(house.asks("aino@example.com")) == 1
    program.post("/subscriptions", said)
    assert len(house.asks("aino@example.com")) == 2, "without a word every request is one of its own"


@on_both_databases
def test_the_answer_is_the_same_also_when_the_texts_token_has_run_out_meanwhile(house):
    program = Machine(house)
    with time_machine.travel(services.now() - timedelta(hours=25), tick=True):
        said = program.says()
    with time_machine.travel(services.now() - timedelta(hours=2), tick=True):
        first = program.post("/subscriptions", said, WORD)
    again = program.post("/subscriptions", said, WORD)
    assert (first.status_code, first.content) == (again.status_code, again.content) == (202, b'{"result":"accepted"}')
    assert [*refused(program.post("/subscriptions", said, "another"), 422)] == ["consent.token"]
    assert program.post("/subscriptions", program.says(), "another").status_code == 202, "a refusal uses no word up"


def test_a_withdrawal_sent_late_once_more_does_not_end_what_was_begun_since(house):
    program, aino = Machine(house), Visitor(house).becomes_active()
    program.withdraw(aino.email, WORD)
    aino.subscribe()
    house.deliver()
    aino.confirm()
    assert program.withdraw(aino.email, WORD).status_code == 200
    assert house.status(aino.email) == "active"
    program.withdraw(aino.email, "another")
    assert house.status(aino.email) == "passive"


def test_the_same_word_on_another_request_is_refused(house):
    program = Machine(house)
    program.withdraw("aino@example.com", WORD)
    assert [*refused(program.withdraw("eero@example.com", WORD), 422)] == ["Idempotency-Key"]
    assert [*refused(program.subscribe("aino@example.com", WORD), 422)] == ["Idempotency-Key"]
    assert house.person("aino@example.com") is None


def test_each_key_has_words_of_its_own(house):
    one, other = Machine(house), Machine(house)
    one.withdraw("aino@example.com", WORD)
    assert other.withdraw("eero@example.com", WORD).status_code == 200


def test_a_refused_request_uses_no_word_up(house):
    program = Machine(house)
    refused(program.post("/withdrawals", {"email": "nonsense"}, WORD), 422)
    assert program.withdraw("aino@example.com", WORD).status_code == 200
    assert house.count(api_answer) == 1


@pytest.mark.parametrize("word", ["", "x" * 256, "two words", "ä", "\x7f"])
def test_a_word_that_is_none_is_refused(sqlite_house, word):
    program = Machine(sqlite_house)
    headers = {"Idempotency-Key": word.encode("latin-1")}
    answer = program.ask("POST", "/withdrawals", json={"email": "aino@example.com"}, headers=headers)
    assert [*refused(answer, 400)] == ["Idempotency-Key"]


@on_both_databases
def test_while_it_is_carried_out_the_same_request_is_told_to_wait(house):
    program = Machine(house)
    said = b'{"email": "aino@example.com"}'
    mine = api_answers.sent(program.id, program.key, WORD, b"api.withdraw\n" + said)
    with house.service.transaction() as connection:
        assert api_answers.claim(connection, mine, "another process", services.now()) is None

    def ask():
        headers = {"Content-Type": "application/json", "Idempotency-Key": WORD}
        return program.ask("POST", "/withdrawals", data=said, headers=headers)

    answer = ask()
    assert refused(answer, 409) == {}
    assert answer.headers["Retry-After"] == "1"
    with time_machine.travel(services.now() + CLAIM + timedelta(seconds=1)):
        assert ask().status_code == 200, "a claim of a killed process runs out"


def test_who_was_overtaken_keeps_no_answer(house):
    program, now = Machine(house), services.now()
    mine = api_answers.sent(program.id, program.key, WORD, b"a request")
    other = api_answers.sent(program.id, program.key, WORD, b"another one")
    with house.service.transaction() as connection:
        assert api_answers.claim(connection, mine, "slow", now) is None
        assert api_answers.claim(connection, mine, "fast", now + CLAIM) is None
        with pytest.raises(OtherRequest):
            api_answers.claim(connection, other, "third", now)
        with pytest.raises(UnderWay):
            api_answers.keep(connection, mine, "slow", Answer(200, b"{}"))
        api_answers.let_go(connection, mine, "slow")
        api_answers.keep(connection, mine, "fast", Answer(200, b"{}"))
        assert api_answers.claim(connection, mine, "third", now) == Answer(200, b"{}")


@on_both_databases
def test_many_at_once_do_it_once(house):
    program = Machine(house)
    said, gate = program.says(), threading.Barrier(6)

    def ask(_):
        gate.wait(20)
        return program.post("/subscriptions", said, WORD)

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(ask, range(6)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert 202 in {answer.status_code for answer in answers}
    assert len(house.asks("aino@example.com")) == 1
    assert program.post("/subscriptions", said, WORD).status_code == 202


@on_both_databases
def test_what_fails_can_be_tried_again_at_once(house):
    program = Machine(house)
    with house.service.transaction() as connection:
        connection.execute(text("ALTER TABLE allowance RENAME TO away"))
    said = program.says()
    assert (
        refused(program.post("/subscriptions", said, WORD), 503 if "sqlite" in house.settings.database_url else 500)
        == {}
    )
    assert house.count(api_answer) == 0
    with house.service.transaction() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO allowance"))
    assert program.post("/subscriptions", said, WORD).status_code == 202


@on_both_databases
def test_an_answer_is_kept_for_a_day_and_then_purged(house):
    program = Machine(house)
    program.withdraw("aino@example.com", WORD)
    later = services.now() + LIFETIME + timedelta(minutes=1)
    with time_machine.travel(later):
        assert program.withdraw("eero@example.com", WORD).status_code == 200, "after a day it is another request"
        program.withdraw("aino@example.com", "newer")
    with time_machine.travel(later + LIFETIME - timedelta(minutes=1)):
        for _ in purge(house.service):
            pass
        assert house.count(api_answer) == 2
    with time_machine.travel(later + LIFETIME + timedelta(minutes=1)):
        for _ in purge(house.service):
            pass
        assert house.count(api_answer) == 0


def test_nothing_that_was_sent_can_be_read_out_of_what_is_kept(house):
    program = Machine(house)
    program.subscribe("aino@example.com", WORD)
    [kept] = house.rows(api_answer)
    assert kept.body == b'{"result":"accepted"}'
    assert WORD not in repr(kept) and "aino" not in repr(kept)
