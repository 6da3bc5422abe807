"""A backup: everything of one moment in one encrypted file, and nothing that is not whole passes for one."""

import json
import os
import resource
import sys
from datetime import timedelta

import pytest
import time_machine
from pyrage import x25519
from sqlalchemy import select

from consent_service import retention
from consent_service import service as services
from consent_service.backup import backup_file, backups, encrypted_file
from consent_service.backup.backup_file import FILE, BackupRefused, Header, Section
from consent_service.backup.encrypted_file import EncryptionRefused
from consent_service.ledger.checkpoint import CheckpointRefused
from consent_service.line_file import LineUnreadable
from consent_service.models.watch import pulse
from consent_service.service import Service
from consent_service.watch import doctor, pulses
from tests.actors import Visitor
from tests.household import CONTROLLER, DATA_KEY, LOG_KEY, SECRET, settings
from tests.processes import FORKS, run, variables

KEY = x25519.Identity.generate()


@pytest.fixture
def key_file(tmp_path):
    file = tmp_path / "backup.key"
    file.write_text(f"# a key for tests\n{KEY}\n")
    return file


def test_the_command_writes_what_only_the_key_opens_and_says_what_is_in_it(sqlite_house, key_file, tmp_path):
    house = sqlite_house
    aino = Visitor(house, "kanarialintu@example.com", "Kanariainen", "Lintukoto").becomes_active()
    house.do_chores()
    (tmp_path / "out").mkdir()
    done = run(tmp_path, "backup", "out", "--json", given=variables(house.settings) | named(key_file))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    [file] = (tmp_path / "out").iterdir()
    assert (told["file"], told["bytes"]) == (f"out/{file.name}", file.stat().st_size)
    assert file.name.startswith("consent-2") and file.suffix == ".age"
    assert file.stat().st_mode & 0o777 == 0o600
    assert told["rows"]["subscriber"] == 1 and told["rows"]["anchors.jsonl"] == 1
    assert told["log"]["size"] == house.count() == len(house.story(aino.email)) + 1 == 4, (
        "and the first list of erasures"
    )
    content = file.read_bytes()
    with encrypted_file.reading(file, encrypted_file.read_keys(key_file)) as stream:
        plain = stream.read()
    assert b"kanarialintu@example.com" in plain and b"kanaria" not in content.lower()
    for secret in (SECRET, DATA_KEY, LOG_KEY, str(KEY)):
        assert secret.encode() not in plain + content
    with house.service.reading() as connection:
        assert pulses.last(connection, pulses.BACKUP).isoformat() == told["made_at"]
        beats = connection.execute(select(pulse.c.name).order_by(pulse.c.name)).scalars().all()
    assert beats == [pulses.BACKUP, retention.PURGE]
    assert state(house) == "good"
    again = run(tmp_path, "backup", f"out/{file.name}", given=variables(house.settings) | named(key_file))
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.splitlines()[-1] == f"out/{file.name} is there already; name a new file, or a folder."
    assert file.read_bytes() == content


def test_a_public_key_is_enough_and_leaves_nothing_here_that_opens_it(sqlite_house, key_file, tmp_path):
    public = tmp_path / "public.key"
    public.write_text(str(KEY.to_public()))
    made = backups.make(sqlite_house.service, tmp_path / "one.age", encrypted_file.read_keys(public), ignore)
    found = backups.check(tmp_path / "one.age", encrypted_file.read_keys(key_file), ignore)
    assert found.contents.end == made.contents.end


def test_a_file_that_is_cut_or_changed_or_of_another_key_is_refused(sqlite_house, key_file, tmp_path):
    Visitor(sqlite_house).becomes_active()
    keys, file = encrypted_file.read_keys(key_file), tmp_path / "one.age"
    backups.make(sqlite_house.service, file, keys, ignore)
    content, bad = file.read_bytes(), tmp_path / "bad.age"
    middle, last = len(content) // 2, len(content) - 1
    changed = [content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] for at in (30, 150, middle, last)]
    for broken in (*changed, content[:100], content[:middle], content[:last], b"", b"SQLite format 3", content + b"\n"):
        bad.write_bytes(broken)
        with pytest.raises(EncryptionRefused, match=r"bad\.age"):
            backups.check(bad, keys, ignore)
    other = encrypted_file.Keys([], [x25519.Identity.generate()])
    with pytest.raises(EncryptionRefused, match="another key"):
        backups.check(file, other, ignore)


CHANGES = (
    lambda lines: lines[:-1],
    lambda lines: [*lines[:5], *lines[6:]],
    lambda lines: [*lines[:5], lines[6], lines[5], *lines[7:]],
    lambda lines: [*lines, lines[-1]],
    lambda lines: [lines[0].replace(b'"backup":1', b'"backup":2'), *lines[1:]],
    lambda lines: [line.replace(b"aino@", b"eero@") for line in lines],
    lambda lines: [b"hello\n"],
    lambda lines: [],
)


def test_what_whoever_has_the_key_made_of_it_by_hand_is_refused(sqlite_house, key_file, tmp_path):
    Visitor(sqlite_house).subscribe()
    keys, file = encrypted_file.read_keys(key_file), tmp_path / "one.age"
    backups.make(sqlite_house.service, file, keys, ignore)
    with encrypted_file.reading(file, keys) as stream:
        lines = stream.read().splitlines(keepends=True)
    for number, change in enumerate(CHANGES):
        changed = tmp_path / f"{number}.age"
        with encrypted_file.writing(changed, keys) as stream:
            stream.write(b"".join(change(lines)))
        with pytest.raises(BackupRefused):
            backups.check(changed, keys, ignore)


