"""The first import from a file: who becomes active, who has to be asked, who is left alone, and what is kept of it."""

import io
import json
import re
from datetime import date, datetime, timedelta

import openpyxl
import pytest
import time_machine

from consent_service import service as services
from consent_service import subscriptions
from consent_service.ledger import evidence
from consent_service.models.earlier_list import import_batch, import_row
from consent_service.models.ledger import consent_event
from consent_service.models.newsletter import subscriber
from consent_service.rights import consent_record, personal_data
from tests.actors import Staff, Visitor
from tests.consent_record import ConsentRecord
from tests.processes import run, variables
from tests.tampering import findings

STAFF = ("--staff-name", "Heidi Äijälä")


@pytest.fixture
def house(standing_house):
    with standing_house.service.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM import_row")
    return standing_house


@pytest.fixture
def bring(house, tmp_path):
    """Write a file and run the command on the machine of the household."""

    def brought(content, *words, **changes):
        file = tmp_path / "list"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return run(tmp_path, "import", "file", "list", *STAFF, *words, given=variables(house.settings) | changes)

    return brought


def told(done):
    assert done.returncode == 0, done
    found = json.loads(done.stdout)
    return found["imported"], found["waiting"], {row["row"]: row["reason"] for row in found["skipped"]}


def book(*rows):
    made, content = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        made.active.append(row)
    made.save(content)
    made.close()
    return content.getvalue()


def test_the_grade_decides_and_the_evidence_repeats_the_claim(house, bring):
    done = bring(
        "Sähköposti;Etunimi;Sukunimi;Kieli;Peruste;Päivä;Lomake;Puhelin\n"
        "one@grades.example;Aino;Mäkelä;suomi;double-opt-in;2.1.2024;;050\n"
        "two@grades.example;Eero;Niemi;ruotsi;paperilomake;2024-02-03;17 A;\n"
        "three@grades.example;;;en;asiakas;;;\n"
        "four@grades.example;Anni;Laine;fi;tuntematon;;;\n"
        "five@grades.example;Olli;Aho;;;;;\n",
        "--json",
    )
    assert told(done) == (3, 2, {})
    one, two = (house.story(f"{name}@grades.example")[0].core for name in ("one", "two"))
    assert (one["kind"], one["grade"], one["claimed_on"]) == ("imported", "double-opt-in", "2024-01-02")
    assert (one["imported_from"], one["imported_by"], one["actor"]) == ("file", "Heidi Äijälä", "terminal")
    assert (two["form_number"], two["language"], two["claimed_on"]) == ("17 A", "sv", "2024-02-03")
    three = house.person("three@grades.example")
    assert (three.status, three.first_name, three.language) == ("active", "", "en")
    assert house.kinds("one@grades.example") == ["imported"], "never confirmed: nobody here has seen that"
    assert house.person("four@grades.example") is None, "no grade, no permission and no subscriber"
    assert [row.email for row in house.rows(import_row)] == ["four@grades.example", "five@grades.example"]


def test_no_text_was_shown_and_the_kept_one_says_so(house, bring):
    bring("email,grade\ntext@claims.example,customer\n")
    [event] = house.story("text@claims.example")
    [ask] = house.asks("text@claims.example")
    assert event.core["texts"] == {"import": ask.statement_sha256}
    assert (ask.source, ask.used_event_id) == ("import", event.id)
    with house.service.reading() as connection:
        kept = evidence.kept_text(connection, ask.statement_sha256)
    assert kept.kind == "import"
    assert "asiakassuhde" in kept.content.decode()
    assert "ei ole näyttänyt" in kept.content.decode()


def test_what_is_kept_is_what_the_events_tell(house, bring):
    bring("email,grade,date\naudit@claims.example,double-opt-in,2024-05-06\nwait@claims.example,,\n")
    house.service.seal()
    assert findings(house) == []


def test_who_is_imported_from_a_file_goes_on_to_activecampaign(house, bring):
    assert told(bring("email;peruste\nnew@forward.example;asiakas\n", "--json"))[0] == 1
    house.deliver()
    assert house.contacts.status_of("new@forward.example") == 1
    assert house.contacts.contacts["new@forward.example"].sources == {1: 0}, "no new wish is claimed there"
    assert house.person("new@forward.example").contact_id


@pytest.mark.parametrize(("status", "kind"), [(2, "withdrawn"), (3, "bounced")])
def test_who_left_at_activecampaign_is_not_put_back_by_an_import(house, bring, status, kind):
    email = f"left{status}@forward.example"
    house.contacts.add(email, first_name="Oma", last_name="Nimi", status=status)
    bring(f"email;grade\n{email};customer\n")
    house.deliver()
    assert house.contacts.status_of(email) == status
    assert house.status(email) == "passive"
    assert house.kinds(email) == ["imported", kind]
    assert (email, 1) not in house.contacts.history
    assert house.contacts.contacts[email].first_name == "Oma", "a name that is not known blanks none"


