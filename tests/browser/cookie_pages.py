"""The states of the page about cookies and of what is recorded of a choice, found as in places.py."""

from consent_service import cookie_choices
from consent_service.cookie_choices import Choice
from consent_service.language import language
from tests.browser.guest import NUMBERS, Guest
from tests.browser.places import Place, place

COOKIES: list[Place] = []


def _chosen(guest: Guest) -> str:
    """The number of somebody's two choices."""
    number = f"{next(NUMBERS):032x}"
    site, browser = "www.pitkanimisen-valmennusyrityksen-verkkosivusto.example", "Samsung Internet"
    chosen = Choice(number, 1, "chosen", ("statistics", "marketing"), "settings", False, site, browser)
    refused = Choice(number, 2, "necessary", (), "first", True, site, browser)
    text = guest.house.service.cookie_notice(language(guest.code)).shown
    with guest.house.service.transaction() as connection:
        for choice in (chosen, refused):
            cookie_choices.record(connection, guest.house.occasion("visitor", "banner"), choice, text)
    return number


@place(COOKIES, "empty")
def cookies(guest: Guest) -> None:
    guest.open("/cookies")


@place(COOKIES, "empty", is_wrong=True)
def cookies_wrong(guest: Guest) -> None:
    guest.open("/cookies").press("Show what is recorded")


@place(COOKIES, "town")
def cookie_choice(guest: Guest) -> None:
    number = _chosen(guest)
    guest.open("/cookies").write(choice=number).press("Show what is recorded")
    guest.tab.locator("summary").first.click()


@place(COOKIES, "town")
def cookie_erased(guest: Guest) -> None:
    cookie_choice(guest)
    guest.press("Erase this")
