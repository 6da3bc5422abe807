"""A backup taken while people subscribe, confirm and leave is of one moment: put back, its audit finds nothing."""

import base64
import json
import threading

from pyrage import x25519

from tests.actors import Visitor
from tests.household import LOG_KEY
from tests.processes import run, running

LOG_KEYS = f"{base64.b64encode(b'a newer log key, 32 bytes long!!').decode()},{LOG_KEY}"


def test_a_backup_under_load_comes_back_clean(tmp_path, mail, contacts, database_url):
    (tmp_path / "backup.key").write_text(str(x25519.Identity.generate()))
    done = threading.Event()

    with running(tmp_path, database_url, mail, contacts, seal_every_s=0.1) as house:

        def live(person):
            for number in range(100):
                if done.is_set():
                    return
                visitor = Visitor(house, f"person{person}x{number}@example.com")
                visitor.subscribe()
                house.wait_for(lambda: visitor.has_link("confirm"), "the mail has come")  # noqa: B023
                visitor.confirm()
                if number % 2:
                    house.wait_for(lambda: visitor.has_link("unsubscribe"), "the welcome has come")  # noqa: B023
                    visitor.leave()

        crowd = [threading.Thread(target=live, args=(person,)) for person in range(3)]
        for one in crowd:
            one.start()
        house.wait_for(lambda: house.count() > 12, "they are at it")
        made = house.run("backup", "one.age", "--key-file", "backup.key", "--json")
        events = house.count()
        house.wait_for(lambda: house.count() > events, "nobody had to stop for it")
        done.set()
        for one in crowd:
            one.join()
        house.stop()
    assert made.returncode == 0, made.stderr
    assert 12 < json.loads(made.stdout)["rows"]["consent_event"] <= events

    alone = {f"CONSENT_ACTIVECAMPAIGN_{name}": "" for name in ("URL", "TOKEN", "LIST_ID")}
    given = house.given | alone | {"CONSENT_DATABASE_URL": f"sqlite:///{tmp_path}/new.db", "CONSENT_LOG_KEY": LOG_KEYS}
    back = run(tmp_path, "restore", "one.age", "--key-file", "backup.key", "--json", given=given)
    assert back.returncode == 0, back.stdout + back.stderr
    assert json.loads(back.stdout)["audit"]["findings"] == []
