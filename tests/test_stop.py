"""SIGTERM: what is under way is brought to its end within a bound, and nobody has to wait for what was left."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from consent_service import relay
from consent_service import service as services
from consent_service.backup.notes_file import NotesFile
from tests.actors import SUBSCRIBE, Visitor
from tests.conftest import DATABASES
from tests.processes import running

WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")


@pytest.mark.parametrize("database_url", DATABASES[1:], indirect=True)
def test_both_end_what_is_under_way_and_leave_nothing_claimed(tmp_path, database_url, mail, contacts):
    with running(tmp_path, database_url, mail, contacts) as house, ThreadPoolExecutor(1) as threads:
        aino, eero = Visitor(house), Visitor(house, "eero@example.com")
        aino.subscribe()
        house.deliver()
        mail.delay_s = contacts.delay_s = 1.0
        aino.confirm()
        house.wait_for(lambda: contacts.calls and len(aino.mails()) == 2, "a mail and a call are under way")
        form = eero.open_form()
        with house.service.transaction() as connection:
            connection.execute(text("LOCK TABLE subscriber IN SHARE ROW EXCLUSIVE MODE"))
            asked = threads.submit(
                form.press, SUBSCRIBE, first_name="E", last_name="N", email=eero.email, consent="yes"
            )
            house.wait_for(lambda: connection.execute(WAITING).scalar_one() > 0, "a request is under way")
            house.web_process.ask_to_stop()
            house.relay_process.ask_to_stop()
        assert asked.result().status == 200
        assert house.stop() == (0, 0)
        mail.delay_s = contacts.delay_s = 0
        assert house.status(eero.email) == "pending"
        left = [message for message in house.messages() if message.done_at is None]
        assert all(message.claimed_by is None and message.due_at <= services.now() for message in left)
        assert {message.lane for message in left} <= {"activecampaign", "mail"} and len(left) <= 2
        house.start()
        house.deliver()
        assert contacts.status_of(aino.email) == 1
        assert [len(person.mails()) for person in (aino, eero)] == [2, 1], "nothing went out twice"


def test_who_leaves_just_before_the_stop_stays_noted_for_a_backup_that_is_put_back(tmp_path, mail, contacts):
    with running(tmp_path, f"sqlite:///{tmp_path / 'consent.db'}", mail, contacts, seal_every_s=60) as house:
        aino = Visitor(house)
        aino.subscribe()
        house.deliver()
        aino.confirm()
        house.deliver()
        aino.leave()
        assert house.stop() == (0, 0)
        assert [note.kind for note in NotesFile(house.service.folder / "notes.jsonl").read()] == ["withdrawn"]


@pytest.mark.soak
def test_a_relay_does_not_wait_for_ever_for_a_server_that_says_nothing(tmp_path, database_url, mail, contacts):
    with running(tmp_path, database_url, mail, contacts) as house:
        mail.delay_s = 300
        Visitor(house).subscribe()
        house.wait_for(lambda: mail.mails, "a mail is under way")
        began = time.monotonic()
        assert house.relay_process.stop() == 0
        assert time.monotonic() - began < relay.LONGEST_END_S + 5
        assert not [message for message in house.messages() if message.claimed_by is not None]
