"""The states of a person's own page and of their evidence sheet, found like those in places.py."""

from tests.actors import Visitor
from tests.browser.guest import LONG_EMAIL, NUMBERS, Guest
from tests.browser.places import Place, place

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
