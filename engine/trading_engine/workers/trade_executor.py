"""The only worker that sends orders: an intent is committed before the wire, and sent at most once.

trade_orchestrator asks `handle` to execute what risk approved; asking again is safe, it answers with
what is known. The order of things is the guarantee:

1. refusals, cheapest first; 2. commit the intent; 3. commit `submitting`; 4. look at the red button
once more; 5. send, once. Whatever happens from 3 on, a later process finds the row and looks the
order up (`order_following`). Start is recovery: nothing is executed before `recover` has passed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

import structlog
from structlog.contextvars import bound_contextvars

from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import (
    DenyReason,
    Execution,
    ExecutionRequest,
    OrderState,
    RecommendationStatus,
    TradingStateChange,
    TradingStateReport,
)
from trading_engine.domain.orders import OrderRequest, is_terminal
from trading_engine.domain.position import Position
from trading_engine.domain.pretrade import Account, Denial, checked, order_of
from trading_engine.errors import EngineError, ExchangeRefused, ExchangeUnavailable, OutcomeUnknown, StoreUnavailable
from trading_engine.ports import MarketData, OrderRow, Store
from trading_engine.workers import order_following
from trading_engine.workers.order_following import UNDER_WAY, UNRESOLVED, answered, moved, settled
from trading_engine.workers.red_button import RedButton

#: An order is asked after this often, this far apart, before the answer is "under way"; `step` goes on.
LOOKS: Final = 4
LOOK_SECONDS: Final = 0.5

#: Recommendations that an order is still to come of.
PENDING: Final = (RecommendationStatus.APPROVED, RecommendationStatus.EXECUTING)

COUNTED_DENIALS: Final = {
    DenyReason.BELOW_MINIMUM: "order_precision_errors_total",
    DenyReason.INSUFFICIENT_BALANCE: "balance_check_failures_total",
}

log = structlog.get_logger()


@dataclass
class Recovery:
    """Whether this process has caught up with the venue and the store."""

    done: bool = False


@dataclass(frozen=True)
class Deps(order_following.Deps):
    """`turn` is held from the first look to the send: two orders never spend the same balance."""

    market_data: MarketData
    button: RedButton
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    recovery: Recovery = field(default_factory=Recovery)


async def handle(deps: Deps, request: ExecutionRequest) -> Execution:
    """Execute a recommendation, once; a repeated request answers with what is known of its order.

    Raises:
        StoreUnavailable: before the send: nothing went out. After it: the order will be looked up.
        ExchangeUnavailable: what must be known before sending cannot be read; nothing went out.
    """
    with bound_contextvars(recommendation_id=str(request.recommendation.id)):
        if not deps.recovery.done:
            raise StoreUnavailable("the executor has not recovered yet: see its /readyz")
        placed = await _placed(deps, request)
        if isinstance(placed, Execution):
            return placed
        return (await _seen_through(deps, placed)).execution


async def handle_trading_state(deps: Deps, change: TradingStateChange) -> TradingStateReport:
    """The red button is pressed or released."""
    try:
        return await deps.button.put(change)
    finally:  # a stricter state is obeyed even where it could not be kept
        _show_state(deps)


async def report_trading_state(deps: Deps) -> TradingStateReport:
    """The state that is obeyed."""
    return await deps.button.report()


async def recover(deps: Deps) -> None:
    """Catch up: load the trading state and ask the venue after every order that was under way.

    Raises:
        StoreUnavailable, ExchangeUnavailable: not recovered; nothing is executed until a later call passes.
    """
    await deps.button.load()
    await _settle_all(deps)
    await _measure(deps)
    deps.recovery.done = True
    log.info("recovered")


async def step(deps: Deps) -> None:
    """Follow every order that is under way. The first pass, and each until one succeeds, is recovery.

    Raises:
        EngineError: the first thing that failed; every order was tried.
    """
    if not deps.recovery.done:
        return await recover(deps)
    await deps.button.load()
    await _settle_all(deps)
    return await _measure(deps)


async def _measure(deps: Deps) -> None:
    """Set the gauges from what is stored."""

    def read(store: Store) -> tuple[int, dict[str, Position]]:
        return store.count_open_recommendations(*PENDING), store.positions()

    _show_state(deps)
    count, held = await deps.database.run(read)
    deps.metrics.set("pending_recommendations", count)
    for symbol, position in held.items():
        deps.metrics.set("trading_position_amount", float(position.amount), symbol=symbol)
        deps.metrics.set("trading_position_average_cost", float(position.average_cost), symbol=symbol)
        deps.metrics.set("trading_realized_pnl", float(position.realized_pnl), symbol=symbol)


def _show_state(deps: Deps) -> None:
    for state in TradingState:
        deps.metrics.set("trading_state", state is deps.button.obeyed, state=state.value)


async def _settle_all(deps: Deps) -> None:
    rows = await deps.database.run(lambda store: store.orders_in(*UNDER_WAY))
    failures = []
    for row in rows:
        if row.recommendation_id in deps.memory.sending:
            continue
        try:
            await settled(deps, row)
        except EngineError as error:
            failures.append(error)
    if failures:
        raise failures[0]


async def _placed(deps: Deps, request: ExecutionRequest) -> OrderRow | Execution:
    """The order's row, sent if that was still to do; a bare denial where it must not have a row."""
    wanted = request.recommendation
    async with deps.turn:
        row = await deps.database.run(lambda store: store.order(wanted.id))
        if row is None:
            intended = await _intended(deps, request)
            if isinstance(intended, Execution):
                return intended
            row = intended
        if row.state is OrderState.INTENT:
            row = await _submitted(deps, row, wanted.expires_ms)
        return row


