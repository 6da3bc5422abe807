"""Customers out of a spreadsheet: sent, columns named, looked through, added all at once, and taken out again."""

import pytest
from sqlalchemy import update

from consent_service import service as services
from consent_service.models.customer_imports import customer_import, customer_import_file, customer_import_row
from consent_service.models.customers import customer, customer_number
from consent_service.people import read_address
from consent_service.register import customers
from consent_service.register.customer_rows import BECAME_A_DATE, NO_NAME, ODD_ADDRESS, ODD_NUMBER, SHOWS_AN_ERROR
from consent_service.register.customers import Details
from consent_service.register.entries import NO_PHONE
from tests.actors import fi
from tests.conftest import on_both_databases
from tests.sheets import AINO, HEADINGS, IMPORTS, KEINUMA, Importer, rows_of, xlsx

SHORT = ["Sukunimi", "Etunimi", "Sähköposti", "Puhelin", "Paikkakunta", "Lisätiedot"]


@pytest.fixture
def heidi(house):
    staff = Importer(house)
    staff.log_in()
    return staff


def register(house):
    return {row.last_name or row.company_name: row for row in house.rows(customer)}


def figure(page, label):
    """The number that stands with a label on a page."""
    _, _, after = page.words.partition(fi(label))
    return int(after.split()[0])


def known(house, last, email=None, **details):
    """Somebody who is in the register already."""
    occasion = house.occasion("staff:1", "console")
    address = read_address(email) if email else None
    given = {"kind": "consumer", "source": "phone", "language": "fi", "last_name": last, "address": address}
    with house.service.transaction() as connection:
        return customers.add(connection, occasion, Details(**given | details), "Heidi")


def test_an_old_list_comes_into_the_register_and_out_again(house, heidi):
    page = heidi.send(xlsx(["Asiakkaat 2019–2024"], [], HEADINGS, AINO, [], KEINUMA))
    assert fi("What are the columns?") in page.words and "Aino" in page.words
    assert house.rows(customer_import_file) == [], "the file is of no use once it has been read"
    checked = heidi.check(page)
    assert figure(checked, "New customers") == 2, checked.words
    assert house.rows(customer) == [], "nothing is there before the button is pressed"

    done = heidi.add_all(checked)
    assert figure(done, "Customers added") == 2
    found = register(house)
    aino = found["Mäkelä"]
    assert (aino.number, aino.kind, aino.phone, aino.postal_code) == (17, "consumer", "+358401234567", "40100")
    assert (aino.source, aino.source_note, aino.created_by) == ("other", "asiakkaat.xlsx", "Heidi")
    firm = found["Salo"]
    assert (firm.number, firm.kind, firm.company_name, firm.business_id) == (1001, "company", "Keinuma Oy", "3299471-6")
    assert "keinuma oy" in firm.search_text and "1001" in firm.search_text
    assert all(row.cells is row.details is None for row in house.rows(customer_import_row))

    undone = heidi.undo(done)
    assert fi("Undone") in undone.title
    assert house.rows(customer) == [] and house.rows(customer_import_row) == []
    assert [row.next for row in house.rows(customer_number)] == [1002], "no number is given twice"


