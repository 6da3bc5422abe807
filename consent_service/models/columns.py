"""What every table is made of: their common metadata with names for constraints, times in UTC, indexes of some rows.

Here too are the few places where a column or an index differs between databases. No tables, no queries.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    Index,
    Integer,
    MetaData,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite, which keeps no zone, stores it as UTC and gets the zone back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone, and store UTC."""
        return _as_utc(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Return the time as aware UTC."""
        if value is None:
            return None
        at: datetime = value
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)

    def bind_processor(self, dialect: Dialect) -> Any:
        """For SQLite, write what SQLAlchemy would write there, with less work."""
        return _as_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """For SQLite, read it in the same way."""
        return _from_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _as_utc(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("a time without a zone cannot be stored")
    return value.astimezone(UTC)


def _as_text(value: datetime | None) -> str | None:
    at = value if value is None or value.tzinfo is UTC else _as_utc(value)
    return None if at is None else at.isoformat(" ", "microseconds").removesuffix("+00:00")


def _from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)


Count = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only an INTEGER key


def partial(name: str, where: Any, *columns: Any) -> None:
    """An index of those rows only for which a condition holds: most rows, and every write of them, are spared it."""
    Index(name, *columns, sqlite_where=where, postgresql_where=where)
