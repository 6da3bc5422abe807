"""The doctor: what is wrong with the service, one line each with what to do; exit code 1 when something is."""

import base64
import json
import re
from datetime import timedelta

import pytest
import time_machine
from pyrage import x25519
from sqlalchemy import select, text, update

from consent_service import config, retention
from consent_service import service as services
from consent_service.backup import backups
from consent_service.backup.encrypted_file import Keys
from consent_service.language import HELSINKI
from consent_service.ledger.anchors import Anchor
from consent_service.ledger.vault import Vault
from consent_service.models.ledger import subject_key
from consent_service.watch import pulses
from tests import crowd
from tests.actors import Staff, Visitor, fi
from tests.processes import run, variables
from tests.servers.smtp import MailServer

PARTS = [
    "ActiveCampaign", "backup", "clock", "comparison", "database", "keys", "log", "mail", "outbox", "requests",
    "retention", "settings", "statement",
]  # fmt: skip
HOOK = "webhook-secret-0123456789-abcdefghij"


@pytest.fixture
def given(sqlite_house):
    """The settings of a service in which all is well."""
    production = {
        "CONSENT_MODE": "production",
        "CONSENT_PUBLIC_URL": "https://tilaus.keinuma.example",
        "CONSENT_CONTROLLER_FILE": str(config.EXAMPLE_CONTROLLER),
        "CONSENT_ACTIVECAMPAIGN_WEBHOOK_SECRET": HOOK,
        "CONSENT_TRUSTED_PROXIES": "1",
    }
    return variables(sqlite_house.settings) | production


@pytest.fixture
def examine(tmp_path, given):
    """Let the doctor look, with some settings changed; the exit code and what was found, by part."""

    def examined(**changes):
        wanted = {name: value for name, value in (given | changes).items() if value}
        done = run(tmp_path, "doctor", "--json", given=wanted)
        assert done.stderr == ""
        found = json.loads(done.stdout)
        assert len({one["part"] for one in found}) == len(found)
        wrong = [one["part"] for one in found if one["state"] == "wrong"]
        assert done.returncode == (1 if wrong else 0)
        return wrong, {one["part"]: f"{one['state']}: {one['says']}" for one in found}

    return examined


def test_all_is_well(examine, given, tmp_path, sqlite_house):
    Visitor(sqlite_house).becomes_active()
    reader = Keys([x25519.Identity.generate().to_public()], [])
    backups.make(sqlite_house.service, tmp_path / "one.age", reader, lambda count: None)
    with MailServer(starttls=True) as encrypted:
        given["CONSENT_SMTP_URL"] = f"{encrypted.url}?starttls=required"
        given["SSL_CERT_FILE"] = str(encrypted.certificate_path)
        prepared = run(tmp_path, "doctor", "--setup", given=given)
        wrong, found = examine()
        done = run(tmp_path, "doctor", given=given)
    assert (prepared.returncode, wrong, sorted(found)) == (0, [], PARTS)
    assert {finding.partition(":")[0] for finding in found.values()} == {"good"}
    assert done.returncode == 0
    assert all(re.fullmatch(r"✓ \w+: .+", line) for line in done.stdout.splitlines())
    assert len(done.stdout.splitlines()) == len(PARTS)
    assert "✓ statement: the privacy statement of Keinuma Oy, at " in done.stdout, "whose it is"


def test_without_a_webhook_nobody_is_heard_of_there(examine):
    wrong, found = examine(CONSENT_ACTIVECAMPAIGN_WEBHOOK_SECRET="")
    assert wrong == []
    assert found["ActiveCampaign"].startswith("note: ")
    assert "CONSENT_ACTIVECAMPAIGN_WEBHOOK_SECRET" in found["ActiveCampaign"]