async def _intended(deps: Deps, request: ExecutionRequest) -> OrderRow | Execution:
    order = order_of(request)
    denial = _late_denial(deps, order, request.recommendation.expires_ms)
    if denial is None:
        answer = checked(order, await _account(deps, order))
        denial = answer if isinstance(answer, Denial) else None
        order = order if isinstance(answer, Denial) else answer
    row = _row(deps, request, order, denial)

    def work(store: Store) -> tuple[bool, OrderRow | None]:
        kept = store.recommendation(row.recommendation_id)
        if kept is None or kept.status is not RecommendationStatus.EXECUTING:
            return False, None
        return store.put_intent(row), store.order(row.recommendation_id)

    born, kept = await deps.database.run(work)
    if kept is None:
        return _denied(row.execution, Denial(DenyReason.RECOMMENDATION_EXPIRED, "it is not being executed any more"))
    if born and denial is not None:
        _count_denial(deps, row, denial)
    return kept


def _row(deps: Deps, request: ExecutionRequest, order: OrderRequest, denial: Denial | None) -> OrderRow:
    wanted, now = request.recommendation, deps.clock.now_ms()
    execution = Execution(recommendation_id=wanted.id, client_order_id=order.client_order_id, state=OrderState.INTENT)
    if denial:
        execution = _denied(execution, denial)
    return OrderRow(wanted.id, order, deps.exchange.venue, execution.state, execution, now, None, now)


async def _account(deps: Deps, order: OrderRequest) -> Account:
    rows = await deps.database.run(lambda store: store.orders_in(*UNRESOLVED))
    blocking = [str(row.request.client_order_id) for row in rows if row.request.symbol == order.symbol]
    market, balances, fees = await asyncio.gather(
        answered(deps, deps.market_data.fetch_market(order.symbol)),
        answered(deps, deps.exchange.fetch_balances()),
        answered(deps, deps.exchange.fetch_fee_rates()),
    )
    return Account(market, balances, fees, blocked_by=blocking[0] if blocking else "")


def _late_denial(deps: Deps, order: OrderRequest, expires_ms: int) -> Denial | None:
    if refusal := deps.button.refusal(order.side):
        return Denial(*refusal)
    if deps.clock.now_ms() >= expires_ms:
        return Denial(DenyReason.RECOMMENDATION_EXPIRED, "it expired before it could be sent")
    return None


async def _submitted(deps: Deps, row: OrderRow, expires_ms: int) -> OrderRow:
    if denial := _late_denial(deps, row.request, expires_ms):
        return await moved(deps, row, _denied(row.execution, denial))
    deps.memory.sending.add(row.recommendation_id)
    try:
        row = await moved(deps, row, row.execution.model_copy(update={"state": OrderState.SUBMITTING}))
        if row.state is not OrderState.SUBMITTING:
            return row
        return await moved(deps, row, await _sent(deps, row))
    finally:
        deps.memory.sending.discard(row.recommendation_id)


async def _sent(deps: Deps, row: OrderRow) -> Execution:
    """What the order becomes by being sent. While `wire` is held no halt is acknowledged."""
    async with deps.button.wire:
        if refusal := deps.button.refusal(row.request.side):
            return _denied(row.execution, Denial(*refusal))
        try:
            venue_id = await answered(deps, deps.exchange.create_order(row.request))
        except ExchangeRefused as error:
            return _became(row, OrderState.REJECTED, f"{type(error).__name__}: {error}")
        except OutcomeUnknown as error:
            return _became(row, OrderState.UNKNOWN, str(error))
        except Exception as error:
            # A failure nobody foresaw says nothing about the venue: it may have the order.
            log.exception("sending raised")
            return _became(row, OrderState.UNKNOWN, f"{type(error).__name__}: {error}")
    return _became(row, OrderState.ACCEPTED, "").model_copy(update={"venue_order_id": venue_id})


async def _seen_through(deps: Deps, row: OrderRow) -> OrderRow:
    """The order after a few looks at the venue; whoever cannot be asked now is asked by `step` later."""
    for look in range(LOOKS):
        if is_terminal(row.state) or row.state in UNRESOLVED:
            break
        if look:
            await deps.clock.sleep(LOOK_SECONDS)
        try:
            row = await settled(deps, row)
        except (ExchangeUnavailable, ExchangeRefused) as error:
            log.warning("order cannot be followed now", reason=str(error), error=type(error).__name__)
    return row


def _became(row: OrderRow, state: OrderState, detail: str) -> Execution:
    return row.execution.model_copy(update={"state": state, "detail": detail})


def _denied(execution: Execution, denial: Denial) -> Execution:
    return execution.model_copy(update={"state": OrderState.DENIED, "reason": denial.reason, "detail": denial.detail})


def _count_denial(deps: Deps, row: OrderRow, denial: Denial) -> None:
    symbol = row.request.symbol
    log.warning("order denied", symbol=symbol, reason=denial.reason.value, detail=denial.detail)
    order_following.count_ended(deps, row, deps.clock.now_ms())
    if name := COUNTED_DENIALS.get(denial.reason):
        deps.metrics.inc(name, symbol=symbol)
