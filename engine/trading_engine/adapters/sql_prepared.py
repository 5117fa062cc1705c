"""Statements of every candle and order: rendered by SQLAlchemy once, then handed to the driver.

Used by the store's modules. Its own way of executing costs some seven times what SQLite takes for the
statement itself. The driver's errors of transport are `sql_connect.transaction`'s to translate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Select, Update
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

Values = Mapping[str, Any]
Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Rendered:
    """A statement in the words of one database; `bind` and `columns` convert what the driver does not know."""

    text: str
    names: frozenset[str]
    fixed: dict[str, Any]
    bind: tuple[tuple[str, Convert], ...]
    columns: tuple[tuple[int, Convert], ...]

    def driver_values(self, values: Values) -> dict[str, Any]:
        """Parameters as the driver takes them.

        Raises:
            ValueError: one is missing, or the statement has no place for it.
        """
        ready = {**self.fixed, **values}
        if ready.keys() != self.names:
            raise ValueError(f"parameters {sorted(ready)} are not those of: {self.text}")
        for name, convert in self.bind:
            ready[name] = convert(ready[name])
        return ready

    def row(self, raw: Sequence[Any]) -> Sequence[Any]:
        """A row of the driver in our types."""
        row = list(raw)
        for index, convert in self.columns:
            row[index] = convert(row[index])
        return row


class Prepared:
    """A statement without lists (`IN`) in it, always given the same parameters.

    The columns of an insert are the parameters of its first execution.
    """

    def __init__(self, statement: Select[Any] | Insert | Update) -> None:
        self._statement = statement
        self._rendered: dict[str, _Rendered] = {}

    def write(self, connection: Connection, values: Values) -> int:
        """Run an insert or update; how many rows it touched."""
        rendered = self._in(connection.dialect, values)
        cursor = connection.connection.cursor()
        cursor.execute(rendered.text, rendered.driver_values(values))
        return cursor.rowcount

    def write_all(self, connection: Connection, rows: Sequence[Values]) -> int:
        """Run it once for each; how many rows it touched in all."""
        rendered = self._in(connection.dialect, rows[0])
        cursor = connection.connection.cursor()
        cursor.executemany(rendered.text, [rendered.driver_values(values) for values in rows])
        return cursor.rowcount

    def rows(self, connection: Connection, values: Values) -> list[Sequence[Any]]:
        """Run a select; its rows, with the columns in the order they were asked for."""
        rendered = self._in(connection.dialect, values)
        cursor = connection.connection.cursor()
        cursor.execute(rendered.text, rendered.driver_values(values))
        return [rendered.row(raw) for raw in cursor.fetchall()]

    def _in(self, dialect: Dialect, values: Values) -> _Rendered:
        known = self._rendered.get(dialect.name)
        if known is None:
            known = self._rendered[dialect.name] = _render(self._statement, dialect, values)
        return known


def _render(statement: Select[Any] | Insert | Update, dialect: Dialect, values: Values) -> _Rendered:
    columns = list(values) if isinstance(statement, Insert) else None
    compiled = statement.compile(dialect=dialect, column_keys=columns)
    assert isinstance(compiled, SQLCompiler)  # noqa: S101  # what a dialect of SQL makes of a statement
    binds = {name: bind for bind, name in compiled.bind_names.items()}
    selected = statement.selected_columns if isinstance(statement, Select) else ()
    converts = {name: _impl(bind.type, dialect).bind_processor(dialect) for name, bind in binds.items()}
    results = [_impl(column.type, dialect).result_processor(dialect, None) for column in selected]
    return _Rendered(
        text=str(compiled),
        names=frozenset(binds),
        fixed={name: bind.value for name, bind in binds.items() if not bind.required},
        bind=tuple((name, convert) for name, convert in converts.items() if convert),
        columns=tuple((index, convert) for index, convert in enumerate(results) if convert),
    )


def _impl(kind: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    return kind.dialect_impl(dialect)
