"""What may be in a spreadsheet and what not: kinds of files, sizes, bombs, formulas, and what goes out again."""

import io
import zipfile

import pytest
from sqlalchemy import insert, update

from consent_service import service as services
from consent_service.models.customer_imports import customer_import, customer_import_row
from consent_service.models.customers import customer, former_number
from consent_service.people import read_address
from consent_service.register import customer_erasure, customer_file, customers
from consent_service.register.customers import Details
from tests.actors import Visitor, fi
from tests.conftest import on_both_databases
from tests.sheets import AINO, HEADINGS, IMPORTS, KEINUMA, Importer, rows_of, xlsx

PROBES = ['=HYPERLINK("http://x.example")', "+1+1", "-2", "@SUM(A1)", "<script>alert(1)</script>", "'=1", "\"'><b>"]


@pytest.fixture
def heidi(sqlite_house):
    staff = Importer(sqlite_house)
    staff.log_in()
    return staff


@pytest.fixture
def keeper(house):
    staff = Importer(house)
    staff.log_in()
    return staff


def with_part(content, name, text):
    """A workbook with one more part inside."""
    changed = io.BytesIO(content)
    with zipfile.ZipFile(changed, "a", zipfile.ZIP_DEFLATED) as book:
        book.writestr(name, text)
    return changed.getvalue()


def bomb():
    """A small file that is very large inside."""
    return with_part(xlsx(HEADINGS), "xl/media/image1.bin", bytes(customer_file.LARGEST_INSIDE + 1))


REFUSED_AT_ONCE = {
    "empty": (lambda: b"", customer_file.EMPTY),
    "old Excel": (lambda: customer_file.OLD_EXCEL + bytes(2000), customer_file.OLD),
    "bomb": (bomb, customer_file.TOO_MUCH_INSIDE),
    "links": (lambda: with_part(xlsx(HEADINGS), "xl/externalLinks/externalLink1.xml", "<x/>"), customer_file.LINKED),
    "entities": (
        lambda: with_part(xlsx(HEADINGS), "xl/extra.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        customer_file.UNREADABLE,
    ),
    "a page": (lambda: b"<html><body>no list</body></html>", customer_file.UNREADABLE),
    "bytes": (lambda: bytes(range(256)), customer_file.UNREADABLE),
    "cut": (lambda: xlsx(HEADINGS, AINO)[:900], customer_file.UNREADABLE),
}


@pytest.mark.parametrize("kind", REFUSED_AT_ONCE)
def test_what_is_no_customer_list_gets_a_clear_word_beside_the_field(heidi, kind):
    make, message = REFUSED_AT_ONCE[kind]
    page = heidi.send(make())
    assert (page.status, page.title.startswith(fi("Error:"))) == (400, True)
    assert fi(message) in page.words and 'id="file-error"' in page.html
    assert heidi.house.rows(customer_import) == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([HEADINGS, [None] * 100 + ["x"]], customer_file.TOO_MANY_COLUMNS),
        ([[]], customer_file.EMPTY),
    ],
)
def test_what_shows_only_when_it_is_read_is_told_then(heidi, rows, message):
    page = heidi.send(xlsx(*rows))
    assert fi(message) in page.words and fi("The file could not be used") in page.title
    assert heidi.house.rows(customer_import_row) == []