def test_nobody_who_is_known_here_is_touched(house, bring):
    active = Visitor(house, "active@known.example").becomes_active()
    pending, passive = Visitor(house, "pending@known.example"), Visitor(house, "passive@known.example")
    passive.becomes_active().leave()
    pending.subscribe()
    declined, objected = Visitor(house, "declined@known.example"), Visitor(house, "objected@known.example")
    for person in (declined, objected):
        person.subscribe()
        house.deliver()
    declined.decline()
    house.object(objected.email)
    house.erase(objected.email)
    house.deliver()
    before = house.rows(subscriber), house.count(consent_event)
    emails = [person.email for person in (active, pending, passive, declined, objected)]
    done = bring("email,grade\n" + "".join(f"{email.upper()},customer\n" for email in emails), "--json")
    assert told(done) == (0, 0, {"2": "active", "3": "pending", "4": "passive", "5": "declined", "6": "objected"})
    assert (house.rows(subscriber), house.count(consent_event)) == before


def test_who_was_erased_is_not_brought_back_while_the_contact_is_still_there(house, bring):
    gone = Visitor(house, "gone@known.example").becomes_active()
    house.erase(gone.email)
    assert told(bring("email,grade\ngone@known.example,customer\n", "--json"))[2] == {"2": "erased"}
    house.deliver()
    assert told(bring("email,grade\ngone@known.example,customer\n", "--json"))[0] == 1


def test_every_row_that_is_not_whole_is_named_with_its_reason(house, bring):
    tomorrow = (datetime.now().date() + timedelta(days=2)).isoformat()  # noqa: DTZ005
    long = "x" * 101
    done = bring(
        "email,first name,language,grade,date,form\n"
        "nobody,Aino,fi,customer,,\n"
        f"name@rows.example,{long},fi,customer,,\n"
        "language@rows.example,Aino,de,customer,,\n"
        "grade@rows.example,Aino,fi,certain,,\n"
        "day@rows.example,Aino,fi,double-opt-in,31.2.2024,\n"
        f"later@rows.example,Aino,fi,double-opt-in,{tomorrow},\n"
        "noday@rows.example,Aino,fi,double-opt-in,,\n"
        "noform@rows.example,Aino,fi,paper-form,2024-01-02,\n"
        "form@rows.example,Aino,fi,paper-form,2024-01-02," + "1" * 41 + "\n"
        "broken@rows.example,Aino,fi,customer,,,more\n"
        "\n"
        "good@rows.example,Aino,fi,customer,,\n"
        "GOOD@rows.example,Aino,fi,customer,,\n"
        ",,,,,\n",
        "--json",
    )
    reasons = ["bad_address", "bad_name", "bad_language", "bad_grade", "bad_day", "bad_day", "no_day",
               "no_form_number", "bad_form_number", "broken"]  # fmt: skip
    expected = {str(number): reason for number, reason in enumerate(reasons, 2)} | {"14": "duplicate"}
    assert told(done) == (1, 0, expected)


def test_a_spreadsheet_with_real_days_numbers_and_formulas(house, bring):
    content = book(
        ("E-mail address", "First name", "Grade", "Date", "Form number"),
        ("sheet1@sheets.example", "Aino", "paper-form", datetime(2024, 1, 2), 17.0),  # noqa: DTZ001 - a spreadsheet knows no zone
        ("sheet2@sheets.example", "Ömer", "double opt-in", date(2023, 12, 31), None),
        ('="a"&"@sheets.example"', "Eero", "customer", None, None),
        (None, None, None, None, None),
        ("sheet3@sheets.example", "=1+1", "customer", "5.6.2024", None),
    )
    assert told(bring(content, "--json")) == (3, 0, {"4": "bad_address"}), "a formula without a saved value is empty"
    told_of = house.story("sheet1@sheets.example")[0].core
    assert (told_of["claimed_on"], told_of["form_number"]) == ("2024-01-02", "17")
    assert house.story("sheet2@sheets.example")[0].core["claimed_on"] == "2023-12-31"


