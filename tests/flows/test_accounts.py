"""Accounts of the company's own people: invited by mail, changed, ended, recovered; there is always an owner."""

import threading
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import time_machine

from consent_service import service as services
from consent_service.language import language
from consent_service.models.staff import staff
from consent_service.staff import staff_accounts
from consent_service.staff.staff_accounts import OWNER, READER, STAFF, LastOwner
from tests.actors import Staff, Visitor, fi
from tests.conftest import on_both_databases

PASSWORD = "neljä sanaa jotka eivät kuulu yhteen"
DEAD = fi("This link does not work")
LAST = fi("This is the last owner. Make somebody else an owner first.")
NEW = "elina@keinuma.example"


@pytest.fixture
def heidi(house):
    heidi = Staff(house)
    heidi.log_in()
    return heidi


@pytest.fixture
def clock():
    with time_machine.travel(services.now(), tick=False) as traveller:
        yield traveller


def invite(heidi, email=NEW, **changes):
    page = heidi.house.get("/staff/accounts/invite?lang=fi", heidi.http)
    fields = {"name": "Elina", "email": email, "role": STAFF, "language": "fi"}
    return page.press(fi("Send the invitation"), **(fields | changes))


def link(house, kind, email=NEW):
    """The link in the newest mail to a colleague."""
    house.deliver()
    return Visitor(house, email).link(kind)


def accept(house, place, password=PASSWORD):
    return house.get(place).press(fi("Save the password"), password=password)


def change(heidi, email, what, button, **fields):
    place = f"/staff/accounts/{heidi.house.account(email).id}/{what}?lang=fi"
    return heidi.house.get(place, heidi.http).press(fi(button), **fields)


def logged_in(house, email=NEW, password=PASSWORD):
    http = house.http
    page = house.get("/staff/login?lang=fi", http).press(fi("Log in"), email=email, password=password)
    return http if urlsplit(page.answer.url).path == "/staff/" else None


def is_in(house, http):
    return house.get("/staff/", http, allow_redirects=False).status == 200


# Inviting


def test_a_colleague_is_invited_chooses_a_password_and_logs_in(house, heidi):
    page = invite(heidi)
    assert fi("The invitation is on its way. Its link works once, within two days.") in page.words
    assert logged_in(house, password="") is None
    place = link(house, "invitation")
    assert urlsplit(place).path.startswith("/staff/invitation/")
    done = accept(house, place)
    assert fi("The password is set. Log in with it.") in done.words
    http = logged_in(house)
    assert house.get("/staff/subscribers", http).status == 200
    assert house.get("/staff/accounts", http).status == 403, "invited as staff"
    assert house.account(NEW).role == STAFF


@pytest.mark.parametrize("code", ["fi", "sv", "en"])
def test_the_mails_are_in_the_language_of_the_account(sqlite_house, code):
    house, say = sqlite_house, language(code).say
    house.invited(NEW, code=code)
    place = link(house, "invitation")
    mail = Visitor(house, NEW).newest()
    assert mail.message["Subject"] == say("Your account in the register of %(name)s", name="Keinuma Oy")
    assert say("Choose a password") in mail.text and place.endswith(f"lang={code}")
    assert house.get(place).press(say("Save the password"), password=PASSWORD).status == 200
    house.get(f"/staff/recovery?lang={code}").press(say("Send me the link"), email=NEW)
    link(house, "recovery")
    assert Visitor(house, NEW).newest().message["Subject"] == say("Set a new password")


def test_opening_the_link_changes_nothing_however_often(sqlite_house):
    house = sqlite_house
    house.invited(NEW)
    place, before = link(house, "invitation"), house.everything()
    for method in ("GET", "HEAD", "OPTIONS"):
        house.http.request(method, place)
    assert house.everything() == before
    assert accept(house, place).status == 200


@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("", "Choose a password of at least 12 characters."),
        ("elevenchars", "Choose a password of at least 12 characters."),
        ("Elina@Keinuma.Example", "Choose a password that is not your address or your name."),
        ("x" * 257, "Choose a password of at most 256 characters."),
    ],
)
def test_a_password_that_will_not_do_is_told_beside_the_field_and_the_link_lives_on(sqlite_house, password, message):
    house = sqlite_house
    house.invited(NEW)
    place = link(house, "invitation")
    page = accept(house, place, password)
    assert (page.status, fi(message) in page.words) == (400, True)
    assert len(password) < 5 or password not in page.html
    assert accept(house, place).status == 200


