"""The cookie banner on a foreign site, in a real browser: what starts when, and what every answer leads to.

The site forbids by its Content-Security-Policy whatever the banner has no need for; the trackers tell what they saw.
"""

import time

import pytest

from consent_service.language import CODES
from tests.browser.street import CHOICE, GPC, SHIFTS, SPOKEN

pytestmark = pytest.mark.browser

DAY_S = 24 * 60 * 60
GOOGLE, META, ACTIVECAMPAIGN, INSTAGRAM = "/gtag/js", "/fbevents.js", "/diffuser.js", "/embed"
THEIRS = {"_ga", "_ga_G1", "_fbp", "prism_1"}
DENIED = dict.fromkeys(("ad_storage", "ad_user_data", "ad_personalization", "analytics_storage"), "denied")


def asked(passing):
    """Which trackers were asked for their code."""
    return {path for path in passing.street.trackers.asked if path in (GOOGLE, META, ACTIVECAMPAIGN, INSTAGRAM)}


def settled(passing, *paths):
    """Wait until the trackers have been asked for all of these."""
    passing.until(lambda: set(paths) <= set(passing.street.trackers.asked))
    return passing.rest()


# Before a choice, and after a no


def test_before_a_choice_nothing_starts_and_nothing_is_kept(pass_by):
    passing = pass_by(scripts=(SHIFTS,)).open()
    assert passing.is_asked()
    assert passing.elsewhere() == []
    assert passing.street.trackers.asked == []
    assert passing.cookies() == set()
    paths = [request.url.removeprefix(passing.street.house.url) for request in passing.requests]
    assert [path for path in paths if path.startswith("/")] == ["/cookie-banner.js?lang=fi"]
    assert passing.layer() == [["consent", "default", DENIED]]
    assert passing.tab.evaluate("[typeof fbq, typeof vgo]") == ["undefined", "undefined"], "no stand-in for either"
    assert passing.tab.evaluate("window.shifts") == 0
    assert passing.complaints == [], "nothing the site's policy forbids was tried"


@pytest.mark.parametrize("code", SPOKEN)
def test_after_a_no_nothing_starts_either_and_it_is_remembered(pass_by, code):
    passing = pass_by(code).open().answer("Only necessary")
    for _ in range(2):
        assert not passing.is_asked()
        assert passing.elsewhere() == []
        assert passing.cookies() == {CHOICE}
        passing.open("/other")
    assert [row.sequence for row in passing.recorded()] == [1], "recorded once"
    assert passing.layer() == [["consent", "default", DENIED], ["consent", "update", DENIED]]
    assert passing.complaints == []


def test_without_scripts_nothing_starts_at_all(pass_by):
    passing = pass_by(java_script_enabled=False).open()
    assert (passing.elsewhere(), passing.cookies()) == ([], set())


# After a yes, each tool after its own


def test_statistics_alone_start_after_the_yes_to_statistics_and_google_is_told_in_order(pass_by):
    passing = pass_by().open().press("Choose yourself").tick("Statistics").answer("Save my choice")
    settled(passing, GOOGLE, "/g/collect")
    assert asked(passing) == {GOOGLE}
    assert passing.cookies() == {CHOICE, "_ga", "_ga_G1"}
    calls = passing.layer()
    assert calls[:2] == [
        ["consent", "default", DENIED],
        ["consent", "update", DENIED | {"analytics_storage": "granted"}],
    ]
    assert [call[0] for call in calls[2:]] == ["js", "config"], "whatever counts comes after what is allowed"
    assert passing.choice()["allowed"] == "statistics"
    assert passing.complaints == []


def test_marketing_alone_starts_after_the_yes_to_marketing(pass_by):
    passing = pass_by().open().press("Choose yourself").tick("Marketing").answer("Save my choice")
    settled(passing, META, "/tr", ACTIVECAMPAIGN, "/prism", INSTAGRAM)
    assert asked(passing) == {META, ACTIVECAMPAIGN, INSTAGRAM}
    assert passing.street.trackers.asked.count("/prism") == 1, "a visit is noted once"
    assert passing.cookies() == {CHOICE, "_fbp", "prism_1"}
    granted = dict.fromkeys(("ad_storage", "ad_user_data", "ad_personalization"), "granted")
    assert passing.layer()[1] == ["consent", "update", DENIED | granted]
    assert passing.complaints == []