def test_every_bad_row_is_told_with_its_place_and_reason_and_stops_no_good_one(house, heidi):
    page = heidi.send(
        xlsx(
            SHORT,
            ["Mäkelä", "Aino", "aino@example.com", "0401234567", "Jyväskylä", None],
            ["Niemi", "Eero", "eero(at)example.com", "soita äidille", "Oulu", "vanha asiakas"],
            [None, "Iida", "iida@example.com", None, None, None],
            ["Laine", None, "#REF!", "2024-05-06", None, None],
        )
    )
    checked = heidi.check(page)
    assert [figure(checked, kind) for kind in ("New customers", "Something could not be read", "Cannot be added")] == [
        1,
        2,
        1,
    ]
    book = heidi.http.get(f"{page.answer.url.partition('?')[0]}/problems.xlsx?lang=fi", timeout=20)
    email, phone = (f"{letter} ({fi(name)})" for letter, name in (("C", "E-mail address"), ("D", "Phone number")))
    assert rows_of(book.content)[1:] == [
        ("Asiakkaat", 3, email, fi(ODD_ADDRESS), "eero(at)example.com"),
        ("Asiakkaat", 3, phone, fi(NO_PHONE), "soita äidille"),
        ("Asiakkaat", 4, None, fi(NO_NAME), None),
        ("Asiakkaat", 5, email, fi(SHOWS_AN_ERROR), "#REF!"),
        ("Asiakkaat", 5, phone, fi(BECAME_A_DATE), "2024-05-06"),
    ]
    listed = heidi.rows(checked, "partly")
    assert "eero(at)example.com" in listed.words and fi(BECAME_A_DATE) in listed.words
    [niemi] = [row for row in house.rows(customer_import_row) if row.number == 3]
    assert listed.press(fi("Keep these choices"), **{f"choice-{niemi.position}": "add"}).status == 200
    done = heidi.add_all(heidi.again(checked))
    assert [figure(done, label) for label in ("Customers added", "Rows left out")] == [2, 2]
    assert register(house)["Niemi"].notes == "vanha asiakas\nSähköposti: eero(at)example.com\nPuhelin: soita äidille"
    assert "Laine" not in register(house)
    again = heidi.http.get(book.url, timeout=20)
    assert [row[1] for row in rows_of(again.content)[1:]] == [4, 5, 5], "those left out can still be looked up"


def test_a_company_in_a_list_is_the_same_as_it_is_by_hand(house, heidi):
    known(house, "Niemi", kind="company", company_name="Valo & Varjo Oy", city="Jyväskylä")
    checked = heidi.check(
        heidi.send(xlsx(["Yritys", "Paikkakunta"], ["VALO & VARJO", "jyväskylä"], ["Valo Oy", "Oulu"]))
    )
    assert [figure(checked, kind) for kind in ("New customers", "Look like somebody who is there")] == [1, 1]
    assert "Sama nimi ja paikkakunta: 1001 Valo & Varjo Oy" in heidi.rows(checked, "known").words


def test_a_consumer_is_not_completed_with_what_only_a_company_has(house, heidi):
    known(house, "Mäkelä", "aino@example.com")
    headings = ["Yritys", "Sähköposti", "Puhelin", "Laskutusosoite"]
    checked = heidi.check(heidi.send(xlsx(headings, ["Valo Oy", "aino@example.com", "0401234567", "Kuja 3"])))
    heidi.choose(checked, "known", "complete")
    heidi.add_all(heidi.again(checked))
    [aino] = house.rows(customer)
    assert (aino.company_name, aino.billing_address, aino.phone) == (None, None, "+358401234567")