def test_a_used_late_forged_replaced_or_foreign_link_opens_one_calm_page(sqlite_house, clock):
    house = sqlite_house
    account = house.invited(NEW)
    used = link(house, "invitation")
    clock.shift(timedelta(days=2, seconds=-5))
    accept(house, used)
    house.get("/staff/recovery?lang=fi").press(fi("Send me the link"), email=NEW)
    recovery = link(house, "recovery")
    clock.shift(timedelta(minutes=30, seconds=5))
    other = house.invited("uusi@keinuma.example")
    late = link(house, "invitation", "uusi@keinuma.example")
    with house.service.transaction() as connection:
        staff_accounts.invite_again(connection, other.id, services.now())
    tokens = house.service.tokens
    unsubscribing = f"{house.url}/staff/invitation/{tokens.for_unsubscribing(account.id)}?lang=fi"
    crossed = f"{house.url}/staff/invitation/{tokens.for_staff('staff_recovery', other.id, other.link_state)}?lang=fi"
    words = set()
    for place in (used, recovery, late, f"{used[:-20]}x?lang=fi", unsubscribing, crossed):
        page = house.get(place)
        assert (page.status, DEAD in page.title) == (404, True), place
        words.add(page.words)
        assert house.post(place, {"password": PASSWORD}).status in (400, 404)
    assert len(words) == 1


def test_two_days_end_an_invitation_and_another_one_can_be_sent(sqlite_house, clock):
    house = sqlite_house
    heidi = Staff(house)
    heidi.log_in()
    invite(heidi)
    first = link(house, "invitation")
    clock.shift(timedelta(days=2, seconds=1))
    assert house.get(first).status == 404
    heidi.http = house.http
    heidi.log_in()
    page = change(heidi, NEW, "invite-again", "Send the invitation")
    assert fi("A new invitation is on its way. Its link works once, within two days.") in page.words
    second = link(house, "invitation")
    assert second != first and accept(house, second).status == 200


@on_both_databases
def test_of_two_presses_at_once_one_sets_the_password(house):
    account = house.invited(NEW)
    done = []

    def press(number):
        with house.service.transaction() as connection:
            done.append(staff_accounts.set_password(connection, account.id, account.link_state, f"hash {number}"))

    threads = [threading.Thread(target=press, args=(number,)) for number in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(done) == [False, False, False, True]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "Write the name."),
        ({"email": "x"}, "Write one e-mail address in the form name@example.com."),
        ({"role": "boss"}, "Choose what this person may do."),
    ],
)
def test_an_invitation_needs_a_name_an_address_and_a_role(sqlite_house, fields, message):
    heidi = Staff(sqlite_house)
    heidi.log_in()
    page = invite(heidi, **fields)
    assert (page.status, fi(message) in page.words) == (400, True)
    assert sqlite_house.count(staff) == 1


def test_an_address_that_has_an_account_is_told_so(sqlite_house):
    heidi = Staff(sqlite_house)
    heidi.log_in()
    page = invite(heidi, heidi.email.upper())
    told = fi("There is an account with this address already. Look for it in the list.")
    assert (page.status, told in page.words) == (409, True)


# Changing and ending


@on_both_databases
def test_an_ended_account_is_out_at_its_next_request_and_its_links_are_dead(house, heidi):
    invite(heidi)
    accept(house, link(house, "invitation"))
    elina = logged_in(house)
    house.get("/staff/recovery?lang=fi").press(fi("Send me the link"), email=NEW)
    recovery = link(house, "recovery")
    page = change(heidi, NEW, "end", "End the account")
    assert fi("The account and all its sessions have been ended.") in page.words
    assert not is_in(house, elina)
    assert logged_in(house) is None
    assert house.get(recovery).status == 404
    assert change(heidi, NEW, "invite-again", "Send the invitation").status == 200
    accept(house, link(house, "invitation"))
    assert logged_in(house)


def test_every_session_of_an_account_is_ended_and_a_new_login_works(sqlite_house):
    house = sqlite_house
    heidi, elina = Staff(house), Staff(house, NEW, "Elina", STAFF)
    heidi.log_in()
    browsers = [logged_in(house, NEW, Staff.PASSWORD) for _ in range(2)]
    change(heidi, NEW, "end-sessions", "Log out everywhere")
    assert [is_in(house, http) for http in browsers] == [False, False]
    assert is_in(house, heidi.http)
    assert elina.log_in().status == 200


@pytest.mark.parametrize(
    ("what", "button", "fields"),
    [
        ("end", "End the account", {}),
        ("role", "Change the role", {"role": READER}),
        ("invite-again", "Send the invitation", {}),
    ],
)
def test_the_last_owner_stays_one(sqlite_house, what, button, fields):
    house = sqlite_house
    heidi = Staff(house)
    heidi.log_in()
    Staff(house, NEW, "Elina", STAFF)
    house.invited("uusi@keinuma.example", role=OWNER)
    gone = Staff(house, "gone@keinuma.example", "Gone")
    change(heidi, gone.email, "end", "End the account")
    page = change(heidi, heidi.email, what, button, **fields)
    assert (page.status, LAST in page.words) == (409, True), "an invited or ended owner is none yet or no more"
    assert house.account(heidi.email).role == OWNER
    assert is_in(house, heidi.http)


