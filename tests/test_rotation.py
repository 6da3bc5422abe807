"""Keys are changed while the service runs: old links live until theirs is dropped, and the log tells who signed it."""

import base64
import contextlib
import json
import threading
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import delete, select, update

from consent_service import chores, rotation
from consent_service import service as services
from consent_service.ledger import key_changes
from consent_service.ledger.checkpoint import Checkpoint, CheckpointRefused, Signer, Verifier, Verifiers
from consent_service.ledger.sealer import SealRefused
from consent_service.models.ledger import checkpoint, log_key_change, subject_key
from consent_service.models.watch import pulse
from tests.actors import Visitor
from tests.conftest import on_both_databases
from tests.household import DATA_KEY, LOG_KEY, SECRET
from tests.processes import run, running, variables
from tests.tampering import findings

NEW_SECRET = "a newer secret for tests that is long"
NEW_DATA_KEY, NEW_LOG_KEY = (
    base64.b64encode(f"a newer {what} key, 32 bytes ok!"[:32].ljust(32, "!").encode()).decode()
    for what in ("data", "log")
)
BOTH = {
    "CONSENT_SECRET_KEYS": f"{NEW_SECRET},{SECRET}",
    "CONSENT_DATA_KEYS": f"{NEW_DATA_KEY},{DATA_KEY}",
    "CONSENT_LOG_KEY": f"{NEW_LOG_KEY},{LOG_KEY}",
}
NEW = {name: value.partition(",")[0] for name, value in BOTH.items()}


def plain(house, path):
    return house.http.get(house.url + path, timeout=20).content


def restart(house, given):
    house.stop()
    house.given.update(given)
    house.start()


@contextlib.contextmanager
def people_coming(house):
    """One visitor after the other subscribes for as long as the block lasts; those who have come."""
    done, came = threading.Event(), []

    def live():
        while not done.is_set():
            visitor = Visitor(house, f"new{len(came)}@example.com")
            assert visitor.subscribe().status == 200
            came.append(visitor)

    crowd = threading.Thread(target=live)
    crowd.start()
    house.wait_for(lambda: came, "somebody comes")
    yield came
    done.set()
    crowd.join()


def test_while_people_come_and_go_all_keys_are_changed_and_old_links_live_until_theirs_is_dropped(
    tmp_path, mail, contacts, database_url
):
    with running(tmp_path, database_url, mail, contacts, seal_every_s=0.1) as house:
        aino, eero = (Visitor(house, f"{name}@example.com").becomes_active() for name in ("aino", "eero"))
        house.wait_for(lambda: aino.has_link("unsubscribe") and eero.has_link("unsubscribe"), "both are welcome")
        early = run(tmp_path, "rotate-keys", given=house.given | BOTH)
        assert (early.returncode, early.stdout) == (1, "")
        assert "Restart `web` and `relay` first" in early.stderr

        restart(house, BOTH)
        with people_coming(house) as came:
            rotated = house.run("rotate-keys", "--json")
        assert rotated.returncode == 0, rotated.stderr
        told = json.loads(rotated.stdout)
        assert told["rewrapped"] == 2
        assert (told["log_key_changes"], told["old_log_keys_may_be_dropped"]) == (1, False), "backups need them"
        assert aino.leave().status == 200, "a link signed with the old key"

        restart(house, NEW)
        assert house.get(eero.link("unsubscribe")).status == 404, "its key was dropped"
        house.deliver()
        came[0].confirm()
        house.deliver()
        house.wait_for(lambda: came[0].has_link("unsubscribe"), "the newest key signs")
        assert came[0].leave().status == 200
        house.stop()
        audit = house.run("audit")
        assert audit.returncode == 0, audit.stdout


def test_whoever_kept_the_old_key_of_the_log_follows_it_to_the_new_one_with_what_is_published(sqlite_house, open_house):
    old = sqlite_house
    Visitor(old).becomes_active()
    old.do_chores()
    known = Verifier.read(plain(old, "/log/key").decode())
    before = known.check(plain(old, "/log/checkpoint"))
    new = open_house(old.settings.database_url, log_key=BOTH["CONSENT_LOG_KEY"])
    new.service.seal()
    new.service.seal()
    checkpoint = plain(new, "/log/checkpoint")
    with pytest.raises(CheckpointRefused):
        known.check(checkpoint)
    change = key_changes.read(plain(new, "/log/key-changes"))
    assert str(change.old) == str(known)
    assert (change.size, change.root) == (before.size, before.root)
    assert change.new.check(checkpoint).size == before.size + 1
    [row] = new.rows(log_key_change)
    with new.service.reading() as connection:
        newest = Verifiers([new.service.signer.verifier])
        assert [str(one) for one in key_changes.with_former(connection, newest).known] == [str(change.new), str(known)]
        other = Verifiers([Signer.named_after_key(bytes(32)).verifier])
        assert key_changes.with_former(connection, other).known == other.known
    assert row.note == plain(new, "/log/key-changes")


