"""The ActiveCampaign server of the tests does what it promises, seen from an ordinary client over real sockets."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.servers.activecampaign import ActiveCampaign
from tests.servers.api import ANNA, Api


class TestContacts:
    def test_sync_makes_then_updates(self, account: ActiveCampaign, api: Api) -> None:
        made = api.sync(firstName="Anna")
        assert made.status_code == 201
        assert made.json()["contact"]["id"] == "1" and "deleted" not in made.json()["contact"]
        again = api.sync("ANNA@example.fi", lastName="Aalto")
        assert again.status_code == 200 and again.json()["contact"]["deleted"] == "0"
        anna = account.contacts[ANNA]
        assert (anna.id, anna.email, anna.first_name, anna.last_name, anna.lists) == ("1", ANNA, "Anna", "Aalto", {})
        api.sync(firstName="")
        assert account.contacts[ANNA].first_name == ""

    def test_field_values_are_echoed_with_numbers(self, account: ActiveCampaign, api: Api) -> None:
        account.put_field("Language", "LANGUAGE")
        sent = {"email": ANNA, "fieldValues": [{"field": "1", "value": "fi"}]}
        answer = api("POST", "contact/sync", json={"contact": sent}).json()
        assert answer["fieldValues"] == [{"contact": 1, "field": 1, "value": "fi", "owner": 1}]
        assert account.contacts[ANNA].fields == {"1": "fi"}

    def test_invalid_and_duplicate_addresses(self, account: ActiveCampaign, api: Api) -> None:
        refused = api.sync("anna at example")
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["code"] == "email_invalid"
        assert api("POST", "contacts", json={"contact": {"email": ANNA}}).status_code == 201
        twice = api("POST", "contacts", json={"contact": {"email": ANNA.upper()}})
        assert (twice.status_code, twice.json()["errors"][0]["code"]) == (422, "duplicate")
        assert api("POST", "contact/sync", data=b"{").status_code == 400
        assert list(account.contacts) == [ANNA]

    def test_read_update_delete(self, account: ActiveCampaign, api: Api) -> None:
        api.put_on_list(api.sync().json()["contact"]["id"], "1")
        whole = api("GET", "contacts/1").json()
        assert whole["contact"]["email"] == ANNA
        assert [(one["list"], one["status"]) for one in whole["contactLists"]] == [("1", "1")]
        assert api("GET", "contacts/1/contactLists").json()["contactLists"] == whole["contactLists"]
        assert api("PUT", "contacts/1", json={"contact": {"email": "a@example.fi"}}).status_code == 200
        assert account.status_of("A@example.fi") == 1 and account.status_of(ANNA) is None
        assert (api("DELETE", "contacts/1").status_code, account.contacts) == (200, {})
        for method, path in (("GET", "contacts/1"), ("DELETE", "contacts/1"), ("GET", "contacts/1/contactLists")):
            gone = api(method, path)
            assert gone.status_code == 404 and "with id 1" in gone.json()["message"]
        assert api.sync().json()["contact"]["id"] == "2"

    @pytest.mark.parametrize(("case", "stored"), [("kept", "Anna@Example.fi"), ("lowered", ANNA)])
    def test_spelling_of_addresses(self, account: ActiveCampaign, api: Api, case: Any, stored: str) -> None:
        account.email_case = case
        api.sync("Anna@Example.fi")
        assert account.contacts[ANNA].email == stored
        assert api.emails("?email=anna%40example.fi") == [stored]


class TestSearch:
    def test_filters(self, account: ActiveCampaign, api: Api) -> None:
        for email, status in (("a+x@example.fi", 1), ("b@example.fi", 2), ("c@example.fi", None)):
            account.add(email, status=status)
        assert api.emails("?email=a%2Bx%40example.fi") == ["a+x@example.fi"]
        assert api.emails("?email=a+x@example.fi") == []
        assert api.emails("?listid=1&status=2") == ["b@example.fi"]
        assert api.emails("?listid=1&status=-1") == ["a+x@example.fi", "b@example.fi"]
        assert api.emails("?id_greater=1&orders[id]=DESC") == ["c@example.fi", "b@example.fi"]
        assert api("GET", "contacts?tagid=4").status_code == 501

    def test_empty_and_unknown_filters(self, account: ActiveCampaign, api: Api) -> None:
        account.add(ANNA)
        assert api.emails("?email=") == api.emails("?mail=x%40example.fi") == [ANNA]
        account.empty_filter_returns_everybody = False
        assert api.emails("?email=") == api.emails("?mail=x%40example.fi") == []
        assert api.emails("?limit=5") == [ANNA]

    def test_pages(self, account: ActiveCampaign, api: Api) -> None:
        for number in range(130):
            account.add(f"p{number:03}@example.fi")
        first = api("GET", "contacts").json()
        assert (len(first["contacts"]), first["meta"]["total"]) == (20, "130")
        assert len(api.emails("?limit=1000")) == 100
        assert api.emails("?limit=100&offset=100")[0] == "p100@example.fi"
        assert len(api.emails("?limit=100&id_greater=100&orders[id]=ASC")) == 30

    def test_new_contacts_may_show_up_late(self, account: ActiveCampaign, api: Api) -> None:
        account.search_delay_s = 0.2
        api.sync()
        assert api.emails("?email=anna%40example.fi") == [] and api("GET", "contacts/1").ok
        account.wait_for(lambda: api.emails("?email=anna%40example.fi") == [ANNA], timeout=2)


class TestLists:
    def test_membership_is_new_once_and_echoes_types(self, account: ActiveCampaign, api: Api) -> None:
        api.sync()
        first, second = api.put_on_list(1, 1, sourceid=4), api.put_on_list("1", "2")
        assert (first.status_code, second.status_code) == (201, 200)
        assert [first.json()["contactList"][key] for key in ("contact", "list", "status", "sourceid")] == [1, 1, 1, 4]
        assert [second.json()["contactList"][key] for key in ("contact", "status")] == ["1", "2"]
        assert account.status_of(ANNA) == 2

    def test_refusals(self, account: ActiveCampaign, api: Api) -> None:
        assert api.put_on_list(7).status_code == 404
        api.sync()
        assert api.put_on_list(1, list=9).status_code == 404
        assert api.put_on_list(1, 5).status_code == 422
        assert api("POST", "contactLists", json={"contactList": {"contact": 1}}).status_code == 422
        assert account.status_of(ANNA) is None

    def test_coming_back_needs_a_source(self, account: ActiveCampaign, api: Api) -> None:
        account.add(ANNA, status=2)
        silent = api.put_on_list(1, 1)
        assert (silent.status_code, silent.json()["contactList"]["status"]) == (200, 2)
        assert api.put_on_list(1, "1").json()["contactList"]["status"] == "2"
        assert account.status_of(ANNA) == 2
        assert api.put_on_list(1, 1, sourceid=4).json()["contactList"]["status"] == 1
        account.set_status(ANNA, 2)
        account.resubscribe_needs_sourceid = False
        api.put_on_list(1, 1)
        assert account.history == [(ANNA, 2), (ANNA, 1), (ANNA, 2), (ANNA, 1)]

    def test_lists_and_user(self, api: Api) -> None:
        assert [one["id"] for one in api("GET", "lists").json()["lists"]] == ["1"]
        assert api("GET", "lists/1").json()["list"]["name"] == "Newsletter"
        assert api("GET", "lists/7").json()["message"] == "No Result found for _List with id 7"
        assert api("GET", "users/me").json()["user"]["id"] == "1"
        assert api("GET", "").status_code == 200
        assert api("GET", "nonsense").status_code == 404

    def test_other_lists_are_left_alone(self) -> None:
        with ActiveCampaign(lists={1: "News", 2: "Staff"}) as account:
            api = Api(account)
            with api.session:
                api.sync()
                api.put_on_list(1, 1, list=2)
            assert (account.status_of(ANNA), account.contacts[ANNA].lists, account.history) == (None, {2: 1}, [])

    def test_acting_by_hand(self, account: ActiveCampaign, api: Api) -> None:
        account.add(ANNA, first_name="Anna", status=1)
        account.set_status("ANNA@example.fi", 3)
        assert api("GET", "contacts/1/contactLists").json()["contactLists"][0]["status"] == "3"
        account.remove(ANNA)
        assert account.contacts == {} and account.status_of(ANNA) is None
        with pytest.raises(KeyError):
            account.set_status(ANNA, 1)


class TestFailures:
    def test_wrong_or_missing_token(self, account: ActiveCampaign, api: Api) -> None:
        assert api("GET", "users/me", headers={"Api-Token": "wrong"}).status_code == 403
        assert requests.get(account.url + "/api/3/users/me", timeout=5).status_code == 403
        assert [call.status for call in account.calls] == [403, 403]

    def test_rate_limit(self, account: ActiveCampaign, api: Api) -> None:
        account.rate_limit, account.retry_after_s = 3, 30
        answers = [api("GET", "users/me") for _ in range(5)]
        assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
        assert answers[0].headers["RateLimit-Limit"] == "3" and answers[0].headers["RateLimit-Remaining"] == "2"
        assert answers[3].headers["Retry-After"] == "30" and answers[3].headers["RateLimit-Remaining"] == "0"
        account.retry_after_s = None
        assert "Retry-After" not in api("GET", "users/me").headers
        account.wait_for(lambda: api("GET", "users/me").status_code == 200, timeout=2)

    def test_delay_comes_after_the_effect(self, account: ActiveCampaign, api: Api) -> None:
        account.delay_s = 0.3
        with pytest.raises(requests.ReadTimeout):
            api("POST", "contact/sync", json={"contact": {"email": ANNA}}, timeout=0.1)
        assert ANNA in account.contacts

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("kind", ["500", "502", "503", "429", "403", "empty", "garbage", "truncated"])
    def test_bad_answers(self, account: ActiveCampaign, api: Api, kind: Any, when: Any) -> None:
        account.fault(kind, "sync", when)
        answer = api.sync()
        expected = int(kind) if kind.isdigit() else 201 if (kind, when) == ("truncated", "after") else 200
        assert answer.status_code == expected
        if kind in ("empty", "garbage", "truncated", "502"):
            with pytest.raises(requests.JSONDecodeError):
                answer.json()
        assert (ANNA in account.contacts) is (when == "after")
        assert api.sync().status_code == (200 if when == "after" else 201)

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("kind", ["timeout", "reset", "cut"])
    def test_no_answer(self, account: ActiveCampaign, api: Api, kind: Any, when: Any) -> None:
        account.hold_s = 0.1
        account.fault(kind, "contactLists", when)
        api.sync()
        with pytest.raises(requests.ConnectionError, match="reset by peer" if kind == "reset" else "without response"):
            api.put_on_list(1)
        assert account.status_of(ANNA) == (1 if when == "after" else None)
        assert account.calls[-1].status is None
        assert api.put_on_list(1).ok

    def test_faults_meet_their_calls_only(self, account: ActiveCampaign, api: Api) -> None:
        account.fault("500", "delete")
        account.fault("503", "any", times=2)
        assert [api("GET", "users/me").status_code for _ in range(3)] == [503, 503, 200]
        account.add(ANNA)
        account.fault("500", "search")
        assert api("GET", "contacts/1").status_code == 200
        assert api("GET", "contacts").status_code == api("DELETE", "contacts/1").status_code == 500
        account.fault("500")
        account.clear_faults()
        assert api("GET", "contacts/1").status_code == 200
        for wrong in (("strike", "any", "before"), ("500", "walk", "before"), ("500", "any", "never")):
            with pytest.raises(ValueError):
                account.fault(*wrong)  # type: ignore[arg-type]

    def test_is_down_and_comes_back_under_the_same_url(self, account: ActiveCampaign, api: Api) -> None:
        url = account.url
        api.sync()
        account.stop()
        for _ in range(3):
            with pytest.raises(requests.ConnectionError):
                api.sync()
        account.start()
        assert api.sync().status_code == 200 and account.url == url

    def test_stopping_does_not_wait_for_held_lines(self, account: ActiveCampaign, api: Api) -> None:
        account.fault("timeout")
        with pytest.raises(requests.ReadTimeout):
            api("GET", "users/me", timeout=0.05)
        before = time.monotonic()
        account.stop()
        assert time.monotonic() - before < 1


class TestRecord:
    def test_calls_are_kept_as_they_came(self, account: ActiveCampaign, api: Api) -> None:
        api.sync()
        api("GET", "contacts?email=a%2Bb%40example.fi")
        first, second = account.calls
        assert (first.method, first.path, first.name, first.status) == ("POST", "/api/3/contact/sync", "sync", 201)
        assert first.body == {"contact": {"email": ANNA}} and first.at <= second.at <= time.monotonic()
        assert second.path == "/api/3/contacts?email=a%2Bb%40example.fi" and second.body is None
        assert second.query == {"email": "a+b@example.fi"}

    def test_waiting(self, account: ActiveCampaign, api: Api) -> None:
        later = threading.Timer(0.05, account.add, (ANNA,), {"status": 1})
        later.start()
        account.wait_for(lambda: account.status_of(ANNA) == 1)
        later.join()
        api("GET", "users/me")
        with pytest.raises(AssertionError, match="GET /api/3/users/me 200"):
            account.wait_for(lambda: False, timeout=0.05)

    def test_many_callers_at_once(self, account: ActiveCampaign, api: Api) -> None:
        def call(number: int) -> None:
            headers = {"Api-Token": account.token}
            body = {"contact": {"email": f"p{number % 5}@example.fi"}}
            requests.post(api.root + "contact/sync", json=body, headers=headers, timeout=5)

        with ThreadPoolExecutor(20) as crowd:
            list(crowd.map(call, range(20)))
        assert len(account.contacts) == 5
        assert sorted(one.status or 0 for one in account.calls) == [200] * 15 + [201] * 5
