"""A second step at the log-in: an app, recovery codes, and what happens to wrong, old and repeated codes."""

import html
import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import time_machine
from structlog.testing import capture_logs

from consent_service import service as services
from consent_service.ledger.evidence import read_plain
from consent_service.models.ledger import consent_event
from consent_service.models.limits import spent_proof
from consent_service.models.staff import passkey, recovery_code
from tests.actors import Staff, fi
from tests.authenticator import App, Device
from tests.conftest import on_both_databases
from tests.household import SECRET

CODE = re.compile(r"(?:[a-z2-9]{4}-){3}[a-z2-9]{4}")


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


def set_up(heidi):
    """Set an app up; the app and the recovery codes."""
    page = heidi.house.get("/staff/my-account/app?lang=fi", heidi.http)
    app = App(page)
    done = page.press(fi("Set up the app"), code=app.code())
    return app, CODE.findall(done.html)


def to_second_step(heidi):
    """Give the right password with a new browser; the page that follows."""
    heidi.http = heidi.house.http
    page = heidi.log_in()
    assert urlsplit(page.answer.url).path == "/staff/login/second-step"
    return page


def is_in(page):
    return (page.status, urlsplit(page.answer.url).path) == (200, "/staff/")


def equipped(house, clock):
    heidi = Staff(house)
    heidi.log_in()
    app, codes = set_up(heidi)
    clock.shift(timedelta(minutes=1))
    return heidi, app, codes


@on_both_databases
def test_an_app_is_set_up_and_then_asked_for_at_the_login(house, clock):
    heidi, app, codes = equipped(house, clock)
    assert len(codes) == 10
    page = to_second_step(heidi)
    assert house.get("/staff/", heidi.http, allow_redirects=False).status == 302, "the password alone opens nothing"
    code = app.code()
    assert is_in(page.press(fi("Go on"), code=f"{code[:3]} {code[3:]}"))


def test_an_app_is_set_up_by_a_right_code_alone_and_keeps_its_key_until_then(sqlite_house):
    house = sqlite_house
    heidi = Staff(house)
    heidi.log_in()
    page = house.get("/staff/my-account/app?lang=fi", heidi.http)
    wrong = page.press(fi("Set up the app"), code="000000")
    assert (wrong.status, fi("That code is not right. Write the one the app shows now.") in wrong.words) == (400, True)
    assert App(wrong).code() == App(page).code(), "the square need not be scanned again"
    assert house.account(heidi.email).app_sealed is None
    assert wrong.press(fi("Set up the app"), code=App(page).code()).status == 200


def test_nobody_sets_up_an_app_with_a_key_sealed_for_somebody_else(sqlite_house):
    house = sqlite_house
    heidi, elina = Staff(house), Staff(house, "elina@keinuma.example", "Elina")
    heidi.log_in(), elina.log_in()
    theirs = house.get("/staff/my-account/app?lang=fi", elina.http)
    mine = house.get("/staff/my-account/app?lang=fi", heidi.http)
    sealed = theirs.form(fi("Set up the app")).fields["sealed"]
    for forged in (sealed, "", "%%%", "AAAA"):
        assert mine.press(fi("Set up the app"), sealed=forged, code=App(theirs).code()).status == 400
    assert house.account(heidi.email).app_sealed is None


def test_a_code_opens_once_and_an_older_one_not_at_all(house, clock):
    heidi, app, _ = equipped(house, clock)
    code, older = app.code(), app.code(-1)
    assert is_in(to_second_step(heidi).press(fi("Go on"), code=code))
    assert to_second_step(heidi).press(fi("Go on"), code=code).status == 400
    assert to_second_step(heidi).press(fi("Go on"), code=older).status == 400
    clock.shift(timedelta(seconds=30))
    assert is_in(to_second_step(heidi).press(fi("Go on"), code=app.code()))


