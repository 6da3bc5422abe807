"""Somebody with a browser of their own, who reads pages in one language."""

from itertools import count
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Request

from consent_service.language import language
from tests.actors import Staff, Visitor
from tests.household import Household

NUMBERS = count(1)
SESSIONS: dict[str, list] = {}
LONG_FIRST, LONG_LAST = "Anna-Karoliina Maria-Margareta Wilhelmiina", "von-Numminen-Korhonen" + "-Kauppakoski" * 6
LONG_EMAIL = "anna-karoliina.maria-margareta.von-numminen.{}@pitkanimisen-valmennusyrityksen.example"


class Guest:
    """A fresh browser at one household; notes every complaint of the browser and every request that leaves the house."""

    def __init__(self, browser: Browser, house: Household, code: str, scripts: bool = True, width: int = 1280):
        self.house, self.code, self.say = house, code, language(code).say
        self._context = browser.new_context(
            java_script_enabled=scripts,
            locale=code,
            viewport={"width": width, "height": 900},
            color_scheme="light",
        )
        self._context.set_default_timeout(10_000)
        self.tab = self._context.new_page()
        self.complaints: list[str] = []
        self.strays: list[str] = []
        self.tab.on("console", self._note_complaint)
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("request", self._note_stray)

    def __enter__(self) -> "Guest":
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    @property
    def cookies(self) -> list[str]:
        """The names of the cookies set so far."""
        return [cookie["name"] for cookie in self._context.cookies()]

    def open(self, place: str) -> "Guest":
        """Open a path of the house or a link out of a mail, in my language."""
        parts = urlsplit(place)
        query = "&".join(filter(None, ["" if "lang=" in parts.query else parts.query, f"lang={self.code}"]))
        self.tab.goto(f"{self.house.url}{parts.path}?{query}")
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

    def log_in(self, email: str, password: str = Staff.PASSWORD) -> "Guest":
        """Log in to the console."""
        return self.open("/staff/login").write(email=email, password=password).press("Log in")

    def let_in(self, email: str) -> "Guest":
        """Be logged in, with the session of the guest who did it first: few log-ins are allowed in an hour."""
        if self.house.url not in SESSIONS:
            self.log_in(email)
            SESSIONS[self.house.url] = self._context.cookies()
        self._context.add_cookies(SESSIONS[self.house.url])
        return self

    def somebody(self) -> Visitor:
        """Somebody new, whose mails this guest reads."""
        return Visitor(self.house, f"aino.{next(NUMBERS)}@example.com")

    def asked(self) -> Visitor:
        """Somebody new who has asked for the newsletter and got the mail."""
        person = self.somebody()
        person.subscribe()
        self.house.deliver()
        return person

    def subscribed(self) -> Visitor:
        """Somebody new who has asked in my language and got the mail."""
        person = self.somebody()
        self.subscribe(person.email)
        self.house.deliver()
        return person

    def confirmed(self) -> Visitor:
        """Somebody new who has confirmed in my language and got the receipt."""
        person = self.subscribed()
        self.open(person.link("confirm")).press("Confirm the subscription")
        self.tab.locator(".mark").wait_for()
        self.house.deliver()
        return person

    def _note_complaint(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.complaints.append(message.text)

    def _note_stray(self, request: Request) -> None:
        if not request.url.startswith((self.house.url + "/", "data:", "about:")):
            self.strays.append(request.url)
