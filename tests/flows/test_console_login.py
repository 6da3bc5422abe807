"""Who gets into the console, and for how long: the guard on every page, logging in and out, and tokens."""

import re
import time
from datetime import timedelta
from http.cookies import SimpleCookie
from urllib.parse import urljoin, urlsplit

import pytest
import time_machine

from consent_service import service as services
from consent_service.language import language
from consent_service.models.breaches import breach
from consent_service.staff import staff_accounts
from consent_service.web import accounts
from tests import made_once
from tests.actors import Staff, Visitor, fi
from tests.household import SECRET
from tests.staff_pages import is_open, staff_pages

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE")
WRONG = fi("That address and password do not go together.")
OUT = fi("Log out")


@pytest.fixture
def house(sqlite_house):
    return sqlite_house


@pytest.fixture
def heidi(house):
    return Staff(house)


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


def with_cookie(house, cookie, path="/staff/"):
    """Open a page with a cookie copied by hand, as a thief would."""
    return house.get(path, headers={"Cookie": f"staff={cookie}"}, allow_redirects=False)


def is_let_in(house, cookie):
    answer = with_cookie(house, cookie).answer
    assert answer.status_code == 200 or urlsplit(answer.headers["Location"]).path == "/staff/login"
    return answer.status_code == 200


def token(page):
    return next(form.fields["csrf_token"] for form in page.forms if "csrf_token" in form.fields)


def cookies_set(page):
    """Every Set-Cookie header on the way to a page."""
    answers = [*page.answer.history, page.answer]
    return [SimpleCookie(header) for answer in answers if (header := answer.headers.get("Set-Cookie"))]


# The guard


def test_every_staff_page_has_the_hooks_of_staff(house):
    """Its form token, its limit of tries and its language; a blueprint that is not named there would have none."""
    rules = [rule for rule in house.app.url_map.iter_rules() if rule.rule.startswith("/staff")]
    assert len(rules) > 20
    assert {rule.endpoint.partition(".")[0] for rule in rules} == set(accounts.STAFF_PAGES)


def test_no_staff_page_opens_without_a_login_by_any_method(house, heidi):
    aino = Visitor(house, first="Kanerva", last="Salamyhkä")
    aino.subscribe()
    house.deliver()
    pages = list(staff_pages(house))
    stranger = house.http
    form_token = token(house.get("/staff/login", stranger))
    cookie = {"Cookie": f"staff={stranger.cookies['staff']}"}
    before = house.everything()
    told = re.compile(r"Kanerva|Salamyhk|aino@|heidi@keinuma\.example|Heidi")
    seen = set()
    for rule, path in pages:
        if is_open(rule):
            continue
        for method in rule.methods if seen else METHODS:  # what a page does not take is refused the same on all
            for data in (None, {"csrf_token": form_token}) if method not in ("HEAD", "OPTIONS") else (None,):
                answer = house.http.request(method, house.url + path, data=data, headers=cookie, allow_redirects=False)
                assert answer.status_code in (302, 400, 405) or (method, answer.content) == ("OPTIONS", b"")
                if answer.status_code == 302:
                    assert urlsplit(answer.headers["Location"]).path == "/staff/login"
                if method in ("GET", "POST") and method in rule.methods and data:
                    assert answer.status_code == 302, f"{method} {path} asks for a login"
                assert not told.search(answer.text + str(answer.headers)), path
        seen.add(rule.endpoint)
    assert "console.subscribers.show" in seen and "console.queue.retry" in seen
    assert house.everything() == before


def test_whether_a_person_or_message_exists_is_not_told_to_strangers(house):
    Visitor(house).subscribe()
    known = house.get(f"/staff/subscribers/{house.person('aino@example.com').id}", allow_redirects=False).answer
    unknown = house.get("/staff/subscribers/6f1d1f4e-0000-4000-8000-000000000000", allow_redirects=False).answer
    assert (known.status_code, known.text) == (unknown.status_code, unknown.text) == (302, known.text)


# Logging in


