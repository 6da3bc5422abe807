"""The audit: silent on an untouched ledger, and for each kind of tampering it names the row or the checkpoint."""

import json
import shutil
from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, select, update

from consent_service import asks, database, subscriptions
from consent_service import service as services
from consent_service.asks import Ask
from consent_service.language import language
from consent_service.ledger import audit, evidence, merkle, seal, sealer, tiles
from consent_service.ledger.anchors import Anchor
from consent_service.ledger.checkpoint import Signer
from consent_service.models.ledger import checkpoint, consent_event, log_tile, shown_text
from consent_service.notices import statements
from consent_service.people import read_address
from consent_service.service import Service
from tests.actors import Visitor
from tests.conftest import on_both_databases
from tests.household import CONTROLLER
from tests.processes import run, variables
from tests.tampering import at, change, findings, flipped, lived_in, names, of


@pytest.fixture
def house(open_house, database_url, tmp_path):
    return lived_in(open_house, database_url, tmp_path)


@on_both_databases
def test_an_untouched_ledger_is_clean(house):
    assert findings(house) == []


@pytest.mark.parametrize("column", ["recorded_at", "leaf_hash"])
def test_an_edited_plain_column_is_named(house, column):
    row = at(house)
    value = row.recorded_at - timedelta(days=3) if column == "recorded_at" else flipped(row.leaf_hash)
    change(house, of(row).values({column: value}))
    assert names(house, row, "column changed")


def test_a_deleted_row_is_named_by_its_place(house):
    row = at(house, 0)  # somebody's request, which no row refers to
    change(house, delete(consent_event).where(consent_event.c.id == row.id))
    [missing, *others] = findings(house)
    assert (missing.kind, missing.place) == ("event missing", 1)
    assert missing.checkpoint > 0
    assert "event missing" in {finding.kind for finding in others}, "the person's next event tells it too"


def test_the_deleted_newest_row_is_named_by_its_place(house):
    newest = house.count() - 2  # the last one is not sealed yet
    row = at(house, newest)
    change(house, delete(consent_event).where(consent_event.c.id == row.id))
    assert newest + 1 in [finding.place for finding in findings(house) if finding.kind == "event missing"]


def test_an_emptied_row_without_a_sealed_erasure_is_named(house):
    row = at(house)
    change(house, of(row).values(core_sealed=None, tech_sealed=None, subscriber_id=None))
    assert names(house, row, "opening missing")


def test_a_back_dated_event_is_named(house):
    """Written into the log today, correctly in every way, but with a time of last year."""
    now = services.now()
    leaf = seal.leaf("ab" * 16, now - timedelta(days=365), bytes(32), bytes(32))
    values = {"id": "ab" * 16, "recorded_at": now - timedelta(days=365), "leaf": leaf}
    change(house, insert(consent_event).values(**values, leaf_hash=merkle.leaf_hash(leaf)))
    house.service.seal()
    [found] = [finding for finding in findings(house) if finding.kind == "back-dated"]
    assert found.event == "ab" * 16


def test_two_rows_that_changed_places_are_named(house):
    one, other = at(house, 2), at(house, 5)
    change(
        house,
        of(one).values(log_index=None),
        of(other).values(log_index=2),
        of(one).values(log_index=5),
    )
    found = {(finding.event, finding.place) for finding in findings(house) if finding.kind == "event changed"}
    assert found == {(other.id, 3), (one.id, 6)}


@on_both_databases
def test_a_log_rewritten_and_signed_again_is_named_by_its_first_broken_checkpoint(house):
    """Somebody with the database and the signing key builds the log anew without one event."""
    row = at(house, 2)
    with house.service.transaction() as connection:
        before = connection.execute(select(checkpoint.c.size, checkpoint.c.signed_at).order_by(checkpoint.c.size)).all()
        connection.execute(delete(checkpoint))
        connection.execute(delete(log_tile))
        connection.execute(of(row).values(log_index=None))
        rest = connection.execute(
            select(consent_event).where(consent_event.c.log_index.is_not(None)).order_by(consent_event.c.log_index)
        ).all()
        for number, event in enumerate(rest):
            connection.execute(of(event).values(log_index=number))
        tiles.grow(connection, 0, [event.leaf_hash for event in rest])
        for size, signed_at in {min(size, len(rest)): signed_at for size, signed_at in before}.items():
            root = merkle.root(size, tiles.reader(connection))
            note = house.service.signer.sign(size, root)
            values = {"size": size, "root": root, "note": note, "signed_at": signed_at}
            connection.execute(insert(checkpoint).values(**values))
    found = [finding for finding in findings(house) if finding.kind in ("log rewritten", "log cut")]
    assert any(f"checkpoint {before[0].size} " in finding.says for finding in found)
    with pytest.raises(sealer.SealRefused):
        house.service.seal()


