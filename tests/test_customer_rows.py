"""Cells as Excel leaves them: zeros lost, dates made, blanks, errors, emoji; and what is made of any text at all."""

import contextlib
import io
import zipfile
from datetime import date, datetime
from itertools import zip_longest

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_service.register import customer_file
from consent_service.register.customer_columns import MEANINGS, proposal
from consent_service.register.customer_file import FileRefused, as_it_was, harmless
from consent_service.register.customer_rows import (
    BECAME_A_DATE,
    ODD_COUNTRY,
    ONLY_A_COMPANY,
    SHOWS_AN_ERROR,
    Meaning,
    read,
)
from consent_service.register.sheet_writer import writing
from tests.sheets import xlsx

ALL = list(MEANINGS)
CELLS = st.one_of(
    st.text(max_size=60),
    st.integers().map(str),
    st.sampled_from(
        ["#REF!", "2024-05-06", "401234567", "100", "=1+1", "\u202e", "👩‍👩‍👧", "´", "'=x", "0", "\t", "\n"]
    ),
)
XML_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=40)


def told(**cells):
    """What a row with these cells says, and why not."""
    names = ["last_name", *cells]
    return read(["Laine", *cells.values()], Meaning(names, names, "other", "lista.xlsx"))


@pytest.mark.parametrize(
    ("cell", "phone"),
    [
        ("401234567", "+358401234567"),
        ("0401234567", "+358401234567"),
        ("358401234567", "+358401234567"),
        ("040-123 4567", "+358401234567"),
        ("+358 (0)40 123 4567", "+358401234567"),
        ("0046701234567", "+46701234567"),
        ("tel: 014 123 456", "+35814123456"),
    ],
)
def test_a_phone_number_survives_what_excel_does_to_it(cell, phone):
    assert told(phone=cell).details.phone == phone


def test_numbers_in_a_workbook_are_read_as_they_were_typed():
    content = xlsx(["Sukunimi", "Puhelin", "Postinumero", "Huom"], ["Laine", 401234567.0, 100, 0.5])
    rows = [list(line.cells) for line in customer_file.lines(content)]
    assert rows[1] == ["Laine", "401234567", "100", "0.5"]


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ({"postal_code": "100"}, {"postal_code": "00100"}),
        ({"postal_code": "1234", "country": "Sverige"}, {"postal_code": "1234", "country": "SE"}),
        ({"business_id": "7375462"}, {"business_id": "0737546-2", "kind": "company"}),
        ({"business_id": "FI32994716"}, {"business_id": "3299471-6", "kind": "company"}),
        ({"language": "Ruotsi", "kind": "Yritys"}, {"language": "sv", "kind": "company"}),
        ({"source": "Tapaaminen"}, {"source": "meeting", "source_note": None}),
        ({"source": "Messut 2019"}, {"source": "other", "source_note": "Messut 2019"}),
        ({}, {"source": "other", "source_note": "lista.xlsx", "kind": "consumer", "language": "fi"}),
        ({"email": "mailto:Aino@Example.com"}, {}),
        ({"address": "Kauppakatu 1 A 2, 40100 Jyväskylä"}, {"street": "Kauppakatu 1 A 2", "city": "Jyväskylä"}),
        ({"address": "Kauppakatu 1"}, {"street": "Kauppakatu 1", "city": None}),
        ({"first_name": "👩‍👩‍👧 Aino"}, {"first_name": "👩‍👩‍👧 Aino"}),
    ],
)
def test_what_people_write_is_understood(cells, found):
    reading = told(**cells)
    assert reading.problems == []
    assert {name: getattr(reading.details, name) for name in found} == found


@pytest.mark.parametrize(
    ("name", "cell", "first", "last"),
    [
        ("name", "Aino Mäkelä", "Aino", "Mäkelä"),
        ("name", "Aino Maria Mäkelä", "Aino Maria", "Mäkelä"),
        ("name", "Mäkelä, Aino", "Aino", "Mäkelä"),
        ("name_reversed", "Mäkelä Aino Maria", "Aino Maria", "Mäkelä"),
        ("name", "Mäkelä", None, "Mäkelä"),
    ],
)
def test_a_name_in_one_cell_is_taken_apart(name, cell, first, last):
    details = read([cell], Meaning([name], ["Nimi"], "other", "x")).details
    assert (details.first_name, details.last_name) == (first, last)


@pytest.mark.parametrize(
    ("name", "cell", "reason"),
    [
        ("phone", "2024-05-06", BECAME_A_DATE),
        ("street", "#REF!", SHOWS_AN_ERROR),
        ("email", "#N/A", SHOWS_AN_ERROR),
        ("company_name", "#NIMI?", SHOWS_AN_ERROR),
        ("city", "#SAKNAS!", SHOWS_AN_ERROR),
    ],
)
def test_what_excel_spoilt_is_told(name, cell, reason):
    reading = told(**{name: cell})
    assert [(one.column, one.reason) for one in reading.problems] == [(1, reason)]
    assert reading.details.notes == f"{name}: {cell}"


