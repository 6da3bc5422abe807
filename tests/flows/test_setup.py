"""`doctor --setup` makes at ActiveCampaign what the newsletter needs to be left from: a field for links, a webhook.

It is safe to repeat, also after an answer that was lost.
"""

import contextlib
import json
import re

import pytest

from consent_service.activecampaign import account_setup
from consent_service.activecampaign.account_setup import SetupRefused, Wanted
from consent_service.activecampaign.calls import Calls, Ended
from consent_service.activecampaign.pacing import Unpaced
from consent_service.watch import doctor
from tests.household import NO_ACTIVECAMPAIGN
from tests.processes import run, variables
from tests.servers.activecampaign_webhooks import Webhook

SECRET = "weby-hook-secret_0123456789abcdefghij"
PUBLIC_URL = "https://tilaus.keinuma.example"
PLACE = f"{PUBLIC_URL}/webhooks/activecampaign/"
HEARD, SOURCES = ["subscribe", "unsubscribe", "bounce", "update"], ["public", "admin", "system"]

MORE = ("empty", "truncated", "500")


@pytest.fixture
def calls(contacts):
    line = Calls(contacts.url, contacts.token, Unpaced())
    yield line
    line.close()


@pytest.fixture
def wanted(contacts):
    return Wanted(contacts.list_id, PLACE, SECRET)


@pytest.fixture
def production(open_house, tmp_path):
    """A house with an address that ActiveCampaign can call."""
    return open_house(f"sqlite:///{tmp_path}/c.db", public_url=PUBLIC_URL, activecampaign_webhook_secret=SECRET)


def hook(secret=SECRET, **changes):
    """A webhook to this service, as somebody made it there."""
    right = {"name": "ours", "events": HEARD, "sources": SOURCES, "listid": "1"}
    return Webhook("", url=PLACE + secret, **(right | changes))


def assert_all_is_there(contacts):
    [field] = [one for one in contacts.fields.values() if one.perstag == "UNSUB_URL"]
    assert (field.title, field.type, field.visible, field.relids) == ("Unsub URL", "text", "1", ["0"])
    [one] = [one for one in contacts.webhooks.known.values() if one.url.startswith(PUBLIC_URL)]
    assert one.url == f"{PUBLIC_URL}/webhooks/activecampaign/{SECRET}"
    assert (sorted(one.events), sorted(one.sources)) == (sorted(HEARD), sorted(SOURCES))
    assert one.listid == str(contacts.list_id)


def set_up(house):
    """What `doctor --setup` does in a process of its own, and which slices of people it showed."""
    shown = []
    return doctor.set_up(house.service, lambda people, slices: shown.append((people, list(slices)))), shown


# What is made


def test_everything_is_made_once(contacts, calls, wanted):
    assert account_setup.missing(calls, wanted) == ["the field for people's own unsubscribe links", "the webhook"]
    assert list(account_setup.set_up(calls, wanted)) == [
        "made the field Unsub URL",
        "had the field Unsub URL shown",
        "made the webhook",
    ]
    assert_all_is_there(contacts)
    assert account_setup.missing(calls, wanted) == []
    before = len([call for call in contacts.calls if call.method != "GET"])
    assert list(account_setup.set_up(calls, wanted)) == []
    assert len([call for call in contacts.calls if call.method != "GET"]) == before
    assert_all_is_there(contacts)


@pytest.mark.parametrize(
    "changes",
    [
        {"events": ["unsubscribe"]},
        {"events": None},
        {"sources": [*SOURCES, "api"]},
        {"sources": []},
        {"listid": "0"},
        {"listid": "2"},
        {"secret": "the-secret-we-had-before-0123456789ab"},
        {"secret": ""},
    ],
)
def test_a_wrong_webhook_is_put_right_and_not_doubled(contacts, calls, wanted, changes):
    made = contacts.webhooks.put(hook(**changes))
    assert "the webhook as it should be" in account_setup.missing(calls, wanted)
    assert "put the webhook right" in list(account_setup.set_up(calls, wanted))
    assert list(contacts.webhooks.known) == [made.id]
    assert_all_is_there(contacts)
    assert "api" not in contacts.webhooks.known[made.id].sources


def test_of_several_webhooks_the_right_one_stays_and_others_are_not_touched(contacts, calls, wanted):
    contacts.webhooks.put(hook("the-secret-we-had-before-0123456789ab"))
    right = contacts.webhooks.put(hook())
    contacts.webhooks.put(hook())
    other = contacts.webhooks.put(Webhook("", "other", "https://else.example/x", ["open"], ["api"]))
    assert "the webhook as it should be" in account_setup.missing(calls, wanted)
    done = list(account_setup.set_up(calls, wanted))
    assert done[2:] == ["deleted a second webhook to this service"] * 2
    assert list(contacts.webhooks.known) == [right.id, other.id]
    assert other.sources == ["api"]


@pytest.mark.parametrize("hooks_at", ["http://tilaus.keinuma.example/webhooks/activecampaign/", PLACE])
def test_without_https_or_a_secret_there_is_no_webhook(contacts, calls, hooks_at):
    wanted = Wanted(contacts.list_id, hooks_at, "" if hooks_at == PLACE else SECRET)
    list(account_setup.set_up(calls, wanted))
    assert account_setup.missing(calls, wanted) == []
    assert (len(contacts.fields), len(contacts.webhooks.known)) == (1, 0)


