"""The first try of somebody new: `make run`, the form, the mail in the browser, the button."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from tests.actors import CONFIRM, SUBSCRIBE, fi
from tests.page import Page
from tests.processes import environment
from tests.servers.port import LoopbackPort

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60


@pytest.fixture
def first_try(tmp_path):
    """`make run` in a folder of its own, with this environment already installed; yields the address and the log."""
    for name in ("Makefile", "Procfile"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    port = LoopbackPort()
    port.release()
    log = tmp_path / "log"
    command = ["make", "--old-file=.venv/run", "run", f"PORT={port.number}"]
    with log.open("wb") as out, subprocess.Popen(
        command, cwd=tmp_path, stdout=out, stderr=out, env=environment(), start_new_session=True
    ) as process:  # fmt: skip
        try:
            yield f"http://127.0.0.1:{port.number}", log
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(PATIENCE_S)


def wait_for(found, log):
    end = time.monotonic() + PATIENCE_S
    while not (result := found()):
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)
    return result


def test_make_run_prints_an_address_and_the_whole_job_works_there(first_try):
    address, log = first_try
    wait_for(lambda: f"{address}/subscribe" in log.read_text(), log)
    http = requests.Session()
    http.trust_env = False

    def page(path):
        try:
            return Page(http, http.get(path if path.startswith("http") else address + path, timeout=20))
        except requests.ConnectionError:
            return None

    form = wait_for(lambda: page("/subscribe?lang=fi"), log)
    time.sleep(2.1)  # the form takes whoever is quicker for a robot
    person = {"first_name": "Aino", "last_name": "Mäkelä", "email": "aino@example.com", "consent": "yes"}
    assert form.press(SUBSCRIBE, **person).status == 200

    def mails():
        return [link for link in page("/dev/mail?lang=fi").links if "/dev/mail/" in link]

    [mail] = wait_for(mails, log)
    [link] = {link for link in page(mail).links if "/confirm/" in link and "#" not in link}
    assert link.startswith(address)
    assert page(link).press(CONFIRM).title.startswith(fi("Your subscription is confirmed"))
    wait_for(lambda: len(mails()) == 2, log)
    assert "/unsubscribe/" in " ".join(page(mails()[0]).links + page(mails()[1]).links)
