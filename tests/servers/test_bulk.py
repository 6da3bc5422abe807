"""The bulk import of the tests' ActiveCampaign does what is documented, seen from an ordinary client."""

from typing import Any

import pytest
import requests

from tests.servers.activecampaign import ActiveCampaign

Sent = tuple[int, Any]


class Api:
    """A client of the bulk import."""

    def __init__(self, server: ActiveCampaign) -> None:
        self.root, self.headers = server.url + "/api/3/", {"Api-Token": server.token}

    def send(self, *emails: str) -> Sent:
        contacts = [{"email": email, "first_name": "Anna", "subscribe": [{"listid": 1}]} for email in emails]
        return self._call("POST", "import/bulk_import", json={"contacts": contacts})

    def info(self, number: str) -> Sent:
        return self._call("GET", f"import/info?batchId={number}")

    def search(self, query: str) -> list[str]:
        return [one["id"] for one in self._call("GET", f"contacts?{query}")[1]["contacts"]]

    def _call(self, method: str, path: str, **options: Any) -> Sent:
        answer = requests.request(method, self.root + path, headers=self.headers, timeout=5, **options)
        return answer.status_code, answer.json()


@pytest.fixture
def api(account: ActiveCampaign) -> Api:
    return Api(account)


def test_contacts_are_queued_and_land_when_they_are_asked_about(account: ActiveCampaign, api: Api) -> None:
    account.imports.looks = 1
    status, told = api.send("a@example.fi", "B@example.fi")
    assert (status, told["Success"], told["queued_contacts"]) == (200, 1, 2)
    assert account.contacts == {}
    assert api.info(told["batchId"])[1]["status"] != "completed"
    assert api.info(told["batchId"]) == (200, {"status": "completed", "success": ["1", "2"], "failure": []})
    assert account.history == [("a@example.fi", 1), ("b@example.fi", 1)]
    assert account.contacts["b@example.fi"].first_name == "Anna"


def test_who_unsubscribed_or_bounced_is_not_subscribed_again(account: ActiveCampaign, api: Api) -> None:
    account.add("left@example.fi", status=2)
    account.add("bounced@example.fi", status=3)
    account.imports.failing, account.imports.excluded = {"bad@example.fi"}, {"excluded@example.fi"}
    _, told = api.send("left@example.fi", "bounced@example.fi", "bad@example.fi", "excluded@example.fi")
    _, outcome = api.info(told["batchId"])
    assert (outcome["success"], outcome["failure"]) == (["1", "2"], ["bad@example.fi"])
    assert [account.status_of(f"{name}@example.fi") for name in ("left", "bounced", "excluded")] == [2, 3, None]


def test_one_malformed_address_fails_them_all(account: ActiveCampaign, api: Api) -> None:
    status, told = api.send("a@example.fi", "b at example")
    assert (status, told["success"], told["failureReasons"][0]["contact"]) == (400, 0, 1)
    account.imports.names_the_bad = False
    assert api.send("a@example.fi", "b at example")[1]["failureReasons"] == []
    assert account.imports.queue == {}


def test_too_many_contacts_too_many_calls_and_unknown_numbers(account: ActiveCampaign, api: Api) -> None:
    assert api.send(*(f"p{number}@example.fi" for number in range(251)))[0] == 400
    account.imports.a_minute = 2
    assert api.send("a@example.fi")[0] == 200
    status, told = api.send("a@example.fi")
    assert (status, told["message"]) == (400, "Rate limit exceeded.")
    assert (api.info("")[0], api.info("nonsense")[0]) == (400, 404)


def test_contacts_are_searched_by_several_ids(account: ActiveCampaign, api: Api) -> None:
    for name, status in (("a", 1), ("b", 2), ("c", 1)):
        account.add(f"{name}@example.fi", status=status)
    assert api.search("ids[]=1&ids[]=2&listid=1&status=1") == ["1"]
    account.ignored_filters = frozenset({"ids[]"})
    assert api.search("ids%5B%5D=1&listid=1&status=1") == ["1", "3"]
