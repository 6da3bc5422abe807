"""A breach of personal data: noted, counted down, reported, the people told; and a log that can be shown."""

from datetime import datetime, timedelta

import pytest
import time_machine

from consent_service.language import HELSINKI, language
from consent_service.models.breaches import breach, breach_notice
from consent_service.web.console.breaches import CHANGED
from tests.actors import Staff, fi
from tests.conftest import on_both_databases
from tests.household import CONTROLLER

LIST, ADD = "/staff/breaches?lang=fi", "/staff/breaches/add?lang=fi"
SAVE = fi("Save")
NOTICED = datetime(2026, 11, 30, 9, 30, tzinfo=HELSINKI)
OPEN = ("A personal data breach is open.", "%(number)s personal data breaches are open.")
LEFT = ("Less than an hour is left to report it.", "%(number)s hours are left to report it.")
FACTS = {
    "day": "2026-11-30",
    "at": "09:30",
    "what": "Puhelin katosi junaan",
    "happened": "Puhelin jäi junaan.\r\nSähköposti oli auki <b>.",
    "kinds_of_data": "nimiä ja osoitteita",
    "risk": "unknown",
}


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOTICED + timedelta(hours=1), tick=False) as clock:
        yield clock


@pytest.fixture
def heidi(house):
    staff = Staff(house)
    staff.log_in()
    return staff


@pytest.fixture(scope="module")
def clerk(standing_house):
    """Somebody of the staff of the standing household, who logs in when first asked to."""
    return Staff(standing_house)


def look(house, heidi, place):
    page = house.get(place, heidi.http)
    if page.title.startswith(fi("Log in")):
        heidi.log_in()
        page = house.get(place, heidi.http)
    assert page.status == 200, page.title
    return page


def note(house, heidi, **changes):
    page = look(house, heidi, ADD).press(SAVE, **(FACTS | changes))
    assert page.status == 200, page.words
    return page


def place_of(house, tail=""):
    [row] = house.rows(breach)
    return f"/staff/breaches/{row.id}{tail}?lang=fi"


def is_shouted(house, heidi, number=1):
    return language("fi").count(*OPEN, number) in look(house, heidi, "/staff/?lang=fi").words


def hours(number):
    return language("fi").count(*LEFT, number)


def tell(house, heidi, **changes):
    fields = {"day": "2026-11-30", "at": "10:00", "how": "lomakkeella, numero 17"} | changes
    return look(house, heidi, place_of(house, "/tell")).press(SAVE, **fields)


@on_both_databases
def test_the_clock_runs_until_the_ombudsman_knows_and_with_a_high_risk_the_people_too(house, heidi, clock):
    assert fi("None has been noted.") in look(house, heidi, LIST).words
    page = note(house, heidi)
    assert hours(71) in page.words and "3.12.2026 klo 09.30" in page.words
    assert is_shouted(house, heidi)
    clock.move_to(NOTICED + timedelta(hours=71, minutes=30))
    assert hours(1) in look(house, heidi, place_of(house)).words
    clock.move_to(NOTICED + timedelta(hours=72, seconds=1))
    late = fi("The 72 hours ran out on %(at)s. Report it now, and say why it is late.", at="3.12.2026 klo 09.30")
    assert late in look(house, heidi, place_of(house)).words
    clock.move_to(NOTICED + timedelta(hours=2))
    changed = look(house, heidi, place_of(house, "/change"))
    assert changed.form(SAVE).fields["happened"] == "Puhelin jäi junaan.\nSähköposti oli auki <b>."
    page = changed.press(SAVE, risk="high", people="12", measures="etätyhjennys")
    assert "12" in page.words and fi("nothing yet") not in page.words
    told = tell(house, heidi, whom="ombudsman")
    assert fi("Reported to the Ombudsman on %(at)s.", at="30.11.2026 klo 10.00") in told.words
    assert fi("The risk is high: the people concerned have to be told without delay.") in told.words
    assert is_shouted(house, heidi), "the people do not know yet"
    tell(house, heidi, whom="people", how="kirjeellä")
    assert not is_shouted(house, heidi)
    house.service.seal()  # the notes of who looked
    assert fi("All is well.") in look(house, heidi, "/staff/?lang=fi").words
    listed = look(house, heidi, LIST)
    assert "Puhelin katosi junaan" in listed.words and fi("Open") not in listed.words


@on_both_databases
def test_what_is_noted_twice_stands_there_once(house, heidi):
    form = look(house, heidi, ADD)
    first, second = (form.press(SAVE, **FACTS) for _ in range(2))
    assert len(house.rows(breach)) == 1 and first.answer.url == second.answer.url
    for _ in range(2):
        tell(house, heidi, whom="other", how="vakuutusyhtiölle")
    assert len(house.rows(breach_notice)) == 1


