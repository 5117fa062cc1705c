"""exchange_data: stores the closed candles of every symbol.

Driven by the step loop. Each pass continues behind the newest stored candle, page by page, so a restart loses
and repeats nothing; a first start, or one after a long absence, goes back `BACKFILL` candles. A candle that is
still forming is never stored. Missing minutes are normal at the exchange: they are counted, not waited for.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from trading_engine.contract.config import EngineConfig
from trading_engine.domain.candle import Candle
from trading_engine.errors import EngineError, ExchangeRefused, ExchangeUnavailable
from trading_engine.ports import Clock, Database, MarketData, Metrics

#: How far back, in candles, a first start goes and holes are counted: enough to train on, a second of calls a symbol.
BACKFILL: Final = 3000
PAGE: Final = 300
#: A candle counts as closed this long after its end: the exchange's clock and ours may differ.
SETTLE_MS: Final = 2000

log = structlog.get_logger()


@dataclass
class Memory:
    """What this process alone knows: which symbols' gauges were set from the store since it started."""

    counted: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Deps:
    """Configuration and ports."""

    config: EngineConfig
    market_data: MarketData
    database: Database
    clock: Clock
    metrics: Metrics
    memory: Memory = field(default_factory=Memory)


async def step(deps: Deps) -> None:
    """Bring every symbol up to the newest closed candle; one that fails does not stop the others.

    Raises:
        ExchangeUnavailable: every symbol failed, so the loop should back off.
        StoreUnavailable: the database did not answer.
    """
    failures = [error for symbol in deps.config.symbols if (error := await _tried(deps, symbol)) is not None]
    if len(failures) == len(deps.config.symbols):
        raise ExchangeUnavailable(f"no symbol could be collected: {failures[0]}") from failures[0]


async def _tried(deps: Deps, symbol: str) -> EngineError | None:
    try:
        await _collect(deps, symbol)
    except (ExchangeUnavailable, ExchangeRefused) as error:
        deps.metrics.inc("trading_collection_errors_total", symbol=symbol)
        log.warning("candles not collected", symbol=symbol, error=type(error).__name__, reason=str(error))
        return error
    return None


async def _collect(deps: Deps, symbol: str) -> None:
    length = deps.config.timeframe.milliseconds
    end = (deps.clock.now_ms() - SETTLE_MS) // length * length  # close of the newest closed candle
    stored = await deps.database.run(lambda store: store.last_candle_open_ms(symbol, deps.config.timeframe))
    start = max(end - BACKFILL * length, 0 if stored is None else stored + length)
    new = 0
    for since in range(start, end, PAGE * length):
        limit = min(PAGE, (end - since) // length)
        closed = [candle for candle in await _fetched(deps, symbol, since, limit) if candle.open_ms < end]
        new += await _stored(deps, symbol, closed)
    if new or symbol not in deps.memory.counted:
        await _measure(deps, symbol, end - BACKFILL * length)


async def _fetched(deps: Deps, symbol: str, since_ms: int, limit: int) -> list[Candle]:
    started = time.perf_counter()
    try:
        return await deps.market_data.fetch_candles(symbol, deps.config.timeframe, since_ms, limit)
    finally:
        deps.metrics.observe("trading_collection_time_seconds", time.perf_counter() - started)


async def _stored(deps: Deps, symbol: str, candles: Sequence[Candle]) -> int:
    if not candles:
        return 0
    new = await deps.database.run(lambda store: store.put_candles(symbol, deps.config.timeframe, candles))
    deps.metrics.inc("trading_collected_candles_total", new, symbol=symbol)
    log.info("candles stored", symbol=symbol, candles=new, newest_open_ms=candles[-1].open_ms)
    return new


async def _measure(deps: Deps, symbol: str, since_ms: int) -> None:
    """Set the gauges from what is stored."""
    timeframe = deps.config.timeframe
    candles = await deps.database.run(lambda store: store.candles(symbol, timeframe, since_ms=since_ms))
    if not candles:
        return
    newest, missing = candles[-1], holes(candles, timeframe.milliseconds)
    close_seconds = newest.open_ms / 1000 + timeframe.seconds
    deps.metrics.set("trading_last_candle_close_timestamp_seconds", close_seconds, symbol=symbol)
    deps.metrics.set("trading_last_close_price", float(newest.close), symbol=symbol)
    deps.metrics.set("trading_candle_holes_open", missing, symbol=symbol)
    deps.memory.counted.add(symbol)


def holes(candles: Sequence[Candle], length_ms: int) -> int:
    """How many candles are missing between the first and the last of these."""
    return (candles[-1].open_ms - candles[0].open_ms) // length_ms + 1 - len(candles)
