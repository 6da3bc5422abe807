"""Statements of SQLAlchemy Core that are compiled once and then run by the database's driver itself.

For what is done for every subscriber: around such a statement SQLAlchemy takes four times as long as the database for
it (docs/decisions/015). Whoever listens to what the engine's cursors execute hears each of them all the same. Must not
know what they are about.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn

from sqlalchemy import BindParameter, Connection, Executable, Row, bindparam
from sqlalchemy.engine import Dialect, result_tuple
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

Values = Mapping[str, Any]
Process = Callable[[Any], Any]
EXECUTE = "execute"  # how a connection's driver runs a statement: for whoever opens connections to say
LONGEST_LIST = 16
NO_VALUES: Values = MappingProxyType({})


class Prepared:
    """One statement; as with SQLAlchemy, the values it is given decide which columns an INSERT or UPDATE writes.

    What the database refuses, and that this connection has ended, is told as by SQLAlchemy: DBAPIError. A value that is
    missing raises ValueError, as does a statement whose text depends on its values; for lists there is `PreparedList`.
    """

    def __init__(self, statement: Executable):
        self._statement = statement
        self._forms: dict[tuple[str, ...], _Form] = {}

    def rows(self, connection: Connection, values: Values = NO_VALUES) -> Sequence[Row[Any]]:
        """Run it and return its rows."""
        if _is_heard(connection):
            return connection.execute(self._statement, values).all()
        return self._form(connection, values).rows(connection, values)

    def row(self, connection: Connection, values: Values = NO_VALUES) -> Row[Any] | None:
        """Run it and return its only row, or None."""
        found = self.rows(connection, values)
        return found[0] if found else None

    def value(self, connection: Connection, values: Values = NO_VALUES) -> Any:
        """Run it and return what stands first in its only row, or None."""
        found = self.rows(connection, values)
        return found[0][0] if found else None

    def run(self, connection: Connection, values: Values = NO_VALUES) -> int:
        """Run it and return how many rows it wrote."""
        if _is_heard(connection):
            return connection.execute(self._statement, values).rowcount
        return self._form(connection, values).count(connection, values)

    def _form(self, connection: Connection, values: Values) -> "_Form":
        kind = (connection.dialect.name, *values)
        form = self._forms.get(kind)
        if form is None:
            form = self._forms[kind] = _Form(connection.dialect, self._statement, values)
        return form


class PreparedList:
    """The same for a statement about a list that is not empty, built by `statement(binds)` once for each length.

    A list of over sixteen goes the ordinary way: a database keeps what is prepared for each connection.
    """

    def __init__(self, statement: Callable[[Sequence[BindParameter[Any]]], Executable]):
        self._statement = statement
        self._by_length: dict[int, Prepared] = {}

    def rows(self, connection: Connection, listed: Sequence[Any], values: Values = NO_VALUES) -> Sequence[Row[Any]]:
        """Run it and return its rows."""
        given = {**_numbered(listed), **values}
        if len(listed) > LONGEST_LIST:
            return connection.execute(self._built(listed), given).all()
        return self._of(listed).rows(connection, given)

    def run(self, connection: Connection, listed: Sequence[Any], values: Values = NO_VALUES) -> int:
        """Run it and return how many rows it wrote."""
        given = {**_numbered(listed), **values}
        if len(listed) > LONGEST_LIST:
            return connection.execute(self._built(listed), given).rowcount
        return self._of(listed).run(connection, given)

    def _of(self, listed: Sequence[Any]) -> Prepared:
        found = self._by_length.get(len(listed))
        if found is None:
            found = self._by_length[len(listed)] = Prepared(self._built(listed))
        return found

    def _built(self, listed: Sequence[Any]) -> Executable:
        return self._statement([bindparam(name) for name in _numbered(listed)])


class _Form:
    """A statement in one database's words, for one set of values."""

    def __init__(self, dialect: Dialect, statement: Any, values: Values):
        compiled: SQLCompiler = statement.compile(dialect=dialect, column_keys=list(values))
        if compiled.post_compile_params or compiled.insert_prefetch or compiled.update_prefetch:
            raise ValueError("the text of this statement depends on its values")
        if missing := [name for bind, name in compiled.bind_names.items() if bind.required and name not in values]:
            raise ValueError(f"no value for {', '.join(missing)}")
        self._text, self._is_positional = compiled.string, compiled.positional
        processes = {
            name: _processor(dialect, bind.type, "bind_processor") for bind, name in compiled.bind_names.items()
        }
        self._names = compiled.positiontup if compiled.positiontup is not None else [*processes]
        self._fixed = {name: value for name, value in compiled.params.items() if name not in values}
        self._processes = [(name, process) for name, process in processes.items() if process]
        columns = list(getattr(statement, "exported_columns", ()))
        self._row = result_tuple([column.key for column in columns])
        found = [_processor(dialect, column.type, "result_processor", None) for column in columns]
        self._read = [(place, process) for place, process in enumerate(found) if process]

    def rows(self, connection: Connection, values: Values) -> Sequence[Row[Any]]:
        """Run it and return its rows."""
        return [self._as_row(row) for row in self._run(connection, values, _all)]

    def count(self, connection: Connection, values: Values) -> int:
        """Run it and return how many rows it wrote."""
        number: int = self._run(connection, values, _written)
        return number

    def _run(self, connection: Connection, values: Values, read: Callable[[DBAPICursor], Any]) -> Any:
        given = {**self._fixed, **values}
        for name, process in self._processes:
            given[name] = process(given[name])
        told: Any = [given[name] for name in self._names] if self._is_positional else given
        try:
            return read(connection.info[EXECUTE](self._text, told))  # SQLite looks for the second row when it is read
        except Exception as error:
            refuse(connection, self._text, error)

    def _as_row(self, found: Sequence[Any]) -> Row[Any]:
        read = list(found)
        for place, process in self._read:
            read[place] = process(read[place])
        row: Row[Any] = self._row(read)
        return row


def refuse(connection: Connection, statement: str, error: Exception) -> NoReturn:
    """Raise what the driver said as SQLAlchemy would, DBAPIError, and do away with a connection that has ended."""
    dialect, kind = connection.dialect, connection.dialect.loaded_dbapi.Error
    if not isinstance(error, kind):
        raise error
    driver: Any = connection.connection.driver_connection
    has_ended = dialect.is_disconnect(error, driver, None)
    if has_ended:
        connection.invalidate(error)
    raise DBAPIError.instance(
        statement, None, error, kind, hide_parameters=True, connection_invalidated=has_ended, dialect=dialect
    ) from error


def _all(cursor: DBAPICursor) -> Sequence[Any]:
    return cursor.fetchall()


def _written(cursor: DBAPICursor) -> int:
    return cursor.rowcount


def _processor(dialect: Dialect, kind: TypeEngine[Any], which: str, *more: object) -> Process | None:
    process: Process | None = getattr(kind.dialect_impl(dialect), which)(dialect, *more)
    return process


def _numbered(listed: Sequence[Any]) -> dict[str, Any]:
    return {f"listed_{number}": one for number, one in enumerate(listed)}


def _is_heard(connection: Connection) -> bool:
    dispatch = connection.engine.dispatch
    return bool(dispatch.before_cursor_execute or dispatch.after_cursor_execute)
