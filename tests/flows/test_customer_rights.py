"""Restricting, lifting and erasing a customer on the staff pages, and what an older backup or a new key changes."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from consent_service import chores, rotation
from consent_service import service as services
from consent_service.language import HELSINKI, language
from consent_service.ledger import vault
from consent_service.models.customers import (
    customer,
    customer_document,
    customer_key,
    document_file,
    publication_permission,
)
from consent_service.models.newsletter import erasure
from consent_service.register import customer_erasure as erasing
from consent_service.register import customers, keeping
from tests.actors import Staff, Visitor, fi
from tests.conftest import on_both_databases
from tests.register import VALO, add_customer, customer_of
from tests.test_rotation import BOTH

ERASE, RESTRICT, LIFT = fi("Erase for good"), fi("Only keep the data"), fi("Lift the restriction")
ONLY_KEPT = fi("This customer cannot be erased while the use of their data is restricted. Lift the restriction first.")


@pytest.fixture
def heidi(house):
    staff = Staff(house)
    staff.log_in()
    return staff


def place(house, tail="", number=1001):
    return f"/staff/customers/{customer_of(house, number).id}{tail}?lang=fi"


def day(years):
    """The ISO day so many years from today."""
    return (services.now().astimezone(HELSINKI).date() + timedelta(days=365 * years)).isoformat()


def add_document(house, customer_id, content=b"%PDF an invoice", **changed):
    """A document with its file, sealed as the pages of documents do it."""
    document_id = str(uuid.uuid4())
    values = {
        "id": document_id, "customer_id": customer_id, "kind": "invoice", "title": "Lasku 7", "dated_on": "2026-02-01",
        "retention_class": "voucher", "keep_until": day(6), "file_name": "lasku.pdf", "media_type": "application/pdf",
        "size": len(content), "added_at": services.now(), "added_by": "Heidi",
    }  # fmt: skip
    with house.service.transaction() as connection:
        key = customers.key_of(connection, house.service.vault, customer_id)
        connection.execute(insert(customer_document).values(values | changed))
        sealed = vault.encrypt(key, content, b"document/" + document_id.encode())
        connection.execute(insert(document_file).values(document_id=document_id, sealed=sealed))
    return document_id


def content_of(house, customer_id, document_id):
    [sealed] = [row.sealed for row in house.rows(document_file) if row.document_id == document_id]
    with house.service.reading() as connection:
        key = customers.known_key(connection, house.service.vault, customer_id)
    return vault.decrypt(key, sealed, b"document/" + document_id.encode())


def add_permission(house, customer_id):
    values = {"what": "kuva", "places": "verkkosivut", "given_on": "2026-01-01", "recorded_by": "Heidi"}
    values |= {"id": str(uuid.uuid4()), "customer_id": customer_id, "recorded_at": services.now()}
    with house.service.transaction() as connection:
        connection.execute(insert(publication_permission).values(values))


def test_restricted_data_is_only_kept_until_somebody_lifts_that(house, heidi):
    add_customer(house)
    form = house.get(place(house, "/restrict"), heidi.http)
    wrong = form.press(RESTRICT)
    assert (wrong.status, wrong.title.startswith(fi("Error:"))) == (400, True)
    open_form = house.get(place(house, "/change"), heidi.http)
    page = form.press(RESTRICT, reason="sanoo osoitteen olevan väärä")
    assert "sanoo osoitteen olevan väärä" in page.words and place(house, "/change").partition("?")[0] not in page.links
    assert place(house, "/erase").partition("?")[0] not in page.links, "it would be refused"
    before = customer_of(house)
    chosen = {"kind": "consumer", "country": "FI", "source": "phone", "language": "fi", "city": "Muurame"}
    refused = open_form.press(fi("Save the changes"), **chosen)
    assert (refused.status, fi("Nothing was saved") in refused.words) == (409, True)
    erase = house.get(place(house, "/erase"), heidi.http)
    assert ERASE not in [button for form in erase.forms for button in form.buttons]
    token = form.form(RESTRICT).fields["csrf_token"]
    for tail in ("/make-passive", "/make-active", "/erase", "/restrict"):
        house.post(place(house, tail), {"csrf_token": token, "name": "Järvinen", "reason": "muu"}, heidi.http)
    assert customer_of(house) == before
    lifted = house.get(place(house, "/lift"), heidi.http).press(LIFT)
    assert fi("The restriction has been lifted.") in lifted.words
    assert (customer_of(house).restricted_at, customer_of(house).restriction_reason) == (None, None)
    assert fi("There is no restriction.") in house.get(place(house, "/lift"), heidi.http).words


@on_both_databases
def test_a_customer_is_erased_on_a_page_that_asks_for_the_name(house, heidi):
    aino, _ = add_customer(house), add_customer(house, "info@valo.example", **VALO)
    add_permission(house, aino)
    for number, wrong, right in ((1001, "Niemi", " järvinen "), (1002, "Niemi", "VALO &  Varjo oy")):
        question = house.get(place(house, "/erase", number), heidi.http)
        refused = question.press(ERASE, name=wrong)
        assert (refused.status, refused.title.startswith(fi("Error:"))) == (400, True)
        done = question.press(ERASE, name=right)
        assert (
            fi("The customer has been erased. What is on paper or in your mailbox is still there: destroy it, too.")
            in done.words
        )
    assert house.rows(customer) == house.rows(publication_permission) == []
    assert {row.rule for row in house.rows(erasure)} == {"customer"}
    assert house.get(f"/staff/customers/{aino}", heidi.http).status == 404


def test_the_page_tells_which_documents_stay_until_when_and_why_and_nothing_else_stays(house, heidi):
    aino = add_customer(house)
    kept = add_document(house, aino)
    add_document(house, aino, title="Tarjous 3", retention_class="other", keep_until=None)
    question = house.get(place(house, "/erase"), heidi.http)
    until = language("fi").day(services.now().astimezone(HELSINKI).date() + timedelta(days=365 * 6))
    assert "Lasku 7" in question.words and until in question.words and "Tarjous 3" not in question.words
    assert fi(keeping.WHY[keeping.VOUCHER]) in question.words
    page = question.press(ERASE, name="Järvinen")
    assert "Lasku 7" in page.words and "Järvinen" not in page.words and until in page.words
    row = customer_of(house)
    assert (row.number, row.erased_at is not None, row.search_text) == (1001, True, "")
    assert [one.id for one in house.rows(customer_document)] == [kept]
    assert content_of(house, aino, kept) == b"%PDF an invoice"
    assert "1001" not in house.get("/staff/customers?lang=fi", heidi.http).words
    for tail in ("/change", "/erase", "/restrict", "/merge"):
        assert house.get(place(house, tail), heidi.http).status == 404


def test_erasing_a_customer_leaves_the_newsletter_to_its_own_consent(house, heidi):
    Visitor(house).becomes_active()
    add_customer(house)
    question = house.get(place(house, "/erase"), heidi.http)
    assert f"/staff/subscribers/{house.person('aino@example.com').id}" in question.links
    question.press(ERASE, name="Järvinen")
    assert house.status("aino@example.com") == "active"


@on_both_databases
def test_an_erased_customer_does_not_come_back_with_an_older_database(house, tmp_path):
    aino, eero = add_customer(house), add_customer(house, "eero@example.com", last_name="Niemi")
    kept = add_document(house, aino)
    with house.service.transaction() as connection:
        before = {table: connection.execute(table.select()).mappings().all() for table in (customer, customer_key)}
    with house.service.transaction() as connection:
        for one in (aino, eero):
            erasing.erase(connection, services.now(), one, services.now().date())
    assert chores.copy_notes(house.service) == 2
    bring_back(house, before)
    assert {row.last_name for row in house.rows(customer)} == {"Järvinen", "Niemi"}
    assert chores.repeat_notes(house.service) == 2
    [left] = house.rows(customer)
    assert (left.id, left.last_name, [row.id for row in house.rows(customer_document)]) == (aino, None, [kept])
    assert {row.subscriber_id for row in house.rows(erasure)} == {aino, eero}
    assert chores.repeat_notes(house.service) == 0


def test_whose_data_is_only_kept_is_erased_by_nothing_but_an_older_database(house, heidi):
    aino = add_customer(house)
    open_page = house.get(place(house, "/erase"), heidi.http)
    with house.service.transaction() as connection:
        customers.restrict(connection, house.occasion(), aino, "kiista laskusta 7")
    refused = open_page.press(ERASE, name="Järvinen")
    assert refused.status == 409
    assert ONLY_KEPT in refused.words
    with pytest.raises(erasing.CustomerRestricted), house.service.transaction() as connection:
        erasing.erase(connection, services.now(), aino, services.now().date())
    assert customer_of(house).last_name == "Järvinen"
    with house.service.transaction() as connection:
        assert erasing.erase_again(connection, services.now(), aino, services.now().date())
    assert house.rows(customer) == []


def bring_back(house, before):
    """Let the customers stand here as they did, as if nobody had erased them."""
    with house.service.transaction() as connection:
        connection.execute(erasure.delete())
        for row in before[customer]:
            exists = connection.execute(customer.select().where(customer.c.id == row["id"])).first()
            if exists:
                connection.execute(update(customer).where(customer.c.id == row["id"]).values(**row))
            else:
                connection.execute(insert(customer).values(**row))


@on_both_databases
def test_the_keys_of_customers_are_wrapped_anew_too(house, open_house):
    aino = add_customer(house)
    document = add_document(house, aino)
    Visitor(house).subscribe()
    new = open_house(house.settings.database_url, data_keys=BOTH["CONSENT_DATA_KEYS"])
    with new.service.reading() as connection:
        assert rotation.people(connection) == rotation.waiting(connection, new.service.vault) == 2
    assert sum(chores.rewrap(new.service)) == 2
    with new.service.reading() as connection:
        assert rotation.waiting(connection, new.service.vault) == 0
    assert all(row.wrapped.startswith(new.service.vault.newest) for row in new.rows(customer_key))
    assert content_of(new, aino, document) == b"%PDF an invoice"