def test_the_right_password_opens_the_console_and_says_who_is_in(house, heidi):
    page = heidi.log_in()
    assert (page.status, urlsplit(page.answer.url).path) == (200, "/staff/")
    assert "Heidi" in page.words
    assert page.form(OUT)
    assert house.get("/staff/login", heidi.http).answer.url.endswith("/staff/"), "who is in need not log in again"


def test_the_case_of_the_address_does_not_matter(house, heidi):
    heidi.email = "HEIDI@KEINUMA.example"
    assert urlsplit(heidi.log_in().answer.url).path == "/staff/"


def test_a_password_outlives_the_rotation_of_the_keys(open_house, tmp_path):
    heidi = Staff(open_house(f"sqlite:///{tmp_path}/c.db", secret_keys=SECRET))
    new = "a newer secret that is long enough"
    for keys in (f"{new},{SECRET}", new):
        heidi.house = open_house(f"sqlite:///{tmp_path}/c.db", secret_keys=keys)
        heidi.http = heidi.house.http
        assert urlsplit(heidi.log_in().answer.url).path == "/staff/", keys


def test_the_answer_to_a_wrong_try_is_the_same_whatever_is_wrong(house, heidi):
    gone = Staff(house, "gone@keinuma.example", "Gone")
    with house.service.transaction() as connection:
        staff_accounts.end(connection, house.account(gone.email).id, services.now())
    answers = {}
    for email, password in (
        (heidi.email, "wrong password"),
        (gone.email, Staff.PASSWORD),
        ("nobody@keinuma.example", Staff.PASSWORD),
        (heidi.email, ""),
    ):
        form = house.get("/staff/login?lang=fi")
        page = form.press(fi("Log in"), email=email, password=password)
        told = re.sub(r'value="[^"]*"', "", page.html)
        answers[email, bool(password)] = (page.status, told, sorted(page.answer.headers), len(cookies_set(page)))
        assert WRONG in page.words
        assert form.form(fi("Log in")).fields.keys() == page.form(fi("Log in")).fields.keys()
        assert page.form(fi("Log in")).fields["email"] == email, "the address need not be typed again"
        assert not page.form(fi("Log in")).fields["password"]
    first, *others = answers.values()
    for other in others:
        assert other == first


def test_the_time_of_a_wrong_try_does_not_tell_whether_the_account_exists(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/c.db", trusted_proxies=1)
    made_once.hash_passwords(house.app, memory_kib=32 * 1024)  # so that the hash is most of the work
    heidi, form, spent = Staff(house), house.get("/staff/login?lang=fi"), {}
    for number, email in enumerate((heidi.email, "nobody@keinuma.example") * 4):
        form._http.headers["X-Forwarded-For"] = f"198.51.100.{number}"
        before = time.process_time()  # the work done, which a busy machine does not blur
        form.press(fi("Log in"), email=email, password="not the password")
        spent.setdefault(email, []).append(time.process_time() - before)
    known, unknown = (min(times) for times in spent.values())
    assert 1 / 2 < known / unknown < 2, spent


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "https:evil.example",
        "///e.x",
    ],
)
def test_logging_in_leads_nowhere_else(house, heidi, elsewhere):
    page = house.get("/staff/login", heidi.http, params={"next": elsewhere, "lang": "fi"})
    fields = {"email": heidi.email, "password": Staff.PASSWORD, "next": elsewhere}
    data = page.form(fi("Log in")).fields | fields
    for path in ("/staff/login", f"/staff/login?next={elsewhere}"):
        answer = house.post(path, data, heidi.http).answer
        there = urljoin(house.url, answer.headers.get("Location", ""))
        assert urlsplit(there).netloc == urlsplit(house.url).netloc


# The session


