"""What befalls an import: a relay that dies, two at once, a batch that does not go in, and time that runs out."""

import threading
from datetime import timedelta

import pytest
import structlog
import time_machine
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from consent_service import chores
from consent_service import service as services
from consent_service.models.customer_imports import (
    customer_arrival,
    customer_import,
    customer_import_file,
    customer_import_row,
)
from consent_service.models.customers import customer, customer_document
from consent_service.register import customer_imports
from consent_service.register.importing import SLICE, Importing
from consent_service.web.console.customer_imports import TOO_LATE
from tests.actors import fi
from tests.asker import Desk
from tests.conftest import on_both_databases
from tests.flows.test_customer_imports import figure, known
from tests.sheets import AINO, HEADINGS, KEINUMA, Importer, xlsx

MANY = [["Sukunimi"], *([f"Laine{number}"] for number in range(3 * SLICE))]


@pytest.fixture
def heidi(house):
    staff = Importer(house)
    staff.log_in()
    return staff


class StopsAfter(threading.Event):
    """A relay that is told to stop after so many pieces of work."""

    def __init__(self, pieces):
        super().__init__()
        self.left = pieces

    def is_set(self):
        self.left -= 1
        return self.left < 0


def state(house):
    [row] = house.rows(customer_import)
    return row.state


def later(**span):
    return time_machine.travel(services.now() + timedelta(**span))


@on_both_databases
def test_a_relay_that_stops_in_the_middle_is_followed_by_another(house, heidi):
    page = heidi.send(xlsx(*MANY))
    chosen = {"column-0": "last_name", "sheet": "0", "header": "1", "source": "other"}
    assert page.press(fi("Check the rows"), **chosen).status == 200
    assert not Importing(house.service, StopsAfter(2)).step()
    heidi.work()
    assert state(house) == "checking", "it is still claimed"
    with later(minutes=2):
        heidi.work()
    assert state(house) == "checked"
    with house.service.transaction() as connection:
        connection.execute(update(customer_import).values(state="applying"))
    assert not Importing(house.service, StopsAfter(2)).step()
    assert house.rows(customer) == [] and house.rows(customer_arrival), "half of it is written down, and nobody sees it"
    with later(minutes=2):
        heidi.work()
    assert state(house) == "applied" and house.rows(customer_arrival) == []
    assert sorted(row.number for row in house.rows(customer)) == list(range(1001 + 600, 1001 + 1200))


@on_both_databases
def test_what_a_relay_does_whose_claim_was_taken_over_counts_for_nothing(house, heidi):
    page = heidi.send(xlsx(HEADINGS, AINO))
    checked = heidi.check(page)
    [form] = [form for form in checked.forms if form.action.endswith("/apply")]
    checked.press(form.buttons[0])

    class TakenOver(threading.Event):
        def is_set(self):
            with house.service.transaction() as connection:
                connection.execute(update(customer_import).values(claimed_by="another"))
            return False

    assert not Importing(house.service, TakenOver()).step()
    assert house.rows(customer) == [] and state(house) == "applying"


@on_both_databases
def test_a_batch_of_which_one_row_cannot_go_in_leaves_nothing_and_is_given_up(house, heidi):
    checked = heidi.check(heidi.send(xlsx(HEADINGS, KEINUMA, AINO)))
    known(house, "Muu")
    with house.service.transaction() as connection:
        connection.execute(update(customer).values(number=17, created_at=services.now() - timedelta(days=1)))
    [form] = [form for form in checked.forms if form.action.endswith("/apply")]
    checked.press(form.buttons[0])
    for attempt in range(3):
        with later(minutes=2 * attempt), pytest.raises(IntegrityError):
            Importing(house.service, threading.Event()).step()
    assert [row.last_name for row in house.rows(customer)] == ["Muu"]
    with later(minutes=10):
        heidi.work()
        page = heidi.again(checked)
    assert state(house) == "checked"
    assert fi("It was tried several times and did not work. Nothing has been changed. Try again later.") in page.words


@on_both_databases
def test_a_file_a_relay_dies_of_is_given_up(house, heidi):
    with house.service.transaction() as connection:
        customer_imports.take(connection, services.now(), "a.xlsx", xlsx(HEADINGS, AINO), "Heidi")
        connection.execute(update(customer_import).values(tries=3))
    heidi.work()
    assert state(house) == "refused"


