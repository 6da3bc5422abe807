"""An old backup comes back: who was erased since then is erased again before anything is served or sent."""

import json
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import delete, insert

from consent_service import chores, subscriptions
from consent_service import erasure as erasing
from consent_service import service as services
from consent_service.backup.notes_file import NotesFile
from consent_service.backup.repeating import Note
from consent_service.earlier_list import imports
from consent_service.line_file import LineUnreadable
from consent_service.models.earlier_list import import_row
from consent_service.models.newsletter import departure, erasure, refusal, subscriber, suppression
from tests.actors import Visitor
from tests.asker import add_waiting
from tests.backup import backup, restore
from tests.conftest import on_both_databases
from tests.processes import running


@pytest.fixture
def file(tmp_path):
    return NotesFile(tmp_path / "var" / "notes.jsonl")


def note(number, address_hash=None):
    return Note(f"{number:036}", "person", services.now(), address_hash)


def test_who_was_erased_since_the_backup_is_gone_before_the_first_answer(tmp_path, mail, contacts):
    with running(tmp_path, f"sqlite:///{tmp_path}/consent.db", mail, contacts, seal_every_s=0.2) as house:
        aino, eero = (Visitor(house, f"{name}@example.com") for name in ("aino", "eero"))
        for person in (aino, eero):
            person.subscribe()
            house.deliver()
            person.confirm()
            house.deliver()
        house.wait_for(lambda: len(contacts.contacts) == 2, "both are known there")
        pending = Visitor(house, "late@example.com")
        house.relay_process.stop()
        pending.subscribe()  # its mail waits in the backup's outbox
        backup(tmp_path)
        house.relay_process.start()
        house.object(aino.email)
        house.erase(aino.email)
        house.erase(pending.email, tell=False)
        gone = {row.subscriber_id for row in house.rows(erasure)}
        house.wait_for(lambda: all(row.copied_at for row in house.rows(erasure)), "the erasures are copied")
        house.wait_for(lambda: not house.rows(departure), "ActiveCampaign and Aino have been told")
        house.stop()
        house.service.engine.dispose()

        restore(tmp_path)
        contacts.add(aino.email, status=1)  # as if ActiveCampaign, too, had gone back to an older state
        before = len(mail.mails), len([call for call in contacts.calls if call.name == "delete"])
        house.start()
        assert [row.email for row in house.rows(subscriber)] == [eero.email], "gone before the first answer"
        assert {row.subscriber_id for row in house.rows(erasure)} == gone
        house.wait_for(lambda: list(contacts.contacts) == [eero.email], "deleted there again")
        house.wait_for(lambda: not house.rows(departure), "nothing is left to do")
        assert len(mail.mails) == before[0]
        assert [row.reason for row in house.rows(suppression)] == ["objected"]
        aino.subscribe()
        house.deliver()
        assert house.person(aino.email) is None, "the objection holds again"


@on_both_databases
def test_repeating_is_done_once_and_the_record_tells_the_first_time(house):
    aino = Visitor(house).becomes_active()
    erased_at = services.now()
    person = house.person(aino.email)
    NotesFile(house.service.folder / "notes.jsonl").append([Note(person.id, "passive", erased_at, None)])
    with time_machine.travel(erased_at + timedelta(days=3), tick=False):
        assert chores.repeat_notes(house.service) == 1
        assert chores.repeat_notes(house.service) == 0
    [kept] = house.rows(erasure)
    assert (kept.rule, kept.erased_at, kept.copied_at is not None) == ("passive", erased_at, True)
    assert house.count(subscriber) == 0


@on_both_databases
def test_on_either_database_a_refusal_is_copied_once_and_repeated_once(house):
    aino, eero, onni = (Visitor(house, f"{name}@example.com").becomes_active() for name in ("aino", "eero", "onni"))
    aino.leave()
    house.object(eero.email)
    house.do_chores()
    file = NotesFile(house.service.folder / "notes.jsonl")
    assert ([one.kind for one in file.read()], house.rows(refusal)) == (["withdrawn", "objected"], [])
    house.do_chores()
    assert len(list(file.read())) == 2
    file.append([Note(house.person(onni.email).id, None, services.now(), None, "withdrawn")])
    assert [chores.repeat_notes(house.service) for _ in range(2)] == [1, 0]
    assert [house.status(one.email) for one in (aino, eero, onni)] == ["passive"] * 3
    assert house.kinds(onni.email).count("withdrawn") == 1


@on_both_databases
def test_who_was_no_subscriber_is_not_asked_either_once_an_older_database_comes_back(house):
    """They waited on an earlier list and wanted to be gone, came by themselves, or objected."""
    gone, came, stranger = "gone@example.com", "came@example.com", "outo@example.com"
    for waits in (gone, came, "waits@example.com"):
        add_waiting(house, waits)
    before = house.rows(import_row)
    with house.service.transaction() as connection:
        imports.forget(connection, house.occasion(), gone, objects=False)
        subscriptions.object_unknown(connection, house.occasion(), stranger)
    Visitor(house, came).becomes_active()
    house.erase(came)
    house.do_chores()
    with house.service.transaction() as connection:
        for table in (erasure, suppression, import_row):
            connection.execute(delete(table))
        connection.execute(insert(import_row), [row._asdict() for row in before])
    assert [chores.repeat_notes(house.service) for _ in range(2)] == [2, 0]
    assert [row.email for row in house.rows(import_row)] == ["waits@example.com"]
    Visitor(house, stranger).subscribe()
    assert house.person(stranger) is None