def test_a_planted_cookie_and_its_form_token_are_worthless_after_the_login(house, heidi):
    thief = house.http
    planted_token = token(house.get("/staff/login", thief))
    planted = thief.cookies["staff"]
    heidi.http.cookies.update(thief.cookies)
    Visitor(house).subscribe()
    heidi.log_in()
    assert heidi.http.cookies["staff"] != planted
    assert is_let_in(house, heidi.http.cookies["staff"])
    assert not is_let_in(house, planted)
    add = house.get("/staff/subscribers/add", heidi.http)
    assert token(add) != planted_token
    before = house.everything()
    forged = {"csrf_token": planted_token, "email": "e@example.com", "first_name": "E", "last_name": "N"}
    assert house.post("/staff/subscribers/add", forged, heidi.http).status == 400
    assert house.everything() == before


@pytest.mark.parametrize(
    ("public_url", "secure"), [("http://127.0.0.1:1", ""), ("https://tilaus.keinuma.example", True)]
)
def test_the_cookie_is_out_of_reach_for_scripts_other_sites_and_other_pages(open_house, tmp_path, public_url, secure):
    house = open_house(f"sqlite:///{tmp_path}/c.db", public_url=public_url)
    form = house.get("/staff/login?lang=fi")
    data = form.form(fi("Log in")).fields | {"email": Staff(house).email, "password": Staff.PASSWORD}
    cookie = form.answer.headers["Set-Cookie"].partition(";")[0]
    logged_in = house.post("/staff/login", data, headers={"Cookie": cookie})
    assert logged_in.answer.headers["Location"] == "/staff/"
    for jar in (*cookies_set(form), *cookies_set(logged_in)):
        assert set(jar) == {"staff"}
        flags = jar["staff"]
        assert (flags["httponly"], flags["samesite"], flags["path"], flags["secure"]) == (True, "Lax", "/staff", secure)
        assert not flags["domain"]


def test_logging_out_kills_every_copy_of_the_cookie(house, heidi):
    page = heidi.log_in()
    copied = heidi.http.cookies["staff"]
    assert is_let_in(house, copied)
    assert house.get("/staff/logout", heidi.http).status == 405, "a link cannot log anybody out"
    assert is_let_in(house, copied)
    assert urlsplit(page.press(OUT).answer.url).path == "/staff/login"
    assert not is_let_in(house, copied)
    assert urlsplit(house.get("/staff/", heidi.http).answer.url).path == "/staff/login"


def test_thirty_idle_minutes_end_the_session(house, heidi, clock):
    heidi.log_in()
    for _ in range(3):
        clock.shift(timedelta(minutes=29))
        assert house.get("/staff/", heidi.http, allow_redirects=False).status == 200, "work goes on"
    cookie = heidi.http.cookies["staff"]
    clock.shift(timedelta(minutes=30, seconds=2))
    assert not is_let_in(house, cookie)


def test_a_login_page_left_open_over_night_is_shown_anew_and_says_why(house, heidi, clock):
    login = house.get("/staff/login", heidi.http)
    clock.shift(timedelta(hours=12))
    page = login.press(fi("Log in"), email=heidi.email, password=heidi.PASSWORD)
    assert fi("This page had been open for too long. Log in once more.") in page.words
    inside = page.press(fi("Log in"), email=heidi.email, password=heidi.PASSWORD)
    assert urlsplit(inside.answer.url).path == "/staff/"


def test_who_presses_log_out_after_the_session_has_ended_is_at_the_login(house, heidi, clock):
    page = heidi.log_in()
    clock.shift(timedelta(minutes=31))
    assert urlsplit(page.press(OUT).answer.url).path == "/staff/login"


