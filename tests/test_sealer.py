"""The sealer: every event gets exactly one place, in whatever order commits come; nothing rewritten is signed."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, text, update

from consent_service import service as services
from consent_service.ledger import audit, evidence, merkle, sealer, tiles
from consent_service.ledger.anchors import Anchor, Anchors
from consent_service.ledger.sealer import SealRefused
from consent_service.models.ledger import checkpoint, consent_event, log_tile
from consent_service.service import Service
from tests.conftest import on_both_databases
from tests.household import CONTROLLER, settings
from tests.processes import FORKS

NEXT = "; run: consent-service audit, and read docs/evidence.md$"


def append(connection, service, number=1):
    for _ in range(number):
        evidence.append_plain(connection, service.occasion("relay", "relay"), {"kind": "erased"})


def add(house, number=1):
    with house.service.transaction() as connection:
        append(connection, house.service, number)


def outlast_an_outage(house, number):
    """Let so many events wait, written one a second until now."""
    now = services.now()
    with house.service.transaction() as connection:
        for second in range(number, 0, -1):
            then = replace(house.occasion("relay", "relay"), now=now - timedelta(seconds=second))
            evidence.append_plain(connection, then, {"kind": "filler"})


def places(house):
    with house.service.reading() as connection:
        return connection.execute(select(consent_event.c.log_index).order_by(consent_event.c.log_index)).scalars().all()


def naive_root(house):
    with house.service.reading() as connection:
        leaves = connection.execute(select(consent_event.c.leaf).order_by(consent_event.c.log_index)).scalars().all()
    level = [merkle.leaf_hash(leaf) for leaf in leaves]
    while len(level) > 1:  # joins neighbours; the last one left over moves up as it is
        joined = [merkle.join(*level[at : at + 2]) for at in range(0, len(level) - 1, 2)]
        level = joined + level[len(joined) * 2 :]
    return level[0]


@on_both_databases
def test_events_get_places_without_gaps_and_the_root_is_the_naive_one(house):
    sizes = []
    for number in (1, 2, 5, 250, 1, 300, 7):
        add(house, number)
        found = house.service.seal()
        sizes.append(found.size)
        assert found.root == naive_root(house)
    assert sizes == [1, 3, 8, 258, 259, 559, 566]
    assert places(house) == list(range(566))
    assert house.service.seal() is None, "nothing waits"


@on_both_databases
def test_proofs_hold_across_tiles(house):
    add(house, 700)
    house.service.seal()
    with house.service.reading() as connection:
        signed, node = sealer.newest(connection), tiles.reader(connection)
        rows = connection.execute(select(consent_event.c.log_index, consent_event.c.leaf_hash)).all()
        for row in rows[::13]:
            path = merkle.inclusion(row.log_index, signed.size, node)
            merkle.check_inclusion(row.leaf_hash, row.log_index, signed.size, path, signed.root)


@on_both_databases
def test_what_commits_late_is_sealed_later_and_not_skipped(house):
    """The event is older than the seal, but its transaction ends after it."""
    if house.service.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    with house.service.transaction() as slow:
        append(slow, house.service)
        add(house, 3)
        assert house.service.seal().size == 3
    assert house.service.seal().size == 4
    assert places(house) == [0, 1, 2, 3]


@on_both_databases
def test_writers_and_two_sealers_at_once_give_every_event_one_place(house):
    others = [Service(house.settings, CONTROLLER, house.service.folder) for _ in range(2)]
    done = threading.Event()

    def write():
        for _ in range(40):
            add(house, 2)

    def seal(service):
        while not done.is_set():
            service.seal()

    writers = [threading.Thread(target=write) for _ in range(3)]
    sealers = [threading.Thread(target=seal, args=(other,)) for other in others]
    for thread in [*writers, *sealers]:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in sealers:
        thread.join()
    house.service.seal()
    assert places(house) == list(range(240))
    with house.service.reading() as connection:
        assert sealer.newest(connection).root == naive_root(house)
    sizes = [anchor.checkpoint.size for anchor in house.service.anchors.all()]
    assert sizes == sorted(set(sizes)), "kept once each, and in order"
    assert sizes[-1] == 240
    for other in others:
        other.engine.dispose()


def write_alone(url, folder, number):
    """In a process of its own: append events, one transaction each, and seal now and then."""
    service = Service(settings(url), CONTROLLER, folder)
    for count in range(number):
        with service.transaction() as connection:
            append(connection, service)
        if count % 7 == 0:
            service.seal()
    service.engine.dispose()


@on_both_databases
def test_processes_that_write_and_seal_at_once_skip_and_double_nothing(house):
    url, folder = house.settings.database_url, house.service.folder
    writers = [FORKS.Process(target=write_alone, args=(url, folder, 30)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 4
    house.service.seal()
    assert places(house) == list(range(120))
    with house.service.reading() as connection:
        assert sealer.newest(connection).root == naive_root(house)
    sizes = [anchor.checkpoint.size for anchor in house.service.anchors.all()]
    assert sizes == sorted(set(sizes)), "kept once each, and in order"


@on_both_databases
def test_a_rewritten_log_is_not_signed(house):
    add(house, 5)
    house.service.seal()
    with house.service.transaction() as connection:  # somebody with every power over the database, but not the file
        connection.execute(delete(checkpoint))
        connection.execute(delete(log_tile))
        victim = select(consent_event.c.id).where(consent_event.c.log_index == 2).scalar_subquery()
        connection.execute(delete(consent_event).where(consent_event.c.id == victim))
        connection.execute(update(consent_event).values(log_index=None))
    add(house, 5)
    with pytest.raises(SealRefused, match=NEXT):
        house.service.seal()
    assert places(house) == [None] * 9, "the refusal left no place behind"


@on_both_databases
def test_an_older_database_is_not_signed_and_says_so(house):
    add(house, 3)
    house.service.seal()
    add(house, 3)
    house.service.seal()
    with house.service.transaction() as connection:  # as the backup was before the second seal
        connection.execute(delete(consent_event).where(consent_event.c.log_index >= 3))
        connection.execute(delete(checkpoint).where(checkpoint.c.size > 3))
    add(house)
    with pytest.raises(SealRefused, match=f"the log has 4 events, but 6 were signed at .*{NEXT}"):
        house.service.seal()


@on_both_databases
def test_a_lost_tile_is_told_and_not_signed_over(house):
    add(house, 300)
    house.service.seal()
    with house.service.transaction() as connection:
        connection.execute(delete(log_tile).where(log_tile.c.level == 1))
    add(house)
    with pytest.raises(SealRefused, match=f"tile 0 of level 1 is missing.*{NEXT}"):
        house.service.seal()


@on_both_databases
def test_the_file_outside_gets_every_checkpoint_once_also_after_a_crash_in_between(house):
    add(house)
    with house.service.transaction() as connection:  # sealed, but the machine went down before the file was written
        sealer.seal(connection, [house.service.signer], house.service.anchors, services.now())
    assert house.service.anchors.newest() is None
    add(house)
    house.service.seal()
    house.service.seal()
    assert [anchor.checkpoint.size for anchor in house.service.anchors.all()] == [1, 2]


def test_a_line_that_a_crash_cut_off_is_ended(tmp_path, sqlite_house):
    signer, anchors = sqlite_house.service.signer, Anchors(tmp_path / "kept" / "anchors.jsonl")
    first, second = (Anchor(signer.sign(size, bytes(32)), services.now() + timedelta(size)) for size in (1, 2))
    anchors.append(first)
    with anchors.path.open("ab") as file:
        file.write(b'{"at": "2026-')
    assert anchors.newest() == first
    anchors.append(second)
    assert [*anchors.all()] == [first, second]
    assert anchors.newest() == second


def test_one_seal_reads_and_writes_little_in_a_large_log(sqlite_house):
    """The cost of a seal is in what waits: the tiles touched do not grow with the log."""
    add(sqlite_house, 3000)
    sqlite_house.service.seal()
    add(sqlite_house)
    with sqlite_house.service.reading() as connection:
        before = dict(connection.execute(select(func.hex(log_tile.c.hashes), log_tile.c.number)).all())
    sqlite_house.service.seal()
    with sqlite_house.service.reading() as connection:
        after = dict(connection.execute(select(func.hex(log_tile.c.hashes), log_tile.c.number)).all())
        rows = connection.execute(text("SELECT count(*) FROM log_tile")).scalar_one()
    assert len(after.keys() - before.keys()) == 1
    assert rows == 12 + 1


def test_after_an_outage_few_are_sealed_at_a_time_and_the_log_is_as_clean(sqlite_house):
    outlast_an_outage(sqlite_house, sealer.MOST + 100)
    assert sqlite_house.service.seal().size == sealer.MOST + 100
    sizes = [anchor.checkpoint.size for anchor in sqlite_house.service.anchors.all()]
    assert sizes == [sealer.MOST, sealer.MOST + 100]
    service = sqlite_house.service
    with service.snapshot() as connection:
        found = audit.audit(connection, service.vault, service.verifiers, service.anchors.all(), services.now())
    assert found == [], "those sealed last had waited as long as those sealed first"