def test_a_first_try_is_told_what_is_not_set_up_but_not_scolded(tmp_path):
    assert run(tmp_path, "migrate").returncode == 0
    done = run(tmp_path, "doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert "• settings: development mode" in done.stdout
    assert "• mail: no SMTP server" in done.stdout
    assert "• ActiveCampaign: not configured" in done.stdout


def test_settings_that_are_refused_are_the_finding(tmp_path):
    done = run(tmp_path, "doctor", "--json", given={"CONSENT_MODE": "production"})
    assert done.returncode == 1
    [found] = json.loads(done.stdout)
    assert (found["part"], found["state"]) == ("settings", "wrong")
    assert "CONSENT_SECRET_KEYS" in found["says"]
    assert run(tmp_path, "doctor", given={"CONSENT_MODE": "x"}).stdout.startswith("✗ settings: CONSENT_MODE: ")


def test_a_misspelt_variable_is_named_with_the_one_that_is_meant(examine):
    wrong, found = examine(CONSENT_ALOWED_ORIGINS="https://www.keinuma.fi", CONSENT_XYZZY="1", CONSENT_PORT="8000")
    assert wrong == ["settings"]
    assert found["settings"] == (
        "wrong: CONSENT_ALOWED_ORIGINS means nothing, is it CONSENT_ALLOWED_ORIGINS?; CONSENT_XYZZY means nothing"
    )
    assert examine(CONSENT_ALOWED_ORIGINS="")[0] == []


def test_with_no_proxy_believed_everybody_is_one_network(examine):
    wrong, found = examine(CONSENT_TRUSTED_PROXIES="0", CONSENT_WEB_PROCESSES="2")
    assert wrong == []
    assert re.fullmatch(r"note: .* set CONSENT_REDIS_URL .*; .* set CONSENT_TRUSTED_PROXIES .*", found["settings"])


# Mail


def test_a_mail_server_that_is_not_there(examine, mail):
    mail.stop()
    wrong, found = examine()
    assert wrong == ["mail"]
    assert "no connection (ConnectionRefusedError); check CONSENT_SMTP_URL" in found["mail"]


def test_a_mail_server_that_wants_another_password(examine):
    with MailServer(auth=("keinuma", "the right password")) as strict:
        assert examine(CONSENT_SMTP_URL=strict.url)[0] == []
        for url in (f"smtp://keinuma:guessed@127.0.0.1:{strict.port}", f"smtp://nobody:x@127.0.0.1:{strict.port}"):
            wrong, found = examine(CONSENT_SMTP_URL=url)
            assert wrong == ["mail"]
            assert "refused the user or password" in found["mail"]
            assert "guessed" not in found["mail"]


def test_a_mail_server_that_knows_no_passwords(examine, mail):
    wrong, found = examine(CONSENT_SMTP_URL=f"smtp://keinuma:password@127.0.0.1:{mail.port}")
    assert wrong == ["mail"]
    assert "offers no login" in found["mail"]


def test_a_mail_server_that_would_be_told_the_password_in_plain(examine):
    with MailServer(auth=("keinuma", "password")) as plain:
        wrong, found = examine(CONSENT_SMTP_URL=f"smtp://keinuma:password@127.1:{plain.port}")  # like another machine
    assert wrong == ["mail"]
    assert "password" in found["mail"] and "smtps://" in found["mail"]


def test_encryption_that_is_required_but_not_offered(examine, mail):
    wrong, found = examine(CONSENT_SMTP_URL=f"{mail.url}?starttls=required")
    assert wrong == ["mail"]
    assert "offers no STARTTLS" in found["mail"]


def test_encryption_with_a_certificate_nobody_vouches_for(examine):
    with MailServer(starttls=True) as encrypted:
        url = f"{encrypted.url}?starttls=required"
        wrong, found = examine(CONSENT_SMTP_URL=url)
        assert wrong == ["mail"]
        assert "SSLCertVerificationError" in found["mail"]
        assert examine(CONSENT_SMTP_URL=url, SSL_CERT_FILE=str(encrypted.certificate_path))[0] == []


# ActiveCampaign


def test_activecampaign_refuses_the_key_or_has_no_such_list(examine, contacts):
    wrong, found = examine(CONSENT_ACTIVECAMPAIGN_TOKEN="not-the-right-key")
    assert wrong == ["ActiveCampaign"]
    assert found["ActiveCampaign"].startswith("wrong: answered 403") and "_TOKEN" in found["ActiveCampaign"]
    assert "not-the-right-key" not in found["ActiveCampaign"]
    wrong, found = examine(CONSENT_ACTIVECAMPAIGN_LIST_ID="99")
    assert wrong == ["ActiveCampaign"]
    assert "list 99 does not exist" in found["ActiveCampaign"]
    contacts.stop()
    wrong, found = examine()
    assert wrong == ["ActiveCampaign"]
    assert found["ActiveCampaign"].startswith("wrong: ConnectionError; check "), "the part is named before it"
    assert not contacts.contacts, "looking changes nothing there"


def test_without_activecampaign_the_rest_is_still_good(examine):
    names = ("URL", "TOKEN", "LIST_ID")
    wrong, found = examine(**{f"CONSENT_ACTIVECAMPAIGN_{name}": "" for name in names})
    assert wrong == []
    assert found["ActiveCampaign"].startswith("note: not configured")


# The privacy statement


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.partition("[[recipient]]")[0], "add a [[recipient]] to the controller file"),
        (lambda text: text.partition("[recipient.transfer")[0], "add [recipient.transfer_ground]"),
        (lambda text: text.replace("statement_changed =", "# statement_changed ="), "set statement_changed in"),
        (lambda text: text.replace('"heidi@keinuma.fi"', '""'), "fill in contact_email"),
        (lambda text: text.replace("backups_kept_days = 13", "backups_kept_days = 30"), "to at most 13"),
    ],
)
def test_a_privacy_statement_that_does_not_say_enough(examine, tmp_path, change, told):
    (tmp_path / "ours.toml").write_text(change(config.EXAMPLE_CONTROLLER.read_text()))
    wrong, found = examine(CONSENT_CONTROLLER_FILE=str(tmp_path / "ours.toml"))
    assert wrong == ["statement"]
    assert told in found["statement"]


