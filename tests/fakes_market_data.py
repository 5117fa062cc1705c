"""A market data port in memory: candles by symbol, errors on demand, every call kept."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from trading_engine.contract.config import Timeframe
from trading_engine.domain.candle import Candle
from trading_engine.domain.market import Market, Quote
from trading_engine.errors import EngineError, ExchangeRefused


class FakeMarketData:
    """Knows the symbols it was given candles for; `errors[symbol]` is raised instead of an answer."""

    def __init__(self, candles: dict[str, Iterable[Candle]]) -> None:
        self.candles = {symbol: list(found) for symbol, found in candles.items()}
        self.errors: dict[str, EngineError] = {}
        self.calls: list[tuple[str, int, int]] = []

    async def fetch_candles(self, symbol: str, timeframe: str, since_ms: int, limit: int) -> list[Candle]:
        """As the port says."""
        self.calls.append((symbol, since_ms, limit))
        end = since_ms + limit * Timeframe(timeframe).milliseconds
        return [candle for candle in self._of(symbol) if since_ms <= candle.open_ms < end]

    async def fetch_quote(self, symbol: str) -> Quote:
        """Around the last close, two cents wide."""
        last = self._of(symbol)[-1]
        return Quote(symbol, last.close - Decimal("0.01"), last.close + Decimal("0.01"), last.open_ms)

    async def fetch_market(self, symbol: str) -> Market:
        """Steps of a cent and of a hundred-millionth; at least 1 in quote currency."""
        self._of(symbol)
        cent, tiny = Decimal("0.01"), Decimal("0.00000001")
        return Market(symbol, *symbol.split("/"), tiny, cent, cent, tiny, Decimal(1))

    def _of(self, symbol: str) -> list[Candle]:
        if symbol in self.errors:
            raise self.errors[symbol]
        if symbol not in self.candles:
            raise ExchangeRefused(f"{symbol} is not known")
        return self.candles[symbol]
