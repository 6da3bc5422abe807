"""The web site of the development mode, as somebody tries it: the form, the banner, and what waits for a yes."""

import pytest

from consent_service.models.site import cookie_choice
from tests.browser.street import SPOKEN
from tests.browser.test_every_page import axe

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("code", SPOKEN)
def test_on_it_one_subscribes_and_sees_what_a_no_and_a_yes_do(visit, tab, houses, code):
    guest = visit(tab, houses["town"], code)
    person, loaded, before = guest.somebody(), [], len(guest.house.rows(cookie_choice))
    tab.on("request", lambda request: loaded.append(request.url.partition("?")[0]))
    guest.open("/dev/site")
    statistics, video = (f"{guest.house.url}/dev/site/{name}" for name in ("statistics.js", "video"))

    with tab.expect_response("**/cookie-choices") as recorded:
        guest.press("Only necessary")
    assert recorded.value.status == 204
    tab.locator("section.banner").wait_for(state="detached")
    tab.get_by_text(guest.say("The statistics wait for your yes.")).wait_for()
    assert not {statistics, video} & set(loaded)

    with tab.expect_response("**/cookie-choices"):
        guest.press("Accept and show")
    tab.frame_locator("iframe").get_by_text(guest.say("It was not loaded before your yes.")).wait_for()
    assert video in loaded and statistics not in loaded, "that was a yes to one of the two"

    tab.get_by_role("link", name=guest.say("Cookie settings"), exact=True).click()
    with tab.expect_response("**/cookie-choices"):
        tab.get_by_role("dialog").get_by_role("button", name=guest.say("Accept all"), exact=True).click()
    tab.get_by_text(guest.say("The statistics have started.")).wait_for()
    assert axe(tab) == []
    assert [one.sequence for one in guest.house.rows(cookie_choice)[before:]] == [1, 2, 3]
    [kept] = tab.context.cookies()
    assert "allowed=statistics+marketing" in kept["value"]

    guest.write(first_name="Aino", last_name="Mäkelä", email=person.email)
    tab.locator("#consent").check()
    guest.press("Subscribe")
    tab.locator("section:focus").wait_for()
    guest.house.deliver()
    assert guest.house.get(person.link("confirm")).press(guest.say("Confirm the subscription")).status == 200
    assert guest.house.status(person.email) == "active"
    assert (guest.complaints, guest.strays) == ([], [])