@pytest.mark.parametrize(
    ("content", "email"),
    [
        ("\ufeffemail;etunimi\r\nbom@files.example;Äijä\r\n".encode(), "bom@files.example"),
        ("email;etunimi\r\nansi@files.example;Äijä\r\n".encode("cp1252"), "ansi@files.example"),
        ('"email"\t"etunimi"\ntab@files.example\t"Äi""jä"\n'.encode(), "tab@files.example"),
    ],
)
def test_csv_as_programs_write_it(house, bring, content, email):
    assert told(bring(content, "--grade", "customer", "--json"))[0] == 1
    assert house.person(email).first_name.startswith("Äi")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "The file is empty."),
        (b"name;phone\nAino;1\n", "no column for the address"),
        (b"email;e-mail\na@b.example;c@d.example\n", "say the same"),
        (b"PK\x03\x04 and no more", "Save it as .xlsx or as CSV"),
        (b"\xd0\xcf\x11\xe0 old", "an old or a protected Excel file"),
        ("email\na@b.example\n".encode("utf-16"), "Save it as .xlsx or as CSV"),
        (b'email\n"open\n', "Save it as .xlsx or as CSV"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(house, bring, content, says):
    before = house.count(import_batch)
    done = bring(content)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert says in line
    assert house.count(import_batch) == before


def test_a_dry_run_says_the_same_and_changes_nothing(house, bring):
    content = "email,grade\ndry@run.example,customer\nwait@run.example,\ndry@run.example,customer\nx,\n"
    before = house.everything()
    done = bring(content, "--dry-run")
    assert "1 would be imported as active, 1 would be kept until they are asked, 2 would be skipped." in done.stdout
    assert "row 4: the same address as in an earlier row" in done.stdout
    assert "@" not in done.stdout
    assert house.everything() == before
    assert told(bring(content, "--json"))[:2] == (1, 1)


def test_a_dry_run_makes_the_database_it_looks_at(bring, tmp_path):
    done = bring(
        "email,grade\ndry@run.example,customer\n", "--dry-run", CONSENT_DATABASE_URL=f"sqlite:///{tmp_path}/new"
    )
    assert "1 would be imported as active" in done.stdout, done


def test_run_again_it_goes_on_with_the_rest_and_doubles_nobody(house, bring):
    first = "email,grade\none@again.example,customer\n"
    assert told(bring(first, "--json"))[0] == 1
    with house.service.transaction() as connection:
        connection.exec_driver_sql("UPDATE import_batch SET finished_at = NULL")  # as after a kill between two slices
    assert told(bring(first + "two@again.example,customer\n", "--json")) == (1, 0, {"2": "active"})
    assert house.kinds("one@again.example") == ["imported"]


def test_the_day_and_the_grade_may_be_said_for_all_rows_at_once(house, bring):
    done = bring(
        "email\nall@once.example\n", "--grade", "paper-form", "--on", "3.4.2023", "--form-number", "9", "--json"
    )
    assert told(done)[0] == 1
    core = house.story("all@once.example")[0].core
    assert (core["grade"], core["claimed_on"], core["form_number"]) == ("paper-form", "2023-04-03", "9")
    assert "must have been" in bring("email\nx@once.example\n", "--on", "yesterday").stderr


def test_the_person_and_staff_see_a_claim_and_no_confirmation(house, bring):
    bring("email,first name,last name,grade,date\npage@claims.example,Aino,Mäkelä,double-opt-in,2024-01-02\n")
    own = Visitor(house, "page@claims.example").my_data()
    heidi = Staff(house, "import@keinuma.example")
    heidi.log_in()
    staff = house.get(f"/staff/subscribers/{house.person('page@claims.example').id}", heidi.http)
    for page in (own, staff):
        assert page.status == 200
        assert "2.1.2024" in page.words
        assert "vahvistit" not in page.words.lower()
    sheet = house.get(f"/staff/subscribers/{house.person('page@claims.example').id}/evidence", heidi.http)
    assert "Heidi Äijälä" in sheet.words


def test_staff_see_the_address_of_whoever_has_no_name(house, bring):
    bring("email,grade\nnameless@claims.example,customer\n")
    heidi = Staff(house, "nameless@keinuma.example")
    heidi.log_in()
    place = f"/staff/subscribers/{house.person('nameless@claims.example').id}"
    for page in (place, f"{place}/there", f"{place}/hold", f"{place}/erase", "/staff/queue", "/staff/subscribers"):
        html = house.get(page, heidi.http).html
        assert "nameless@claims.example" in html, page
        assert not re.findall(r"<(h1|a)[^>]*>[← ]*</", html), page
    house.deliver()


def test_who_comes_by_themselves_before_being_asked_waits_no_more(house, bring):
    bring("email\ncomes@waiting.example\n")
    assert house.count(import_row) == 1
    Visitor(house, "comes@waiting.example").subscribe()
    assert house.count(import_row) == 0


def test_who_waits_is_forgotten_after_ninety_days(house, bring):
    bring("email\nforgotten@waiting.example\n")
    with time_machine.travel(services.now() + timedelta(days=91), tick=True):
        house.do_chores()
    assert house.count(import_row) == 0


def test_the_consent_record_calls_a_claim_unknown_until_the_person_answers(house, bring):
    bring("email,first name,last name,grade\nrecord@claims.example,Aino,Mäkelä,customer\n")
    person = Visitor(house, "record@claims.example")
    assert record(person).story == ["ConsentUnknown"]
    assert record(person).processes[0].basis == ["eu-gdpr:A6-1-f"]
    assert "nothing was shown" in record(person).states[0].how
    with house.service.transaction() as connection:
        subscriptions.unsubscribe(connection, house.occasion(), house.person(person.email).id)
    assert record(person).story == ["ConsentUnknown", "ConsentWithdrawn"]
    person.subscribe()
    house.deliver()
    person.confirm()
    assert record(person).story[-2:] == ["ConsentRequested", "ConsentGiven"]
    assert record(person).processes[0].basis == ["eu-gdpr:A6-1-a"]
    assert "Vahvistit" in person.my_data().words


def record(person):
    """The consent record of somebody, checked against its form."""
    keys, house = person.house.service.vault, person.house
    with house.service.reading() as connection:
        held = personal_data.gather(connection, keys, house.person(person.email).id, services.now())
    written = consent_record.compose(held, house.service.origin().place)
    return ConsentRecord.model_validate_json(json.dumps(written))
