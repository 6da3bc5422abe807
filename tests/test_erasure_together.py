"""Many people erased in one act, each step once for all of them: the same is left as if they went one after another."""

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, insert, select, update

from consent_service import erasure, retention
from consent_service import service as services
from consent_service.activecampaign import strangers
from consent_service.delivery import outbox, suppression
from consent_service.erasure import BY_PERSON, IMPORT_UNDONE
from consent_service.models.columns import metadata
from consent_service.models.delivery import outbox_message
from consent_service.models.earlier_list import import_batch, import_row
from consent_service.models.newsletter import confirmation, departure, subscriber
from tests import crowd
from tests.actors import Visitor, fi
from tests.conftest import on_both_databases

pytestmark = on_both_databases

CHANCE = ("id", "key", "departure_id")  # what is drawn or counted anew for every row
NAMES = ("left", "asked", "held", "writes", "called", "carried", "moved", "objected", "brought", "waits", "put_off")


class Undone(Exception):
    """What a transaction did is not to last."""


@pytest.fixture
def village(house):
    """The ids of people of every kind an erasure has to tell apart, and one of nobody."""
    emails = {name: f"{name}@village.example" for name in NAMES}
    crowd.become_active(house, [emails[name] for name in NAMES if name != "asked"])
    crowd.ask(house, [emails["asked"]])
    house.deliver()
    _move(Visitor(house, emails["moved"]), "new@village.example")
    Visitor(house, emails["writes"]).write()
    crowd.leave(house, emails["left"])
    house.object(emails["objected"])
    emails["moved"] = "new@village.example"
    ids = {name: house.person(email).id for name, email in emails.items()}
    with house.service.transaction() as connection:
        erasure.hold(connection, house.occasion(), ids["held"], "claim")
        _bring(connection, ids["brought"])
        _wait(connection, emails["waits"])
        _put_off(connection, house, ids["put_off"], emails["put_off"])
        _be_busy(connection, ids["called"], claimed_by="relay", claimed_until=services.now() + timedelta(minutes=2))
        _be_busy(connection, ids["carried"], bulk_id="bulk-7")
    return [*ids.values(), "nobody"]


def _move(person, email):
    person.move_to(email)
    person.house.deliver()
    owner = Visitor(person.house, email)
    assert person.house.get(owner.link("confirm")).press(fi("Confirm the address")).status == 200
    person.house.deliver()


def _bring(connection, subscriber_id):
    batch = {"id": "b1", "source": "file", "grade": "customer", "imported_by": "Heidi", "started_at": services.now()}
    connection.execute(insert(import_batch).values(batch))
    theirs = confirmation.c.subscriber_id == subscriber_id
    connection.execute(update(confirmation).where(theirs).values(import_batch_id="b1"))


def _wait(connection, email):
    names = {"first_name": "Aino", "last_name": "Mäkelä", "language": "fi"}
    waits = {"batch_id": "b1", "email": email, "email_key": email, "created_at": services.now()}
    [row_id] = connection.execute(insert(import_row).values(waits | names)).inserted_primary_key
    outbox.enqueue(connection, outbox.MAIL, "invitation", services.now(), import_row_id=row_id)


def _put_off(connection, house, subscriber_id, email):
    known = select(subscriber.c.contact_id).where(subscriber.c.id == subscriber_id)
    contact_id, vault = connection.execute(known).scalar_one(), house.service.vault
    strangers.know_again(connection, vault.address_hash(email), contact_id, services.now())
    strangers.know_again(connection, vault.address_hash("other@village.example"), "4711", services.now())
    suppression.decline(connection, vault, email, services.now())


def _be_busy(connection, subscriber_id, **how):
    outbox.enqueue(connection, outbox.ACTIVECAMPAIGN, "sync", services.now(), subscriber_id=subscriber_id)
    mine = (outbox_message.c.subscriber_id == subscriber_id, outbox_message.c.done_at.is_(None))
    connection.execute(update(outbox_message).where(*mine).values(how))


