"""Answers whether a recommendation may be executed: gathers the figures, asks `domain.risk`, counts.

Called by trade_orchestrator. A refusal is an answer, never an exception; a price that cannot be had is a
refusal too.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

import structlog
from structlog.contextvars import bound_contextvars

from trading_engine.contract.config import RiskConfig
from trading_engine.contract.messages import (
    Assessment,
    AssessmentRequest,
    OrderState,
    Recommendation,
    RecommendationStatus,
    RiskDecision,
    Side,
)
from trading_engine.domain.market import Quote
from trading_engine.domain.portfolio import daily_pnl
from trading_engine.domain.risk import RiskInput, assess
from trading_engine.errors import ExchangeRefused, ExchangeUnavailable
from trading_engine.ports import Clock, Database, MarketData, Metrics, Store

ZERO = Decimal(0)
MINUTE_MS = 60_000
#: Statuses in which a buy will spend money that no fill shows yet.
COMMITTED = (RecommendationStatus.APPROVED, RecommendationStatus.EXECUTING)
MOST_OPEN = 1000

log = structlog.get_logger()


@dataclass
class Memory:
    """What the store does not show yet: approvals that trade_orchestrator is about to write down.

    Assessments take turns, so that of those asked for at once each sees the ones approved before it.
    """

    approved: set[UUID] = field(default_factory=set)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True)
class Deps:
    """Limits and ports."""

    limits: RiskConfig
    database: Database
    market_data: MarketData
    clock: Clock
    metrics: Metrics
    memory: Memory = field(default_factory=Memory)


async def handle(deps: Deps, request: AssessmentRequest) -> Assessment:
    """Assess a recommendation.

    Raises:
        StoreUnavailable: the figures cannot be read.
    """
    started = time.perf_counter()
    wanted = request.recommendation
    with bound_contextvars(recommendation_id=str(wanted.id)):
        quote = await _quote(deps, wanted.symbol)
        assessment = await _assessed(deps, wanted, quote)
        deps.metrics.observe("risk_assessment_time_seconds", time.perf_counter() - started)
        _tell(deps, assessment)
    return assessment


async def _assessed(deps: Deps, wanted: Recommendation, quote: Quote | None) -> Assessment:
    approved, now = deps.memory.approved, deps.clock.now_ms()
    async with deps.memory.turn:
        assessment = assess(await deps.database.run(lambda store: _input(deps, store, wanted, quote, now)))
        if assessment.decision is RiskDecision.APPROVED:
            approved.add(wanted.id)
    return assessment


async def _quote(deps: Deps, symbol: str) -> Quote | None:
    try:
        return await deps.market_data.fetch_quote(symbol)
    except (ExchangeUnavailable, ExchangeRefused) as error:
        log.warning("no quote", symbol=symbol, reason=str(error))
        return None


def _input(deps: Deps, store: Store, wanted: Recommendation, quote: Quote | None, now_ms: int) -> RiskInput:
    others = _others_approved(store, wanted, deps.memory.approved)
    position = store.positions().get(wanted.symbol)
    unknown = store.orders_in(OrderState.UNKNOWN)
    return RiskInput(
        recommendation=wanted,
        limits=deps.limits,
        trading_state=store.trading_state().state,
        now_ms=now_ms,
        quote=quote,
        position=position.amount if position else ZERO,
        committed=_committed(others, wanted.symbol),
        orders_last_minute=store.count_orders_sent(since_ms=now_ms - MINUTE_MS) + _to_be_sent(store, others),
        daily_pnl=daily_pnl(store.fills(), _prices(store, wanted, quote), now_ms),
        unknown_orders=sum(row.request.symbol == wanted.symbol for row in unknown),
    )


def _others_approved(store: Store, wanted: Recommendation, approved: set[UUID]) -> list[Recommendation]:
    """Other recommendations that were approved and have not ended; `approved` is left with those alone."""
    rows = store.open_recommendations(limit=MOST_OPEN)
    approved &= {row.recommendation.id for row in rows} - {wanted.id}
    return [
        row.recommendation
        for row in rows
        if row.recommendation.id in approved or (row.status in COMMITTED and row.recommendation.id != wanted.id)
    ]


def _committed(others: list[Recommendation], symbol: str) -> Decimal:
    buys = [other for other in others if other.symbol == symbol and other.side is Side.BUY]
    return sum((buy.notional or ZERO for buy in buys), ZERO)


def _to_be_sent(store: Store, others: list[Recommendation]) -> int:
    """How many of them will be an order at the venue and are not yet."""
    orders = [store.order(other.id) for other in others]
    return sum(order is None or order.state is OrderState.INTENT for order in orders)


def _prices(store: Store, wanted: Recommendation, quote: Quote | None) -> dict[str, Decimal]:
    """What each held symbol is worth: what it sells for now, elsewhere the last close, without one nothing.

    Nothing, because a position that cannot be priced must count against the daily loss, not for it.
    """
    held = [symbol for symbol, position in store.positions().items() if position.amount]
    closes = {symbol: store.candles(symbol, wanted.timeframe, limit=1) for symbol in held}
    prices = {symbol: candles[-1].close if candles else ZERO for symbol, candles in closes.items()}
    return prices | ({wanted.symbol: quote.bid} if quote else {})


def _tell(deps: Deps, assessment: Assessment) -> None:
    refused = assessment.decision is RiskDecision.REFUSED
    deps.metrics.inc("risk_assessments_total", decision=assessment.decision.value)
    deps.metrics.observe("risk_scores", float(assessment.risk_score))
    if refused:
        deps.metrics.inc("rejected_trades_by_risk_total", risk_level=assessment.risk_level.value)
        deps.metrics.inc("trading_risk_refusals_total", reason=assessment.reason.value)
    log.info(
        "assessed",
        decision=assessment.decision.value,
        reason=assessment.reason.value,
        detail=assessment.detail,
        risk_score=str(assessment.risk_score),
    )