@on_both_databases
def test_what_is_not_finished_is_gone_after_a_week_and_a_batch_after_a_month(house, heidi):
    heidi.check(heidi.send(xlsx(HEADINGS, AINO)))
    done = heidi.bring_in(xlsx(["Sukunimi", "Puhelin"], ["Niemi", None], ["Salo", "ei ole"]))
    with later(days=6):
        list(chores.purge(house.service))
    assert len(house.rows(customer_import)) == 2
    with later(days=8):
        list(chores.purge(house.service))
    [kept] = house.rows(customer_import)
    assert (kept.state, kept.emptied_at is not None) == ("applied", True)
    assert not [row for row in house.rows(customer_import_row) if row.cells or row.details or row.problems]
    assert house.rows(customer_import_file) == []
    assert heidi.again(done).status == 200
    with later(days=31):
        list(chores.purge(house.service))
    assert house.rows(customer_import) == house.rows(customer_import_row) == []
    assert [row.last_name for row in house.rows(customer)] == ["Niemi"], "who came in stays"


def test_who_has_got_a_document_since_stays_when_the_import_is_undone(house, heidi):
    done = heidi.bring_in(xlsx(HEADINGS, AINO, KEINUMA))
    aino = next(row for row in house.rows(customer) if row.number == 17)
    document = {"id": "1", "customer_id": aino.id, "kind": "offer", "dated_on": "2026-11-29", "binder": "A"}
    written = {"retention_class": "other", "added_at": services.now(), "added_by": "Heidi"}
    with house.service.transaction() as connection:
        connection.execute(customer_document.insert().values(document | written))
    undone = heidi.undo(done)
    assert "17 Aino Mäkelä" in undone.words and "Keinuma Oy, " not in undone.words
    assert [row.number for row in house.rows(customer)] == [17]


def test_whoever_has_asked_about_their_data_since_stays_when_the_import_is_undone(house):
    desk, heidi = Desk(house), Importer(house, "kirjuri@keinuma.example", "Kirjuri")
    heidi.log_in()
    done = heidi.bring_in(xlsx(HEADINGS, AINO, KEINUMA))
    desk.take("access", customer_number=17)
    undone = heidi.undo(done)
    assert "17 Aino Mäkelä" in undone.words
    assert [row.id for row in house.rows(customer)] == [desk.request.customer_id]


def test_numbers_no_file_has_and_columns_too_early_are_answered_calmly(house, heidi):
    page = heidi.send(xlsx(HEADINGS, AINO))
    place = page.answer.url.partition("?")[0]
    assert heidi.http.get(place, params={"sheet": "9" * 5000, "header": "9" * 5000}, timeout=20).status_code == 200
    token = {"csrf_token": heidi.check(page).forms[0].fields["csrf_token"]}
    odd = {f"choice-{'9' * 25}": "add", f"choice-{'9' * 5000}": "add"}
    assert heidi.http.post(f"{place}/rows/new", token | odd, timeout=20).status_code == 200
    with house.service.transaction() as connection:
        unread = customer_imports.take(connection, services.now(), "a.csv", b"a;b\n1;2\n", "Heidi")
    early = heidi.http.post(f"{house.url}/staff/customers/imports/{unread}/columns", token, timeout=20)
    assert early.status_code == 409 and fi(TOO_LATE) in early.text


@on_both_databases
def test_two_rows_that_fill_in_one_customer_are_both_undone(house, heidi):
    known(house, "Niemi", "eero@example.com")
    rows = [["Niemi", "eero@example.com", "0401234567", None], ["Niemi", "eero@example.com", None, "Oulu"]]
    checked = heidi.check(heidi.send(xlsx(["Sukunimi", "Sähköposti", "Puhelin", "Paikkakunta"], *rows)))
    heidi.choose(checked, "known", "complete")
    done = heidi.add_all(heidi.again(checked))
    assert figure(done, "Customers filled in") == 2
    [eero] = house.rows(customer)
    assert (eero.phone, eero.city) == ("+358401234567", "Oulu")
    assert "Niemi" not in heidi.undo(done).words
    [eero] = house.rows(customer)
    assert (eero.phone, eero.city, "oulu" in eero.search_text) == (None, None, False)


def test_nothing_of_whom_a_list_names_is_in_the_log(house, heidi):
    with structlog.testing.capture_logs() as said:
        heidi.bring_in(xlsx(HEADINGS, AINO), "Mäkelän lista.xlsx")
    assert said and [row.last_name for row in house.rows(customer)] == ["Mäkelä"]
    assert "Mäkel" not in str(said) and "aino@" not in str(said)
