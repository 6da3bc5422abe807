"""Every state of every page: its name, the household it is found in, and how a guest gets there."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import update

from consent_service import service as services
from consent_service.models.newsletter import confirmation
from tests.browser.guest import LONG_EMAIL, LONG_FIRST, LONG_LAST, NUMBERS, Guest
from tests.browser.houses import STAFF, STORY


@dataclass(frozen=True)
class Place:
    """A state of a page; `is_wrong` when it is a form sent back with errors.

    It `repeats` when all its elements stand in the same places on others: axe-core then sees it at length only.
    """

    name: str
    house: str
    go: Callable[[Guest], object]
    is_wrong: bool = False
    repeats: bool = False


PUBLIC: list[Place] = []
CONSOLE: list[Place] = []


def place(where: list[Place], house: str, **known: bool):
    """Mark a function as the way to a state; its name is the state's."""

    def add(go: Callable[[Guest], object]) -> Callable[[Guest], object]:
        where.append(Place(go.__name__, house, go, **known))
        return go

    return add


# The proof


@place(PUBLIC, "empty")
def verify(guest: Guest) -> None:
    guest.open("/verify").tab.locator("#check:not([hidden])").wait_for()


# Subscribing


@place(PUBLIC, "empty")
def subscribe(guest: Guest) -> None:
    guest.open("/subscribe")


@place(PUBLIC, "empty", is_wrong=True)
def subscribe_all_wrong(guest: Guest) -> None:
    guest.open("/subscribe").press("Subscribe")


@place(PUBLIC, "empty", is_wrong=True)
def subscribe_long_names(guest: Guest) -> None:
    guest.open("/subscribe").write(first_name=LONG_FIRST, last_name=LONG_LAST, email="aino@").press("Subscribe")


@place(PUBLIC, "town")
def sent(guest: Guest) -> None:
    guest.subscribe(LONG_EMAIL.format(next(NUMBERS)), LONG_FIRST, LONG_LAST)


@place(PUBLIC, "town")
def sent_twice(guest: Guest) -> None:
    guest.subscribe(guest.somebody().email).press("Send again")


@place(PUBLIC, "strict")
def too_many(guest: Guest) -> None:
    guest.subscribe("aino@example.com")
    guest.tab.get_by_role("heading", level=1, name=guest.say("Too many tries")).wait_for()


@place(PUBLIC, "crowded")
def moment(guest: Guest) -> None:
    guest.tab.route("**/moment.js", lambda asked: asked.abort())  # it would go on by itself
    guest.subscribe("aino@example.com").press("Continue")
    guest.tab.locator("[role=alert]").wait_for()


# The confirmation link


@place(PUBLIC, "town")
def confirm(guest: Guest) -> None:
    guest.open(guest.subscribed().link("confirm"))


@place(PUBLIC, "town")
def confirmed(guest: Guest) -> None:
    guest.open(guest.subscribed().link("confirm")).press("Confirm the subscription")


@place(PUBLIC, "town")
def declined(guest: Guest) -> None:
    guest.open(guest.subscribed().link("confirm")).press("I did not ask, do not write to me")


@place(PUBLIC, "town")
def expired(guest: Guest) -> None:
    person = guest.subscribed()
    [ask] = guest.house.asks(person.email)
    with guest.house.service.transaction() as connection:
        past = services.now() - timedelta(days=1)
        connection.execute(update(confirmation).where(confirmation.c.id == ask.id).values(expires_at=past))
    guest.open(person.link("confirm"))


@place(PUBLIC, "town")
def sent_again(guest: Guest) -> None:
    declined(guest)
    guest.press("Send me a new confirmation message")


@place(PUBLIC, "empty")
def dead_link(guest: Guest) -> None:
    guest.open("/confirm/nonsense")


# Leaving


@place(PUBLIC, "town")
def unsubscribe(guest: Guest) -> None:
    guest.open(guest.confirmed().link("unsubscribe"))


@place(PUBLIC, "town")
def left(guest: Guest) -> None:
    unsubscribe(guest)
    guest.press("Unsubscribe")


@place(PUBLIC, "town", is_wrong=True)
def left_no_reason(guest: Guest) -> None:
    left(guest)
    guest.press("Send the answer")


@place(PUBLIC, "town")
def explained(guest: Guest) -> None:
    left(guest)
    guest.tab.locator("#reason-other").check()
    guest.press("Send the answer")


@place(PUBLIC, "empty")
def by_address(guest: Guest) -> None:
    guest.open("/unsubscribe")


@place(PUBLIC, "empty", is_wrong=True)
def by_address_wrong(guest: Guest) -> None:
    guest.open("/unsubscribe").write(email="aino@").press("Send me the link")


@place(PUBLIC, "empty")
def link_sent(guest: Guest) -> None:
    guest.open("/unsubscribe").write(email=LONG_EMAIL.format("nobody")).press("Send me the link")


@place(PUBLIC, "empty")
def privacy(guest: Guest) -> None:
    guest.open("/privacy")


# Faults, and the mailbox of the development mode


@place(PUBLIC, "empty")
def not_found(guest: Guest) -> None:
    guest.open("/nowhere")


@place(PUBLIC, "empty")
def wrong_method(guest: Guest) -> None:
    guest.open("/confirm/nonsense/decline")


