"""Risk gathers true figures from the store and a quote; what it cannot price it refuses."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.builders import a_candle, a_fill, a_recommendation, a_signal, an_intent
from tests.fakes_engine import CountingMetrics, MemoryDatabase
from tests.fakes_market_data import FakeMarketData
from trading_engine.contract.config import RiskConfig, TradingState
from trading_engine.contract.messages import (
    Assessment,
    AssessmentRequest,
    RecommendationStatus,
    RiskDecision,
    RiskReason,
    Side,
    TradingStateChange,
)
from trading_engine.errors import ExchangeUnavailable
from trading_engine.ports import Store
from trading_engine.runtime.clock import SimulatedClock
from trading_engine.workers import risk_management

S = RecommendationStatus


class Desk:
    """A risk worker over a store, with prices around 100."""

    def __init__(self) -> None:
        self.clock = SimulatedClock(61_000)
        self.database = MemoryDatabase()
        self.market = FakeMarketData({"BTC/USD": [a_candle(1, "100.00")]})
        self.metrics = CountingMetrics()
        self.deps = risk_management.Deps(RiskConfig(), self.database, self.market, self.clock, self.metrics)

    async def assess(self, minute: int = 0, **fields: object) -> Assessment:
        request = AssessmentRequest(recommendation=a_recommendation(minute, **fields))
        return await risk_management.handle(self.deps, request)

    async def bought(self, amount: str, price: str) -> None:
        """A position, as fills make it."""
        wanted = a_recommendation(50)
        fill = a_fill("1", amount=Decimal(amount), price=Decimal(price), timestamp_ms=60_000)

        def put(store: Store) -> None:
            store.put_signal(a_signal(50), wanted)
            store.move_recommendation(wanted.id, S.PENDING, S.EXPIRED, at_ms=1)
            store.put_intent(an_intent(wanted))
            store.put_fills(wanted.id, [fill])

        await self.database.run(put)


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_approved_and_counted_when_all_limits_hold(desk: Desk) -> None:
    """An approval carries what may be executed."""
    answer = await desk.assess()

    assert (answer.decision, answer.notional) == (RiskDecision.APPROVED, Decimal("50.00"))
    assert desk.metrics.counts[("risk_assessments_total", "approved")] == 1
    assert desk.metrics.observed["risk_scores"] == 1


async def test_refused_when_there_is_no_quote(desk: Desk) -> None:
    """A price that cannot be had is a refusal, never an exception and never an older price."""
    desk.market.errors["BTC/USD"] = ExchangeUnavailable("down")

    answer = await desk.assess()

    assert answer.reason is RiskReason.PRICE_MISSING
    assert sum(n for (name, *_), n in desk.metrics.counts.items() if name == "rejected_trades_by_risk_total") == 1
    assert desk.metrics.counts[("trading_risk_refusals_total", "price_missing")] == 1


async def test_refused_when_halted(desk: Desk) -> None:
    """The durable trading state counts here too."""
    change = TradingStateChange(state=TradingState.HALTED, who="test")
    await desk.database.run(lambda store: store.put_trading_state(change, at_ms=1))

    assert (await desk.assess()).reason is RiskReason.TRADING_HALTED


async def test_refused_when_position_and_buys_under_way_fill_the_limit(desk: Desk) -> None:
    """Held 400, 90 under way, 50 asked, 500 allowed: each alone would pass."""
    await desk.bought("4", "100")
    under_way = a_recommendation(1, notional=Decimal(90))

    def put(store: Store) -> None:
        store.put_signal(a_signal(1), under_way)
        store.move_recommendation(under_way.id, S.PENDING, S.VALIDATED, at_ms=1)

    await desk.database.run(put)
    before = await desk.assess(2)
    await desk.database.run(lambda store: store.move_recommendation(under_way.id, S.VALIDATED, S.APPROVED, at_ms=1))
    after = await desk.assess(2)

    assert before.reason is RiskReason.NONE
    assert after.reason is RiskReason.POSITION_NOTIONAL


async def test_one_approved_when_many_are_asked_at_once_and_one_order_a_minute_is_allowed(desk: Desk) -> None:
    """Approved orders that are still to be sent count: the limit holds for a burst, too."""
    desk.deps = replace(desk.deps, limits=RiskConfig(max_orders_per_minute=1))
    symbols = ("BTC/USD", "ETH/USD", "SOL/USD", "LTC/USD")
    desk.market.candles.update({symbol: [a_candle(1, "100.00")] for symbol in symbols})
    wishes = [a_recommendation(symbol=symbol) for symbol in symbols]

    def validated(store: Store) -> None:
        for wish in wishes:
            store.put_signal(a_signal(symbol=wish.symbol), wish)
            store.move_recommendation(wish.id, S.PENDING, S.VALIDATED, at_ms=1)

    await desk.database.run(validated)
    answers = await asyncio.gather(*(desk.assess(symbol=symbol) for symbol in symbols))
    again = await desk.assess(symbol=symbols[0])
    first = wishes[0].id
    await desk.database.run(lambda store: store.move_recommendation(first, S.VALIDATED, S.EXPIRED, at_ms=1))
    later = await desk.assess(symbol=symbols[1])

    assert [answer.reason for answer in answers] == [RiskReason.NONE, *[RiskReason.ORDERS_PER_MINUTE] * 3]
    assert again.decision is later.decision is RiskDecision.APPROVED


async def test_refused_when_the_open_loss_of_today_reached_the_limit(desk: Desk) -> None:
    """Bought 1 at 160, worth 100 now: 60 lost, 50 allowed; a sell still passes."""
    await desk.bought("1", "160")

    buy = await desk.assess(2)
    sell = await desk.assess(3, side=Side.SELL, notional=None, amount=Decimal(1))

    assert buy.reason is RiskReason.DAILY_LOSS
    assert sell.decision is RiskDecision.APPROVED


async def test_refused_when_a_held_symbol_cannot_be_priced(desk: Desk) -> None:
    """A position without any price counts as lost, not as fine."""
    await desk.bought("1", "100")
    desk.market.candles["ETH/USD"] = [a_candle(1, "100.00")]

    answer = await desk.assess(2, symbol="ETH/USD")

    assert answer.reason is RiskReason.DAILY_LOSS
