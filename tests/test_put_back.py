"""A backup is put back: into either database, clean under audit, and with all that was said since."""

import base64
import json
from dataclasses import replace
from functools import partial

import pytest
from pyrage import x25519
from sqlalchemy import event, insert, select, update

from consent_service import database, schema
from consent_service import service as services
from consent_service.backup import backup_file, backups, encrypted_file, restore
from consent_service.backup.backup_file import BackupRefused, Reader
from consent_service.backup.notes_file import NotesFile
from consent_service.earlier_list import import_rows
from consent_service.models.earlier_list import import_batch, import_row
from consent_service.models.newsletter import subscriber
from consent_service.models.watch import pulse
from consent_service.service import Service
from tests import postgres
from tests.actors import Staff, Visitor
from tests.conftest import NO_POSTGRES
from tests.forwarding import BOUNCED, UNSUBSCRIBED
from tests.household import LOG_KEY
from tests.machine import Machine
from tests.processes import run, variables

KEY = x25519.Identity.generate()
NEW_LOG_KEY = base64.b64encode(b"a newer log key, 32 bytes long!!").decode()
NAMES = ("aino", "eero", "erased", "there", "bounced", "stays")
NOT_CONNECTED = {f"CONSENT_ACTIVECAMPAIGN_{name}": "" for name in ("URL", "TOKEN", "LIST_ID")}
needs_postgres = pytest.mark.skipif(postgres.binaries() is None, reason=NO_POSTGRES)


@pytest.fixture
def keys(tmp_path):
    (tmp_path / "backup.key").write_text(str(KEY))
    return encrypted_file.read_keys(tmp_path / "backup.key")


def back_up(house, keys, folder):
    backups.make(house.service, folder / "one.age", keys, lambda count: None)


def invite(house, email):
    """Somebody from an earlier list whose permission nobody can prove is to be asked."""
    batch = {"id": "batch", "source": "file", "grade": "unknown", "imported_by": "Heidi", "started_at": services.now()}
    person = {"email": email, "email_key": email, "first_name": "Anni", "last_name": "Laine", "language": "fi"}
    with house.service.transaction() as connection:
        connection.execute(insert(import_batch).values(batch))
        import_rows.keep(connection, "batch", person, services.now())
        import_rows.invite(connection, "batch", services.now())


def put_back(house, folder, url, *more, **given):
    """Give the command `restore` with the settings of a house, but another database."""
    wanted = house.settings.model_copy(update={"database_url": url})
    chosen = variables(wanted) | {"CONSENT_BACKUP_KEY_FILE": "backup.key"} | given
    return run(folder, "restore", "one.age", *more, given=chosen)


def told(done):
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("source", "empty_url"),
    [
        ("sqlite", "sqlite"),
        pytest.param("sqlite", "postgresql", marks=needs_postgres),
        pytest.param("postgresql", "postgresql", marks=needs_postgres),
        pytest.param("postgresql", "sqlite", marks=[needs_postgres, pytest.mark.soak]),
    ],
    indirect=["empty_url"],
)
def test_everything_moves_to_either_database_and_goes_on_there(request, open_house, keys, tmp_path, source, empty_url):
    on_sqlite = f"sqlite:///{tmp_path}/consent.db"
    old = open_house(on_sqlite if source == "sqlite" else request.getfixturevalue("new_postgres_url"))
    aino, eero = Visitor(old, first="Äinö 🦋").becomes_active(), Visitor(old, "eero@example.com").becomes_active()
    old.object(eero.email)
    Staff(old)
    old.do_chores()
    Visitor(old, "late@example.com").subscribe()  # its mail waits, and its event has no place yet
    invite(old, "asked@example.com")
    before = old.everything()
    back_up(old, keys, tmp_path)
    said = told(put_back(old, tmp_path, empty_url, "--json", **NOT_CONNECTED))
    assert (said["not_sent"], said["erased_or_stopped_again"], said["anchors_put_aside"]) == (0, 0, None)
    assert said["audit"]["findings"] == []
    new = open_house(empty_url)
    after = new.everything()
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {"pulse", "consent_event", "checkpoint", "log_tile"}
    assert new.story(aino.email)[0].core["first_name"] == "Äinö 🦋"
    assert {row.name for row in new.rows(pulse)} >= {"restored"} and not unfinished(new)
    aino.house = eero.house = new
    new.deliver()
    Visitor(new, "late@example.com").confirm()
    Visitor(new, "new@example.com").becomes_active()  # keys that are counted up go on behind the old ones
    aino.leave()
    new.do_chores()
    assert run_audit(new, tmp_path)["findings"] == []


