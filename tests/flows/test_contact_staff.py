"""Contact messages on the staff pages: found, read, closed, opened again, erased, and seen by nobody else."""

from urllib.parse import unquote, urlsplit

import pytest

from consent_service import erasure as erasing
from consent_service.models.inbox import contact_message
from tests.actors import Staff, Visitor, fi
from tests.conftest import on_both_databases
from tests.household import CONTROLLER
from tests.register import add_customer

LIST = "/staff/contact-messages?lang=fi"
CLOSE, REOPEN, ERASE = fi("Close the message"), fi("Open it again"), fi("Erase for good")


@pytest.fixture
def heidi(house):
    staff = Staff(house)
    staff.log_in()
    return staff


def message_of(house, email):
    return next(row for row in house.rows(contact_message) if row.email == email)


def place(house, email, tail=""):
    return f"/staff/contact-messages/{message_of(house, email).id}{tail}?lang=fi"


def names(page):
    """Who stands in the list, in order."""
    found = [name for name in ("Aino Mäkelä", "Eero Niemi", "Iida Salo") if name in page.words]
    return sorted(found, key=page.words.index)


def write_three(house):
    for email, first, last in (("aino", "Aino", "Mäkelä"), ("eero", "Eero", "Niemi"), ("iida", "Iida", "Salo")):
        Visitor(house, f"{email}@example.com", first, last).write(message=f"Terveisin {first} <script>")


def test_an_empty_list_says_what_to_do_and_the_navigation_leads_there(house, heidi):
    page = house.get("/staff/?lang=fi", heidi.http)
    assert "/staff/contact-messages" in page.links
    assert fi("Contact messages to answer") not in page.words
    empty = house.get(LIST, heidi.http)
    assert empty.status == 200
    assert fi("Nobody has written yet. Put a link to the contact form on your web site.") in empty.words


@pytest.mark.parametrize(
    "email", ["eero%40real.example?bcc=spy%40evil.example&body=x@example.com", "aino+1@example.com"]
)
def test_the_link_to_answer_by_leads_to_that_one_address_whatever_stands_in_it(sqlite_house, email):
    house, heidi = sqlite_house, Staff(sqlite_house)
    heidi.log_in()
    Visitor(house, email).write()
    customer = f"/staff/customers/{add_customer(house, email)}?lang=fi"
    for page in (house.get(place(house, email), heidi.http), house.get(customer, heidi.http)):
        [link] = [link for link in page.links if link.startswith("mailto:") and "example.com" in link]
        found = urlsplit(link)
        assert (unquote(found.path), found.query, found.path.count("@")) == (email, "", 1)


@pytest.mark.parametrize(
    ("typed", "called"), [("+358 (0)40 123 4567", "+358401234567"), ("040-123 4567", "+358401234567"), ("11 2", "112")]
)
def test_the_link_to_call_by_dials_what_was_meant(sqlite_house, typed, called):
    house, heidi = sqlite_house, Staff(sqlite_house)
    heidi.log_in()
    iida = Visitor(house, "iida@example.com")
    iida.write(phone=typed)
    page = house.get(place(house, iida.email), heidi.http)
    assert f"tel:{called}" in page.links and typed in page.words


@on_both_databases
def test_messages_are_listed_searched_read_closed_and_opened_again(house, heidi):
    write_three(house)
    overview = house.get("/staff/?lang=fi", heidi.http)
    assert f"{fi('Contact messages to answer')} 3" in overview.words
    assert names(house.get(LIST, heidi.http)) == ["Iida Salo", "Eero Niemi", "Aino Mäkelä"]
    page = house.get(place(house, "iida@example.com"), heidi.http)
    assert "Terveisin Iida <script>" in page.words and "Iida <script>" not in page.html
    assert "mailto:iida@example.com" in page.links
    assert "tel:+358401234567" in page.links and "+358 40 123 4567" in page.words

    closed = page.press(CLOSE)
    assert (closed.status, closed.answer.history[0].status_code) == (200, 302)
    assert "Heidi" in closed.words.partition(fi("Message from %(name)s", name="Iida Salo"))[2]
    row = message_of(house, "iida@example.com")
    assert (row.closed_by, row.closed_at is not None) == ("Heidi", True)
    assert page.press(CLOSE).status == 200
    assert message_of(house, "iida@example.com") == row, "closing again changes nothing"
    assert names(house.get(LIST, heidi.http)) == ["Eero Niemi", "Aino Mäkelä", "Iida Salo"], "the open ones first"
    for query, found in (("state=open", ["Eero Niemi", "Aino Mäkelä"]), ("state=closed", ["Iida Salo"])):
        assert names(house.get(f"{LIST}&{query}", heidi.http)) == found
    for words, found in (
        ("EERO", ["Eero Niemi"]),
        ("iida@example", ["Iida Salo"]),
        ("%", []),
        ("mä aino", ["Aino Mäkelä"]),
    ):
        assert names(house.get(LIST, heidi.http, params={"q": words})) == found
    assert closed.press(REOPEN).status == 200
    assert message_of(house, "iida@example.com").closed_at is None


