"""Whatever anybody types into any free field stays text: on every page of staff, in every mail and in every export.

A field that is new in any form has a probe by itself (`tests/probes.py`). Until `tests/probed.py` fills it in and a
page shows it, these tests fail.
"""

import csv
import io
import zipfile
from urllib.parse import unquote, urljoin

import pytest

from tests import staff_pages
from tests.household import household
from tests.page import Page
from tests.probed import ELINA, PAPER, Typist
from tests.probes import BY_RULE, FIELDS, FREE, NOT_KEPT, PLACES, Read, probe, told, told_in_json, typed
from tests.servers.activecampaign import ActiveCampaign
from tests.servers.smtp import MailServer
from tests.sheets import rows_of

EVE = "eve@example.org"
FORMULA = ("=", "+", "-", "@", "\t", "\r")
OPEN_TO_ALL = ("/subscribe", "/contact", "/my-data", "/unsubscribe", "/staff/login", "/staff/recovery")
MAILED = {"contact.ContactForm.message", "console.subscribers.AddForm.occasion", "subscribing.SubscribeForm.last_name",
          "console.data_request_acts.CloseForm.answer", "console.data_request_acts.NoteForm.note"}  # fmt: skip
HANDED_OVER = (
    "console.customer_form.",
    "console.document_forms.",
    "console.data_requests.",
    "contact.",
    "subscribing.",
)
# Scripts send the one, and the other is there only while unusually many forms are sent.
ON_NO_PAGE = {"choice", "proof"}


