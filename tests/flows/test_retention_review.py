"""The yearly review: customers ten years passive are looked at, kept with a reason or erased, and a report stays."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
import time_machine
from sqlalchemy import insert, select, update

from consent_service import service as services
from consent_service.language import HELSINKI, language
from consent_service.models.customers import customer, customer_document
from consent_service.models.newsletter import erasure
from consent_service.models.reviews import kept_customer, retention_review
from consent_service.register import reviews
from tests.actors import Staff, fi
from tests.conftest import on_both_databases
from tests.register import TEN_YEARS, add_paper, add_somebody

PLACE, REVIEW = "/staff/retention?lang=fi", "/staff/retention/review?lang=fi"
ERASE = fi("Erase for good")
WAITS = (
    "One customer has been passive for ten years: the yearly review waits for you.",
    "%(number)s customers have been passive for ten years: the yearly review waits for you.",
)
NOW = datetime(2026, 11, 30, 10, tzinfo=HELSINKI)


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def heidi(house):
    return logged_in(house)


def logged_in(house):
    staff = Staff(house)
    staff.log_in()
    return staff


def look(house, heidi, place=REVIEW):
    page = house.get(place, heidi.http)
    assert page.status == 200, page.title
    return page


def called(house):
    return {row.last_name for row in house.rows(customer)}


def ask(house, heidi):
    """The page that says what will go."""
    return look(house, heidi, REVIEW.replace("review", "review/erase"))


def needs(house, heidi, number):
    return language("fi").count(*WAITS, number) in look(house, heidi, "/staff/?lang=fi").words


def test_the_yearly_review(house, heidi):
    """One goes whole, one leaves an invoice, one is kept with a reason, one is restricted, and the young ones stay."""
    add_somebody(house, "Vanha", passive_for=TEN_YEARS, notes="pitkät muistiinpanot")
    invoiced = add_somebody(house, "Laskunen", passive_for=TEN_YEARS + timedelta(days=9))
    add_paper(house, invoiced, keep_until="2030-12-31")
    add_paper(house, invoiced, keep_until="2020-12-31", title="Vanha lasku")
    disputed = add_somebody(house, "Riitala", passive_for=TEN_YEARS)
    limited = {"restricted_at": services.now(), "restriction_reason": "tiedot kiistetty"}
    add_somebody(house, "Rajanen", passive_for=TEN_YEARS, **limited)
    add_somebody(house, "Nuori", passive_for=TEN_YEARS - timedelta(days=20))
    add_somebody(house, "Aktiivinen")
    assert needs(house, heidi, 3)

    shown = look(house, heidi, PLACE)
    assert "/staff/retention/review" in shown.links and fi("Earlier reviews") not in shown.words
    page = look(house, heidi)
    assert "Lasku 17" in page.words and "Vanha lasku" not in page.words and "31.12.2030" in page.words
    assert "tiedot kiistetty" in page.words and "Nuori" not in page.words
    before = house.everything()

    keeping = look(house, heidi, f"/staff/retention/review/{disputed}/keep?lang=fi")
    refused = keeping.press(fi("Keep for another year"), reason="  ")
    assert refused.status == 400 and refused.title.startswith(fi("Error:")) and house.everything() == before
    kept = keeping.press(fi("Keep for another year"), reason="avoin vaade")
    assert "avoin vaade" in kept.words and "30.11.2027" in kept.words

    asked = ask(house, heidi)
    assert "Laskunen" in asked.words and "Vanha" in asked.words
    assert not {"Riitala", "Rajanen"} & set(asked.words.split())
    wrong = asked.press(ERASE, number="3")
    assert wrong.status == 400 and len(house.rows(customer)) == 6
    done = wrong.press(ERASE, number=" 2 ")
    assert done.status == 200 and fi("The review is done.") in done.words
    assert called(house) == {"Riitala", "Rajanen", "Nuori", "Aktiivinen", None}
    [left] = [row for row in house.rows(customer) if row.erased_at]
    assert (left.id, left.notes, left.search_text) == (invoiced, None, "")
    assert [row.title for row in house.rows(customer_document)] == ["Lasku 17"]
    [report] = house.rows(retention_review)
    assert (report.year, report.done_by) == (2026, "Heidi")
    assert (report.erased, report.emptied, report.kept, report.restricted) == (1, 1, 1, 1)
    assert len(house.rows(erasure)) == 2, "so that no backup brings them back"
    assert fi("All is well.") in look(house, heidi, "/staff/?lang=fi").words
    assert "30.11.2026" in look(house, heidi, PLACE).words.partition(fi("Earlier reviews"))[2]

    again = asked.press(ERASE, number="2")
    assert again.status == 409 and len(house.rows(retention_review)) == 1, "an old page does nothing"


@on_both_databases
def test_who_was_kept_and_who_is_restricted_is_looked_at_again_the_year_after(house, heidi, clock):
    kept = add_somebody(house, "Riitala", passive_for=TEN_YEARS)
    limited = {"restricted_at": services.now(), "restriction_reason": "tiedot kiistetty"}
    add_somebody(house, "Rajanen", passive_for=TEN_YEARS, **limited)
    look(house, heidi, f"/staff/retention/review/{kept}/keep?lang=fi").press(
        fi("Keep for another year"), reason="avoin vaade"
    )
    assert needs(house, heidi, 2), "nobody goes, but somebody has to look at them once a year"
    done = ask(house, heidi).press(fi("The review is done"))
    assert fi("Nobody had to be erased.") in done.words and not needs(house, heidi, 2)
    clock.shift(timedelta(days=33))
    heidi.log_in()
    assert needs(house, heidi, 2), "another year"
    clock.shift(timedelta(days=333))
    heidi.log_in()
    assert needs(house, heidi, 1), "the year is over, and the one who was kept is to go"
    assert ask(house, heidi).press(ERASE, number="1").status == 200
    assert called(house) == {"Rajanen"} and house.rows(kept_customer) == []


@on_both_databases
def test_a_list_that_has_changed_meanwhile_is_shown_again(house, heidi):
    first, second = (add_somebody(house, name, passive_for=TEN_YEARS) for name in ("Vanha", "Vieläkin"))
    asked = ask(house, heidi)
    with house.service.transaction() as connection:
        back = {"status": "active", "passive_since": None}
        connection.execute(update(customer).where(customer.c.id == first).values(back))
    add_somebody(house, "Kolmas", passive_for=TEN_YEARS)
    page = asked.press(ERASE, number="2")
    assert page.status == 409 and "Kolmas" in page.words
    assert fi("The list has changed meanwhile. Read it again before you go on.") in page.words
    assert len(house.rows(customer)) == 3
    assert page.press(ERASE, number="2").status == 200
    assert called(house) == {"Vanha"} and second


def test_the_restricted_and_the_young_cannot_be_kept_or_erased_by_address(sqlite_house):
    house, heidi = sqlite_house, logged_in(sqlite_house)
    limited = {"restricted_at": services.now(), "restriction_reason": "tiedot kiistetty"}
    for customer_id in (
        add_somebody(house, "Rajanen", passive_for=TEN_YEARS, **limited),
        add_somebody(house, "Nuori", passive_for=TEN_YEARS - timedelta(days=2)),
        "00000000-0000-4000-8000-000000000000",
    ):
        place = f"/staff/retention/review/{customer_id}/keep?lang=fi"
        token = look(house, heidi).form(fi("Log out")).fields["csrf_token"]
        assert house.get(place, heidi.http).status == 404
        assert house.post(place, {"csrf_token": token, "reason": "x"}, heidi.http).status == 404
    assert house.rows(kept_customer) == []


def older(row, days):
    """Somebody like this one, with a number of their own, who has been passive for so many days longer."""
    passive_since = row.passive_since - timedelta(days=days)
    named = {"id": str(uuid4()), "number": row.number + days, "last_name": f"Vanha {days}"}
    return row._asdict() | named | {"passive_since": passive_since}


def test_very_many_are_looked_at_some_at_a_time(sqlite_house):
    house, heidi = sqlite_house, logged_in(sqlite_house)
    add_somebody(house, "Vanha 0", passive_for=TEN_YEARS)
    [first] = house.rows(customer)
    with house.service.transaction() as connection:
        connection.execute(insert(customer), [older(first, number) for number in range(1, reviews.MOST_LISTED + 1)])
    assert (
        fi("These have been passive the longest. The next ones come when these are gone.") in look(house, heidi).words
    )
    assert ask(house, heidi).press(ERASE, number=str(reviews.MOST_LISTED)).status == 200
    assert called(house) == {"Vanha 0"} and needs(house, heidi, 1)


def test_the_page_says_what_goes_by_itself_and_when(house, heidi):
    add_somebody(house, "Nuori", passive_for=TEN_YEARS - timedelta(days=20))
    page = look(house, heidi, PLACE)
    assert fi("No customer has to be erased now.") in page.words
    assert language("fi").count("Within 30 days one will have to be.", "", 1) in page.words
    assert fi("Your subscription after you have stopped, and the proof of your consent") in page.words
    with house.service.reading() as connection:
        assert connection.execute(select(retention_review)).all() == []
