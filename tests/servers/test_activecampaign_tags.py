"""Tags on the ActiveCampaign server of the tests, seen from an ordinary client over real sockets."""

from collections.abc import Iterator

import pytest
import requests

from tests.servers.activecampaign import ActiveCampaign
from tests.servers.api import ANNA, Api


@pytest.fixture
def api(account: ActiveCampaign) -> Iterator[Api]:
    caller = Api(account)
    with caller.session:
        caller.sync()
        yield caller


def made(api: Api, name: str = "Reader") -> requests.Response:
    return api("POST", "tags", json={"tag": {"tag": name, "tagType": "contact"}})


def tagged(api: Api, contact: str = "1", tag: str = "101") -> requests.Response:
    return api("POST", "contactTags", json={"contactTag": {"contact": contact, "tag": tag}})


def test_a_tag_is_made_once_whatever_its_case_and_found_by_its_name(account: ActiveCampaign, api: Api) -> None:
    assert made(api).status_code == 201 and made(api, "reader").status_code == 422 and made(api, "").status_code == 422
    made(api, "Other")
    assert [tag["tag"] for tag in api("GET", "tags?search=read").json()["tags"]] == ["Reader"]
    assert api("GET", "tags/101").json()["tag"]["tag"] == "Reader" and api("GET", "tags/9").status_code == 404
    account.ignores_tag_search = True
    assert len(api("GET", "tags?search=read").json()["tags"]) == 2
    account.tag_search_delay_s = 1000
    assert api("GET", "tags").json() == {"tags": [], "meta": {"total": "0"}}


def test_a_contact_is_tagged_read_page_by_page_and_untagged_by_the_id_between(
    account: ActiveCampaign, api: Api
) -> None:
    for number in range(25):
        tag = made(api, f"Tag {number}").json()["tag"]["id"]
        assert tagged(api, tag=tag).status_code == 201
    first = api("GET", "contacts/1/contactTags").json()["contactTags"]
    rest = api("GET", "contacts/1/contactTags?limit=100&offset=20").json()["contactTags"]
    assert (len(first), len(rest)) == (20, 5)
    assert first[0]["contact"] == "1" and first[0]["tag"] == "101"
    assert api("DELETE", f"contactTags/{first[0]['id']}").status_code == 200
    assert api("DELETE", f"contactTags/{first[0]['id']}").status_code == 404
    assert "Tag 0" not in account.tags_of(ANNA) and len(account.tags_of(ANNA)) == 24


def test_tagging_twice_makes_one_or_is_refused_and_unknown_ones_are_not_found(
    account: ActiveCampaign, api: Api
) -> None:
    made(api)
    assert [tagged(api).status_code for _ in range(2)] == [201, 200]
    account.refuses_second_tagging = True
    assert tagged(api).status_code == 422 and account.tags_of(ANNA) == ["Reader"]
    assert tagged(api, contact="9").status_code == tagged(api, tag="9").status_code == 404
    assert api("POST", "contactTags", json={"contactTag": {}}).status_code == 422
    assert api("GET", "contacts/9/contactTags").status_code == 404


def test_the_tags_of_a_contact_are_its_own_or_those_of_all(account: ActiveCampaign, api: Api) -> None:
    made(api)
    tagged(api, contact=account.add("bo@example.com").id)
    assert api("GET", "contacts/1/contactTags").json()["contactTags"] == []
    account.mixes_contact_tags = True
    assert len(api("GET", "contacts/1/contactTags").json()["contactTags"]) == 1


def test_a_contact_that_is_deleted_takes_its_tags_along(account: ActiveCampaign, api: Api) -> None:
    made(api)
    tagged(api)
    api("DELETE", "contacts/1")
    api.sync()
    assert account.tags_of(ANNA) == [] and account.tag_history == [("1", "Reader")]
