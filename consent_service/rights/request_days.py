"""Until when a data subject's request has to be answered (GDPR article 12(3)), counted by the calendar.

The day of receipt is not counted, and a month ends on the same-numbered day, or on the last one of a shorter month
(Regulation 1182/71, article 3). A day that falls on a weekend or holiday could count as the next working day; here it
never does, which is the safe side. Knows no database.
"""

from calendar import monthrange
from datetime import date, timedelta

EXTENDED_BY = 2  # months, where the request is complex, told with its reason inside the first one
SOON = timedelta(days=7)  # from then on the pages of staff and the digest speak of it
LAST_CALL = timedelta(days=3)  # from then on the owner has been told by mail


def due_on(received: date) -> date:
    """Return the last day of the month in which a request received on a day has to be answered."""
    return _months_after(received, 1)


def extended_to(due: date) -> date:
    """Return the last day of the two further months; a shorter first month makes them end earlier, not later."""
    return _months_after(due, EXTENDED_BY)


def _months_after(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
