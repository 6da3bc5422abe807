"""Long lists as staff leaf through them: fifty rows a page, how many there are in all, and searching for words.

Must not know what is listed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select

PAGE = 50


@dataclass(frozen=True)
class Found:
    """One page of a list, how many rows there are in all, and which page it is, from 1."""

    rows: Sequence[Any]
    total: int
    page: int

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return _pages(self.total)


def page_of(connection: Connection, counted: Select[int], listed: Select[Any], page: int) -> Found:
    """Return a page of what is `listed`, in its order, by how many are `counted`; beyond the end, the last one."""
    if page == 1:
        first = connection.execute(listed.limit(PAGE + 1)).all()
        is_all = len(first) <= PAGE  # to count a few found words would take as long as to find them
        return Found(first[:PAGE], len(first) if is_all else connection.execute(counted).scalar_one(), 1)
    total = connection.execute(counted).scalar_one()
    page = min(page, _pages(total))
    return Found(connection.execute(listed.limit(PAGE).offset((page - 1) * PAGE)).all(), total, page)


def cut(rows: Sequence[Any], page: int) -> Found:
    """Return a page of rows that are all at hand; beyond the end, the last one."""
    page = min(page, _pages(len(rows)))
    return Found(rows[(page - 1) * PAGE : page * PAGE], len(rows), page)


def has_words(whole: ColumnElement[str], words: str) -> list[ColumnElement[bool]]:
    """Whether all words stand somewhere in a text, as conditions."""
    return [whole.icontains(word, autoescape=True) for word in words.split()]


def _pages(total: int) -> int:
    return max(1, -(-total // PAGE))
