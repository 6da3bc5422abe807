"""A batch is taken back, and people whose permission nobody can prove are asked, a few at a time."""

import json
from datetime import timedelta

import pytest
import time_machine

from consent_service import corrections
from consent_service import service as services
from consent_service.delivery import suppression
from consent_service.delivery.outbox import ACTIVECAMPAIGN
from consent_service.models.earlier_list import import_batch, import_row
from consent_service.models.ledger import consent_event
from consent_service.models.newsletter import erasure, subscriber
from tests.actors import CONFIRM, Staff, Visitor, fi
from tests.processes import run, variables
from tests.tampering import findings

LIST = (
    "email,first name,last name,grade\nstays@undo.example,Aino,Mäkelä,customer\ngoes@undo.example,Eero,Niemi,customer\n"
)


@pytest.fixture
def house(sqlite_house):
    return sqlite_house


@pytest.fixture
def terminal(house, tmp_path):
    """A terminal on the machine of the household."""

    def type_in(*words, **changes):
        return run(tmp_path, "import", *words, given=variables(house.settings) | changes)

    return type_in


@pytest.fixture
def bring(terminal, tmp_path):
    """Bring a list over and return its batch."""

    def brought(content, *words):
        (tmp_path / "list.csv").write_text(content, "utf-8")
        done = terminal("file", "list.csv", "--staff-name", "Heidi", "--json", *words)
        assert done.returncode == 0, done
        return json.loads(done.stdout)["batch"]

    return brought


def undone(terminal, batch):
    done = terminal("undo", batch, "--json")
    assert done.returncode == 0, done
    return {name: number for name, number in json.loads(done.stdout).items() if number}


def test_who_has_done_nothing_goes_and_who_has_stays(house, bring, terminal):
    batch = bring(LIST + "waits@undo.example,,,\n")
    house.deliver()
    Visitor(house, "stays@undo.example").my_data()
    stays = house.person("stays@undo.example").id
    with house.service.transaction() as connection:
        corrections.correct_name(connection, house.occasion(), stays, "Aino", "Mäki")
    house.deliver()
    assert undone(terminal, batch) == {"undone": 1, "waited": 1, "acted": 1}
    assert [person.email for person in house.rows(subscriber)] == ["stays@undo.example"]
    assert house.count(import_row) == 0
    [note] = house.rows(erasure)
    assert note.rule == "import_undone"
    house.service.seal()
    assert findings(house) == [], "a sealed event lists what was emptied"
    assert undone(terminal, batch) == {"acted": 1}, "the same again changes nothing"
    assert "undone" in terminal("list").stdout


def test_nobody_is_deleted_at_activecampaign_for_it(house, bring, terminal):
    house.contacts.add("goes@undo.example", first_name="Eero")
    batch = bring(LIST)
    house.deliver()
    assert house.contacts.status_of("goes@undo.example") == 1
    undone(terminal, batch)
    house.deliver()
    assert house.contacts.status_of("goes@undo.example") == 2, "whom this service put there is taken off the list"
    assert not [call for call in house.contacts.calls if call.method == "DELETE"]
    assert "goes@undo.example" in house.contacts.contacts


def test_who_is_on_the_way_to_activecampaign_waits_a_minute(house, bring, terminal):
    batch = bring(LIST)
    with house.service.transaction() as connection:
        until = services.now() + timedelta(minutes=1)
        connection.exec_driver_sql(
            "UPDATE outbox_message SET claimed_by = 'r', claimed_until = ? WHERE id = 1", (until.isoformat(" "),)
        )
    done = terminal("undo", batch)
    assert (done.returncode, "1 are on their way" in done.stderr) == (1, True)
    assert house.count(subscriber) == 1
    assert [row.lane for row in house.messages()] == [ACTIVECAMPAIGN]


def test_an_undone_list_can_be_brought_over_again(house, bring, terminal):
    undone(terminal, bring(LIST))
    bring(LIST)
    assert house.status("goes@undo.example") == "active"
    assert house.count(import_batch) == 2


def test_a_batch_nobody_knows_is_refused(terminal):
    for command in ("undo", "invite"):
        done = terminal(command, "nothing")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.splitlines() == ["There is no such batch. See: consent-service import list"]
    assert terminal("list").stdout.startswith("Nothing was brought over yet.")


