"""What the store's modules share: the connection of one unit of work, whose rows, and inserts that may find one."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Table, insert
from sqlalchemy.dialects import postgresql, sqlite

from trading_engine.adapters.sql_prepared import Prepared
from trading_engine.ports import EventRow


class SqlRows:
    """Rows of one engine over the connection of one unit of work."""

    def __init__(self, connection: Connection, engine: str) -> None:
        self._connection = connection
        self._engine = engine

    def _insert_new(self, table: Table, rows: dict[str, Any] | list[dict[str, Any]]) -> int:
        """Insert rows unless one with the same key is there; returns how many were new.

        Any unique key counts: with a single one named, two writers of the same row may still
        collide on another.
        """
        statement = _insert_or_nothing(self._connection.dialect.name, table)
        if isinstance(rows, dict):
            return statement.write(self._connection, rows)
        return statement.write_all(self._connection, rows)

    def _put_event(
        self, journal: Table, subject: UUID, before: str, after: StrEnum, *, at_ms: int, detail: str
    ) -> None:
        """One line of an append-only journal; `before` is empty at birth."""
        event = {"recommendation_id": subject, "before": str(before), "after": after, "at_ms": at_ms, "detail": detail}
        _insert(journal).write(self._connection, event)


@cache
def _insert(table: Table) -> Prepared:
    return Prepared(insert(table).inline())


@cache
def _insert_or_nothing(dialect: str, table: Table) -> Prepared:
    insert_into = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return Prepared(insert_into(table).on_conflict_do_nothing().inline())


def event_row(row: Row[Any, Any, Any, Any, Any, Any]) -> EventRow:
    """A journal's line from its columns in the order of `EventRow`."""
    seq, subject, at_ms, before, after, detail = row
    return EventRow(seq, str(subject), at_ms, before, str(after), detail)
