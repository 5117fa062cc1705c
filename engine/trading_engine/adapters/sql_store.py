"""`ports.Store` on SQL: one unit of work on one connection, for the rows of one engine.

Made by `sql_database` for each unit of work; each of the parts below has its own module.
"""

from __future__ import annotations

from trading_engine.adapters.sql_candles import SqlCandles
from trading_engine.adapters.sql_fills import SqlFills
from trading_engine.adapters.sql_models import SqlModels
from trading_engine.adapters.sql_recommendations import SqlRecommendations
from trading_engine.adapters.sql_trading_state import SqlTradingState


class SqlStore(SqlCandles, SqlModels, SqlRecommendations, SqlFills, SqlTradingState):
    """All of `ports.Store`."""
