"""Statements of SQLAlchemy Core that are compiled once and then run by the database's driver itself.

For what is done for every subscriber: around such a statement SQLAlchemy takes four times as long as the database for
it (docs/decisions/015). Whoever listens to what the engine's cursors execute hears each of them all the same. Must not
know what they are about.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter, methodcaller
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
LINE = "line"  # the option of a connection that says how its driver is asked
LONGEST_LIST = 16
NO_VALUES: Values = MappingProxyType({})
_ALL, _WRITTEN = methodcaller("fetchall"), attrgetter("rowcount")


@dataclass(slots=True)
class Line:
    """How the driver of one connection runs a statement, or does so by the next one, and what it is ready for."""

    execute: Callable[[str, Any], Any]
    defer: Callable[[str, Any], object]
    kind: str | None = None
    is_lasting: bool = True


class Prepared:
    """One statement; as with SQLAlchemy, the values it is given decide which columns an INSERT or UPDATE writes.

    What the database refuses, and that this connection has ended, is told as by SQLAlchemy: DBAPIError. A value that is
    missing raises ValueError, as does a statement whose text depends on its values; for lists there is `PreparedList`.
    A connection without a `LINE` runs it as any other statement.
    """

    def __init__(self, statement: Executable):
        self._statement = statement
        self._forms: dict[tuple[str, ...], _Form] = {}

    def rows(self, connection: Connection, values: Values = NO_VALUES) -> Sequence[Row[Any]]:
        """Run it and return its rows."""
        line = connection.get_execution_options().get(LINE)
        if line is None:
            return connection.execute(self._statement, values).all()
        form = self._forms.get((connection.dialect.name, *values)) or self._form(connection, values)
        return form.read(form.run(line, connection, values, _ALL))

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
        line = connection.get_execution_options().get(LINE)
        if line is None:
            return connection.execute(self._statement, values).rowcount
        form = self._forms.get((connection.dialect.name, *values)) or self._form(connection, values)
        number: int = form.run(line, connection, values, _WRITTEN)
        return number

    def write(self, connection: Connection, values: Values = NO_VALUES) -> None:
        """Run it with the next one, or with the end of the transaction, where its refusal is raised, as that one's."""
        line = connection.get_execution_options().get(LINE)
        if line is None:
            connection.execute(self._statement, values)
        else:
            form = self._forms.get((connection.dialect.name, *values)) or self._form(connection, values)
            form.defer(line, connection, values)

    def _form(self, connection: Connection, values: Values) -> "_Form":
        made = self._forms[(connection.dialect.name, *values)] = _Form(connection.dialect, self._statement, values)
        return made


class PreparedList:
    """A `Prepared` about a list that is not empty, built by `statement(binds)` once for each length.

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

    def write(self, connection: Connection, listed: Sequence[Any]) -> None:
        """Run it with the next one, or with the end of the transaction."""
        if len(listed) > LONGEST_LIST:
            connection.execute(self._built(listed), _numbered(listed))
        else:
            self._of(listed).write(connection, _numbered(listed))

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
        self._text = compiled.string
        processes = {
            name: _processor(dialect, bind.type, "bind_processor") for bind, name in compiled.bind_names.items()
        }
        self._told = _in_order(compiled.positiontup or ()) if compiled.positional else None
        self._fixed = {name: value for name, value in compiled.params.items() if name not in values}
        self._processes = [(name, process) for name, process in processes.items() if process]
        columns = list(getattr(statement, "exported_columns", ()))
        self._row = result_tuple([column.key for column in columns])
        found = [_processor(dialect, column.type, "result_processor", None) for column in columns]
        self._reads = [(place, process) for place, process in enumerate(found) if process]

    def run(self, line: Line, connection: Connection, values: Values, wanted: Callable[[DBAPICursor], Any]) -> Any:
        """Run it and return what is wanted of its cursor."""
        told = self._given(values)
        try:  # SQLite looks for the second row when it is read
            return wanted(line.execute(self._text, told))
        except Exception as error:
            refuse(connection, self._text, error)

    def defer(self, line: Line, connection: Connection, values: Values) -> None:
        """Run it with the next one."""
        told = self._given(values)
        try:
            line.defer(self._text, told)
        except Exception as error:
            refuse(connection, self._text, error)

    def _given(self, values: Values) -> Any:
        given = {**self._fixed, **values}
        for name, process in self._processes:
            given[name] = process(given[name])
        return self._told(given) if self._told else given

    def read(self, found: Sequence[Sequence[Any]]) -> Sequence[Row[Any]]:
        """Return the rows that the driver found as SQLAlchemy would."""
        rows = [list(row) for row in found]
        for row in rows:
            for place, process in self._reads:
                row[place] = process(row[place])
        return [self._row(row) for row in rows]


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


def _in_order(names: Sequence[str]) -> Callable[[Values], Sequence[Any]]:
    """What picks the values of a statement with places, in their order."""
    return itemgetter(*names) if len(names) > 1 else lambda given: [given[name] for name in names]


def _processor(dialect: Dialect, kind: TypeEngine[Any], which: str, *more: object) -> Process | None:
    process: Process | None = getattr(kind.dialect_impl(dialect), which)(dialect, *more)
    return process


def _numbered(listed: Sequence[Any]) -> dict[str, Any]:
    return {f"listed_{number}": one for number, one in enumerate(listed)}
