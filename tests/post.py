"""Every mail the service writes, once in each language, as a mail server got it from a household of its own."""

from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from consent_service import contact_messages
from consent_service import service as services
from consent_service.delivery import outbox, owner_letters
from consent_service.earlier_list import imports
from consent_service.earlier_list.import_claims import Claim
from consent_service.earlier_list.import_file import Line
from consent_service.language import language
from consent_service.people import read_address
from consent_service.rights import data_requests, request_rows
from consent_service.rights.data_requests import Closing, Told
from consent_service.watch import weeks
from consent_service.watch.weeks import Week
from tests.actors import Staff, Visitor
from tests.household import CONTROLLER, Household, household
from tests.servers.activecampaign import ActiveCampaign
from tests.servers.smtp import MailServer, Received

PUBLIC_URL = "http://tilaus.keinuma.example"  # the console would take no log-in over http under an https address
SENDER = "Keinumä Öy <uutiskirje@keinuma.example>"
OWNERS = ("owner_held", "digest", "anchor", "contact", "contact_more", "requests_due")
WEEK = date(2026, 11, 16)
# Longer than any header line may be folded to, with whatever could break out of a header, a page or a letter.
FIRST = "Aíno-Liisa <b>&amp; https://spam.example {{'zq'*3}} %(x)s"
LAST = "Mäkelä\u200d" + "Ö" * 90
NEW, WAITING = "uusi@example.org", "odottaja@example.org"


