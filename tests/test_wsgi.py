"""A WSGI server of one's own serves nothing sooner than ours does, and logs no more."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import requests

from consent_service import service as services
from consent_service.backup.notes_file import NotesFile
from consent_service.backup.repeating import Note
from tests.actors import Visitor
from tests.processes import PATIENCE_S, environment, variables
from tests.servers.port import LoopbackPort

ROOT = Path(__file__).parents[1]


def begin(house, folder, port, **given):
    command = [sys.executable, "-m", "gunicorn", "wsgi:app", "--bind", f"127.0.0.1:{port.number}"]
    told = environment(variables(house.settings) | given) | {"PYTHONPATH": str(ROOT)}
    port.release()
    with (folder / "log").open("w") as log:
        return subprocess.Popen(command, cwd=folder, env=told, stderr=log, stdout=log, start_new_session=True)


def test_whoever_an_older_database_brought_back_is_erased_before_the_first_answer(sqlite_house, tmp_path):
    house, port = sqlite_house, LoopbackPort()
    aino = Visitor(house).becomes_active()
    NotesFile(house.service.folder / "notes.jsonl").append(
        [Note(house.person(aino.email).id, "person", services.now(), None)]
    )
    with begin(house, tmp_path, port) as process:
        try:
            until = time.monotonic() + PATIENCE_S
            while not serves(port, "/readyz"):
                assert time.monotonic() < until and process.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.05)
            assert house.person(aino.email) is None
            assert serves(port, "/unsubscribe/kanarialintu")
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    said = (tmp_path / "log").read_text()
    assert "/unsubscribe/<token>" in said and "kanarialintu" not in said


def test_a_setting_that_cannot_be_used_stops_it_and_is_named(sqlite_house, tmp_path):
    with begin(sqlite_house, tmp_path, LoopbackPort(), CONSENT_SMTP_URL="smtp:/nowhere") as process:
        try:
            assert process.wait(PATIENCE_S) != 0
        finally:
            with contextlib.suppress(ProcessLookupError):  # as it should be
                os.killpg(process.pid, signal.SIGKILL)
    assert "CONSENT_SMTP_URL: write it like smtp://" in (tmp_path / "log").read_text()


def serves(port, path):
    try:
        return requests.get(f"http://127.0.0.1:{port.number}{path}", timeout=PATIENCE_S).status_code < 500
    except requests.ConnectionError:
        return False
