"""Two customers who are one: both side by side, documents and permissions kept, and the other number leads there."""

import pytest

from consent_service import chores
from consent_service import service as services
from consent_service.models.columns import metadata
from consent_service.models.customers import (
    customer,
    customer_document,
    customer_key,
    former_number,
    publication_permission,
)
from consent_service.models.newsletter import erasure
from consent_service.models.requests import data_request
from consent_service.register import customer_erasure as erasing
from consent_service.register import merging
from tests.actors import Staff, fi
from tests.conftest import on_both_databases
from tests.flows.test_customer_rights import add_document, add_permission, content_of
from tests.register import TEN_YEARS, VALO, add_customer, add_somebody, customer_of
from tests.sheets import Importer, xlsx

SHOW, MERGE = fi("Show both"), fi("Merge the two")
FIRST = dict.fromkeys(("number", "name", "phone", "email", "place", "source", "notes", "kind", "language"), "first")


@pytest.fixture
def heidi(house):
    staff = Staff(house)
    staff.log_in()
    return staff


@pytest.fixture
def twins(house):
    """Aino twice: 1001 with an address, 1002 with another number, a name once mistyped, and documents."""
    first = add_customer(house, notes="Toivoo iltapäiviä.")
    second = add_customer(
        house,
        "aino@toinen.example",
        last_name="Jarvinen",
        phone="+358507654321",
        notes="Laskut postitse.",
        city="Laukaa",
    )
    return first, second


def pair(house, heidi, first, second):
    return house.get(f"/staff/customers/{first}/merge/{second}?lang=fi", heidi.http)


def test_the_other_one_is_proposed_or_found_by_number_and_both_are_shown(house, heidi, twins):
    first, second = twins
    page = house.get(f"/staff/customers/{first}/merge?lang=fi", heidi.http)
    assert f"/staff/customers/{first}/merge/{second}" in page.links
    for number in ("1001", "1003", "x", ""):
        answer = page.press(SHOW, number=number)
        assert answer.status == (400 if number else 200), number
    both = page.press(SHOW, number="1002")
    for said in ("Aino Järvinen", "Aino Jarvinen", "040 123 4567", "050 765 4321", "Laukaa", "Laskut postitse."):
        assert said in both.words
    assert house.get(f"/staff/customers/{first}/merge/{first}", heidi.http).status == 404


@on_both_databases
def test_documents_permissions_and_what_was_chosen_go_to_the_one_who_is_kept(house, heidi, twins):
    first, second = twins
    mine, other = add_document(house, first, b"mine"), add_document(house, second, b"other")
    add_permission(house, second)
    page = pair(house, heidi, first, second)
    chosen = FIRST | {"phone": "second", "place": "second", "notes": "both"}
    done = page.press(MERGE, **chosen)
    assert fi("The two customers are one now.") in done.words
    [left] = house.rows(customer)
    assert (left.id, left.number, left.last_name, left.phone) == (first, 1001, "Järvinen", "+358507654321")
    assert (left.city, left.email, left.notes) == (
        "Laukaa",
        "aino@example.com",
        "Toivoo iltapäiviä.\n\nLaskut postitse.",
    )
    assert {row.customer_id for row in house.rows(customer_document)} == {first}
    assert [row.customer_id for row in house.rows(publication_permission)] == [first]
    assert [row.customer_id for row in house.rows(customer_key)] == [first], "the other's key is gone"
    assert (content_of(house, first, mine), content_of(house, first, other)) == (b"mine", b"other")
    assert page.press(MERGE, **chosen).status == 404


def test_the_other_number_and_page_lead_to_the_one_who_is_kept(house, heidi, twins):
    first, second = twins
    pair(house, heidi, first, second).press(MERGE, **FIRST | {"number": "second"})
    assert customer_of(house, 1002).last_name == "Järvinen", "what was chosen, under the number that was"
    third = add_customer(house, None, first_name="Muu")
    pair(house, heidi, third, second).press(MERGE, **FIRST)
    for gone in (first, second):
        assert house.get(f"/staff/customers/{gone}", heidi.http).answer.url.endswith(f"/staff/customers/{third}")
    for number in ("1001", "1002", "1003"):
        found = house.get(f"/staff/customers?lang=fi&q={number}", heidi.http)
        assert f"/staff/customers/{third}" in found.links, number
    page = house.get(f"/staff/customers/{third}?lang=fi", heidi.http)
    assert fi("was also %(numbers)s", numbers="1001, 1002") in page.words