@pytest.mark.parametrize("is_in_again", [False, True])
def test_what_was_written_into_a_form_whose_session_has_ended_is_shown_to_be_copied(house, heidi, clock, is_in_again):
    heidi.log_in()
    form = house.get("/staff/breaches/add", heidi.http)
    before = house.count(breach)
    clock.shift(timedelta(minutes=31))
    if is_in_again:
        heidi.log_in()
    written = {"happened": "Tikku <i>katosi</i>\njunaan.", "measures": "Soitettu", "password": "salainen sana"}
    heidi.http.headers["Sec-Fetch-Site"] = "cross-site"
    assert "katosi" not in form.press(fi("Save"), **written).html, "another site's words are not ours to show"
    heidi.http.headers["Sec-Fetch-Site"] = "same-origin"
    page = form.press(fi("Save"), **written)
    assert (page.status, house.count(breach)) == (400, before)
    assert fi("You have been logged out since you opened the form, so nothing was saved.") in page.words
    assert fi("What you wrote") in page.words and "Tikku &lt;i&gt;katosi&lt;/i&gt;\njunaan." in page.html
    assert "Soitettu" not in page.html, "a word is soon written again, and what was chosen looks the same"
    assert "salainen" not in page.html


def test_twelve_hours_end_the_session_however_busy(house, heidi, clock):
    heidi.log_in()
    form_token = token(house.get("/staff/subscribers/add", heidi.http))
    for _ in range(35):
        clock.shift(timedelta(minutes=20))
        assert house.get("/staff/", heidi.http, allow_redirects=False).status == 200
    cookie = heidi.http.cookies["staff"]
    clock.shift(timedelta(minutes=20, seconds=1))
    before = house.everything()
    posted = house.post("/staff/subscribers/add", {"csrf_token": form_token}, headers={"Cookie": f"staff={cookie}"})
    assert posted.answer.headers["Location"] == "/staff/login"
    assert house.everything() == before
    assert not is_let_in(house, cookie)


def test_a_disabled_account_is_out_at_once(house, heidi):
    heidi.log_in()
    cookie = heidi.http.cookies["staff"]
    assert is_let_in(house, cookie)
    Staff(house, "elina@keinuma.example", "Elina")
    with house.service.transaction() as connection:
        staff_accounts.end(connection, house.account(heidi.email).id, services.now())
    assert not is_let_in(house, cookie)
    assert WRONG in heidi.log_in().words


def test_no_other_kind_of_token_opens_the_console(house, heidi):
    form = house.get("/staff/login?lang=fi", heidi.http)
    data = form.form(fi("Log in")).fields | {"email": heidi.email, "password": Staff.PASSWORD}
    headers = {"Accept": "application/json"}
    answer = house.post("/staff/login?include_auth_token", data, heidi.http, headers=headers).answer
    assert (answer.status_code, "token" in answer.text) == (302, False), "none is given out"
    with house.app.app_context():
        one = house.app.extensions["security"].datastore.find_user(email=heidi.email).get_auth_token()
    for options in ({"headers": {"Authentication-Token": one}}, {"params": {"auth_token": one}}):
        assert house.get("/staff/", allow_redirects=False, **options).status == 302


def test_every_post_needs_the_token_of_its_own_session(house, heidi):
    aino = Visitor(house)
    aino.subscribe()
    heidi.log_in()
    elina = Staff(house, "elina@keinuma.example", "Elina")
    foreign = token(elina.log_in())
    cookie = {"Cookie": f"staff={heidi.http.cookies['staff']}"}
    posts = [path for rule, path in staff_pages(house) if "POST" in rule.methods]
    before = house.everything()
    assert len(posts) >= 4
    for path in posts:
        for forged in ({}, {"csrf_token": "made up"}, {"csrf_token": foreign}):
            page = house.post(path, forged, headers=cookie)
            assert page.status == 400, (path, forged)
    assert house.everything() == before
    assert is_let_in(house, heidi.http.cookies["staff"]), "nobody else can log her out"


def test_a_language_chosen_at_the_login_is_kept_inside(house, heidi):
    swedish = language("sv").say
    login = house.get("/staff/login?lang=sv", heidi.http)
    inside = login.press(swedish("Log in"), email=heidi.email, password=heidi.PASSWORD)
    assert swedish("Overview") in inside.title
    assert swedish("Subscribers") in house.get("/staff/subscribers", heidi.http).title


def test_a_language_asked_for_without_a_login_is_kept_for_the_login_page(house, heidi):
    page = house.get("/staff/subscribers?lang=sv", heidi.http)
    assert language("sv").say("Log in") in page.title
