"""How long a document has to be kept: which kinds there are, in which class each may be kept, and until which day.

Vouchers and account books: Accounting Act 1336/1997, chapter 2, section 10. Contracts: claims from one lapse at the
latest ten years after (Act 728/2003, section 7). Years are counted as Act 150/1930, section 3 says: to the same day,
or to the last one of a month that lacks it. Knows dates only: no database, no clock.
"""

import calendar
from dataclasses import dataclass
from datetime import date

from consent_service.language import mark

VOUCHER, BOOK, CONTRACT, OTHER = "voucher", "book", "contract", "other"
VOUCHER_YEARS, BOOK_YEARS, CONTRACT_YEARS = 6, 10, 10
CLASSES = {
    OTHER: mark("With the customer's data"),
    VOUCHER: mark("It proves a transaction: as a voucher of the accounts, for six years"),
    BOOK: mark("It belongs to the account books: for ten years"),
    CONTRACT: mark("As a contract: for ten years after it ends"),
}
WHY = {
    VOUCHER: mark("The Accounting Act (1336/1997, chapter 2, section 10) demands that vouchers are kept."),
    BOOK: mark("The Accounting Act (1336/1997, chapter 2, section 10) demands that account books are kept."),
    CONTRACT: mark(
        "Claims can be made from a contract for ten years after it ended (Act 728/2003, section 7; "
        "GDPR article 17(3)(e))."
    ),
}
CONSENT_FORM, OTHER_KIND = "consent_form", "other"


@dataclass(frozen=True)
class Kind:
    """What a kind of document is called, and the classes it may be kept in, the usual one first."""

    name: str
    classes: tuple[str, ...]
    is_contract: bool = False

    @property
    def has_year(self) -> bool:
        """Whether the financial year decides how long it is kept."""
        return VOUCHER in self.classes or BOOK in self.classes

    @property
    def can_end(self) -> bool:
        """Whether the day on which it ended decides."""
        return CONTRACT in self.classes


KINDS = {
    "contract": Kind(mark("Coaching contract"), (CONTRACT, VOUCHER), is_contract=True),
    "service_order": Kind(mark("Service order contract"), (CONTRACT, VOUCHER), is_contract=True),
    "invoice": Kind(mark("Invoice"), (VOUCHER,)),
    "offer": Kind(mark("Offer"), (OTHER, VOUCHER)),
    "information_form": Kind(mark("Customer information form"), (OTHER,)),
    "work_plan": Kind(mark("Work plan"), (OTHER,)),
    CONSENT_FORM: Kind(mark("Written consent form"), (OTHER,)),
    OTHER_KIND: Kind(mark("Other document"), (OTHER, VOUCHER, BOOK, CONTRACT)),
}


def year_end(dated_on: date, ends: str) -> date:
    """Return the last day of the financial year a day lies in; `ends` is month and day of every year.

    28 February stands for the last day of February: the day after it begins a year.
    """
    this_year = _day_of(dated_on.year, ends)
    return this_year if dated_on <= this_year else _day_of(dated_on.year + 1, ends)


def keep_until(kind: str, kept_as: str, financial_year_end: date | None, ended_on: date | None) -> date | None:
    """Return the last day a document has to be kept; None while a contract goes on, and where nothing asks for it.

    A contract that is a voucher too is kept for as long as either asks.
    """
    if is_contract(kind, kept_as) and ended_on is None:
        return None
    asked = [years_after(ended_on, CONTRACT_YEARS)] if is_contract(kind, kept_as) and ended_on else []
    if financial_year_end and kept_as == VOUCHER:
        asked.append(vouchers_until(financial_year_end))
    if financial_year_end and kept_as == BOOK:
        asked.append(books_until(financial_year_end))
    return max(asked, default=None)


def is_contract(kind: str, kept_as: str) -> bool:
    """Whether a document is one that ends, and counts from there."""
    return kept_as == CONTRACT or KINDS[kind].is_contract


def vouchers_until(financial_year_end: date) -> date:
    """Return the last day vouchers are kept: six years from the end of the calendar year the financial year ended in.

    Of a financial year that ended on 31 March 2024: until 31 December 2030.
    """
    return date(financial_year_end.year + VOUCHER_YEARS, 12, 31)


def books_until(financial_year_end: date) -> date:
    """Return the last day account books are kept: ten years from the end of the financial year.

    Of a financial year that ended on 31 March 2024: until 31 March 2034.
    """
    return years_after(financial_year_end, BOOK_YEARS)


def years_after(day: date, years: int) -> date:
    """Return the same day some years later or, if negative, earlier; the month's last where there is no such day."""
    last = calendar.monthrange(day.year + years, day.month)[1]
    return date(day.year + years, day.month, min(day.day, last))


def _day_of(year: int, ends: str) -> date:
    month, day = map(int, ends.split("-"))
    if (month, day) == (2, 28):
        day = calendar.monthrange(year, 2)[1]
    return date(year, month, day)
