"""Trained models in SQL: training puts them, the generator loads the promoted one."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import bindparam, select, update

from trading_engine.adapters.sql_prepared import Prepared
from trading_engine.adapters.sql_rows import SqlRows
from trading_engine.adapters.sql_schema import models
from trading_engine.ports import StoredModel

_FIELDS = ("id", "symbol", "timeframe", "text", "card", "created_ms", "promoted", "reason")
_OF_MARKET = (
    (models.c.engine == bindparam("of_engine"))
    & (models.c.symbol == bindparam("of_symbol"))
    & (models.c.timeframe == bindparam("of_timeframe"))
)
_PROMOTED = select(*(models.c[name] for name in _FIELDS)).where(_OF_MARKET, models.c.promoted)
_PROMOTED_ID = Prepared(select(models.c.id).where(_OF_MARKET, models.c.promoted))
_DEMOTE = update(models).where(_OF_MARKET, models.c.promoted).values(promoted=False)
_PROMOTE = (
    update(models).where(_OF_MARKET, models.c.id == bindparam("of_id")).values(promoted=True, reason=bindparam("why"))
)


class SqlModels(SqlRows):
    """The model methods of `ports.Store`."""

    def put_model(self, model: StoredModel) -> None:
        """Insert; a promoted one takes the place of its predecessor. Putting an id twice is no error."""
        market = self._market(model.symbol, model.timeframe)
        self._insert_new(models, {**asdict(model), "engine": self._engine, "promoted": False})
        if model.promoted:
            self._connection.execute(_DEMOTE, market)
            self._connection.execute(_PROMOTE, {**market, "of_id": model.id, "why": model.reason})

    def promoted_model(self, symbol: str, timeframe: str) -> StoredModel | None:
        """The one that may trade."""
        row = self._connection.execute(_PROMOTED, self._market(symbol, timeframe)).one_or_none()
        return None if row is None else StoredModel(*row)

    def promoted_model_id(self, symbol: str, timeframe: str) -> str | None:
        """Its id alone: the row is large."""
        rows = _PROMOTED_ID.rows(self._connection, self._market(symbol, timeframe))
        return rows[0][0] if rows else None

    def _market(self, symbol: str, timeframe: str) -> dict[str, str]:
        return {"of_engine": self._engine, "of_symbol": symbol, "of_timeframe": timeframe}
