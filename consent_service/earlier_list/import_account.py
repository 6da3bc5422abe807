"""The list at ActiveCampaign as rows to be brought over: page by page, and no further than it can be believed.

A filter that is ignored over there gives everybody back, also who left. So of each page the first and the last contact
are asked themselves whether they are active on the list; one that is not ends the import. Asks no database.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from consent_service.activecampaign.calls import Ended
from consent_service.activecampaign.listing import Found, Listing
from consent_service.delivery.outbox import Rejected
from consent_service.earlier_list.import_claims import DOUBLE_OPT_IN, Claim
from consent_service.earlier_list.import_file import EMAIL, Line

PAUSES_S = (1, 2, 4, 8)
NOT_BELIEVED = "ActiveCampaign lists contacts that are not active on the list. Bring an export over as a file instead."

Answer = TypeVar("Answer")


class AccountRefused(Exception):
    """The list cannot be read to its end, or not be believed; the message says why."""


def pages(listing: Listing, claim: Claim, wait: Callable[[float], object]) -> Iterator[Sequence[Line]]:
    """Yield everybody active on the list, a page at a time; raises AccountRefused. `wait(seconds)` is between tries."""
    page = _patiently(listing.first_page, wait)
    while page:
        for one in {page[0].contact_id, page[-1].contact_id}:
            if not _patiently(partial(listing.is_active, one), wait):
                raise AccountRefused(NOT_BELIEVED)
        yield [_line(one, claim) for one in page]
        page = _patiently(partial(listing.page, page[-1].contact_id), wait)


def _line(found: Found, claim: Claim) -> Line:
    cells = {EMAIL: found.email, "first_name": found.first_name, "last_name": found.last_name}
    cells["contact_id"] = found.contact_id
    if claim.grade == DOUBLE_OPT_IN and claim.day is None:
        cells["day"] = found.made_on
    return Line(found.contact_id, cells)


def _patiently(ask: Callable[[], Answer], wait: Callable[[float], object]) -> Answer:
    for pause_s in PAUSES_S:
        try:
            return ask()
        except Ended as ended:
            if isinstance(ended.outcome, Rejected):
                raise AccountRefused(ended.outcome.reason) from ended
        wait(pause_s)
    raise AccountRefused("ActiveCampaign does not answer as it should. Try again later: what was brought over stays.")
