"""Customers who are erased while an import waits, is read, checked or applied: none of it brings them back."""

import re
import sys
from collections import Counter
from itertools import product
from re._parser import parse

import pytest

from consent_service import service as services
from consent_service.models.customer_imports import (
    customer_arrival,
    customer_import,
    customer_import_file,
    customer_import_row,
)
from consent_service.models.customers import customer
from consent_service.register import customer_erasure as erasing
from consent_service.register import customer_imports, import_batches, import_steps, merging
from consent_service.register.customer_imports import ERASED_MEANWHILE
from consent_service.register.customer_matching import Known
from consent_service.register.import_traces import RUN, Traces, addresses
from consent_service.register.merging import Merging
from consent_service.web.console.customer_form import details_of
from tests.actors import fi
from tests.conftest import on_both_databases
from tests.flows.test_customer_imports import figure
from tests.register import add_customer
from tests.sheets import AINO, HEADINGS, KEINUMA, Importer, xlsx

ODD = [None, None, None, None, None, "0401234567 (Aino)", None, None, None, None]


@pytest.fixture
def heidi(house):
    staff = Importer(house)
    staff.log_in()
    return staff


@pytest.fixture
def aino(house):
    return add_customer(house, last_name="Mäkelä")


def erase(house, customer_id):
    with house.service.transaction() as connection:
        erasing.erase(connection, services.now(), customer_id, services.now().date())


def said(house):
    """All that rows and arrivals say."""
    rows = [(row.cells, row.details, row.problems) for row in house.rows(customer_import_row)]
    return str([*rows, *house.rows(customer_arrival)])


def names(house):
    return sorted(row.last_name for row in house.rows(customer))


def test_rows_whose_columns_nobody_has_named_are_emptied(house, heidi, aino):
    page = heidi.send(xlsx(HEADINGS, AINO, KEINUMA, ODD))
    erase(house, aino)
    assert "Aino" not in said(house) and "Keinuma" in said(house)
    heidi.add_all(heidi.check(heidi.again(page)))
    assert names(house) == ["Salo"]


@on_both_databases
def test_a_first_row_that_goes_leaves_a_page_for_the_columns(house, heidi, aino):
    page = heidi.send("Aino;Mäkelä\nEero;Niemi\n".encode(), "lista.csv")
    erase(house, aino)
    checked = heidi.check(heidi.again(page), **{"column-0": "first_name", "column-1": "last_name"})
    assert figure(checked, "New customers") == 1


def test_rows_that_looked_like_nobody_or_could_not_be_used_are_emptied(house, heidi):
    checked = heidi.check(heidi.send(xlsx(HEADINGS, AINO, KEINUMA, ODD)))
    erase(house, add_customer(house, last_name="Mäkelä"))
    assert "Aino" not in said(house) and "0401234567" not in said(house)
    done = heidi.add_all(heidi.again(checked))
    assert names(house) == ["Salo"]
    assert figure(done, "Rows left out") == 0


def test_rows_left_out_of_what_is_done_are_emptied_too(house, heidi):
    heidi.bring_in(xlsx(HEADINGS, KEINUMA, ODD))
    erase(house, add_customer(house))
    assert "0401234567" not in said(house) and names(house) == ["Salo"]


@on_both_databases
def test_a_file_nobody_has_read_is_given_up_and_its_page_says_so(house, heidi, aino):
    with house.service.transaction() as connection:
        content = xlsx(HEADINGS, AINO)
        import_id = customer_imports.take(connection, services.now(), "a.xlsx", content, "Heidi")
        found = import_steps.claim(connection, services.now(), "relay")
    erase(house, aino)
    with house.service.transaction() as connection, pytest.raises(import_steps.ClaimLost):
        import_steps.begin_reading(connection, services.now(), found.id, "relay")
    heidi.work()
    page = house.get(f"/staff/customers/imports/{import_id}?lang=fi", heidi.http)
    assert fi(ERASED_MEANWHILE) in page.words and len(ERASED_MEANWHILE) <= customer_import.c.reason.type.length
    assert house.rows(customer_import_row) == house.rows(customer_import_file) == []


def test_who_is_emptied_between_checking_and_noting_it_is_not_written_back(house, heidi, aino):
    page = heidi.send(xlsx(HEADINGS, AINO, KEINUMA))
    with house.service.transaction() as connection:
        [found] = house.rows(customer_import)
        columns = customer_imports.table(connection, found, 0, 1).columns
        customer_imports.set_columns(connection, services.now(), found.id, (0, 1), columns, "other")
    with house.service.transaction() as connection:
        found = import_steps.claim(connection, services.now(), "relay")
    with house.service.reading() as connection:
        known, meaning = Known(connection), import_steps.meaning_of(connection, found)
        results = list(import_steps.checked(import_steps.unchecked(connection, found, -1, 9), meaning, known))
    erase(house, aino)
    with house.service.transaction() as connection:
        import_steps.keep_checked(connection, services.now(), found.id, "relay", 2, results)
    assert "Aino" not in said(house) and page.status == 200