@place(PUBLIC, "empty")
def mailbox_empty(guest: Guest) -> None:
    for file in Path("var/mail").glob("*.eml"):
        file.unlink()
    guest.open("/dev/mail")


@place(PUBLIC, "town")
def mailbox(guest: Guest) -> None:
    _keep_mail(guest)
    guest.open("/dev/mail")


@place(PUBLIC, "town")
def mailbox_mail(guest: Guest) -> None:
    guest.open(f"/dev/mail/{_keep_mail(guest)}")


# Staff


@place(CONSOLE, "empty", repeats=True)
def login(guest: Guest) -> None:
    guest.open("/staff/login")


@place(CONSOLE, "empty", is_wrong=True)
def login_wrong(guest: Guest) -> None:
    guest.open("/staff/login").write(email=STAFF, password="not this one").press("Log in")


@place(CONSOLE, "strict")
def login_too_many(guest: Guest) -> None:
    guest.log_in(STAFF)


def _staff(guest: Guest, path: str) -> Guest:
    guest.let_in(STAFF)
    return guest.open(path)


@place(CONSOLE, "empty", repeats=True)
def overview_well(guest: Guest) -> None:
    _staff(guest, "/staff/")


@place(CONSOLE, "busy", repeats=True)
def overview_trouble(guest: Guest) -> None:
    _staff(guest, "/staff/")


@place(CONSOLE, "unconnected", repeats=True)
def overview_unconnected(guest: Guest) -> None:
    _staff(guest, "/staff/")


@place(CONSOLE, "empty", repeats=True)
def subscribers_empty(guest: Guest) -> None:
    _staff(guest, "/staff/subscribers")


@place(CONSOLE, "busy", repeats=True)
def subscribers_one(guest: Guest) -> None:
    _staff(guest, "/staff/subscribers?status=pending&q=jonottaja")


@place(CONSOLE, "busy")
def subscribers_many(guest: Guest) -> None:
    _staff(guest, "/staff/subscribers")


@place(CONSOLE, "busy", repeats=True)
def subscribers_second_page(guest: Guest) -> None:
    _staff(guest, "/staff/subscribers?page=2")


@place(CONSOLE, "busy", repeats=True)
def subscribers_none_found(guest: Guest) -> None:
    _staff(guest, "/staff/subscribers?q=zzz")


@place(CONSOLE, "empty", repeats=True)
def add(guest: Guest) -> None:
    _staff(guest, "/staff/subscribers/add")


@place(CONSOLE, "empty", is_wrong=True)
def add_all_wrong(guest: Guest) -> None:
    _staff(guest, "/staff/subscribers/add").write(asked_on="2999-01-01").press("Send the confirmation message")


@place(CONSOLE, "unconnected", is_wrong=True)
def add_refused(guest: Guest) -> None:
    _staff(guest, "/staff/subscribers/add").write(first_name="Aino", last_name="Mäkelä", email="aino@example.com")
    guest.tab.locator("#channel").select_option("meeting")
    guest.write(occasion="messut").press("Send the confirmation message")


@place(CONSOLE, "busy")
def story(guest: Guest) -> None:
    _staff(guest, f"/staff/subscribers/{guest.house.person(STORY).id}?added=1")
    events = guest.tab.locator(".story > li > details > summary")
    events.first.click()
    events.last.click()
    guest.tab.locator("summary").last.click()


@place(CONSOLE, "busy")
def story_long_name(guest: Guest) -> None:
    _staff(guest, f"/staff/subscribers/{guest.house.person(LONG_EMAIL.format('waiting')).id}")


@place(CONSOLE, "busy", is_wrong=True)
def hold_wrong(guest: Guest) -> None:
    waiting = guest.house.person(LONG_EMAIL.format("waiting"))
    _staff(guest, f"/staff/subscribers/{waiting.id}/hold").press("Keep the data")


@place(CONSOLE, "busy", repeats=True)
def release(guest: Guest) -> None:
    _staff(guest, f"/staff/subscribers/{guest.house.person(STORY).id}/release")


@place(CONSOLE, "busy", is_wrong=True)
def erase_wrong(guest: Guest) -> None:
    waiting = guest.house.person(LONG_EMAIL.format("waiting"))
    _staff(guest, f"/staff/subscribers/{waiting.id}/erase").press("Erase for good")


@place(CONSOLE, "busy")
def erase_held(guest: Guest) -> None:
    _staff(guest, f"/staff/subscribers/{guest.house.person(STORY).id}/erase")


@place(CONSOLE, "empty", repeats=True)
def queue_empty(guest: Guest) -> None:
    _staff(guest, "/staff/queue")


@place(CONSOLE, "busy", repeats=True)
def queue(guest: Guest) -> None:
    _staff(guest, "/staff/queue")


@place(CONSOLE, "unconnected", repeats=True)
def queue_unconnected(guest: Guest) -> None:
    _staff(guest, "/staff/queue")


def _keep_mail(guest: Guest) -> str:
    """Put a mail where the development mode keeps them, and return its key."""
    folder, key = Path("var/mail"), "0" * 32
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{key}.eml").write_bytes(guest.subscribed().newest().data)
    return key