def _left(connection):
    """Every row of every table, without what chance decides; of which departure a message is, by its person."""
    whose = dict(connection.execute(select(departure.c.id, departure.c.email)).all())
    left = {}
    for table in metadata.sorted_tables:
        rows = [row._asdict() for row in connection.execute(select(table))]
        told = [{"of": whose.get(row.get("departure_id")), **row} for row in rows]
        kept = [{name: value for name, value in row.items() if name not in CHANCE} for row in told]
        left[table.name] = sorted(kept, key=repr)
    return left


def _after(house, occasion, act):
    """What is left after an act that does not last, and what it told."""
    with contextlib.suppress(Undone), house.service.transaction() as connection:
        told = act(connection, occasion)
        left = _left(connection)
        raise Undone
    return left, told


@pytest.mark.parametrize("examples", [8, pytest.param(15, marks=pytest.mark.soak)])
def test_together_leaves_the_same_as_one_by_one(house, village, examples):
    occasion = house.occasion("relay", "relay")

    @settings(max_examples=examples, deadline=None, derandomize=True, database=None)
    @given(
        whom=st.lists(st.sampled_from(village), unique=True, min_size=1),
        rule=st.sampled_from(("passive", BY_PERSON, IMPORT_UNDONE)),
        tell=st.booleans(),
    )
    def is_the_same(whom, rule, tell):
        def together(connection, occasion):
            return erasure.erase_all(connection, occasion, whom, rule, tell=tell)

        def one_by_one(connection, occasion):
            told = {one: erasure.erase(connection, occasion, one, rule, tell=tell) for one in whom}
            return {one: held for one, held in told.items() if held}

        assert _after(house, occasion, together) == _after(house, occasion, one_by_one)

    is_the_same()
    everybody = _after(house, occasion, lambda *given: erasure.erase_all(*given, village, BY_PERSON, tell=True))
    left, held = everybody
    assert [one.reason for one in held.values()] == ["claim"]
    assert len(left["subscriber"]) == 1
    assert len(left["departure"]) == len(village) - 1, "all but who is held and nobody, and the mover's former address"


def test_a_former_address_that_goes_too_keeps_no_contact_there(house):
    """Whoever has it by now is erased in the same act, so they are no reason to spare it."""
    mover = Visitor(house, "first@village.example").becomes_active()
    _move(mover, "second@village.example")
    heir = Visitor(house, "first@village.example").becomes_active()
    ids = [house.person(email).id for email in ("second@village.example", heir.email)]
    with house.service.transaction() as connection:
        erasure.erase_all(connection, house.occasion(), ids, "passive", tell=False)
    house.deliver()
    assert house.contacts.contacts == {}


def test_nobody_at_all_changes_nothing(house):
    Visitor(house).becomes_active()
    before = house.everything()
    with house.service.transaction() as connection:
        assert erasure.erase_all(connection, house.occasion(), [], "passive", tell=False) == {}
        assert erasure.erase_all(connection, house.occasion(), ["nobody"], "passive", tell=True) == {}
    assert house.everything() == before


def test_a_slice_of_the_purge_asks_the_database_as_often_for_many_as_for_few(house):
    """Or a purge of a hundred thousand people would take the night."""
    asked = []
    crowd.become_active(house, [f"p{number}@village.example" for number in range(30)])
    with house.service.transaction() as connection:
        gone = {"status": "passive", "basis_event_id": None, "passive_since": services.now() - timedelta(days=352)}
        connection.execute(update(subscriber).values(gone))
    event.listen(house.service.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))

    def slice_of(number):
        asked.clear()
        with house.service.transaction() as connection:
            rule = retention.BY_KEY["passive"]
            assert retention.purge_due(connection, house.occasion("relay", "relay"), rule, number) == number
        return len(asked)

    assert slice_of(3) == slice_of(20) < 25
