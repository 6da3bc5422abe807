"""The list of what lies in binders, leafed through page by page, is the one that sorting everything at once gives."""

import random
from datetime import timedelta

from consent_service import service as services
from consent_service.language import HELSINKI
from consent_service.models.customers import shredding
from consent_service.paging import PAGE
from consent_service.register import binders
from tests.conftest import on_both_databases
from tests.register import add_paper, add_somebody

PAPERS = 160


@on_both_databases
def test_pages_of_binders_follow_each_other_as_if_all_had_been_sorted(house):
    chance, today = random.Random(5), services.now().astimezone(HELSINKI).date()
    limited = {"restricted_at": services.now(), "restriction_reason": "selvitys kesken"}
    mine = [add_somebody(house, "Vanha"), add_somebody(house, "Rajanen", **limited)]
    expected = []
    for number in range(PAPERS):
        days, binder, is_entry_gone = chance.randint(-9, 9), chance.choice((2, 9, 10, 30)), chance.random() < 0.2
        place = {"binder": f"Kansio {binder}", "page": str(number)}
        whose = chance.choice(mine)
        on = (today + timedelta(days=days)).isoformat()
        if is_entry_gone:
            add_left(house, id=str(number), kind="invoice", due_on=on, **place)
        else:
            add_paper(house, whose, title=str(number), keep_until=on, **place)
        is_due = days <= 0 if is_entry_gone else days < 0 and whose == mine[0]
        expected.append((not is_due, binder, number))
    assert read_all(house, today, None) == [place[1:] for place in sorted(expected)]
    assert read_all(house, today, "Kansio 9") == [place[1:] for place in sorted(expected) if place[1] == 9]


def add_left(house, **columns):
    """A paper whose entry is gone, and which is still to be shredded."""
    with house.service.transaction() as connection:
        connection.execute(shredding.insert().values(**columns))


def read_all(house, today, binder):
    """The binder and page of each paper, from the first page of the list to the last."""
    with house.service.reading() as connection:
        first = binders.papers(connection, today, binder, 1)
        pages = [binders.papers(connection, today, binder, page) for page in range(1, first.pages + 1)]
    assert [len(page.rows) for page in pages[:-1]] == [PAGE] * (len(pages) - 1)
    assert pages[-1].page == first.pages == -(-first.total // PAGE)
    return [(int(paper.binder.split()[1]), int(paper.page)) for page in pages for paper in page.rows]
