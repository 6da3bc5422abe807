"""What a rule of retention is: what is kept, how long and why, and which rows end by it.

The rules themselves stand in `retention`, those of the customer register in `register/customer_rules`. Holds none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, delete

from consent_service.ledger.evidence import Occasion


@dataclass(frozen=True)
class End:
    """Which rows of a column's table end, given now and the rule's time, and how they do.

    `since` is the time they are counted from: an index of what the condition asks, with `since` behind it, has to find
    the oldest ones among any number, or every slice of a purge would look through the whole table.
    """

    column: Column[Any]
    is_due: Callable[[datetime, timedelta], Any]
    do: Callable[[Connection, Occasion, str, Sequence[Any]], None]
    since: Column[Any] | None = None


@dataclass(frozen=True)
class Rule:
    """What is kept, how long and why (GDPR articles 5(1)(e) and 13(2)(a)), in English message ids for a person to read.

    `after` is the time in numbers, None where something else than time decides; what has no `end` the purge leaves
    alone.
    """

    key: str
    what: str
    period: str
    why: str
    after: timedelta | None = None
    end: End | None = None


def delete_by(column: Column[Any]) -> Callable[[Connection, Occasion, str, Sequence[Any]], None]:
    """Return how rows end that are just deleted, found by a column."""

    def do(connection: Connection, occasion: Occasion, rule: str, keys: Sequence[Any]) -> None:
        connection.execute(delete(column.table).where(column.in_(keys)))

    return do


def gone_by(column: Column[Any], at: Column[Any]) -> End:
    """Return the end of rows that are deleted a time after `at`."""
    return End(column, lambda now, after: at <= now - after, delete_by(column), at)
