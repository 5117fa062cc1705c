"""A market whose quote is whatever the test says."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from trading_engine.domain.candle import Candle
from trading_engine.domain.market import Market, Quote
from trading_engine.errors import ExchangeUnavailable

BTC_USD = Market(
    symbol="BTC/USD",
    base="BTC",
    quote="USD",
    base_increment=Decimal("0.00000001"),
    quote_increment=Decimal("0.01"),
    price_increment=Decimal("0.01"),
    base_min=Decimal("0.0001"),
    quote_min=Decimal("1"),
)


class FixedMarketData:
    """`ports.MarketData` of one market; set `market`, `quote` or `down` to change what it says."""

    def __init__(self, bid: str = "99.90", ask: str = "100.10") -> None:
        self.market = BTC_USD
        self.quote = Quote("BTC/USD", Decimal(bid), Decimal(ask), timestamp_ms=0)
        self.down = False

    def flag(self, *flags: str) -> None:
        """Let the venue forbid trading."""
        self.market = replace(self.market, flags=frozenset(flags))

    async def fetch_candles(self, symbol: str, timeframe: str, since_ms: int, limit: int) -> list[Candle]:
        raise ExchangeUnavailable(f"no candles here for {symbol} {timeframe} {since_ms} {limit}")

    async def fetch_quote(self, symbol: str) -> Quote:
        if self.down:
            raise ExchangeUnavailable(f"{symbol}: 503")
        return self.quote

    async def fetch_market(self, symbol: str) -> Market:
        assert symbol == self.market.symbol
        return self.market
