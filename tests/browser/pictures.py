"""The pictures that README.md shows, made anew by `make screenshots`: pages and a mail, as the tests find them.

At a fixed hour, with the browser and the people of the tests, so that a picture changes with what it shows.
"""

import base64
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
import time_machine
from playwright.sync_api import Browser, Page, sync_playwright

from consent_service.language import HELSINKI
from tests.browser import own_page, places
from tests.browser.conftest import CHROMIUM, NO_CHROMIUM, QUIETLY
from tests.browser.guest import Guest
from tests.browser.houses import STAFF, Houses
from tests.post import written

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
AT = datetime(2026, 11, 24, 9, 30, tzinfo=HELSINKI)
LANGUAGE = "en"
QUALITY = 80  # of WebP, in which letters stay sharp


@dataclass(frozen=True)
class Picture:
    """One picture: its file, how a guest gets to what it shows, and the window it is seen in."""

    name: str
    go: Callable[[Guest], object]
    width: int = 760
    height: int = 860
    theme: str = "light"


def letter(guest: Guest) -> None:
    with TemporaryDirectory() as folder, written(Path(folder), LANGUAGE, first="Aino", last="Mäkelä") as post:
        guest.tab.goto("about:blank")
        guest.tab.set_content(post.letters["confirmation"].html)


def subscriber(guest: Guest) -> None:
    person = guest.house.person(guest.confirmed().email)
    guest.let_in(STAFF).open(f"/staff/subscribers/{person.id}")


PICTURES = (
    Picture("subscribe", places.subscribe, height=1160),
    Picture("subscribe-dark", places.subscribe, height=1160, theme="dark"),
    Picture("letter", letter),
    Picture("confirm", places.confirm),
    Picture("my-data", own_page.my_data_tracking, height=1000),
    Picture("subscriber", subscriber, width=1000, height=1000),
    Picture("evidence", own_page.my_data_evidence, height=1000),
)


def main() -> None:
    """Write every picture into `docs/pictures/`."""
    if CHROMIUM is None:
        sys.exit(NO_CHROMIUM)
    FOLDER.mkdir(exist_ok=True)
    with (
        structlog.testing.capture_logs(),
        TemporaryDirectory() as folder,
        time_machine.travel(AT, tick=True),
        sync_playwright() as driver,
        Houses(Path(folder)) as houses,
    ):
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIETLY)
        for picture in PICTURES:
            _take(chromium, houses, picture)
        chromium.close()


def _take(chromium: Browser, houses: Houses, picture: Picture) -> None:
    tab = chromium.new_context(device_scale_factor=1.5).new_page()
    with Guest(tab, houses["town"], LANGUAGE) as guest:
        picture.go(guest)
        file = FOLDER / f"{picture.name}.webp"
        file.write_bytes(_seen(tab, picture))
        print(f"{file.stat().st_size / 1024:4.0f} kB\t{file.name}")
    tab.context.close()


def _seen(tab: Page, picture: Picture) -> bytes:
    """What the window shows, as WebP, which Playwright itself does not write."""
    tab.set_viewport_size({"width": picture.width, "height": picture.height})
    tab.emulate_media(color_scheme=picture.theme)
    tab.evaluate("document.activeElement.blur(), scrollTo(0, 0)")
    drawn = tab.context.new_cdp_session(tab).send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    return base64.b64decode(drawn["data"])


if __name__ == "__main__":
    main()
