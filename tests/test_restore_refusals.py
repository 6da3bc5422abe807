"""An old backup comes back: who had said no since then is not written to, and nobody who came back is forgotten."""

import json
from datetime import datetime, timedelta

import pytest
import time_machine

from consent_service import chores, database, subscriptions
from consent_service import service as services
from consent_service.backup.notes_file import NotesFile
from consent_service.ledger import audit
from consent_service.models.newsletter import refusal, suppression
from tests.actors import Visitor, fi
from tests.backup import backup, restore
from tests.processes import run, running, variables
from tests.servers.activecampaign_account import UNSUBSCRIBED
from tests.tampering import findings


@pytest.fixture
def house(sqlite_house):
    return sqlite_house


def go_back(house, folder):
    """Put the backup back, and start as `web` and `relay` do; returns for how many people something was repeated."""
    house.service.engine.dispose()
    restore(folder)
    return chores.repeat_notes(house.service)


def leave_unseen(house, email):
    """Withdraw, and have it kept outside the database, but not sent anywhere."""
    with house.service.transaction() as connection:
        subscriptions.unsubscribe(connection, house.occasion(), house.person(email).id)
    house.do_chores()


def test_who_left_since_the_backup_is_passive_here_and_there_before_anything_is_sent(house, tmp_path):
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    aino.confirm()
    backup(tmp_path)  # its welcome and its sync wait
    house.deliver()
    aino.leave()
    house.deliver()
    house.do_chores()
    mails = len(aino.mails())
    assert go_back(house, tmp_path) == 1
    house.deliver()
    assert house.status(aino.email) == "passive"
    assert house.contacts.status_of(aino.email) == UNSUBSCRIBED
    assert len(aino.mails()) == mails
    told = house.story(aino.email)[-1].core
    assert (told["kind"], told["actor"], told["door"]) == ("withdrawn", "relay", "restore")
    assert fi("(done again after a backup was restored)") in aino.my_data().words


def test_the_time_of_the_end_is_the_person_s_own_and_the_audit_agrees(house, tmp_path):
    aino = Visitor(house).becomes_active()
    house.service.seal()
    anchors = [*house.service.anchors.all()]
    backup(tmp_path)
    leave_unseen(house, aino.email)
    left_at = house.person(aino.email).passive_since
    with time_machine.travel(services.now() + timedelta(days=5), tick=False):
        go_back(house, tmp_path)
        assert house.person(aino.email).passive_since == left_at
        [told] = house.story(aino.email)[-1:]
        assert datetime.fromisoformat(told.core["since"]) == left_at < told.at
        with database.snapshot(house.service.engine) as connection:
            found = audit.audit(connection, house.service.vault, house.service.verifiers, anchors, services.now())
        assert found == []


def test_who_objected_since_the_backup_is_not_asked_again(house, tmp_path):
    aino = Visitor(house).becomes_active()
    backup(tmp_path)
    house.object(aino.email)
    house.do_chores()
    objected_at = house.rows(suppression)[0].created_at
    assert go_back(house, tmp_path) == 1
    house.deliver()
    assert (house.status(aino.email), house.kinds(aino.email)[-1]) == ("passive", "objected")
    assert house.contacts.status_of(aino.email) == UNSUBSCRIBED
    assert [(row.reason, row.created_at, row.until) for row in house.rows(suppression)] == [
        ("objected", objected_at, None)
    ]
    mails = len(aino.mails())
    aino.subscribe()
    house.deliver()
    assert (house.status(aino.email), len(aino.mails())) == ("passive", mails)


def test_who_objected_since_the_backup_is_not_asked_at_the_terminal_before_anything_has_started(house, tmp_path):
    aino = Visitor(house).becomes_active()
    aino.leave()
    backup(tmp_path)
    house.object(aino.email)
    house.do_chores()
    house.service.engine.dispose()
    restore(tmp_path)
    named = ["--first-name", "Aino", "--last-name", "Mäkelä", "--staff-name", "Heidi"]
    add = ["subscriber", "add", aino.email, *named, "--channel", "phone", "--occasion", "messut"]
    done = run(tmp_path, *add, given=variables(house.settings))
    chores.repeat_notes(house.service)
    assert (done.returncode, house.kinds(aino.email)[-1]) == (1, "objected"), "a newer ask would be the last word"
    assert "must not be written to (objected)" in done.stderr


def test_an_objection_of_somebody_the_backup_does_not_know_holds(house, tmp_path):
    backup(tmp_path)
    aino = Visitor(house).becomes_active()
    house.object(aino.email)
    house.do_chores()
    go_back(house, tmp_path)
    aino.subscribe()
    house.deliver()
    assert house.person(aino.email) is None


def test_an_objection_made_at_a_new_address_ends_the_subscription_of_the_old_one(house, tmp_path):
    aino = Visitor(house).becomes_active()
    backup(tmp_path)
    aino.move_to("uusi@example.com")
    house.deliver()
    new = Visitor(house, "uusi@example.com")
    house.get(new.link("confirm"), new.http).press(fi("Confirm the address"))
    house.object(new.email)
    house.do_chores()
    go_back(house, tmp_path)
    assert house.status(aino.email) == "passive"
    new.subscribe()
    assert house.person(new.email) is None, "the objection holds where it was made"
    aino.subscribe()
    assert house.person(aino.email).open_confirmation_id is None, "and at the address they are back under"
    assert "row changed" not in {finding.kind for finding in findings(house)}