@pytest.fixture(scope="module")
def typist(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probed")
    with MailServer() as mail, ActiveCampaign() as contacts:
        contacts.rate_limit = None
        with household(folder, f"sqlite:///{folder}/consent.db", mail, contacts, called="localhost") as house:
            yield Typist(house).fill_everything()


@pytest.fixture(scope="module")
def opened(typist):
    """Every address of staff by its path: the page, and what is read in it if it is one; and where it leads to."""
    found, to_open = {}, everywhere(typist)
    while left := to_open - set(found):
        path = min(left)
        page = typist.open(path)
        assert page.status == 200, path
        is_page = page.answer.headers["Content-Type"].startswith("text/html")
        found[path] = page, Read(page.html, path) if is_page else None
        to_open |= found[path][1].links if is_page else set()
    return found


def everywhere(typist):
    """Every address of staff, and those that show more with another word in them."""
    known, asked = typist.known, "/staff/data-requests"
    found = {path for rule, path in staff_pages.addresses(typist.house, known) if "GET" in rule.methods}
    sheet, mine = f"/staff/customers/imports/{known['import_id']}", f"/staff/customers/{known['customer_id']}"
    found |= {f"{sheet}/rows/{state}" for state in ("new", "known", "partly", "unusable")} | {f"{sheet}?columns=1"}
    found |= {f"{asked}/{known['number']}/letters/{kind}" for kind in ("received", "extended", "answer")}
    steps = ("", "/identity", "/customer", "/extension", "/carry-out", "/tasks/binder", "/close")
    found |= {f"{asked}/{known['open_number']}{step}" for step in steps}
    found |= {f"{mine}/documents/{paper}{tail}" for paper in known["papers"] for tail in ("", "/change", "/remove")}
    found |= {f"/staff/customers/{known['other_id']}{tail}" for tail in ("", "/lift", "/erase")}
    found |= {f"/staff/customers/{known['gone_id']}", f"/staff/invitation/{typist.house.invitation(ELINA)}"}
    people = [typist.house.person(f"{name}@example.com").id for name in ("named", "added")]
    found |= {f"/staff/subscribers/{person}" for person in people}
    return found | {f"/staff/people/subscribers/{known['subscriber_id']}", "/staff/customers?part=list"}


def test_every_page_shows_probes_as_they_were_typed_and_runs_none(typist, opened):
    """Every free field is filled in and shown somewhere; also of whom the review asks about, and who is erased."""
    shown = {place for _, read in opened.values() if read for place in read.places}
    assert shown == set(PLACES.values()) - NOT_KEPT
    name, (title, binder, page) = "console.customer_form.CustomerForm.last_name", PAPER
    for path, places in (
        ("/staff/retention/review", {name}),
        ("/staff/retention/review/erase", {name}),
        (f"/staff/customers/{typist.known['gone_id']}", {title}),
        ("/staff/binders/shredded", {binder, page}),
    ):
        assert opened[path][1].places >= places, path
    names = {place.rpartition(".")[2] for place in FIELDS}
    assert set(FIELDS) | names >= BY_RULE and set(FIELDS) >= NOT_KEPT, "nothing is excepted that is not there"


def test_a_form_shows_again_what_is_kept_as_it_was_typed(typist, opened):
    for path, (button, form) in typist.forms.items():
        fields = opened[path][0].form(button).fields
        for name, text in typed(form).items():
            assert fields[name] == text.replace("\r\n", "\n"), (path, name)


def test_mails_carry_probes_as_text_and_no_header_of_theirs(typist):
    assert read_mails(typist.house) >= MAILED


def test_files_that_go_out_carry_probes_and_no_formula(typist, opened):
    assert "subscribing.SubscribeForm.last_name" in Read(typist.aino.my_data().html).places
    own = typist.house.get(typist.aino.link("my-data").replace("?", "/download?"))
    pages = [own, *(page for page, read in opened.values() if read is None)]
    seen = set()
    for page in pages:
        seen |= told(unquote(page.answer.headers.get("Content-Disposition", "")))
        if page.answer.headers["Content-Type"] == "application/zip":
            seen |= read_package(page.answer.content)
    [problems] = [page.answer.content for path, (page, _) in opened.items() if path.endswith("problems.xlsx")]
    assert "import.cell" in read_book(problems)
    register = read_book(typist.sheets.export())
    assert register == {place for place in FREE if place.startswith("console.customer_form.")}
    assert seen >= {place for place in FREE if place.startswith(HANDED_OVER)}


def test_what_is_refused_is_shown_again_as_text(typist, opened):
    """In every field of every form, chosen and hidden ones too, stands a probe and a line that begins a header.

    It stands last, since some forms are content with it.
    """
    odd, sent, shown = f"{probe('import.cell')}\r\nBcc: {EVE}", set(), 0
    strange = typist.house.http
    pages = [typist.house.get(f"{path}?lang=fi", strange) for path in OPEN_TO_ALL]
    forms = [(strange, page, form) for page in pages for form in Read(page.html).forms]
    forms += [(typist.http, page, form) for page, read in opened.values() if read for form in read.forms]
    for http, page, (method, action, fields) in forms:
        names = set(fields) - {"csrf_token", "password"}
        if not names:
            continue  # a button, or a new password, which nobody is shown
        given = fields | dict.fromkeys(names, odd)
        data = {"data" if method == "post" else "params": given}
        place = urljoin(page.answer.url, action)
        answer = http.request(method, place, timeout=20, allow_redirects=False, **data)
        assert answer.status_code < 500, (place, names)
        if answer.is_redirect:
            assert answer.headers["Location"].startswith("/staff/"), place
        else:
            shown += "import.cell" in Read(Page(http, answer).html, place).places
        sent |= names
    assert shown > 20
    assert {place.rpartition(".")[2] for place in FIELDS} - ON_NO_PAGE <= sent
    assert read_mails(typist.house) >= MAILED


def read_mails(house):
    """Whose probes stand in all mails there have been; each went to one recipient and has no header too many."""
    house.deliver()
    seen = set()
    for mail in house.mail.mails:
        headers = mail.message.items()
        names = [name.lower() for name, _ in headers]
        assert len(names) == len(set(names)) and not {"bcc", "cc", "sender"} & set(names)
        assert len(mail.recipients) == 1 and mail.recipients[0] in mail.message["To"]
        assert EVE not in mail.recipients
        for name, value in headers:
            assert not value.defects, (name, value)
            seen |= told(value)
        seen |= Read(mail.html).places | told(mail.text)
    return seen


def read_package(content):
    """Whose probes stand in the files of a package."""
    seen = set()
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        documents = {name for name in package.namelist() if name.startswith("asiakirjat/")}
        assert all(".." not in name and name.count("/") == 1 for name in documents)
        for name in set(package.namelist()) - documents:
            text = package.read(name).decode("utf-8-sig")
            if name.endswith(".csv"):
                for row in csv.reader(io.StringIO(text, newline="")):
                    seen |= read_cells(row)
            elif name.endswith((".json", ".jsonld")):
                seen |= told_in_json(text)
            else:
                seen |= Read(text).places if name.endswith(".html") else told(text)
    return seen


def read_book(content):
    """Whose probes stand in a spreadsheet that holds no formula."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        assert not any(b"<f>" in book.read(name) for name in book.namelist())
    return {place for row in rows_of(content) for place in read_cells(row)}


def read_cells(row):
    cells = [cell for cell in row if isinstance(cell, str)]
    assert not [cell for cell in cells if cell.startswith(FORMULA)]
    return {place for cell in cells for place in told(cell)}
