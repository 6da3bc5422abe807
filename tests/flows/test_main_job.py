"""The whole job through real servers: subscribe, confirm, be forwarded, leave, come back, be added by staff."""

from tests.actors import Staff, Visitor
from tests.conftest import on_both_databases

pytestmark = on_both_databases

SUBSCRIBED, UNSUBSCRIBED = 1, 2


def test_from_the_form_to_activecampaign_and_out_again(house):
    aino = Visitor(house)
    assert aino.subscribe().status == 200
    house.deliver()
    assert house.status(aino.email) == "pending"
    assert not house.contacts.contacts, "nobody unconfirmed may be known there"

    assert aino.confirm().status == 200
    house.deliver()
    assert house.status(aino.email) == "active"
    assert house.contacts.status_of(aino.email) == SUBSCRIBED
    assert house.person(aino.email).contact_id == house.contacts.contacts[aino.email].id

    assert aino.leave().status == 200
    house.deliver()
    assert house.status(aino.email) == "passive"
    assert house.contacts.status_of(aino.email) == UNSUBSCRIBED

    aino.subscribe()
    house.deliver()
    assert house.status(aino.email) == "passive", "a new ask alone changes nothing"
    assert house.contacts.status_of(aino.email) == UNSUBSCRIBED
    aino.confirm()
    house.deliver()
    assert house.status(aino.email) == "active"
    assert house.contacts.status_of(aino.email) == SUBSCRIBED

    assert house.kinds(aino.email) == [
        "requested", "sent", "confirmed", "withdrawn", "requested", "sent", "confirmed",
    ]  # fmt: skip


def test_staff_add_does_nothing_there_until_the_person_confirms(house):
    heidi, eero = Staff(house), Visitor(house, "eero@example.com")
    heidi.log_in()
    assert heidi.add(eero.email).status == 200
    house.deliver()
    assert house.status(eero.email) == "pending"
    assert not house.contacts.contacts
    mail = eero.newest()
    assert "Heidi" in mail.text
    assert "valmennuspäivä Jyväskylässä" in mail.text

    eero.confirm()
    house.deliver()
    assert house.contacts.status_of(eero.email) == SUBSCRIBED
