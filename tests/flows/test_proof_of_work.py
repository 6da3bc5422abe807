"""While unusually many subscribe: a form costs a little work or half a minute's wait, and is never refused for good."""

import base64
import json
from datetime import timedelta

import altcha
import pytest
import time_machine

from consent_service import service as services
from consent_service.chores import purge
from consent_service.config import PACKAGE
from consent_service.models.inbox import contact_message
from consent_service.models.limits import spent_proof
from tests.actors import SUBSCRIBE, Visitor, fi
from tests.conftest import on_both_databases

CONTINUE, MOMENT = fi("Continue"), fi("Just a moment")
SITE = "https://www.keinuma.example"


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def house(open_house, database_url, clock):
    """A household that had three forms within an hour in which it may send four confirmations."""
    return busy(open_house(database_url, limit_global="4/hour;100/day", allowed_origins=SITE), clock)


def busy(house, clock, who="p"):
    for number in range(3):
        assert fi("Check your e-mail") in Visitor(house, f"{who}{number}@example.com").subscribe().title, (
            "below, as ever"
        )
    clock.shift(1)
    return house


def task(page):
    """The task on a page, as the script reads it."""
    return json.loads(page.html.partition('data-task="')[2].partition('"')[0].replace("&#34;", '"'))


def solved(task, **changes):
    """What the browser sends that has solved a task."""
    challenge = altcha.Challenge.from_dict(task)
    solution = altcha.solve_challenge(challenge).to_dict() | changes
    return base64.b64encode(json.dumps({"challenge": task, "solution": solution}).encode()).decode()


def test_a_solved_task_is_taken_and_nothing_that_was_written_is_lost(house):
    page = Visitor(house).subscribe(tracking="yes")
    assert (page.status, page.title.startswith(MOMENT)) == (200, True)
    assert house.status("aino@example.com") is None
    assert "script-src 'self';" in page.answer.headers["Content-Security-Policy"]
    sent = page.press(CONTINUE, proof=solved(task(page)))
    assert fi("Check your e-mail") in sent.title
    person, [asked] = house.person("aino@example.com"), house.story("aino@example.com")
    assert (person.first_name, person.last_name, person.status) == ("Aino", "Mäkelä", "pending")
    assert set(asked.core["texts"]) == {"consent", "privacy", "tracking"}


def test_without_scripts_half_a_minute_is_enough(house, clock):
    page = Visitor(house).subscribe()
    clock.shift(29)
    early = page.press(CONTINUE)
    assert fi("That was a little too early.") in early.words
    clock.shift(1)
    assert fi("Check your e-mail") in early.press(CONTINUE).title, "the wait goes on, it does not begin anew"
    assert house.status("aino@example.com") == "pending"


@pytest.mark.parametrize("how", ["work", "wait"])
def test_a_proof_counts_once(house, clock, how):
    page = Visitor(house).subscribe()
    proof = {"proof": solved(task(page))} if how == "work" else {}
    clock.shift(30)
    assert fi("Check your e-mail") in page.press(CONTINUE, **proof).title
    if how == "work":  # the same solution in another spelling is the same solution
        padded = json.dumps(json.loads(base64.b64decode(proof["proof"])), indent=1).encode()
        proof = {"proof": base64.b64encode(padded).decode()}
    assert fi("Check your e-mail") in page.press(CONTINUE, **proof).title, "pressed twice, it is the same page"
    again = page.press(CONTINUE, email="eero@example.com", **proof)
    assert again.title.startswith(MOMENT)
    assert house.status("eero@example.com") is None
    clock.shift(30)
    assert fi("Check your e-mail") in again.press(CONTINUE).title, "the new wait counts"


def test_no_other_proof_is_taken(house, clock):
    page = Visitor(house).subscribe()
    given = task(page)
    forged = altcha.create_challenge("PBKDF2/SHA-256", 1, hmac_secret="mine").to_dict()
    for what, proof in {
        "nothing": "",
        "nonsense": "x" * 900,
        "unsolved": solved(given, counter=1),
        "forged": solved(forged),
        "cheap": solved(given | {"parameters": given["parameters"] | {"cost": 1, "keyPrefix": "0"}}),
        "old": solved(given),
    }.items():
        clock.shift(timedelta(minutes=10, seconds=1) if what == "old" else 0)
        again = page.press(CONTINUE, proof=proof)
        assert again.title.startswith(MOMENT), what
        assert house.status("aino@example.com") is None, what


def test_a_wait_of_more_than_ten_minutes_begins_anew(house, clock):
    page = Visitor(house).subscribe()
    clock.shift(timedelta(minutes=11))
    again = page.press(CONTINUE)
    assert again.title.startswith(MOMENT)
    assert fi("That was a little too early.") not in again.words
    clock.shift(30)
    assert fi("Check your e-mail") in again.press(CONTINUE).title


