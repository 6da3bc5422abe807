"""One human in every register: found by name or address without either standing in an address of a page."""

import pytest
from sqlalchemy import insert

from consent_service import service as services
from consent_service.models.earlier_list import import_batch, import_row
from consent_service.models.inbox import contact_message
from consent_service.models.site import cookie_choice
from tests.actors import Staff, Visitor, fi
from tests.asker import LIST, Desk, add_asker
from tests.conftest import on_both_databases
from tests.register import add_somebody
from tests.test_access_log import noted

PLACE = "/staff/people"
LOOK_UP = fi("Look up")


@pytest.fixture
def heidi(house):
    staff = Staff(house)
    staff.log_in()
    return staff


def look_up(house, heidi, words):
    page = house.get(f"{PLACE}?lang=fi", heidi.http).press(LOOK_UP, words=words)
    assert page.status == 200, page.title
    return page


def led_to(page):
    """The pages of people that a page leads to."""
    return [link for link in page.links if link.startswith(f"{PLACE}/")]


def wait(house, email, first="Aino", last="Listanen"):
    """Somebody of an earlier list, waiting to be asked."""
    now = services.now()
    batch = {"id": "b1", "source": "file", "grade": "unknown", "imported_by": "Heidi", "started_at": now}
    row = {"batch_id": "b1", "email": email, "email_key": email, "first_name": first, "last_name": last}
    with house.service.transaction() as connection:
        connection.execute(insert(import_batch).values(batch))
        connection.execute(insert(import_row).values(**row, language="fi", created_at=now))


@on_both_databases
def test_one_address_is_one_line_and_its_page_gathers_every_register(house, heidi):
    aino = Visitor(house).becomes_active()
    aino.write()
    customer_id = add_somebody(house, "Mäkelä", email="aino@example.com")
    add_somebody(house, "Mäkelä-Osoitteeton", phone="+358401234567")
    page = look_up(house, heidi, "mäkelä")
    assert len(led_to(page)) == 2 and "@" not in " ".join(page.links) and "@" not in page.answer.url
    mine = next(link for link in led_to(page) if "/subscribers/" in link)
    person = house.get(f"{mine}?lang=fi", heidi.http)
    assert "Aino Mäkelä" in person.title and "1001" in person.words and "aino@example.com" in person.words
    assert fi("I would like an offer") in person.words
    same = "Only the address is the same: nobody has proved that it is always the same person. "
    assert fi(same + "Choices about cookies are never joined to anybody.") in person.words
    for register in ("subscribers", "contact-messages"):
        assert any(f"/staff/{register}/" in link for link in person.links)
    alone = house.get(next(link for link in led_to(page) if "/customers/" in link) + "?lang=fi", heidi.http)
    assert "1002" in alone.words and "aino@example.com" not in alone.words
    assert mine in house.get(f"/staff/subscribers/{house.person(aino.email).id}?lang=fi", heidi.http).links
    of_customer = f"{PLACE}/customers/{customer_id}"
    assert f"/staff/customers/{customer_id}" in person.links
    assert of_customer in house.get(f"/staff/customers/{customer_id}?lang=fi", heidi.http).links
    assert house.get(of_customer, heidi.http).title == person.title


def test_requests_about_data_of_a_subscriber_or_customer_stand_there_once(house):
    desk = Desk(house)
    aino = Visitor(house).becomes_active()
    known = add_asker(house)
    add_asker(house, "muu@example.com")
    place = f"{PLACE}/subscribers/{house.person(aino.email).id}?lang=fi"
    assert f"{LIST}/" not in house.get(place, desk.heidi.http).html
    asked = []
    for kind, told in (
        ("access", {"email": aino.email, "customer_number": known.number}),
        ("restrict", {"customer_number": known.number}),
        ("access", {"email": "muu@example.com"}),
    ):
        assert desk.take(kind, **told).status == 200
        asked.append(desk.number)
    page = house.get(place, desk.heidi.http)
    assert [link for link in page.links if f"{LIST}/" in link] == [f"{LIST}/{asked[1]}", f"{LIST}/{asked[0]}"]
    request = desk.show(asked[1])
    assert f"/staff/customers/{known.id}" in request.links and f"{known.number} Aino Mäkelä" in request.words


def test_who_looked_is_noted_under_the_name_that_every_page_uses(house, heidi):
    aino = Visitor(house).becomes_active()
    aino.write()
    wait(house, "lista@example.com")
    customer_id = add_somebody(house, "Mäkelä", email="aino@example.com")
    known = {
        "subscribers": ("subscriber", house.person(aino.email).id),
        "customers": ("customer", customer_id),
        "contact-messages": ("contact_message", house.rows(contact_message)[0].id),
        "waiting": ("import_row", house.rows(import_row)[0].id),
    }
    for register, (_, key) in known.items():
        assert house.get(f"{PLACE}/{register}/{key}", heidi.http).status == 200
    looked = {thing for _actor, kind, _what, thing in noted(house) if kind == "looked"}
    assert looked == {f"{thing}:{key}" for thing, key in known.values()}
    account = house.get(f"/staff/accounts/{house.account(heidi.email).id}?lang=fi", heidi.http)
    assert f"/staff/customers/{customer_id}" in account.links


def test_who_waits_or_has_objected_is_found_by_the_whole_address(house, heidi):
    wait(house, "lista@example.com")
    page = look_up(house, heidi, " LISTA@example.com ")
    assert "Aino Listanen" in page.words and fi("Earlier list") in page.words
    [link] = led_to(page)
    assert fi("Earlier list") in house.get(f"{link}?lang=fi", heidi.http).words
    aino = Visitor(house).becomes_active()
    house.object(aino.email)
    house.erase(aino.email)
    page = look_up(house, heidi, aino.email)
    assert fi("objected to marketing") in page.words and fi("Nobody matches.") in page.words


def test_choices_about_cookies_are_joined_to_nobody(house, heidi):
    Visitor(house).becomes_active()
    person = house.get(f"{PLACE}/subscribers/{house.person('aino@example.com').id}?lang=fi", heidi.http)
    assert "/cookies" not in " ".join(person.links) and house.rows(cookie_choice) == []
    assert fi("Cookie choices") not in person.words


@on_both_databases
def test_what_is_empty_or_nobody_gets_a_calm_answer_and_nothing_changes(house, heidi):
    before = house.everything()
    empty = house.get(f"{PLACE}?lang=fi", heidi.http).press(LOOK_UP, words=" \0 ")
    assert empty.status == 400 and fi("Write a name or an address, or a part of one.") in empty.words
    assert fi("Nobody matches.") in look_up(house, heidi, "%").words
    assert fi("Nobody matches.") in look_up(house, heidi, "x" * 400).words
    for register, key in (
        ("subscribers", "aino@example.com"),
        ("customers", "00000000-0000-4000-8000-000000000000"),
        ("customers", "a%00b"),
        ("subscribers", "a%00b"),
        ("contact-messages", "a%00b"),
        ("waiting", "1%00"),
        ("customers", "urn:uuid:00000000-0000-4000-8000-000000000000"),
        ("waiting", "abc"),
        ("waiting", "9" * 40),
        ("waiting", "1"),
        ("nowhere", "1"),
    ):
        assert house.get(f"{PLACE}/{register}/{key}", heidi.http).status == 404
    assert house.everything() == before
    assert house.get(PLACE, allow_redirects=False).status == 302
    assert house.post(PLACE, {"words": "aino"}).status in (302, 400)