@on_both_databases
def test_who_is_there_already_is_left_out_completed_or_added_anyway(house, heidi):
    for last, email in (("Mäkelä", "aino@example.com"), ("Niemi", "eero@example.com"), ("Salo", "iida@example.com")):
        known(house, last, email)
    known(house, "Laine", first_name="Oona", city="Oulu", phone="+358401112222", notes="soitetaan")
    page = heidi.send(
        xlsx(
            SHORT,
            ["Mäkelä-Virtanen", "Aino", "AINO@example.com", "0409998887", "Jyväskylä", "uusi"],
            ["Niemi", "Eero", "eero@example.com", "0409998886", "Oulu", "tuttu"],
            ["Salo", "Iida", "iida@example.com", None, None, None],
            ["LAINE", "oona", None, "0401234567", "oulu", "uusi tieto"],
            ["Uusi", "Aura", None, "0501234567", None, None],
            ["Uusi", "Onni", None, "0501234567", None, None],
        )
    )
    checked = heidi.check(page)
    assert [figure(checked, kind) for kind in ("New customers", "Look like somebody who is there")] == [1, 5]
    listed = heidi.rows(checked, "known")
    for sentence in ("Sama nimi ja paikkakunta: ", fi("row %(number)s of this file", number=6), "1001 Mäkelä"):
        assert sentence in listed.words
    positions = {row.number: row.position for row in house.rows(customer_import_row)}
    chosen = {2: "leave", 3: "complete", 4: "add", 5: "complete", 7: "add"}
    listed.press(fi("Keep these choices"), **{f"choice-{positions[row]}": choice for row, choice in chosen.items()})
    done = heidi.add_all(heidi.again(checked))
    assert [figure(done, label) for label in ("Customers added", "Customers filled in", "Rows left out")] == [3, 2, 1]
    rows = {row.number: row for row in house.rows(customer)}
    assert (rows[1001].phone, rows[1001].notes) == (None, None)
    assert (rows[1002].phone, rows[1002].city, rows[1002].notes, rows[1002].first_name) == (
        "+358409998886",
        "Oulu",
        "tuttu",
        "Eero",
    )
    assert (rows[1004].phone, rows[1004].notes) == ("+358401112222", "soitetaan"), "what is there is never written over"
    assert "0409998886" in rows[1002].search_text
    assert sorted(row.first_name for row in rows.values() if row.last_name == "Uusi") == ["Aura", "Onni"]

    with house.service.transaction() as connection:
        aura = update(customer).where(customer.c.first_name == "Aura")
        connection.execute(aura.values(notes="soitti", changed_at=services.now()))
    undone = heidi.undo(done)
    assert "Aura" in undone.words and "Onni" not in undone.words
    rows = {row.number: row for row in house.rows(customer)}
    assert (rows[1002].phone, rows[1002].city, rows[1002].notes, rows[1002].first_name) == (None, None, None, None)
    assert sorted(row.last_name for row in rows.values()) == ["Laine", "Mäkelä", "Niemi", "Salo", "Uusi"]


@on_both_databases
def test_restricted_and_erased_customers_are_not_completed(house, heidi):
    aino = known(house, "Mäkelä", "aino@example.com")
    with house.service.transaction() as connection:
        held = {"restricted_at": services.now(), "restriction_reason": "kiista"}
        connection.execute(update(customer).where(customer.c.id == aino).values(**held))
    checked = heidi.check(heidi.send(xlsx(SHORT, ["Mäkelä", "Aino", "aino@example.com", "0401234567", None, None])))
    heidi.choose(checked, "known", "complete")
    done = heidi.add_all(heidi.again(checked))
    assert [figure(done, label) for label in ("Customers filled in", "Rows left out")] == [0, 1]
    assert register(house)["Mäkelä"].phone is None


def test_numbers_that_are_free_are_kept_and_the_next_ones_go_past_them(house, heidi):
    known(house, "Mäkelä")
    done = heidi.bring_in(
        xlsx(
            ["Nro", "Sukunimi"],
            [None, "Niemi"],
            [5000, "Salo"],
            [1001, "Laine"],
            [5000, "Koski"],
            ["5001", "Virta"],
            [0, "Nolla"],
        )
    )
    assert figure(done, "Customers added") == 3
    assert {row.last_name: row.number for row in house.rows(customer)} == {
        "Mäkelä": 1001,
        "Salo": 5000,
        "Virta": 5001,
        "Niemi": 5002,
    }
    known(house, "Uusi")
    assert register(house)["Uusi"].number == 5003


def test_a_number_that_would_make_the_next_ones_too_long_is_refused(house, heidi):
    headings = ["Nro", "Sukunimi"]
    checked = heidi.check(heidi.send(xlsx(headings, [10_000_000, "Liian"], [9_999_999, "Suurin"])))
    assert fi(ODD_NUMBER) in heidi.rows(checked, "partly").words
    heidi.add_all(checked)
    known(house, "Uusi")
    assert {row.last_name: row.number for row in house.rows(customer)} == {"Suurin": 9_999_999, "Uusi": 10_000_000}
    with house.service.reading() as connection:
        assert customers.of_number(connection, "10000000").last_name == "Uusi"