def test_who_has_only_a_former_key_of_the_log_does_not_sign_behind_the_one_that_followed(sqlite_house, open_house):
    old = sqlite_house
    Visitor(old).becomes_active()
    old.service.seal()
    new = open_house(old.settings.database_url, log_key=BOTH["CONSENT_LOG_KEY"])
    new.service.seal()
    signed = new.rows(checkpoint)
    Visitor(old, "eero@example.com").subscribe()
    with pytest.raises(SealRefused, match=f"{new.service.signer.origin} signed last.*put the newest key first"):
        old.service.seal()
    assert new.rows(checkpoint) == signed
    half_way = open_house(old.settings.database_url, log_key=f"{LOG_KEY},{NEW_LOG_KEY}")
    half_way.service.seal()  # of several machines one is still to be changed, and knows both
    assert half_way.rows(checkpoint)[-1].note.startswith(old.service.signer.origin.encode())


def test_former_keys_are_known_also_when_the_clock_was_ahead_at_a_change_between_them(sqlite_house, open_house):
    url, third = sqlite_house.settings.database_url, base64.b64encode(bytes(32)).decode()
    Visitor(sqlite_house).becomes_active()
    sqlite_house.service.seal()
    with time_machine.travel(services.now() + timedelta(minutes=4), tick=False):  # so much the audit allows
        open_house(url, log_key=BOTH["CONSENT_LOG_KEY"]).service.seal()
    newest = open_house(url, log_key=f"{third},{NEW_LOG_KEY}").service
    newest.seal()
    with newest.reading() as connection:
        known = key_changes.with_former(connection, Verifiers([newest.signer.verifier]))
    origins = [one.origin for one in (newest.signer, *newest.former_signers, sqlite_house.service.signer)]
    assert [verifier.origin for verifier in known.known] == origins


def test_a_log_whose_key_is_lost_goes_on_under_a_new_one_and_the_audit_says_so(sqlite_house, open_house):
    Visitor(sqlite_house).becomes_active()
    sqlite_house.service.seal()
    new = open_house(sqlite_house.settings.database_url, log_key=NEW_LOG_KEY)
    for name in ("eero", "elina"):
        Visitor(new, f"{name}@example.com").subscribe()
        new.service.seal()
    assert new.rows(checkpoint)[-1].note.startswith(new.service.signer.origin.encode())
    assert {finding.kind for finding in findings(new)} == {"checkpoint changed"}


def test_no_byte_of_a_note_about_another_key_can_be_changed():
    old, new = (Signer.named_after_key(bytes([number]) * 32) for number in (1, 2))
    note = key_changes.write(old, new, Checkpoint(old.origin, 7, bytes(32)))
    assert key_changes.read(note).size == 7
    for place in range(len(note)):
        changed = note[:place] + bytes([note[place] ^ 1]) + note[place + 1 :]
        with pytest.raises(CheckpointRefused):
            key_changes.read(changed)
    body, _, lines = note.decode().partition("\n\n")
    for line in lines.splitlines():
        with pytest.raises(CheckpointRefused):
            key_changes.read(f"{body}\n\n{line}\n".encode())


@on_both_databases
def test_wrapping_anew_goes_on_where_it_was_stopped_and_brings_nobody_back(house, open_house):
    people = [Visitor(house, f"{name}@example.com") for name in ("aino", "eero", "onni")]
    for person in people:
        person.subscribe()
    new = open_house(house.settings.database_url, data_keys=BOTH["CONSENT_DATA_KEYS"])
    keys = new.service.vault
    with new.service.reading() as connection:
        assert rotation.waiting(connection, keys) == 3
        first, *others = rotation.read_slice(connection, "", 10)
    with new.service.transaction() as connection:
        rotation.rewrap(connection, keys, [first])
    erased = next(person for person in people if house.person(person.email).id == others[0].owner)
    house.erase(erased.email, tell=False)
    with new.service.transaction() as connection:
        rotation.rewrap(connection, keys, others)
    assert sum(chores.rewrap(new.service)) == 2
    assert [row.wrapped.startswith(keys.newest) for row in new.rows(subject_key)] == [True, True]
    with new.service.reading() as connection:
        assert rotation.waiting(connection, keys) == 0
    for person in people:
        if person is not erased:
            assert new.kinds(person.email)[0] == "requested"


