"""What may be published about customers: noted, listed by how it stands, over on its day, and taken back at a press."""

from datetime import UTC, datetime

import pytest
import time_machine

from consent_service.models.customers import publication_permission
from tests.actors import fi
from tests.conftest import on_both_databases
from tests.filing import Clerk

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SAVE, WITHDRAW = fi("Save the permission"), fi("The customer has taken it back")
OVER = fi("This may no longer be published. Take it down now if it is still there:")
WISH = {"what": "nimi ja logo <b>viitteenä</b>", "places": "verkkosivu ja Instagram", "given_on": "2026-02-01"}
STATES = ("valid", "ending", "ended", "withdrawn")
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def clock():
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def heidi(clock, house):
    return Clerk(house)


def form(heidi, customer_id):
    return heidi.house.get(f"/staff/customers/{customer_id}/publication-permissions/add?lang=fi", heidi.http)


def listed(heidi, state=""):
    return heidi.house.get(f"/staff/publication-permissions?lang=fi&state={state}", heidi.http)


def test_a_permission_is_noted_shown_and_taken_back_at_one_press(clock, heidi):
    aino = heidi.take_in()
    assert fi("There is no permission yet. Note one on a customer's page.") in listed(heidi).words
    page = form(heidi, aino)
    noted, again = page.press(SAVE, **WISH), page.press(SAVE, **WISH)
    assert noted.answer.url == again.answer.url and heidi.house.count(publication_permission) == 1
    assert WISH["what"] in noted.words and "<b>" not in noted.html and OVER not in noted.words
    assert WISH["what"] in heidi.read(aino).words and "Aino Järvinen" in listed(heidi, "valid").words

    clock.move_to(datetime(2026, 5, 9, 22, tzinfo=UTC))  # in Finland it is the tenth
    heidi.log_in()
    page = heidi.house.get(noted.answer.url, heidi.http)
    taken_back = page.press(WITHDRAW)
    assert taken_back.status == 200 and OVER in taken_back.words and WITHDRAW not in taken_back.html
    after = taken_back.words.partition(OVER)[2]
    assert WISH["what"] in after and WISH["places"] in after and "10.5.2026" in after
    [row] = heidi.house.rows(publication_permission)
    assert (row.withdrawn_on, row.recorded_by) == ("2026-05-10", "Heidi")
    clock.move_to(datetime(2026, 5, 9, 22, 15, tzinfo=UTC))
    assert page.press(WITHDRAW).status == 200
    assert heidi.house.rows(publication_permission) == [row], "the first time counts"
    assert "Aino" in listed(heidi, "withdrawn").words and "Aino" not in listed(heidi, "valid").words


@pytest.mark.parametrize(
    ("until", "states"),
    [
        ("", {"valid"}),
        ("2026-04-02", {"valid"}),
        ("2026-04-01", {"valid", "ending"}),
        ("2026-03-02", {"valid", "ending"}),
        ("2026-03-01", {"ended"}),
    ],
)
def test_it_stands_in_the_list_of_how_it_stands(clock, heidi, until, states):
    form(heidi, heidi.take_in_company()).press(SAVE, **WISH | {"until_on": until})
    found = {state for state in STATES if "Metsä" in listed(heidi, state).words}
    assert found == states and "Metsä" in listed(heidi).words
    [row] = heidi.house.rows(publication_permission)
    page = heidi.house.get(f"/staff/publication-permissions/{row.id}?lang=fi", heidi.http)
    assert (OVER in page.words) == ("ended" in states)


@on_both_databases
def test_those_in_force_stand_first_and_of_them_the_next_to_end(clock, heidi):
    aino = heidi.take_in()
    for what, until in (("ohi", "2026-03-01"), ("pysyvä", ""), ("myöhempi", "2027-01-01"), ("seuraava", "2026-03-20")):
        form(heidi, aino).press(SAVE, **WISH | {"what": what, "until_on": until})
    words = listed(heidi).words
    assert sorted(("ohi", "pysyvä", "myöhempi", "seuraava"), key=words.index) == [
        "seuraava",
        "myöhempi",
        "pysyvä",
        "ohi",
    ]


def test_what_is_missing_or_cannot_be_is_told_and_what_was_written_stays(heidi):
    page = form(heidi, heidi.take_in())
    for wrong in (
        {"what": ""},
        {"places": " "},
        {"what": "x" * 501},
        {"given_on": ""},
        {"given_on": "2026-03-03"},
        {"until_on": "2026-01-31"},
        {"until_on": "9999-12-31"},
        {"until_on": "31.12.2027"},
        {"given_on": "9999-01-01", "until_on": "9999-12-31"},
        {"places": "a\x07b"},
    ):
        answer = page.press(SAVE, **WISH | wrong)
        assert (answer.status, answer.title.startswith(fi("Error:"))) == (400, True), wrong
        kept = next(name for name in ("places", "what") if name not in wrong)
        assert WISH[kept] in answer.words or f'value="{WISH[kept].split(" ")[0]}' in answer.html
    assert heidi.house.rows(publication_permission) == []


def test_of_a_restricted_customer_nothing_is_noted_or_listed_and_a_permission_can_be_taken_back(heidi):
    aino = heidi.take_in()
    page = form(heidi, aino)
    noted = page.press(SAVE, **WISH)
    fresh = form(heidi, aino)
    heidi.restrict(aino)
    assert form(heidi, aino).status == fresh.press(SAVE, **WISH).status == 409
    assert "Aino" not in listed(heidi).words
    assert OVER in noted.press(WITHDRAW).words


@on_both_databases
def test_no_get_changes_anything_and_nobody_else_sees_it(heidi):
    noted = form(heidi, heidi.take_in()).press(SAVE, **WISH)
    before = heidi.house.everything()
    lists = [f"/staff/publication-permissions{which}" for which in ("", *(f"?state={state}" for state in STATES))]
    for path in (noted.answer.url, *lists, "/staff/binders", "/staff/binders/shredded"):
        assert heidi.house.get(path, heidi.http).status == 200
        answer = heidi.house.get(path, allow_redirects=False)
        assert (answer.status, "logo" in answer.html) == (302, False)
    assert heidi.house.get(f"/staff/publication-permissions/{NOBODY}", heidi.http).status == 404
    assert form(heidi, NOBODY).status == 404
    assert heidi.house.everything() == before