def test_after_the_yes_to_all_everything_starts_there_and_on_every_later_page(pass_by):
    passing = pass_by().open().answer("Accept all")
    for _ in range(2):
        settled(passing, GOOGLE, "/g/collect", META, "/tr", ACTIVECAMPAIGN, "/prism", INSTAGRAM)
        assert passing.cookies() == {CHOICE} | THEIRS
        assert not passing.is_asked()
        passing.street.trackers.asked.clear()
        passing.open("/other")
    assert len(passing.recorded()) == 1


def test_what_comes_from_elsewhere_has_its_place_kept_and_is_shown_after_a_press(pass_by):
    passing = pass_by().open()
    frame, stand = passing.tab.locator("iframe"), passing.tab.locator("main cookie-banner")
    assert frame.is_hidden()
    assert stand.bounding_box()["width"] == 304 and stand.bounding_box()["height"] >= 204
    assert passing.say("Marketing") in stand.locator(".stand").inner_text()
    passing.answer("Accept and show")
    settled(passing, INSTAGRAM)
    assert passing.tab.frame_locator("iframe").get_by_text("Instagram").is_visible()
    assert GOOGLE not in asked(passing)
    choice = passing.choice()
    assert (choice["action"], choice["layer"], choice["allowed"]) == ("chosen", "embed", "marketing")


# A yes taken back


def test_a_yes_taken_back_deletes_what_was_set_and_nothing_starts_any_more(pass_by):
    passing = pass_by().open().answer("Accept all")
    settled(passing, GOOGLE, META, "/tr", ACTIVECAMPAIGN, "/prism", INSTAGRAM)
    assert passing.cookies() > THEIRS
    seen = passing.tab.evaluate("performance.timeOrigin")
    passing.settings().answer("Only necessary")
    passing.tab.wait_for_function("(seen) => performance.timeOrigin !== seen", arg=seen)
    passing.rest()
    passing.street.trackers.asked.clear()
    passing.requests.clear()
    passing.open("/other")
    assert passing.cookies() == {CHOICE}
    assert passing.tab.evaluate("Object.keys(localStorage)") == []
    assert (passing.elsewhere(), passing.street.trackers.asked) == ([], [])
    assert [row.sequence for row in passing.recorded()] == [1, 2]
    assert not passing.is_asked()


def test_a_yes_taken_back_in_part_leaves_the_rest(pass_by):
    passing = pass_by().open().answer("Accept all")
    settled(passing, GOOGLE, META, ACTIVECAMPAIGN, "/prism")
    passing.settings()
    passing.tab.get_by_role("checkbox", name=passing.say("Marketing")).uncheck()
    passing.answer("Save my choice")
    passing.until(lambda: passing.cookies() == {CHOICE, "_ga", "_ga_G1"})
    passing.street.trackers.asked.clear()
    settled(passing.open("/other"), GOOGLE)
    assert asked(passing) == {GOOGLE}


def test_a_yes_taken_back_in_one_tab_holds_in_the_other(pass_by):
    passing = pass_by().open().answer("Accept all")
    first, passing.tab = passing.tab, passing.new_tab()
    passing.open("/other").settings().answer("Only necessary")
    first.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    first.wait_for_function("typeof fbq === 'undefined'")


def test_a_no_stops_what_runs_here_though_it_was_said_in_another_window_first(pass_by):
    passing = pass_by().open().answer("Accept all")
    settled(passing, GOOGLE, META, "/tr", ACTIVECAMPAIGN, "/prism")
    first, passing.tab = passing.tab, passing.new_tab()
    passing.open("/other").settings().answer("Only necessary")
    passing.tab = first  # a window beside the other was in view all the while
    assert first.evaluate("typeof fbq") == "function"
    passing.settings().press("Only necessary")
    first.wait_for_function("() => typeof fbq === 'undefined'")


