"""The states of the staff pages for keys of other programs, found as in places.py."""

from consent_service import api_keys
from consent_service import service as services
from consent_service.models.api import api_key
from tests.browser.guest import LONG_LAST, Guest
from tests.browser.houses import STAFF
from tests.browser.places import Place, place
from tests.machine import Machine

API_KEYS: list[Place] = []


def _open(guest: Guest, path: str = "") -> Guest:
    guest.let_in(STAFF)
    return guest.open(f"/staff/api-keys{path}")


@place(API_KEYS, "unconnected", repeats=True)
def api_keys_none(guest: Guest) -> None:
    _open(guest)


@place(API_KEYS, "drifted")
def api_keys_some(guest: Guest) -> None:
    if not guest.house.rows(api_key):
        Machine(guest.house, name=LONG_LAST[:100]).status("aino@example.com")
        former = Machine(guest.house, "read")
        with guest.house.service.transaction() as connection:
            api_keys.disable(connection, former.id, "Heidi", services.now())
    _open(guest)


@place(API_KEYS, "empty")
def api_key_make(guest: Guest) -> None:
    _open(guest, "/make")


@place(API_KEYS, "empty", is_wrong=True)
def api_key_make_wrong(guest: Guest) -> None:
    _open(guest, "/make").press("Make the key")


@place(API_KEYS, "empty")
def api_key_made(guest: Guest) -> None:
    _open(guest, "/make").write(name=LONG_LAST[:100]).tab.locator("#subscribe").check()
    guest.press("Make the key")


@place(API_KEYS, "empty", repeats=True)
def api_key_made_already(guest: Guest) -> None:
    api_key_made(guest)
    guest.tab.get_by_role("heading", level=1, name=guest.say("The key is made")).wait_for()  # not a page on its way
    guest.tab.reload()


@place(API_KEYS, "empty", repeats=True)
def api_key_disable(guest: Guest) -> None:
    _open(guest, f"/{Machine(guest.house, name=LONG_LAST[:100]).id}/disable")


@place(API_KEYS, "empty", repeats=True)
def api_key_disabled(guest: Guest) -> None:
    former = Machine(guest.house, "read")
    with guest.house.service.transaction() as connection:
        api_keys.disable(connection, former.id, "Heidi", services.now())
    _open(guest, f"/{former.id}/disable")
