"""Orders in SQL: the executor puts an intent before the wire and moves it as the venue answers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row, Update, bindparam, func, select, update

from trading_engine.adapters.sql_rows import SqlRows, event_row
from trading_engine.adapters.sql_schema import order_events as events
from trading_engine.adapters.sql_schema import orders
from trading_engine.contract.messages import Execution, OrderState
from trading_engine.domain.orders import TRANSITIONS, OrderRequest
from trading_engine.ports import EventRow, OrderRow

#: What is known of an order, minus its keys: written by each move.
_FIGURES = tuple(name for name in Execution.model_fields if name not in {"recommendation_id", "client_order_id"})
_OURS = orders.c.engine == bindparam("of_engine")
_THIS = (_OURS, orders.c.recommendation_id == bindparam("of_id"))
_BY_ID = select(orders).where(*_THIS)
_IN_STATES = (
    select(orders)
    .where(_OURS, orders.c.state.in_(bindparam("states", expanding=True)))
    .order_by(orders.c.created_ms, orders.c.recommendation_id)
)
_SENT = select(func.count()).select_from(orders).where(_OURS, orders.c.sent_ms >= bindparam("since_ms"))
_MOVE = (
    update(orders)
    .where(*_THIS, orders.c.state == bindparam("before"))
    .values(updated_ms=bindparam("at_ms"), **{name: bindparam(f"new_{name}") for name in _FIGURES})
)
_MOVE_AND_SEND = _MOVE.values(sent_ms=bindparam("at_ms"))
#: Denied is our word for "never left this process": an order halted between its commit and the wire is not sent.
_MOVE_AND_DENY = _MOVE.values(sent_ms=None)
_EVENTS = (
    select(events.c.seq, events.c.recommendation_id, events.c.at_ms, events.c.before, events.c.after, events.c.detail)
    .join(orders)
    .where(*_THIS)
    .order_by(events.c.seq)
)


class SqlOrders(SqlRows):
    """The order methods of `ports.Store`."""

    def put_intent(self, row: OrderRow) -> bool:
        """Insert an order in state intent or denied; False when the recommendation has one already.

        Raises:
            ValueError: another state, or ids that disagree.
        """
        if row.state not in {OrderState.INTENT, OrderState.DENIED}:
            raise ValueError(f"order of {row.recommendation_id}: born as intent or denied, not as {row.state}")
        if not self._insert_new(orders, _columns(row, self._engine)):
            if self.order(row.recommendation_id) is None:
                raise ValueError(f"client order id {row.request.client_order_id} belongs to another recommendation")
            return False
        self._put_event(events, row.recommendation_id, "", row.state, at_ms=row.created_ms, detail=row.execution.detail)
        return True

    def order(self, recommendation_id: UUID) -> OrderRow | None:
        """The order of a recommendation."""
        row = self._connection.execute(_BY_ID, self._key(recommendation_id)).one_or_none()
        return None if row is None else _order_row(row)

    def orders_in(self, *states: OrderState) -> list[OrderRow]:
        """Orders in these states, oldest first."""
        rows = self._connection.execute(_IN_STATES, {"of_engine": self._engine, "states": states})
        return [_order_row(row) for row in rows]

    def move_order(
        self,
        recommendation_id: UUID,
        before: OrderState,
        execution: Execution,
        *,
        at_ms: int,
        detail: str = "",
    ) -> bool:
        """Guarded move to `execution.state`; submitting also sets `sent_ms`, denied clears it.

        A state that is not terminal may also be kept, to write new figures.

        Raises:
            ValueError: `domain.orders.TRANSITIONS` forbids it.
        """
        after = execution.state
        if after not in TRANSITIONS[before] and not (after is before and TRANSITIONS[before]):
            raise ValueError(f"order of {recommendation_id}: {before} cannot become {after}")
        figures = {f"new_{name}": getattr(execution, name) for name in _FIGURES}
        move = {**self._key(recommendation_id), **figures, "before": before, "at_ms": at_ms}
        if self._connection.execute(_move(before, after), move).rowcount != 1:
            return False
        self._put_event(events, recommendation_id, before, after, at_ms=at_ms, detail=detail)
        return True

    def order_events(self, recommendation_id: UUID) -> list[EventRow]:
        """Its journal, oldest first."""
        rows = self._connection.execute(_EVENTS, self._key(recommendation_id))
        return [event_row(row) for row in rows]

    def count_orders_sent(self, *, since_ms: int) -> int:
        """Orders sent to a venue at or after that time."""
        return self._connection.execute(_SENT, {"of_engine": self._engine, "since_ms": since_ms}).scalar_one()

    def _key(self, recommendation_id: UUID) -> dict[str, Any]:
        return {"of_engine": self._engine, "of_id": recommendation_id}


def _move(before: OrderState, after: OrderState) -> Update:
    if after is OrderState.DENIED:
        return _MOVE_AND_DENY
    return _MOVE_AND_SEND if (before, after) == (OrderState.INTENT, OrderState.SUBMITTING) else _MOVE


def _columns(row: OrderRow, engine: str) -> dict[str, Any]:
    request, execution = row.request, row.execution
    if request.client_order_id != execution.client_order_id or row.recommendation_id != execution.recommendation_id:
        raise ValueError(f"order of {row.recommendation_id}: request and execution name other orders: {row}")
    if row.state is not execution.state:
        raise ValueError(f"order of {row.recommendation_id}: state {row.state} but execution says {execution.state}")
    return {
        **dict(execution),
        "engine": engine,
        "venue": row.venue,
        "symbol": request.symbol,
        "side": request.side,
        "asked_cost": request.cost,
        "asked_amount": request.amount,
        "created_ms": row.created_ms,
        "sent_ms": row.sent_ms,
        "updated_ms": row.updated_ms,
    }


def _order_row(row: Row[Any]) -> OrderRow:
    values = row._mapping
    return OrderRow(
        recommendation_id=row.recommendation_id,
        request=OrderRequest(row.client_order_id, row.symbol, row.side, row.asked_cost, row.asked_amount),
        venue=row.venue,
        state=row.state,
        execution=Execution(**{name: values[name] for name in Execution.model_fields}),
        created_ms=row.created_ms,
        sent_ms=row.sent_ms,
        updated_ms=row.updated_ms,
    )