def unfinished(house):
    with house.service.reading() as connection:
        return connection.execute(select(pulse.c.at).where(pulse.c.name == "restoring")).first()


def run_audit(house, folder, **given):
    done = run(folder, "audit", "--json", given=variables(house.settings) | given)
    return json.loads(done.stdout)


def back_up_and_live_on(house, keys, tmp_path, contacts):
    """A backup, and after it a no of every kind, one yes and somebody new; who said yes, and who is new."""
    aino, eero, erased, there, bounced, _ = (Visitor(house, f"{name}@example.com").becomes_active() for name in NAMES)
    pending = Visitor(house, "pending@example.com")
    pending.subscribe()
    house.do_chores()
    invite(house, "asked@example.com")
    back_up(house, keys, tmp_path)
    house.deliver()
    pending.confirm()
    house.deliver()
    aino.leave()
    house.object(eero.email)
    house.erase(erased.email)
    late = Visitor(house, "late@example.com").becomes_active()
    house.deliver()
    house.do_chores()
    contacts.set_status(there.email, UNSUBSCRIBED)
    contacts.set_status(bounced.email, BOUNCED)
    return pending, late


def test_who_said_no_since_the_backup_stays_away_and_the_log_goes_on_under_a_new_key(
    sqlite_house, open_house, keys, tmp_path, contacts
):
    house = sqlite_house
    pending, late = back_up_and_live_on(house, keys, tmp_path, contacts)
    lost = len(house.service.anchors.path.read_text().splitlines())
    mails = len(house.mail.mails)

    new_url = f"sqlite:///{tmp_path}/new.db"
    refused = put_back(house, tmp_path, new_url)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "before the old one in CONSENT_LOG_KEY" in refused.stderr
    assert len(house.service.anchors.path.read_text().splitlines()) == lost

    log_keys = f"{NEW_LOG_KEY},{LOG_KEY}"
    said = told(put_back(house, tmp_path, new_url, "--json", CONSENT_LOG_KEY=log_keys))
    assert said["audit"]["findings"] == []
    assert (said["not_sent"], said["invitations_stopped"], said["erased_or_stopped_again"]) == (2, 1, 3)
    assert (said["compared"], said["left_at_activecampaign"], said["unknown_at_activecampaign"]) == (True, 2, 2)
    aside = tmp_path / said["anchors_put_aside"]
    assert len(aside.read_text().splitlines()) == lost
    new = open_house(new_url, log_key=log_keys)
    people = {name: new.status(f"{name}@example.com") for name in (*NAMES, "pending", "late")}
    gone = {"erased": None, "late": None, "pending": "pending", "stays": "active"}
    assert people == dict.fromkeys(("aino", "eero", "there", "bounced"), "passive") | gone
    new.deliver()
    new.do_chores()
    new.deliver()
    assert len(house.mail.mails) == mails, "nobody is written to twice, or after they have said no"
    assert [row.invited_at for row in new.rows(import_row)] == [None]
    assert contacts.status_of(late.email) == contacts.status_of(pending.email) == 1, "they said yes; a person decides"
    assert new.compare(by_hand=False).repaired.get("stranger", 0) == 0
    assert run_audit(new, tmp_path)["findings"] == []


