"""A house in which every free text field was filled in once with its probe, through the pages as staff do it."""

import html
import re
from datetime import timedelta
from typing import Any

from consent_service import service as services
from consent_service.language import HELSINKI
from consent_service.models.breaches import breach
from consent_service.models.customer_imports import customer_import
from consent_service.models.customers import customer, customer_document, publication_permission
from consent_service.models.inbox import contact_message
from consent_service.models.requests import data_request, data_request_task
from tests import staff_pages
from tests.actors import Staff, Visitor, fi
from tests.authenticator import Device
from tests.filing import PDF, Clerk
from tests.page import Page
from tests.probes import Read, probe, typed
from tests.register import TEN_YEARS, VALO, add_paper, add_somebody
from tests.sheets import Importer

AINO, EERO, ELINA = "probe@example.com", "named@example.com", "elina@keinuma.example"
SAVE, CHANGE, NOTE = fi("Save"), fi("Save the changes"), fi("Note it")
PAPER = tuple(f"console.document_forms.AddForm.{name}" for name in ("title", "binder", "page"))
CUSTOMER = {"kind": "company", "country": "FI", "source": "other", "language": "fi", **VALO}


class Typist(Clerk):
    """Somebody of the staff who fills everything in with probes, and is called like one."""

    def __init__(self, house):
        Staff.__init__(self, house, name=probe("staff.name"))
        self.log_in()
        self.known: dict[str, Any] = {}
        self.forms: dict[str, tuple[str, str]] = {}  # where which form shows again what was typed

    def open(self, path: str) -> Page:
        return self.house.get(f"{path}{'&' if '?' in path else '?'}lang=fi", self.http)

    def fill(self, path: str, button: str, form: str, **chosen: str) -> Page:
        """Fill a form in with its probes, choose what has to be chosen, and send it."""
        page = self.open(path).press(button, **chosen | typed(form))
        assert page.status == 200, (path, page.words)
        Read(page.html, path)
        return page

    def fill_everything(self) -> "Typist":
        Visitor(self.house).subscribe()
        self.known = staff_pages.furnish(self.house)
        self.house.deliver()
        self.house.compare()
        for act in (self._visitors, self._subscribers, self._customers, self._documents, self._breach):
            act()
        for act in (self._retention, self._past, self._colleagues, self._sheet):
            act()
        self.known |= {"open_number": self._request("erase"), "number": self._request("access")}
        self._answer(self.known["number"])
        self.house.service.seal()
        self.house.deliver()
        return self

    def _visitors(self) -> None:
        aino = Visitor(self.house, AINO)
        aino.http.headers["User-Agent"] = probe("browser")
        names = typed("subscribing.SubscribeForm")
        aino.first, aino.last = names["first_name"], names["last_name"]
        self.aino = aino.becomes_active()
        eero = Visitor(self.house, EERO).becomes_active()
        eero.my_data()
        own = self.house.get(eero.link("my-data").replace("?", "/name?"))
        assert own.press(fi("Save the name"), **typed("my_data.NameForm")).status == 200
        self.eero = eero
        assert aino.write(**typed("contact.ContactForm")).status == 200
        self.known["written_id"] = self.house.rows(contact_message)[-1].id
        self.known["subscriber_id"] = self.house.person(AINO).id

    def _subscribers(self) -> None:
        added = self.add("added@example.com", **typed("console.subscribers.AddForm"))
        assert added.status == 200
        self.added = Visitor(self.house, "added@example.com")
        path = f"/staff/subscribers/{self.known['subscriber_id']}/hold"
        self.fill(path, fi("Keep the data"), "console.subscriber_rights.HoldForm")

    def _customers(self) -> None:
        form = "console.customer_form.CustomerForm"
        for email in (AINO, EERO):
            whole = CUSTOMER | typed(form) | {"email": email}
            page = self.open("/staff/customers/add").press(fi("Add the customer"), **whole)
            Read(page.html, "/staff/customers/add")
            if page.status == 409:
                page = page.press(fi("No, somebody else: add"), **whole)
            assert page.status == 200, page.words
        first, second = [row for row in self.house.rows(customer) if row.email in (AINO, EERO)]
        self.known |= {"customer_id": first.id, "other_id": second.id}
        self.number = first.number
        self.forms[f"/staff/customers/{first.id}/change"] = (CHANGE, form)
        path = f"/staff/customers/{second.id}/restrict"
        self.fill(path, fi("Only keep the data"), "console.customer_rights.RestrictForm")

    def _documents(self) -> None:
        mine, form = self.known["customer_id"], "console.document_forms"
        assert self.file(mine, "other", **typed(f"{form}.AddForm")).status == 200
        assert self.file(mine, "other", title="Muistio", binder="A").status == 200
        assert self.file(mine, "other", (probe("document.file"), PDF), title="Kirje").status == 200
        filed, changed, letter = [row.id for row in self.house.rows(customer_document) if row.customer_id == mine]
        path = f"/staff/customers/{mine}/documents/{changed}/change"
        self.fill(path, CHANGE, f"{form}.ChangeForm")
        self.forms[path] = (CHANGE, f"{form}.ChangeForm")
        path = f"/staff/customers/{mine}/publication-permissions/add"
        given = {"given_on": "2026-02-01"}
        self.fill(path, fi("Save the permission"), f"{form}.PermissionForm", **given)
        permission = self.house.rows(publication_permission)[-1]
        self.known |= {"document_id": letter, "permission_id": permission.id, "papers": (filed, changed)}

    def _breach(self) -> None:
        now = (services.now() - timedelta(hours=2)).astimezone(HELSINKI)
        at, form = {"day": now.date().isoformat(), "at": f"{now:%H:%M}"}, "console.breaches.FactsForm"
        before = {row.id for row in self.house.rows(breach)}
        self.fill("/staff/breaches/add", SAVE, form, risk="high", **at)
        [made] = {row.id for row in self.house.rows(breach)} - before
        self.known["breach_id"] = made
        self.fill(f"/staff/breaches/{made}/tell", SAVE, "console.breaches.TellForm", whom="other", **at)
        self.forms[f"/staff/breaches/{made}/change"] = (SAVE, form)

    def _retention(self) -> None:
        path = f"/staff/retention/review/{self.known['passive_id']}/keep"
        self.fill(path, fi("Keep for another year"), "console.retention.KeepForm")

    def _past(self) -> None:
        """Somebody whom the yearly review asks about, and somebody erased, of whom one paper stays and one goes."""
        name, (title, binder, page) = probe("console.customer_form.CustomerForm.last_name"), PAPER
        add_somebody(self.house, name, passive_for=TEN_YEARS)
        gone = add_somebody(self.house, name)
        for ends in ("2100-12-31", "2020-12-31"):
            add_paper(self.house, gone, title=probe(title), binder=probe(binder), page=probe(page), keep_until=ends)
        assert self.erase(gone)
        self.known["gone_id"] = gone
        binders = self.open("/staff/binders")
        for form in binders.forms:
            if form.action.endswith("/destroy"):
                assert binders.press(form.buttons[0]).status == 200

    def _colleagues(self) -> None:
        form = "console.api_keys.KeyForm"
        self.fill("/staff/api-keys/make", fi("Make the key"), form, read="y")
        form = "console.accounts.InviteForm"
        self.fill("/staff/accounts/invite", fi("Send the invitation"), form, email=ELINA)
        self.known["account_id"] = self.house.account(ELINA).id
        page = self.open("/staff/my-account/passkey")
        asked = html.unescape(re.search('data-asked="([^"]+)"', page.html)[1])
        answer = {"passkey": Device(self.house.url, "localhost").make(asked)}
        made = page.press(fi("Make the passkey"), **typed("console.my_account.PasskeyForm") | answer)
        assert made.status == 200, made.words

    def _sheet(self) -> None:
        cell, file = probe("import.cell"), probe("import.file")
        headings = f"Sukunimi;Puhelin;Sähköposti;{quoted(probe('import.heading'))}"
        rows = [headings, f"{quoted(cell)};;;{quoted(cell)}", f"Niemi;{quoted(cell)};{quoted(cell)};x"]
        self.sheets = Importer(self.house, "iida@keinuma.example", self.name)
        self.sheets.log_in()
        page = self.sheets.check(self.sheets.send("\n".join(rows).encode(), file))
        assert page.status == 200, page.words
        self.known["import_id"] = self.house.rows(customer_import)[-1].id

    def _request(self, kind: str) -> int:
        now = services.now().astimezone(HELSINKI).date().isoformat()
        told = {"kind": kind, "channel": "phone", "received_on": now, "language": "fi", "email": AINO}
        form = "console.data_requests.AddForm"
        self.fill("/staff/data-requests/add", fi("Add the request"), form, **told, customer_number=str(self.number))
        number = max(row.number for row in self.house.rows(data_request))
        form = "console.data_request_acts"
        self.fill(f"/staff/data-requests/{number}/identity", NOTE, f"{form}.IdentityForm", method="more")
        return number

    def _answer(self, number: int) -> None:
        form, path = "console.data_request_acts", f"/staff/data-requests/{number}"
        self.fill(f"{path}/extension", fi("Extend and tell the person"), f"{form}.NoteForm")
        assert self.open(f"{path}/carry-out").press(fi("Do it now")).status == 200
        for task in self.house.rows(data_request_task):
            if task.request_number == number and task.done_at is None:
                self.fill(f"{path}/tasks/{task.place}", fi("It is done"), f"{form}.NoteForm")
        chosen = {"outcome": "part", "ground": "others"}
        self.fill(f"{path}/close", fi("Close and answer"), f"{form}.CloseForm", **chosen)


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
