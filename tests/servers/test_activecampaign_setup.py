"""The ActiveCampaign server of the tests: its custom fields, its webhooks, and what these tell."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import parse_qs

import pytest

from tests.servers.activecampaign import ActiveCampaign
from tests.servers.api import ANNA, Api

FIELD = {"type": "text", "title": "Unsub URL", "perstag": "UNSUB_URL", "visible": 1}
HOOK = {"name": "Ours", "url": "https://tilaus.example/x", "events": ["unsubscribe"], "sources": ["public"]}


class Ear:
    """Somebody who listens to a webhook and answers each with `status`."""

    def __init__(self) -> None:
        heard: list[dict[str, str]] = []
        self.heard, self.status = heard, 204
        ear = self

        class _Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                heard.append({name: values[-1] for name, values in parse_qs(body).items()})
                self.send_response(ear.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def kinds(self, account: ActiveCampaign) -> list[str]:
        account.webhooks.wait_sent()
        return [one["type"] for one in self.heard]


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    thread = Thread(target=ear.server.serve_forever, args=(0.01,))
    thread.start()
    yield ear
    ear.server.shutdown()
    thread.join()
    ear.server.server_close()


def test_a_field_is_shown_nowhere_until_it_has_a_relation(account: ActiveCampaign, api: Api) -> None:
    made = api("POST", "fields", json={"field": FIELD})
    assert (made.status_code, made.json()["field"]["perstag"]) == (201, "UNSUB_URL")
    assert not account.fields["1"].is_shown
    assert api("GET", "fields").json()["fieldRels"] == []
    assert api("POST", "fieldRels", json={"fieldRel": {"field": "1", "relid": 0}}).status_code == 201
    shown = api("GET", "fields?limit=100").json()
    assert [(one["field"], one["relid"]) for one in shown["fieldRels"]] == [("1", "0")]
    assert api("POST", "fieldRels", json={"fieldRel": {"field": "9", "relid": 0}}).status_code == 404


def test_a_title_is_there_once(account: ActiveCampaign, api: Api) -> None:
    for title, status in (("Unsub URL", 201), ("unsub url", 422), ("", 422)):
        assert api("POST", "fields", json={"field": FIELD | {"title": title}}).status_code == status
    assert len(account.fields) == 1


def test_fields_come_in_pages_and_a_filter_may_be_ignored(account: ActiveCampaign, api: Api) -> None:
    for number in range(25):
        account.put_field(f"Field {number}", f"FIELD_{number}")
    assert len(api("GET", "fields").json()["fields"]) == 20
    rest = api("GET", "fields?limit=100&offset=20").json()
    assert (len(rest["fields"]), rest["meta"]["total"]) == (5, "25")
    assert len(api("GET", "fields?filters[perstag]=FIELD_3").json()["fields"]) == 1
    account.ignores_field_filters = True
    assert len(api("GET", "fields?filters[perstag]=FIELD_3&limit=100").json()["fields"]) == 25


@pytest.mark.parametrize(("decision", "status"), [("ignored", 201), ("refused", 422)])
def test_an_unknown_field_is_ignored_or_refused(account: ActiveCampaign, api: Api, decision: str, status: int) -> None:
    account.unknown_field = decision  # type: ignore[assignment]
    sent = {"contact": {"email": ANNA, "fieldValues": [{"field": "9", "value": "x"}]}}
    assert api("POST", "contact/sync", json=sent).status_code == status
    assert not account.contacts or account.contacts[ANNA].fields == {}


def test_webhooks_are_made_changed_and_deleted(account: ActiveCampaign, api: Api) -> None:
    for _ in range(2):
        assert api("POST", "webhooks", json={"webhook": HOOK}).status_code == 201
    assert len(api("GET", "webhooks").json()["webhooks"]) == 2, "a second POST makes a second one"
    changed = api("PUT", "webhooks/1", json={"webhook": {"listid": 1, "events": ["bounce"]}}).json()["webhook"]
    assert (changed["listid"], changed["events"], changed["url"]) == ("1", ["bounce"], HOOK["url"])
    assert api("DELETE", "webhooks/2").status_code == 200
    assert [api(method, "webhooks/2").status_code for method in ("GET", "DELETE")] == [404, 404]
    assert list(account.webhooks.known) == ["1"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://tilaus.example/x"},
        {"url": "https://tilaus.example:8443/x"},
        {"url": "http://127.0.0.1/x"},
        {"url": ""},
        {"events": ["leave"]},
        {"events": []},
        {"sources": ["me"]},
        {"name": ""},
    ],
)
def test_a_wrong_webhook_is_refused(account: ActiveCampaign, api: Api, wrong: dict[str, object]) -> None:
    assert api("POST", "webhooks", json={"webhook": HOOK | wrong}).status_code == 422
    assert not account.webhooks.known


def test_a_change_is_told_to_who_wants_it(account: ActiveCampaign, api: Api, ear: Ear) -> None:
    account.webhooks.allows_loopback = True
    sent = HOOK | {"url": ear.url, "events": ["subscribe", "unsubscribe", "bounce"], "sources": ["public", "admin"]}
    assert api("POST", "webhooks", json={"webhook": sent | {"listid": "1"}}).status_code == 201
    api.sync()
    api.put_on_list(1)
    account.set_status(ANNA, 2, "public")
    account.set_status(ANNA, 2, "public")
    account.set_status(ANNA, 1, "system")
    account.set_status(ANNA, 3)
    account.remove(ANNA)
    assert ear.kinds(account) == ["unsubscribe", "bounce"], "not our own calls, nor what is no change, nor a deletion"
    left, bounced = ear.heard
    assert (left["list[0][id]"], left["initiated_from"], "list" in left) == ("1", "public", False)
    assert (bounced["list"], bounced["contact[id]"], bounced["contact[email]"]) == ("1", "1", ANNA)


def test_another_list_and_what_nobody_wants_is_not_told(account: ActiveCampaign, ear: Ear) -> None:
    account.webhooks.register(ear.url, events=["unsubscribe"], sources=["admin"], listid="2")
    account.webhooks.register(ear.url, events=["bounce"], sources=["admin"])
    account.add(ANNA, status=1)
    account.set_status(ANNA, 2)
    assert ear.kinds(account) == []


def test_deliveries_get_lost_double_and_overtake_each_other(account: ActiveCampaign, ear: Ear) -> None:
    hooks = account.webhooks
    hooks.register(ear.url, events=["subscribe", "unsubscribe"], sources=["admin"])
    hooks.loses = True
    account.add(ANNA, status=1)
    hooks.loses, hooks.doubles = False, True
    account.set_status(ANNA, 2)
    assert ear.kinds(account) == ["unsubscribe"] * 2
    hooks.doubles, hooks.holds = False, True
    account.set_status(ANNA, 1)
    account.set_status(ANNA, 2)
    assert len(ear.kinds(account)) == 2
    hooks.release(newest_first=True)
    assert ear.kinds(account)[2:] == ["unsubscribe", "subscribe"]


def test_nothing_is_sent_again_and_410_ends_it_for_good(account: ActiveCampaign, ear: Ear) -> None:
    hook = account.webhooks.register(ear.url, events=["unsubscribe", "subscribe"], sources=["admin"])
    for status in (500, 410):
        ear.status = status
        account.add(f"{status}@example.fi", status=1)
        account.webhooks.wait_sent()
    account.add("later@example.fi", status=1)
    assert ear.kinds(account) == ["subscribe"] * 2
    assert hook.is_off and [told.status for told in account.webhooks.told] == [500, 410]
