"""Fills in SQL, and the positions folded from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import reduce
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, func, select, update

from trading_engine.adapters.sql_prepared import Prepared
from trading_engine.adapters.sql_rows import SqlRows
from trading_engine.adapters.sql_schema import fills, positions
from trading_engine.domain.orders import Fill
from trading_engine.domain.position import Position, after_fill, flat

_FILL = ("venue", "venue_order_id", "trade_id", "symbol", "side", "price", "amount", "fee", "timestamp_ms")
_POSITION = ("symbol", "amount", "average_cost", "realized_pnl", "fees")
_OURS = fills.c.engine == bindparam("of_engine")


def _in_order(query: Select[Any]) -> Select[Any]:
    return query.order_by(fills.c.timestamp_ms, fills.c.seq)


_FILLS = select(*(fills.c[name] for name in _FILL)).where(_OURS)
_SINCE = Prepared(_in_order(_FILLS.where(fills.c.timestamp_ms >= bindparam("since_ms"))))
_OF_SYMBOL = _in_order(_FILLS.where(fills.c.symbol == bindparam("of_symbol")))
_NEWEST_MS = select(func.max(fills.c.timestamp_ms)).where(_OURS, fills.c.symbol == bindparam("of_symbol"))
_ALL_POSITIONS = (
    select(*(positions.c[name] for name in _POSITION))
    .where(positions.c.engine == bindparam("of_engine"))
    .order_by(positions.c.symbol)
)
_POSITIONS = Prepared(_ALL_POSITIONS)
# The lock keeps two writers (an executor that is being replaced) from folding over each other.
_LOCKED = Prepared(_ALL_POSITIONS.where(positions.c.symbol == bindparam("of_symbol")).with_for_update())
_KEEP = Prepared(
    update(positions)
    .where(positions.c.engine == bindparam("of_engine"), positions.c.symbol == bindparam("of_symbol"))
    .values(**{name: bindparam(f"new_{name}") for name in _POSITION[1:]})
)


class SqlFills(SqlRows):
    """The fill and position methods of `ports.Store`."""

    def put_fills(self, recommendation_id: UUID, new: Sequence[Fill]) -> list[Fill]:
        """Insert those not there yet, by key; returns the new ones."""
        return [fill for fill in new if self._put_fill(recommendation_id, fill)]

    def fills(self, *, since_ms: int = 0) -> list[Fill]:
        """Fills of this engine, oldest first."""
        rows = _SINCE.rows(self._connection, {"of_engine": self._engine, "since_ms": since_ms})
        return [Fill(*row) for row in rows]

    def positions(self) -> dict[str, Position]:
        """Position per symbol, from fills."""
        found = [Position(*row) for row in _POSITIONS.rows(self._connection, {"of_engine": self._engine})]
        return {position.symbol: position for position in found}

    def _put_fill(self, recommendation_id: UUID, fill: Fill) -> bool:
        position = self._lock_position(fill.symbol)
        newest_ms = self._connection.execute(_NEWEST_MS, self._of(fill.symbol)).scalar()
        row = {name: getattr(fill, name) for name in _FILL}
        row.update(engine=self._engine, recommendation_id=recommendation_id)
        if not self._insert_new(fills, row):
            return False
        late = newest_ms is not None and fill.timestamp_ms < newest_ms
        self._keep(self._fold(fill.symbol) if late else after_fill(position, fill))
        return True

    def _lock_position(self, symbol: str) -> Position:
        rows = _LOCKED.rows(self._connection, self._of(symbol))
        if not rows:
            self._insert_new(positions, {**asdict(flat(symbol)), "engine": self._engine})
            rows = _LOCKED.rows(self._connection, self._of(symbol))
        return Position(*rows[0])

    def _fold(self, symbol: str) -> Position:
        """All over again: a fill that comes late belongs before others, and average cost depends on order."""
        rows = self._connection.execute(_OF_SYMBOL, self._of(symbol))
        return reduce(after_fill, (Fill(*row) for row in rows), flat(symbol))

    def _keep(self, position: Position) -> None:
        figures = {f"new_{name}": getattr(position, name) for name in _POSITION[1:]}
        _KEEP.write(self._connection, {**self._of(position.symbol), **figures})

    def _of(self, symbol: str) -> dict[str, str]:
        return {"of_engine": self._engine, "of_symbol": symbol}
