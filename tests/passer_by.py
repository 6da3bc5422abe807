"""Somebody who visits the company's web site and is asked there about cookies, as their browser speaks to us."""

import itertools

from consent_service.language import language
from tests.household import Household
from tests.page import Page

SITE = "https://www.keinuma.example"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NUMBERS = itertools.count(1)


class PasserBy:
    """Chooses on the banner; `id` is the number that their browser made."""

    def __init__(self, house: Household, code: str = "fi"):
        self.house, self.id, self.sequence = house, f"{next(NUMBERS):032x}", 0
        self.notice = house.service.cookie_notice(language(code))
        self.http = house.http
        self.http.headers.update({"Origin": SITE, "Sec-Fetch-Site": "cross-site", "User-Agent": FIREFOX})

    def fields(self, **changes: str) -> dict[str, str]:
        """What the banner sends for "accept all", the next time, but for these changes."""
        usual = {
            "id": self.id,
            "sequence": str(self.sequence + 1),
            "action": "all",
            "allowed": " ".join(self.notice.optional),
            "layer": "first",
            "gpc": "0",
            "version": self.notice.shown.sha256,
        }
        return usual | changes

    def choose(self, **changes: str) -> Page:
        """Send a choice; the answer."""
        page = self.house.post("/cookie-choices", self.fields(**changes), self.http)
        if page.status == 204:
            self.sequence = int(self.fields(**changes)["sequence"])
        return page

    def refuse(self) -> Page:
        return self.choose(action="necessary", allowed="")
