"""Passkeys, with a device that Chromium pretends to have: made, logged in with, asked for once more, taken away."""

from urllib.parse import urlsplit

import pytest

from consent_service.models.staff import passkey
from tests.actors import Staff, Visitor
from tests.browser.guest import WIDE, Guest
from tests.browser.houses import STAFF
from tests.household import household
from tests.servers.activecampaign import ActiveCampaign
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.browser

DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def house(tmp_path):
    """A household with a name: passkeys cannot be bound to a number."""
    url = f"sqlite:///{tmp_path}/c.db"
    with (
        MailServer() as mail,
        ActiveCampaign() as contacts,
        household(tmp_path, url, mail, contacts, called="localhost") as house,
    ):
        Staff(house, STAFF)
        yield house


@pytest.fixture
def guest(browser, house):
    context = browser.new_context()
    context.set_default_timeout(30_000)
    with Guest(context.new_page(), house, "fi") as guest:
        guest.look(WIDE, "light")
        yield guest
    context.close()


class Device:
    """The guest's device; `is_at_hand` decides whether its owner touches it."""

    def __init__(self, guest: Guest):
        self._line = guest.tab.context.new_cdp_session(guest.tab)
        self._line.send("WebAuthn.enable")
        self._id = self._line.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})["authenticatorId"]

    def is_at_hand(self, *, verified: bool) -> None:
        self._line.send("WebAuthn.setUserVerified", {"authenticatorId": self._id, "isUserVerified": verified})


def sees(guest: Guest, title: str) -> None:
    guest.tab.get_by_role("heading", level=1, name=guest.say(title), exact=True).wait_for()


def add_passkey(guest: Guest) -> Device:
    guest.log_in(STAFF)
    device = Device(guest)
    guest.open("/staff/my-account").tab.get_by_role("link", name=guest.say("Add a passkey")).click()
    guest.write(name="Oma puhelin").press("Make the passkey")
    sees(guest, "Recovery codes")
    return device


def test_a_passkey_is_made_and_opens_the_account_without_a_password(guest, house):
    add_passkey(guest)
    [made] = house.rows(passkey)
    assert (made.name, made.staff_id) == ("Oma puhelin", house.account(STAFF).id)
    guest.press("Log out")
    sees(guest, "Log in")
    guest.press("Log in with a passkey")
    guest.is_in()
    [used] = house.rows(passkey)
    assert used.last_used_at and used.sign_count > made.sign_count
    assert (guest.complaints, guest.strays) == ([], [])


def test_after_the_password_it_is_the_second_step(guest, house):
    add_passkey(guest)
    guest.press("Log out")
    guest.log_in(STAFF)
    sees(guest, "The second step")
    guest.press("Use a passkey")
    guest.is_in()
    assert (guest.complaints, guest.strays) == ([], [])


def test_it_answers_when_asked_once_more_and_what_was_written_goes_through(guest, house):
    add_passkey(guest)
    Visitor(house).subscribe()
    guest.open(f"/staff/subscribers/{house.person('aino@example.com').id}/erase")
    guest.tab.locator("#why").select_option("mistake")
    guest.write(last_name="Mäkelä")
    age(guest, house)
    guest.press("Erase for good")
    sees(guest, "Is it still you?")
    assert house.person("aino@example.com")
    guest.press("Use a passkey")
    sees(guest, "Subscribers")
    assert house.person("aino@example.com") is None
    assert (guest.complaints, guest.strays) == ([], [])


def age(guest: Guest, house) -> None:
    """Let the log-in have been a quarter of an hour ago."""
    [cookie] = [one for one in guest.tab.context.cookies() if one["name"] == "staff"]
    signer = house.app.session_interface.get_signing_serializer(house.app)
    held = signer.loads(cookie["value"])
    guest.tab.context.add_cookies([cookie | {"value": signer.dumps(held | {"proved_at": held["proved_at"] - 900})}])


def test_a_device_that_does_not_know_its_owner_opens_nothing(guest, house):
    device = add_passkey(guest)
    guest.press("Log out")
    device.is_at_hand(verified=False)
    guest.press("Log in with a passkey")
    guest.tab.get_by_role("alert").filter(
        has_text=guest.say("No passkey was received. Try again, or use another way.")
    ).wait_for()
    assert urlsplit(guest.tab.url).path == "/staff/login"


def test_a_removed_passkey_opens_nothing(guest, house):
    add_passkey(guest)
    guest.open("/staff/my-account").press("Remove")
    sees(guest, "My account")
    assert house.rows(passkey) == []
    guest.press("Log out")
    guest.press("Log in with a passkey")
    guest.tab.get_by_role("alert").filter(
        has_text=guest.say("The passkey did not fit. Try again, or log in with your password.")
    ).wait_for()
