"""The first import from the ActiveCampaign account: who is active on the list there, and nobody when in doubt."""

import json

import pytest

from consent_service.activecampaign import forwarding
from consent_service.activecampaign.pacing import Unpaced
from consent_service.earlier_list import import_account
from consent_service.earlier_list.import_account import AccountRefused
from consent_service.earlier_list.import_claims import Claim
from consent_service.models.delivery import outbox_message
from consent_service.models.earlier_list import import_batch, import_row
from consent_service.models.newsletter import subscriber
from tests.actors import Visitor
from tests.processes import run, variables
from tests.tampering import findings

ACTIVE, UNSUBSCRIBED, BOUNCED = 1, 2, 3


@pytest.fixture
def house(sqlite_house):
    return sqlite_house


@pytest.fixture
def terminal(house, tmp_path):
    """A terminal on the machine of the household."""

    def type_in(*words):
        return run(tmp_path, "import", *words, given=variables(house.settings))

    return type_in


@pytest.fixture
def listing(house):
    found = house.service.listing(house.service.calls(Unpaced()))
    yield found
    found.close()


def bring(terminal, *words):
    done = terminal("account", "--staff-name", "Heidi", "--json", *words)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def pages(listing, claim=Claim("customer")):  # noqa: B008 - it cannot be changed
    return list(import_account.pages(listing, claim, lambda seconds: None))


def test_who_is_active_there_is_active_here_and_nothing_is_sent_back(house, terminal):
    known = Visitor(house, "known@example.com").becomes_active()
    house.contacts.add("aino@example.com", first_name="Aino", last_name="Mäkelä", status=ACTIVE)
    house.contacts.add("nameless@example.com", status=ACTIVE)
    house.contacts.add("left@example.com", status=UNSUBSCRIBED)
    house.contacts.add("bounced@example.com", status=BOUNCED)
    house.contacts.add("elsewhere@example.com")
    before = house.contacts.contacts
    told = bring(terminal, "--grade", "double-opt-in")
    assert (told["imported"], told["waiting"]) == (2, 0)
    assert told["skipped"] == [{"row": before[known.email].id, "reason": "active"}]
    assert sorted(row.email for row in house.rows(subscriber)) == [
        "aino@example.com", "known@example.com", "nameless@example.com",
    ]  # fmt: skip
    aino = house.person("aino@example.com")
    assert (aino.contact_id, aino.forwarded_event_id) == (before["aino@example.com"].id, aino.basis_event_id)
    [event] = house.story("aino@example.com")
    assert (event.core["imported_from"], event.core["grade"]) == ("activecampaign", "double-opt-in")
    assert event.core["claimed_on"] == before["aino@example.com"].cdate[:10], "the day the contact was made there"
    calls = len(house.contacts.calls)
    house.deliver()
    assert (len(house.contacts.calls), house.contacts.contacts) == (calls, before)
    house.service.seal()
    assert findings(house) == []


def test_who_leaves_there_after_it_leaves_here(house, terminal):
    house.contacts.add("aino@example.com", first_name="Aino", status=ACTIVE)
    batch = bring(terminal, "--grade", "customer")["batch"]
    house.contacts.set_status("aino@example.com", UNSUBSCRIBED)
    with house.service.transaction() as connection:
        forwarding.look_at(connection, house.person("aino@example.com").contact_id, "", house.occasion().now)
    house.deliver()
    assert house.kinds("aino@example.com") == ["imported", "withdrawn"]
    assert json.loads(terminal("undo", batch, "--json").stdout)["acted"] == 1


def test_taken_back_it_leaves_the_account_as_it_is(house, terminal):
    house.contacts.add("aino@example.com", status=ACTIVE)
    batch = bring(terminal, "--grade", "customer")["batch"]
    before = house.contacts.contacts
    assert json.loads(terminal("undo", batch, "--json").stdout)["undone"] == 1
    house.deliver()
    assert house.contacts.contacts == before
    assert (house.count(subscriber), house.count(outbox_message)) == (0, 0)


def test_a_dry_run_brings_nobody(house, terminal):
    house.contacts.add("aino@example.com", status=ACTIVE)
    told = bring(terminal, "--grade", "customer", "--dry-run")
    assert (told["batch"], told["imported"]) == (None, 1)
    assert (house.count(subscriber), house.count(import_batch)) == (0, 0)


def test_an_import_that_breaks_off_says_how_far_it_came(house, terminal):
    for number in range(100):
        house.contacts.add(f"p{number}@example.com", status=ACTIVE)
    house.contacts.list_names[2] = "Other"
    house.contacts.add("elsewhere@example.com")
    with house.contacts.changed:
        house.contacts.put_status(house.contacts.find("elsewhere@example.com"), 2, ACTIVE)
    house.contacts.ignored_filters |= {"listid"}
    done = terminal("account", "--staff-name", "Heidi")
    [batch] = house.rows(import_batch)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Batch {batch.id} broke off: 0 imported as active so far, 100 kept" in done.stderr
    assert "Bring an export over as a file instead." in done.stderr
    assert house.count(import_row) == 100


def test_without_a_connection_the_command_says_what_to_set(house, tmp_path):
    given = {name: value for name, value in variables(house.settings).items() if "ACTIVECAMPAIGN" not in name}
    done = run(tmp_path, "import", "account", "--staff-name", "Heidi", given=given)
    assert (done.returncode, done.stdout) == (1, "")
    assert "CONSENT_ACTIVECAMPAIGN_URL" in done.stderr


def test_a_long_list_is_read_to_its_end(house, listing):
    for number in range(201):
        house.contacts.add(f"p{number}@example.com", status=ACTIVE)
    house.contacts.fault("500", "search", times=2)
    found = [line.number for page in pages(listing) for line in page]
    assert found == [str(number) for number in range(1, 202)]


@pytest.mark.parametrize("ignored", [{"id_greater"}, {"status"}, {"listid", "status"}, {"listid"}])
def test_an_account_that_ignores_what_it_is_asked_is_not_believed(house, listing, ignored):
    house.contacts.add("first@example.com", status=UNSUBSCRIBED)
    for number in range(101):
        house.contacts.add(f"p{number}@example.com", status=ACTIVE)
    house.contacts.add("last@example.com")
    if ignored == {"listid"}:
        house.contacts.list_names[2] = "Other"
        with house.contacts.changed:
            house.contacts.put_status(house.contacts.find("last@example.com"), 2, ACTIVE)
    house.contacts.ignored_filters |= ignored
    with pytest.raises(AccountRefused, match="ActiveCampaign"):
        pages(listing)


def test_an_account_that_is_down_ends_it_in_one_line(house, listing):
    house.contacts.fault("503", "search", times=20)
    with pytest.raises(AccountRefused, match="what was brought over stays"):
        pages(listing)
