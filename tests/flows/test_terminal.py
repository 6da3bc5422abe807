"""The console script: every command says what it did or, in one line, why not; exit code 0 or 1."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest
from sqlalchemy import select, text

from consent_service import database, schema
from consent_service.cli import cli
from consent_service.language import HELSINKI, language
from consent_service.models.earlier_list import import_batch
from consent_service.models.newsletter import subscriber
from tests.actors import Staff, Visitor
from tests.conftest import empty_and_at_length_on_postgresql, on_both_databases
from tests.processes import environment, run, variables
from tests.tampering import findings

ROOT = Path(__file__).parents[2]
ADD = [
    "subscriber", "add", "eero@example.com", "--first-name", "Eero", "--last-name", "Niemi", "--language", "sv",
    "--staff-name", "Heidi", "--channel", "phone", "--occasion", "messut Oulussa",
]  # fmt: skip


@pytest.fixture
def terminal(house, tmp_path):
    """A terminal on the machine of the household."""

    def type_in(*words, typed="", **changes):
        return run(tmp_path, *words, given=variables(house.settings) | changes, typed=typed)

    return type_in


def refused(done, told, code=1):
    """Whether a command ended with one line that says why."""
    assert (done.returncode, done.stdout) == (code, ""), done
    assert re.fullmatch(f".*{told}.*\n", done.stderr), done.stderr
    return True


def commands(group, words=()):
    for name, command in group.commands.items():
        yield (*words, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))


def is_let_in(house, email, password):
    staff = Staff.__new__(Staff)
    staff.house, staff.email, staff.http = house, email, house.http
    return urlsplit(staff.log_in(password).answer.url).path == "/staff/"


# A shell that has not loaded the settings


def test_without_its_settings_nothing_is_written_to_a_service_in_use(house, tmp_path):
    Visitor(house).becomes_active()
    house.service.seal()
    only_where = {"CONSENT_DATABASE_URL": house.settings.database_url}
    for words in (ADD, ["seal"], ["staff", "add", "heidi@keinuma.example", "--name", "Heidi"], ["relay"], ["migrate"]):
        assert refused(run(tmp_path, *words, given=only_where), "other keys.*Load the settings of that service first")
    house.service.seal()
    assert findings(house) == []


def test_from_another_folder_nothing_is_done_that_has_to_be_noted_beside_the_database(sqlite_house, tmp_path):
    house, elsewhere = sqlite_house, tmp_path / "elsewhere"
    elsewhere.mkdir()
    Visitor(house).becomes_active()
    house.service.seal()
    before = house.everything()
    for words in (["seal"], ["purge"], ["rotate-keys"], ["import", "undo", "x"], ["backup", "one.age"]):
        done = run(elsewhere, *words, given=variables(house.settings))
        assert refused(done, "var/anchors.jsonl is not in .*/elsewhere. .* in the folder of the service"), words
    assert house.everything() == before
    assert not [*elsewhere.iterdir()]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be the wrong user here: that was NOT tested")
def test_root_writes_nothing_among_the_files_of_the_service_s_own_user(sqlite_house, tmp_path):
    house = sqlite_house
    house.service.folder.mkdir(exist_ok=True)
    os.chown(house.service.folder, 65534, 65534)
    before = house.everything()
    for words in (["migrate"], ["seal"], ["relay"], ["staff", "list"], ADD):
        assert refused(
            run(tmp_path, *words, given=variables(house.settings)), "var belongs to .*as that user, not root"
        )
    assert "as that user" in run(tmp_path, "doctor", given=variables(house.settings)).stdout
    assert house.everything() == before
    assert not [*house.service.folder.iterdir()]


# A terminal that cannot take everything


def started(folder, *words, **how):
    command = [sys.executable, "-c", "from consent_service.cli import main; main()", *words]
    return subprocess.run(command, cwd=folder, stderr=subprocess.PIPE, **how)


def test_a_terminal_without_our_letters_still_tells_good_from_wrong(tmp_path):
    given = environment({"PYTHONIOENCODING": "latin-1", "PYTHONPATH": str(ROOT)})
    done = started(tmp_path, "doctor", env=given, stdout=subprocess.PIPE)
    assert b"\\u2717 database: " in done.stdout and b"Traceback" not in done.stderr


def test_whoever_reads_only_the_first_lines_gets_no_word_about_the_rest(house, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    given = environment(variables(house.settings) | {"PYTHONPATH": str(ROOT)})
    done = started(tmp_path, "staff", "list", env=given, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_an_interrupted_import_says_how_to_go_on_or_take_it_back(sqlite_house, tmp_path):
    (tmp_path / "list.csv").write_text("email\n" + "".join(f"p{number}@example.com\n" for number in range(5000)))
    given = environment(variables(sqlite_house.settings) | {"PYTHONPATH": str(ROOT)})
    words = ["import", "file", "list.csv", "--staff-name", "Heidi", "--grade", "customer"]
    hears = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # in the background too
    command = [sys.executable, "-c", f"{hears}; from consent_service.cli import main; main()", *words]
    with subprocess.Popen(command, cwd=tmp_path, env=given, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            with sqlite_house.service.transaction() as connection:  # the import waits for its turn meanwhile
                if connection.execute(select(subscriber.c.id).limit(1)).first():
                    process.send_signal(signal.SIGINT)
                    break
        _, said = process.communicate()
    [batch] = sqlite_house.rows(import_batch)
    told = rf"Batch {batch.id} broke off: \d+ imported as active .* consent-service import undo {batch.id}"
    assert process.returncode == 1 and re.search(told, said.decode()) and "Traceback" not in said.decode()


# Help


def test_every_command_explains_itself_and_touches_nothing(tmp_path):
    known = [(), *commands(cli)]
    assert {("web",), ("relay",), ("migrate",), ("doctor",), ("staff", "disable"), ("subscriber", "add")} <= {*known}
    with ThreadPoolExecutor(2) as both:
        shown = list(both.map(lambda words: run(tmp_path, *words, "--help", given={"CONSENT_MODE": "broken"}), known))
    for words, done in zip(known, shown, strict=True):
        assert (done.returncode, done.stderr) == (0, ""), words
        assert f"Usage: consent-service {' '.join(words)}".strip() in done.stdout
        assert re.search(r"\n\n  [A-Z][^\n]*(\n  [^\n]+)*[.]\n", done.stdout), "a sentence that says what it does"
    assert not list(tmp_path.iterdir())


def test_an_unknown_command_or_option_is_refused(tmp_path):
    for words in (["fly"], ["migrate", "--backwards"], ["staff"], ["staff", "add"], ["staff", "add", "a@b.fi"]):
        assert run(tmp_path, *words).returncode == 2, words
    assert not list(tmp_path.iterdir())


# The database


@empty_and_at_length_on_postgresql  # where four processes meet at every step in test_migration_steps.py
def test_migrating_is_safe_to_repeat_and_to_do_from_four_places_at_once(empty_url, tmp_path):
    given = {"CONSENT_DATABASE_URL": empty_url}
    with ThreadPoolExecutor(4) as four:
        done = list(four.map(lambda _: run(tmp_path, "migrate", given=given), range(4)))
    done.append(run(tmp_path, "migrate", given=given))
    assert [(one.returncode, one.stdout, one.stderr) for one in done] == [(0, "The database is up to date.\n", "")] * 5
    engine = database.make_engine(empty_url)
    with database.reading(engine) as connection:
        assert schema.is_migrated(connection)
    engine.dispose()


def test_the_first_try_puts_everything_into_var(tmp_path):
    assert run(tmp_path, "migrate").returncode == 0
    assert (tmp_path / "var/consent.db").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"var"}


def test_a_database_from_a_newer_version_is_refused_in_one_line(house, terminal):
    with house.service.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = house.everything()
    for words in (["migrate"], ["web"], ["relay"], ["staff", "add", "a@b.fi", "--name", "A"], ADD):
        assert refused(terminal(*words), "the database is newer than this program; start the newer version")
    assert house.everything() == before


def test_a_database_that_does_not_answer_is_told_in_one_line(tmp_path):
    (tmp_path / "db").mkdir()
    given = {"CONSENT_DATABASE_URL": f"sqlite:///{tmp_path}/db"}
    for words in (["migrate"], ["staff", "list"], ADD):
        assert refused(run(tmp_path, *words, given=given), "The database does not answer.*consent-service doctor")


# Staff


def test_an_account_is_added_listed_and_disabled(house, terminal):
    done = terminal("staff", "add", "Heidi@Keinuma.example", "--name", "Heidi Äijälä")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{house.url}/staff/login" in done.stdout
    password = re.search(r"Password, shown only now: (\S{16})\n", done.stdout)[1]
    assert is_let_in(house, "heidi@keinuma.example", password)

    assert terminal("staff", "list").stdout == "heidi@keinuma.example  Heidi Äijälä  owner  active\n"
    [listed] = json.loads(terminal("staff", "list", "--json").stdout)
    assert datetime.fromisoformat(listed.pop("created_at")).tzinfo is not None
    assert listed == {"email": "heidi@keinuma.example", "name": "Heidi Äijälä", "role": "owner", "active": True}

    assert refused(terminal("staff", "disable", "HEIDI@keinuma.example"), "the last owner")
    assert "Added, as staff." in terminal("staff", "add", "elina@keinuma.example", "--name", "Elina").stdout
    again = ["staff", "add", "elina@keinuma.example", "--name", "Elina", "--role"]
    assert terminal(*again, "owner").returncode == 0
    assert terminal("staff", "disable", "HEIDI@keinuma.example").returncode == 0
    assert refused(terminal(*again, "reader"), "the last owner")
    assert not is_let_in(house, "heidi@keinuma.example", password)
    assert "heidi@keinuma.example  Heidi Äijälä  owner  disabled\n" in terminal("staff", "list").stdout
    assert refused(terminal("staff", "disable", "nobody@keinuma.example"), "no account with this address")


def test_adding_an_account_again_gives_it_a_new_password_and_ends_its_sessions(house, terminal):
    heidi, _ = Staff(house), Staff(house, "elina@keinuma.example", "Elina")
    heidi.log_in()
    assert house.get("/staff/", heidi.http, allow_redirects=False).status == 200
    terminal("staff", "disable", heidi.email)
    done = terminal("staff", "add", "HEIDI@keinuma.example", "--name", "Heidi Äijälä")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("The account was there")
    password = re.search(r"Password, shown only now: (\S{16})\n", done.stdout)[1]
    assert house.get("/staff/", heidi.http, allow_redirects=False).status == 302
    assert not is_let_in(house, heidi.email, Staff.PASSWORD)
    assert is_let_in(house, heidi.email, password)
    listed = terminal("staff", "list").stdout.splitlines()
    assert "heidi@keinuma.example  Heidi Äijälä  owner  active" in listed and len(listed) == 2, "still one account"


def test_without_accounts_the_list_says_how_to_add_one(terminal):
    assert terminal("staff", "list").stdout.startswith("No accounts yet. ")
    assert json.loads(terminal("staff", "list", "--json").stdout) == []


@on_both_databases
def test_a_password_can_be_typed_and_is_never_shown(house, terminal):
    password = "ääkköset ja väli"
    done = terminal(
        "staff", "add", "heidi@keinuma.example", "--name", "Heidi", "--password-stdin", typed=f"{password}\n"
    )
    assert done.returncode == 0
    assert password not in done.stdout + done.stderr
    assert "Password" not in done.stdout
    assert is_let_in(house, "heidi@keinuma.example", password)


def test_what_makes_no_account_is_refused_and_leaves_nothing(house, terminal):
    before = house.everything()
    add = ["staff", "add", "heidi@keinuma.example", "--name", "Heidi"]
    for typed in ("", "\n", "eleven char\n"):
        assert refused(terminal(*add, "--password-stdin", typed=typed), "at least 12 characters")
    assert refused(terminal("staff", "add", "heidi", "--name", "Heidi"), "name@example.com")
    assert refused(terminal("staff", "add", "heidi@keinuma.example", "--name", " "), "1 to 100 characters")
    assert refused(terminal("staff", "add", "heidi@keinuma.example", "--name", "a\nb"), "1 to 100 characters")
    assert house.everything() == before


# Subscribers


def test_a_subscriber_is_asked_and_decides(house, terminal):
    done = terminal(*ADD, "--asked-on", "2026-03-09")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Nothing more happens unless the person confirms." in done.stdout
    assert house.status("eero@example.com") == "pending"
    assert [message.kind for message in house.messages()] == ["confirmation"]
    [asked] = house.story("eero@example.com")
    told = {name: asked.core[name] for name in ("actor", "door", "source", "staff_name", "channel", "occasion_on")}
    assert told == {
        "actor": "terminal", "door": "terminal", "source": "staff",
        "staff_name": "Heidi", "channel": "phone", "occasion_on": "2026-03-09",
    }  # fmt: skip
    house.deliver()
    eero = Visitor(house, "eero@example.com")
    assert "Heidi" in eero.newest().text and "messut Oulussa" in eero.newest().text
    assert eero.newest().message["Content-Language"] == "sv"
    house.get(eero.link("confirm")).press(language("sv").say("Confirm the subscription"))
    assert house.status("eero@example.com") == "active"
    house.deliver()
    mails = len(house.mail.mails)
    assert refused(terminal(*ADD), "is a subscriber already; nothing was sent")
    house.deliver()
    assert len(house.mail.mails) == mails


def test_the_day_of_asking_is_today_in_helsinki_and_never_tomorrow(house, terminal):
    before = house.everything()
    assert refused(terminal(*ADD, "--asked-on", "2999-01-01"), "today or an earlier day")
    assert terminal(*ADD, "--asked-on", "yesterday").returncode == 2
    assert house.everything() == before
    days = {datetime.now(UTC).astimezone(HELSINKI).date().isoformat()}
    assert terminal(*ADD).returncode == 0
    days |= {datetime.now(UTC).astimezone(HELSINKI).date().isoformat()}
    assert house.story("eero@example.com")[0].core["occasion_on"] in days


def test_who_may_not_be_written_to_is_not(house, terminal):
    eero = Visitor(house, "eero@example.com")
    assert terminal(*ADD, "--language", "fi", CONSENT_LIMIT_ADDRESS="1/day").returncode == 0
    told = r"has been written to already; it may be again from \d+ \w+ 20\d\d at \d\d:\d\d, Helsinki time"
    assert refused(terminal(*ADD, CONSENT_LIMIT_ADDRESS="1/day"), told)
    house.deliver()
    eero.decline()
    assert refused(terminal(*ADD), r"must not be written to \(declined\); nothing was sent")
    house.deliver()
    assert len(eero.mails()) == 1


def test_bad_words_are_refused_and_leave_nothing(house, terminal):
    before = house.everything()
    assert refused(terminal(*ADD[:2], "eero@", *ADD[3:]), "name@example.com")
    assert refused(terminal(*ADD, "--first-name", ""), "1 to 100 characters")
    assert refused(terminal(*ADD, "--occasion", "x" * 101), "1 to 100 characters")
    assert refused(terminal(*ADD, "--staff-name", "Heidi\x1b[2J"), "1 to 100 characters")
    for wrong in (["--channel", "telepathy"], ["--language", "de"]):
        assert terminal(*ADD, *wrong).returncode == 2
    assert house.everything() == before


def test_with_the_wrong_data_key_nothing_is_added(sqlite_house, tmp_path):
    given = variables(sqlite_house.settings)
    assert run(tmp_path, *ADD, given=given).returncode == 0
    before = sqlite_house.everything()
    given["CONSENT_DATA_KEYS"] = base64.b64encode(b"another data key of 32 bytes ok!").decode()
    assert refused(run(tmp_path, *ADD, given=given), "CONSENT_DATA_KEYS")
    assert sqlite_house.everything() == before
