"""How long documents are kept: the days of the law, and against a calendar that counts day by day."""

from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consent_service.register import keeping
from consent_service.register.keeping import BOOK, CONTRACT, KINDS, OTHER, VOUCHER

DAY = timedelta(days=1)
DAYS = st.dates(date(1995, 1, 1), date(2105, 12, 31))
ENDS = st.dates(date(2023, 1, 1), date(2023, 12, 31)).map(
    lambda day: f"{day:%m-%d}"
)  # as the controller file takes them


def is_last_of_year(day, ends):
    """Whether a financial year ends on a day; a February is written down to its 28th and goes on to its last."""
    if ends == "02-28":
        return day.month == 2 and (day + DAY).month == 3
    return f"{day:%m-%d}" == ends


def walked(day, is_there):
    """The first day from this one on, itself included, that is the one looked for."""
    while not is_there(day):
        day += DAY
    return day


def anniversaries(day, years):
    """Year by year to the same day, or to the last of February where there is no 29th."""
    last = day
    for year in range(day.year + 1, day.year + years + 1):
        last = walked(date(year, day.month, 1), lambda one: one.day == day.day or (one + DAY).month != one.month)
    return last


@pytest.mark.parametrize(
    ("ended", "vouchers", "books"),
    [
        ("2024-03-31", "2030-12-31", "2034-03-31"),
        ("2024-12-31", "2030-12-31", "2034-12-31"),
        ("2025-01-31", "2031-12-31", "2035-01-31"),
        ("2024-02-29", "2030-12-31", "2034-02-28"),
        ("2022-02-28", "2028-12-31", "2032-02-28"),
    ],
)
def test_the_days_the_accounting_act_means(ended, vouchers, books):
    ended = date.fromisoformat(ended)
    assert keeping.vouchers_until(ended).isoformat() == vouchers
    assert keeping.books_until(ended).isoformat() == books


@pytest.mark.parametrize(
    ("dated", "ends", "year_end"),
    [
        ("2026-11-29", "12-31", "2026-12-31"),
        ("2026-12-31", "12-31", "2026-12-31"),
        ("2024-03-31", "03-31", "2024-03-31"),
        ("2024-04-01", "03-31", "2025-03-31"),
        ("2024-02-28", "02-28", "2024-02-29"),
        ("2024-02-29", "02-28", "2024-02-29"),
        ("2024-03-01", "02-28", "2025-02-28"),
        ("2025-02-28", "02-28", "2025-02-28"),
    ],
)
def test_the_financial_year_a_day_lies_in(dated, ends, year_end):
    assert keeping.year_end(date.fromisoformat(dated), ends).isoformat() == year_end


@given(DAYS, ENDS)
@example(date(2024, 2, 29), "02-28")
def test_a_financial_year_ends_on_the_first_such_day_to_come(day, ends):
    assert keeping.year_end(day, ends) == walked(day, lambda one: is_last_of_year(one, ends))


@given(DAYS)
@example(date(2024, 2, 29))
def test_vouchers_see_seven_new_years_eves(ended):
    day = walked(ended, lambda one: (one.month, one.day) == (12, 31))
    for _ in range(6):
        day = walked(day + DAY, lambda one: (one.month, one.day) == (12, 31))
    assert keeping.vouchers_until(ended) == day


@given(DAYS)
@example(date(2024, 2, 29))
@example(date(2092, 2, 29))
def test_books_and_contracts_see_ten_anniversaries(day):
    assert keeping.books_until(day) == anniversaries(day, 10)
    assert keeping.keep_until("contract", CONTRACT, None, day) == anniversaries(day, 10)


@given(DAYS, DAYS, st.sampled_from(sorted(KINDS)))
def test_every_kind_is_kept_as_long_as_its_class_asks(year_end, ended_on, kind):
    for kept_as in KINDS[kind].classes:
        until = keeping.keep_until(kind, kept_as, year_end, ended_on)
        law = {VOUCHER: keeping.vouchers_until(year_end), BOOK: keeping.books_until(year_end)}.get(kept_as)
        claims = anniversaries(ended_on, 10) if keeping.is_contract(kind, kept_as) else None
        assert until == max((day for day in (law, claims) if day), default=None)
        assert (until is None) == (kept_as == OTHER)


@pytest.mark.parametrize("kept_as", KINDS["contract"].classes)
def test_a_contract_that_goes_on_has_no_date_yet(kept_as):
    assert keeping.keep_until("contract", kept_as, date(2026, 12, 31), None) is None
    assert keeping.keep_until("other", CONTRACT, None, None) is None


def test_every_kind_may_be_kept_in_a_class_the_table_knows():
    for kind in KINDS.values():
        assert kind.classes
        assert set(kind.classes) <= {VOUCHER, BOOK, CONTRACT, OTHER}


def test_years_are_counted_back_as_they_are_counted_on():
    assert keeping.years_after(date(2026, 11, 30), -10) == date(2016, 11, 30)
    assert keeping.years_after(date(2024, 2, 29), -10) == date(2014, 2, 28)
    assert keeping.years_after(date(2024, 2, 29), -4) == date(2020, 2, 29)