class Post:
    """One household that wrote each of its letters once in one language, by the name of its kind."""

    def __init__(self, house: Household, code: str, first: str = FIRST, last: str = LAST):
        self.house, self.code, self.say = house, code, language(code).say
        self.aino = Visitor(house, "Aino.Makela+uutiset@Example.com", first, last)
        self.heidi = Staff(house)
        self.owner = Visitor(house, CONTROLLER.contact_email)
        self.letters: dict[str, Received] = {}

    def write_all(self) -> "Post":
        self._to_a_subscriber()
        self._about_a_new_address()
        self._by_staff()
        self._to_the_owner()
        self._to_a_colleague()
        self._by_contact_form()
        self._about_requests()
        self._about_data()
        return self

    def _to_a_subscriber(self) -> None:
        self.subscribe(self.aino)
        self.letters["confirmation"] = self.arrived(self.aino)
        self.press(self.aino.link("confirm"), "Confirm the subscription")
        self.letters["welcome"] = self.arrived(self.aino)
        self.subscribe(self.aino)
        self.letters["already"] = self.arrived(self.aino)
        self.press(f"{PUBLIC_URL}/unsubscribe?lang={self.code}", "Send me the link", email=self.aino.email)
        self.letters["unsubscribe_link"] = self.arrived(self.aino)
        self.press(f"{PUBLIC_URL}/my-data?lang={self.code}", "Send me the link", email=self.aino.email)
        self.letters["my_data_link"] = self.arrived(self.aino)

    def _about_a_new_address(self) -> None:
        new, form = Visitor(self.house, NEW), self.aino.link("my-data").replace("?", "/address?")
        self.press(form, "Send the confirmation message", email=NEW)
        self.letters["move"] = self.arrived(new)
        self.letters["address_asked"] = self.aino.newest()
        self.press(new.link("confirm"), "Confirm the address")
        self.letters["moved"] = self.arrived(new)
        self.letters["address_changed"] = self.aino.newest()

    def _by_staff(self) -> None:
        eero = Visitor(self.house, "eero@example.com")
        self.heidi.log_in()
        self.heidi.add(eero.email, language=self.code, occasion="valmennuspäivä & <i>kahvit</i>")
        self.letters["staff"] = self.arrived(eero)

    def _to_the_owner(self) -> None:
        self.heidi.add("over@example.com")
        self.letters["owner_held"] = self.arrived(self.owner)
        with self.house.service.transaction() as connection:
            weeks.keep(connection, Week(WEEK, asked=40, confirmed=12, stopped=1))
            outbox.enqueue(connection, outbox.MAIL, owner_letters.DIGEST, services.now())
        self.letters["digest"] = self.arrived(self.owner)
        self.house.service.seal()
        with self.house.service.transaction() as connection:
            outbox.enqueue(connection, outbox.MAIL, owner_letters.ANCHOR, services.now())
        self.letters["anchor"] = self.arrived(self.owner)

    def _to_a_colleague(self) -> None:
        colleague = Visitor(self.house, "elina@keinuma.example")
        self.house.invited(colleague.email, FIRST[:100], code=self.code)
        self.letters["staff_invitation"] = self.arrived(colleague)
        fields = {"password": "four words that do not belong together"}
        self.press(colleague.link("invitation"), "Save the password", **fields)
        self.press(f"{PUBLIC_URL}/staff/recovery?lang={self.code}", "Send me the link", email=colleague.email)
        self.letters["staff_recovery"] = self.arrived(colleague)

    def _by_contact_form(self) -> None:
        writer = Visitor(self.house, "kirjoittaja@example.com", self.aino.first, self.aino.last)
        assert writer.write(self.code, message=f"{FIRST}\r\n.\r\n{'x' * 1200}").status == 200
        self.letters["contact"] = self.arrived(self.owner)
        with self.house.service.transaction() as connection:
            outbox.enqueue(connection, outbox.MAIL, contact_messages.MORE_TO_OWNER, services.now())
        self.letters["contact_more"] = self.arrived(self.owner)
        self.press(f"{PUBLIC_URL}/my-data?lang={self.code}", "Send me the link", email=writer.email)
        self.letters["contact_data"] = self.arrived(writer)

    def _about_requests(self) -> None:
        came, occasion = services.now().date() - timedelta(days=30), self.house.occasion("staff:1", "console")
        address, asker = read_address(NEW), Visitor(self.house, NEW)
        told = Told(
            kind="erase", channel="phone", received_on=came, language=self.code, name=FIRST, address=address, wish=LAST
        )
        with self.house.service.transaction() as connection:
            number = data_requests.take(connection, occasion, told, "Heidi")
        self.letters["data_request"] = self.arrived(asker)
        with self.house.service.transaction() as connection:
            request_rows.warn(connection, services.now(), services.now().date())
        self.letters["requests_due"] = self.arrived(self.owner)
        with self.house.service.transaction() as connection:
            data_requests.verify(connection, services.now(), number, "known", None, "Heidi")
            refused = Closing("refused", "claims", f"{FIRST}\n\nTerveisin Heidi")
            data_requests.close(connection, occasion, number, refused, services.now().date(), "Heidi")
        self.letters["request_answer"] = self.arrived(asker)

    def _about_data(self) -> None:
        waiting, person = Visitor(self.house, WAITING), {"email": WAITING, "first_name": "Odottaja"}
        controller, today = self.house.service.controller, date(2026, 1, 2)
        batch = imports.Batch(imports.FILE, "Heidi", Claim("unknown"), self.code, controller, today)
        with self.house.service.transaction() as connection:
            imports.begin(connection, self.house.occasion(), batch)
            imports.add(connection, self.house.occasion(), batch, [Line("1", person)])
        self.press(f"{PUBLIC_URL}/my-data?lang={self.code}", "Send me the link", email=WAITING)
        self.letters["list_data"] = self.arrived(waiting)
        self.house.object(NEW)
        self.house.erase(NEW)
        self.house.deliver()  # ActiveCampaign deletes first, and then the person is told
        self.house.deliver()
        self.letters["erased"] = Visitor(self.house, NEW).newest()

    def subscribe(self, person: Visitor) -> None:
        fields = {"first_name": person.first, "last_name": person.last, "email": person.email, "consent": "yes"}
        assert person.open_form(self.code).press(self.say("Subscribe"), **fields).status == 200

    def press(self, link: str, button: str, **fields: str) -> None:
        page = self.house.get(link.replace(PUBLIC_URL, self.house.url)).press(self.say(button), **fields)
        assert page.status == 200, page.title

    def arrived(self, person: Visitor) -> Received:
        before = len(person.mails())
        self.house.deliver()
        assert len(person.mails()) == before + 1
        return person.newest()


@contextmanager
def written(folder: Path, code: str, **person: str):
    """The post of a household in one language, everything written."""
    given = {"public_url": PUBLIC_URL, "mail_from": SENDER, "limit_global": "4/day"}
    with MailServer() as mail, ActiveCampaign() as contacts:
        contacts.rate_limit = None
        with household(folder, f"sqlite:///{folder}/c.db", mail, contacts, **given) as house:
            yield Post(house, code, **person).write_all()
