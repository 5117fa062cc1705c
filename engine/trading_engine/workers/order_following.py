"""What becomes of an order that was sent: looked up, followed to its end, its fills kept. Part of trade_executor.

An acknowledgement is not a state: only what the venue says when asked moves an order. An order whose
sending may or may not have arrived is looked up by its client order id and never sent again.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, TypeVar
from uuid import UUID

import structlog

from trading_engine.contract.messages import Execution, OrderState
from trading_engine.domain.orders import Fill, VenueOrder, is_terminal, may_follow
from trading_engine.ports import Clock, Database, Exchange, Metrics, OrderRow, Store

T = TypeVar("T")

#: Sent, and nobody knows whether it arrived. SUBMITTING is one of these once its sender is gone.
UNRESOLVED: Final = (OrderState.SUBMITTING, OrderState.UNKNOWN)
UNDER_WAY: Final = (*UNRESOLVED, OrderState.ACCEPTED, OrderState.PARTIAL)

#: How long a venue may take to show an order that did arrive, or the fills of one that has ended.
SETTLE_MS: Final = 150_000
#: Lookups in a row that must not find it, after which it counts as never arrived.
MISSES: Final = 2
#: Fills add up to what the venue says when they differ by less than this share of it: a size that the venue
#: gives in quote currency is a division in base, and no order is as fine as a billionth.
ROUNDING: Final = Decimal("1e-9")
#: The venue's clock and ours may differ by this much.
SKEW_MS: Final = 300_000

log = structlog.get_logger()


@dataclass
class Memory:
    """What this process alone knows; a new process starts without it and loses nothing."""

    sending: set[UUID] = field(default_factory=set)
    misses: dict[UUID, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Deps:
    """What following needs; `trade_executor.Deps` adds what sending needs."""

    database: Database
    exchange: Exchange
    clock: Clock
    metrics: Metrics
    memory: Memory


async def answered(deps: Deps, call: Awaitable[T]) -> T:
    """The answer to one call to the venue, timed."""
    started = time.perf_counter()
    try:
        return await call
    finally:
        deps.metrics.observe("coinbase_api_response_time_seconds", time.perf_counter() - started)


async def settled(deps: Deps, row: OrderRow) -> OrderRow:
    """The order after asking the venue once.

    Raises:
        ExchangeUnavailable: the venue could not be asked; nothing changed.
        ExchangeRefused: the venue does not know the order that it acknowledged.
    """
    if row.state in UNRESOLVED:
        row = await _looked_up(deps, row)
    if row.state in (OrderState.ACCEPTED, OrderState.PARTIAL):
        row = await _followed(deps, row)
    return row


async def moved(deps: Deps, row: OrderRow, execution: Execution, fills: Sequence[Fill] = ()) -> OrderRow:
    """The order after a guarded move, committed with its fills; as somebody else moved it, if they did first."""
    now = deps.clock.now_ms()

    def work(store: Store) -> tuple[bool, OrderRow, list[Fill]]:
        new = store.put_fills(row.recommendation_id, fills)
        done = store.move_order(row.recommendation_id, row.state, execution, at_ms=now, detail=execution.detail)
        current = store.order(row.recommendation_id)
        assert current is not None, "orders are never deleted"  # noqa: S101  # an invariant, not input
        return done, current, new

    done, current, new = await deps.database.run(work)
    _count_fills(deps, new)
    if done and row.state is not current.state:
        _tell(deps, row, current)
    return current


def _tell(deps: Deps, before: OrderRow, after: OrderRow) -> None:
    known = after.execution
    log.info(
        "order " + after.state.value,
        recommendation_id=str(after.recommendation_id),
        client_order_id=str(known.client_order_id),
        venue_order_id=known.venue_order_id,
        symbol=after.request.symbol,
        side=after.request.side.value,
        before=before.state.value,
        filled=str(known.filled),
        average=None if known.average is None else str(known.average),
        fee=str(known.fee),
        reason=known.reason.value,
        detail=known.detail,
    )
    if is_terminal(after.state):
        count_ended(deps, after, deps.clock.now_ms())


def _count_fills(deps: Deps, fills: Sequence[Fill]) -> None:
    for fill in fills:
        symbol, side = fill.symbol, fill.side.value
        deps.metrics.inc("trading_fills_total", symbol=symbol, side=side)
        deps.metrics.inc("trading_filled_notional_total", float(fill.cost), symbol=symbol, side=side)
        deps.metrics.inc("trading_fees_paid_total", float(fill.fee), symbol=symbol)


def count_ended(deps: Deps, row: OrderRow, now_ms: int) -> None:
    """Count an order that has just ended; called once per order, by whoever's move succeeded."""
    deps.metrics.inc("trade_executions_total", status=row.state.value, symbol=row.request.symbol)
    if row.state is OrderState.DENIED:
        deps.metrics.inc("trading_denials_total", reason=row.execution.reason.value)
    deps.metrics.observe("trade_execution_time_seconds", (now_ms - row.created_ms) / 1000)