@on_both_databases
def test_who_was_added_meanwhile_is_noticed_before_anything_is_added(house, heidi):
    checked = heidi.check(
        heidi.send(xlsx(SHORT, ["Mäkelä", "Aino", "aino@example.com"], ["Niemi", "Eero", "eero@example.com"]))
    )
    known(house, "Mäkelä", "aino@example.com")
    page = heidi.add_all(checked)
    assert figure(page, "Look like somebody who is there") == 1
    assert len(house.rows(customer)) == 1
    assert figure(heidi.add_all(page), "Customers added") == 1


def test_the_columns_are_remembered_and_mistakes_in_them_are_told(house, heidi):
    headings = ["Kuka", "Numero", "Missä"]
    page = heidi.send(xlsx(headings, ["Aino Mäkelä", "0401234567", "Kauppakatu 1 A 2, 40100 Jyväskylä"]))
    wrong = heidi.check(page, **{"column-0": "phone", "column-1": "phone", "column-2": "address"})
    assert wrong.status == 400 and wrong.title.startswith(fi("Error:"))
    assert fi("Another column is called the same. Choose one of them.") in wrong.words
    assert fi("Choose the column in which the last name or the company stands.") in wrong.words
    heidi.add_all(heidi.check(wrong, **{"column-0": "name", "column-1": "phone", "column-2": "address"}))
    aino = register(house)["Mäkelä"]
    assert (aino.first_name, aino.street, aino.postal_code, aino.city) == (
        "Aino",
        "Kauppakatu 1 A 2",
        "40100",
        "Jyväskylä",
    )
    heidi.bring_in(xlsx(headings, ["Eero Niemi", "0501234567", "Oulu"]))
    assert register(house)["Niemi"].phone == "+358501234567"


def test_another_sheet_and_other_headings_can_be_chosen(house, heidi):
    page = heidi.send(
        xlsx(["Ohje"], ["Tässä on kaikki"], name="Ohje", Vanhat=[["x"], ["Sukunimi", "y"], ["Salo", "z"]])
    )
    assert "Vanhat" in page.words and "Salo" in page.words, "the sheet with headings is shown first"
    other = page.press(fi("Read the columns again"), sheet="0", header="1")
    assert fi("For example:") in other.words and "Tässä on kaikki" in other.words
    assert other.press(fi("Read the columns again"), sheet="99", header="99999").status == 200
    heidi.add_all(heidi.check(other, **{"column-0": "last_name"}))
    assert [*register(house)] == ["Tässä on kaikki"]


def test_an_import_that_is_cancelled_or_forgotten_leaves_nothing(house, heidi):
    checked = heidi.check(heidi.send(xlsx(HEADINGS, AINO)))
    cancelled = checked.press(fi("Cancel the import"))
    assert cancelled.status == 200 and 'class="verdict good"' in cancelled.html
    assert house.rows(customer_import) == house.rows(customer_import_row) == house.rows(customer) == []
    late = checked.press(fi("Cancel the import"))
    assert late.status == 404


@on_both_databases
def test_the_same_file_sent_twice_is_one_import_and_two_presses_add_once(house, heidi):
    content = xlsx(HEADINGS, AINO)
    first, second = heidi.send(content), heidi.send(content)
    assert first.answer.url == second.answer.url
    checked = heidi.check(first)
    heidi.add_all(checked)
    [form] = [form for form in checked.forms if form.action.endswith("/apply")]
    late = checked.press(form.buttons[0])
    assert late.status == 409 and fi("That is not possible any more. This is how the import stands now.") in late.words
    assert len(house.rows(customer)) == 1


def test_a_page_that_waits_opens_itself_anew_until_it_is_told_to_hold_still(house, heidi):
    page = house.get(IMPORTS, heidi.http)
    token = page.form(fi("Send the file")).fields["csrf_token"]
    sent = heidi.http.post(
        page.answer.url.partition("?")[0],
        {"csrf_token": token},
        files={"file": ("a.xlsx", xlsx(HEADINGS, AINO))},
        timeout=20,
    )
    assert (sent.headers["Refresh"], fi("The file is being read") in sent.text) == ("2", True)
    assert "Refresh" not in heidi.http.get(f"{sent.url}?hold=1", timeout=20).headers
    heidi.work()
    assert "Refresh" not in heidi.http.get(sent.url, timeout=20).headers
