"""The states of the web site of the development mode, as in places.py; it is no page of ours, and has scripts."""

from tests.browser.guest import Guest
from tests.browser.places import Place, place

DEMO: list[Place] = []


@place(DEMO, "empty")
def demo_asked(guest: Guest) -> None:
    guest.open("/dev/site")
    guest.tab.locator("section.banner").wait_for()
    guest.tab.locator("main form[lang]").wait_for()


@place(DEMO, "empty")
def demo_video(guest: Guest) -> None:
    guest.open("/dev/site/video")
