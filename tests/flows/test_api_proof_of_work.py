"""While unusually many subscribe: a program's request brings a proof of work too, which counts once."""

from datetime import timedelta

import pytest
import time_machine

from consent_service import service as services
from consent_service.models.api import api_answer
from consent_service.web.problems import PROOF_NEEDED
from tests.actors import Visitor, fi
from tests.conftest import on_both_databases
from tests.flows.test_proof_of_work import busy, solved
from tests.machine import PROBLEM, Machine

WORD = "booking-4711"


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def program(open_house, database_url, clock):
    """A program of a household that had three forms within an hour in which it may send four confirmations."""
    return Machine(busy(open_house(database_url, limit_global="4/hour;100/day"), clock))


def challenge(answer):
    """The task in a refusal, which is no other refusal."""
    told = answer.json()
    assert (answer.status_code, answer.headers["Content-Type"]) == (403, PROBLEM), answer.text
    assert (told["type"], told["status"], told["errors"]) == (PROOF_NEEDED, 403, [])
    assert "challenge" in told["detail"] and told["reference"]
    return told["challenge"]


def test_a_request_without_a_proof_does_nothing_and_with_one_is_taken_under_the_same_word(program):
    said = program.says()
    program.withdraw("nobody@example.com")  # so that the day's use of the key is noted
    before = program.house.everything()
    asked = challenge(program.post("/subscriptions", said, WORD))
    assert program.house.everything() == before, "no answer is kept, no word used up"
    paid = said | {"proof": solved(asked)}
    taken = program.post("/subscriptions", paid, WORD)
    assert (taken.status_code, taken.json()) == (202, {"result": "accepted"})
    assert program.house.status("aino@example.com") == "pending"
    again = program.post("/subscriptions", paid, WORD)
    assert again.content == taken.content, "what was answered is answered again, and costs nothing"
    assert program.house.count(api_answer) == len(program.house.asks("aino@example.com")) == 1


@on_both_databases
def test_the_texts_bring_the_task_along_while_one_is_asked(program, clock):
    asked = program.texts()["challenge"]
    assert program.subscribe(proof=solved(asked)).status_code == 202
    assert program.texts()["challenge"]["signature"] != asked["signature"]
    clock.shift(timedelta(hours=1, minutes=1))
    assert program.texts()["challenge"] is None
    assert program.subscribe("eero@example.com").status_code == 202


def test_a_proof_counts_once_whichever_door_it_goes_through(program):
    proof = solved(program.texts()["challenge"])
    assert program.subscribe(proof=proof).status_code == 202
    challenge(program.subscribe("eero@example.com", proof=proof))
    form = Visitor(program.house, "iida@example.com")
    assert form.subscribe(proof=proof).title.startswith(fi("Just a moment"))
    assert program.house.person("eero@example.com") is program.house.person("iida@example.com") is None


def test_what_is_no_proof_is_answered_with_a_task(program):
    for proof in (None, "", "nonsense", "e30=", "W10=", "bnVsbA==", "é", "x" * 2000):
        challenge(program.subscribe(proof=proof))


def test_a_task_that_is_too_old_is_followed_by_another(program, clock):
    asked = challenge(program.subscribe())
    clock.shift(timedelta(minutes=10, seconds=1))
    newer = challenge(program.subscribe(proof=solved(asked)))
    assert program.subscribe(proof=solved(newer)).status_code == 202


def test_what_is_wrong_is_said_first_and_uses_no_proof_up(program):
    proof = solved(program.texts()["challenge"])
    assert program.subscribe(email="nonsense", proof=proof).status_code == 422
    assert program.subscribe(consent={"token": "forged"}, proof=proof).status_code == 422
    assert program.subscribe(proof=proof).status_code == 202


def test_what_programs_send_counts_as_much_as_what_people_do(open_house, tmp_path, clock):
    house = open_house(f"sqlite:///{tmp_path}/c.db", limit_global="4/hour")
    program = Machine(house)
    assert [program.subscribe(f"p{number}@example.com").status_code for number in range(3)] == [202] * 3
    challenge(program.subscribe())
    assert Visitor(house).subscribe().title.startswith(fi("Just a moment"))
    assert program.withdraw("p1@example.com").status_code == 200, "to leave costs nothing"