@pytest.mark.parametrize("name", ["notes.jsonl", "anchors.jsonl"])
@pytest.mark.parametrize("line", [b'{"at": "\xff"}\n', b"hello\n", b"{}\n"])
def test_a_damaged_line_in_a_file_beside_the_database_is_no_backup(sqlite_house, key_file, tmp_path, name, line):
    (tmp_path / "var").mkdir(exist_ok=True)
    (tmp_path / "var" / name).write_bytes(line)
    with pytest.raises((LineUnreadable, CheckpointRefused)):
        backups.make(sqlite_house.service, tmp_path / "one.age", encrypted_file.read_keys(key_file), ignore)
    assert not list(tmp_path.glob("*.age*")) + list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize("line", ["hello", "[]", 1])
def test_a_backup_with_a_damaged_line_of_a_file_is_refused(key_file, tmp_path, line):
    keys, sections = encrypted_file.read_keys(key_file), [(Section(FILE, "notes.jsonl"), [[line]])]
    with encrypted_file.writing(tmp_path / "one.age", keys) as stream:
        backup_file.write(stream, Header(services.now(), "0001"), sections, ignore)
    with pytest.raises(BackupRefused, match=r"A line of notes\.jsonl in this backup cannot be read"):
        backups.check(tmp_path / "one.age", keys, ignore)


def test_on_a_full_disk_it_says_so_and_leaves_nothing_that_looks_like_a_backup(sqlite_house, key_file, tmp_path):
    Visitor(sqlite_house).becomes_active()
    keys, (_, hard) = encrypted_file.read_keys(key_file), resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in (0, 1000, 9000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))  # stands in for the disk: nothing may grow beyond it
        try:
            with pytest.raises(OSError, match="File too large"):
                backups.make(sqlite_house.service, tmp_path / "one.age", keys, ignore)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert not list(tmp_path.glob("*.age*")) + list(tmp_path.glob(".*.part"))
    with sqlite_house.service.reading() as connection:
        assert pulses.last(connection, pulses.BACKUP) is None


def die_half_way(url, var, key_file, path):
    """In a process of its own, as if it was killed."""
    keys = encrypted_file.read_keys(key_file)
    backups.make(Service(settings(url), CONTROLLER, var), path, keys, lambda count: os._exit(9))


def test_what_a_killed_backup_leaves_is_gone_with_a_later_one_and_what_is_being_written_is_not(
    sqlite_house, key_file, tmp_path
):
    keys, folder = encrypted_file.read_keys(key_file), tmp_path / "out"
    folder.mkdir()
    house, path = sqlite_house, folder / "consent-20261130T033000Z.age"
    url, var = house.settings.database_url, house.service.folder
    killed = FORKS.Process(target=die_half_way, args=(url, var, key_file, path))
    killed.start()
    killed.join()
    [draft] = folder.iterdir()
    assert (killed.exitcode, draft.suffix) == (9, ".part")
    (folder / ".holiday.part").touch()  # somebody else's
    for days, left in ((0, {draft.name, ".holiday.part", "0.age"}), (1, {".holiday.part", "0.age", "1.age"})):
        with time_machine.travel(services.now() + timedelta(days=days)):
            backups.make(house.service, folder / f"{days}.age", keys, ignore)
        assert {file.name for file in folder.iterdir()} == left


def test_two_at_once_with_the_same_name_are_both_whole(sqlite_house, key_file, tmp_path):
    keys, path, inner = encrypted_file.read_keys(key_file), tmp_path / "one.age", []

    def meanwhile(count):
        if not inner:
            inner.append(None)
            inner.append(backups.make(sqlite_house.service, path, keys, ignore))

    outer = backups.make(sqlite_house.service, path, keys, meanwhile)
    assert outer.contents.rows == backups.check(path, keys, ignore).contents.rows
    assert inner[1].log_holds and not list(tmp_path.glob(".*.part"))


def test_without_a_key_or_a_place_it_says_what_to_do(sqlite_house, key_file, tmp_path):
    broken, empty = tmp_path / "broken.key", tmp_path / "empty.key"
    broken.write_text(str(KEY)[:-2])
    empty.write_text("# nothing\n")
    for file, told in ((broken, "not every line is an age key"), (empty, f"Make one with: {sys.executable} -c")):
        with pytest.raises(EncryptionRefused, match=f"{file}.*{told}") as refused:
            encrypted_file.read_keys(file)
        assert str(KEY)[:-2] not in str(refused.value)
    for words, told in (
        (("backup", "one.age"), "CONSENT_BACKUP_KEY_FILE"),
        (("backup", "nowhere/one.age", "--key-file", str(key_file)), "make it: install -d -m 700 nowhere\n"),
        (("backup", "one.age", "--key-file", "nowhere.key"), "nowhere.key: No such file or directory\n"),
        (("backup", "nowhere/", "--key-file", str(key_file)), "make it: install -d -m 700 nowhere/"),
    ):
        done = run(tmp_path, *words, given=variables(sqlite_house.settings))
        assert (done.returncode, done.stdout) == (1, "")
        assert told in done.stderr
    assert not list(tmp_path.glob("*.age*")) + list(tmp_path.glob(".*.part")) + list(tmp_path.glob("nowhere"))


def test_the_doctor_asks_for_a_backup_and_says_when_the_last_is_old(sqlite_house, key_file, tmp_path):
    assert state(sqlite_house) == "note"
    backups.make(sqlite_house.service, tmp_path / "one.age", encrypted_file.read_keys(key_file), ignore)
    assert state(sqlite_house) == "good"
    with time_machine.travel(services.now() + timedelta(days=3)):
        assert state(sqlite_house) == "wrong"


def named(key_file):
    return {"CONSENT_BACKUP_KEY_FILE": str(key_file)}


def state(house):
    [found] = [finding.state for finding in doctor.examine(house.service) if finding.part == "backup"]
    return found


def ignore(count):
    pass