@on_both_databases
def test_two_owners_who_end_each_other_at_once_leave_one(house):
    accounts = [house.account(Staff(house, f"{name}@keinuma.example", name).email) for name in ("anna", "bo")]
    start, refused = threading.Barrier(2), []

    def leave(account):
        start.wait()
        try:
            with house.service.transaction() as connection:
                staff_accounts.end(connection, account.id, services.now())
        except LastOwner:
            refused.append(account.id)

    threads = [threading.Thread(target=leave, args=(account,)) for account in accounts]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(refused) == 1
    assert [row.id for row in house.rows(staff) if row.active] == refused


# A lost password


def test_a_lost_password_is_replaced_by_a_mailed_link_and_every_session_ends(house, heidi):
    open_session = heidi.http
    page = house.get("/staff/recovery?lang=fi").press(fi("Send me the link"), email=heidi.email)
    assert fi("Check your mail") in page.title
    place = link(house, "recovery", heidi.email)
    accept(house, place)
    assert not is_in(house, open_session)
    assert logged_in(house, heidi.email, Staff.PASSWORD) is None
    assert logged_in(house, heidi.email)
    assert house.get(place).status == 404


def test_the_answer_to_a_lost_password_is_the_same_for_every_address(sqlite_house):
    house = sqlite_house
    heidi = Staff(house)
    house.invited("uusi@keinuma.example")
    house.deliver()
    answers = set()
    for email in (heidi.email, "uusi@keinuma.example", "nobody@keinuma.example"):
        before = len(house.messages())
        page = house.get("/staff/recovery?lang=fi").press(fi("Send me the link"), email=email)
        answers.add((page.status, page.html, tuple(sorted(page.answer.headers))))
        assert len(house.messages()) == before + 1, "the same is written"
    house.deliver()
    assert len(answers) == 1
    assert not Visitor(house, "nobody@keinuma.example").mails()
    assert not Visitor(house, "uusi@keinuma.example").has_link("recovery")
    assert Visitor(house, heidi.email).has_link("recovery")


def test_strangers_in_many_places_cannot_fill_a_colleagues_mailbox_and_a_used_link_starts_anew(
    open_house, tmp_path, clock
):
    house = open_house(f"sqlite:///{tmp_path}/c.db", trusted_proxies=1)
    heidi, start = Staff(house), services.now()
    for number in range(15):
        http = house.http
        http.headers["X-Forwarded-For"] = f"198.51.100.{number}"
        house.get("/staff/recovery?lang=fi", http).press(fi("Send me the link"), email=heidi.email)
        house.deliver()
        clock.shift(timedelta(minutes=1, seconds=59))
    assert services.now() - start < timedelta(minutes=30) and len(Visitor(house, heidi.email).mails()) == 3
    used = link(house, "recovery", heidi.email)
    assert accept(house, used).status == 200, "the newest is young enough"
    house.get("/staff/recovery?lang=fi").press(fi("Send me the link"), email=heidi.email)
    assert link(house, "recovery", heidi.email) != used


def test_nor_does_it_show_while_no_mail_leaves_whether_there_is_an_account(sqlite_house):
    house = sqlite_house
    heidi = Staff(house)
    house.mail.refuse_connections = True
    waiting = []
    for email in (heidi.email, "nobody@keinuma.example"):
        house.get("/staff/recovery?lang=fi").press(fi("Send me the link"), email=email)
        house.deliver()
        waiting.append(len([message for message in house.messages() if message.done_at is None]))
    assert waiting == [1, 2], "and /readyz tells anybody how long the oldest one has waited"


def test_asking_for_a_new_password_is_throttled(sqlite_house, clock):
    found = []
    for _ in range(6):
        page = sqlite_house.get("/staff/recovery?lang=fi").press(fi("Send me the link"), email="nobody@keinuma.example")
        found.append(page.status)
    assert found == [200] * 5 + [429]


def test_whoever_is_logged_in_gets_a_link_for_another_password(sqlite_house):
    house = sqlite_house
    heidi = Staff(house)
    heidi.log_in()
    house.get("/staff/my-account?lang=fi", heidi.http).press(fi("Mail me a link to set another one"))
    assert accept(house, link(house, "recovery", heidi.email)).status == 200


def test_no_token_lies_readable_in_the_database(sqlite_house):
    house = sqlite_house
    house.invited(NEW)
    token = urlsplit(link(house, "invitation")).path.rpartition("/")[2]
    assert token not in str(house.everything())