def test_who_came_back_after_leaving_is_never_active_without_their_newest_yes(house, tmp_path):
    aino = Visitor(house).becomes_active()
    backup(tmp_path)
    leave_unseen(house, aino.email)
    come_back(house, aino)
    go_back(house, tmp_path)
    house.deliver()
    assert house.status(aino.email) == "passive"
    assert house.contacts.status_of(aino.email) == UNSUBSCRIBED


def test_who_came_back_before_the_backup_stays(house, tmp_path):
    aino = Visitor(house).becomes_active()
    leave_unseen(house, aino.email)
    come_back(house, aino)
    backup(tmp_path)
    before = house.everything()
    assert go_back(house, tmp_path) == 0
    assert house.everything() == before
    assert house.status(aino.email) == "active"


def test_an_ask_that_was_open_when_they_said_no_is_closed_again(house, tmp_path):
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    backup(tmp_path)
    leave_unseen(house, aino.email)
    assert go_back(house, tmp_path) == 1
    assert house.get(aino.link("confirm")).status == 404
    assert house.person(aino.email).open_confirmation_id is None


def test_repeating_is_done_once(house, tmp_path):
    aino, eero = (Visitor(house, f"{name}@example.com").becomes_active() for name in ("aino", "eero"))
    backup(tmp_path)
    leave_unseen(house, aino.email)
    house.object(eero.email)
    house.do_chores()
    assert go_back(house, tmp_path) == 2
    before = house.everything()
    assert chores.repeat_notes(house.service) == 0
    assert house.everything() == before
    assert go_back(house, tmp_path) == 2, "the same backup once more"


def test_who_was_erased_after_leaving_stays_erased(house, tmp_path):
    aino = Visitor(house).becomes_active()
    backup(tmp_path)
    leave_unseen(house, aino.email)
    house.erase(aino.email)
    house.do_chores()
    go_back(house, tmp_path)
    assert house.person(aino.email) is None


def test_a_withdrawal_is_remembered_until_the_person_is_erased_for_it_and_an_objection_for_good(house):
    aino, eero = (Visitor(house, f"{name}@example.com").becomes_active() for name in ("aino", "eero"))
    leave_unseen(house, aino.email)
    house.object(eero.email)
    house.do_chores()
    file = NotesFile(house.service.folder / "notes.jsonl")
    for days, kinds, named in (
        (350, ["withdrawn", "objected"], 2),
        (352, ["objected", "erased", "erased"], 2),
        (1500, ["objected", "erased"], 0),
    ):
        with time_machine.travel(services.now() + timedelta(days=days)):
            for _ in range(2):
                house.do_chores()
            kept = list(file.read())
            assert ([note.kind for note in kept], sum(note.subscriber_id is not None for note in kept)) == (
                kinds,
                named,
            )


def test_a_refusal_is_outside_the_database_after_one_round_and_names_nobody(house):
    aino = Visitor(house, "kanarialintu@example.com", "Kanariainen", "Lintukoto").becomes_active()
    eero = Visitor(house, "eero@example.com").becomes_active()
    aino.leave()
    house.object(eero.email)
    assert [row.kind for row in house.rows(refusal)] == ["withdrawn", "objected"]
    house.do_chores()
    assert house.rows(refusal) == []
    text = (house.service.folder / "notes.jsonl").read_text()
    left, objected = (json.loads(line) for line in text.splitlines())
    assert (left["subscriber"], left["kind"]) == (house.person(aino.email).id, "withdrawn")
    assert (objected["kind"], objected["address_hash"]) == ("objected", house.service.vault.address_hash(eero.key))
    assert not [word for word in ("kanaria", "lintu", "eero", "@", "example") if word in text.lower()]


def test_the_processes_repeat_before_they_serve_or_send(tmp_path, mail, contacts):
    with running(tmp_path, f"sqlite:///{tmp_path}/consent.db", mail, contacts, seal_every_s=0.2) as house:
        aino, eero = (Visitor(house, f"{name}@example.com") for name in ("aino", "eero"))
        for person in (aino, eero):
            person.subscribe()
        house.deliver()
        house.relay_process.stop()
        for person in (aino, eero):
            person.confirm()  # the backup's outbox holds a welcome and a sync of each
        backup(tmp_path)
        house.relay_process.start()
        house.deliver()
        aino.leave()
        house.object(eero.email)
        house.deliver()
        house.wait_for(lambda: not house.rows(refusal), "both are kept outside the database")
        house.stop()
        house.service.engine.dispose()

        restore(tmp_path)
        before = len(mail.mails), len(contacts.history)
        house.start()
        assert [house.status(person.email) for person in (aino, eero)] == ["passive", "passive"]
        house.deliver()
        assert len(mail.mails) == before[0]
        assert [contacts.status_of(person.email) for person in (aino, eero)] == [UNSUBSCRIBED, UNSUBSCRIBED]
        assert len(contacts.history) == before[1], "not for a moment were they subscribers there"
        eero.subscribe()
        house.deliver()
        assert house.status(eero.email) == "passive"
        assert len(mail.mails) == before[0], "nobody who objected is asked"


def come_back(house, visitor):
    with time_machine.travel(services.now() + timedelta(hours=1)):
        visitor.subscribe()
        house.deliver()
        visitor.confirm()
        house.deliver()
        house.do_chores()
    assert house.status(visitor.email) == "active"