def test_a_legal_hold_in_the_old_backup_does_not_bring_the_person_back(sqlite_house):
    """It was lifted before the person was erased, or they could not have been."""
    house, aino = sqlite_house, Visitor(sqlite_house).becomes_active()
    with house.service.transaction() as connection:
        erasing.hold(connection, house.occasion(), house.person(aino.email).id, "claim")
    kept = Note(house.person(aino.email).id, "person", services.now(), None)
    NotesFile(house.service.folder / "notes.jsonl").append([kept])
    assert chores.repeat_notes(house.service) == 1
    assert house.count(subscriber) == 0


def test_an_erasure_older_than_its_note_may_become_is_not_counted_again(sqlite_house):
    old = Note("a" * 36, "person", services.now() - timedelta(days=3 * 365 + 2), None)
    NotesFile(sqlite_house.service.folder / "notes.jsonl").append([old])
    assert chores.repeat_notes(sqlite_house.service) == 0
    assert sqlite_house.rows(erasure) == []


def test_of_an_old_erasure_only_the_objection_comes_back_and_only_once(sqlite_house):
    old = Note("a" * 36, "person", services.now() - timedelta(days=3 * 365 + 2), "b" * 64)
    NotesFile(sqlite_house.service.folder / "notes.jsonl").append([old])
    chores.repeat_notes(sqlite_house.service)
    assert sqlite_house.rows(erasure) == []
    [objection] = sqlite_house.rows(suppression)
    assert (objection.address_hash, objection.reason, objection.until) == ("b" * 64, "objected", None)
    before = sqlite_house.everything()
    chores.repeat_notes(sqlite_house.service)
    assert sqlite_house.everything() == before


def test_after_three_years_the_file_tells_of_nobody_any_more_but_of_objections(sqlite_house):
    file, now = NotesFile(sqlite_house.service.folder / "notes.jsonl"), services.now()
    long_ago = now - timedelta(days=3 * 365 + 2)
    old, objected = Note("a" * 36, "person", long_ago, None), Note("b" * 36, "person", long_ago, "b" * 64)
    young = Note("c" * 36, "passive", now - timedelta(days=3 * 365), None)
    file.append([old, objected, young])
    for _ in range(2):
        sqlite_house.do_chores()
        assert list(file.read()) == [Note(None, "person", long_ago, "b" * 64), young]
        assert file.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.path.parent.iterdir()].count(file.path.name) == 1


def test_a_damaged_line_is_refused_and_not_skipped(file):
    """Whoever stood in it would stay."""
    file.append([note(1), note(2), note(3)])
    lines = file.path.read_bytes().splitlines(keepends=True)
    for damaged in (
        b"\x00\xff\n",
        b"\n",
        b"{}\n",
        b"[]\n",
        lines[1][40:],
        lines[1].replace(b'at"', b'on"'),
    ):
        file.path.write_bytes(lines[0] + damaged + lines[2])
        with pytest.raises(LineUnreadable, match=r"notes\.jsonl: .*bring the file back from a copy"):
            list(file.read())


def test_the_file_holds_no_address_and_no_name_and_only_its_owner_reads_it(sqlite_house):
    aino = Visitor(sqlite_house, "kanarialintu@example.com", "Kanariainen", "Lintukoto").becomes_active()
    sqlite_house.object(aino.email)
    sqlite_house.erase(aino.email)
    sqlite_house.do_chores()
    path = sqlite_house.service.folder / "notes.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["objected", "erased"]
    for line in lines:
        assert set(line) == {"kind", "subscriber", "rule", "at", "address_hash"}
        assert line["address_hash"] == sqlite_house.service.vault.address_hash(aino.key)
    assert "kanaria" not in path.read_text().lower()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_cut_short_by_a_crash_spoils_neither_the_others_nor_the_next(file):
    file.append([note(1), note(2)])
    whole = file.path.read_bytes()
    for cut in range(1, 120):
        file.path.write_bytes(whole[:-cut])
        file.append([note(3)])
        kept = [one.subscriber_id for one in file.read()]
        assert kept[0] == note(1).subscriber_id, cut
        assert kept[-1] == note(3).subscriber_id, cut
        assert len(kept) in (2, 3)


def test_the_same_erasure_twice_in_the_file_is_one(sqlite_house):
    """Killed between the file and the database, the relay writes it again."""
    house = sqlite_house
    Visitor(house).becomes_active()
    house.erase("aino@example.com")
    house.do_chores()
    kept = list(NotesFile(house.service.folder / "notes.jsonl").read())
    NotesFile(house.service.folder / "notes.jsonl").append(kept)
    with house.service.transaction() as connection:
        connection.execute(delete(erasure))
    chores.repeat_notes(house.service)
    assert house.count(erasure) == 1


def test_without_a_file_nothing_is_repeated(file):
    assert list(file.read()) == []
