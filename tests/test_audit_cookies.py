"""What the audit finds when somebody has meddled with cookie choices."""

import pytest
from sqlalchemy import delete, update

from consent_service.models.ledger import consent_event, shown_text
from consent_service.models.site import cookie_choice
from tests.conftest import on_both_databases
from tests.passer_by import SITE, PasserBy
from tests.tampering import audited, findings


@pytest.fixture
def house(open_house, database_url):
    return open_house(database_url, allowed_origins=SITE)


@on_both_databases
def test_the_audit_names_what_was_changed(house):
    passer = PasserBy(house)
    passer.choose()
    house.service.seal()
    [event] = [row for row in house.rows(consent_event) if row.core_plain]
    mine, row = consent_event.c.id == event.id, cookie_choice.c.event_id == event.id
    content = event.core_plain.replace(b'"all"', b'"gpc"')
    for change, kind in (
        (update(consent_event).where(mine).values(core_plain=content), "payload changed"),
        (update(consent_event).where(mine).values(core_plain=None), "opening missing"),
        (update(cookie_choice).where(row).values(choice_id="f" * 32), "row changed"),
        (update(cookie_choice).where(row).values(sequence=7), "row changed"),
        (delete(cookie_choice).where(row), "row changed"),
        (delete(shown_text).where(shown_text.c.kind == "cookies"), "text missing"),
    ):
        found = _found_after(house, change)
        assert kind in found, (kind, found)
    assert findings(house) == []


def test_the_audit_finds_what_was_erased_and_is_here_again(house):
    passer = PasserBy(house)
    passer.choose()
    [event] = [row for row in house.rows(consent_event) if row.core_plain]
    house.post("/cookies/erase", {"choice": passer.id})
    back = update(consent_event).where(consent_event.c.id == event.id).values(core_plain=event.core_plain)
    assert "erased and here" in _found_after(house, back)


class Undone(Exception):
    pass


def _found_after(house, change):
    """What the audit finds after a change that is taken back again."""
    found = []
    with pytest.raises(Undone), house.service.transaction() as connection:
        connection.execute(change)
        found = [one.kind for one in audited(house, connection)]
        raise Undone
    return found
