"""What is promised in so many words and would be easy to lose: which fields, which words, and what goes on."""

import pytest

from consent_service import config
from consent_service.language import CODES, language
from consent_service.models.customers import customer
from consent_service.people import read_address
from consent_service.register import customers
from consent_service.register.customers import Details
from tests.actors import Visitor
from tests.register import AINO, VALO, add_customer, customer_of

FIELDS = {"first_name", "last_name", "email", "csrf_token", "website"}
TICKED = ('name="consent"', 'name="tracking"')


@pytest.fixture
def house(sqlite_house):
    return sqlite_house


def test_the_form_asks_for_names_and_address_and_nothing_else(house):
    page = house.get("/subscribe?lang=fi")
    [form] = page.forms
    assert set(form.fields) == FIELDS
    assert page.html.count("<input") == len(FIELDS) + len(TICKED) and all(one in page.html for one in TICKED)


def test_of_the_senders_device_no_more_is_kept_than_the_statement_says(house):
    aino = Visitor(house).becomes_active()
    kept = {name for event in house.story(aino.email) for name in event.tech or {}}
    assert kept == {"ip", "user_agent", "message_id", "smtp_answer"}


@pytest.mark.parametrize("code", CODES)
def test_the_sentence_says_whose_newsletter_it_is_and_stands_on_the_form_as_it_is_kept(house, code):
    consent, page = house.service.consent_text(language(code)), house.get(f"/subscribe?lang={code}")
    assert house.service.controller.possessive[code] in consent.sentence
    assert consent.sentence in page.words and consent.privacy in page.words


def test_activecampaign_gets_names_address_and_the_own_link_alone(house):
    aino = house.person(Visitor(house).becomes_active().email)
    [sent] = [call.body["contact"] for call in house.contacts.calls if call.name == "sync"]
    assert sent.pop("fieldValues", []) in ([], [{"field": "1", "value": house.service.own_links.url(aino.id, "fi")}])
    assert sent == {"email": "aino@example.com", "firstName": "Aino", "lastName": "Mäkelä"}


def test_a_companys_card_keeps_all_that_was_written(house):
    billing = {"billing_address": "Laskutuskatu 9, 00100 Helsinki"}
    add_customer(house, "eero@valo.example", **(VALO | billing))
    kept = customer_of(house)
    assert {name: getattr(kept, name) for name in VALO | billing} == VALO | billing


def test_nothing_of_a_restricted_customer_is_changed_whatever_was_seen(house):
    customer_id = add_customer(house)
    with house.service.transaction() as connection:
        customers.restrict(connection, house.occasion(), customer_id, "pyynnöstä")
    before = house.rows(customer)
    other = Details(**(AINO | {"first_name": "Eero"}), source="phone", language="fi", address=read_address("e@e.fi"))
    with house.service.transaction() as connection:
        assert not customers.change(connection, house.occasion(), customer_id, other)
    assert house.rows(customer) == before


def test_the_optional_tools_are_the_four_that_are_named():
    controller = config.read_controller(config.EXAMPLE_CONTROLLER)
    told = " ".join(str(tool) for tool in controller.cookie)
    for name in ("Google Analytics", "ActiveCampaign", "Facebook", "Instagram"):
        assert name in told
