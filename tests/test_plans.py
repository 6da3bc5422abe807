"""However many people there are: nothing on the way of a visitor, of the relay or of a watcher reads a table through.

The statements are overheard while people come and go, so that none is forgotten. Nobody has run ANALYZE.
"""

from datetime import timedelta

import pytest
from sqlalchemy import insert, text

from bench.people import Population, fill
from consent_service import service as services
from consent_service.activecampaign import departures, forwarding
from consent_service.delivery import outbox
from consent_service.delivery.batches import LEAST, MOST, BatchChannel, relay_batch
from consent_service.delivery.outbox import Hold
from consent_service.ids import new_id
from consent_service.models.columns import metadata
from consent_service.models.delivery import outbox_message
from tests import crowd, plans
from tests.actors import Visitor, fi
from tests.conftest import on_both_databases
from tests.household import household

TOKEN = "metrics-token-0123456789-abcdefghijklm"
GIVEN = {"limit_address": "3/24 hours;6/30 days", "limit_global": "5000/hour;20000/day", "metrics_token": TOKEN}


def come_and_go(house) -> None:
    """Everything that people do who do not belong to the staff, each mail and each update delivered."""
    aino, eero, iida = (Visitor(house, f"{name}@example.com") for name in ("aino", "eero", "iida"))
    for visitor in (aino, eero):
        visitor.becomes_active()
    aino.subscribe()
    aino.move_to("aino@example.org")
    house.deliver()
    iida.subscribe()
    house.deliver()
    iida.decline()
    eero.leave()
    house.get("/unsubscribe?lang=fi").press(fi("Send me the link"), email=aino.email)
    for writer in (aino, Visitor(house, "onni@example.com")):
        assert writer.write(consent="yes" if writer is aino else "").status == 200
        house.get("/my-data?lang=fi").press(fi("Send me the link"), email=writer.email)
    with house.service.transaction() as connection:
        forwarding.look_at(connection, "1", aino.email, services.now())
    house.deliver()
    house.erase(aino.email)
    house.deliver()


def watch(house) -> None:
    """What watchers and the log's readers ask."""
    for path in ("/readyz", "/log/checkpoint", "/log/key-changes"):
        assert house.get(path).status == 200
    assert house.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status == 200


def live(house) -> None:
    come_and_go(house)
    house.do_chores()
    watch(house)
    house.do_chores()
    crowd.confirmed(house, [f"new{number}@example.com" for number in range(LEAST)])
    forward = next(channel for channel in house.channels if isinstance(channel, BatchChannel))
    assert isinstance(relay_batch(house.relay, forward), Hold), "many go together"


def read_through(house, heard) -> dict[str, list[str]]:
    with house.service.transaction() as connection:
        found = {asked.statement: plans.read_through(connection, asked) for asked in heard.values()}
    return {statement: steps for statement, steps in found.items() if steps}


@pytest.fixture(params=[300, pytest.param(200_000, marks=pytest.mark.soak)])
def crowded_house(request, open_house, database_url):
    """A household with many people; behind `soak` with over a million events."""
    house = open_house(database_url, **GIVEN)
    fill(house.service, Population(request.param, due=30))
    if database_url.startswith("postgresql") and request.param < plans.MILLION:
        with house.service.transaction() as connection:
            plans.pretend_to_be_large(connection)
    return house


@on_both_databases
def test_nothing_that_people_or_the_relay_do_reads_a_table_through(crowded_house):
    house = crowded_house
    with plans.overheard(house.service.engine) as heard:
        live(house)
    assert len(heard) > 120, "people came and went"
    assert read_through(house, heard) == {}
    if house.service.engine.dialect.name == "postgresql":
        with house.service.transaction() as connection:
            connection.execute(text("ANALYZE"))
            plans.pretend_to_be_large(connection)
        assert read_through(house, heard) == {}, "nor once somebody has run ANALYZE"


def test_ten_times_as_many_people_make_no_more_work(tmp_path, mail, contacts):
    def work(people: int) -> int:
        folder = tmp_path / str(people)
        with household(folder, f"sqlite:///{folder}/c.db", mail, contacts, **GIVEN) as house:
            fill(house.service, Population(people))
            house.do_chores()  # the day's purge
            crowd.confirmed(house, [f"new{number}@example.com" for number in range(MOST)])
            forward = next(channel for channel in house.channels if isinstance(channel, BatchChannel))
            with plans.worked(house.service.engine) as done:
                assert isinstance(relay_batch(house.relay, forward), Hold), "many go together"
                come_and_go(house)
                watch(house)
                house.do_chores()
        return done.dozens

    few, many = work(100), work(1000)
    assert many < 1.25 * few


def test_a_queue_ten_times_as_long_makes_no_more_work(tmp_path, mail, contacts):
    """As after a purge, when thousands of contacts wait to be deleted there."""

    def work(waiting: int) -> int:
        folder = tmp_path / str(waiting)
        with household(folder, f"sqlite:///{folder}/c.db", mail, contacts, **GIVEN) as house:
            now = services.now()
            alike = {"kind": departures.DELETE, "created_at": now, "due_at": now + timedelta(days=1)}
            rows = [alike | {"lane": lane, "key": new_id(now)} for lane in outbox.LANES for _ in range(waiting)]
            with house.service.transaction() as connection:
                connection.execute(insert(outbox_message), rows)
            with plans.worked(house.service.engine) as done:
                come_and_go(house)
        return done.dozens

    few, many = work(300), work(3000)
    assert many < 1.25 * few


def test_every_reference_is_found_from_its_other_end():
    """Or deleting one row would read through the table of those that may refer to it."""
    missing = []
    for table in metadata.tables.values():
        indexed = [[column.name for column in index.columns] for index in table.indexes]
        indexed += [[column.name for column in key.columns] for key in table.constraints if hasattr(key, "columns")]
        for reference in table.foreign_key_constraints:
            parent = reference.referred_table.name
            starts = {tuple(columns[: len(reference.column_keys)]) for columns in indexed if columns}
            if parent in NEVER_DELETED or tuple(reference.column_keys) in starts:
                continue
            missing.append((table.name, *reference.column_keys))
    assert missing == []


NEVER_DELETED = {"shown_text", "consent_event", "import_batch"}
