"""A disk that is full, with the database, the files beside it and the logs on it: refused clearly, nothing lost.

A real small one, which only root can mount; elsewhere these tests are skipped.
"""

import contextlib
import os
import subprocess

import pytest

from tests.actors import SUBSCRIBE, Visitor
from tests.processes import running

NO_DISK = "only root can mount a small disk: what happens on a full one was NOT tested"
SIZE = "8m"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(NO_DISK)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def filled(folder):
    """Fill the disk to the last byte, and make room again at the end."""
    file = folder / "filler"
    number = os.open(file, os.O_CREAT | os.O_WRONLY)
    with contextlib.suppress(OSError):
        while True:
            os.write(number, bytes(4096))
    yield
    os.close(number)
    file.unlink()


def answers(house, form, prefix):
    """Send a form that was opened before until the service refuses it a few times; who got which answer."""
    found = {}
    for number in range(40):
        email = f"{prefix}{number}@example.com"
        page = form.press(SUBSCRIBE, first_name="Aino", last_name="Mäkelä", email=email, consent="yes")
        found[email] = page
        if sum(one.status == 503 for one in found.values()) >= 3:
            break
    return found


def test_a_full_disk_refuses_what_it_cannot_keep_and_all_goes_on_by_itself_when_there_is_room(
    small_disk, mail, contacts
):
    with running(small_disk, f"sqlite:///{small_disk}/consent.db", mail, contacts, seal_every_s=0.1) as house:
        aino = Visitor(house)
        aino.subscribe()
        house.deliver()
        form = aino.open_form()
        with filled(small_disk):
            sent = answers(house, form, "p")
            refused = {email for email, page in sent.items() if page.status == 503}
            assert len(refused) >= 3
            assert {page.status for page in sent.values()} <= {200, 503}
            assert all(sent[email].answer.headers["Retry-After"] for email in refused)
            for _ in range(30):  # longer than until no line can be written into the logs any more
                assert aino.open_form().status == 200
            assert house.get(aino.link("confirm")).status == 200, "what only reads goes on"
            assert house.web_process.runs and house.relay_process.runs
        for email, page in sent.items():
            assert house.status(email) == ("pending" if page.status == 200 else None), "all of it or nothing"
        assert aino.confirm().status == 200
        assert Visitor(house, "after@example.com").subscribe().status == 200
        house.wait_for(lambda: house.contacts.status_of(aino.email) == 1, "the relay goes on by itself")
        house.wait_for(lambda: house.mail.to("after@example.com"), "mail goes on")
        house.wait_for(lambda: house.service.anchors.newest(), "the sealer goes on")
        audit = house.run("audit")
        assert audit.returncode == 0, audit.stdout
