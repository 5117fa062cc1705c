"""The red button's durable state in SQL: set by the executor's endpoint, obeyed by the executor."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import bindparam, select, update

from trading_engine.adapters.sql_orders import SqlOrders
from trading_engine.adapters.sql_schema import trading_state
from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import TradingStateChange, TradingStateReport

#: Before anybody set one.
_DEFAULT: Final[dict[str, Any]] = {"state": TradingState.ACTIVE, "who": "default", "why": "", "since_ms": 0}
_READ = select(*(trading_state.c[name] for name in _DEFAULT)).where(trading_state.c.engine == bindparam("of_engine"))
_SET = (
    update(trading_state)
    .where(trading_state.c.engine == bindparam("of_engine"), trading_state.c.state != bindparam("new_state"))
    .values(
        state=bindparam("new_state"), who=bindparam("new_who"), why=bindparam("new_why"), since_ms=bindparam("at_ms")
    )
)


class SqlTradingState(SqlOrders):
    """The red button's methods of `ports.Store`."""

    def trading_state(self) -> TradingStateReport:
        """The durable state; Active, by `default`, since 0, before anybody set one."""
        row = self._connection.execute(_READ, {"of_engine": self._engine}).one_or_none()
        known = _DEFAULT if row is None else row._asdict()
        return TradingStateReport(**known, orders_sent_since=self.count_orders_sent(since_ms=known["since_ms"]))

    def put_trading_state(self, change: TradingStateChange, *, at_ms: int) -> TradingStateReport:
        """Set it; setting the state it already has changes nothing (`since_ms` stays)."""
        self._insert_new(trading_state, {**_DEFAULT, "engine": self._engine})
        new = {"new_state": change.state, "new_who": change.who, "new_why": change.why}
        self._connection.execute(_SET, {**new, "of_engine": self._engine, "at_ms": at_ms})
        return self.trading_state()
