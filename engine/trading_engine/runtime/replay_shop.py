"""The workshop of a replay: the engine's own wiring with a simulated clock and recorded candles for a market.

Used by `replay` alone. Quotes are the close of the newest candle, bid and ask alike: recorded candles
know no spread, and fees (1.2 % a side unless told) outweigh it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cached_property
from typing import TypeVar

from sqlalchemy import Connection

from trading_engine.adapters.sql_connect import unavailable
from trading_engine.adapters.sql_database import SqlDatabase
from trading_engine.contract.config import DatabaseConfig, EngineConfig
from trading_engine.contract.workers import WorkerName
from trading_engine.domain.candle import Candle
from trading_engine.domain.market import Market, Quote
from trading_engine.errors import ExchangeUnavailable
from trading_engine.ports import MarketData
from trading_engine.runtime.clock import SimulatedClock
from trading_engine.runtime.instruments import Instruments
from trading_engine.runtime.token import NoToken
from trading_engine.runtime.wiring import Workshop

T = TypeVar("T")

#: Increments as Coinbase has them for its large markets.
_CENT = Decimal("0.01")
_SATOSHI = Decimal("0.00000001")


class RecordedMarket:
    """`ports.MarketData` of one symbol; `newest` is the last candle that has closed."""

    def __init__(self, symbol: str, timeframe_ms: int) -> None:
        self._symbol = symbol
        self._timeframe_ms = timeframe_ms
        self.newest: Candle | None = None

    async def fetch_candles(self, symbol: str, timeframe: str, since_ms: int, limit: int) -> list[Candle]:
        """Nothing: replay puts candles into the store itself, each when it has closed."""
        raise ExchangeUnavailable(f"{symbol} {timeframe} {since_ms} {limit}: a replay has no exchange to ask")

    async def fetch_quote(self, symbol: str) -> Quote:
        """The newest close, as bid and as ask.

        Raises:
            ExchangeUnavailable: no candle has closed yet.
        """
        if self.newest is None:
            raise ExchangeUnavailable(f"{symbol}: no candle has closed yet")
        close = self.newest.close
        return Quote(symbol, close, close, self.newest.open_ms + self._timeframe_ms)

    async def fetch_market(self, symbol: str) -> Market:
        """Increments of a large market."""
        base, quote = symbol.split("/")
        return Market(symbol, base, quote, _SATOSHI, _CENT, _CENT, base_min=_SATOSHI, quote_min=Decimal(1))


class Tally(Instruments):
    """Instruments that can be asked what they counted."""

    def __init__(self, worker: WorkerName, symbols: Iterable[str]) -> None:
        super().__init__(worker, symbols)
        self.counts: Counter[tuple[str, ...]] = Counter()

    def inc(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter, and remember it by name and label values."""
        super().inc(name, amount, **labels)
        self.counts[(name, *labels.values())] += int(amount)


class ReplayDatabase(SqlDatabase):
    """The engine's rows in one transaction from the first unit of work to `commit`.

    A replay has nothing to lose: it leaves all its rows or none, and saves a commit per step.
    """

    def __init__(self, config: DatabaseConfig, engine: str) -> None:
        super().__init__(config, engine, inline=True)
        self._connection: Connection | None = None

    async def run_sql(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in the one transaction.

        Raises:
            StoreUnavailable: the database could not be reached.
        """
        with unavailable(self._sql):
            if self._connection is None:
                self._connection = self._sql.connect()
                self._connection.begin()
            return work(self._connection)

    def commit(self) -> None:
        """Keep everything.

        Raises:
            StoreUnavailable: the database could not be reached; nothing is kept.
        """
        if self._connection is not None:
            with unavailable(self._sql):
                self._connection.commit()

    async def close(self) -> None:
        """Release the connection; what was not committed is gone."""
        if self._connection is not None:
            self._connection.close()
        await super().close()


class ReplayShop(Workshop):
    """Makes workers that live in recorded time, in the calling thread, on one database."""

    clock: SimulatedClock

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config, NoToken(), one_process=True)
        self.clock = SimulatedClock()
        self.market = RecordedMarket(config.symbols[0], config.timeframe.milliseconds)
        self.tallies: dict[WorkerName, Tally] = {}

    @cached_property
    def database(self) -> ReplayDatabase:
        """The engine's rows."""
        return self._kept(ReplayDatabase(self.config.database, self.config.engine))

    @cached_property
    def market_data(self) -> MarketData:
        """The recorded candles."""
        return self.market

    def instruments(self, worker: WorkerName) -> Instruments:
        """Its metrics, which replay reads at the end."""
        return self.tallies.setdefault(worker, Tally(worker, self.config.symbols))
