"""Somebody with a browser of their own, who reads pages in one language."""

from itertools import count
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Error, Page, Request

from consent_service.language import language
from consent_service.web import tries
from tests.actors import Staff, Visitor
from tests.household import Household

NUMBERS = count(1)
SESSIONS: dict[str, list] = {}
NARROW, WIDE = 320, 1280
HEIGHTS = {NARROW: 256, WIDE: 1024}  # at 400 % a window of 1280 × 1024 shows what one of 320 × 256 does
LONG_FIRST, LONG_LAST = "Anna-Karoliina Maria-Margareta Wilhelmiina", "von-Numminen-Korhonen" + "-Kauppakoski" * 6
LONG_EMAIL = "anna-karoliina.maria-margareta.von-numminen.{}@pitkanimisen-valmennusyrityksen.example"


class Guest:
    """Reads at one household in a tab; notes what the browser complains of and every request that leaves the house.

    The tab is one of many visits, since opening one takes longer than most visits; what it kept is wiped first, and
    so is what the house counted of earlier guests' tries to log in: they all come from one network.
    """

    def __init__(self, tab: Page, house: Household, code: str):
        self.tab, self.house, self.code, self.say = tab, house, code, language(code).say
        self.complaints: list[str] = []
        self.strays: list[str] = []
        self._listeners = {
            "console": self._note_complaint,
            "pageerror": self._note_error,
            "request": self._note_stray,
        }

    def __enter__(self) -> "Guest":
        self.tab.unroute_all()  # what somebody who had the tab before has kept from it
        self.tab.context.clear_cookies()
        self.house.app.extensions["login-limits"] = tries.limits(self.house.settings.redis_url)
        self.tab.set_extra_http_headers({"Accept-Language": self.code})
        self.look(NARROW, "light")
        for event, listener in self._listeners.items():
            self.tab.on(event, listener)
        return self

    def __exit__(self, *_: object) -> None:
        for event, listener in self._listeners.items():
            self.tab.remove_listener(event, listener)

    @property
    def cookies(self) -> list[str]:
        """The names of the cookies set so far."""
        return [cookie["name"] for cookie in self.tab.context.cookies()]

    def look(self, width: int, theme: str) -> None:
        """Hold the page in a window of this width, in `light` or `dark`."""
        size = {"width": width, "height": HEIGHTS.get(width, 800)}
        if self.tab.viewport_size != size:
            self.tab.set_viewport_size(size)
        self.tab.emulate_media(color_scheme=theme)

    def open(self, place: str) -> "Guest":
        """Open a path of the house or a link out of a mail, in my language."""
        self.tab.goto(self._at(place))
        return self

    def write(self, **fields: str) -> "Guest":
        """Write into the fields with these names."""
        for name, value in fields.items():
            self.tab.locator(f"#{name}").fill(value)
        return self

    def press(self, button: str) -> "Guest":
        """Press the button with this message on it."""
        self.tab.get_by_role("button", name=self.say(button), exact=True).click()
        return self

    def subscribe(self, email: str, first: str = "Aino", last: str = "Mäkelä") -> "Guest":
        """Fill in the form and send it."""
        self.open("/subscribe").write(first_name=first, last_name=last, email=email)
        self.tab.locator("#consent").check()
        return self.press("Subscribe")

    def is_in(self) -> None:
        """Wait for the first page of staff, whose heading says how everything stands."""
        here = self.tab.locator(".bar [aria-current=page]").get_by_text(self.say("Overview"), exact=True)
        here.wait_for()
        self.tab.wait_for_load_state()

    def log_in(self, email: str, password: str = Staff.PASSWORD) -> "Guest":
        """Log in to the console."""
        return self.open("/staff/login").write(email=email, password=password).press("Log in")

    def let_in(self, email: str) -> "Guest":
        """Be logged in, with the session of the guest who did it first: few log-ins are allowed in an hour."""
        if self.house.url not in SESSIONS:
            self.log_in(email)
            SESSIONS[self.house.url] = self.tab.context.cookies()
        self.tab.context.add_cookies(SESSIONS[self.house.url])
        return self

    def somebody(self) -> Visitor:
        """Somebody new, whose mails this guest reads."""
        return Visitor(self.house, f"aino.{next(NUMBERS)}@example.com")

    def subscribed(self) -> Visitor:
        """Somebody new who has asked in my language, without a browser, and got the mail."""
        person = self.somebody()
        wanted = {"first_name": person.first, "last_name": person.last, "email": person.email, "consent": "yes"}
        self.send("/subscribe", "Subscribe", **wanted)
        return person

    def confirmed(self) -> Visitor:
        """The same, and has confirmed and got the receipt."""
        person = self.subscribed()
        self.send(person.link("confirm"), "Confirm the subscription")
        return person

    def send(self, place: str, button: str, **fields: str) -> None:
        """Press a button without a browser, and let all mail arrive."""
        page = self.house.get(self._at(place)).press(self.say(button), **fields)
        assert page.status == 200, page.title
        self.house.deliver()

    def _at(self, place: str) -> str:
        parts = urlsplit(place)
        query = "&".join(filter(None, ["" if "lang=" in parts.query else parts.query, f"lang={self.code}"]))
        return f"{self.house.url}{parts.path}?{query}"

    def _note_complaint(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.complaints.append(message.text)

    def _note_error(self, error: Error) -> None:
        self.complaints.append(str(error))

    def _note_stray(self, request: Request) -> None:
        if not request.url.startswith((self.house.url + "/", "data:", "about:")):
            self.strays.append(request.url)
