"""What the executor exports about money is what the store holds, and each thing that happened is counted once."""

from __future__ import annotations

import pytest

from tests.builders import a_recommendation, a_signal, an_assessment
from tests.fakes_engine import CountingMetrics, FakeVenue, MemoryDatabase
from tests.fakes_market import FixedMarketData
from trading_engine.contract.config import TradingState
from trading_engine.contract.messages import (
    DenyReason,
    ExecutionRequest,
    OrderState,
    RecommendationStatus,
    TradingStateChange,
)
from trading_engine.errors import StoreUnavailable
from trading_engine.runtime.clock import SimulatedClock
from trading_engine.workers import trade_executor
from trading_engine.workers.order_following import Memory
from trading_engine.workers.red_button import RedButton

START_MS = 61_000
S = RecommendationStatus
BTC = "BTC/USD"


class Desk:
    """An executor that has recovered, on one store; `reborn` is another process on it."""

    def __init__(self) -> None:
        self.clock = SimulatedClock(START_MS)
        self.database = MemoryDatabase()
        self.venue = FakeVenue(self.clock)
        self.reborn()

    def reborn(self) -> None:
        """Nothing in memory, everything in the store."""
        self.metrics = CountingMetrics()
        button = RedButton(self.database, self.clock)
        self.deps = trade_executor.Deps(
            self.database, self.venue, self.clock, self.metrics, Memory(), FixedMarketData(), button
        )

    async def executed(self, **fields: object) -> object:
        """A recommendation, approved and executed."""
        wanted = a_recommendation(**fields)

        def put(store: object) -> None:
            store.put_signal(a_signal(), wanted)
            for before, after in ((S.PENDING, S.VALIDATED), (S.VALIDATED, S.APPROVED), (S.APPROVED, S.EXECUTING)):
                assert store.move_recommendation(wanted.id, before, after, at_ms=START_MS)

        await self.database.run(put)
        return await trade_executor.handle(
            self.deps, ExecutionRequest(recommendation=wanted, assessment=an_assessment(wanted))
        )

    def states(self) -> dict[str, float]:
        """The trading state as exported."""
        return {state: self.metrics.gauges[("trading_state", state)] for state in TradingState}

    def position(self) -> tuple[float, float]:
        """Amount and average cost as exported."""
        gauges = self.metrics.gauges
        return gauges[("trading_position_amount", BTC)], gauges[("trading_position_average_cost", BTC)]


@pytest.fixture
async def desk() -> Desk:
    made = Desk()
    await trade_executor.recover(made.deps)
    return made


async def test_fills_notional_and_fees_counted_once_when_looked_at_again(desk: Desk) -> None:
    """Following an order that has ended adds nothing; half a coin at 100 is a notional of 50."""
    answer = await desk.executed()
    await trade_executor.step(desk.deps)

    assert answer.state is OrderState.FILLED
    counts = desk.metrics.counts
    assert counts[("trading_fills_total", BTC, "buy")] == 1
    assert counts[("trading_filled_notional_total", BTC, "buy")] == 50
    assert counts[("trading_fees_paid_total", BTC)] == float(answer.fee)


async def test_position_exported_when_filled_and_after_a_restart(desk: Desk) -> None:
    """The gauges come from the store: a new process shows what is held before it does anything."""
    answer = await desk.executed()
    await trade_executor.step(desk.deps)
    first = desk.position()
    desk.reborn()
    await trade_executor.recover(desk.deps)

    assert first == desk.position() == (0.5, float(100 + answer.fee * 2))
    assert desk.metrics.gauges[("trading_realized_pnl", BTC)] == 0
    assert desk.metrics.counts[("trading_fills_total", BTC, "buy")] == 0


async def test_denial_counted_by_its_reason_when_not_sent(desk: Desk) -> None:
    """The reason is a label, so a board can say why nothing is traded."""
    answer = await desk.executed(expires_ms=START_MS)

    assert answer.reason is DenyReason.RECOMMENDATION_EXPIRED
    assert desk.metrics.counts[("trading_denials_total", "recommendation_expired")] == 1
    assert desk.metrics.counts[("trading_fills_total", BTC, "buy")] == 0


async def test_trading_state_exported_when_pressed_though_it_cannot_be_kept(desk: Desk) -> None:
    """A halt is obeyed, and shown, the moment it is asked for."""
    assert desk.states() == {"Active": 1, "Reducing": 0, "Halted": 0}
    desk.database.down = True

    with pytest.raises(StoreUnavailable):
        await trade_executor.handle_trading_state(desk.deps, TradingStateChange(state=TradingState.HALTED, who="test"))

    assert desk.states() == {"Active": 0, "Reducing": 0, "Halted": 1}