def test_what_only_a_company_has_stands_in_the_notes_of_a_consumer():
    columns = ["kind", "last_name", "company_name", "billing_address"]
    meaning = Meaning(columns, ["Tyyppi", "Sukunimi", "Yritys", "Laskutus"], "other", "x")
    reading = read(["kuluttaja", "Niemi", "Valo Oy", "Kuja 3"], meaning)
    assert [(one.column, one.reason) for one in reading.problems] == [(2, ONLY_A_COMPANY), (3, ONLY_A_COMPANY)]
    assert (reading.details.company_name, reading.details.billing_address) == (None, None)
    assert reading.details.notes == "Yritys: Valo Oy\nLaskutus: Kuja 3"
    assert read(["yritys", "Niemi", "Valo Oy", "Kuja 3"], meaning).problems == []


@pytest.mark.parametrize("cell", ["IC", "Kanariansaaret", "ZZ", "Ascension Island"])
def test_a_country_that_the_form_does_not_offer_is_none(cell):
    assert [one.reason for one in told(country=cell).problems] == [ODD_COUNTRY]


@settings(deadline=None, max_examples=150)
@given(st.lists(CELLS, min_size=len(ALL), max_size=len(ALL)))
def test_any_row_is_either_a_customer_or_told_why_not(cells):
    reading = read(cells, Meaning(ALL, ALL, "other", "x"))
    assert reading.details or reading.problems
    for one in reading.problems:
        assert one.reason and (one.column is None or 0 <= one.column < len(ALL))
    if reading.details:
        assert reading.details.last_name or reading.details.company_name
        assert len(reading.details.notes or "") <= 4000


@given(st.text(max_size=30) | st.text("'=+-@\t\rx", max_size=6))
def test_what_is_made_harmless_comes_back(text):
    assert as_it_was(harmless(text)) == text
    assert not harmless(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@settings(deadline=None)
@given(st.lists(st.lists(st.none() | st.integers(0, 10**9) | XML_TEXT, max_size=5), max_size=5))
def test_what_is_written_is_read_by_others_and_by_us(rows):
    target = io.BytesIO()
    with writing(target) as book:
        book.add_sheet("Asiakkaat: [kaikki]", ["=A", "b"], rows)
    sheet = openpyxl.load_workbook(io.BytesIO(target.getvalue())).worksheets[0]
    nothing = (None,) * 5
    for row, found in zip_longest(rows, sheet.iter_rows(min_row=2, max_col=5, values_only=True), fillvalue=nothing):
        wanted = [harmless(cell) if isinstance(cell, str) else cell for cell in row]
        assert (*(None if cell == "" else cell for cell in wanted), *nothing)[:5] == found
    assert zipfile.ZipFile(target).testzip() is None


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=300) | st.binary(max_size=60).map(lambda tail: xlsx(["x"])[:2000] + tail))
def test_any_bytes_are_rows_or_refused(content):
    with contextlib.suppress(FileRefused):
        for line in customer_file.lines(content):
            assert all(isinstance(cell, str) for cell in line.cells)


def test_dates_errors_merged_cells_and_gaps_are_read_for_what_they_are():
    book, content = openpyxl.Workbook(), io.BytesIO()
    sheet = book.active
    sheet["A1"], sheet["B1"] = "Nimi", "Huom"
    sheet["A5"], sheet["B5"] = date(1900, 1, 1), datetime(2024, 5, 6, 12)  # noqa: DTZ001 a cell knows no zone
    sheet["A9"], sheet["B9"] = "#REF!", True
    sheet.merge_cells("A12:B13")
    sheet["A12"] = "Yhdessä"
    book.save(content)
    found = [(line.number, list(line.cells)) for line in customer_file.lines(content.getvalue())]
    assert found == [
        (1, ["Nimi", "Huom"]),
        (5, ["1900-01-01", "2024-05-06"]),
        (9, ["#REF!", "True"]),
        (12, ["Yhdessä"]),
    ]


@pytest.mark.parametrize(
    "headings",
    [
        ["Asiakasnumero", "Etunimi", "Sukunimi", "Yritys", "Y-tunnus", "Puhelin", "Sähköposti", "Postinumero"],
        ["Kundnummer", "Förnamn", "Efternamn", "Företag", "FO-nummer", "Telefon", "E-post", "Postnummer"],
        ["Customer number", "First name", "Last name", "Company", "Business ID", "Phone", "E-mail", "Postcode"],
    ],
)
def test_headings_are_known_in_three_languages(headings):
    wanted = ["number", "first_name", "last_name", "company_name", "business_id", "phone", "email", "postal_code"]
    assert proposal(headings) == wanted
    assert proposal([*headings, headings[0]])[-1] == "", "nothing is proposed twice"
