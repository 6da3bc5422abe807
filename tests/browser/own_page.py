"""The states of a person's own page, of their evidence sheet, and of what is held there, found as in places.py."""

from tests.actors import Visitor
from tests.browser.guest import LONG_EMAIL, NUMBERS, Guest
from tests.browser.houses import STAFF
from tests.browser.places import CONSOLE, Place, place

OWN: list[Place] = []


def _own_page(guest: Guest, person: Visitor, tail: str = "") -> Guest:
    guest.send("/my-data", "Send me the link", email=person.email)
    return guest.open(person.link("my-data").replace("?", f"{tail}?"))


@place(OWN, "town")
def my_data(guest: Guest) -> None:
    person = guest.confirmed()
    _own_page(guest, person, "/address").write(email=LONG_EMAIL.format(next(NUMBERS)))
    guest.press("Send the confirmation message")
    _own_page(guest, person)


@place(OWN, "town")
def confirm_both(guest: Guest) -> None:
    person = guest.somebody()
    wanted = {"first_name": person.first, "last_name": person.last, "email": person.email, "consent": "yes"}
    guest.send("/subscribe", "Subscribe", tracking="yes", **wanted)
    guest.open(person.link("confirm"))


@place(OWN, "town")
def my_data_tracking(guest: Guest) -> None:
    person = guest.confirmed()
    _own_page(guest, person).press("Permit this")
    _own_page(guest, person)


@place(OWN, "town")
def my_data_tracking_stopped(guest: Guest) -> None:
    person = guest.confirmed()
    _own_page(guest, person).press("Permit this")
    _own_page(guest, person).press("Take the permission back")


@place(OWN, "town")
def my_data_there_waiting(guest: Guest) -> None:
    _own_page(guest, guest.confirmed()).press("Fetch what ActiveCampaign holds")


@place(OWN, "town")
def my_data_there(guest: Guest) -> None:
    person = guest.confirmed()
    guest.house.contacts.held.troubles = {"deals": 403, "notes": 500}
    _own_page(guest, person).press("Fetch what ActiveCampaign holds")
    guest.house.deliver()
    guest.house.contacts.held.troubles = {}
    _own_page(guest, person)


@place(CONSOLE, "town")
def held_there(guest: Guest) -> None:
    person = guest.house.person(guest.confirmed().email)
    guest.let_in(STAFF).open(f"/staff/subscribers/{person.id}/there").press("Fetch what ActiveCampaign holds")
    guest.house.deliver()
    guest.open(f"/staff/subscribers/{person.id}/there")


@place(OWN, "town", is_wrong=True)
def my_data_address_wrong(guest: Guest) -> None:
    _own_page(guest, guest.confirmed(), "/address").write(email="aino@").press("Send the confirmation message")


@place(OWN, "town")
def my_data_erase(guest: Guest) -> None:
    _own_page(guest, guest.confirmed(), "/erase")


@place(OWN, "town")
def my_data_evidence(guest: Guest) -> None:
    person = guest.confirmed()
    guest.house.service.seal()
    _own_page(guest, person, "/evidence")
