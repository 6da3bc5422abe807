"""Until when a request has to be answered: the same-numbered day of the next month, against a naive calendar."""

from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consent_service.rights.request_days import due_on, extended_to

DAYS = st.dates(date(2018, 5, 25), date(2199, 12, 31))


def naively(day: date, months: int) -> date:
    """Walk day by day into the month that is so many later; stop at the same number, or at its last day."""
    number, found = day.day, day
    while months:
        found += timedelta(days=1)
        months -= found.day == 1
    while found.day < number and (found + timedelta(days=1)).month == found.month:
        found += timedelta(days=1)
    return found


@pytest.mark.parametrize(
    ("received", "due", "extended"),
    [
        ("2026-11-29", "2026-12-29", "2027-02-28"),
        ("2026-01-31", "2026-02-28", "2026-04-28"),
        ("2028-01-31", "2028-02-29", "2028-04-29"),
        ("2026-08-31", "2026-09-30", "2026-11-30"),
        ("2026-12-31", "2027-01-31", "2027-03-31"),
        ("2026-12-01", "2027-01-01", "2027-03-01"),
        ("2100-01-29", "2100-02-28", "2100-04-28"),
    ],
)
def test_known_days(received, due, extended):
    first = due_on(date.fromisoformat(received))
    assert (first.isoformat(), extended_to(first).isoformat()) == (due, extended)


@given(DAYS)
@example(date(2027, 12, 31))
@example(date(2028, 2, 29))
def test_every_day_is_as_a_naive_calendar_has_it_and_never_later_than_the_law(day):
    due = due_on(day)
    assert due == naively(day, 1)
    assert extended_to(due) == naively(due, 2)
    assert timedelta(days=28) <= due - day <= timedelta(days=31)
    assert due < extended_to(due) <= naively(day, 3)
    assert (due + timedelta(days=1)).day == 1 or due.day == day.day
