"""A disk that is full, with the database, the files beside it and the logs on it: refused clearly, nothing lost.

A real small one, which only root can mount; elsewhere these tests are skipped.
"""

import pytest

from tests import small_disk
from tests.actors import SUBSCRIBE, Visitor
from tests.processes import running


@pytest.fixture
def disk(tmp_path):
    """A disk of a few megabytes."""
    with small_disk.mounted(tmp_path / "disk", "8m") as folder:
        if folder is None:
            pytest.skip(small_disk.NO_DISK)
        yield folder


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


def test_a_full_disk_refuses_what_it_cannot_keep_and_all_goes_on_by_itself_when_there_is_room(disk, mail, contacts):
    with running(disk, f"sqlite:///{disk}/consent.db", mail, contacts, seal_every_s=0.1, web_processes=2) as house:
        aino = Visitor(house)
        aino.subscribe()
        house.deliver()
        form = aino.open_form()
        with small_disk.filled(disk):
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