@pytest.mark.parametrize("has_arrived", [True, False])
def test_who_is_added_anyway_does_not_come_back_when_they_are_erased_before_it_is_done(house, heidi, aino, has_arrived):
    checked = heidi.check(heidi.send(xlsx(HEADINGS, AINO, KEINUMA)))
    heidi.choose(checked, "known", "add")
    [found] = house.rows(customer_import)
    with house.service.transaction() as connection:
        customer_imports.apply(connection, services.now(), found.id)
        found = import_steps.claim(connection, services.now(), "relay")
        numbers = import_batches.prepare(connection, found, "relay", services.now())
        rows = import_batches.chosen(connection, found.id, "add", -1)
    if not has_arrived:
        erase(house, aino)
    with house.service.transaction() as connection:
        import_batches.arrive(connection, services.now(), "relay", rows, numbers)
    if has_arrived:
        erase(house, aino)
    assert "Aino" not in said(house)
    with house.service.transaction() as connection:
        assert import_batches.apply(connection, services.now(), found, "relay")
    assert names(house) == ["Salo"]


def test_rows_that_look_like_one_merged_into_who_is_erased_go(house, heidi, aino):
    kept = add_customer(house, "toinen@example.com", first_name="Aina", last_name="Koski", phone=None, city="Oulu")
    heidi.check(heidi.send(xlsx(HEADINGS, AINO, KEINUMA)))
    rows = {row.id: row for row in house.rows(customer)}
    seen = frozenset((row.id, row.changed_at) for row in rows.values())
    with house.service.transaction() as connection:
        assert merging.merge(connection, house.occasion(), Merging(kept, aino, seen, details_of(rows[kept])), "Heidi")
    erase(house, kept)
    assert "Aino" not in str([row.details for row in house.rows(customer_import_row)]) and "Keinuma" in said(house)


@pytest.mark.parametrize(
    ("cells", "is_named"),
    [
        (["AINO@Example.com"], True),
        (["Aino <mailto:aino@example.com>; muu@example.com"], True),
        (["raino@example.com", "aino@example.com.au"], False),
        (["+358 (0)40-123 4567"], True),
        (["401234567"], True),
        (["0501234567"], False),
        (["FI32994716"], True),
        (["mäkelä", "AINO"], True),
        (["Mäkelä, Aino"], True),
        (["Mäkelä", "Eero", "Jyväskylä"], False),
        (["valo  oy"], True),
        ([], False),
    ],
)
def test_a_customer_is_known_by_what_stands_in_any_cell(cells, is_named):
    known = {"email_key": "aino@example.com", "phone": "+358401234567", "business_id": "3299471-6", "city": "Jyväskylä"}
    named = {"company_name": "Valo Oy", "first_name": "Aino", "last_name": "Mäkelä"}
    assert Traces(known | named).are_in(cells) == is_named


def test_a_family_name_alone_names_nobody_elsewhere():
    nothing = dict.fromkeys(("email_key", "phone", "business_id", "company_name", "first_name"))
    traces = Traces(nothing | {"last_name": "Mäkelä", "city": "Oulu"})
    assert traces.are_in(["Mäkelä", "Torikatu 1, 90100 Oulu"]) and not traces.are_in(["Mäkelä", "Kemi"])
    assert not Traces(dict.fromkeys(("city", "last_name", *nothing))).are_in(["", "0"]), "one who is erased already"


OLD_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"']+@[^\s<>()\[\],;:\"']+")


def test_addresses_are_found_as_before_without_ever_going_back():
    for letters in product("a@. <", repeat=6):
        cell = "".join(letters)
        assert list(addresses(cell)) == OLD_ADDRESS.findall(cell), cell
    [(repeated, (least, most, [(one_of, _)]))] = parse(RUN.pattern)
    assert (str(repeated), least, str(most), str(one_of)) == ("MAX_REPEAT", 1, "MAXREPEAT", "IN"), "nothing behind it"


def test_a_cell_full_of_strangers_addresses_is_gone_through_quickly():
    known = dict.fromkeys(("phone", "business_id", "company_name", "first_name", "last_name", "city"))
    traces, called = Traces(known | {"email_key": "aino@xn--mkel-load.example"}), Counter()
    assert traces.are_in(["AINO@mäkelä.example."])
    sys.setprofile(lambda _frame, event, _given: called.update([event]))
    try:
        assert not traces.are_in(["é@a " * 1250])
    finally:
        sys.setprofile(None)
    assert called["call"] < 100