def test_a_sheet_that_says_it_has_very_many_empty_rows_is_refused(heidi):
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(xlsx(HEADINGS, AINO))) as old, zipfile.ZipFile(content, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            new.writestr(name, part.replace(b'<row r="2"', b'<row r="999999999"') if "sheet1" in name else part)
    page = heidi.send(content.getvalue())
    assert fi(customer_file.TOO_MUCH_INSIDE) in page.words


def test_more_rows_than_may_be_are_refused(heidi):
    page = heidi.send(b"Sukunimi\n" + b"Laine\n" * customer_file.MOST_ROWS, "asiakkaat.csv")
    assert fi(customer_file.TOO_MANY_ROWS) in page.words
    assert heidi.house.rows(customer_import_row) == []


def test_a_file_may_be_large_here_and_nowhere_else_and_for_nobody_else(heidi):
    house, large = heidi.house, b"Sukunimi\nLaine\n" + b"\n" * 200_000
    assert heidi.send(large, "asiakkaat.csv").status == 200
    page = house.get(IMPORTS, heidi.http)
    fields = {"csrf_token": page.form(fi("Send the file")).fields["csrf_token"]}
    too_large = bytes(customer_file.LARGEST_FILE + 100_000)
    place = f"{house.url}/staff/customers/imports"
    answer = heidi.http.post(place, fields, files={"file": ("a.csv", too_large)}, timeout=30)
    assert answer.status_code == 400 and fi(customer_file.TOO_LARGE) in answer.text
    much_too_large = {"file": ("a.csv", bytes(2 * customer_file.LARGEST_FILE))}
    answer = heidi.http.post(place, fields, files=much_too_large, timeout=30)
    assert answer.status_code == 413 and fi(customer_file.TOO_LARGE) in answer.text
    for http, path, status in (
        (house.http, "/staff/customers/imports", 302),  # to the login, and nothing of it is read
        (heidi.http, "/contact", 413),
        (heidi.http, "/staff/login", 413),
    ):
        sent = {"files": {"file": ("a.csv", large)}, "timeout": 30, "allow_redirects": False}
        answer = http.post(f"{house.url}{path}", fields, **sent)
        assert answer.status_code == status, path


@pytest.mark.parametrize(
    ("separator", "encoding"), [(";", "utf-8"), (",", "utf-8"), ("\t", "utf-8"), (";", "utf-8-sig"), (";", "cp1252")]
)
def test_a_csv_as_excel_writes_it_is_read_too(heidi, separator, encoding):
    text = (
        separator.join(["Sukunimi", "Etunimi", "Paikkakunta"]) + "\r\n" + separator.join(["Äijälä", "Åke", "Jyväskylä"])
    )
    heidi.bring_in(text.encode(encoding), "vanhat.csv")
    [ake] = heidi.house.rows(customer)
    assert (ake.last_name, ake.first_name, ake.city) == ("Äijälä", "Åke", "Jyväskylä")


def test_what_goes_out_comes_in_again_as_who_is_there(keeper):
    house = keeper.house
    keeper.bring_in(
        xlsx(HEADINGS, AINO, KEINUMA, [None, None, "Yksin"], [None, None, "'=Kaava", None, None, "+46 70 123 45 67"])
    )
    before = house.rows(customer)
    assert len(before) == 4
    content = keeper.export()
    headings, *rows = rows_of(content)
    assert headings[0] == fi("Customer number") and [row[0] for row in rows] == [17, 1001, 1002, 1003]
    assert (rows[0][6], rows[3][5], rows[3][6]) == ("0401234567", "'=Kaava", "0046701234567")
    page = keeper.check(keeper.send(content, "vienti.xlsx"))
    alike = keeper.rows(page, "known")
    assert f"{fi('Look like somebody who is there')} 4" in page.words, page.words
    assert fi("same number and name").capitalize() in alike.words
    keeper.choose(page, "known", "complete")
    keeper.add_all(keeper.again(page))
    assert [row.changed_at for row in house.rows(customer)] == [row.changed_at for row in before], "nothing was missing"


@on_both_databases
def test_who_may_not_be_used_is_left_out_and_counted(keeper):
    house = keeper.house
    keeper.bring_in(xlsx(HEADINGS, AINO, KEINUMA))
    with house.service.transaction() as connection:
        held = {"restricted_at": services.now(), "restriction_reason": "kiista"}
        connection.execute(update(customer).where(customer.c.number == 17).values(**held))
    page = house.get("/staff/customers/export?lang=fi", keeper.http)
    assert f"{fi('Left out, because their data may not be used now')} 1" in page.words
    content = keeper.export()
    assert [row[0] for row in rows_of(content)[1:]] == [1001] and "Mäkelä" not in str(rows_of(content))
    assert (fi("Left out, because their data may not be used now"), 1) in rows_of(content, 1)
    assert "Mäkelä" not in str(rows_of(content, 1))


@on_both_databases
def test_a_search_goes_out_alone(keeper):
    keeper.bring_in(xlsx(HEADINGS, AINO, KEINUMA))
    assert [row[0] for row in rows_of(keeper.export("&q=keinuma"))[1:]] == [1001]
    assert [row[0] for row in rows_of(keeper.export("&kind=consumer"))[1:]] == [17]
    nobody = keeper.house.get("/staff/customers/export?lang=fi&q=zzz", keeper.http)
    assert "/staff/customers?q=zzz" in nobody.links
    assert fi("Nobody matches.") in nobody.words and nobody.forms[-1].buttons != [fi("Download the file (.xlsx)")]


@on_both_databases
def test_a_search_that_finds_nobody_any_more_is_shown_as_it_was_asked(keeper):
    keeper.bring_in(xlsx(HEADINGS, AINO))
    page = keeper.house.get("/staff/customers/export?lang=fi&q=aino&kind=consumer&status=active", keeper.http)
    asked = "q=aino&kind=consumer&status=active"
    assert f"/staff/customers?{asked}" in page.links
    with keeper.house.service.transaction() as connection:
        connection.execute(update(customer).values(restricted_at=services.now(), restriction_reason="kiista"))
    answer = page.press(fi("Download the file (.xlsx)")).answer
    assert answer.url.partition("?")[2] == asked and answer.url.endswith(f"/export?{asked}")


@on_both_databases
def test_a_number_that_was_merged_into_another_goes_out_as_the_one_who_is_kept(keeper):
    keeper.bring_in(xlsx(HEADINGS, AINO, KEINUMA))
    with keeper.house.service.transaction() as connection:
        kept = customers.of_number(connection, "1001")
        former = {"number": 4711, "former_id": "gone", "merged_at": services.now(), "merged_by": "Heidi"}
        connection.execute(insert(former_number).values(customer_id=kept.id, **former))
    assert [row[0] for row in rows_of(keeper.export("&q=4711"))[1:]] == [1001]


def test_formulas_and_markup_stay_text_on_every_page_and_in_every_file(keeper):
    house, headings = (
        keeper.house,
        ["Sukunimi", "Etunimi", "Yritys", "Katuosoite", "Paikkakunta", "Lisätiedot", "Puhelin"],
    )
    rows = [[probe] * 7 for probe in PROBES]
    page = keeper.send(
        xlsx(headings, *[[f"'{cell}" if cell[0] == "=" else cell for cell in row] for row in rows]), "<b>.xlsx"
    )
    checked = keeper.check(page)
    keeper.choose(checked, "partly", "add")
    shown = [page, checked, keeper.rows(checked, "partly"), house.get(IMPORTS, keeper.http)]
    for one in shown:
        assert "<script>alert" not in one.html and "<b>" not in one.html
    keeper.add_all(keeper.again(checked))
    assert {row.last_name for row in house.rows(customer)} >= {"+1+1", "@SUM(A1)", "<script>alert(1)</script>"}
    problems = keeper.http.get(f"{checked.answer.url.partition('?')[0]}/problems.xlsx", timeout=20).content
    for content in (keeper.export(), problems):
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            assert not any(b"<f>" in book.read(name) for name in book.namelist())
        for row in rows_of(content):
            assert not [cell for cell in row if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t"))]
    with house.service.reading() as connection:
        names = {row.last_name for row in connection.execute(customer.select())}
    keeper.check(keeper.send(keeper.export(), "vienti.xlsx"))
    brought = {row.details for row in house.rows(customer_import_row) if row.state == "known"}
    assert len(brought) == len(names) == len(PROBES)


def test_a_customer_who_is_erased_is_gone_from_imports_too(keeper):
    house = keeper.house
    with house.service.transaction() as connection:
        occasion = house.occasion("staff:1", "console")
        address = read_address("aino@example.com")
        given = Details(kind="consumer", source="phone", language="fi", last_name="Mäkelä", address=address)
        aino = customers.add(connection, occasion, given, "Heidi")
    keeper.check(keeper.send(xlsx(HEADINGS, AINO, KEINUMA)))
    assert "aino@example.com" in str([row.cells for row in house.rows(customer_import_row)])
    with house.service.transaction() as connection:
        customer_erasure.erase(connection, services.now(), aino, services.now().date())
    assert "aino@example.com" not in str([row.cells for row in house.rows(customer_import_row)])


@on_both_databases
def test_nobody_but_staff_brings_anything_in_or_out(keeper):
    house = keeper.house
    page = keeper.check(keeper.send(xlsx(HEADINGS, AINO)))
    place, before = page.answer.url.partition("?")[0], house.everything()
    stranger = Visitor(house)
    for tail in ("", "/rows/new", "/problems.xlsx", "/undo"):
        answer = house.get(f"{place}{tail}", stranger.http, allow_redirects=False)
        assert answer.status == 302 and "Mäkelä" not in answer.html
    for tail in ("/columns", "/rows/new", "/apply", "/cancel", "/undo"):
        assert house.post(f"{place}{tail}").status in (302, 400)
    assert house.post("/staff/customers/export").status in (302, 400)
    for tail in ("", "/rows/new", "/rows/known", "/problems.xlsx", "/undo"):
        assert keeper.http.get(f"{place}{tail}", timeout=20).status_code == 200
    assert keeper.http.get(f"{place}/rows/none", timeout=20).status_code == 404
    assert house.everything() == before, "looking changes nothing"