def test_a_field_that_is_there_already_is_shown_and_used(contacts, calls, wanted):
    for number in range(120):
        contacts.put_field(f"Field {number}", f"FIELD_{number}")
    made = contacts.put_field("Poistumislinkki", "UNSUB_URL")
    made.relids.append("7")
    assert account_setup.missing(calls, wanted)[0].endswith("shown for the list")
    list(account_setup.set_up(calls, wanted))
    assert (len(contacts.fields), made.relids) == (121, ["7", "0"])
    assert account_setup.missing(calls, wanted) == []


# What goes wrong


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", ["cut", "403", *(pytest.param(one, marks=pytest.mark.soak) for one in MORE)])
@pytest.mark.parametrize("call", ["make_field", "fieldRels", "make_webhook", "change_webhook", "fields", "webhooks"])
def test_a_lost_answer_makes_nothing_twice(contacts, calls, wanted, call, fault, when):
    if call == "change_webhook":
        contacts.webhooks.put(hook(sources=["api"]))
        contacts.webhooks.put(hook("the-secret-we-had-before-0123456789ab"))
    contacts.fault(fault, call, when)
    for _ in range(3):
        with contextlib.suppress(Ended, SetupRefused):
            list(account_setup.set_up(calls, wanted))
    assert account_setup.missing(calls, wanted) == []
    assert_all_is_there(contacts)


def test_a_title_that_another_field_has_is_said(production, contacts):
    contacts.put_field("unsub url", "OTHER")
    found, _ = set_up(production)
    assert (found.part, found.state) == ("setup", "wrong")
    assert "give it the personalization tag UNSUB_URL" in found.says
    assert len(contacts.fields) == 1 and not contacts.webhooks.known


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("403", "answered 403; if it stays so, the user of the key may not manage fields and webhooks there"),
        ("429", "answered 429; then run: consent-service doctor --setup; nothing is made twice"),
        ("500", "answered 500; then run: "),
        ("reset", "ConnectionError; then run: "),
        ("garbage", "ActiveCampaign's answer cannot be read; then run: "),
    ],
)
def test_a_fault_is_said_with_what_to_do(production, contacts, fault, told):
    contacts.fault(fault, "webhooks")
    found, _ = set_up(production)
    assert found.state == "wrong"
    assert found.says.startswith("made the field Unsub URL; had the field Unsub URL shown; ")
    assert told in found.says
    assert SECRET not in found.says


def test_nonsense_about_fields_and_webhooks_is_no_trace(contacts, calls, wanted):
    contacts.put_field("x", None)
    contacts.webhooks.put(Webhook("", None, None, None, None, None))
    list(account_setup.set_up(calls, wanted))
    assert account_setup.missing(calls, wanted) == []


# The command


def test_the_command_says_what_it_did_and_never_the_secret(production, contacts, tmp_path):
    given = variables(production.settings)
    before = run(tmp_path, "doctor", given=given)
    assert "missing there: the field for people's own unsubscribe links, the webhook; run:" in before.stdout
    assert before.returncode == 0 and not contacts.fields, "looking makes nothing"
    done = run(tmp_path, "doctor", "--setup", "--json", given=given)
    assert (done.returncode, done.stderr) == (0, "")
    found = {one["part"]: (one["state"], one["says"]) for one in json.loads(done.stdout)}
    assert found["setup"] == ("good", "made the field Unsub URL; had the field Unsub URL shown; made the webhook")
    assert found["ActiveCampaign"] == ("good", "address, key and list are right, and all is set up there")
    assert_all_is_there(contacts)
    again = run(tmp_path, "doctor", "--setup", given=given)
    assert "✓ setup: everything was there already" in again.stdout
    assert not re.search(SECRET, before.stdout + done.stdout + again.stdout + again.stderr)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8000", "https://tilaus.keinuma.example:8443"])
def test_an_address_that_activecampaign_does_not_call_is_named(sqlite_house, tmp_path, address):
    given = variables(sqlite_house.settings) | {"CONSENT_ACTIVECAMPAIGN_WEBHOOK_SECRET": SECRET}
    done = run(tmp_path, "doctor", "--setup", given=given | {"CONSENT_PUBLIC_URL": address})
    assert done.returncode == 0
    assert "CONSENT_PUBLIC_URL has to be https on port 443 for a webhook" in done.stdout
    assert not sqlite_house.contacts.webhooks.known


def test_without_activecampaign_or_a_database_there_is_nothing_to_set_up(open_house, tmp_path, contacts):
    house = open_house(f"sqlite:///{tmp_path}/c.db", **NO_ACTIVECAMPAIGN)
    assert set_up(house)[0].says == "set CONSENT_ACTIVECAMPAIGN_URL, _TOKEN and _LIST_ID first"
    house = open_house(f"sqlite:///{tmp_path}/d.db")
    with house.service.transaction() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    assert set_up(house)[0].says.startswith("the database: its form is not this version's")
    assert not contacts.fields


def test_a_list_that_does_not_exist_changes_nothing(production, contacts):
    set_up(production)
    before = dict(contacts.webhooks.known)
    object.__setattr__(
        production.service, "settings", production.settings.model_copy(update={"activecampaign_list_id": 7})
    )
    found, _ = set_up(production)
    assert (found.state, "nothing was changed" in found.says, "list 7" in found.says) == ("wrong", True, True)
    assert contacts.webhooks.known == before
