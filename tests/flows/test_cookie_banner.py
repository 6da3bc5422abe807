"""The banner's script as it is served, the page about cookies, and when visitors have to be asked again."""

import gzip
import json
import re

import pytest

from consent_service.language import CODES, language
from consent_service.notices import cookie_notice
from tests.household import CONTROLLER

HEAVIEST_BYTES = 8 * 1024


@pytest.mark.parametrize("code", CODES)
def test_the_script_is_light_and_may_be_loaded_from_elsewhere(sqlite_house, code):
    answer = sqlite_house.get(f"/cookie-banner.js?lang={code}").answer
    assert len(gzip.compress(answer.content, 9)) <= HEAVIEST_BYTES
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert "Accept-Language" in answer.headers["Vary"]
    assert not answer.cookies
    notice = sqlite_house.service.cookie_notice(language(code))
    given = json.loads(re.search(r"\}\)\((\{.*\})\);\s*$", answer.text)[1])
    assert (given["version"], given["tools"], given["lang"]) == (notice.shown.sha256, notice.tools, code)
    assert given["to"] == f"{sqlite_house.settings.public_url}/cookie-choices"
    assert given["seconds"] == 182 * 24 * 60 * 60
    again = sqlite_house.get(f"/cookie-banner.js?lang={code}", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304


def test_hostile_values_of_the_controller_file_stay_text_in_the_script(sqlite_house):
    [first, *others] = CONTROLLER.cookie
    hostile = "</script><script>alert(1)</script> \u2028 '\"\\ {{ 7*7 }}"
    sqlite_house.change_controller(cookie=(first.model_copy(update={"name": hostile}), *others))
    script = sqlite_house.get("/cookie-banner.js?lang=fi").answer.text
    assert "</script>" not in script and "\u2028" not in script
    page = sqlite_house.get("/cookies?lang=fi")
    assert "<script" not in page.html and "</script><script>alert(1)</script>" in page.words


@pytest.mark.parametrize("code", CODES)
def test_the_page_names_each_tool_with_purpose_duration_and_third_parties(sqlite_house, code):
    page = sqlite_house.get(f"/cookies?lang={code}")
    assert page.status == 200
    for one in CONTROLLER.cookie:
        for said in (one.name, one.purpose[code], one.provider, one.third_parties[code], str(one.days), *one.names):
            assert said in page.words, said
    assert cookie_notice.CHOICE in page.words
    for said in ("182", "Global Privacy Control"):
        assert said in page.words
    assert f"/cookies?lang={code}" in sqlite_house.get(f"/privacy?lang={code}").links
    assert f"/cookies?lang={code}" in sqlite_house.get(f"/subscribe?lang={code}").links


# When visitors are asked again


def changed(number, **values):
    tools = list(CONTROLLER.cookie)
    tools[number] = tools[number].model_copy(update=values)
    return CONTROLLER.model_copy(update={"cookie": tuple(tools)})


def test_another_use_asks_again_and_another_wording_does_not():
    today = cookie_notice.tools_version(CONTROLLER)
    necessary = CONTROLLER.cookie[0].model_copy(update={"category": "necessary", "name": "A basket"})
    same = [
        changed(0, purpose=dict.fromkeys(CODES, "Laskee käynnit.")),
        CONTROLLER.model_copy(update={"name": "Toinen Oy"}),
        CONTROLLER.model_copy(update={"cookie": tuple(reversed(CONTROLLER.cookie))}),
        CONTROLLER.model_copy(update={"cookie": (*CONTROLLER.cookie, necessary)}),
    ]
    other = [
        changed(0, name="Matomo"),
        changed(0, provider="Somebody else"),
        changed(0, days=3),
        changed(0, names=("_ga",)),
        changed(0, category="marketing"),
        CONTROLLER.model_copy(update={"cookie": CONTROLLER.cookie[1:]}),
        CONTROLLER.model_copy(update={"cookie_version": 2}),
    ]
    assert {cookie_notice.tools_version(one) for one in same} == {today}
    assert len({today, *(cookie_notice.tools_version(one) for one in other)}) == 1 + len(other)
