"""Documents of customers: filed as a file or on paper, opened byte for byte, changed, removed, and refused calmly."""

from io import BytesIO
from urllib.parse import unquote

import pytest
import requests
from sqlalchemy import delete
from werkzeug.test import create_environ

from consent_service.ledger.evidence import read_plain
from consent_service.models.customers import customer_document, customer_key, document_file, shredding
from consent_service.models.ledger import consent_event
from consent_service.models.newsletter import erasure
from consent_service.register import document_files
from consent_service.register.document_files import LARGEST_FILE
from consent_service.staff.staff_accounts import STAFF
from consent_service.web.files import FileRequest
from tests import filing
from tests.actors import Staff, fi
from tests.conftest import on_both_databases
from tests.filing import PDF, REMOVE, Clerk
from tests.tampering import findings

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def heidi(house):
    return Clerk(house)


@pytest.fixture
def keeper(sqlite_house):
    """Heidi, where the database does not matter."""
    return Clerk(sqlite_house)


@pytest.fixture(scope="module")
def clerk(standing_house):
    """Heidi, where the other customers do not matter either."""
    return Clerk(standing_house)


def filed(clerk, customer_id):
    return [row for row in clerk.house.rows(customer_document) if row.customer_id == customer_id]


def test_a_file_comes_back_byte_for_byte_and_nothing_of_it_lies_open(heidi):
    aino = heidi.take_in()
    assert fi("There is no document yet.") in heidi.read(aino).words
    page = heidi.file(aino, "contract", ("Sopimus Järvinen.pdf", PDF), title="kevät 2024")
    assert (page.status, page.answer.history[0].status_code) == (200, 302)
    assert fi("still goes on") in page.words and fi("Coaching contract") in page.words
    row = heidi.document()
    assert (row.file_name, row.media_type, row.size) == ("Sopimus Järvinen.pdf", "application/pdf", len(PDF))
    assert (row.retention_class, row.keep_until, row.added_by) == ("contract", None, "Heidi")
    assert not [part for part in (PDF[:20], b"salainen", PDF[-40:]) if part in heidi.sealed()[0]]

    answer = heidi.download(row)
    assert (answer.status_code, answer.content) == (200, PDF)
    assert answer.headers["Content-Type"] == "application/pdf"
    assert (
        answer.headers["X-Content-Type-Options"] == "nosniff" and "sandbox" in answer.headers["Content-Security-Policy"]
    )
    assert answer.headers["Cache-Control"] == "no-store"
    said = answer.headers["Content-Disposition"]
    assert said.startswith("attachment;") and unquote(said.partition("UTF-8''")[2]) == "Sopimus Järvinen.pdf"
    assert f"{fi('Coaching contract')}: kevät 2024" in heidi.read(aino).words


def test_an_invoice_is_found_its_financial_year_and_a_paper_its_place(heidi):
    heidi.house.change_controller(financial_year_end="03-31")
    aino = heidi.take_in_company()
    invoice = heidi.file(aino, "invoice", ("lasku.pdf", PDF), dated_on="2024-03-31")
    assert "31.12.2030" in invoice.words and "31.3.2024" in invoice.words
    heidi.file(aino, "information_form", binder="A", page="14", dated_on="2026-01-05")
    words = heidi.read(aino).words
    assert "kansio A , sivu 14" in words.replace("A,", "A ,") and fi("with the customer") in words
    assert fi("Documents of %(name)s", name="Metsä & Järvi Oy") in words
    assert len(heidi.sealed()) == 1