@pytest.mark.parametrize("victim", ["unknown", "active", "declined", "a robot's"])
def test_when_it_is_asked_tells_nothing_of_an_address(open_house, database_url, victim):
    house = open_house(database_url, limit_global="8/hour")
    aino = Visitor(house)
    if victim == "active":
        aino.becomes_active()
    if victim == "declined":
        aino.subscribe()
        house.deliver()
        aino.decline()
    for number in range(4 if victim in ("unknown", "a robot's") else 3):
        Visitor(house, f"mine{number}@example.com").subscribe()
    aino.subscribe(**({"website": "https://spam.example"} if victim == "a robot's" else {}))
    house.deliver()
    assert Visitor(house, "probe@example.com").subscribe(website="https://spam.example").title.startswith(MOMENT)


def test_the_contact_form_is_no_way_around_it(house):
    page = Visitor(house).write(consent="yes")
    assert page.title.startswith(MOMENT)
    assert house.status("aino@example.com") is None and house.rows(contact_message) == []
    sent = page.press(CONTINUE, proof=solved(task(page)))
    assert fi("Your message has been sent") in sent.title
    assert (house.status("aino@example.com"), len(house.rows(contact_message))) == ("pending", 1)
    assert fi("Your message has been sent") in Visitor(house).write().title, "a message without the box costs nothing"


def test_the_contact_form_counts_like_the_other(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", limit_global="4/hour", limit_ip="2/hour")
    for number in range(2):
        assert fi("Your message has been sent") in Visitor(house, f"p{number}@example.com").write(consent="yes").title
    assert Visitor(house).subscribe().status == 429, "a network asks for so many newsletters, by whichever form"


def test_the_script_on_a_site_of_ours_gets_the_same_task(house):
    there = {"Origin": SITE, "Sec-Fetch-Site": "cross-site", "Accept": "application/json"}
    form = house.get("/embed/form?lang=fi", headers=there).answer.json()
    fields = {"first_name": "Aino", "last_name": "Mäkelä", "email": "aino@example.com", "consent": "yes"}
    sent = fields | {"csrf_token": form["token"]}
    answer = house.post(form["action"], sent, headers=there).answer
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, SITE)
    moment = answer.json()["moment"]
    assert house.status("aino@example.com") is None
    answer = house.post(form["action"], sent | {"proof": solved(moment["task"])}, headers=there).answer
    assert answer.json()["address"] == "aino@example.com"
    assert house.status("aino@example.com") == "pending"


def test_it_is_over_when_fewer_are_sent_and_never_asked_without_a_limit(open_house, tmp_path, clock):
    house = busy(open_house(f"sqlite:///{tmp_path}/c.db", limit_global="4/hour"), clock)
    assert Visitor(house).subscribe().title.startswith(MOMENT)
    clock.shift(timedelta(hours=1, minutes=1))
    for _ in range(2):
        assert fi("Check your e-mail") in Visitor(house).subscribe(proof="spent or not").title
    unlimited = busy(open_house(f"sqlite:///{tmp_path}/d.db", limit_global="off"), clock)
    assert fi("Check your e-mail") in Visitor(unlimited).subscribe().title


def test_what_is_wrong_is_said_first_and_a_page_of_a_moment_is_no_try(open_house, tmp_path, clock):
    house = busy(open_house(f"sqlite:///{tmp_path}/c.db", limit_global="4/hour", limit_ip="4/hour"), clock)
    wrong = Visitor(house).subscribe(email="x")
    assert wrong.status == 400
    for _ in range(5):
        page = wrong.press(SUBSCRIBE, email="aino@example.com", consent="yes")
    clock.shift(30)
    assert fi("Check your e-mail") in page.press(CONTINUE).title


def test_a_task_of_before_a_change_of_keys_is_taken(open_house, tmp_path, clock):
    before = busy(open_house(f"sqlite:///{tmp_path}/c.db", limit_global="4/hour"), clock)
    proof = solved(task(Visitor(before).subscribe()))
    keys = "a new secret for tests that is long enough," + before.settings.secret_keys[0]
    after = busy(open_house(f"sqlite:///{tmp_path}/c.db", limit_global="4/hour", secret_keys=keys), clock, "q")
    assert Visitor(after).subscribe().title.startswith(MOMENT)
    assert fi("Check your e-mail") in Visitor(after).subscribe(proof=proof).title


@on_both_databases
def test_a_used_proof_is_forgotten_a_day_later(house, clock):
    page = Visitor(house).subscribe()
    page.press(CONTINUE, proof=solved(task(page)))
    assert house.count(spent_proof) == 1
    clock.shift(timedelta(hours=23))
    list(purge(house.service))
    assert house.count(spent_proof) == 1
    clock.shift(timedelta(hours=2))
    list(purge(house.service))
    assert house.count(spent_proof) == 0


def test_the_scripts_are_small():
    static = PACKAGE / "web" / "static"
    assert sum((static / name).stat().st_size for name in ("solve.js", "moment.js")) <= 2048
