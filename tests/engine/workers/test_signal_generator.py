"""Each newly closed candle is decided once; only the newest is traded, and only by a promoted model."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.builders import ENGINE, MINUTE_MS, a_candle
from tests.fakes_engine import CountingMetrics, MemoryDatabase, ScriptedCalls
from trading_engine.contract.config import EngineConfig
from trading_engine.contract.messages import RecommendationStatus
from trading_engine.domain.candle import Candle
from trading_engine.domain.signals import Prediction
from trading_engine.errors import ModelInvalid, StoreUnavailable
from trading_engine.ports import Model, RecommendationRow, StoredModel
from trading_engine.runtime.clock import SimulatedClock
from trading_engine.workers import signal_generator

COUNT = 60
S = RecommendationStatus


class Rising:
    """A model that always sees a rise."""

    id = "m1"
    threshold = Decimal("0.6")

    def predict(self, features: NDArray[np.float64]) -> Prediction:
        assert np.isfinite(features).all()
        return Prediction(down=0.1, up=0.8)


def load(text: str, card: str) -> Model:
    if text == "broken":
        raise ModelInvalid("not a model")
    return Rising()


def candle(minute: int) -> Candle:
    close = Decimal(100) + Decimal(minute % 7)
    return a_candle(minute, open=close, high=close + 1, low=close - 1, close=str(close), volume=Decimal(1 + minute % 5))


class Desk:
    """A generator over a store with an hour of candles."""

    def __init__(self, count: int = COUNT) -> None:
        self.clock = SimulatedClock(count * MINUTE_MS)
        self.database = MemoryDatabase()
        self.metrics = CountingMetrics()
        self.calls = ScriptedCalls(wake=lambda _: b"{}")
        self.config = EngineConfig(engine=ENGINE, symbols=("BTC/USD",))
        self.deps = self.fresh()

    def fresh(self) -> signal_generator.Deps:
        """A new process."""
        return signal_generator.Deps(self.config, self.database, self.calls, self.clock, self.metrics, load)

    async def collect(self, *minutes: int) -> None:
        await self.database.run(lambda store: store.put_candles("BTC/USD", "1m", [candle(m) for m in minutes]))

    async def promote(self, text: str = "good", id: str = "m1") -> None:
        model = StoredModel(id, "BTC/USD", "1m", text, "{}", 0, True, "first")
        await self.database.run(lambda store: store.put_model(model))

    async def rows(self) -> list[RecommendationRow]:
        return await self.database.run(lambda store: store.recommendations(limit=10))

    def signals(self, kind: str) -> int:
        return self.metrics.counts[("signals_generated_total", "BTC/USD", kind)]


@pytest.fixture
async def desk() -> Desk:
    made = Desk()
    await made.collect(*range(COUNT))
    await made.promote()
    return made


async def test_newest_candle_decided_at_once_when_started(desk: Desk) -> None:
    """The history warms the indicators; one signal and one recommendation come of the newest candle."""
    await signal_generator.step(desk.deps)

    (row,) = await desk.rows()
    assert row.recommendation.candle_open_ms == (COUNT - 1) * MINUTE_MS
    assert (row.status, row.recommendation.notional) == (S.PENDING, desk.config.order_notional)
    assert (desk.signals("buy"), desk.calls.calls) == (1, ["wake"])
    assert desk.metrics.gauges["model_load_status"] == 1


async def test_decided_once_when_asked_again_and_after_a_restart(desk: Desk) -> None:
    """Passing again, or starting anew, decides nothing twice."""
    for deps in (desk.deps, desk.deps, desk.fresh()):
        await signal_generator.step(deps)

    assert len(await desk.rows()) == 1
    assert sum(desk.metrics.counts.values()) == 1


async def test_next_candle_decided_when_it_is_stored(desk: Desk) -> None:
    """A recommendation under way holds the next signal back."""
    await signal_generator.step(desk.deps)
    await desk.collect(COUNT)
    desk.clock.advance_to((COUNT + 1) * MINUTE_MS)

    await signal_generator.step(desk.deps)

    assert (desk.signals("buy"), desk.signals("hold")) == (1, 1)


async def test_only_the_newest_traded_when_several_were_missed(desk: Desk) -> None:
    """Older candles feed the indicators and are not acted on."""
    await desk.collect(COUNT, COUNT + 1, COUNT + 2)
    desk.clock.advance_to((COUNT + 3) * MINUTE_MS)

    await signal_generator.step(desk.deps)

    assert [row.recommendation.candle_open_ms for row in await desk.rows()] == [(COUNT + 2) * MINUTE_MS]


async def test_hold_when_the_newest_candle_is_stale(desk: Desk) -> None:
    """An old price is no price."""
    desk.clock.advance_to((COUNT + 2) * MINUTE_MS)

    await signal_generator.step(desk.deps)

    assert (desk.signals("hold"), await desk.rows()) == (1, [])
    assert desk.metrics.counts[("trading_holds_total", "stale_candle")] == 1


@pytest.mark.parametrize("text", [None, "broken"])
async def test_hold_and_zero_status_when_there_is_no_usable_model(text: str | None) -> None:
    """No model, or one that must not trade: hold."""
    desk = Desk()
    await desk.collect(*range(COUNT))
    if text:
        await desk.promote(text)

    await signal_generator.step(desk.deps)

    assert (desk.signals("hold"), desk.metrics.gauges["model_load_status"]) == (1, 0)


async def test_model_taken_over_when_it_is_promoted_later() -> None:
    """No restart is needed."""
    desk = Desk()
    await desk.collect(*range(COUNT))
    await signal_generator.step(desk.deps)
    await desk.promote()
    await desk.collect(COUNT)
    desk.clock.advance_to((COUNT + 1) * MINUTE_MS)

    await signal_generator.step(desk.deps)

    assert (desk.signals("hold"), desk.signals("buy")) == (1, 1)


async def test_hold_when_the_indicators_are_not_warm() -> None:
    """A feature that is NaN predicts nothing."""
    desk = Desk(count=5)
    await desk.collect(*range(5))
    await desk.promote()

    await signal_generator.step(desk.deps)

    assert (desk.signals("hold"), desk.metrics.observed["signal_confidence"]) == (1, 0)


@pytest.mark.parametrize("units", range(4))
async def test_candle_not_lost_when_the_store_fails_at_any_point(desk: Desk, units: int) -> None:
    """Whichever unit of work fails, the next pass decides that candle, once."""
    desk.database.down_after = units
    with pytest.raises(StoreUnavailable):
        await signal_generator.step(desk.deps)
    desk.database.down, desk.database.down_after = False, None
    before = len(await desk.rows())

    await signal_generator.step(desk.deps)

    assert (before, len(await desk.rows())) == (0, 1)


async def test_recommendation_kept_when_the_orchestrator_cannot_be_woken(desk: Desk) -> None:
    """The wake-up is a hint; the store is the truth."""
    desk.calls.answers.clear()

    await signal_generator.step(desk.deps)

    assert len(await desk.rows()) == 1
