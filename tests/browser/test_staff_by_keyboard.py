"""A colleague starts, and a colleague leaves: in Finnish, with the keyboard alone, in browsers that run no script."""

from types import SimpleNamespace

import pytest

from tests.actors import Staff, Visitor
from tests.authenticator import App
from tests.browser.guest import Guest
from tests.browser.houses import STAFF
from tests.browser.test_by_keyboard import Hands

pytestmark = pytest.mark.browser

PASSWORD = "neljä sanaa jotka eivät kuulu yhteen"


@pytest.fixture
def colleagues(browser, visit, tab_without_scripts, houses):
    """Heidi and Elina, each with a browser of her own, in one household."""
    other = browser.new_context(java_script_enabled=False)
    other.set_default_timeout(30_000)
    heidi, elina = (visit(tab, houses["town"], "fi") for tab in (tab_without_scripts, other.new_page()))
    yield heidi, elina
    other.close()


def log_in(hands: Hands, email: str, password: str, title: str | None = None) -> None:
    hands.guest.open("/staff/")
    hands.write(email=email, password=password)
    hands.press("Log in", title) if title else hands.press_and_be_in("Log in")


def sees_none_but_ours(*guests: Guest) -> None:
    for guest in guests:
        assert (guest.complaints, guest.strays) == ([], [])


def test_a_new_colleague_starts(colleagues):
    heidi, elina = colleagues
    house, email = heidi.house, heidi.somebody().email
    owner, new = Hands(heidi), Hands(elina)

    log_in(owner, STAFF, Staff.PASSWORD)
    owner.open("More")
    owner.press("Accounts", "Accounts")
    owner.press("Invite a colleague", "Invite a colleague")
    owner.write(name="Elina Uusi", email=email).choose("role", 1)
    owner.press("Send the invitation", "Elina Uusi")
    house.deliver()

    elina.tab.goto(Visitor(house, email).link("invitation"))
    new.write(password="lyhyt")
    new.go_to(elina.say("Save the password"))
    elina.tab.keyboard.press("Enter")
    elina.tab.locator(".summary:focus").wait_for()
    new.write(password=PASSWORD)
    new.press("Save the password", "Log in")
    new.write(email=email, password=PASSWORD)
    new.press_and_be_in("Log in")

    new.press("Elina Uusi (oma tili)", "My account")
    new.press("Set up an app", "Set up an app")
    app = App(SimpleNamespace(html=elina.tab.content()))
    new.write(code=app.code())
    new.press("Set up the app", "Recovery codes")
    new.press("I have kept them", "My account")
    new.press("Log out", "Log in")

    new.write(email=email, password=PASSWORD)
    new.press("Log in", "The second step")
    new.write(code=app.code(1))
    new.press_and_be_in("Go on")
    assert house.account(email).role == "reader", "one step down from staff in the list"
    sees_none_but_ours(heidi, elina)


def test_a_colleague_leaves(colleagues):
    heidi, elina = colleagues
    house, email = heidi.house, heidi.somebody().email
    house.add_staff(email, "Liisa Lähtevä", Staff.PASSWORD, "staff")
    owner, leaving = Hands(heidi), Hands(elina)
    log_in(leaving, email, Staff.PASSWORD)
    leaving.press("Subscribers", "Subscribers")

    log_in(owner, STAFF, Staff.PASSWORD)
    owner.open("More")
    owner.press("Accounts", "Accounts")
    owner.press("Liisa Lähtevä", "Liisa Lähtevä")
    owner.press("End the account", "Lopetetaanko tili: Liisa Lähtevä?")
    owner.press("End the account", "Liisa Lähtevä")
    assert (
        heidi.tab.get_by_role("status")
        .inner_text()
        .strip()
        .endswith(heidi.say("The account and all its sessions have been ended."))
    )

    leaving.press("Subscribers", "Log in")
    leaving.write(email=email, password=Staff.PASSWORD)
    leaving.press("Log in", "Log in")
    sees_none_but_ours(heidi, elina)
