"""Lists of what was erased: ours are signed, and the audit believes no other, whoever wrote it to the database."""

import base64

import pytest
from sqlalchemy import delete, insert, select, update

from consent_service import chores, erasure
from consent_service import service as services
from consent_service.ledger import audit, erased_list, evidence, key_changes
from consent_service.ledger.checkpoint import Signer
from consent_service.models.ledger import consent_event, erased_leaf
from consent_service.models.newsletter import confirmation, subscriber
from tests import plans
from tests.conftest import on_both_databases
from tests.household import LOG_KEY
from tests.tampering import change, findings, lived_in

OTHER_KEY = base64.b64encode(b"another log key, 32 bytes long!!").decode()
NOTHING_LEFT = {"core_sealed": None, "tech_sealed": None, "subscriber_id": None}


@pytest.fixture
def house(open_house, database_url, tmp_path):
    return lived_in(open_house, database_url, tmp_path)


def newest_of_who_left(house):
    """The event by which somebody left, the last one of theirs."""
    with house.service.reading() as connection:
        left = select(consent_event).join(subscriber, subscriber.c.id == consent_event.c.subscriber_id)
        newest = left.where(subscriber.c.status == "passive").order_by(consent_event.c.recorded_at.desc()).limit(1)
        return connection.execute(newest).one()


def take_out(house, row, **noted):
    """Let it never have happened, as whoever may write to the database can: the person is active again."""
    agreed = select(confirmation.c.used_event_id).where(confirmation.c.subscriber_id == row.subscriber_id)
    active = {"status": "active", "passive_since": None, "basis_event_id": agreed.scalar_subquery()}
    change(
        house,
        update(consent_event).where(consent_event.c.id == row.id).values(NOTHING_LEFT),
        update(subscriber).where(subscriber.c.id == row.subscriber_id).values(active),
        insert(erased_leaf).values(event_id=row.id, rule="person", erased_at=services.now(), **noted),
    )


def append(house, payload):
    with house.service.transaction() as connection:
        return evidence.append_plain(connection, house.occasion("relay", "relay"), payload)


def kinds(house):
    return {(finding.kind, finding.event) for finding in findings(house)}


@on_both_databases
@pytest.mark.parametrize("mac", [None, "0" * 64])
def test_leaving_that_was_taken_out_is_named_although_it_is_noted_as_erased(house, mac):
    house.do_chores()
    assert findings(house) == []
    row = newest_of_who_left(house)
    take_out(house, row, mac=mac)
    assert kinds(house) == {("opening missing", row.id)}
    list_again(house)
    assert ("opening missing", row.id) in kinds(house)


def test_a_list_that_no_key_of_the_log_signed_is_named(house):
    house.do_chores()
    row = newest_of_who_left(house)
    change(house, update(consent_event).where(consent_event.c.id == row.id).values(NOTHING_LEFT))
    leaves = [{"id": row.id, "rule": "person"}]
    ours = erased_list.write(house.service.signer, [{"id": row.id, "rule": "passive"}])
    strangers = erased_list.write(Signer(house.service.signer.origin, bytes(32)), leaves)
    forged = [
        erased_list.unsigned(leaves),
        erased_list.unsigned(leaves) | {"signature": "nonsense"},
        erased_list.unsigned(leaves) | {"signature": ours["signature"]},
        strangers,
    ]
    events = [append(house, payload).id for payload in forged]
    wanted = {("list unsigned", event) for event in events} | {("opening missing", row.id)}
    assert wanted <= kinds(house)
    house.service.seal()
    assert wanted <= kinds(house)


def test_what_was_emptied_before_lists_were_signed_is_believed(house):
    """An installation of an earlier version: one list without a signature, and more that waited for the next."""
    house.erase("p0@example.com")
    earlier = [row.event_id for row in house.rows(erased_leaf)]
    append(house, erased_list.unsigned([{"id": event_id, "rule": "person"} for event_id in earlier]))
    change(house, delete(erased_leaf))
    house.service.seal()
    house.erase("p1@example.com")
    change(house, update(erased_leaf).values(mac=None))
    assert findings(house) == []
    house.erase("waits@example.com")
    house.do_chores()
    assert findings(house) == []
    assert house.rows(erased_leaf) == []


def test_making_a_list_reads_no_more_than_it_names(sqlite_house):
    """However many leaves wait, it sorts none and reads none of the others: visitors wait meanwhile."""
    with sqlite_house.service.transaction() as connection:
        with plans.overheard(sqlite_house.service.engine) as heard:
            erasure.record_leaves(connection, sqlite_house.occasion("relay", "relay"), sqlite_house.service.signer)
        asked = [one for one in heard.values() if "FROM erased_leaf" in one.statement]
        assert asked
        for one in asked:
            steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {one.statement}", one.values).all()
            assert not [step.detail for step in steps if "INDEX" not in step.detail], one.statement


def test_the_first_list_is_signed_although_nothing_was_erased(house):
    house.do_chores()
    before = house.count()
    list_again(house)
    assert house.count() == before, "one is enough"
    append(house, erased_list.unsigned([]))
    assert [finding.kind for finding in findings(house)] == ["list unsigned"]


def test_a_list_stays_ours_after_the_log_went_on_under_another_key(house, open_house, tmp_path):
    house.erase("p0@example.com")
    house.do_chores()
    newer = open_house(house.settings.database_url, log_key=f"{OTHER_KEY},{LOG_KEY}")
    newer.service.seal()
    alone = open_house(house.settings.database_url, log_key=OTHER_KEY)
    with alone.service.reading() as connection:
        known = key_changes.with_former(connection, alone.service.verifiers)
        assert audit.audit(connection, alone.service.vault, known, alone.service.anchors.all(), services.now()) == []


def list_again(house):
    """Do what the next day's purge does at its end."""
    assert [*chores.list_leaves(house.service)] in ([], [None])