def test_it_says_until_when_an_old_data_key_is_needed_and_for_what(sqlite_house, open_house, tmp_path):
    house = sqlite_house
    Visitor(house).subscribe()
    eero = Visitor(house, "eero@example.com")
    new = open_house(house.settings.database_url, data_keys=BOTH["CONSENT_DATA_KEYS"])
    now = services.now()
    with new.service.transaction() as connection:
        for process in rotation.PROCESSES:
            rotation.note_use(connection, new.service.vault, process, now + timedelta(minutes=1))
    told = rotate(new, tmp_path)
    assert (told["rewrapped"], told["old_data_keys_may_be_dropped"]) == (1, False)
    assert told["objections_under_old_data_keys"] == 0
    assert told["old_data_keys_needed_until"][:10] == f"{now + timedelta(days=30):%Y-%m-%d}", "asks are counted so long"
    with new.service.reading() as connection:
        assert rotation.in_use_since(connection, house.service.vault) is None
    eero.subscribe()
    house.object(eero.email)
    assert rotate(new, tmp_path)["objections_under_old_data_keys"] == 1
    done = run(tmp_path, "rotate-keys", given=variables(new.settings))
    assert "1 objections to marketing are kept as hashes" in done.stdout
    assert DATA_KEY not in done.stdout and NEW_DATA_KEY not in done.stdout


def test_whoever_went_back_to_the_old_data_key_for_a_while_has_not_had_the_newest_since(
    sqlite_house, open_house, tmp_path
):
    """Meanwhile the old one wrapped and hashed again; what was noted before would have it dropped too early."""
    old, eero = sqlite_house, Visitor(sqlite_house, "eero@example.com")
    new = open_house(old.settings.database_url, data_keys=BOTH["CONSENT_DATA_KEYS"])
    start(new)
    start(old)
    eero.subscribe()
    old.object(eero.email)
    early = run(tmp_path, "rotate-keys", given=variables(new.settings))
    assert early.returncode == 1 and "Restart `web` and `relay` first" in early.stderr
    start(new)
    assert rotate(new, tmp_path)["objections_under_old_data_keys"] == 1


def test_while_no_process_has_the_newest_data_key_the_old_one_has_to_stay(sqlite_house, open_house, tmp_path):
    new = open_house(sqlite_house.settings.database_url, data_keys=BOTH["CONSENT_DATA_KEYS"])
    told = run(tmp_path, "rotate-keys", given=variables(new.settings)).stdout
    assert "CONSENT_DATA_KEYS: keep the old ones. Restart `web` and `relay` first" in told


def start(house):
    """Note what `web` and `relay` note when they start."""
    with house.service.transaction() as connection:
        for process in rotation.PROCESSES:
            rotation.note_use(connection, house.service.vault, process, services.now())


def test_a_relay_that_has_not_the_newest_data_key_yet_mails_nobody_until_it_has(sqlite_house, open_house):
    new = open_house(sqlite_house.settings.database_url, data_keys=BOTH["CONSENT_DATA_KEYS"])
    aino = Visitor(new)
    aino.subscribe()
    with time_machine.travel(services.now(), tick=False) as clock:
        for _ in range(10):
            sqlite_house.deliver()
            clock.shift(timedelta(minutes=1))
        [message] = new.messages()
        assert (aino.mails(), message.last_error) == ([], "unexpected VaultRefused")
        clock.move_to(message.due_at)
        new.deliver()
    assert len(aino.mails()) == 1
    assert new.kinds(aino.email) == ["requested", "sent"]


def test_without_anything_hashed_with_it_an_old_data_key_may_go_with_the_last_backup(
    sqlite_house, open_house, tmp_path
):
    new = open_house(sqlite_house.settings.database_url, data_keys=BOTH["CONSENT_DATA_KEYS"])
    for days, may_be_dropped in ((13, True), (12, False)):
        with new.service.transaction() as connection:
            connection.execute(delete(pulse))
            for process in rotation.PROCESSES:
                rotation.note_use(connection, new.service.vault, process, services.now() - timedelta(days=days))
        assert rotate(new, tmp_path)["old_data_keys_may_be_dropped"] is may_be_dropped


def test_an_old_key_of_the_log_may_go_with_the_last_backup_that_it_signed(sqlite_house, open_house, tmp_path):
    Visitor(sqlite_house).becomes_active()
    sqlite_house.service.seal()
    new = open_house(sqlite_house.settings.database_url, log_key=BOTH["CONSENT_LOG_KEY"])
    until = f"{services.now() + timedelta(days=13):%Y-%m-%d}"
    told = rotate(new, tmp_path)
    assert (told["old_log_keys_needed_until"][:10], told["old_log_keys_may_be_dropped"]) == (until, False)
    words = run(tmp_path, "rotate-keys", given=variables(new.settings)).stdout
    assert f"CONSENT_LOG_KEY: keep the old ones until {until}: a backup from before is put back only with" in words
    with new.service.transaction() as connection:
        changed_at = connection.execute(select(log_key_change.c.changed_at)).scalar_one() - timedelta(days=13)
        connection.execute(update(log_key_change).values(changed_at=changed_at))
    assert rotate(new, tmp_path)["old_log_keys_may_be_dropped"] is True
    assert "all but the first may be dropped now" in run(tmp_path, "rotate-keys", given=variables(new.settings)).stdout


def rotate(house, folder):
    done = run(folder, "rotate-keys", "--json", given=variables(house.settings))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