def test_what_cannot_be_put_back_is_refused_and_changes_nothing(sqlite_house, keys, tmp_path):
    house, new_url = sqlite_house, f"sqlite:///{tmp_path}/new.db"
    Visitor(house).becomes_active()
    house.do_chores()
    back_up(house, keys, tmp_path)
    whole, newest = (tmp_path / "one.age").read_bytes(), house.service.anchors.path.read_bytes()
    (tmp_path / "other.key").write_text(str(x25519.Identity.generate()))
    (tmp_path / "public.key").write_text(str(KEY.to_public()))
    stranger = base64.b64encode(bytes(32)).decode()
    cases = (
        ({"CONSENT_DATABASE_URL": house.settings.database_url}, whole, "not empty"),
        ({"CONSENT_BACKUP_KEY_FILE": "other.key"}, whole, "another key"),
        ({"CONSENT_BACKUP_KEY_FILE": "public.key"}, whole, "secret key"),
        ({}, whole[:-1], "cut or changed"),
        ({"CONSENT_DATA_KEYS": stranger}, whole, "CONSENT_DATA_KEYS lacks a key"),
        ({"CONSENT_LOG_KEY": stranger}, whole, "CONSENT_LOG_KEY lacks the key"),
        ({}, rewritten(tmp_path, keys, lambda header, sections: (replace(header, revision="9999"), sections)), "newer"),
        ({}, rewritten(tmp_path, keys, without_an_event), "does not lead to its newest checkpoint"),
    )
    before = house.everything()
    for given, content, reason in cases:
        (tmp_path / "one.age").write_bytes(content)
        done = put_back(house, tmp_path, new_url, **given)
        assert (done.returncode, done.stdout) == (1, ""), reason
        assert reason in done.stderr.splitlines()[-1]
    assert house.everything() == before
    assert {path.name for path in (tmp_path / "var").iterdir()} <= {"anchors.jsonl", "development-keys.toml"}
    assert house.service.anchors.path.read_bytes() == newest
    with database.reading(database.make_engine(new_url)) as connection:
        assert schema.tables(connection) == []


def test_a_backup_of_an_older_version_is_brought_to_this_one(sqlite_house, keys, tmp_path):
    house, new_url = sqlite_house, f"sqlite:///{tmp_path}/new.db"
    aino = Visitor(house).becomes_active()
    house.do_chores()
    back_up(house, keys, tmp_path)
    (tmp_path / "one.age").write_bytes(rewritten(tmp_path, keys, partial(as_of_0010, folder=tmp_path)))
    said = told(put_back(house, tmp_path, new_url, "--json", **NOT_CONNECTED))
    assert said["audit"]["findings"] == []
    with database.reading(database.make_engine(new_url)) as connection:
        assert schema.is_migrated(connection)
        assert connection.execute(select(subscriber.c.email, subscriber.c.status)).all() == [(aino.email, "active")]


def test_after_the_machine_is_lost_the_backup_s_own_notes_and_checkpoints_are_what_there_is(
    sqlite_house, open_house, keys, tmp_path
):
    house, new_url = sqlite_house, f"sqlite:///{tmp_path}/new.db"
    aino, eero = (Visitor(house, f"{name}@example.com").becomes_active() for name in ("aino", "eero"))
    aino.leave()
    house.deliver()
    house.do_chores()
    kept = house.service.anchors.path.read_bytes()
    back_up(house, keys, tmp_path)
    eero.leave()  # known to ActiveCampaign only, since the machine burns down now
    house.deliver()
    (tmp_path / "var").rename(tmp_path / "burnt")
    log_keys = f"{NEW_LOG_KEY},{LOG_KEY}"
    assert put_back(house, tmp_path, new_url).returncode == 1, "the old key may have signed more than is known here"
    said = told(put_back(house, tmp_path, new_url, "--json", CONSENT_LOG_KEY=log_keys))
    assert (said["left_at_activecampaign"], said["audit"]["findings"]) == (1, [])
    new = open_house(new_url, log_key=log_keys)
    assert [new.status(one.email) for one in (aino, eero)] == ["passive", "passive"]
    assert new.service.anchors.path.read_bytes().startswith(kept)
    assert [note.kind for note in NotesFile(tmp_path / "var" / "notes.jsonl").read()] == ["withdrawn"]


