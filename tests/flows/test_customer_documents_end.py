"""When customers' documents end: by the purge on the day after, with an erased customer, by a chosen day, on paper."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import update

from consent_service import chores
from consent_service import service as services
from consent_service.backup import repeating
from consent_service.backup.repeating import Note
from consent_service.models.customers import (
    customer,
    customer_document,
    customer_key,
    document_file,
    publication_permission,
    shredding,
)
from consent_service.models.newsletter import erasure
from consent_service.register import binders, documents
from consent_service.register.documents import DocumentKept
from tests.actors import fi
from tests.conftest import on_both_databases
from tests.filing import PDF, REMOVE, Clerk

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SHREDDED, DUE = fi("It is shredded"), fi("To be shredded: %(place)s", place="")
NOON = timedelta(hours=12)


@pytest.fixture
def clock():
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def heidi(clock, house):
    return Clerk(house)


def on(clock, heidi, day):
    """Noon of a day; whoever has been away so long logs in anew."""
    clock.move_to(datetime.fromisoformat(day).replace(tzinfo=UTC) + NOON)
    heidi.log_in()


def purge(house):
    """What ended by each rule but those of notes, of erasures and of looks, which go by the years too."""
    ended = {}
    for rule, rows in chores.purge(house.service):
        ended[rule.key] = ended.get(rule.key, 0) + rows
    return {key: rows for key, rows in ended.items() if key not in ("erasure", "access")}


def kinds(house):
    return sorted(row.kind for row in house.rows(customer_document))


def file_one_of_each(heidi, customer_id):
    heidi.file(customer_id, "invoice", ("lasku.pdf", PDF), dated_on="2026-02-15")
    heidi.file(customer_id, "contract", ("sopimus.pdf", PDF), dated_on="2025-01-01", ended_on="2025-06-30")
    heidi.file(customer_id, "other", ("paivakirja.pdf", PDF), title="pääkirja", kept_as="book", dated_on="2025-01-01")
    heidi.file(customer_id, "work_plan", ("suunnitelma.pdf", PDF))
    heidi.file(customer_id, "offer", ("tarjous.pdf", PDF), dated_on="2026-02-01")
    heidi.file(customer_id, "consent_form", None, binder="A", page="14", destroy_by="2028-01-01")


def test_the_purge_ends_each_class_on_the_day_after_its_last(clock, heidi):
    house, aino = heidi.house, heidi.take_in()
    file_one_of_each(heidi, aino)
    for last, rule, kind in (
        (date(2032, 12, 31), "voucher", "invoice"),
        (date(2035, 6, 30), "contract", "contract"),
        (date(2035, 12, 31), "book", "other"),
    ):
        clock.move_to(datetime(last.year, last.month, last.day, 20, tzinfo=UTC))
        assert kind in kinds(house) and purge(house) == {}
        clock.move_to(datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1))
        assert purge(house) == {rule: 1} and kind not in kinds(house)
    assert kinds(house) == ["consent_form", "offer", "work_plan"], "they go with the customer"
    assert len(heidi.sealed()) == 2
    assert house.rows(customer)[0].erased_at is None


def test_an_erased_customer_leaves_what_the_law_keeps_and_each_says_why_and_until_when(clock, heidi):
    house, aino = heidi.house, heidi.take_in()
    file_one_of_each(heidi, aino)
    stays = heidi.erase(aino)
    assert [(row.kind, row.keep_until) for row in stays] == [
        ("invoice", "2032-12-31"),
        ("contract", "2035-06-30"),
        ("other", "2035-12-31"),
    ]
    assert kinds(house) == ["contract", "invoice", "other"] and len(heidi.sealed()) == 3
    page = heidi.read(aino)
    assert fi("Customer %(number)s", number=1001) in page.words and "Järvinen" not in page.html
    for day in ("31.12.2032", "30.6.2035", "31.12.2035"):
        assert fi("until %(day)s", day=day) in page.words
    for row in stays:
        words = heidi.read(aino, f"/{row.id}").words
        assert ("2 luvun 10 §" in words) == (row.kind != "contract") and ("728/2003" in words) == (
            row.kind == "contract"
        )
        assert heidi.download(row).content == PDF
        assert heidi.read(aino, f"/{row.id}/change").status == 409
        assert fi("The document has to stay") in heidi.read(aino, f"/{row.id}/remove").words
    assert heidi.read(aino, "/add").status == 409

    clock.move_to(datetime(2035, 7, 1, 12, tzinfo=UTC))
    assert purge(house) == {"voucher": 1, "contract": 1}
    assert house.count(customer) == house.count(customer_key) == 1
    clock.move_to(datetime(2036, 1, 1, 12, tzinfo=UTC))
    assert purge(house)["book"] == 1
    assert house.rows(customer) == house.rows(customer_key) == house.rows(document_file) == [], "the rest goes with it"


@on_both_databases
def test_a_contract_that_goes_on_ends_with_its_customer_at_the_latest(heidi):
    aino = heidi.take_in()
    heidi.file(aino, "contract", ("s.pdf", PDF), dated_on="2026-01-01")
    heidi.file(aino, "contract", ("t.pdf", PDF), dated_on="2026-01-01", kept_as="voucher")
    assert fi("The contract still goes on. Note the day it ended; it is kept for ten years after that.") in (
        heidi.read(aino, f"/{heidi.house.rows(customer_document)[0].id}/remove").words
    )
    asked = heidi.house.get(f"/staff/customers/{aino}/erase?lang=fi", heidi.http).words
    promised = f"{fi('Coaching contract')}, 1.1.2026: {fi('kept until %(day)s', day='2.3.2036')}"
    assert asked.count(promised) == 2 and "728/2003" in asked, "told before anything goes"
    stays = heidi.erase(aino)
    assert [(one.kind, one.keep_until) for one in stays] == [("contract", "2036-03-02")] * 2
    rows = heidi.house.rows(customer_document)
    assert [(row.ended_on, row.keep_until) for row in rows] == [("2026-03-02", "2036-03-02")] * 2
    assert fi("until %(day)s", day="2.3.2036") in heidi.read(aino).words


def test_nothing_of_a_restricted_customer_is_purged(clock, heidi):
    aino = heidi.take_in()
    file_one_of_each(heidi, aino)
    heidi.file(aino, "consent_form", ("suostumus.pdf", PDF), destroy_by="2027-01-01")
    heidi.restrict(aino)
    on(clock, heidi, "2040-01-01")
    assert purge(heidi.house) == {} and len(kinds(heidi.house)) == 7
    words = heidi.house.get("/staff/binders?lang=fi", heidi.http).words
    assert DUE not in words and SHREDDED not in words, "nor shredded"
    lifted = {"restricted_at": None, "restriction_reason": None}
    with heidi.house.service.transaction() as connection:
        connection.execute(update(customer).values(lifted))
    assert purge(heidi.house) == {"voucher": 1, "book": 1, "contract": 1, "consent_form": 1}


@on_both_databases
def test_the_file_of_a_consent_form_goes_on_its_day_and_its_paper_waits_for_somebody(clock, heidi):
    house, aino = heidi.house, heidi.take_in()
    heidi.file(aino, "consent_form", ("suostumus.pdf", PDF), destroy_by="2027-01-01")
    heidi.file(aino, "consent_form", None, binder="A", page="14", destroy_by="2027-01-01")
    heidi.file(aino, "consent_form", None, binder="A", page="9", destroy_by="2029-01-01")
    heidi.file(aino, "information_form", None, binder="B")
    clock.move_to(datetime(2026, 12, 31, 12, tzinfo=UTC))
    assert purge(house) == {}
    on(clock, heidi, "2027-01-01")
    assert purge(house) == {"consent_form": 1} and heidi.sealed() == []

    page = house.get("/staff/binders?lang=fi", heidi.http)
    places = ["kansio A, sivu 14", "kansio A, sivu 9", "kansio B"]
    assert f"{DUE}{places[0]}" in page.words and page.words.count(DUE.strip()) == 1
    assert sorted(places, key=page.words.index) == places, "the one that is due, then by page and binder"
    assert "kansio B" not in house.get("/staff/binders?lang=fi&binder=A", heidi.http).words.split(fi("Act"))[1]
    [form] = [form for form in page.forms if form.action.endswith("/destroy")]
    for _ in range(2):
        done = heidi.http.post(house.url + form.action, data=form.fields, timeout=20)
        assert done.status_code == 200 and f"1.1.2027, {heidi.name}" in " ".join(done.text.split())
    [row] = house.rows(shredding)
    assert (row.binder, row.page, row.destroyed_on, row.destroyed_by) == ("A", "14", "2027-01-01", "Heidi")
    assert len(kinds(house)) == 2
    not_due = next(row for row in house.rows(customer_document) if row.page == "9")
    address = f"/staff/binders/papers/{not_due.id}/destroy"
    assert house.post(address, form.fields, heidi.http).status == 302 and len(kinds(house)) == 2
    nobody = f"/staff/binders/papers/{aino}/destroy"
    assert house.post(nobody, form.fields, heidi.http).status == 404
    clock.move_to(datetime(2030, 1, 3, 12, tzinfo=UTC))
    assert purge(house) == {"shredding": 1} and house.rows(shredding) == []


@pytest.mark.parametrize("way", ["erased", "removed", "purged"])
def test_a_paper_whose_entry_goes_is_still_to_be_shredded_and_names_nobody(clock, heidi, way):
    house, aino = heidi.house, heidi.take_in()
    kind = "invoice" if way == "purged" else "information_form"
    heidi.file(aino, kind, None, binder="A", page="14")
    if way == "erased":
        heidi.erase(aino)
    elif way == "removed":
        page = heidi.read(aino, f"/{heidi.document().id}/remove").press(REMOVE)
        assert fi("The document has been removed here. Take its paper out of the binder and shred it.") in page.words
    else:
        on(clock, heidi, "2031-01-01")
        assert purge(house) == {"voucher": 1}
    assert house.rows(customer_document) == []
    page = house.get("/staff/binders?lang=fi", heidi.http)
    assert f"{DUE}kansio A, sivu 14" in page.words and fi("removed from the register") in page.words
    assert "Järvinen" not in page.html
    done = page.press(f"{SHREDDED} : kansio A, sivu 14")
    assert done.status == 200 and "kansio A, sivu 14" in done.words
    assert fi("No paper is noted. When you add a document to a customer, write in which binder it is.") in (
        house.get("/staff/binders?lang=fi", heidi.http).words
    )


@on_both_databases
def test_the_last_document_of_an_erased_customer_removed_by_hand_takes_the_rest_along(clock, heidi):
    aino = heidi.take_in()
    heidi.file(aino, "invoice", ("lasku.pdf", PDF), dated_on="2024-02-15")
    heidi.erase(aino)
    on(clock, heidi, "2031-01-01")
    page = heidi.read(aino, f"/{heidi.document().id}/remove").press(REMOVE)
    assert page.status == 200 and heidi.house.rows(customer) == []


def test_a_document_removed_here_is_removed_again_from_an_older_database(heidi):
    house, aino = heidi.house, heidi.take_in()
    heidi.file(aino, "work_plan", ("s.pdf", PDF))
    note = Note(heidi.document().id, "document", services.now(), None)
    with house.service.transaction() as connection:
        assert repeating.forgotten(connection, [note]) == [note]
        assert repeating.repeat(connection, house.occasion("relay", "restore"), note)
    assert house.rows(customer_document) == [] and [row.rule for row in house.rows(erasure)] == ["document"]
    with house.service.transaction() as connection:
        assert repeating.forgotten(connection, [note]) == []


def test_permissions_go_with_an_erased_customer(heidi):
    aino = heidi.take_in()
    page = heidi.house.get(f"/staff/customers/{aino}/publication-permissions/add?lang=fi", heidi.http)
    page.press(fi("Save the permission"), what="nimi", places="verkkosivu", given_on="2026-01-01")
    assert heidi.house.count(publication_permission) == 1
    heidi.erase(aino)
    assert heidi.house.rows(publication_permission) == heidi.house.rows(customer) == []


@on_both_databases
def test_a_document_that_was_filed_anew_meanwhile_stays_whoever_saw_it_before(heidi):
    house, aino = heidi.house, heidi.take_in()
    heidi.file(aino, "other", ("muistio.pdf", PDF), title="muistio")
    seen = heidi.document()
    heidi.read(aino, f"/{seen.id}/change").press(fi("Save the changes"), kind="invoice", dated_on="2026-02-01")
    with pytest.raises(DocumentKept), house.service.transaction() as connection:
        documents.remove(connection, house.occasion(), seen, START.date())
    assert kinds(house) == ["invoice"]


@on_both_databases
def test_a_paper_that_is_filed_anew_while_somebody_notes_it_shredded_stays(clock, heidi):
    house, aino = heidi.house, heidi.take_in()
    heidi.file(aino, "consent_form", None, binder="A", page="14", destroy_by="2026-03-02")
    [paper], kept = house.rows(customer_document), {"retention_class": "voucher", "keep_until": "2032-12-31"}

    def destroy():
        with house.service.transaction() as connection:
            return binders.destroy(connection, house.occasion(), paper.id, "Heidi", START.date())

    with ThreadPoolExecutor(1) as thread:
        with house.service.transaction() as connection:
            documents.lock_customer(connection, aino)
            connection.execute(update(customer_document).values(**kept))
            destroyed = thread.submit(destroy)
            with suppress(TimeoutError):  # it has read the paper, and waits for this to end
                destroyed.result(0.5)
        with pytest.raises(DocumentKept):
            destroyed.result(20)
    assert kinds(house) == ["consent_form"]
