"""The consent record as JSON-LD: every field there, every state right, nothing that is not in the events."""

import base64
import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from consent_service import retention
from consent_service import service as services
from consent_service.rights import consent_record, personal_data
from consent_service.rights.consent_record import Place
from tests.actors import AGAIN, DECLINE, Visitor, fi
from tests.consent_record import ConsentRecord

SCHEMA = Path(__file__).parents[1] / "docs" / "consent-record.schema.json"


@pytest.fixture
def aino(sqlite_house):
    person = Visitor(sqlite_house)
    person.subscribe()
    sqlite_house.deliver()
    return person


def raw(person):
    house = person.house
    with house.service.reading() as connection:
        held = personal_data.gather(connection, house.service.vault, house.person(person.email).id, services.now())
    return consent_record.compose(held, Place(house.service.controller, house.service.settings.public_url))


def record(person):
    return ConsentRecord.model_validate_json(json.dumps(raw(person)))


def test_an_ask_gives_no_consent_and_the_answer_does(aino):
    assert record(aino).story == ["ConsentRequested"]
    aino.confirm()
    assert record(aino).story == ["ConsentRequested", "ConsentGiven"]
    given = record(aino).states[-1]
    assert given.kind == ["dpv:ConsentGiven", "dpv:ExpressedConsent"]
    assert given.how == "a press of the button behind the mailed link"
    assert given.lasting.kind == ["dpv:UntilEventDuration"]
    assert record(aino).states[0].lasting.value == "P7D"


def test_how_long_it_is_kept_is_what_the_purge_keeps_to(aino):
    [kept] = [one for one in raw(aino)["dpv:hasProcess"][0]["dpv:hasStorageCondition"] if "dpv:hasDuration" in one]
    assert kept["dpv:hasDuration"]["rdf:value"] == f"P{retention.BY_KEY['passive'].after.days}D"


def test_leaving_withdraws_and_coming_back_renews(aino):
    aino.confirm()
    aino.house.deliver()
    page = aino.leave()
    assert record(aino).story[-1] == "ConsentWithdrawn"
    page.press(AGAIN)
    aino.house.deliver()
    assert record(aino).story[-1] == "ConsentRequested"
    aino.confirm()
    assert record(aino).story[2:] == ["ConsentWithdrawn", "ConsentRequested", "RenewedConsentGiven"]


def test_who_says_no_has_refused(aino):
    aino.decline()
    assert record(aino).story == ["ConsentRequested", "ConsentRefused"]


def test_an_objection_withdraws_what_was_given_and_refuses_what_was_not(aino):
    eero = Visitor(aino.house, "eero@example.com").becomes_active()
    for person, state in ((aino, "ConsentRefused"), (eero, "ConsentWithdrawn")):
        aino.house.object(person.email)
        assert record(person).story[-1] == state


def test_a_stranger_who_refuses_to_be_the_new_address_takes_no_consent_away(aino):
    aino.confirm()
    aino.house.deliver()
    aino.move_to("uusi@example.org")
    aino.house.deliver()
    new = Visitor(aino.house, "uusi@example.org")
    aino.house.get(new.link("confirm")).press(DECLINE)
    assert record(aino).story == ["ConsentRequested", "ConsentGiven", "ConsentRequested"]
    aino.leave()
    assert record(aino).story[-1] == "ConsentWithdrawn"


def test_a_confirmed_new_address_renews(aino):
    aino.confirm()
    aino.house.deliver()
    aino.move_to("uusi@example.org")
    aino.house.deliver()
    new = Visitor(aino.house, "uusi@example.org")
    aino.house.get(new.link("confirm")).press(fi("Confirm the address"))
    assert record(new).story[-1] == "RenewedConsentGiven"
    assert record(new).processes[0].data[0].value == "uusi@example.org"


def test_every_state_names_the_event_and_leaf_that_prove_it(aino):
    aino.confirm()
    aino.house.service.seal()
    told = {event.id: event for event in aino.house.story(aino.email)}
    for status in record(aino).states:
        assert base64.b64decode(status.leaf) == told[status.event].leaf_hash
        assert status.at == told[status.event].core["at"]
        assert isinstance(status.index, int)


def test_the_notices_are_the_texts_that_were_shown(aino):
    [notice] = record(aino).notices
    [asked] = [event.core for event in aino.house.story(aino.email) if event.core["kind"] == "requested"]
    assert {"consent": notice.consent, "privacy": notice.privacy} == asked["texts"]


def test_the_record_is_the_same_person_each_time_and_two_people_have_two(aino):
    eero = Visitor(aino.house, "eero@example.com")
    eero.subscribe()
    assert record(aino).identifier == record(aino).identifier != record(eero).identifier


def test_the_context_travels_along_and_knows_every_word_used(aino):
    aino.confirm()
    told = raw(aino)
    context = told["@context"]
    served = aino.house.http.get(f"{aino.house.url}/static/consent-record-context.jsonld", timeout=20)
    assert context == served.json()["@context"]
    text = json.dumps({name: value for name, value in told.items() if name != "@context"})
    prefixes = set(re.findall(r'"([a-z0-9-]+):[A-Za-z]', text)) - {"urn", "https", "http"}
    assert prefixes
    assert prefixes <= set(context), prefixes - set(context)


def test_the_schema_in_the_documents_is_this_form():
    told = ConsentRecord.model_json_schema(by_alias=True)
    assert json.loads(SCHEMA.read_text("utf-8")) == {"$schema": "https://json-schema.org/draft/2020-12/schema"} | told


@pytest.mark.parametrize(
    "spoil",
    [
        lambda told: told.pop("dpv:hasConsentStatus"),
        lambda told: told.update({"dpv:hasDataController": []}),
        lambda told: told["dpv:hasConsentStatus"][0].update({"@type": ["dpv:ConsentGuessed"]}),
        lambda told: told["dpv:hasConsentStatus"][0].pop("log:leafHash"),
        lambda told: told["dpv:hasProcess"][0].pop("dpv:hasLegalBasis"),
        lambda told: told.update({"dct:conformsTo": "something else"}),
        lambda told: told.update({"more": 1}),
    ],
)
def test_the_form_refuses_what_does_not_fit(aino, spoil):
    told = raw(aino)
    spoil(told)
    with pytest.raises(ValidationError):
        ConsentRecord.model_validate_json(json.dumps(told))