def test_nothing_is_served_until_all_is_done_and_the_command_goes_on_where_it_broke_off(
    sqlite_house, open_house, keys, tmp_path
):
    house, new_url = sqlite_house, f"sqlite:///{tmp_path}/new.db"
    aino, eero = (Visitor(house, f"{name}@example.com").becomes_active() for name in ("aino", "eero"))
    house.do_chores()
    back_up(house, keys, tmp_path)
    aino.leave()
    house.contacts.set_status(eero.email, UNSUBSCRIBED)
    house.do_chores()
    log_keys = {"CONSENT_LOG_KEY": f"{NEW_LOG_KEY},{LOG_KEY}"}
    done = put_back(house, tmp_path, new_url, CONSENT_ACTIVECAMPAIGN_LIST_ID="999", **log_keys)
    assert (done.returncode, done.stdout) == (1, "")
    assert "ActiveCampaign" in done.stderr.splitlines()[-1] and "again to go on" in done.stderr
    given = variables(house.settings.model_copy(update={"database_url": new_url})) | log_keys
    for command in ("web", "relay"):
        refused = run(tmp_path, command, given=given)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "Give the same command again: consent-service restore FILE" in refused.stderr
    said = told(put_back(house, tmp_path, new_url, "--json", **log_keys))
    assert (said["left_at_activecampaign"], said["audit"]["findings"]) == (1, [])
    new = open_house(new_url, log_key=log_keys["CONSENT_LOG_KEY"])
    assert [new.status(one.email) for one in (aino, eero)] == ["passive", "passive"]
    assert not unfinished(new)
    assert put_back(house, tmp_path, new_url, **log_keys).returncode == 1, "it is not empty any more"


def test_what_was_begun_under_a_new_key_of_the_log_does_not_go_on_under_the_old_one(
    sqlite_house, open_house, keys, tmp_path
):
    house, new_url = sqlite_house, f"sqlite:///{tmp_path}/new.db"
    Visitor(house).becomes_active()
    house.do_chores()
    back_up(house, keys, tmp_path)
    Visitor(house, "late@example.com").becomes_active()
    house.do_chores()  # the old key signs what is lost now
    log_keys = f"{NEW_LOG_KEY},{LOG_KEY}"
    broken = put_back(house, tmp_path, new_url, CONSENT_ACTIVECAMPAIGN_LIST_ID="999", CONSENT_LOG_KEY=log_keys)
    assert broken.returncode == 1 and "again to go on" in broken.stderr
    done = put_back(house, tmp_path, new_url)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Another key stood first in CONSENT_LOG_KEY when this was begun" in done.stderr.splitlines()[-1]
    anew = put_back(house, tmp_path, f"sqlite:///{tmp_path}/anew.db")  # the file of anchors is the backup's by now
    assert (anew.returncode, anew.stdout) == (1, "") and "One key must not sign" in anew.stderr
    assert told(put_back(house, tmp_path, new_url, "--json", CONSENT_LOG_KEY=log_keys))["finished"]
    assert [row.name for row in open_house(new_url, log_key=log_keys).rows(pulse) if "restoring" in row.name] == []


def elsewhere(house, url, folder):
    return Service(house.settings.model_copy(update={"database_url": url}), house.service.controller, folder)


def test_a_database_with_somebody_else_s_tables_is_left_alone(sqlite_house, keys, tmp_path):
    back_up(sqlite_house, keys, tmp_path)
    service = elsewhere(sqlite_house, f"sqlite:///{tmp_path}/new.db", tmp_path / "new")
    plan = restore.prepare(service, tmp_path / "one.age", keys, ignore)
    schema.upgrade(service.engine)
    with service.transaction() as connection:
        assert {one.name for one in schema.tables(connection)} == restore.OURS - {"role", "staff_role"}
        connection.exec_driver_sql("CREATE TABLE invoice (id INTEGER)")
    for attempt in (lambda: restore.is_under_way(service, plan), lambda: restore.load(service, plan, ignore)):
        with pytest.raises(BackupRefused, match="a table invoice, which is not this service's"):
            attempt()
    service.engine.dispose()


