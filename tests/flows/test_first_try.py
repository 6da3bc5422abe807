"""The first try of somebody new: `make run`, the form, the mail in the browser, the button."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.actors import CONFIRM, SUBSCRIBE, fi
from tests.page import Page
from tests.processes import environment
from tests.servers.port import LoopbackPort

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60


@dataclass
class FirstTry:
    """`make run` under way: where, what it says, and its process."""

    address: str
    log: Path
    process: subprocess.Popen

    def says(self) -> str:
        return self.log.read_text()


@pytest.fixture
def port():
    """The number of a port that was free a moment ago."""
    port = LoopbackPort()
    port.release()
    return port.number


@pytest.fixture
def first_try(tmp_path, port):
    """`make run` in a folder of its own, with this environment already installed."""
    for name in ("Makefile", "Procfile"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    log, command = tmp_path / "log", ["make", "--old-file=.venv/run", "run"]
    given = environment({"PORT": str(port)})

    @contextmanager
    def begin():
        with log.open("wb") as out, subprocess.Popen(
            command, cwd=tmp_path, stdout=out, stderr=out, env=given, start_new_session=True
        ) as process:  # fmt: skip
            try:
                yield FirstTry(f"http://127.0.0.1:{port}", log, process)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)
                process.wait(PATIENCE_S)

    return begin


def wait_for(found, log):
    end = time.monotonic() + PATIENCE_S
    while not (result := found()):
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)
    return result


def test_make_run_says_in_one_line_that_the_port_is_taken(first_try, port):
    with socket.create_server(("127.0.0.1", port)), first_try() as trial:
        assert trial.process.wait(PATIENCE_S) == 2
    said = [line for line in trial.says().splitlines() if not line.startswith("make: ***")]
    assert len(said) == 1
    assert re.fullmatch(r"Port \d+ is taken .*: PORT=8311 make run", said[0])


def test_make_run_prints_an_address_and_the_whole_job_works_there(first_try):
    with first_try() as trial:
        the_whole_job_works(trial.address, trial.log)
        os.killpg(trial.process.pid, signal.SIGINT)  # Ctrl-C
        trial.process.wait(PATIENCE_S)
    assert trial.says().endswith("Stopped, as you asked.\n")
    assert "***" not in trial.says(), "it was no error"


def the_whole_job_works(address, log):
    wait_for(lambda: f"{address}/subscribe" in log.read_text(), log)
    http = requests.Session()
    http.trust_env = False

    def page(path):
        try:
            return Page(http, http.get(path if path.startswith("http") else address + path, timeout=20))
        except requests.ConnectionError:
            return None

    assert wait_for(lambda: page("/dev/site"), log).status == 200
    form = wait_for(lambda: page("/subscribe?lang=fi"), log)
    time.sleep(2.1)  # the form takes whoever is quicker for a robot
    person = {"first_name": "Aino", "last_name": "Mäkelä", "email": "aino@example.com", "consent": "yes"}
    assert form.press(SUBSCRIBE, **person).status == 200

    def mails():
        return [link for link in page("/dev/mail?lang=fi").links if "/dev/mail/" in link]

    [mail] = wait_for(mails, log)
    [link] = {link for link in page(mail).links if "/confirm/" in link and "#" not in link}
    assert link.startswith(address)
    assert f"← {fi('All mail')}" in page(mail).words, "there is a way back from the mail as it looks"
    assert page(link).press(CONFIRM).title.startswith(fi("Your subscription is confirmed"))
    wait_for(lambda: len(mails()) == 2, log)
    assert "/unsubscribe/" in " ".join(page(mails()[0]).links + page(mails()[1]).links)