def test_words_that_changed_while_the_date_did_not(examine, tmp_path, sqlite_house):
    Visitor(sqlite_house).subscribe()
    ours = tmp_path / "ours.toml"
    text = config.EXAMPLE_CONTROLLER.read_text().replace("Vapaudenkatu", "Kauppakatu")
    ours.write_text(re.sub(r"statement_changed = \S+", "statement_changed = 2026-01-01", text))
    wrong, found = examine(CONSENT_CONTROLLER_FILE=str(ours))
    assert wrong == ["statement"]
    assert "set statement_changed in the controller file to the day of the change" in found["statement"]
    today = services.now().astimezone(HELSINKI).date()
    ours.write_text(re.sub(r"statement_changed = \S+", f"statement_changed = {today}", text))
    assert examine(CONSENT_CONTROLLER_FILE=str(ours))[0] == []


# Database and keys


def test_a_database_without_tables_is_named_and_the_rest_is_looked_at(examine, tmp_path):
    wrong, found = examine(CONSENT_DATABASE_URL=f"sqlite:///{tmp_path}/new.db")
    assert wrong == ["database"]
    told = "it is empty. If it should not be, correct CONSENT_DATABASE_URL; for a new one run: consent-service migrate"
    assert found["database"] == f"wrong: {told}"
    assert "answers" in found["mail"] and "key and list are right" in found["ActiveCampaign"]


def test_a_database_that_does_not_answer_is_named_and_the_rest_is_looked_at(examine, tmp_path):
    (tmp_path / "folder").mkdir()
    for url in (f"sqlite:///{tmp_path}/folder", "postgresql://nobody:secret@127.0.0.1:1/nothing"):
        wrong, found = examine(CONSENT_DATABASE_URL=url)
        assert wrong == ["database"]
        assert "no answer (OperationalError); check CONSENT_DATABASE_URL" in found["database"]
        assert "secret" not in str(found)


def test_a_data_key_that_does_not_open_the_evidence(examine, given, sqlite_house):
    Visitor(sqlite_house).subscribe()
    other = base64.b64encode(b"another data key of 32 bytes ok!").decode()
    wrong, found = examine(CONSENT_DATA_KEYS=other)
    assert wrong == ["keys"]
    assert "CONSENT_DATA_KEYS lacks a key" in found["keys"]
    assert examine(CONSENT_DATA_KEYS=f"{other},{given['CONSENT_DATA_KEYS']}")[0] == [], "a rotation"


def test_a_lost_data_key_is_found_however_many_people_another_one_opens(examine, sqlite_house):
    [*_, newest] = crowd.ask(sqlite_house, [f"person{number}@example.com" for number in range(101)])
    vault, lost = sqlite_house.service.vault, Vault([b"the newest data key of 32 bytes!"])
    with sqlite_house.service.transaction() as connection:
        theirs = subject_key.c.subscriber_id == newest
        wrapped = connection.execute(select(subject_key.c.wrapped).where(theirs)).scalar_one()
        moved = lost.wrap(vault.unwrap(wrapped, newest), newest)
        connection.execute(update(subject_key).where(theirs).values(wrapped=moved))
    assert examine()[0] == ["keys"]


