"""What ActiveCampaign holds about a person, through the other doors: staff, the terminal, languages, no connection."""

import json
import zipfile

import pytest
from sqlalchemy import update

from consent_service import service as services
from consent_service.language import CODES, language
from consent_service.models.delivery import outbox_message
from tests.actors import Staff, Visitor, fi
from tests.household import NO_ACTIVECAMPAIGN
from tests.processes import run, variables

FETCH = fi("Fetch what ActiveCampaign holds")


@pytest.fixture
def aino(sqlite_house):
    return Visitor(sqlite_house).becomes_active()


def give_up(house):
    with house.service.transaction() as connection:
        fetches = outbox_message.c.kind == "fetch"
        connection.execute(update(outbox_message).where(fetches).values(dead_at=services.now()))


def test_staff_fetch_it_on_a_page_of_its_own_and_read_it_there(aino):
    house, heidi = aino.house, Staff(aino.house)
    heidi.log_in()
    place = f"/staff/subscribers/{house.person(aino.email).id}"
    assert f"{place}/there" in " ".join(house.get(f"{place}?lang=fi", heidi.http).links)
    page = house.get(f"{place}/there?lang=fi", heidi.http)
    assert fi("It has not been fetched yet.") in page.words
    assert house.post(f"{place}/there", http=heidi.http).status == 400, "a form of another site gets nothing done"
    page.press(FETCH)
    page = house.get(f"{place}/there?lang=fi", heidi.http)
    assert fi("It is being fetched. That usually takes less than a minute.") in page.words
    house.contacts.held.troubles = {"deals": 403}
    house.deliver()
    page = house.get(f"{place}/there?lang=fi", heidi.http)
    for words in ("lounas-tilaaja (3)", "Soitti 5.10.", f"{fi('Deals')}: {fi('not available in our account')}"):
        assert words in page.words, words
    queue = house.get("/staff/queue?lang=fi", heidi.http)
    assert fi("Reading what ActiveCampaign holds") not in queue.words


def test_one_that_failed_is_shown_to_staff_and_can_be_asked_for_again(aino):
    house, heidi = aino.house, Staff(aino.house)
    aino.my_data().press(FETCH)
    give_up(house)
    heidi.log_in()
    assert "Yksi viesti jäi toimittamatta." in house.get("/staff/?lang=fi", heidi.http).words
    assert fi("Reading what ActiveCampaign holds") in house.get("/staff/queue?lang=fi", heidi.http).words
    page = house.get(aino.link("my-data"))
    assert fi("ActiveCampaign could not be read, although we tried many times.") in page.words
    page.press(FETCH)
    house.deliver()
    assert fi("Found there") in house.get(aino.link("my-data")).words


def test_the_terminal_says_whether_it_is_in_the_file(aino, tmp_path):
    given, absent = variables(aino.house.settings), "What ActiveCampaign holds is not in it"
    assert absent in run(tmp_path, "export", aino.email, "--to", "first.zip", given=given).stdout
    aino.my_data().press(FETCH)
    aino.house.deliver()
    assert absent not in run(tmp_path, "export", aino.email, "--to", "second.zip", given=given).stdout
    with zipfile.ZipFile(tmp_path / "second.zip") as packed:
        assert json.loads(packed.read("activecampaign.json"))["state"] == "fetched"


def test_without_a_connection_it_is_said_plainly_and_nothing_is_asked(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/alone.db", **NO_ACTIVECAMPAIGN)
    aino = Visitor(house).becomes_active()
    page = aino.my_data()
    assert FETCH not in page.html
    alone = fi("ActiveCampaign is not connected with this service now, so nothing can be fetched from it.")
    assert alone in page.words
    page = house.post(aino.link("my-data").replace("?", "/there?"))
    assert (page.status, alone in page.words) == (200, True)
    assert "fetch" not in [row.kind for row in house.messages()]


@pytest.mark.parametrize("code", CODES)
def test_the_pages_are_in_the_readers_language(aino, code):
    say, house = language(code).say, aino.house
    aino.my_data()
    link = aino.link("my-data").partition("?")[0] + f"?lang={code}"
    asked = house.get(link).press(say("Fetch what ActiveCampaign holds"))
    assert say("See whether it is ready") in asked.words
    house.contacts.held.troubles = {"notes": 500}
    house.deliver()
    page = house.get(link)
    for words in ("What ActiveCampaign holds about you", "Found there", "Empty there", "These could not be read:"):
        assert say(words) in page.words, words
