"""The states of the contact form, of its messages on the staff pages, and of the mail to the owner, as in places.py."""

from consent_service.models.inbox import contact_message
from tests.actors import Visitor
from tests.browser.guest import LONG_EMAIL, LONG_FIRST, LONG_LAST, NUMBERS, Guest
from tests.browser.houses import STAFF, STORY
from tests.browser.places import CONSOLE, Place, place

CONTACT: list[Place] = []

LONG_MESSAGE = "Hei!\n\nHaluaisin tarjouksen.\n\n" + "pitkäsanayhdistelmävailla" * 12 + "\n\n" + "Kiitos jo nyt. " * 60


def _fill(guest: Guest) -> Guest:
    email = LONG_EMAIL.format(next(NUMBERS))
    guest.open("/contact").write(first_name=LONG_FIRST, last_name=LONG_LAST, email=email, phone="+358 40 123 4567")
    guest.tab.locator("#reason").select_option("offer")
    return guest.write(message=LONG_MESSAGE)


def _written(guest: Guest, email: str | None = None) -> str:
    """Where staff find a message that somebody has just sent without a browser."""
    writer = Visitor(guest.house, email or LONG_EMAIL.format(next(NUMBERS)), LONG_FIRST, LONG_LAST)
    assert writer.write(guest.code, message=LONG_MESSAGE).status == 200
    newest = max(guest.house.rows(contact_message), key=lambda row: row.received_at)
    return f"/staff/contact-messages/{newest.id}"


def _staff(guest: Guest, path: str) -> Guest:
    return guest.let_in(STAFF).open(path)


@place(CONTACT, "empty")
def contact(guest: Guest) -> None:
    guest.open("/contact")


@place(CONTACT, "empty", is_wrong=True)
def contact_all_wrong(guest: Guest) -> None:
    guest.open("/contact").write(email="aino@", phone="soita").press("Send the message")


@place(CONTACT, "town")
def contact_sent(guest: Guest) -> None:
    _fill(guest).press("Send the message")


@place(CONTACT, "town")
def contact_sent_and_subscribed(guest: Guest) -> None:
    _fill(guest).tab.locator("#consent").check()
    guest.press("Send the message")


@place(CONTACT, "strict", is_wrong=True)
def contact_too_often(guest: Guest) -> None:
    for number in range(2):
        Visitor(guest.house, f"aino.{number}@example.com").write(guest.code)
    _fill(guest).press("Send the message")


@place(CONTACT, "town")
def my_data_written(guest: Guest) -> None:
    person = guest.confirmed()
    _written(guest, person.email)
    guest.house.deliver()
    guest.send("/my-data", "Send me the link", email=person.email)
    guest.open(person.link("my-data"))


@place(CONSOLE, "empty")
def contact_messages_empty(guest: Guest) -> None:
    _staff(guest, "/staff/contact-messages")


@place(CONSOLE, "town", repeats=True)
def contact_messages(guest: Guest) -> None:
    _written(guest)
    _staff(guest, "/staff/contact-messages")


@place(CONSOLE, "town", repeats=True)
def contact_messages_none_found(guest: Guest) -> None:
    _staff(guest, "/staff/contact-messages?q=zzz")


@place(CONSOLE, "town", repeats=True)
def contact_message_open(guest: Guest) -> None:
    _staff(guest, _written(guest, guest.confirmed().email))


@place(CONSOLE, "town", repeats=True)
def contact_message_closed(guest: Guest) -> None:
    _staff(guest, _written(guest)).press("Close the message")


@place(CONSOLE, "town", is_wrong=True)
def contact_message_erase_wrong(guest: Guest) -> None:
    _staff(guest, f"{_written(guest)}/erase").press("Erase for good")


@place(CONSOLE, "busy", repeats=True)
def contact_message_erase_held(guest: Guest) -> None:
    _staff(guest, f"{_written(guest, STORY)}/erase")