def test_who_waits_is_asked_and_decides(house, bring, terminal):
    batch = bring("email,first name,language\nyes@asked.example,,sv\nno@asked.example,Anni,fi\n")
    house.do_chores()
    assert "confirmation" not in [row.kind for row in house.messages()], "nobody is asked before staff say so"
    assert "2 people will be asked" in terminal("invite", batch).stdout
    house.do_chores()
    house.deliver()
    yes, no = Visitor(house, "yes@asked.example"), Visitor(house, "no@asked.example")
    assert "men vi har inget bevis på att" in yes.newest().text
    assert "meillä ei ole todistetta" in no.newest().text
    assert (house.status(yes.email), house.status(no.email), house.count(import_row)) == ("pending", "pending", 0)
    assert house.kinds(yes.email) == ["requested", "sent"]
    assert house.asks(yes.email)[0].import_batch_id == batch
    house.get(yes.link("confirm").replace("lang=sv", "lang=fi")).press(CONFIRM)
    no.decline()
    house.deliver()
    assert "Välkommen!" in yes.newest().text
    assert (house.status(yes.email), house.contacts.status_of(yes.email)) == ("active", 1)
    assert house.contacts.contacts[yes.email].sources == {1: 4}, "this is a wish of their own"
    bring("email,grade\nno@asked.example,customer\n")
    assert house.status(no.email) == "pending", "who said no is not made active by a better list"
    house.service.seal()
    assert findings(house) == []
    with time_machine.travel(services.now() + timedelta(days=15), tick=True):
        house.do_chores()
    assert house.person(no.email) is None, "who did not answer is forgotten"


def test_who_was_only_asked_goes_with_the_batch(house, bring, terminal):
    batch = bring("email\nasked@asked.example\n")
    terminal("invite", batch)
    house.do_chores()
    house.deliver()
    assert undone(terminal, batch) == {"undone": 1}
    assert house.person("asked@asked.example") is None


def test_who_was_asked_already_is_not_forgotten_but_erased_on_their_page(house, bring, terminal):
    batch = bring("email\nasked@asked.example\n")
    terminal("invite", batch)
    house.do_chores()
    told = terminal("forget", "asked@asked.example")
    place = f"/staff/subscribers/{house.person('asked@asked.example').id}/erase"
    assert (told.returncode, told.stderr.endswith(f"{place}\n")) == (1, True)
    heidi = Staff(house)
    heidi.log_in()
    assert house.get(place, heidi.http).status == 200
    assert terminal("forget", "nobody@asked.example").stderr == "Nobody with this address waits to be asked.\n"


def test_at_most_half_of_what_the_service_may_send_goes_to_those_on_the_list(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/consent.db", limit_global="6/hour")
    given = variables(house.settings)
    (tmp_path / "list.csv").write_text("email\n" + "".join(f"p{number}@paced.example\n" for number in range(9)))
    done = run(tmp_path, "import", "file", "list.csv", "--staff-name", "Heidi", "--json", given=given)
    run(tmp_path, "import", "invite", json.loads(done.stdout)["batch"], given=given)
    house.do_chores()
    house.do_chores()
    house.deliver()
    assert house.count(subscriber) == 3
    assert len([mail for mail in house.mail.mails if "paced.example" in mail.recipients[0]]) == 3
    visitors = [Visitor(house, f"v{number}@paced.example") for number in range(3)]
    for visitor in visitors:
        visitor.subscribe()
    house.deliver()
    assert all(visitor.mails() for visitor in visitors), "who fills in the form waits for nobody"
    with time_machine.travel(services.now() + timedelta(minutes=61), tick=True):
        house.do_chores()
        house.deliver()
    assert house.count(import_row) == 3


def test_people_who_came_by_themselves_are_not_asked(house, bring, terminal):
    batch = bring("email\ncame@asked.example\nobjects@asked.example\n")
    Visitor(house, "came@asked.example").subscribe()
    with house.service.transaction() as connection:
        suppression.object_for_good(connection, house.service.vault, "objects@asked.example", services.now())
    house.do_chores()
    before = house.count(consent_event)
    terminal("invite", batch)
    house.do_chores()
    assert house.count(import_row) == 0
    assert (house.person("objects@asked.example"), house.count(consent_event)) == (None, before)


def test_who_waits_may_ask_what_is_held_and_have_it_erased(house, bring, terminal, tmp_path):
    bring("email,first name,language\ncurious@asked.example,Aino,sv\nquiet@asked.example,,fi\n")
    curious, before = Visitor(house, "curious@asked.example"), house.count(consent_event)
    house.get("/my-data?lang=fi", house.http).press(fi("Send me the link"), email=curious.email)
    house.deliver()
    assert "Det här är allt vi har om dig" in curious.newest().text
    assert "Aino" in curious.newest().text
    assert house.count(consent_event) == before, "the log tells nobody who is on the list"
    done = run(tmp_path, "export", curious.email, "--to", "x.zip", given=variables(house.settings))
    assert (done.returncode, "it waits to be asked" in done.stderr) == (1, True)
    there = "If ActiveCampaign has a contact with this address, delete it there.\n"
    assert terminal("forget", curious.email, "--objects").stdout == "Erased, and never asked again.\n" + there
    assert terminal("forget", "quiet@asked.example").stdout == "Erased.\n" + there
    assert (house.count(import_row), terminal("forget", curious.email).returncode) == (0, 1)
    bring("email,grade\ncurious@asked.example,customer\nquiet@asked.example,customer\n")
    assert (house.person(curious.email), house.status("quiet@asked.example")) == (None, "active")
