"""The exchange-data collector against a real SQLite store."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.builders import MINUTE_MS, a_candle
from tests.fakes_market_data import FakeMarketData
from trading_engine.adapters.sql_database import SqlDatabase
from trading_engine.collectors import exchange_data
from trading_engine.collectors.exchange_data import PAGE, SETTLE_MS, Deps, holes, step
from trading_engine.contract.config import DatabaseConfig, EngineConfig
from trading_engine.contract.workers import WorkerName
from trading_engine.domain.candle import Candle
from trading_engine.errors import ExchangeRefused, ExchangeUnavailable
from trading_engine.runtime.clock import SimulatedClock
from trading_engine.runtime.instruments import Instruments

BTC, ETH = "BTC/USD", "ETH/USD"
BACKFILL = 3 * PAGE
NOW_MINUTE = 2 * BACKFILL


@pytest.fixture(autouse=True)
def short_backfill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three pages show what ten would, in a third of the time."""
    monkeypatch.setattr(exchange_data, "BACKFILL", BACKFILL)


def candles(first: int, count: int, *, without: tuple[int, ...] = ()) -> list[Candle]:
    return [a_candle(minute) for minute in range(first, first + count) if minute not in without]


@pytest.fixture
async def database() -> AsyncIterator[SqlDatabase]:
    opened = SqlDatabase(DatabaseConfig(url="sqlite://"), "default/test", inline=True)
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(NOW_MINUTE * MINUTE_MS + SETTLE_MS)


def deps_of(market: FakeMarketData, database: SqlDatabase, clock: SimulatedClock) -> Deps:
    symbols = tuple(market.candles)
    config = EngineConfig(symbols=symbols)
    return Deps(config, market, database, clock, Instruments(WorkerName.EXCHANGE_DATA, symbols))