@pytest.mark.parametrize(("steps", "opens"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_a_clock_may_be_wrong_by_half_a_minute(sqlite_house, clock, steps, opens):
    heidi, app, _ = equipped(sqlite_house, clock)
    assert is_in(to_second_step(heidi).press(fi("Go on"), code=app.code(steps))) == opens


@on_both_databases
def test_a_recovery_code_opens_once_however_it_is_typed(house, clock):
    heidi, _, codes = equipped(house, clock)
    typed = codes[0].upper().replace("-", " ")
    assert is_in(to_second_step(heidi).press(fi("Go on"), code=typed))
    assert to_second_step(heidi).press(fi("Go on"), code=codes[0]).status == 400
    assert house.count(recovery_code) == 9
    clock.shift(timedelta(minutes=6))
    page = to_second_step(heidi).press(fi("Go on"), code=codes[1])
    page = house.get("/staff/my-account?lang=fi", heidi.http)
    new = CODE.findall(page.press(fi("Make new codes")).html)
    assert len(new) == 10 and house.count(recovery_code) == 10
    assert to_second_step(heidi).press(fi("Go on"), code=codes[2]).status == 400, "the earlier ones open nothing"


def test_wrong_codes_are_throttled_with_the_login_and_noted(sqlite_house, clock):
    house = sqlite_house
    heidi, app, _ = equipped(house, clock)
    page = to_second_step(heidi)
    found = [page.press(fi("Go on"), code="123456").status for _ in range(6)]
    assert found == [400] * 5 + [429]
    assert page.press(fi("Go on"), code=app.code()).status == 429, "not even with the right one"
    told = [read_plain(row.core_plain).payload for row in house.rows(consent_event) if row.core_plain]
    actor = f"staff:{house.account(heidi.email).id}"
    refused = [one for one in told if one["kind"] == "refused"]
    assert [(one["actor"], one["what"]) for one in refused] == [(actor, "second-step")] * 5


def test_the_second_step_waits_ten_minutes_and_needs_the_password_first(sqlite_house, clock):
    house = sqlite_house
    heidi, app, _ = equipped(house, clock)
    page = to_second_step(heidi)
    clock.shift(timedelta(minutes=10, seconds=1))
    assert urlsplit(page.press(fi("Go on"), code=app.code()).answer.url).path == "/staff/login"
    stranger = house.get("/staff/login/second-step?lang=fi")
    assert urlsplit(stranger.answer.url).path == "/staff/login"


def test_an_account_that_ends_halfway_comes_no_further(sqlite_house, clock):
    house = sqlite_house
    heidi, app, _ = equipped(house, clock)
    other = Staff(house, "elina@keinuma.example", "Elina")
    other.log_in()
    page = to_second_step(heidi)
    place = f"/staff/accounts/{house.account(heidi.email).id}/end?lang=fi"
    house.get(place, other.http).press(fi("End the account"))
    assert urlsplit(page.press(fi("Go on"), code=app.code()).answer.url).path == "/staff/login"


def test_a_removed_app_is_not_asked_for_and_its_codes_are_gone(sqlite_house, clock):
    house = sqlite_house
    heidi, _, _ = equipped(house, clock)
    house.get("/staff/my-account?lang=fi", heidi.http).press(fi("Remove the app"))
    heidi.http = house.http
    assert is_in(heidi.log_in())
    assert house.count(recovery_code) == 0


def test_a_new_password_does_not_go_round_the_second_step(sqlite_house, clock):
    house = sqlite_house
    heidi, app, _ = equipped(house, clock)
    account = house.account(heidi.email)
    token = house.service.tokens.for_staff("staff_recovery", account.id, account.link_state)
    house.get(f"/staff/recovery/{token}?lang=fi").press(fi("Save the password"), password=f"{Staff.PASSWORD} and more")
    heidi.http = house.http
    page = heidi.log_in(f"{Staff.PASSWORD} and more")
    assert urlsplit(page.answer.url).path == "/staff/login/second-step"
    assert is_in(page.press(fi("Go on"), code=app.code()))


def test_the_secret_is_encrypted_and_outlives_the_rotation_of_the_keys(open_house, tmp_path, clock):
    url, new = f"sqlite:///{tmp_path}/c.db", "a newer secret that is long enough"
    heidi, app, _ = equipped(open_house(url), clock)
    before = bytes(heidi.house.account(heidi.email).app_sealed)
    assert app._key not in before
    heidi.house = open_house(url, secret_keys=f"{new},{SECRET}")
    assert is_in(to_second_step(heidi).press(fi("Go on"), code=app.code()))
    assert bytes(heidi.house.account(heidi.email).app_sealed) != before
    clock.shift(timedelta(minutes=1))
    heidi.house = open_house(url, secret_keys=new)
    assert is_in(to_second_step(heidi).press(fi("Go on"), code=app.code())), "a code that was taken encrypts anew"


def test_without_its_key_an_app_opens_nothing_and_a_recovery_code_does(open_house, tmp_path, clock):
    url = f"sqlite:///{tmp_path}/c.db"
    heidi, app, codes = equipped(open_house(url), clock)
    heidi.house = open_house(url, secret_keys="a wholly other secret that is long")
    with capture_logs() as said:
        assert to_second_step(heidi).press(fi("Go on"), code=app.code()).status == 400
    assert "an app's secret cannot be opened" in [line["event"] for line in said], "or nobody would know why"
    assert is_in(to_second_step(heidi).press(fi("Go on"), code=codes[0]))


def test_what_a_stranger_sends_instead_of_a_passkey_is_refused(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", public_url="http://localhost:1", trusted_proxies=1)
    answers = ("", "{}", "[]", '{"rawId": "AA"}', "x" * 20_000, '{"rawId": 5}', "null", '{"rawId": "AA"')
    for number, answer in enumerate(answers):
        http = house.http
        http.headers["X-Forwarded-For"] = f"198.51.100.{number}"
        form = house.get("/staff/login?lang=fi", http).form(fi("Log in with a passkey"))
        page = house.post("/staff/login/passkey", form.fields | {"passkey": answer}, http)
        assert page.status == 302, answer[:20]
        assert page.answer.headers["Location"].startswith("/staff/login?did=wrong-passkey"), answer[:20]


def test_wrong_passkeys_are_throttled_by_network_and_lock_nobody_else_out(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", public_url="http://localhost:1", trusted_proxies=1)
    found = []
    for number in (1, 1, 1, 1, 1, 1, 2):
        http = house.http
        http.headers["X-Forwarded-For"] = f"198.51.100.{number}"
        form = house.get("/staff/login?lang=fi", http).form(fi("Log in with a passkey"))
        found.append(house.post("/staff/login/passkey", form.fields, http).status)
    assert found == [302] * 5 + [429, 302]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_passkey_answers_once_also_for_a_copy_of_the_session(open_house, tmp_path, request, kind):
    url = f"sqlite:///{tmp_path}/c.db" if kind == "sqlite" else request.getfixturevalue("new_postgres_url")
    house = open_house(url, public_url="http://localhost:1")
    heidi, device = Staff(house), Device("http://localhost:1", "localhost")
    heidi.log_in()
    page, copy = asked_for_passkey(house, heidi.http, "/staff/my-account/passkey?lang=fi")
    made = page.form(fi("Make the passkey")).fields | {"name": "Puhelin", "passkey": device.make(copy.asked)}
    assert copy.send("/staff/my-account/passkey", made).status_code == 200
    with house.service.transaction() as connection:
        connection.execute(passkey.delete())
    assert copy.send("/staff/my-account/passkey", made).status_code == 400, "nor is it made a second time"

    with house.service.transaction() as connection:
        connection.execute(spent_proof.delete())
    copy.send("/staff/my-account/passkey", made)
    page, copy = asked_for_passkey(house, house.http, "/staff/login?lang=fi")
    shown = page.form(fi("Log in with a passkey")).fields | {"passkey": device.show(copy.asked)}
    answers = [copy.send("/staff/login/passkey", shown).headers["Location"] for _ in range(2)]
    assert answers[0].startswith("/staff/") and "login" not in answers[0] and "wrong-passkey" in answers[1]


class Copy:
    """What somebody has who took down a session: its cookies, and what a device was asked in it."""

    def __init__(self, house, http, asked):
        self.house, self.asked, self._cookies = house, asked, dict(http.cookies)

    def send(self, path, fields):
        http = self.house.http
        http.cookies.update(self._cookies)
        return http.post(self.house.url + path, data=fields, allow_redirects=False, timeout=20)


def asked_for_passkey(house, http, path):
    """A page that asks for a passkey, and a copy of the session as it is then."""
    page = house.get(path, http)
    return page, Copy(house, http, html.unescape(re.search('data-asked="([^"]+)"', page.html)[1]))