def test_of_what_differs_everything_has_to_be_chosen_and_a_name_must_be_left(house, heidi, twins):
    first, second = twins
    page = pair(house, heidi, first, second)
    for chosen in ({}, FIRST | {"phone": "third"}, FIRST | {"number": "both"}, FIRST | {"email": "both"}):
        refused = page.press(MERGE, **chosen)
        assert (refused.status, refused.title.startswith(fi("Error:"))) == (400, True)
    valo = add_customer(house, None, **VALO | {"last_name": None, "first_name": None})
    page = pair(house, heidi, first, valo)
    chosen = FIRST | dict.fromkeys(("business_id", "einvoice", "billing", "company_name"), "first")
    refused = page.press(MERGE, **chosen | {"kind": "second"})
    assert refused.status == 400 and len(house.rows(customer)) == 3
    chosen |= dict.fromkeys(("business_id", "einvoice", "billing", "company_name"), "second")
    assert page.press(MERGE, **chosen).status == 200, "merged as a consumer, without what only a company has"
    assert (customer_of(house).company_name, customer_of(house).billing_email) == (None, None)


@pytest.mark.parametrize(("first_years", "second_years"), [(11, 1), (1, 11)])
def test_of_two_passive_customers_the_ten_years_count_from_the_later_one(house, heidi, first_years, second_years):
    pair_of = [
        add_somebody(house, "Niemi", passive_for=years * TEN_YEARS / 10) for years in (first_years, second_years)
    ]
    later = max(row.passive_since for row in house.rows(customer))
    assert pair(house, heidi, *pair_of).press(MERGE, **FIRST).status == 200
    [left] = house.rows(customer)
    assert (left.id, left.status, left.passive_since) == (pair_of[0], "passive", later)


@on_both_databases
def test_nobody_is_merged_who_was_changed_meanwhile_or_may_not_be_used(house, heidi, twins):
    first, second = twins
    page = pair(house, heidi, first, second)
    house.get(f"/staff/customers/{second}?lang=fi", heidi.http).press(fi("Make passive"))
    refused = page.press(MERGE, **FIRST)
    assert refused.status == 409 and len(house.rows(customer)) == 2
    house.get(f"/staff/customers/{second}/restrict?lang=fi", heidi.http).press(
        fi("Only keep the data"), reason="kiista"
    )
    assert pair(house, heidi, first, second).press(MERGE, **FIRST).status == 409
    assert page.press(MERGE, **FIRST | {"seen_first": "x"}).status == 400
    assert len(house.rows(customer)) == 2


@on_both_databases
def test_when_the_key_of_the_files_is_gone_nobody_is_merged_and_the_page_says_so(house, heidi, twins):
    first, second = twins
    add_document(house, second)
    with house.service.transaction() as connection:
        connection.execute(customer_key.delete())
    page = pair(house, heidi, first, second).press(MERGE, **FIRST)
    assert (page.status, fi("The file cannot be opened") in page.words) == (410, True)
    assert len(house.rows(customer)) == 2


@on_both_databases
def test_erasing_the_kept_one_reaches_the_other_in_an_older_backup(house, heidi, twins):
    first, second = twins
    with house.service.reading() as connection:
        before = connection.execute(customer.select().where(customer.c.id == second)).mappings().one()
    pair(house, heidi, first, second).press(MERGE, **FIRST)
    with house.service.transaction() as connection:
        erasing.erase(connection, services.now(), first, services.now().date())
    assert house.rows(former_number) == []
    assert {row.subscriber_id for row in house.rows(erasure)} == {first, second}
    chores.copy_notes(house.service)
    with house.service.transaction() as connection:
        connection.execute(erasure.delete())
        connection.execute(customer.insert().values(**before))
    assert chores.repeat_notes(house.service) == 1
    assert house.rows(customer) == []


@on_both_databases
def test_an_import_completes_the_kept_one_and_tells_of_them_when_it_is_undone(house):
    first = add_customer(house, phone=None)
    second = add_customer(house, "aino@toinen.example", phone=None, last_name="Jarvinen")
    importer = Importer(house)
    importer.log_in()
    known = ["Aino", "Jarvinen", "aino@toinen.example", "050 765 4321"]
    rows = [["Etunimi", "Sukunimi", "Sähköposti", "Puhelin"], known, ["Eero", "Niemi"]]
    page = importer.check(importer.send(xlsx(*rows)))
    importer.choose(page, "known", "complete")
    assert pair(house, importer, first, second).press(MERGE, **FIRST).status == 200
    page = importer.add_all(importer.again(page))
    assert customer_of(house).phone == "+358507654321"
    eero = customer_of(house, 1003).id
    assert pair(house, importer, first, eero).press(MERGE, **FIRST).status == 200
    page = importer.undo(page)
    [left] = house.rows(customer)
    assert left.id == first and "1001 Aino Järvinen" in page.words


def test_everything_that_refers_to_a_customer_goes_along():
    """Whoever adds such a table adds it to `merging.BELONGINGS`, or what it holds would hinder or die with a merge."""
    without_key = {data_request.name}  # a request outlives whom it is about
    referring = without_key | {
        table.name
        for table in metadata.tables.values()
        for key in table.foreign_keys
        if key.column.table is customer and table is not customer_key
    }
    assert referring == {table.name for table in (*merging.BELONGINGS, *merging.NOTES)}