async def stored(database: SqlDatabase, symbol: str = BTC) -> list[int]:
    """Minutes of the stored candles."""
    found = await database.run(lambda store: store.candles(symbol, "1m"))
    return [candle.open_ms // MINUTE_MS for candle in found]


def metric(deps: Deps, line: str) -> float:
    """Value of one series in the exposition."""
    assert isinstance(deps.metrics, Instruments)
    text = deps.metrics.exposition("")[0].decode()
    (value,) = [row.rsplit(" ", 1)[1] for row in text.splitlines() if row.startswith(line)]
    return float(value)


async def test_backfills_in_pages_when_store_is_empty(database: SqlDatabase, clock: SimulatedClock) -> None:
    """A first start stores exactly the backfill, asked for in pages, and nothing that has not closed."""
    market = FakeMarketData({BTC: candles(0, NOW_MINUTE + 5)})
    deps = deps_of(market, database, clock)
    await step(deps)
    assert await stored(database) == list(range(NOW_MINUTE - BACKFILL, NOW_MINUTE))
    assert [limit for _, _, limit in market.calls] == [PAGE] * (BACKFILL // PAGE)
    assert metric(deps, 'trading_collected_candles_total{symbol="BTC/USD"}') == BACKFILL
    assert metric(deps, "trading_last_candle_close_timestamp_seconds") == NOW_MINUTE * 60


async def test_continues_behind_the_newest_when_restarted(database: SqlDatabase, clock: SimulatedClock) -> None:
    """Another process with the same store asks only for what came after, and is not asked for more."""
    market = FakeMarketData({BTC: candles(0, NOW_MINUTE + 500)})
    await step(deps_of(market, database, clock))
    market.calls.clear()
    clock.advance_to(clock.now_ms() + 7 * MINUTE_MS)
    again = deps_of(market, database, clock)
    await step(again)
    await step(again)
    assert market.calls == [(BTC, NOW_MINUTE * MINUTE_MS, 7)]
    assert (await stored(database))[-1] == NOW_MINUTE + 6


async def test_forming_candle_not_stored_when_clocks_differ(database: SqlDatabase) -> None:
    """Until the settle time has passed the candle that just ended still counts as forming."""
    market = FakeMarketData({BTC: candles(0, NOW_MINUTE + 5)})
    clock = SimulatedClock(NOW_MINUTE * MINUTE_MS + SETTLE_MS - 1)
    deps = deps_of(market, database, clock)
    await step(deps)
    assert (await stored(database))[-1] == NOW_MINUTE - 2
    clock.advance_to(NOW_MINUTE * MINUTE_MS + SETTLE_MS)
    await step(deps)
    assert (await stored(database))[-1] == NOW_MINUTE - 1


async def test_holes_counted_when_minutes_are_missing(database: SqlDatabase, clock: SimulatedClock) -> None:
    """A whole missing page does not stop the collection; every missing minute is in the gauge."""
    missing = (*range(NOW_MINUTE - 700, NOW_MINUTE - 300), NOW_MINUTE - 10)
    market = FakeMarketData({BTC: candles(0, NOW_MINUTE, without=missing)})
    deps = deps_of(market, database, clock)
    await step(deps)
    assert len(await stored(database)) == BACKFILL - 401
    assert metric(deps, "trading_candle_holes_open") == 401


async def test_gauges_set_when_restarted_with_nothing_new(database: SqlDatabase, clock: SimulatedClock) -> None:
    """A fresh process shows what is stored, not zero, before the next candle closes."""
    market = FakeMarketData({BTC: candles(0, NOW_MINUTE, without=(NOW_MINUTE - 5,))})
    await step(deps_of(market, database, clock))
    again = deps_of(market, database, clock)
    await step(again)
    assert metric(again, "trading_candle_holes_open") == 1
    assert metric(again, "trading_last_candle_close_timestamp_seconds") == NOW_MINUTE * 60
    assert metric(again, "trading_last_close_price") > 0
    assert metric(again, "trading_collected_candles_total") == 0


async def test_other_symbols_go_on_when_one_fails(database: SqlDatabase, clock: SimulatedClock) -> None:
    """A symbol that cannot be collected is counted; the next one is collected in the same pass."""
    market = FakeMarketData({BTC: candles(0, NOW_MINUTE), ETH: candles(0, NOW_MINUTE)})
    market.errors[BTC] = ExchangeUnavailable("HTTP 503")
    deps = deps_of(market, database, clock)
    await step(deps)
    assert await stored(database, BTC) == []
    assert len(await stored(database, ETH)) == BACKFILL
    assert metric(deps, 'trading_collection_errors_total{symbol="BTC/USD"}') == 1
    assert metric(deps, 'trading_collection_errors_total{symbol="ETH/USD"}') == 0


async def test_raises_when_every_symbol_fails(database: SqlDatabase, clock: SimulatedClock) -> None:
    """With nothing collected at all the loop is told, so that it backs off."""
    market = FakeMarketData({BTC: [], ETH: []})
    market.errors = {BTC: ExchangeUnavailable("no route"), ETH: ExchangeRefused("unknown")}
    with pytest.raises(ExchangeUnavailable, match="no route"):
        await step(deps_of(market, database, clock))


async def test_pages_kept_when_a_later_page_fails(database: SqlDatabase, clock: SimulatedClock) -> None:
    """What was fetched before the failure is stored; the next pass continues behind it."""
    market = FailsOnce({BTC: candles(0, NOW_MINUTE)}, at_call=3)
    deps = deps_of(market, database, clock)
    with pytest.raises(ExchangeUnavailable):
        await step(deps)
    assert len(await stored(database)) == 2 * PAGE
    await step(deps)
    assert await stored(database) == list(range(NOW_MINUTE - BACKFILL, NOW_MINUTE))


async def test_old_past_skipped_when_absent_for_long(database: SqlDatabase, clock: SimulatedClock) -> None:
    """After an absence longer than the backfill, collection starts at the backfill, in bounded time."""
    market = FakeMarketData({BTC: candles(0, 2 * NOW_MINUTE)})
    await database.run(lambda store: store.put_candles(BTC, "1m", candles(0, 10)))
    await step(deps_of(market, database, clock))
    assert len(market.calls) == BACKFILL // PAGE
    assert len(await stored(database)) == 10 + BACKFILL


def test_holes_when_counted() -> None:
    """Only what is missing between the first and the last."""
    assert holes(candles(5, 1), MINUTE_MS) == 0
    assert holes(candles(5, 10, without=(6, 9)), MINUTE_MS) == 2


class FailsOnce(FakeMarketData):
    """The call of that number fails."""

    def __init__(self, found: dict[str, list[Candle]], at_call: int) -> None:
        super().__init__(found)
        self.at_call = at_call

    async def fetch_candles(self, symbol: str, timeframe: str, since_ms: int, limit: int) -> list[Candle]:
        found = await super().fetch_candles(symbol, timeframe, since_ms, limit)
        if len(self.calls) == self.at_call:
            raise ExchangeUnavailable("connection reset")
        return found