def test_a_changed_checkpoint_and_a_changed_tile_are_named(house):
    with house.service.reading() as connection:
        first = connection.execute(select(checkpoint).order_by(checkpoint.c.size).limit(1)).one()
        tile = connection.execute(select(log_tile)).one()
    change(house, update(checkpoint).where(checkpoint.c.size == first.size).values(note=flipped(first.note)))
    assert [finding.kind for finding in findings(house)] == ["checkpoint changed"]
    change(
        house,
        update(checkpoint).where(checkpoint.c.size == first.size).values(note=first.note),
        update(log_tile).values(hashes=tile.hashes[:32] + bytes(32) + tile.hashes[64:]),
    )
    assert at(house, 1).id in [finding.event for finding in findings(house) if finding.kind == "event changed"]


def test_a_broken_leaf_and_a_broken_list_of_erasures_are_named_and_stop_nothing(house):
    row = at(house)
    for leaf in (b"{}", b'{"c":[]}', b"[]", b"no json", b"\xff"):
        change(house, of(row).values(leaf=leaf))
        assert names(house, row, "event changed")
    change(house, of(row).values(leaf=row.leaf))
    with house.service.transaction() as connection:
        occasion = house.occasion("relay", "relay")
        evidence.append_plain(connection, occasion, {"kind": "erased", "leaves": []})
    house.service.seal()
    plain = at(house, house.count() - 1)
    for content in (
        b"no json",
        b"{}",
        b'{"blind":"zz","payload":{}}',
        b'{"blind":"00","payload":{"leaves":5}}',
        b"[1]",
    ):
        change(house, of(plain).values(core_plain=content))
        assert names(house, plain, "payload changed")


def test_a_deleted_upper_tile_is_named(sqlite_house):
    with sqlite_house.service.transaction() as connection:
        occasion = sqlite_house.occasion("relay", "relay")
        for _ in range(300):
            evidence.append_plain(connection, occasion, {"kind": "erased", "leaves": []})
    sqlite_house.service.seal()
    assert findings(sqlite_house) == []
    change(sqlite_house, delete(log_tile).where(log_tile.c.level == 1))
    [found] = findings(sqlite_house)
    assert found.kind == "tile changed"


def test_another_address_of_the_service_does_not_make_the_log_another_one(house):
    moved = house.settings.model_copy(update={"public_url": "https://moved.example"})
    after = Service(moved, CONTROLLER, house.service.folder)
    after.seal()
    with database.snapshot(after.engine) as connection:
        anchors = [*after.anchors.all()]
        assert audit.audit(connection, after.vault, after.verifiers, anchors, services.now()) == []
    after.engine.dispose()


def test_a_second_story_in_the_file_outside_is_named(house):
    """Somebody who may append to the file, but has no key, and somebody who has it."""
    [first, *_] = house.service.anchors.all()
    forged = Signer.named_after_key(b"s" * 32)
    house.service.anchors.append(Anchor(forged.sign(first.checkpoint.size, bytes(32)), first.signed_at))
    assert [finding.kind for finding in findings(house)] == ["checkpoint changed"]
    house.service.anchors.append(Anchor(house.service.signer.sign(first.checkpoint.size, bytes(32)), first.signed_at))
    assert [finding.kind for finding in findings(house)] == ["checkpoint changed", "log rewritten"]


def test_a_file_outside_that_is_gone_is_named_and_not_made_anew(house):
    house.service.anchors.path.unlink()
    assert [finding.kind for finding in findings(house)] == ["anchors missing"]
    with pytest.raises(sealer.SealRefused, match="is gone"):
        house.service.seal()
    assert not house.service.anchors.path.exists()


def test_checkpoints_of_a_strangers_key_are_named(house):
    stranger = Signer.named_after_key(b"s" * 32)
    with house.service.reading() as connection:
        rows = connection.execute(select(checkpoint)).all()
    for row in rows:
        mine = update(checkpoint).where(checkpoint.c.size == row.size)
        change(house, mine.values(note=stranger.sign(row.size, row.root)))
    assert {finding.kind for finding in findings(house)} == {"checkpoint changed"}