def test_a_yes_to_one_thing_shown_is_no_yes_to_what_was_taken_back_in_another_window(pass_by):
    passing = pass_by().open().press("Choose yourself").tick("Statistics").answer("Save my choice")
    first, passing.tab = passing.tab, passing.new_tab()
    passing.open("/other").settings().answer("Only necessary")
    passing.tab = first
    passing.answer("Accept and show")
    assert passing.choice()["allowed"] == "marketing"


@pytest.mark.parametrize("words", ["Accept all", "Only necessary"])
def test_who_answered_on_another_page_is_asked_no_more_on_this_one(pass_by, words):
    passing = pass_by().open()
    first, passing.tab = passing.tab, passing.new_tab()
    passing.open("/other").answer(words)
    passing.tab = first
    assert passing.is_asked()
    first.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")  # by the back button
    passing.until(lambda: not passing.is_asked())
    if words == "Accept all":
        first.wait_for_function("() => typeof fbq === 'function'")
    assert [row.sequence for row in passing.recorded()] == [1]


def test_the_settings_are_one_press_away_on_every_page_by_the_sites_own_link_too(pass_by):
    passing = pass_by().open("/own").answer("Only necessary")
    assert passing.button("Cookie settings").count() == 0, "the site has a link of its own"
    passing.tab.get_by_role("link", name="Our own link").click()
    assert passing.tab.get_by_role("dialog").is_visible()
    passing.open()
    assert passing.button("Cookie settings").is_visible()


# When visitors are asked


@pytest.mark.parametrize("words", ["Accept all", "Only necessary"])
def test_a_yes_and_a_no_are_remembered_for_182_days(pass_by, words):
    passing = pass_by().open().answer(words)
    [cookie] = [one for one in passing.context.cookies() if one["name"] == CHOICE]
    assert abs(cookie["expires"] - time.time() - 182 * DAY_S) < 120
    assert (cookie["sameSite"], cookie["secure"], cookie["path"]) == ("Lax", True, "/")
    for days, must_ask in ((181, False), (183, True)):
        at = int(time.time()) - days * DAY_S
        value = "&".join(f"{name}={at if name == 'at' else kept}" for name, kept in passing.choice().items())
        passing.context.add_cookies([cookie | {"value": value}])
        assert passing.open().is_asked() is must_ask, days


def test_a_change_of_what_is_used_asks_again_and_starts_nothing_before(pass_by, street):
    accepting, refusing = pass_by().open().answer("Accept all"), pass_by().open().answer("Only necessary")
    street.house.change_controller(cookie_version=2)
    try:
        for passing in (accepting, refusing):
            street.trackers.asked.clear()
            assert passing.later().open("/other").is_asked()
            assert street.trackers.asked == []
            assert passing.cookies() == {CHOICE}, "what was allowed for another use is not allowed for this one"
            passing.answer("Only necessary")
            assert [row.sequence for row in passing.recorded()] == [1, 2]
    finally:
        street.house.change_controller(cookie_version=1)


def test_another_wording_does_not_ask_again(pass_by, street):
    passing = pass_by().open().answer("Only necessary")
    [first, *others] = street.house.service.controller.cookie
    wording = first.model_copy(update={"purpose": dict.fromkeys(CODES, "Laskee.")})
    street.house.change_controller(cookie=(wording, *others))
    try:
        assert not passing.later().open().is_asked()
        assert "Laskee." in passing.settings().tab.locator("dialog").text_content()
    finally:
        street.house.change_controller(cookie=(first, *others))


def test_global_privacy_control_is_a_no_that_nobody_is_asked_about_and_that_can_be_changed(pass_by):
    passing = pass_by(scripts=(GPC,)).open()
    passing.until(lambda: passing.choice().get("sent") == "1")
    assert not passing.is_asked()
    assert passing.elsewhere() == []
    assert (passing.choice()["action"], passing.choice()["gpc"]) == ("gpc", "1")
    assert len(passing.recorded()) == 1
    passing.settings().tick("Statistics").answer("Save my choice")
    settled(passing, GOOGLE)
    assert (passing.choice()["action"], passing.choice()["gpc"]) == ("chosen", "1")
    passing.open("/other")
    assert passing.choice()["allowed"] == "statistics", "what was said in so many words counts"


