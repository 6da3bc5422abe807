"""The company's web site in a browser: its pages, the trackers that wait on them, and somebody who passes by."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request

from consent_service.language import language
from consent_service.models.site import cookie_choice
from tests.household import Household, household
from tests.servers.activecampaign import ActiveCampaign
from tests.servers.site_with_cookies import ABOVE, STYLE, SiteWithCookies
from tests.servers.smtp import MailServer
from tests.servers.trackers import Trackers

PATIENCE_S, STILL_MS = 20, 300
GPC = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true });"
SHIFTS = """
window.shifts = 0;
new PerformanceObserver((list) => { for (const one of list.getEntries()) window.shifts += one.value; })
  .observe({ type: "layout-shift", buffered: true });
"""
CHOICE = "consent_choice"


def soaked(variants):
    """More of the same for a test's parameters, only behind `make soak`."""
    return [pytest.param(*given, marks=pytest.mark.soak) for given in variants]


SPOKEN = ["fi", *soaked([["sv"], ["en"]])]


class Street:
    """A site, the trackers on it, and the service whose banner it loads; opened once and then visited."""

    def __init__(self, folder: Path):
        self._folder, self._stack = folder, ExitStack()

    def __enter__(self) -> Self:
        open_ = self._stack.enter_context
        self.trackers = open_(Trackers(ABOVE))
        self.site = open_(SiteWithCookies(self.trackers.url))
        url = f"sqlite:///{self._folder}/street.db"
        mail, contacts = open_(MailServer()), open_(ActiveCampaign())
        self.house: Household = open_(household(self._folder, url, mail, contacts, allowed_origins=self.site.url))
        self.site.banner = self.house.url
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


class Passing:
    """Somebody in a browser that knows nothing yet; notes every request and whatever the browser complains of."""

    def __init__(self, browser: Browser, street: Street, code: str = "fi", *, scripts: tuple[str, ...] = (), **how):
        self.street, self.code, self.say = street, code, language(code).say
        self.context: BrowserContext = browser.new_context(ignore_https_errors=True, **how)
        for script in scripts:
            self.context.add_init_script(script)
        self.requests: list[Request] = []
        self.complaints: list[str] = []
        street.trackers.asked.clear()
        self.tab = self.new_tab()

    def new_tab(self) -> Page:
        tab = self.context.new_page()
        tab.on("request", lambda request: self.requests.append(request))
        tab.on("console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        return tab

    def open(self, path: str = "/") -> "Passing":
        """Open a page of the site and let everything come to rest on it."""
        self.tab.goto(f"{self.street.site.url}{path}?lang={self.code}")
        return self.rest()

    def dress(self, style: str) -> None:
        """Let the site have these rules in its style sheet besides its own."""
        sheet = STYLE + style
        self.context.route("**/style.css", lambda asked: asked.fulfill(body=sheet, content_type="text/css"))

    def later(self) -> "Passing":
        """Come back after the minutes for which the browser keeps the script."""
        line = self.context.new_cdp_session(self.tab)
        line.send("Network.enable")
        line.send("Network.setCacheDisabled", {"cacheDisabled": True})
        return self

    def rest(self) -> "Passing":
        """Leave a loaded page time for whatever it might do; the banner does all of it at once."""
        self.tab.wait_for_load_state("load")
        self.tab.wait_for_timeout(STILL_MS)
        return self

    def press(self, words: str) -> "Passing":
        """Press the button with this message on it, and wait until the service has heard of it."""
        self.button(words).click()
        return self

    def button(self, words: str):
        return self.tab.get_by_role("button", name=self.say(words), exact=True)

    def answer(self, words: str) -> "Passing":
        """Press a button that answers, and wait until that is recorded."""
        before = len(self.recorded())
        self.press(words)
        self.until(lambda: len(self.recorded()) > before and self.choice().get("sent") == "1")
        return self.rest()

    def settings(self) -> "Passing":
        return self.press("Cookie settings")

    def tick(self, category: str) -> "Passing":
        self.tab.get_by_role("checkbox", name=self.say(category)).check()
        return self

    def is_asked(self) -> bool:
        return self.tab.get_by_role("region", name=self.say("Cookies on our site")).count() == 1

    def until(self, holds) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, "it did not come about"
            self.tab.wait_for_timeout(20)

    def cookies(self) -> set[str]:
        """The names of all cookies, of whatever site."""
        return {cookie["name"] for cookie in self.context.cookies()}

    def choice(self) -> dict[str, str]:
        """What the browser remembers of the choice."""
        found = [one for one in self.context.cookies() if one["name"] == CHOICE]
        return dict(part.split("=", 1) for part in found[0]["value"].split("&")) if found else {}

    def recorded(self):
        """What the service has recorded under the number in this browser, in order."""
        mine = [row for row in self.street.house.rows(cookie_choice) if row.choice_id == self.choice().get("id")]
        return sorted(mine, key=lambda row: row.sequence)

    def elsewhere(self) -> list[str]:
        """Every request that went neither to the site nor to the service."""
        near = (self.street.site.url, self.street.house.url)
        return [request.url for request in self.requests if not request.url.startswith(near)]

    def layer(self) -> list[list[object]]:
        """What Google's data layer holds, in order."""
        return self.tab.evaluate("dataLayer.map((one) => Array.from(one))")

    def leave(self) -> None:
        self.context.close()