def test_what_came_with_a_commit_whose_answer_was_lost_is_kept(sqlite_house, keys, tmp_path):
    aino = Visitor(sqlite_house).becomes_active()
    aino.leave()
    sqlite_house.do_chores()
    back_up(sqlite_house, keys, tmp_path)
    service = elsewhere(sqlite_house, f"sqlite:///{tmp_path}/new.db", tmp_path / "new")
    plan = restore.prepare(service, tmp_path / "one.age", keys, ignore)

    def lose(connection):
        if not connection.get_execution_options().get("migrates"):
            return
        connection.connection.dbapi_connection.execute("COMMIT")
        raise ConnectionError("the line is cut")

    event.listen(service.engine, "commit", lose)
    with pytest.raises(ConnectionError):
        restore.load(service, plan, ignore)
    event.remove(service.engine, "commit", lose)
    assert restore.is_under_way(service, plan)
    restore.put_files(service)
    assert [note.kind for note in NotesFile(service.folder / "notes.jsonl").read()] == ["withdrawn"]
    service.engine.dispose()


def test_with_findings_nothing_is_served_until_somebody_says_so(sqlite_house, keys, tmp_path):
    house, new_url = sqlite_house, f"sqlite:///{tmp_path}/new.db"
    Visitor(house).becomes_active()
    house.add_staff("heidi@example.com", "Heidi", "a password that is long")
    Machine(house, name="Kotisivut")
    house.do_chores()
    with house.service.transaction() as connection:
        connection.execute(update(subscriber).values(first_name="Eero"))
    back_up(house, keys, tmp_path)
    done = put_back(house, tmp_path, new_url, "--json", **NOT_CONNECTED)
    said = json.loads(done.stdout)
    assert (done.returncode, said["finished"], said["active_staff"]) == (1, False, ["heidi@example.com"])
    assert said["active_keys"] == ["Kotisivut"]
    assert said["audit"]["findings"] and "--despite-findings" in done.stderr.splitlines()[-1]
    with pytest.raises(restore.Unfinished):
        restore.refuse_unfinished(elsewhere(house, new_url, tmp_path / "var"))
    assert told(put_back(house, tmp_path, new_url, "--json", "--despite-findings", **NOT_CONNECTED))["finished"]


def ignore(count):
    pass


def rewritten(folder, keys, change):
    """A backup with the same key whose content somebody has changed, its end made to fit."""
    with encrypted_file.reading(folder / "one.age", keys) as stream:
        reader, sections = Reader(stream), {}
        for section, batch in reader.batches():
            sections.setdefault(section, []).extend(batch)
    header, sections = change(reader.header, sections)
    (folder / "changed.age").unlink(missing_ok=True)
    with encrypted_file.writing(folder / "changed.age", keys) as stream:
        backup_file.write(stream, header, sections.items(), lambda count: None)
    return (folder / "changed.age").read_bytes()


def without_an_event(header, sections):
    return header, {part: rows[:-1] if part.name == "consent_event" else rows for part, rows in sections.items()}


def as_of_0010(header, sections, folder):
    """The same as an earlier version would have made it, without what has come since."""
    engine = database.make_engine(f"sqlite:///{folder}/older.db")
    with database.remaking(engine) as connection:
        schema.migrate(connection, "0010")
        known = {table.name: set(table.c.keys()) for table in schema.tables(connection)}
    engine.dispose()
    older = {}
    for part, rows in sections.items():
        names = known.get(part.name, set(part.columns) if part.kind == backup_file.FILE else set())
        at = [place for place, name in enumerate(part.columns) if name in names]
        if at:
            older[replace(part, columns=tuple(part.columns[i] for i in at))] = [[row[i] for i in at] for row in rows]
    return replace(header, revision="0010"), older
