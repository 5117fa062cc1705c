"""Candles in SQL: collectors put them, the generator, training and replay read them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, func, select

from trading_engine.adapters import sql_schema as schema
from trading_engine.adapters.sql_prepared import Prepared
from trading_engine.adapters.sql_rows import SqlRows
from trading_engine.domain.candle import Candle

_CANDLES = schema.candles
_FIELDS = ("open_ms", "open", "high", "low", "close", "volume")
_OF_MARKET = (_CANDLES.c.symbol == bindparam("symbol")) & (_CANDLES.c.timeframe == bindparam("timeframe"))
_FROM = select(*(_CANDLES.c[name] for name in _FIELDS)).where(_OF_MARKET, _CANDLES.c.open_ms >= bindparam("since_ms"))
_SINCE = Prepared(_FROM.order_by(_CANDLES.c.open_ms))
_NEWEST = Prepared(_FROM.order_by(_CANDLES.c.open_ms.desc()).limit(bindparam("rows")))
_LAST = select(func.max(_CANDLES.c.open_ms)).where(_OF_MARKET)


class SqlCandles(SqlRows):
    """The candle methods of `ports.Store`."""

    def put_candles(self, symbol: str, timeframe: str, candles: Sequence[Candle]) -> int:
        """Insert those not there yet; returns how many were new. A stored candle never changes."""
        rows = [
            {"symbol": symbol, "timeframe": timeframe, **{name: getattr(candle, name) for name in _FIELDS}}
            for candle in candles
        ]
        return self._insert_new(_CANDLES, rows) if rows else 0

    def candles(self, symbol: str, timeframe: str, *, since_ms: int = 0, limit: int | None = None) -> list[Candle]:
        """Candles with open at or after `since_ms`, oldest first; with `limit`, the NEWEST that many."""
        market = {"symbol": symbol, "timeframe": timeframe, "since_ms": since_ms}
        if limit is None:
            return [Candle(*row) for row in _SINCE.rows(self._connection, market)]
        newest = _NEWEST.rows(self._connection, {**market, "rows": limit})
        return [Candle(*row) for row in reversed(newest)]

    def last_candle_open_ms(self, symbol: str, timeframe: str) -> int | None:
        """Open time of the newest stored candle."""
        return self._connection.execute(_LAST, {"symbol": symbol, "timeframe": timeframe}).scalar()
