"""The workshop of a replay: the engine's own wiring with a simulated clock and recorded candles for a market.

Used by `replay` alone. Quotes are the close of the newest candle, bid and ask alike: recorded candles
know no spread, and fees (1.2 % a side unless told) outweigh it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import cached_property
from typing import TypeVar

from sqlalchemy import Connection

from trading_engine.adapters.sql_connect import transaction
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
    """The engine's rows, all units of work in one transaction: a replay leaves all its rows or none.

    It has nothing to lose, and a commit per step would cost more than the step.
    """

    def __init__(self, config: DatabaseConfig, engine: str) -> None:
        super().__init__(config, engine, inline=True)
        self._connection: Connection | None = None

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Work inside the block is committed at its end, or gone when it raises.

        Raises:
            StoreUnavailable: the database was not reached, or gave up in the middle.
        """
        with transaction(self._sql) as self._connection:
            yield

    async def run_sql(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in the one transaction.

        Raises:
            RuntimeError: outside of `all_or_nothing`.
        """
        if self._connection is None:
            raise RuntimeError("a replay's rows live in all_or_nothing")
        return work(self._connection)


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