# What is recorded


def test_a_choice_that_could_not_be_recorded_is_sent_again_from_the_next_page(pass_by):
    passing = pass_by()
    passing.context.route("**/cookie-choices", lambda route: route.abort())
    passing.open().press("Only necessary").rest()
    passing.until(lambda: passing.choice().get("sent") == "0")
    assert passing.recorded() == []
    assert not passing.open("/other").is_asked()
    passing.context.unroute("**/cookie-choices")
    passing.open()
    passing.until(lambda: passing.choice()["sent"] == "1")
    assert [row.sequence for row in passing.recorded()] == [1]


def test_a_choice_made_before_words_that_nobody_knows_is_asked_for_again(pass_by):
    passing = pass_by()
    passing.context.route("**/cookie-choices", lambda route: route.abort())
    passing.open().press("Only necessary").rest()
    [cookie] = [one for one in passing.context.cookies() if one["name"] == CHOICE]
    value = cookie["value"].replace(passing.choice()["version"], "0" * 64)
    passing.context.add_cookies([cookie | {"value": value}])
    passing.context.unroute("**/cookie-choices")
    passing.open()
    passing.until(lambda: passing.choice()["tools"] == "")
    assert passing.open("/other").is_asked()


def test_what_is_sent_tells_nothing_of_page_or_visitor(pass_by):
    passing = pass_by().open().answer("Accept all")
    [sent] = [one for one in passing.requests if one.url.endswith("/cookie-choices")]
    assert sent.method == "POST"
    head = sent.all_headers()
    assert "cookie" not in head and "referer" not in head
    names = {part.partition("=")[0] for part in sent.post_data.split("&")}
    assert names == {"id", "sequence", "action", "allowed", "layer", "gpc", "version"}


@pytest.mark.parametrize("code", SPOKEN)
def test_the_number_shown_leads_to_what_is_recorded_and_every_word_shown_was_kept(pass_by, street, code):
    passing = pass_by(code).open()
    seen = [passing.tab.locator("section.banner").inner_text()]
    passing.answer("Accept all").settings()
    for summary in passing.tab.locator("dialog summary").all():
        summary.click()
    seen.append(passing.tab.locator("dialog").inner_text())
    number = passing.tab.get_by_role("textbox").input_value()
    assert number == passing.choice()["id"]
    page = street.house.post(f"/cookies?lang={code}", {"choice": number})
    kept = " ".join(page.words.split())
    for line in filter(None, (line.strip() for text in seen for line in text.split("\n"))):
        assert all(part in kept for part in line.split("  ")), line


def test_a_second_copy_of_the_script_and_a_spoilt_cookie_do_no_harm(pass_by, street):
    passing = pass_by()
    place = {"name": CHOICE, "url": street.site.url}
    for value in ("x", "id=1&at=x", f"id={'a' * 32}&at=99999999999", "%00"):
        passing.context.add_cookies([place | {"value": value}])
        assert passing.open().is_asked(), value
    passing.tab.evaluate(
        """async (source) => {
          const again = Object.assign(document.createElement("script"), { src: source });
          await new Promise((go) => { again.onload = go; document.head.append(again); });
        }""",
        f"{street.house.url}/cookie-banner.js?lang=fi",
    )
    assert passing.is_asked(), "once"
    assert passing.complaints == []


def test_a_part_of_the_page_that_is_called_cookie_banner_keeps_nobody_from_being_asked(pass_by):
    called = "new MutationObserver(() => { if (document.body) document.body.id = 'cookieBanner'; })"
    passing = pass_by(scripts=(f"{called}.observe(document, {{ childList: true, subtree: true }});",)).open()
    assert passing.tab.locator("#cookieBanner").count() == 1
    assert passing.is_asked()


def test_a_browser_that_keeps_nothing_is_asked_and_answers(pass_by):
    refuses = "Object.defineProperty(Document.prototype, 'cookie', { get: () => '', set: () => {} });"
    passing = pass_by(scripts=(refuses,)).open().press("Only necessary").rest()
    assert not passing.is_asked()
    assert passing.elsewhere() == []