async def _looked_up(deps: Deps, row: OrderRow) -> OrderRow:
    sent_ms = row.sent_ms or row.created_ms
    since_ms = sent_ms - SKEW_MS
    found = await answered(deps, deps.exchange.find_order(row.request.client_order_id, row.request.symbol, since_ms))
    if found is not None:
        deps.memory.misses.pop(row.recommendation_id, None)
        return await moved(deps, row, _accepted(row.execution, found.venue_order_id))
    misses = deps.memory.misses[row.recommendation_id] = deps.memory.misses.get(row.recommendation_id, 0) + 1
    if misses < MISSES or deps.clock.now_ms() - sent_ms < SETTLE_MS:
        return await _still_unknown(deps, row)
    deps.memory.misses.pop(row.recommendation_id)
    detail = f"never arrived: not found {misses} times, the last {SETTLE_MS // 1000} s or more after it was sent"
    return await moved(deps, row, _with(row.execution, OrderState.REJECTED, detail))


async def _still_unknown(deps: Deps, row: OrderRow) -> OrderRow:
    if row.state is OrderState.UNKNOWN:
        return row
    return await moved(deps, row, _with(row.execution, OrderState.UNKNOWN, "found at start, not found at the venue"))


async def _followed(deps: Deps, row: OrderRow) -> OrderRow:
    venue_id, symbol = row.execution.venue_order_id, row.request.symbol
    if venue_id is None:
        raise ValueError(f"order {row.request.client_order_id} is {row.state} and has no venue order id")
    order = await answered(deps, deps.exchange.fetch_order(venue_id, symbol))
    fills = await answered(deps, deps.exchange.fetch_fills(venue_id, symbol))
    execution = _known(row, order, fills, late=deps.clock.now_ms() - (row.sent_ms or 0) >= SETTLE_MS)
    if execution == row.execution:
        return row
    return await moved(deps, row, execution, fills)


def _accepted(execution: Execution, venue_order_id: str) -> Execution:
    return execution.model_copy(update={"state": OrderState.ACCEPTED, "venue_order_id": venue_order_id, "detail": ""})


def _with(execution: Execution, state: OrderState, detail: str) -> Execution:
    return execution.model_copy(update={"state": state, "detail": detail})


def _known(row: OrderRow, order: VenueOrder, fills: Sequence[Fill], *, late: bool) -> Execution:
    filled = sum((fill.amount for fill in fills), Decimal(0))
    cost = sum((fill.cost for fill in fills), Decimal(0))
    state, detail = _state(row, order, filled, late=late)
    return row.execution.model_copy(
        update={
            "state": state,
            "detail": detail,
            "amount": row.request.amount or order.filled,
            "filled": filled,
            "average": cost / filled if filled else None,
            "cost": cost,
            "fee": sum((fill.fee for fill in fills), Decimal(0)),
        }
    )


def _state(row: OrderRow, order: VenueOrder, filled: Decimal, *, late: bool) -> tuple[OrderState, str]:
    """State and detail; a last word waits until the fills add up to it, for positions are made of fills."""
    if not may_follow(row.state, order.state):
        return row.state, row.execution.detail
    if not is_terminal(order.state) or abs(filled - order.filled) <= ROUNDING * order.filled:
        return order.state, ""
    if not late:
        return row.state, row.execution.detail
    return order.state, f"fills add up to {filled:f}, the venue says {order.filled:f}"
