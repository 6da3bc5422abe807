"""What staff read: where a person stands with ActiveCampaign, what a message does, words that fit what they count."""

import re

import pytest
from sqlalchemy import update

from consent_service import service as services
from consent_service.language import HELSINKI, language
from consent_service.models.delivery import outbox_message
from tests.actors import Staff, Visitor, fi
from tests.conftest import on_both_databases
from tests.household import NO_ACTIVECAMPAIGN


@pytest.fixture
def look(house):
    """Open a staff page of a household in Finnish."""

    def opened(path, at=house):
        page = at.get(path + ("&" if "?" in path else "?") + "lang=fi", heidi.http)
        assert page.status == 200, page.title
        return page

    heidi = Staff(house)
    heidi.log_in()
    return opened


def at_activecampaign(page):
    return re.search(r"<dt>ActiveCampaign</dt><dd>(.*?)</dd>", page.html)[1]


@on_both_databases
def test_a_persons_page_says_where_they_stand_with_activecampaign(house, look):
    aino = Visitor(house)
    aino.subscribe()
    page = f"/staff/subscribers/{house.person(aino.email).id}"
    assert at_activecampaign(look(page)) == fi("nothing goes there before they confirm")
    house.deliver()
    aino.confirm()
    assert at_activecampaign(look(page)) == fi("on its way")
    house.deliver()
    assert at_activecampaign(look(page)) == fi("contact %(id)s", id=house.person(aino.email).contact_id)
    aino.leave()
    with house.service.transaction() as connection:
        undone = outbox_message.c.done_at.is_(None) & (outbox_message.c.lane == "activecampaign")
        connection.execute(update(outbox_message).where(undone).values(dead_at=services.now(), last_error="tried"))
    assert at_activecampaign(look(page)) == fi("the update was refused")
    look("/staff/queue").press(fi("Try again"))
    house.deliver()
    assert at_activecampaign(look(page)) == fi("taken off the list")


def test_without_a_connection_it_says_that_they_wait_for_one(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/alone.db", **NO_ACTIVECAMPAIGN)
    heidi, aino, eero = Staff(house), Visitor(house).becomes_active(), Visitor(house, "eero@example.com")
    eero.becomes_active().leave()
    heidi.log_in()
    page = house.get(f"/staff/subscribers/{house.person(aino.email).id}?lang=fi", heidi.http)
    assert at_activecampaign(page) == fi("waits for the connection")
    queue = house.get("/staff/queue?lang=fi", heidi.http)
    rows = re.findall(r'<th scope="row">\s*(.*?)\s*</th>.*?>(\w+ \w+)</a>', queue.html, re.DOTALL)
    add, remove = fi("ActiveCampaign: onto the list"), fi("ActiveCampaign: off the list")
    assert sorted(kind for kind, _ in rows) == sorted([add, remove, remove]), (
        "what it will do, not what it was made for"
    )
    assert fi("Last problem") not in queue.words, "there is none"
    assert queue.words.count(fi("after the same person's earlier one")) == 1


@on_both_databases
def test_of_two_updates_about_one_person_the_later_one_is_said_to_wait_for_the_earlier_one(house, look):
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    house.contacts.stop()
    aino.confirm()
    house.deliver()
    aino.leave()
    house.contacts.start()
    rows = [row for row in look("/staff/queue").html.split("<tr>") if fi("ActiveCampaign: off the list") in row]
    assert [fi("after the same person's earlier one") in row for row in rows] == [False, True]
    house.deliver()
    assert fi("Nothing waits.") in look("/staff/queue").words


def test_a_problem_has_its_column_when_there_is_one(house, look):
    Visitor(house).subscribe()
    house.mail.answer_next("rcpt", 451, "4.7.1 Greylisted")
    house.deliver()
    assert fi("Last problem") in look("/staff/queue").words


@on_both_databases
def test_groups_are_called_by_what_they_count(house, look):
    Visitor(house).becomes_active()
    Visitor(house, "eero@example.com").becomes_active().leave()
    for page in (look("/staff/"), look("/staff/subscribers")):
        for group in ("Unconfirmed people", "Active subscribers", "Passive subscribers"):
            assert fi(group) in page.words
    gone = look("/staff/subscribers?status=passive")
    assert language("fi").count("One person", "%(number)s people", 1) in gone.words
    assert f'<span class="status passive">{fi("Passive")}</span>' in gone.html, "the promise's own word for it"


@on_both_databases
def test_another_language_keeps_the_search(house, look):
    Visitor(house).subscribe()
    page = look("/staff/subscribers?q=aino&status=pending")
    [swedish] = [link for link in page.links if "lang=sv" in link]
    assert "q=aino" in swedish and "status=pending" in swedish


def test_the_evidence_of_a_mail_explains_its_marks_and_the_story_its_seconds(house, look):
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    page = look(f"/staff/subscribers/{house.person(aino.email).id}")
    assert "{confirm_url}" in page.words
    assert page.words.count(fi("Where marks like {expires_at} stand, the person's message had its own values.")) == 1
    for event in house.story(aino.email):
        local = event.at.astimezone(HELSINKI)
        assert f"{local:%H.%M.%S}" in page.words