def test_the_list_has_pages_of_fifty(house, heidi):
    Visitor(house, "aino@example.com").write()
    row = message_of(house, "aino@example.com")._asdict()
    more = [row | {"id": f"{number:036}", "sent_key": str(number)} for number in range(50)]
    with house.service.transaction() as connection:
        connection.execute(contact_message.insert(), more)
    first, second = (house.get(f"{LIST}&page={number}", heidi.http) for number in (1, 9))
    assert [page.words.count("Aino Mäkelä") for page in (first, second)] == [50, 1]
    assert house.get(f"{LIST}&page=nonsense&q=%00&state=none", heidi.http).status == 200


def test_a_message_that_was_closed_before_its_mail_left_is_not_mailed(house, heidi):
    write_three(house)
    house.get(place(house, "iida@example.com"), heidi.http).press(CLOSE)
    house.deliver()
    assert {mail.message["Reply-To"] for mail in house.mail.to(CONTROLLER.contact_email)} == {
        "aino@example.com",
        "eero@example.com",
    }


def test_the_person_and_their_messages_lead_to_each_other(house, heidi):
    aino = Visitor(house).becomes_active()
    aino.write()
    person = f"/staff/subscribers/{house.person(aino.email).id}"
    message = place(house, aino.email).partition("?")[0]
    assert person in house.get(f"{message}?lang=fi", heidi.http).links
    assert message in house.get(f"{person}?lang=fi", heidi.http).links


def test_a_message_is_erased_on_a_page_that_asks_for_the_last_name(house, heidi):
    write_three(house)
    question = house.get(place(house, "eero@example.com", "/erase"), heidi.http)
    wrong = question.press(ERASE, last_name="Mäkelä")
    assert (wrong.status, wrong.title.startswith(fi("Error:"))) == (400, True)
    assert len(house.rows(contact_message)) == 3
    done = question.press(ERASE, last_name=" niemi ")
    assert fi("The message has been erased here. Delete the mail about it from your mailbox, too.") in done.words
    assert sorted(names(house.get(LIST, heidi.http))) == ["Aino Mäkelä", "Iida Salo"]
    assert question.press(ERASE, last_name="Niemi").status == 404
    house.deliver()
    assert len(house.mail.to(CONTROLLER.contact_email)) == 2


def test_a_message_of_somebody_whose_data_is_held_cannot_be_erased(house, heidi):
    aino = Visitor(house).becomes_active()
    aino.write()
    question = house.get(place(house, aino.email, "/erase"), heidi.http)
    with house.service.transaction() as connection:
        erasing.hold(connection, house.occasion(), house.person(aino.email).id, "lasku 7")
    refused = question.press(ERASE, last_name="Mäkelä")
    assert (refused.status, "lasku 7" in refused.words) == (409, True)
    assert len(house.rows(contact_message)) == 1
    page = house.get(place(house, aino.email), heidi.http)
    assert fi("not before the legal hold is lifted") in page.words


def test_staff_who_erase_a_person_at_their_wish_erase_their_messages_and_by_mistake_do_not(house, heidi):
    aino, eero = Visitor(house).becomes_active(), Visitor(house, "eero@example.com", "Eero", "Niemi").becomes_active()
    for person in (aino, eero):
        person.write()
    for person, why in ((aino, "person"), (eero, "mistake")):
        form = house.get(f"/staff/subscribers/{house.person(person.email).id}/erase?lang=fi", heidi.http)
        assert form.press(fi("Erase for good"), why=why, last_name=person.last).status == 200
    assert [row.email for row in house.rows(contact_message)] == [eero.email]


def test_nobody_but_staff_sees_closes_or_erases_a_message(house):
    write_three(house)
    before = house.everything()
    for tail in ("", "/erase"):
        answer = house.get(place(house, "aino@example.com", tail), allow_redirects=False)
        assert (answer.status, "Mäkelä" in answer.html) == (302, False)
    for tail in ("/close", "/reopen", "/erase"):
        assert house.post(place(house, "aino@example.com", tail), {"last_name": "Mäkelä"}).status in (302, 400)
    assert house.get(LIST, allow_redirects=False).status == 302
    assert house.everything() == before
    nobody = "00000000-0000-4000-8000-000000000000"
    heidi = Staff(house)
    heidi.log_in()
    assert house.get(f"/staff/contact-messages/{nobody}", heidi.http).status == 404
