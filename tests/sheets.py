"""Spreadsheets of the stories, and staff who bring customers in out of them."""

import io
import re
import threading

import openpyxl
import structlog

from consent_service.register.importing import Importing
from tests.actors import Staff, fi
from tests.page import Page

IMPORTS = "/staff/customers/imports?lang=fi"
SEND, CHECK, UNDO = fi("Send the file"), fi("Check the rows"), fi("Undo the import")
SELECT = re.compile(r'<select id="([^"]+)" name="([^"]+)".*?</select>', re.DOTALL)
CHOSEN = re.compile(r'<option value="([^"]*)" selected>')
HEADINGS = ["Asiakasnumero", "Etunimi", "Sukunimi", "Yritys", "Y-tunnus", "Puhelin", "Sähköposti", "Katuosoite"]
HEADINGS += ["Postinumero", "Paikkakunta", "Lisätiedot", "Mistä tiedot on saatu"]
AINO = [17, "Aino", "Mäkelä", None, None, "040 123 4567", "aino@example.com", "Kauppakatu 1", "40100", "Jyväskylä"]
KEINUMA = [
    None,
    "Heidi",
    "Salo",
    "Keinuma Oy",
    "3299471-6",
    "014 123 456",
    "info@keinuma.example",
    None,
    None,
    "Jyväskylä",
]


def xlsx(*rows, name="Asiakkaat", **more) -> bytes:
    """A workbook with these rows on its first sheet, and more sheets by their names."""
    book, content = openpyxl.Workbook(), io.BytesIO()
    book.active.title = name
    for sheet, its_rows in {name: rows, **more}.items():
        page = book[sheet] if sheet in book.sheetnames else book.create_sheet(sheet)
        for row in its_rows:
            page.append(list(row))
    book.save(content)
    return content.getvalue()


def rows_of(content: bytes, sheet: int = 0) -> list[tuple[object, ...]]:
    """What stands on a sheet of a workbook."""
    return list(openpyxl.load_workbook(io.BytesIO(content)).worksheets[sheet].iter_rows(values_only=True))


class Importer(Staff):
    """Heidi with a spreadsheet."""

    def send(self, content: bytes, name: str = "asiakkaat.xlsx") -> Page:
        """Send a file, and let the relay read it."""
        page = self.house.get(IMPORTS, self.http)
        token = page.form(SEND).fields["csrf_token"]
        address = page.answer.url.partition("?")[0]
        sent = self.http.post(address, {"csrf_token": token}, files={"file": (name, content)}, timeout=30)
        self.work()
        return self.again(Page(self.http, sent)) if sent.status_code == 200 else Page(self.http, sent)

    def work(self) -> None:
        """Do what the relay does with imports until nothing is to be done; nothing may stumble."""
        relay = Importing(self.house.service, threading.Event())
        with structlog.testing.capture_logs() as said:
            while relay.step():
                pass
        assert not [entry for entry in said if entry["log_level"] == "error"], said

    def again(self, page: Page) -> Page:
        return self.house.get(page.answer.url, self.http)

    def check(self, page: Page, **changes: str) -> Page:
        """Take the columns as they are proposed, but for changes, and let the relay check the rows."""
        chosen = {
            name: (CHOSEN.search(whole[0]) or [0, ""])[1] for whole in SELECT.finditer(page.html) for name in [whole[2]]
        }
        answer = page.press(CHECK, **{name: value for name, value in (chosen | changes).items() if name != "sheet"})
        self.work()
        return self.again(answer) if answer.status == 200 else answer

    def rows(self, page: Page, kind: str) -> Page:
        return self.house.get(f"{page.answer.url.partition('?')[0]}/rows/{kind}?lang=fi", self.http)

    def choose(self, page: Page, kind: str, choice: str) -> None:
        assert self.rows(page, kind).press(fi("Choose for all"), for_all=choice).status == 200

    def add_all(self, page: Page) -> Page:
        """Press the button that takes the rows into the register, and let the relay do it."""
        [form] = [form for form in page.forms if form.action.endswith("/apply")]
        answer = page.press(form.buttons[0])
        self.work()
        return self.again(answer)

    def bring_in(self, content: bytes, name: str = "asiakkaat.xlsx") -> Page:
        """The whole way with nothing changed."""
        return self.add_all(self.check(self.send(content, name)))

    def undo(self, page: Page) -> Page:
        question = self.house.get(f"{page.answer.url.partition('?')[0]}/undo?lang=fi", self.http)
        answer = question.press(UNDO)
        self.work()
        return self.again(answer)

    def export(self, query: str = "") -> bytes:
        page = self.house.get(f"/staff/customers/export?lang=fi{query}", self.http)
        form = page.form(fi("Download the file (.xlsx)"))
        return self.http.post(page.answer.url.partition("?")[0], form.fields, timeout=60).content
