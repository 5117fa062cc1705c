"""Decides each newly closed candle once: candle -> features -> prediction -> signal -> recommendation.

Driven by the step loop; reads candles and models from the store, writes a signal and perhaps a
recommendation in one transaction, then wakes trade_orchestrator. Only the newest closed candle is
traded: older ones that were missed are fed to the indicators and not acted on, and a newest one that
closed long ago is a hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Final, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from trading_engine.contract.config import EngineConfig
from trading_engine.contract.messages import WAKE_PATH, HoldReason, Recommendation, Side, SignalType, Wake
from trading_engine.contract.workers import WorkerName
from trading_engine.domain.candle import Candle
from trading_engine.domain.indicators import HISTORY, Indicators, features_sha256
from trading_engine.domain.signals import Decided, Signal, hold, is_held, possible, recommend, wanted
from trading_engine.errors import ModelInvalid, WorkerUnavailable
from trading_engine.ports import Clock, Database, Metrics, Model, SignalRow, Store, StoredModel, WorkerClient

T = TypeVar("T")
Floats = NDArray[np.float64]

#: A candle that closed this many candles ago is not traded: a newer one should have come.
STALE_AFTER_CANDLES: Final = 2
#: How often the store is asked whether another model was promoted.
MODEL_CHECK_MS: Final = 15_000
MOST_OPEN: Final = 1000
NOTHING: Final = Decimal(0)

log = structlog.get_logger()


@dataclass
class Watched:
    """What is known of one symbol between passes; made again from the store after a restart."""

    indicators: Indicators
    newest: tuple[Candle, Floats] | None = None
    decided_ms: int | None = None
    model: Model | None = None
    model_problem: str | None = None


@dataclass
class Memory:
    """All watched symbols, and when models were looked for last."""

    watched: dict[str, Watched] = field(default_factory=dict)
    models_checked_ms: int | None = None


@dataclass(frozen=True)
class Deps:
    """Configuration and ports. `load_model` makes a model of its text and card, or raises ModelInvalid."""

    config: EngineConfig
    database: Database
    calls: WorkerClient
    clock: Clock
    metrics: Metrics
    load_model: Callable[[str, str], Model]
    memory: Memory = field(default_factory=Memory)


async def step(deps: Deps) -> None:
    """Look for promoted models, then decide the newest closed candle of each symbol.

    Raises:
        StoreUnavailable: nothing is lost; the candle is decided in a later pass.
    """
    await _refresh_models(deps)
    for symbol in deps.config.symbols:
        await _decide_newest(deps, symbol)


async def _refresh_models(deps: Deps) -> None:
    """Take over what was promoted since the last look; say why a symbol has no model, once."""
    memory, now = deps.memory, deps.clock.now_ms()
    if memory.models_checked_ms is not None and now - memory.models_checked_ms < MODEL_CHECK_MS:
        return
    for symbol in deps.config.symbols:
        await _refresh_model(deps, symbol)
    memory.models_checked_ms = now
    loaded = all(memory.watched[symbol].model for symbol in deps.config.symbols)
    deps.metrics.set("model_load_status", int(loaded))


async def _refresh_model(deps: Deps, symbol: str) -> None:
    """Ask for the id; the row, half a megabyte, only where it is of another model."""
    watched, timeframe = _watched(deps, symbol), deps.config.timeframe
    promoted = await _run(deps, lambda store: store.promoted_model_id(symbol, timeframe))
    if promoted is None:
        _take_over(deps, symbol, watched, None)
    elif watched.model is None or watched.model.id != promoted:
        _take_over(deps, symbol, watched, await _run(deps, lambda store: store.promoted_model(symbol, timeframe)))


def _take_over(deps: Deps, symbol: str, watched: Watched, stored: StoredModel | None) -> None:
    problem = None if stored else "no model is promoted: train one; until then every signal is hold"
    watched.model = None
    try:
        watched.model = deps.load_model(stored.text, stored.card) if stored else None
    except ModelInvalid as error:
        problem = str(error)
    if watched.model:
        log.info("model loaded", symbol=symbol, model_id=watched.model.id)
    elif problem != watched.model_problem:
        log.warning("no model", symbol=symbol, reason=problem)
    watched.model_problem = problem


def _watched(deps: Deps, symbol: str) -> Watched:
    watched = deps.memory.watched.get(symbol)
    if watched is None:
        watched = deps.memory.watched[symbol] = Watched(Indicators(deps.config.timeframe.milliseconds))
    return watched


async def _decide_newest(deps: Deps, symbol: str) -> None:
    watched = _watched(deps, symbol)
    await _feed(deps, symbol, watched)
    if watched.newest is None or watched.newest[0].open_ms <= (watched.decided_ms or 0):
        return
    candle, features = watched.newest
    signal, position = _wanted(deps, watched), NOTHING
    if signal.signal_type is not SignalType.HOLD:
        follow = partial(_followed, config=deps.config, symbol=symbol, candle=candle, signal=signal)
        signal, position = await _run(deps, follow)
    model_id = watched.model.id if watched.model else ""
    now = deps.clock.now_ms()
    recommendation = recommend(deps.config, Decided(symbol, candle, signal, model_id, position), now)
    row = SignalRow(
        symbol=symbol,
        timeframe=deps.config.timeframe,
        candle_open_ms=candle.open_ms,
        signal_type=signal.signal_type,
        confidence=signal.confidence,
        reason=signal.reason,
        model_id=model_id,
        features_sha256=features_sha256(features),
        created_ms=now,
    )
    new = await _run(deps, lambda store: store.put_signal(row, recommendation))
    watched.decided_ms = candle.open_ms
    if new:
        await _announce(deps, row, recommendation)


async def _feed(deps: Deps, symbol: str, watched: Watched) -> None:
    """Carry the indicators on to the newest stored candle; after a restart from the stored history."""
    last = watched.indicators.last_open_ms
    since_ms = 0 if last is None else last + 1
    timeframe = deps.config.timeframe

    def read(store: Store) -> tuple[list[Candle], int | None]:
        candles = store.candles(symbol, timeframe, since_ms=since_ms, limit=HISTORY)
        return candles, store.last_signal_open_ms(symbol, timeframe) if last is None else watched.decided_ms

    candles, watched.decided_ms = await _run(deps, read)
    for candle in candles:
        watched.newest = candle, watched.indicators.update(candle)


def _wanted(deps: Deps, watched: Watched) -> Signal:
    """What the model wants of the newest candle, wherever the engine stands: most candles end here, as a hold."""
    config, model = deps.config, watched.model
    assert watched.newest is not None  # noqa: S101  # the caller looked
    candle, features = watched.newest
    length = config.timeframe.milliseconds
    if deps.clock.now_ms() - (candle.open_ms + length) >= STALE_AFTER_CANDLES * length:
        return hold(HoldReason.STALE_CANDLE)
    if model is None:
        return hold(HoldReason.NO_MODEL)
    if not np.isfinite(features).all():
        return hold(HoldReason.WARMING_UP)
    started = time.perf_counter()
    prediction = model.predict(features)
    deps.metrics.observe("model_inference_time_seconds", time.perf_counter() - started)
    signal = wanted(prediction, max(model.threshold, config.model.minimum_confidence))
    deps.metrics.observe("signal_confidence", float(signal.confidence))
    return signal


def _followed(
    store: Store, config: EngineConfig, symbol: str, candle: Candle, signal: Signal
) -> tuple[Signal, Decimal]:
    """What can be done about a buy or sell from where the engine stands, and what it holds."""
    held = store.positions().get(symbol)
    position = held.amount if held else NOTHING
    signal = possible(signal, held=is_held(position, candle.close, config.order_notional))
    if signal.signal_type is SignalType.HOLD:
        return signal, position
    return _one_at_a_time(signal, _under_way(store, symbol)), position


def _under_way(store: Store, symbol: str) -> Recommendation | None:
    rows = store.open_recommendations(limit=MOST_OPEN)
    return next((row.recommendation for row in reversed(rows) if row.recommendation.symbol == symbol), None)


def _one_at_a_time(signal: Signal, under_way: Recommendation | None) -> Signal:
    """Hold while an earlier recommendation of the symbol has not ended: its position is not known yet."""
    if under_way is None:
        return signal
    buying = under_way.side is Side.BUY
    return hold(HoldReason.ALREADY_HELD if buying else HoldReason.NOTHING_TO_SELL, signal.confidence)


async def _announce(deps: Deps, row: SignalRow, recommendation: Recommendation | None) -> None:
    deps.metrics.inc("signals_generated_total", symbol=row.symbol, signal_type=row.signal_type.value)
    if row.signal_type is SignalType.HOLD:
        deps.metrics.inc("trading_holds_total", reason=row.reason)
    log.info(
        "signal " + row.signal_type.value,
        symbol=row.symbol,
        candle_open_ms=row.candle_open_ms,
        confidence=str(row.confidence),
        reason=row.reason,
        recommendation_id=str(recommendation.id) if recommendation else None,
    )
    if recommendation is None:
        return
    hint = Wake(recommendation_id=recommendation.id).model_dump_json().encode()
    try:
        await deps.calls.call(WorkerName.TRADE_ORCHESTRATOR, "POST", WAKE_PATH, hint)
    except WorkerUnavailable as error:
        # Only a hint: the recommendation is in the store, where the next pass of the orchestrator finds it.
        log.info("orchestrator not woken", recommendation_id=str(recommendation.id), reason=str(error))


async def _run(deps: Deps, work: Callable[[Store], T]) -> T:
    started = time.perf_counter()
    try:
        return await deps.database.run(work)
    finally:
        deps.metrics.observe("database_query_time_seconds", time.perf_counter() - started)
