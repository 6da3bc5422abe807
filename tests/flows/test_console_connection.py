"""The staff page for the connection to ActiveCampaign: every state of it, and what its buttons begin."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import update

from consent_service import service as services
from consent_service.comparison import runs
from consent_service.language import CODES, language
from consent_service.models.comparison import drift as drifts
from consent_service.models.comparison import reconcile_run
from consent_service.models.delivery import outbox_message
from consent_service.models.newsletter import subscriber
from consent_service.watch import doctor
from tests import crowd
from tests.actors import Staff, Visitor, fi
from tests.household import NO_ACTIVECAMPAIGN

SUBSCRIBED, UNSUBSCRIBED = 1, 2
MANY = (
    "%(number)s contacts are on the list there without permission here and were left alone. "
    "Import those who gave their permission first; then put right what the rules allow."
)
PAGE, PUT_RIGHT = "/staff/activecampaign", "/staff/activecampaign/put-right"


@pytest.fixture
def house(sqlite_house):
    return sqlite_house


@pytest.fixture
def heidi(house):
    staff = Staff(house)
    staff.log_in()
    return staff


@pytest.fixture
def look(house, heidi):
    """Open a staff page, in Finnish unless another language is asked for."""

    def opened(path=PAGE, code="fi"):
        page = house.get(f"{path}?lang={code}", heidi.http)
        assert page.status == 200, page.title
        return page

    return opened


def says(page, message, **values):
    return " ".join(fi(message, **values).split()) in page.words


def overview_agrees(look, message, **values):
    """The overview says the same in its one line, and says that all is well only when it is."""
    page = look("/staff/")
    assert PAGE in " ".join(page.links)
    return says(page, message, **values) and says(page, "All is well.") == (message == "it works.")


def doctor_says(house):
    """What the doctor finds about the comparisons."""
    [found] = [one for one in doctor.examine(house.service) if one.part == "comparison"]
    return f"{found.state}: {found.says}"


def change_run(house, **values):
    with house.service.transaction() as connection:
        connection.execute(update(reconcile_run).where(reconcile_run.c.is_open).values(**values))


def test_without_a_connection_it_says_calmly_how_to_connect(open_house, tmp_path):
    house = open_house(f"sqlite:///{tmp_path}/alone.db", **NO_ACTIVECAMPAIGN)
    heidi = Staff(house)
    heidi.log_in()
    Visitor(house).becomes_active()
    page = house.get(f"{PAGE}?lang=fi", heidi.http)
    assert says(page, "How to connect it") and "CONSENT_ACTIVECAMPAIGN_LIST_ID" in page.words
    assert "doctor --setup" in page.words
    assert [form.buttons for form in page.forms] == [[fi("Log out")]], "there is nothing to compare with"
    token = page.forms[0].fields["csrf_token"]
    for path in (f"{PAGE}/compare", PUT_RIGHT):
        assert house.post(path, {"csrf_token": token}, heidi.http).status == 409
    assert house.count(reconcile_run) == 0
    assert says(house.get("/staff/?lang=fi", heidi.http), "not connected yet.")


def test_all_is_well_before_the_first_night_and_after_it(house, look):
    page = look()
    assert says(page, "The connection works.") and says(page, "The first comparison comes at three at night.")
    assert says(page, "not yet") and overview_agrees(look, "it works.")
    aino = Visitor(house).becomes_active()
    crowd.hear(house, [(house.person(aino.email).contact_id, aino.email)])
    house.deliver()
    house.compare()
    page = look()
    assert says(page, "The connection works.") and says(page, "Both sides agree.")
    assert doctor_says(house).startswith("good: the last one began")
    assert not says(page, "not yet"), "it took something, and was heard of"
    assert fi("today %(clock)s", clock="").strip() in page.words
    assert overview_agrees(look, "it works.")


@pytest.fixture
def refused(house):
    """Somebody whose address ActiveCampaign does not take, as it is the first time."""
    aino = Visitor(house)
    aino.subscribe()
    house.deliver()
    aino.confirm()
    change_address(house, 'aino"@"example@example.com')
    house.deliver()
    return aino


def change_address(house, address):
    with house.service.transaction() as connection:
        connection.execute(update(subscriber).values(email=address))


def test_an_update_given_up_is_shown_with_its_reason_and_one_press_tries_it_again(house, look, refused):
    wrong = language("fi").count("One update could not be delivered.", "%(number)s updates could not be delivered.", 1)
    page = look()
    assert wrong in page.words and "email_invalid" in page.words
    assert overview_agrees(look, "See why and try again") and wrong in look("/staff/").words
    change_address(house, refused.email)
    back = page.press(fi("Try again"))
    assert back.answer.url.partition("?")[0].endswith(PAGE), "where the button was pressed"
    house.deliver()
    assert says(look(), "The connection works.")
    assert house.contacts.status_of(refused.email) == SUBSCRIBED


def test_an_update_set_aside_is_no_fault_and_was_not_taken(look, refused):
    back = look().press(fi("Set aside"))
    assert says(back, "The connection works.") and says(back, "not yet")


def test_a_comparison_begun_here_is_carried_out_and_only_reports(house, look):
    aino = Visitor(house).becomes_active()
    house.contacts.set_status(aino.email, UNSUBSCRIBED)
    begun = look().press(fi("Compare now"))
    assert begun.status == 200 and says(begun, "about to begin or go on")
    look().press(fi("Compare now"))
    [run] = house.rows(reconcile_run)
    assert (run.applies, run.by_hand) == (False, True), "pressed again it is the same one"
    house.carry_out()
    page = look()
    assert says(page, "Unsubscribed at ActiveCampaign") and says(page, "made passive here")
    assert f"/staff/subscribers/{house.person(aino.email).id}" in " ".join(page.links)
    assert house.status(aino.email) == "active"


def test_putting_right_is_explained_before_it_is_begun(house, look):
    aino = Visitor(house).becomes_active()
    house.contacts.set_status(aino.email, UNSUBSCRIBED)
    page = look(PUT_RIGHT)
    assert house.count(reconcile_run) == 0, "looking begins nothing"
    for sentence in (
        "Contacts on the list there without permission here are unsubscribed there. "
        "If somebody gave their permission before, import them first.",
        "As long as nobody has imported or pressed this before, and in the first comparison after an import, "
        "such contacts are only reported. From the next comparison on they are unsubscribed, at night too.",
    ):
        assert says(page, sentence)
    page.press(fi("Put right what the rules allow"))
    house.carry_out()
    assert house.status(aino.email) == "passive"
    assert says(look(), "yes")


def test_while_somebody_is_at_one_another_is_refused(house, look):
    page = look()
    page.press(fi("Compare now"))
    change_run(house, claimed_by="another", claimed_until=services.now() + timedelta(minutes=1))
    assert says(look(), "It is under way.")
    before = house.everything()
    for refused in (page.press(fi("Compare now")), look(PUT_RIGHT).press(fi("Put right what the rules allow"))):
        assert refused.status == 409
        assert says(refused, "A comparison is under way already. Begin another when it has ended.")
    assert house.everything() == before


def test_an_interrupted_comparison_says_why_and_goes_on(house, look):
    look().press(fi("Compare now"))
    change_run(house, trouble="ActiveCampaign answered 503")
    page = look()
    assert says(page, "interrupted") and says(page, "ActiveCampaign answered with an error: %(code)s.", code="503")
    house.carry_out()
    assert says(look(), "Both sides agree.")


def test_a_comparison_given_up_is_a_fault_until_the_next_is_finished(house, look):
    house.contacts.add("eero@example.com", status=UNSUBSCRIBED)
    look().press(fi("Compare now"))
    [run] = house.rows(reconcile_run)
    with house.service.transaction() as connection:
        runs.give_up(connection, run, services.now(), "ActiveCampaign lists everybody, whatever status is asked for")
    reason = fi("ActiveCampaign lists everybody, whatever it is asked for.")
    assert says(look(), "The last comparison was given up. %(reason)s", reason=reason)
    assert overview_agrees(look, "The last comparison was given up. %(reason)s", reason=reason)
    assert doctor_says(house).startswith("wrong: the last one was given up: ActiveCampaign lists everybody")
    house.compare()
    assert says(look(), "The connection works.")


def test_a_day_and_two_hours_without_a_finished_comparison_is_a_fault(house, heidi, look):
    late = "No comparison has come to its end for more than a day. Is the relay running?"
    house.do_chores()
    with time_machine.travel(services.now() + timedelta(hours=51)):
        heidi.log_in()
        assert says(look(), late), "the first night has passed and nothing was begun"
        house.compare()
        assert says(look(), "The connection works.")
    with time_machine.travel(services.now() + timedelta(hours=51 + 25)):
        heidi.log_in()
        assert says(look(), "The connection works.")
    with time_machine.travel(services.now() + timedelta(hours=51 + 27)):
        heidi.log_in()
        assert overview_agrees(look, late)
        assert doctor_says(house).startswith("wrong: none has come to its end since")


def test_strangers_held_back_wait_for_somebody_and_their_addresses_are_on_no_page(house, look):
    for number in range(12):
        house.contacts.add(f"stranger{number}@example.com", status=SUBSCRIBED)
    house.compare()
    count = language("fi").count
    held = count(
        "The comparison left one contact alone until somebody has looked.",
        "The comparison left %(number)s contacts alone until somebody has looked.",
        12,
    )
    one = (
        "One contact is on the list there without permission here and was left alone. "
        "Import them first if they gave their permission; then put right what the rules allow."
    )
    many = count(one, MANY, 12)
    assert doctor_says(house).startswith("note: 12 contacts are left alone until you look")
    page = look()
    assert held in page.words and many in page.words and held in look("/staff/").words
    [run] = house.rows(reconcile_run)
    whole = look(f"{PAGE}/runs/{run.id}")
    for shown, number in ((page, 5), (whole, 12)):
        assert "stranger" not in shown.words and shown.words.count(fi("Not one of our subscribers")) == number
    assert fi("number %(id)s", id=house.rows(drifts)[-1].contact_id) in whole.words
    house.compare(applies=False)
    assert held in look().words and many in look().words, "only looking again changes nothing about that"
    look(PUT_RIGHT).press(fi("Put right what the rules allow"))
    house.carry_out()
    house.deliver()
    assert says(look(), "The connection works.")
    assert house.contacts.status_of("stranger0@example.com") == UNSUBSCRIBED


def test_earlier_comparisons_stay_with_their_numbers_and_each_opens(house, look):
    aino = Visitor(house).becomes_active()
    house.compare()
    house.contacts.set_status(aino.email, UNSUBSCRIBED)
    house.compare()
    for code in CODES:
        page = look(code=code)
        for run in house.rows(reconcile_run):
            [link] = [link for link in page.links if f"/runs/{run.id}" in link]
            opened = look(link.partition("?")[0], code)
            assert language(code).moment(run.started_at) in opened.title
    for number in ("0", "99", str(10**30), "x"):
        assert house.get(f"{PAGE}/runs/{number}", heidi_of(look)).status == 404


def heidi_of(look):
    return look()._http


def test_names_stay_plain_text_and_somebody_without_one_is_still_found(house, look):
    probe = "<script>alert(1)</script>"
    visitors = [Visitor(house, f"v{number}@example.com", probe, probe).becomes_active() for number in range(2)]
    for visitor in visitors:
        house.contacts.set_status(visitor.email, UNSUBSCRIBED)
    house.compare(applies=False)
    with house.service.transaction() as connection:
        mine = subscriber.c.email_key == visitors[1].email
        connection.execute(update(subscriber).where(mine).values(first_name="", last_name=""))
    page = look()
    assert probe in page.words and "<script" not in page.html
    assert says(page, "Somebody without a name")


def test_a_lane_that_stands_still_is_late(house, look):
    Visitor(house).subscribe()
    house.deliver()
    Visitor(house).confirm()
    with house.service.transaction() as connection:
        late = services.now() - timedelta(hours=1)
        connection.execute(update(outbox_message).values(due_at=late, created_at=late))
    page = look()
    assert says(page, "Updates are late. Is the relay running?") and says(page, "the oldest written")
