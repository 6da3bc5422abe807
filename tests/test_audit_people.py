"""The audit of people: an edited payload, row, ask, key or objection is named, and so is a text that is gone."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import delete, select, update

from consent_service import service as services
from consent_service import subscriptions
from consent_service.ledger import evidence, seal, vault
from consent_service.models.ledger import consent_event, shown_text, subject_key
from consent_service.models.newsletter import confirmation, subscriber, suppression
from tests.actors import Visitor
from tests.conftest import on_both_databases
from tests.tampering import Undone, at, audited, change, findings, flipped, ids_of, lived_in, names, of


@pytest.fixture
def house(open_house, database_url, tmp_path):
    return lived_in(open_house, database_url, tmp_path)


def test_an_edited_payload_is_named(house):
    row = at(house)
    change(house, of(row).values(core_sealed=flipped(row.core_sealed)))
    assert names(house, row, "payload changed")


def test_an_edited_device_note_is_named(house):
    with house.service.reading() as connection:
        row = connection.execute(select(consent_event).where(consent_event.c.tech_sealed.is_not(None)).limit(1)).one()
    change(house, of(row).values(tech_sealed=flipped(row.tech_sealed)))
    assert names(house, row, "payload changed")


def test_a_payload_forged_with_the_persons_own_key_is_named(house):
    """Somebody with the database and the data keys writes another payload, correctly encrypted."""
    row = at(house)
    with house.service.reading() as connection:
        wrapped = connection.execute(
            select(subject_key.c.wrapped).where(subject_key.c.subscriber_id == row.subscriber_id)
        ).scalar_one()
    key = house.service.vault.unwrap(wrapped, row.subscriber_id)
    opening = evidence.opened(key, row.id, "core", row.core_sealed)
    forged = seal.Opening(opening.payload | {"door": "form"}, opening.blind)
    content = vault.encrypt(key, evidence._content(forged), evidence._context(row.id, "core"))
    change(house, of(row).values(core_sealed=content))
    assert names(house, row, "payload changed")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("email_key", "eve@example.com"),
        ("first_name", "Eve"),
        ("language", "sv"),
        ("left_reason", "other"),
        ("email", "eve@example.com"),
        ("asked_at", services.now()),
    ],
)
def test_an_edited_person_is_named(house, column, value):
    person = house.person("p1@example.com")
    change(house, update(subscriber).where(subscriber.c.id == person.id).values({column: value}))
    found = findings(house)
    assert {finding.kind for finding in found} == {"row changed"}
    assert f"{column} of subscriber {person.id}" in found[0].says


def test_a_whole_person_deleted_is_noticed(house):
    row = at(house)
    mine = subscriber.c.id == row.subscriber_id
    pending = update(subscriber).where(mine).values(status="pending", basis_event_id=None)
    change(house, pending, delete(subscriber).where(mine))
    [found] = findings(house)
    assert (found.kind, found.event in ids_of(house, row.subscriber_id)) == ("opening missing", True)


def test_a_deleted_key_is_noticed(house):
    row = at(house)
    change(house, delete(subject_key).where(subject_key.c.subscriber_id == row.subscriber_id))
    [found] = findings(house)
    assert (found.kind, found.event in ids_of(house, row.subscriber_id)) == ("opening missing", True)


def test_two_rows_that_swapped_their_payloads_are_named(house):
    one, other = at(house, 2), at(house, 5)
    change(house, of(one).values(core_sealed=other.core_sealed), of(other).values(core_sealed=one.core_sealed))
    found = {finding.event for finding in findings(house) if finding.kind == "payload changed"}
    assert found & {one.id, other.id}


def test_a_deleted_text_is_named(house):
    with house.service.reading() as connection:
        used = select(confirmation.c.statement_sha256)
        text = connection.execute(select(shown_text).where(shown_text.c.sha256.not_in(used)).limit(1)).one()
    change(house, delete(shown_text).where(shown_text.c.sha256 == text.sha256))
    found = findings(house)
    assert {finding.kind for finding in found} == {"text missing"}
    assert text.sha256 in found[0].says


def test_an_edited_ask_is_named(house):
    person = house.person("p1@example.com")
    mine = update(confirmation).where(confirmation.c.subscriber_id == person.id)
    for column, value in (
        ("purpose_version", 9), ("asked_at", services.now()), ("source", "link"), ("language", "sv"),
        ("first_name", "Eve"), ("staff_name", "Nobody"), ("used_at", services.now()), ("purpose", "everything"),
        ("expires_at", services.now() + timedelta(days=9)),
    ):  # fmt: skip
        with pytest.raises(Undone), house.service.transaction() as connection:
            connection.execute(mine.values({column: value}))
            found = audited(house, connection)
            assert [finding.kind for finding in found] == ["row changed"], column
            assert column in found[0].says
            raise Undone


def test_a_link_that_was_made_to_work_longer_is_named_also_once_that_was_undone(house):
    late = Visitor(house, "late@example.com")
    late.subscribe()
    house.deliver()
    mine = update(confirmation).where(confirmation.c.subscriber_id == house.person(late.email).id)
    ends = house.asks(late.email)[0].expires_at
    with time_machine.travel(ends + timedelta(hours=1)):
        change(house, mine.values(expires_at=ends + timedelta(days=1)))
        late.confirm()
        change(house, mine.values(expires_at=ends))
        assert house.status(late.email) == "active"
        [found] = [one for one in findings(house) if one.kind == "row changed"]
    assert found.says.endswith("was confirmed after its link had ended")


@on_both_databases
def test_a_forgotten_objection_is_named(house):
    person = house.person("p1@example.com")
    with house.service.transaction() as connection:
        occasion = house.occasion("subscriber", "link")
        subscriptions.object_for_good(connection, occasion, person.id)
    assert findings(house) == []
    change(house, delete(suppression))
    [found] = findings(house)
    assert found.kind == "row changed"
    assert person.id in found.says