def test_a_clock_that_runs_behind(examine, sqlite_house):
    with time_machine.travel(services.now() + timedelta(hours=1)):
        Visitor(sqlite_house).subscribe()
        sqlite_house.deliver()
    wrong, found = examine()
    assert wrong == ["clock"]
    assert "lies in the future" in found["clock"]


# The outbox


def test_dead_letters_are_counted_and_where_to_look(examine, sqlite_house):
    for name, told in (("aino", "1 dead letter"), ("eero", "2 dead letters")):
        Visitor(sqlite_house, f"{name}@example.com").subscribe()
        sqlite_house.mail.answer_next("rcpt", 550, "no")
        sqlite_house.deliver()
        wrong, found = examine()
        assert wrong == ["outbox"]
        assert found["outbox"] == f"wrong: {told}; look at https://tilaus.keinuma.example/staff/queue"


def test_messages_that_nobody_delivers(examine, sqlite_house):
    Visitor(sqlite_house).subscribe()
    wrong, found = examine()
    assert (wrong, found["outbox"]) == ([], "good: 1 message waits")
    assert found["keys"] == "good: CONSENT_DATA_KEYS opens what it should (1 in use)"
    with sqlite_house.service.transaction() as connection:
        connection.execute(
            text("UPDATE outbox_message SET due_at = :at"), {"at": services.now() - timedelta(minutes=16)}
        )
    wrong, found = examine()
    assert wrong == ["outbox"]
    assert found["outbox"].endswith("Start: consent-service relay")


# The log


def test_consents_that_nobody_seals(examine, sqlite_house):
    with time_machine.travel(services.now() - timedelta(minutes=16)):
        Visitor(sqlite_house).becomes_active()
    wrong, found = examine()
    assert wrong == ["log"]
    assert found["log"].endswith("consent-service seal says why")
    heidi = Staff(sqlite_house)
    heidi.log_in()
    assert (
        fi("Consents have not been sealed for over 15 minutes.")
        in sqlite_house.get("/staff/?lang=fi", heidi.http).words
    )
    answer = sqlite_house.get("/readyz")
    assert (answer.status, answer.answer.json()["seal"]) == (503, "late")
    sqlite_house.service.seal()
    assert examine()[0] == []
    assert sqlite_house.get("/readyz").status == 200


def test_checkpoints_that_are_gone_or_ahead_of_the_database(examine, sqlite_house):
    house = sqlite_house
    Visitor(house).subscribe()
    house.service.seal()
    with house.service.transaction() as connection:
        connection.execute(text("DELETE FROM checkpoint"))
        connection.execute(text("UPDATE consent_event SET log_index = NULL"))
        connection.execute(text("DELETE FROM log_tile"))
    assert examine()[0] == [], "nothing is signed here, so there is nothing to hold against the file"
    house.service.anchors.append(Anchor(house.service.signer.sign(9, bytes(32)), services.now()))
    with house.service.transaction() as connection:
        connection.execute(text("INSERT INTO checkpoint VALUES (1, x'00', x'00', '2026-11-24 10:00:00', NULL)"))
    wrong, found = examine()
    assert wrong == ["log"]
    assert "an older one was put back" in found["log"]
    house.service.anchors.path.unlink()
    wrong, found = examine()
    assert wrong == ["log"]
    assert "is missing" in found["log"]


# The purge


def test_a_purge_that_has_not_been_for_days(examine, sqlite_house):
    assert examine()[1]["retention"] == "good: nothing was purged yet; the relay does it every day at noon"
    with time_machine.travel(services.now() - timedelta(days=2, minutes=1)), sqlite_house.service.transaction() as now:
        since = services.now()
        pulses.beat(now, retention.PURGE, since)
    wrong, found = examine()
    assert wrong == ["retention"]
    assert found["retention"] == (
        f"wrong: no purge since {since:%Y-%m-%d %H:%M} UTC; is a relay running? Run: consent-service purge"
    )
    sqlite_house.do_chores()
    assert examine()[1]["retention"] == "good: nobody is kept longer than promised"


def test_several_faults_are_all_named(examine, mail, contacts):
    mail.stop()
    contacts.stop()
    assert examine(CONSENT_PUBLIC_URL="https://tilaus.keinuma.example")[0] == ["mail", "ActiveCampaign"]
