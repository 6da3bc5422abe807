"""The people and machines of the stories: what each does with the pages and mails they get."""

from consent_service.language import language
from consent_service.people import read_address
from consent_service.staff.staff_accounts import OWNER
from tests.household import Household
from tests.page import Page
from tests.servers.smtp import Received

FINNISH = language("fi")


def fi(message: str, **values: object) -> str:
    """A sentence in Finnish, in which the stories happen; one that nobody says is a slip of the test."""
    assert FINNISH.catalogue._catalog.keys() & {message, (message, 0)}, f"not in the catalogue: {message}"
    return FINNISH.say(message, **values)


SUBSCRIBE, CONFIRM, LEAVE = fi("Subscribe"), fi("Confirm the subscription"), fi("Unsubscribe")
DECLINE, AGAIN = fi("I did not ask, do not write to me"), fi("Send me a new confirmation message")


class Visitor:
    """Somebody on the company's web site with an address of their own."""

    def __init__(self, house: Household, email: str = "aino@example.com", first: str = "Aino", last: str = "Mäkelä"):
        self.house, self.email, self.first, self.last = house, email, first, last
        self.http = house.http

    def open_form(self, language: str = "fi") -> Page:
        return self.house.get(f"/subscribe?lang={language}", self.http)

    def subscribe(self, **changes: str) -> Page:
        fields = {"first_name": self.first, "last_name": self.last, "email": self.email, "consent": "yes"}
        return self.open_form().press(SUBSCRIBE, **(fields | changes))

    def write(self, code: str = "fi", **changes: str) -> Page:
        """Fill in the contact form and send it."""
        fields = {
            "first_name": self.first,
            "last_name": self.last,
            "email": self.email,
            "phone": "+358 40 123 4567",
            "reason": "offer",
            "message": "Hei!\r\n\r\nHaluaisin tarjouksen valmennuspäivästä.",
        }
        page = self.house.get(f"/contact?lang={code}", self.http)
        return page.press(language(code).say("Send the message"), **(fields | changes))

    def mails(self) -> list[Received]:
        return self.house.mail.to(self.email)

    def newest(self) -> Received:
        assert self.mails(), f"no mail to {self.email}"
        return self.mails()[-1]

    def has_link(self, kind: str) -> bool:
        """Whether a link of this kind has come in any mail yet."""
        return any(f"/{kind}/" in link for mail in self.mails() for link in mail.links)

    def link(self, kind: str) -> str:
        """The link of a kind (`confirm`, `unsubscribe`) in the newest mail that has one."""
        for mail in reversed(self.mails()):
            for link in mail.links:
                if f"/{kind}/" in link and "#" not in link:
                    return link
        raise AssertionError(f"no {kind} link in {len(self.mails())} mails to {self.email}")

    def confirm(self) -> Page:
        return self.house.get(self.link("confirm"), self.http).press(CONFIRM)

    def decline(self) -> Page:
        return self.house.get(self.link("confirm"), self.http).press(DECLINE)

    def leave(self) -> Page:
        return self.house.get(self.link("unsubscribe"), self.http).press(LEAVE)

    def my_data(self) -> Page:
        """Ask for the link to my own page, and open it out of the mail."""
        self.house.get("/my-data?lang=fi", self.http).press(fi("Send me the link"), email=self.email)
        self.house.deliver()
        return self.house.get(self.link("my-data"), self.http)

    def move_to(self, email: str) -> Page:
        """Ask on my own page to be written to at another address."""
        self.my_data()
        form = self.house.get(self.link("my-data").replace("?", "/address?"), self.http)
        return form.press(fi("Send the confirmation message"), email=email)

    def becomes_active(self) -> "Visitor":
        """Subscribe, get the mail, confirm, be forwarded: the whole job."""
        self.subscribe()
        self.house.deliver()
        page = self.confirm()
        assert page.status == 200, page.title
        self.house.deliver()
        assert self.house.status(self.email) == "active"
        return self

    @property
    def key(self) -> str:
        return read_address(self.email).key


class Staff:
    """Somebody of the company, logged in to the console."""

    PASSWORD = "a long enough password"

    def __init__(self, house: Household, email: str = "heidi@keinuma.example", name: str = "Heidi", role: str = OWNER):
        self.house, self.email, self.name = house, email, name
        self.http = house.http
        house.add_staff(email, name, self.PASSWORD, role)

    def log_in(self, password: str | None = None) -> Page:
        page = self.house.get("/staff/login?lang=fi", self.http)
        return page.press(fi("Log in"), email=self.email, password=password or self.PASSWORD)

    def add(self, email: str, **changes: str) -> Page:
        fields = {
            "first_name": "Eero",
            "last_name": "Niemi",
            "email": email,
            "language": "fi",
            "channel": "meeting",
            "occasion": "valmennuspäivä Jyväskylässä",
            "asked_on": "2026-11-20",
        }
        page = self.house.get("/staff/subscribers/add?lang=fi", self.http)
        return page.press(fi("Send the confirmation message"), **(fields | changes))


class Scanner:
    """A mail gateway that opens every link in every mail, by every method that ought to be safe."""

    def __init__(self, house: Household):
        self.house = house
        self.http = house.http
        self.http.headers.update({"User-Agent": "Gateway/1.0", "Purpose": "prefetch", "Sec-Purpose": "prefetch"})

    def open_everything(self, mails: list[Received]) -> int:
        links = {link for mail in mails for link in mail.links if link.startswith(self.house.url)}
        for link in links:
            for method in ("GET", "HEAD", "OPTIONS"):
                self.http.request(method, link, timeout=20)
        return len(links)