def test_every_kind_of_file_is_known_by_its_bytes(keeper):
    aino = keeper.take_in()
    for content, media_type, ending in (
        (filing.PNG, "image/png", ".png"),
        (filing.JPEG, "image/jpeg", ".jpg"),
        (filing.DOCX, "application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".docx"),
        (filing.XLSX, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx"),
        (filing.ODT, "application/vnd.oasis.opendocument.text", ".odt"),
        (filing.ODS, "application/vnd.oasis.opendocument.spreadsheet", ".ods"),
    ):
        page = keeper.file(aino, "work_plan", ("suunnitelma.exe", content))
        assert page.status == 200, media_type
        row = next(one for one in keeper.house.rows(customer_document) if one.media_type == media_type)
        assert row.file_name == f"suunnitelma.exe{ending}"
        assert keeper.download(row).content == content


@pytest.mark.parametrize(
    "content",
    [
        filing.HTML,
        b"MZ\x90\x00",
        b"PK\x03\x04" + bytes(100),
        b"\x00%PDF-1.7",
        filing.package("readme.txt"),
        filing.package("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"),
        filing.package("word/document.xml"),
        filing.package("x", first=b"application/vnd.oasis.opendocument.text-master"),
    ],
    ids=["html", "exe", "no zip", "late pdf", "zip", "macros", "half a docx", "other opendocument"],
)
def test_a_file_of_another_kind_is_refused_whatever_it_is_called(clerk, content):
    aino = clerk.take_in()
    page = clerk.file(aino, "offer", ("tarjous.pdf", content), title="tarjous 7")
    assert (page.status, page.title.startswith(fi("Error:"))) == (400, True)
    assert (
        fi("Choose a PDF, a picture (PNG or JPEG), or a document of Word, Excel or LibreOffice without macros.")
        in page.words
    )
    assert 'value="tarjous 7"' in page.html and 'value="2024-02-15"' in page.html
    assert filed(clerk, aino) == []


def test_too_large_empty_none_and_both_are_told_beside_the_field(heidi):
    aino = heidi.take_in()
    for upload, fields, said in (
        (("suuri.pdf", PDF + bytes(LARGEST_FILE)), {}, "Choose a file of at most 10 MB."),
        (("tyhja.pdf", b""), {}, "The file is empty. Choose another one."),
        (None, {}, "Choose a file, or write in which binder the paper is."),
        (None, {"page": "3"}, "Write in which binder the paper is."),
        (
            ("s.pdf", PDF),
            {"binder": "A"},
            "Choose a file or name a binder, not both: a paper and its copy are two documents.",
        ),
    ):
        page = heidi.file(aino, "invoice", upload, **fields)
        assert page.status == 400 and fi(said) in page.words, said
    assert heidi.house.rows(customer_document) == heidi.house.rows(document_file) == []
    largest = PDF + bytes(LARGEST_FILE - len(PDF))
    assert heidi.file(aino, "invoice", ("raja.pdf", largest)).status == 200
    assert heidi.download(heidi.document()).content == largest


def test_a_file_that_comes_in_never_lies_on_the_disk():
    large = {"file": ("sopimus.pdf", PDF + bytes(LARGEST_FILE // 2))}
    sent = requests.Request("POST", "http://127.0.0.1/", files=large).prepare()
    told = {"content_type": sent.headers["Content-Type"], "content_length": len(sent.body)}
    read = FileRequest(create_environ(method="POST", input_stream=BytesIO(sent.body), **told))
    assert isinstance(read.files["file"].stream, BytesIO)


def test_what_is_far_too_large_is_not_even_read(keeper):
    aino = keeper.take_in()
    page = keeper.file(aino, "invoice", ("suuri.pdf", bytes(2 * LARGEST_FILE + 1)))
    assert page.status == 413 and fi("The file is too large") in page.words
    stranger = keeper.house.http
    where = f"{keeper.house.url}/staff/customers/{aino}/documents/add"
    answer = stranger.post(where, data=b"x" * 100_000, headers={"Content-Type": "text/plain"}, allow_redirects=False)
    assert answer.status_code == 415
    answer = stranger.post(where, files={"file": ("a.pdf", PDF)}, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/staff/login")
    elsewhere = f"{keeper.house.url}/staff/subscribers/add"
    assert keeper.http.post(elsewhere, files={"file": ("a.pdf", bytes(70_000))}).status_code == 413


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd.pdf", "passwd.pdf"),
        ("sopimus 👩‍💼 ✍️.pdf", "sopimus 👩💼 ✍️.pdf"),
        ("lasku\u202efdp.exe", "laskufdp.exe.pdf"),
        ('a"; filename="paha.exe', "a__ filename__paha.exe.pdf"),
        (".htaccess", "htaccess.pdf"),
        ("...", "document.pdf"),
        ("ä" * 300 + ".pdf", "ä" * 150 + ".pdf"),
        ("50%20%2e%2e.pdf", "50_20_2e_2e.pdf"),
    ],
)
def test_a_name_can_do_no_harm(clerk, name, kept):
    aino = clerk.take_in()
    assert clerk.file(aino, "invoice", (name, PDF)).status == 200
    [row] = filed(clerk, aino)
    assert row.file_name == kept
    said = clerk.download(row).headers["Content-Disposition"]
    assert "\n" not in said and "/" not in said and said.count(" filename=") == 1
    assert kept in (unquote(said.partition("UTF-8''")[2]), said.partition("filename=")[2].strip('"'))


def test_a_line_break_in_a_name_reaches_no_header(keeper):
    """No browser sends one, so the request is written by hand."""
    aino = keeper.take_in()
    form = keeper.house.get(keeper.place(aino, "/add") + "&kind=invoice", keeper.http).form(filing.SAVE)
    fields = form.fields | {"dated_on": "2024-02-15"}
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
        if name != "file"
    ]
    odd = "filename*=UTF-8''a%0D%0ASet-Cookie:%20x=1%00.pdf"
    last = f'--x\r\nContent-Disposition: form-data; name="file"; {odd}\r\n\r\n'.encode()
    body = b"".join(parts) + last + PDF + b"\r\n--x--\r\n"
    where = f"{keeper.house.url}/staff/customers/{aino}/documents/add"
    answer = keeper.http.post(where, data=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 200
    assert keeper.document().file_name == "aSet-Cookie.pdf", "what else it said is no part of a name"
    assert keeper.download(keeper.document()).content == PDF


def test_whatever_name_a_program_sends_one_line_without_a_path_is_left():
    for name, kept in (
        ("C:\\Käyttäjät\\Aino\\sopimus.PDF", "sopimus.pdf"),
        ("a\r\nSet-Cookie: x=1\0.pdf", "aSet-Cookie_ x_1.pdf"),
        ("\ud800\ufeff", "document.pdf"),
        ("kuitti.jpeg", "kuitti.jpeg.pdf"),
        ("", "document.pdf"),
    ):
        assert document_files.read_name(name, document_files.PDF) == kept
    assert document_files.read_name("kuitti.JPEG", document_files.JPEG) == "kuitti.jpeg"


def test_days_that_cannot_be_are_told_and_what_was_written_stays(keeper):
    aino = keeper.take_in()
    for kind, fields in (
        ("contract", {"dated_on": "2999-01-01"}),
        ("contract", {"dated_on": "0001-01-01"}),
        ("contract", {"dated_on": ""}),
        ("contract", {"dated_on": "eilen"}),
        ("contract", {"ended_on": "2024-02-14"}),
        ("contract", {"ended_on": "9999-12-31"}),
        ("contract", {"dated_on": "9999-01-01", "ended_on": "9999-12-31"}),
        ("invoice", {"financial_year_end": "9999-12-31"}),
        ("invoice", {"financial_year_end": "2001-12-31"}),
        ("consent_form", {"destroy_by": "2023-01-01"}),
        ("other", {"title": ""}),
        ("invoice", {"title": "x\u202ey"}),
        ("invoice", {"title": "x" * 201}),
        ("invoice", {"title": "\u3164"}),
        ("invoice", {"title": "\u200d"}),
    ):
        page = keeper.file(aino, kind, None, **{"binder": "Kansio 7", "title": "jotain"} | fields)
        assert page.status == 400 and page.title.startswith(fi("Error:")), (kind, fields)
        assert 'value="Kansio 7"' in page.html
        for value in filter(None, fields.values()):
            assert value in page.html, value
    assert keeper.house.rows(customer_document) == []


def test_the_same_form_sent_twice_files_once(heidi):
    aino = heidi.take_in()
    page = heidi.house.get(heidi.place(aino, "/add") + "&kind=invoice", heidi.http)
    first, second = (heidi.send(page, {"dated_on": "2024-02-15"}, ("lasku.pdf", PDF)) for _ in range(2))
    assert first.answer.url == second.answer.url and second.status == 200
    assert heidi.document().file_name == "lasku.pdf"


def test_a_contract_ends_and_a_paper_moves_to_another_binder(heidi):
    aino = heidi.take_in()
    heidi.file(aino, "contract", None, binder="A", page="14")
    tail = f"/{heidi.document().id}/change"
    page = heidi.read(aino, tail)
    changed = page.press(fi("Save the changes"), kind="contract", kept_as="contract", ended_on="2024-02-29", binder="B")
    assert changed.status == 200 and "28.2.2034" in changed.words and "29.2.2024" in changed.words
    row = heidi.document()
    assert (row.ended_on, row.keep_until, row.binder, row.page) == ("2024-02-29", "2034-02-28", "B", "14")
    wrong = page.press(fi("Save the changes"), kind="contract", kept_as="contract", binder="")
    assert wrong.status == 400 and heidi.document() == row
    page.press(fi("Save the changes"), kind="work_plan", kept_as="contract", ended_on="2024-02-29")
    row = heidi.document()
    assert (row.kind, row.retention_class, row.keep_until, row.ended_on) == ("work_plan", "other", None, None)


def test_the_financial_year_follows_a_corrected_day_unless_it_was_corrected_itself(keeper):
    aino = keeper.take_in()
    keeper.file(aino, "invoice", ("lasku.pdf", PDF), dated_on="2024-01-05")
    page = keeper.read(aino, f"/{keeper.document().id}/change")
    page.press(fi("Save the changes"), kind="invoice", dated_on="2023-12-05")
    assert (keeper.document().financial_year_end, keeper.document().keep_until) == ("2023-12-31", "2029-12-31")
    page.press(fi("Save the changes"), kind="invoice", financial_year_end="2024-03-31")
    page = keeper.read(aino, f"/{keeper.document().id}/change")
    page.press(fi("Save the changes"), kind="invoice", dated_on="2024-01-07")
    row = keeper.document()
    assert (row.dated_on, row.financial_year_end, row.keep_until) == ("2024-01-07", "2024-03-31", "2030-12-31")


def test_what_the_law_keeps_stays_and_the_page_says_why_and_until_when(heidi):
    aino = heidi.take_in()
    heidi.file(aino, "invoice", ("lasku.pdf", PDF), dated_on="2026-02-15")
    invoice = heidi.document()
    page = heidi.read(aino, f"/{invoice.id}/remove")
    assert fi("The document has to stay") in page.words and "31.12.2032" in page.words and "2 luvun 10 §" in page.words
    assert REMOVE not in page.html
    where = f"/staff/customers/{aino}/documents/{invoice.id}/remove"
    token = heidi.read(aino).forms[0].fields["csrf_token"]
    assert heidi.house.post(where, {"csrf_token": token}, heidi.http).status == 409
    assert heidi.document() == invoice


def test_what_nothing_keeps_is_removed_for_good_and_noted(heidi):
    aino = heidi.take_in()
    heidi.file(aino, "work_plan", ("suunnitelma.pdf", PDF))
    row = heidi.document()
    page = heidi.read(aino, f"/{row.id}/remove").press(REMOVE)
    assert page.status == 200 and fi("The document has been removed.") in page.words
    assert heidi.house.rows(customer_document) == heidi.house.rows(document_file) == []
    [note] = heidi.house.rows(erasure)
    assert (note.subscriber_id, note.rule) == (row.id, "document")
    assert heidi.house.rows(shredding) == []
    assert heidi.read(aino, f"/{row.id}").status == 404


def test_a_key_that_is_gone_gives_a_calm_page(heidi):
    aino = heidi.take_in()
    heidi.file(aino, "invoice", ("lasku.pdf", PDF))
    with heidi.house.service.transaction() as connection:
        connection.execute(delete(customer_key))
    answer = heidi.download(heidi.document())
    assert answer.status_code == 410 and fi("The file cannot be opened") in answer.text


def test_nothing_changes_of_a_customer_whose_data_is_restricted(heidi):
    aino = heidi.take_in()
    heidi.file(aino, "work_plan", ("suunnitelma.pdf", PDF))
    row, form = heidi.document(), heidi.house.get(heidi.place(aino, "/add") + "&kind=offer", heidi.http)
    change, removal = heidi.read(aino, f"/{row.id}/change"), heidi.read(aino, f"/{row.id}/remove")
    heidi.restrict(aino)
    before = heidi.house.rows(customer_document)
    assert heidi.send(form, {"dated_on": "2024-02-15"}, ("t.pdf", PDF)).status == 409
    assert change.press(fi("Save the changes"), kind="work_plan").status == 409
    assert removal.press(REMOVE).status == 409
    assert heidi.read(aino, "/add").status == heidi.read(aino, f"/{row.id}/change").status == 409
    assert heidi.house.rows(customer_document) == before
    assert heidi.download(row).content == PDF, "for a claim it can still be read (GDPR article 18(2))"


@on_both_databases
def test_a_document_is_found_with_its_own_customer_only_and_no_get_changes_anything(heidi):
    aino, other = heidi.take_in(), heidi.take_in_company()
    heidi.file(aino, "invoice", ("lasku.pdf", PDF))
    row, before = heidi.document(), heidi.house.everything()
    for tail in ("", "/file", "/change", "/remove"):
        assert heidi.read(aino, f"/{row.id}{tail}").status == 200
        assert heidi.read(other, f"/{row.id}{tail}").status == 404
        assert heidi.read(aino, f"/{NOBODY}{tail}").status == 404
    for tail in ("", "/add", "/add/"):
        assert heidi.read(NOBODY, tail).status == 404
    assert heidi.house.everything() == before


def test_only_an_owner_lets_a_document_go_earlier_and_the_class_it_had_is_sealed(heidi):
    house, aino = heidi.house, heidi.take_in()
    heidi.file(aino, "invoice", ("lasku.pdf", PDF))
    row, liisa = heidi.document(), Staff(house, "liisa@keinuma.example", "Liisa", STAFF)
    liisa.log_in()
    place, save = heidi.place(aino, f"/{row.id}/change"), fi("Save the changes")
    shorter = {"kind": "other", "kept_as": "other", "title": "muistio"}
    refused = house.get(place, liisa.http).press(save, **shorter)
    why = fi("This document has to be kept for longer than that. Only an owner may shorten it: ask one of them.")
    assert (refused.status, why in refused.words, "muistio" in refused.html) == (409, True, True)
    for fields in ({"dated_on": "2019-02-01"}, {"kind": "contract", "kept_as": "contract"}):
        assert house.get(place, liisa.http).press(save, **fields).status == 409
    assert heidi.document() == row
    assert house.get(place, liisa.http).press(save, title="Lasku 7", dated_on="2025-02-01").status == 200
    assert house.get(place, heidi.http).press(save, **shorter).status == 200
    assert heidi.document().keep_until is None
    told = [read_plain(one.core_plain).payload for one in house.rows(consent_event) if one.core_plain]
    [sealed] = [one for one in told if "was" in one]
    assert (sealed["was"], sealed["is"], sealed["thing"]) == ("voucher", "other", f"document:{row.id}")
    house.service.seal()
    assert findings(house) == []


def test_staff_note_that_a_contract_has_ended(keeper):
    aino, liisa = keeper.take_in(), Staff(keeper.house, "liisa@keinuma.example", "Liisa", STAFF)
    liisa.log_in()
    keeper.file(aino, "contract", ("sopimus.pdf", PDF), dated_on="2010-02-15")
    place = keeper.place(aino, f"/{keeper.document().id}/change")
    page, save = keeper.house.get(place, liisa.http), fi("Save the changes")
    assert page.press(save, ended_on="2011-02-15").status == 409, "it would be gone at once"
    assert page.press(save, ended_on="2025-02-15").status == 200
    assert keeper.document().keep_until is not None