def test_a_renewed_consent_is_no_fault(house):
    person = house.person("p1@example.com")
    newer = house.service.controller.model_copy(update={"purpose_version": 2})
    later = Service(house.settings, newer, house.service.folder)
    terms = later.terms(language("fi"))
    ask = Ask(address=read_address(person.email), first_name="Aino", last_name="Mäkelä", language="fi", terms=terms)
    with later.transaction() as connection:
        occasion = later.occasion("visitor", "form")
        subscriptions.request(connection, occasion, ask, ())
    with later.transaction() as connection:
        open_ask = house.person("p1@example.com").open_confirmation_id
        page = statements.confirm(language("fi"), later.consent_text(language("fi")))
        occasion, seen = later.occasion("subscriber", "link"), asks.find(connection, open_ask)
        subscriptions.confirm(connection, occasion, seen, page, tracks=True)
    assert findings(house) == []
    later.engine.dispose()


def test_a_changed_text_is_named(house):
    with house.service.reading() as connection:
        text = connection.execute(select(shown_text).limit(1)).one()
    mine = shown_text.c.sha256 == text.sha256
    change(house, update(shown_text).where(mine).values(content=text.content + b"and to everything else"))
    [found] = findings(house)
    assert (found.kind, text.sha256 in found.says) == ("text changed", True)


def test_an_event_that_waits_too_long_is_named(house):
    assert {finding.kind for finding in findings(house, services.now() + timedelta(hours=2))} == {"not sealed"}


def test_an_older_database_put_back_is_named(sqlite_house, tmp_path):
    house, file = sqlite_house, tmp_path / "consent.db"
    Visitor(house).becomes_active()
    house.service.seal()
    house.service.engine.dispose()
    shutil.copy(file, tmp_path / "backup.db")
    Visitor(house, "newer@example.com").becomes_active()
    house.service.seal()
    [*_, newest] = house.service.anchors.all()
    house.service.engine.dispose()
    for name in ("consent.db", "consent.db-wal", "consent.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup.db", file)
    [found] = findings(house)
    assert found.kind == "log cut"
    assert f"checkpoint {newest.checkpoint.size}" in found.says
    goes_on_with_a_new_key(house, tmp_path)


def goes_on_with_a_new_key(house, tmp_path):
    """As the documents say: the old file of anchors is kept aside, and the log goes on under another key."""
    Visitor(house, "after@example.com").subscribe()
    with pytest.raises(sealer.SealRefused):
        house.service.seal()
    house.service.anchors.path.rename(tmp_path / "anchors-of-the-old-key.jsonl")
    other = house.settings.model_copy(
        update={"log_key": (b"another key, 32 bytes of it, ok!", *house.settings.log_key)}
    )
    after = Service(other, CONTROLLER, house.service.folder)
    assert after.seal().size == house.count()
    with database.snapshot(after.engine) as connection:
        anchors = [*after.anchors.all()]
        assert audit.audit(connection, after.vault, after.verifiers, anchors, services.now()) == []
    after.engine.dispose()


def test_on_the_command_line_it_tells_in_words_and_in_json_and_by_its_exit_code(sqlite_house, tmp_path):
    house = sqlite_house
    Visitor(house).becomes_active()
    house.service.seal()
    given = variables(house.settings)
    clean = run(tmp_path, "audit", given=given)
    assert (clean.returncode, clean.stderr) == (0, f"Reading {house.count()} events\n")
    assert clean.stdout == f"{house.count()} events, 1 checkpoint kept outside: nothing was changed.\n"
    row = at(house, 0)
    change(house, of(row).values(core_sealed=flipped(row.core_sealed)))
    told = run(tmp_path, "audit", given=given)
    assert told.returncode == 1
    assert told.stdout.startswith("✗ payload changed: ")
    assert row.id in told.stdout
    found = json.loads(run(tmp_path, "audit", "--json", given=given).stdout)
    assert found["events"] == house.count()
    assert found["findings"][0]["event"] == row.id
    assert "aino" not in told.stdout


@pytest.mark.soak
def test_an_untouched_log_of_100_000_events_is_clean(sqlite_house):
    people, each = 10_000, 10
    terms = sqlite_house.service.terms(language("fi"))
    with sqlite_house.service.transaction() as connection:
        for number in range(people):
            occasion = sqlite_house.occasion("visitor", "form")
            address = read_address(f"p{number}@example.com")
            ask = Ask(address=address, first_name="Aino", last_name="Mäkelä", language="fi", terms=terms)
            person = subscriptions.request(connection, occasion, ask, ()).subscriber_id
            for _ in range(each - 1):
                evidence.append(connection, sqlite_house.occasion("relay", "relay"), person, {"kind": "sent"})
    sqlite_house.service.seal()
    assert sqlite_house.count() == people * each
    assert findings(sqlite_house) == []
    victim = at(sqlite_house, 77_777)
    change(sqlite_house, of(victim).values(core_sealed=flipped(victim.core_sealed)))
    assert [(one.event, one.place) for one in findings(sqlite_house)] == [(victim.id, 77_778)]