@on_both_databases
def test_of_two_who_change_one_at_once_the_second_is_told_and_what_the_first_wrote_stays(house, heidi, clock):
    note(house, heidi)
    first, second = (look(house, heidi, place_of(house, "/change")) for _ in range(2))
    clock.shift(60)
    for _ in range(2):  # pressed twice, it is saved once
        assert first.press(SAVE, measures="etätyhjennys", risk="some").status == 200
    refused = second.press(SAVE, people="12", risk="some")
    assert (refused.status, refused.form(SAVE).fields["people"]) == (409, "12")
    assert fi(CHANGED) in refused.words
    [row] = house.rows(breach)
    assert (row.measures, row.people) == ("etätyhjennys", None)
    assert refused.press(SAVE, measures="etätyhjennys", risk="some").status == 200
    [row] = house.rows(breach)
    assert (row.measures, row.people) == ("etätyhjennys", 12)


def test_without_a_risk_it_is_closed_with_the_reason_and_not_without(house, heidi):
    wrong = look(house, heidi, ADD).press(SAVE, **(FACTS | {"risk": "none"}))
    assert wrong.status == 400 and fi("Say why nobody is at risk.") in wrong.words
    assert wrong.form(SAVE).fields["what"] == FACTS["what"], "nothing typed is lost"
    page = wrong.press(SAVE, **(FACTS | {"risk": "none", "risk_reason": "Kirje palautui avaamatta."}))
    assert fi("Need not be reported: nobody is at risk.") in page.words
    assert "Kirje palautui avaamatta." in page.words and not is_shouted(house, heidi)


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("day", "eilen", "Give the day."),
        ("day", "0026-11-30", "Give the day."),
        ("day", "0001-01-01", "Give the day."),
        ("at", "puoli kymmenen", "Give the time, like 14:30."),
        ("day", "2026-12-01", "Enter a time in the past."),
        ("what", "", "Say it in one line of at most 100 characters."),
        ("what", "x" * 101, "Say it in one line of at most 100 characters."),
        ("happened", " \r\n ", "Write what happened."),
        ("kinds_of_data", "x" * 1001, "Shorten the text: at most %(longest)s characters fit in."),
        ("people", "monta", "Write a number, or leave it out."),
        ("people", "-1", "Write a number, or leave it out."),
        ("people", "9" * 30, "Write a number, or leave it out."),
        ("risk", "huge", "Choose how large the risk is."),
        ("measures", "x" * 4001, "Shorten the text: at most %(longest)s characters fit in."),
    ],
)
def test_what_cannot_be_taken_is_said_beside_the_field(standing_house, clerk, field, typed, message):
    page = look(standing_house, clerk, ADD).press(SAVE, **(FACTS | {field: typed}))
    assert page.status == 400 and page.title.startswith(fi("Error:"))
    assert fi(message, longest=len(typed) - 1) in page.words
    assert standing_house.rows(breach) == []


@on_both_databases
def test_the_form_begins_with_now_and_says_to_name_nobody_and_the_report_has_all_that_is_asked(house, heidi):
    form = look(house, heidi, ADD)
    assert (form.form(SAVE).fields["day"], form.form(SAVE).fields["at"]) == ("2026-11-30", "10:30")
    assert form.words.count(fi("Name no person: write “a customer”, “three subscribers”.")) >= 3
    page = note(house, heidi, people="0", consequences="roskapostia")
    report = page.words.partition(fi("For the Ombudsman's form"))[2]
    for told in (
        CONTROLLER.name,
        CONTROLLER.business_id,
        CONTROLLER.contact_email,
        "30.11.2026 klo 09.30",
        "roskapostia",
    ):
        assert told in report
    assert "<b>" in report and "<b>" not in page.html.replace("&lt;b&gt;", "")
    assert fi("Not known yet. We will tell as soon as we know (article 33(4)).") in report


def test_the_digest_names_an_open_breach_first(house, heidi):
    note(house, heidi)
    house.do_chores()
    with time_machine.travel(datetime(2026, 12, 7, 7, tzinfo=HELSINKI), tick=False):
        house.do_chores()
        house.deliver()
        digest = house.mail.to(CONTROLLER.contact_email)[-1]
    assert digest.message["Subject"].startswith("Vaatii huomiotasi")
    assert language("fi").count(*OPEN, 1) in digest.text.partition("Päivät")[0]


def test_nobody_but_staff_sees_or_notes_one(sqlite_house):
    heidi = Staff(sqlite_house)
    heidi.log_in()
    note(sqlite_house, heidi)
    before = sqlite_house.everything()
    for tail in ("", "/change", "/tell"):
        answer = sqlite_house.get(place_of(sqlite_house, tail), allow_redirects=False)
        assert (answer.status, "Puhelin" in answer.html) == (302, False)
        assert sqlite_house.post(place_of(sqlite_house, tail or "/tell"), FACTS).status in (302, 400)
    assert sqlite_house.post(ADD, FACTS).status in (302, 400)
    assert sqlite_house.everything() == before
    nobody = "00000000-0000-4000-8000-000000000000"
    assert sqlite_house.get(f"/staff/breaches/{nobody}", heidi.http).status == 404
